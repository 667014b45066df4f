"""Samples in a table become files that libsndfile reads back, sample for sample."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.corpus.reading.outcomes import ReadingError
from soritune.corpus.reading.sample_arrays import wav_of


@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
@pytest.mark.parametrize("shape", [(500,), (2, 500), (500, 2)])
def test_libsndfile_reads_the_same_samples(kind: str, shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(0).normal(0, 0.2, shape)
    samples = (samples * 32767).astype(np.int16) if kind == "int16" else samples.astype(kind)
    content = wav_of({"array": samples, "sampling_rate": 22050})
    read, rate = soundfile.read(io.BytesIO(content), dtype="int16" if kind == "int16" else "float32")
    assert rate == 22050
    wanted = samples.T if shape == (2, 500) else samples
    assert np.array_equal(read, wanted if kind == "int16" else wanted.astype(np.float32))
    assert wav_of({"array": samples, "sampling_rate": 22050}) == content


@pytest.mark.parametrize(
    ("array", "rate", "kind"),
    [
        (np.zeros(0), 16000, "audio-unnamed"),
        (None, 16000, "audio-unnamed"),
        (np.zeros(9), None, "audio-rate"),
        (np.zeros(9), 16000.5, "audio-rate"),
        (np.zeros((2, 3, 4)), 16000, "audio-shape"),
        (np.zeros((99, 100)), 16000, "audio-shape"),
        (np.zeros(9, dtype=np.int64), 16000, "audio-type"),
    ],
)
def test_what_is_not_audio_is_rejected(array: Any, rate: Any, kind: str) -> None:
    with pytest.raises(ReadingError) as error:
        wav_of({"array": array, "sampling_rate": rate})
    assert error.value.kind == kind
