"""An augmentation of another package, in one file: plan, check, memory search and collation treat it as a built-in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.parts import phases_of

from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.draws import Draws
from soritune.errors import AugmentationError, RecipeError
from soritune.recipe import Recipe, check_recipe, make_task
from soritune.stages.row_problems import row_problem
from soritune.stages.run import run
from soritune.testing import tiny_config
from soritune.training.batches.collate import Collator
from soritune.training.epochs import Epochs
from soritune.training.find_batch import find_batch
from soritune.training.log import read_events
from soritune.training.loop import train
from soritune.training.phases import resolve_phases
from soritune.training.run import TrainingRun

MakeRun = Callable[..., TrainingRun]

DRAG = '''
"""Plays an utterance slower or faster by straight lines between its samples."""

import numpy as np

from soritune.audio.augment.augmentation import Augmentation


class Drag(Augmentation):
    speeds: tuple[float, float] = (0.5, 0.8)

    def draw(self, rng):
        return {"speed": rng.between("speed", self.speeds)}

    def apply(self, samples, sample_rate_hz, parameters, generator):
        length = round(len(samples) / parameters["speed"])
        at = np.linspace(0, len(samples) - 1, length)
        return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)

    def speed_factor(self, parameters):
        return parameters["speed"]

    @property
    def fastest(self):
        return self.speeds[1]

    @property
    def slowest(self):
        return self.speeds[0]


AUGMENTATION = Drag
'''

BLEND = '''
"""MixUp (Zhang et al. 2018) with a share drawn for the micro-batch."""

import numpy as np

from soritune.audio.augment.mixing import MixableBatch, Mixing


class Blend(Mixing):
    probability: float = 1.0

    def mix(self, batch, rng):
        share, order = rng.beta(2.0, 2.0), np.roll(np.arange(len(batch.num_samples)), 1)

        def blended(values):
            return share * values + (1 - share) * values[order]

        return MixableBatch(
            blended(batch.waveform),
            np.maximum(batch.num_samples, batch.num_samples[order]),
            {name: blended(target) for name, target in batch.targets.items()},
            {name: present | present[order] for name, present in batch.present.items()},
        )


AUGMENTATION = Blend
'''

EMOTION = {"emotion": {"labels": ["Anxious", "Kind", "Dry"]}}


@pytest.fixture
def loose_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package of two files with one augmentation each."""
    site = tmp_path / "site"
    info = site / "loose_parts-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "loose_drag.py").write_text(DRAG, encoding="utf-8")
    (site / "loose_blend.py").write_text(BLEND, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loose-parts\nVersion: 1.0\n", "utf-8")
    points = "[soritune.audio.augment]\ndrag = loose_drag:AUGMENTATION\nblend = loose_blend:AUGMENTATION\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    for name in ("loose_drag", "loose_blend"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return site


def recipe_of(tones: Manifest, **parts: Any) -> Recipe:
    data: dict[str, Any] = {
        "name": "toy",
        "data": {"source": "manifest", "root": str(tones.path)},
        "split": {"by": ["speaker"], "ratios": {"train": 0.5, "val": 0.25, "test": 0.25}},
        "tasks": {**EMOTION, "phoneme": {}},
        "model": {"encoder": "none", "random_weights": True, "architecture": tiny_config(norm="layer")},
        "batches": {"batch_size": 4, "num_workers": 0},
        "train": {"device": "cpu", "max_steps": 2, "log_every_steps": 1},
        "evaluate": {"resamples": 100},
    }
    return check_recipe("toy", data | parts)


def epochs_of(run: TrainingRun) -> Epochs:
    return Epochs(run, phases_of(run)[0])


def test_recipe_names_the_augmentation_and_typing_errors_are_reported(
    loose_parts: Path, tones: Manifest
) -> None:
    augment = {"noise": {}, "drag": {"probability": 1}, "speed": None}
    phases = [{"augment": {"drag": {"speeds": [0.6, 0.7]}}}, {"augment": {"drag": None}}]
    recipe = recipe_of(tones, augment=augment, train={"phases": phases})
    assert list(recipe.augment.members) == ["noise", "drag"]
    again = check_recipe("again", recipe.resolved())
    assert again.resolved() == recipe.resolved()
    first, second = resolve_phases(again.train, again.augment, again.model.freeze)
    assert first.augment.drag.model_dump() == {"probability": 1.0, "speeds": (0.6, 0.7)}
    assert list(second.augment.members) == ["noise"]
    for settings, message in (
        ({"drga": {}}, "augment.drga: unknown key; did you mean 'drag'"),
        ({"drag": {"speed": [1, 2]}}, "augment.drag.speed: unknown key; did you mean 'speeds'"),
    ):
        with pytest.raises(RecipeError, match=message):
            recipe_of(tones, augment=settings)


def test_augmentation_without_its_package_is_unknown(tones: Manifest) -> None:
    with pytest.raises(RecipeError, match="augment.drag: unknown key"):
        recipe_of(tones, augment={"drag": {}})


def test_check_counts_frames_at_the_fastest_speed(loose_parts: Path, tones: Manifest) -> None:
    """The densest row of the tones has enough frames at its own speed, but not at eight times the speed."""
    rows = list(tones)

    def problems(augment: dict[str, Any]) -> list[str]:
        problem = row_problem(recipe_of(tones, tasks={"phoneme": {}}, augment=augment))
        return [fault.reason for row in rows if (fault := problem(row)) is not None]

    assert problems({}) == [] == problems({"drag": {"speeds": [0.5, 0.8]}})
    assert problems({"drag": {"speeds": [0.5, 8.0], "probability": 0}}) == []
    fast = problems({"drag": {"speeds": [0.5, 8.0], "probability": 0.1}})
    assert fast and "phoneme symbols need" in fast[0]
    phases = [{}, {"augment": {"drag": {"speeds": [0.5, 8.0]}}}]
    problem = row_problem(recipe_of(tones, tasks={"phoneme": {}}, train={"phases": phases}))
    assert sum(problem(row) is not None for row in rows) == len(fast)  # in any phase


def test_plan_and_collator_agree_on_lengths(loose_parts: Path, make_run: MakeRun) -> None:
    run = make_run(augment={"drag": {"probability": 0.7}}, epochs=3)
    epochs = epochs_of(run)
    for epoch in range(2):
        plan, seconds = epochs.plan(epoch), 0.0
        for index in range(plan.num_micro_batches):
            batch = epochs.collator(plan.micro_batch(index), epochs.draws(epoch), index)
            assert not batch.failed
            seconds += batch.audio_s
            assert batch.padded_samples <= 6.0 * 16000 + len(batch.rows)  # the budget holds as computed
        assert plan.speech_s == pytest.approx(seconds, abs=30 / 16000)
        assert plan.speech_s > 1.1 * run.manifest.durations_s[run.train_rows].sum()
    assert epochs.total_steps == sum(epochs.plan(epoch).num_steps for epoch in range(3))


@pytest.mark.slow
def test_memory_search_uses_the_longest_clip_at_the_slowest_speed(
    loose_parts: Path, make_run: MakeRun
) -> None:
    run = make_run(augment={"drag": {"speeds": [0.4, 0.8]}})
    longest = float(run.manifest.durations_s[run.train_rows].max())
    assert find_batch(run, memory_gb=3.0).longest_s == pytest.approx(longest / 0.4)


@pytest.mark.slow
def test_run_with_the_augmentation_goes_from_corpus_to_scores(
    loose_parts: Path, tones: Manifest, tmp_path: Path
) -> None:
    augment = {"drag": {"probability": 1, "speeds": [0.5, 0.6]}, "noise": {}, "spec_augment": {}}
    recipe = recipe_of(tones, augment=augment)
    result = run(recipe, tmp_path / "run")
    assert result.training.steps == 2
    steps = [event for event in read_events(tmp_path / "run") if event["event"] == "step"]
    assert all(np.isfinite(event["loss"]) for event in steps)
    assert "drag:" in (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8")


def test_mixed_batches_have_soft_targets_of_the_same_mass(loose_parts: Path, make_run: MakeRun) -> None:
    mixed, plain = (
        epochs_of(make_run(tasks=EMOTION, augment=augment)) for augment in ({"blend": {}}, {"blend": None})
    )
    rows = np.array([0, 5, 9, 14])
    first, second = (each.collator(rows, each.draws(0), 3) for each in (mixed, plain))
    values, before = first.targets["emotion"].values, second.targets["emotion"].values
    assert torch.allclose(values.sum(dim=1), torch.ones(4))
    assert ((values > 0) & (values < 1)).any() and not torch.equal(values, before)
    assert first.targets["emotion"].count == pytest.approx(second.targets["emotion"].count)
    assert first.inputs["waveform"].shape == second.inputs["waveform"].shape
    assert not torch.equal(first.inputs["waveform"], second.inputs["waveform"])
    again = mixed.collator(rows, mixed.draws(0), 3)
    assert torch.equal(again.inputs["waveform"], first.inputs["waveform"])
    elsewhere = mixed.collator(rows, mixed.draws(0), 4)
    assert not torch.equal(elsewhere.targets["emotion"].values, values)


def test_unreadable_row_has_the_label_of_its_partner(
    loose_parts: Path, tones: Manifest, tmp_path: Path
) -> None:
    rows = [replace(tones.utterance(0), id="missing", audio="missing.wav"), tones.utterance(1)]
    manifest = write_manifest(tmp_path / "missing.parquet", rows, root=tones.root)
    task = make_task("emotion", EMOTION["emotion"] | {"class_weights": [1.0, 1.0, 1.0]})
    augment = AugmentSettings.model_validate({"blend": {}})
    collator = Collator(
        manifest, [task], Preprocessing(), num_frames=lambda n: n // 320, hidden_size=8, augment=augment
    )
    batch = collator(np.array([0, 1]), Draws(0, 0, 0), 0)
    target = batch.targets["emotion"]
    assert [row for row, _ in batch.failed] == [0]
    assert target.present.tolist() == [True, True]
    assert target.values.sum() == pytest.approx(1.0) == target.count
    assert (target.values.sum(dim=1) > 0.01).all()


@pytest.mark.slow
def test_run_with_mixed_batches_trains(loose_parts: Path, make_run: MakeRun) -> None:
    result = train(make_run(tasks=EMOTION, augment={"blend": {}}, max_steps=2))
    assert result.steps == 2


def test_mixing_with_a_ctc_output_is_refused_in_the_recipe(
    loose_parts: Path, make_run: MakeRun, tones: Manifest
) -> None:
    message = "augment.blend: mixes several utterances, but the output 'phoneme' is trained by ctc"
    with pytest.raises(RecipeError, match=message):
        recipe_of(tones, augment={"blend": {}})
    with pytest.raises(RecipeError, match=message):
        recipe_of(tones, train={"phases": [{}, {"augment": {"blend": {}}}]})
    assert recipe_of(tones, augment={"blend": None}).augment.blend is None
    assert recipe_of(tones, tasks=EMOTION, augment={"blend": {}}).augment.blend is not None
    with pytest.raises(AugmentationError, match=message):
        epochs_of(make_run(augment={"blend": {}}))
