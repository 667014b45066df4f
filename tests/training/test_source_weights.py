"""Corpora of different weight in one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import write_tones
from tests.training.parts import phases_of

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.errors import TrainingError
from soritune.training.epochs import Epochs
from soritune.training.log import read_events
from soritune.training.loop import train
from soritune.training.run import TrainingRun

MakeRun = Callable[..., TrainingRun]


@pytest.fixture
def two_sources(tmp_path: Path) -> Manifest:
    """36 rows, the first 18 (three speakers) of `large`, the others of `small`."""
    folder = tmp_path / "two"
    folder.mkdir()
    rows = [replace(row, source="large" if n < 18 else "small") for n, row in enumerate(write_tones(folder))]
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


def epochs_of(run: TrainingRun) -> Epochs:
    return Epochs(run, phases_of(run)[0])


def visits(epochs: Epochs, number: int) -> Counter[int]:
    plan = epochs.plan(number)
    steps = [epochs.rows_of_step(number, step) for step in range(plan.num_steps)]
    return Counter(np.concatenate(steps).tolist())


def test_epoch_visits_rows_by_the_weight_of_their_source(make_run: MakeRun, two_sources: Manifest) -> None:
    weights = {"large": 0.5, "small": 3.0}
    epochs = epochs_of(make_run(manifest=two_sources, batches={"source_weights": weights}, epochs=4))
    seen = [visits(epochs, number) for number in range(4)]
    for number in (0, 2):
        both = seen[number] + seen[number + 1]
        assert all(both[row] == 1 for row in range(18))
    assert all(count[row] == 3 for count in seen for row in range(18, 30))
    seconds = two_sources.durations_s
    assert epochs.hours * 3600 == pytest.approx(0.5 * seconds[:18].sum() + 3 * seconds[18:30].sum())
    assert epochs.total_steps == sum(epochs.plan(number).num_steps for number in range(4))


@pytest.mark.slow
def test_weighted_run_trains_to_its_end(make_run: MakeRun, two_sources: Manifest) -> None:
    run = make_run(
        manifest=two_sources, batches={"source_weights": {"large": 0.5, "small": 2.0}}, log_every_steps=1
    )
    result = train(run)
    steps = [event for event in read_events(run.folder) if event["event"] == "step"]
    assert result.stopped == "end"
    assert result.steps == epochs_of(run).total_steps == steps[-1]["step"]


def test_unknown_source_is_refused(make_run: MakeRun, two_sources: Manifest) -> None:
    run = make_run(manifest=two_sources, batches={"source_weights": {"larg": 0.5}})
    with pytest.raises(
        TrainingError, match="names larg, but the rows of the manifest come from large, small"
    ):
        epochs_of(run)


def test_weights_without_any_row_left_are_refused(make_run: MakeRun, two_sources: Manifest) -> None:
    run = make_run(manifest=two_sources, batches={"source_weights": {"large": 0, "small": 0}})
    with pytest.raises(TrainingError, match="leaves no row"):
        epochs_of(run)


def test_visits_to_a_row_in_one_epoch_have_different_speeds_and_masks(
    make_run: MakeRun, two_sources: Manifest
) -> None:
    run = make_run(
        manifest=two_sources,
        batches={"source_weights": {"small": 8.0}},
        augment={
            "speed": {"factors": [0.9, 1.0, 1.1], "probability": 1.0},
            "spec_augment": {"time_width_frames": 12},
        },
    )
    epochs, count = epochs_of(run), len(two_sources)
    visits = 20 + count * np.arange(8)
    batch = epochs.collator(visits, epochs.draws(0), 0)
    assert batch.rows.tolist() == [20] * 8 and not batch.failed
    assert len(set(batch.inputs["num_samples"].tolist())) > 1
    assert "time_mask" in batch.inputs
    assert len({line.numpy().tobytes() for line in batch.inputs["time_mask"]}) > 4


def test_next_phase_visits_other_rows(make_run: MakeRun, two_sources: Manifest) -> None:
    weights = {"large": 0.25, "small": 0.25}
    run = make_run(
        manifest=two_sources, batches={"source_weights": weights}, phases=[{"epochs": 1}, {"epochs": 1}]
    )
    first, second = (set(Epochs(run, phase).visits(0).tolist()) for phase in phases_of(run))
    assert first != second


@pytest.mark.slow
def test_label_of_a_rarely_visited_source_is_waited_for(make_run: MakeRun, two_sources: Manifest) -> None:
    """Only the rare source has emotions; an epoch without any of them does not stop the run."""
    rows = [replace(row, emotion=row.emotion if row.source == "small" else None) for row in two_sources]
    rare = write_manifest(two_sources.root / "rare.parquet", rows, root=two_sources.root)
    run = make_run(manifest=rare, batches={"source_weights": {"small": 0.02}}, epochs=2)
    assert epochs_of(run).round == 50
    assert train(run).stopped == "end"


@pytest.mark.slow
def test_share_of_unreadable_rows_is_of_the_rows_an_epoch_visits(
    make_run: MakeRun, two_sources: Manifest
) -> None:
    """All 12 training rows of `small` are missing: nearly all of an epoch's 14 visits, but 40 % of the 30 rows."""
    for n in range(18, 30):
        (two_sources.root / two_sources.utterance(n).audio).unlink()
    run = make_run(
        manifest=two_sources,
        batches={"source_weights": {"large": 0.1}},
        max_failed_share=0.5,
        tasks={"phoneme": {}},
    )
    with pytest.raises(TrainingError, match="could not be used in this epoch"):
        train(run)
