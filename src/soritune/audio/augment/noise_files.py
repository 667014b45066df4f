"""Recorded noise from the files of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from soritune.audio.augment.augmentation import Parameters, within
from soritune.audio.augment.noise import with_noise
from soritune.audio.augment.recordings import RecordedSounds
from soritune.audio.channels import Float32Array
from soritune.audio.waveform import read_audio, read_header
from soritune.draws import RowDraws
from soritune.errors import AudioError, AugmentationError


class NoiseFiles(RecordedSounds):
    """Adds a part of a recording at a level relative to the active speech.

    A recording that is shorter than the utterance is repeated, and its constant offset is removed. Digital silence
    remains silent.
    """

    snr_db: Annotated[tuple[float, float], within(-40.0, 100.0)] = (5.0, 30.0)
    """Range of the speech level over the noise level after clipping, equally likely in dB."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`snr_db`, `file`, `start` (where the part begins, as a share of the places where it fits)."""
        return {
            "snr_db": rng.between("snr_db", self.snr_db),
            "file": self.draw_files(rng),
            "start": rng.uniform("start"),
        }

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Adds the part drawn to (samples,).

        Raises:
            AugmentationError: the recording cannot be read.
        """
        file = Path(self.folder, str(parameters["file"]))
        try:
            noise = _part(file, len(samples), sample_rate_hz, float(parameters["start"]))
        except AudioError as error:
            raise AugmentationError(f"the recording of noise cannot be read: {error}") from None
        return with_noise(samples, noise, sample_rate_hz, float(parameters["snr_db"]))


AUGMENTATION = NoiseFiles


def _part(file: Path, size: int, sample_rate_hz: int, start: float) -> Float32Array:
    """(size,) of a recording, which is repeated where it is too short."""
    duration_s, needed_s = _duration_s(file), size / sample_rate_hz
    begin_s = start * max(duration_s - needed_s, 0.0)
    part = read_audio(file, start_s=begin_s, at_most_s=needed_s + 0.01, sample_rate_hz=sample_rate_hz)
    # A constant offset of a recorder cannot be heard, and would count as noise.
    return np.resize(part - np.mean(part), size)


@lru_cache(maxsize=65536)
def _duration_s(file: Path) -> float:
    return read_header(file).duration_s
