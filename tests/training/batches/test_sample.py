from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.draws import Draws
from soritune.recipe import make_task
from soritune.training.batches.sample import SampleReader

DRAWS = Draws(0, 0, 0)
TASKS = [make_task("phoneme", {}), make_task("emotion", {"labels": ["Anxious", "Kind", "Dry"]})]


def reader(manifest: Manifest, augment: dict[str, Any] | None = None, **preprocessing: Any) -> SampleReader:
    chain = Chain.of(AugmentSettings.model_validate(augment or {}))
    return SampleReader(manifest, TASKS, Preprocessing(**preprocessing), chain)


def test_sample_is_the_file_and_its_labels(tones: Manifest) -> None:
    """Normalised to zero mean and unit variance, as the encoders expect."""
    row = 2
    utterance = tones.utterance(row)
    samples, _ = soundfile.read(tones.audio_path(utterance), dtype="float64")
    sample = reader(tones)(row, DRAWS)
    assert np.allclose(sample.waveform, (samples - samples.mean()) / samples.std(), atol=1e-4)
    assert (sample.row, sample.visit, sample.faults, sample.failure) == (row, row, (), None)
    phones, emotion = sample.targets["phoneme"], sample.targets["emotion"]
    assert phones is not None and len(phones) > 0
    assert emotion is not None and emotion.tolist() == [0.0, 1.0, 0.0]  # rows 2 and 3 are kind
    assert utterance.emotion == "Kind"


def test_part_of_a_file_is_read_by_start_and_duration(tones: Manifest, tmp_path: Path) -> None:
    whole = tones.utterance(0)
    part = replace(whole, id="part", start_s=0.125, duration_s=0.25)
    manifest = write_manifest(tmp_path / "parts.parquet", [whole, part], root=tones.root)
    samples, _ = soundfile.read(tones.audio_path(whole), dtype="float32")
    cut = samples[2000:6000]
    waveform = reader(manifest)(1, DRAWS).waveform
    assert np.allclose(waveform, (cut - cut.mean()) / cut.std(), atol=1e-4)


def test_row_that_cannot_be_read_is_a_second_of_silence(tones: Manifest, tmp_path: Path) -> None:
    missing = replace(tones.utterance(0), audio="missing.flac")
    manifest = write_manifest(tmp_path / "missing.parquet", [missing], root=tones.root)
    sample = reader(manifest)(0, DRAWS)
    assert sample.waveform.tolist() == [0.0] * 16000
    assert sample.failure == "does not exist"
    assert sample.targets == {}


def test_further_visit_has_the_same_row_and_other_random_numbers(tones: Manifest) -> None:
    read = reader(tones, {"noise": {"probability": 1.0}})
    first, again, further = (read(visit, DRAWS) for visit in (3, 3, 3 + len(tones)))
    assert (further.row, further.visit) == (3, 3 + len(tones))
    assert np.array_equal(first.waveform, again.waveform)
    assert not np.allclose(first.waveform, further.waveform)


def test_cropped_row_loses_the_targets_that_follow_its_time(tones: Manifest) -> None:
    """An utterance's phones cannot be cut to the part that is left; its emotion can be learnt from the part."""
    row = int(np.argmax(tones.durations_s))
    sample = reader(tones, max_duration_s=0.5)(row, DRAWS)
    assert len(sample.waveform) == 8000
    assert sample.targets["phoneme"] is None
    assert sample.targets["emotion"] is not None
    (fault,) = sample.faults
    assert fault.startswith("phoneme: ")


def relabelled(tones: Manifest, folder: Path, emotion: str | None) -> Manifest:
    utterance = replace(tones.utterance(0), emotion=emotion)
    return write_manifest(folder / "labels.parquet", [utterance], root=tones.root)


def test_row_without_a_label_has_the_other_targets(tones: Manifest, tmp_path: Path) -> None:
    sample = reader(relabelled(tones, tmp_path, None))(0, DRAWS)
    assert sample.targets.get("emotion") is None
    assert sample.targets["phoneme"] is not None
    assert sample.failure is None


def test_row_with_an_unknown_label_fails_with_the_reason(tones: Manifest, tmp_path: Path) -> None:
    sample = reader(relabelled(tones, tmp_path, "Happy"))(0, DRAWS)
    assert sample.failure is not None and "Happy" in sample.failure
    assert sample.targets == {}


def learners(tones: Manifest, tmp_path: Path) -> Manifest:
    """Three rows with other phones each; every phone is as it should be."""
    texts = ("g a", "n o m", "d i s a")
    rows = [
        replace(
            tones.utterance(index),
            phones=None,
            canonical=tuple(text.split()),
            perceived=tuple(text.split()),
            error_labels=("C",) * len(text.split()),
        )
        for index, text in enumerate(texts)
    ]
    return write_manifest(tmp_path / "learners.parquet", rows, root=tones.root)


def test_prompts_are_swapped_in_training_alone_and_only_for_the_output_that_reads_them(
    tones: Manifest, tmp_path: Path
) -> None:
    manifest = learners(tones, tmp_path)
    settings = {
        "labels": "correct-incorrect",
        "inventory": list("gandoimsu"),
        "segment_head": {"swapped_texts": 0.5},
    }
    task = make_task("mispronunciation", settings)
    chain, plain = Chain.of(AugmentSettings()), Preprocessing()
    evaluated = SampleReader(manifest, [task], plain, chain)
    trained = SampleReader(manifest, [task], plain, chain, drops_inputs=True)
    (spec,) = task.inputs
    own = [evaluated(row, DRAWS) for row in range(3)]
    assert [len(sample.inputs[spec.name]) for sample in own] == [2, 3, 4]
    assert all(set(np.asarray(sample.targets["segment"]).tolist()) == {1} for sample in own)
    seen = set()
    for epoch in range(40):
        draws = Draws(0, 0, epoch)
        sample = trained(0, draws)
        again = trained(0, draws)
        assert np.array_equal(sample.inputs[spec.name], again.inputs[spec.name])
        assert len(sample.inputs[spec.name]) == len(np.asarray(sample.targets["segment"]))
        # Both CTC outputs learn what was spoken.
        for name in ("phoneme", "error"):
            assert np.array_equal(sample.targets[name], own[0].targets[name])
        seen.add(len(sample.inputs[spec.name]))
    assert seen == {2, 3, 4}
