"""Thresholds of labels by phone: chosen on validation speakers, kept in the card, used by predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, load_splits, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import BundleError, TaskError
from soritune.inference.predictor import Predictor
from soritune.metrics.slot_errors import best_f1_threshold, binned, low_rejection_threshold
from soritune.stages.error_thresholds import choose_error_thresholds
from soritune.tasks.task import make_task

SETTINGS = {"labels": "correct-incorrect", "inventory": ["a", "b", "c"], "error_decoding": "slots"}


def made_run(fakes: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, wrong: float = 0.3) -> Path:
    draw = np.random.default_rng(0)
    (folder / "audio").mkdir(parents=True)
    rows = []
    for speaker in range(8):
        for index in range(4):
            name = f"s{speaker}_{index}.wav"
            soundfile.write(folder / "audio" / name, draw.normal(size=16000).astype(np.float32) * 0.1, 16000)
            phones = tuple(str(phone) for phone in draw.choice(["a", "b", "c"], size=5))
            labels = tuple("I" if draw.random() < wrong else "C" for _ in phones)
            perceived = tuple(
                "sil" if label == "I" else phone for phone, label in zip(phones, labels, strict=True)
            )
            rows.append(
                Utterance(
                    id=name,
                    audio=name,
                    duration_s=1.0,
                    speaker=f"s{speaker}",
                    canonical=phones,
                    perceived=perceived,
                    error_labels=labels,
                )
            )
    run = folder / "run"
    write_manifest(run / "checked.parquet", rows, root=folder / "audio")
    settings = SplitSettings(by=("speaker",), ratios={"train": 0.25, "val": 0.5, "test": 0.25})
    make_splits(load_manifest(run / "checked.parquet"), settings).save(run / "splits.parquet")
    task = make_task("mispronunciation", SETTINGS)
    fakes.make_bundle(run / "bundles" / "last", [task])
    monkeypatch.setattr(
        "soritune.inference.predictor.load_member",
        lambda package, attribute, name, kind: lambda path, *, device: fakes.FakeBackend([task]),
    )
    return run


def test_thresholds_are_those_of_the_validation_rows_and_predictions_use_them(
    fakes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(fakes, tmp_path, monkeypatch)
    rows = load_manifest(run / "checked.parquet")
    val = rows.select(load_splits(run / "splits.parquet").indices(rows, "val"))
    before = {row["id"]: row for row in Predictor.load(run / "bundles" / "last", vad="off").predict(val)}
    chosen = choose_error_thresholds(run)["mispronunciation"]["slots"]
    values, wrong = [], []
    for row in val:
        values += before[row.id]["tasks"]["mispronunciation"]["prediction"]["slot_errors"]
        wrong += [label == "I" for label in row.error_labels or ()]
    bins = binned(values, wrong)
    assert chosen["best_f1"] == best_f1_threshold(bins)
    assert chosen["low_rejection"] == low_rejection_threshold(bins)
    assert (chosen["speakers"], chosen["phones"]) == (4, 4 * 4 * 5)
    (task,) = load_bundle(run / "bundles" / "last").tasks
    assert task.config.model_dump(mode="json")["thresholds"]["slots"] == chosen
    (after,) = Predictor.load(run / "bundles" / "last", vad="off").predict(val.select([0]))
    prediction = after["tasks"]["mispronunciation"]["prediction"]
    expected = ["I" if value >= chosen["best_f1"] else "C" for value in prediction["slot_errors"]]
    assert prediction["labels"] == expected


def test_rows_without_an_error_give_no_threshold(
    fakes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_run(fakes, tmp_path, monkeypatch, wrong=0.0)
    with pytest.raises(TaskError, match="80 and 0 that are annotated"):
        choose_error_thresholds(run)


def test_model_without_labels_by_phone_is_refused(fakes: Any, tmp_path: Path) -> None:
    bundle = fakes.make_bundle(tmp_path / "run" / "bundles" / "last", [fakes.phoneme_task()])
    with pytest.raises(BundleError, match="not part of a run"):
        choose_error_thresholds(bundle.path)
