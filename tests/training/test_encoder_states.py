"""Training on stored states: the same as training with the encoder, in less time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.training.parts import STRONG, interrupted_at

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.errors import TrainingError
from soritune.models.model import SpeechModel
from soritune.run_folder import RunFolder
from soritune.training.encoder_states import EncoderStates
from soritune.training.end_reason import EndReason
from soritune.training.log import read_events
from soritune.training.loop import train
from soritune.training.run import TrainingRun

MakeRun = Callable[..., TrainingRun]
FROZEN: dict[str, Any] = {"freeze": {"encoder": True}, "dropout": 0.0}
HEADS = {
    "emotion": {"labels": ["Anxious", "Kind", "Dry"], "layer": "weighted"},
    "phoneme": {"layer": [1, 2], "head": {"kind": "gru", "width": 16, "dropout": 0.0}},
}


def run_of(make_run: MakeRun, name: str, *, kept: dict[str, Any] | None, **more: Any) -> TrainingRun:
    settings = {"tasks": HEADS, "model": FROZEN, "log_every_steps": 1, "epochs": 3} | more
    batches = {"encoder_states": kept, **settings.pop("batches", {})}
    return make_run(name, batches=batches, **settings)


def losses_of(run: TrainingRun) -> list[float]:
    return [event["loss"] for event in read_events(run.folder) if event["event"] == "step"]


def encodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every call of the encoder from now on."""
    calls: list[int] = []
    real = SpeechModel.encode

    def counting(self: SpeechModel, waveform: Any, *rest: Any) -> Any:
        calls.append(len(waveform))
        return real(self, waveform, *rest)

    monkeypatch.setattr(SpeechModel, "encode", counting)
    return calls


@pytest.mark.parametrize("augment", [None, STRONG], ids=["plain", "augmented"])
def test_losses_are_those_of_training_with_the_encoder(
    make_run: MakeRun, augment: dict[str, Any] | None
) -> None:
    """With a version for each epoch. States have 11 bits, so losses differ in the fourth digit."""
    without = run_of(make_run, "without", kept=None, augment=augment, epochs=2)
    stored = run_of(make_run, "stored", kept={"copies": 9}, augment=augment, epochs=2)
    for run in (without, stored):
        train(run)
    assert losses_of(stored) == pytest.approx(losses_of(without), rel=2e-3)
    values = [event for event in read_events(stored.folder) if event["event"] == "evaluate"]
    expected = [event for event in read_events(without.folder) if event["event"] == "evaluate"]
    assert [e["val/loss"] for e in values] == pytest.approx([e["val/loss"] for e in expected], rel=2e-3)


def test_rows_that_an_epoch_visits_twice_get_two_versions(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tones: Manifest
) -> None:
    calls = encodings(monkeypatch)
    (source,) = {str(name) for name in tones.column("source").to_pylist()}
    batches = {"source_weights": {source: 2.0}}
    run = run_of(make_run, "run", kept={"copies": 3}, augment=STRONG, batches=batches, epochs=1)
    train(run)
    assert sum(calls) == 3 * len(run.train_rows) + len(run.validation_rows)


def test_each_clip_is_encoded_once_and_other_seeds_share_it(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tones: Manifest
) -> None:
    calls = encodings(monkeypatch)
    kept = {"folder": str(tmp_path / "shared")}
    train(run_of(make_run, "first", kept=kept))
    assert sum(calls) == len(tones)
    train(run_of(make_run, "second", kept=kept, seed=5))
    assert sum(calls) == len(tones)


def test_augmented_versions_are_encoded_once_each(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tones: Manifest
) -> None:
    calls = encodings(monkeypatch)
    run = run_of(make_run, "run", kept={"copies": 2}, augment=STRONG, epochs=5)
    train(run)
    assert sum(calls) == 2 * len(run.train_rows) + len(run.validation_rows)
    assert RunFolder(run.folder).encoder_states.is_dir()


def test_interrupted_run_resumes_with_what_is_encoded_to_the_same_weights(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_of(make_run, "whole", kept={"copies": 2}, augment=STRONG)
    train(whole)
    with interrupted_at(3):
        assert (
            train(run_of(make_run, "cut", kept={"copies": 2}, augment=STRONG)).stopped
            == EndReason.INTERRUPTED
        )
    calls = encodings(monkeypatch)
    train(run_of(make_run, "cut", kept={"copies": 2}, augment=STRONG), resume=True)
    assert not calls
    assert losses_of(run_of(make_run, "cut", kept=None)) == losses_of(whole)


def test_interruption_while_encoding_keeps_what_is_encoded(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tones: Manifest
) -> None:
    calls: list[int] = []
    real = EncoderStates._encoded

    def interrupting(self: EncoderStates, batch: Any) -> Any:
        calls.append(len(batch.rows))
        if len(calls) == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)
        return real(self, batch)

    monkeypatch.setattr(EncoderStates, "_encoded", interrupting)
    batches = {"evaluation_padded_seconds": 6.0}
    assert train(run_of(make_run, "cut", kept={}, batches=batches)).stopped == EndReason.INTERRUPTED
    assert len(calls) == 2
    result = train(run_of(make_run, "cut", kept={}, batches=batches), resume=True)
    assert result.stopped == EndReason.END and sum(calls) == len(tones)
    train(run_of(make_run, "whole", kept={}, batches=batches))
    whole = losses_of(run_of(make_run, "whole", kept=None))
    # The clips were encoded in other batches, which changes the last digits.
    assert losses_of(run_of(make_run, "cut", kept=None)) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"model": {"dropout": 0.0}},
            "keeps the states of an encoder that is not trained, and encoder.*is trained",
        ),
        ({"model": {**FROZEN, "lora": {"rank": 2}}}, "encoder.*lora.* is trained"),
        ({"tasks": {"emotion": HEADS["emotion"]}, "augment": {"mixup": {}}}, "augment.mixup mixes several"),
        ({"kept": {"max_gigabytes": 1e-6}}, "max_gigabytes is 1e-06; raise"),
    ],
)
def test_runs_whose_states_cannot_be_kept_are_refused(
    make_run: MakeRun, more: dict[str, Any], words: str
) -> None:
    run = run_of(make_run, "run", **({"kept": {}} | more))
    with pytest.raises(TrainingError, match=words):
        train(run)


def test_full_disk_is_noticed_before_anything_is_encoded(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(TrainingError, match="the disk of .* has 0.0 GB; name another folder"):
        train(run_of(make_run, "run", kept={}))


def test_row_that_cannot_be_read_is_reported_as_in_any_training(
    make_run: MakeRun, tones: Manifest, tmp_path: Path
) -> None:
    from dataclasses import replace

    rows = list(tones)
    rows[2] = replace(rows[2], audio="missing.wav")
    manifest = write_manifest(tmp_path / "broken.parquet", rows, root=tones.root)
    run = run_of(make_run, "run", kept={}, manifest=manifest, max_failed_share=0.2)
    result = train(run)
    assert result.stopped == EndReason.END
    assert "missing.wav" in RunFolder(run.folder).quarantine.read_text() or any(
        "missing" in str(event) for event in read_events(run.folder)
    )


def test_states_beyond_half_precision_are_refused(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SpeechModel.kept_states

    def large(self: SpeechModel, *args: Any, **more: Any) -> Any:
        states, frames = real(self, *args, **more)
        return states * 1e6, frames

    monkeypatch.setattr(SpeechModel, "kept_states", large)
    with pytest.raises(TrainingError, match=r"at most 65,504"):
        train(run_of(make_run, "run", kept={}))


def test_states_of_a_batch_have_zeros_behind_each_clip(make_run: MakeRun) -> None:
    run = run_of(make_run, "run", kept={}, epochs=1)
    train(run)
    from tests.training.parts import phases_of

    from soritune.progress import SILENT
    from soritune.training.devices import make_accelerator
    from soritune.training.epochs import Epochs
    from soritune.training.process_group import process_group

    phase = phases_of(run)[0]
    accelerator = make_accelerator(run.settings)
    states = EncoderStates(run, phase, accelerator=accelerator, group=process_group(), console=SILENT)
    epochs = Epochs(run, phase, states)
    batch = epochs.collator(np.arange(4), epochs.draws(0), 0)
    assert "waveform" not in batch.inputs
    kept = batch.inputs["states"]
    assert kept.shape[2:] == (3, 16) and batch.longest_samples == int(batch.inputs["num_samples"].max())
    frames = run.model.geometry.num_frames(batch.inputs["num_samples"])
    for row, number in enumerate(frames.tolist()):
        assert kept[row, :number].any() and not kept[row, number:].any()


def test_processes_encode_every_clip_although_another_run_fills_the_folder_meanwhile(
    make_run: MakeRun, tones: Manifest, tmp_path: Path
) -> None:
    """The second process lists the folder after another run has written some of the clips into it."""
    from types import SimpleNamespace

    from tests.training.parts import phases_of

    from soritune.progress import SILENT
    from soritune.training.batches.state_store import StateStore
    from soritune.training.devices import make_accelerator
    from soritune.training.process_group import process_group

    kept = {"folder": str(tmp_path / "shared")}
    run = run_of(make_run, "run", kept=kept)
    phase, group = phases_of(run)[0], process_group()
    real = make_accelerator(run.settings)

    def process(index: int, count: int, run: TrainingRun = run) -> EncoderStates:
        accelerator: Any = SimpleNamespace(
            process_index=index,
            num_processes=count,
            device=real.device,
            mixed_precision=real.mixed_precision,
            autocast=real.autocast,
        )
        return EncoderStates(run, phase, accelerator=accelerator, group=group, console=SILENT)

    def fill(states: EncoderStates, rows: np.ndarray[Any, Any]) -> None:
        assert states.fill(rows, rows[:0], states.run.manifest.durations_s, lambda: False)

    rows = np.arange(len(tones))
    first = process(0, 2)
    fill(process(0, 1), rows[:5])
    fill(process(1, 2), rows)
    fill(first, rows)
    assert len(StateStore(tmp_path / "shared")) == len(tones)


def test_store_leaves_other_files_and_files_in_the_making_alone(tmp_path: Path) -> None:
    from soritune.training.batches.state_store import EncodedClip, StateStore

    others = [tmp_path / ".0123456789abcdef.0a1b2c3d.safetensors", tmp_path / "model.safetensors"]
    for file in others:
        file.write_bytes(b"part of a file")
    damaged = tmp_path / f"{'a' * 24}.safetensors"
    damaged.write_bytes(b"part of a file")
    store = StateStore(tmp_path)
    assert store.num_damaged == 1 and not damaged.exists()
    assert all(file.read_bytes() == b"part of a file" for file in others) and store.num_bytes == 0
    store.put({"k": EncodedClip(320, np.zeros((1, 1, 4), np.float16))})
    assert "k" in StateStore(tmp_path)


def test_files_that_were_damaged_are_reported_and_their_clips_encoded_again(
    make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of(make_run, "run", kept={}, epochs=1)
    train(run)
    (file,) = RunFolder(run.folder).encoder_states.iterdir()
    file.write_bytes(file.read_bytes()[:20])
    again = run_of(make_run, "again", kept={"folder": str(file.parent)}, epochs=1)
    with caplog.at_level("WARNING"):
        train(again)
    assert "1 files in" in caplog.text and "were damaged" in caplog.text
    assert losses_of(again) == losses_of(run)
