from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import write_tones
from tests.training.parts import build_run, phases_of

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.training.devices import make_accelerator
from soritune.training.epochs import Epochs
from soritune.training.run import TrainingRun
from soritune.training.validation import Validation, validate

LABELS = ["Anxious", "Kind", "Dry"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tones: Manifest) -> TrainingRun:
    return build_run(tmp_path_factory.mktemp("validation"), tones, model={"dropout": 0.5})


def validated(run: TrainingRun, rows: np.ndarray, padded_seconds: float = 120.0) -> Validation:
    epochs = Epochs(run, phases_of(run)[0])
    return validate(
        run.model,
        run.tasks,
        epochs.plain_collator,
        rows,
        epochs.durations_s[rows],
        padded_seconds=padded_seconds,
        num_workers=0,
        accelerator=make_accelerator(run.settings),
    )


def test_loss_and_accuracy_are_those_of_single_rows(run: TrainingRun) -> None:
    """Row by row, without padding: the mean of the cross-entropies, and the share of right labels."""
    rows = np.arange(12)
    epochs = Epochs(run, phases_of(run)[0])
    entropies, hits = [], []
    run.model.eval()
    for row in rows:
        batch = epochs.plain_collator(np.array([row]), epochs.draws(0), 0)
        with torch.no_grad():
            probabilities = run.model(**batch.inputs).logits["emotion"][0].double().softmax(0)
        label = LABELS.index(str(run.manifest.utterance(int(row)).emotion))
        entropies.append(-float(probabilities[label].log()))
        hits.append(int(probabilities.argmax()) == label)
    values = validated(run, rows).values
    assert values["loss/emotion"] == pytest.approx(np.mean(entropies), rel=1e-5)
    assert values["emotion/wa"] == pytest.approx(np.mean(hits))
    assert values["loss"] == pytest.approx(values["loss/emotion"] + values["loss/phoneme"])


def test_result_does_not_depend_on_the_batches(run: TrainingRun) -> None:
    rows = np.arange(30, 36)
    large, small = validated(run, rows), validated(run, rows, padded_seconds=1.5)
    assert large.num_rows == 6
    assert small.values == pytest.approx(large.values, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_model_is_evaluated_without_dropout_and_left_in_its_mode(run: TrainingRun, training: bool) -> None:
    run.model.train(training)
    rows = np.arange(4)
    assert validated(run, rows).values == validated(run, rows).values
    assert run.model.training is training


def test_unreadable_rows_are_counted_and_ignored(run: TrainingRun, tmp_path: Path) -> None:
    utterances = write_tones(tmp_path, speakers=1)
    manifest = write_manifest(tmp_path / "manifest.parquet", utterances, root=tmp_path)
    broken = replace(run, manifest=manifest, train_rows=np.arange(6))
    expected = validated(broken, np.array([0, 2]))
    (tmp_path / utterances[1].audio).unlink()
    result = validated(broken, np.array([0, 1, 2]))
    assert (result.num_rows, result.num_failed) == (3, 1)
    assert result.values == pytest.approx(expected.values, rel=1e-5)


def test_values_without_any_row_are_not_numbers(run: TrainingRun, tmp_path: Path) -> None:
    utterances = write_tones(tmp_path, speakers=1)
    manifest = write_manifest(tmp_path / "manifest.parquet", utterances, root=tmp_path)
    (tmp_path / utterances[0].audio).unlink()
    values = validated(replace(run, manifest=manifest, train_rows=np.arange(6)), np.array([0])).values
    assert np.isnan([values["loss"], values["loss/emotion"], values["loss/phoneme"]]).all()


def test_row_whose_output_is_not_finite_is_not_counted_as_a_label(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.arange(6)
    expected = validated(run, rows[1:])
    forward = type(run.model).forward

    def spoilt(self, waveform, num_samples, **inputs):  # type: ignore[no-untyped-def]
        output = forward(self, waveform, num_samples, **inputs)
        first = int(run.manifest.durations_s[0] * 16000)
        for logits in output.logits.values():
            logits[(num_samples - first).abs() < 2] = float("nan")
        return output

    monkeypatch.setattr(type(run.model), "forward", spoilt)
    result = validated(run, rows)
    assert result.num_failed == expected.num_failed + 1
    rates = [name for name in result.values if name.startswith("emotion/")]
    assert rates
    assert [result.values[name] for name in rates] == pytest.approx([expected.values[name] for name in rates])
    assert np.isnan(result.values["loss"])
