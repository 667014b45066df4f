"""Reverberation by measured impulse responses from the files of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from soritune.audio.augment.augmentation import Parameters
from soritune.audio.augment.recordings import RecordedSounds
from soritune.audio.channels import Float32Array
from soritune.audio.spectrum import fast_length
from soritune.audio.waveform import read_audio
from soritune.draws import RowDraws
from soritune.errors import AudioError, AugmentationError

_LONGEST_S = 2.0
"""What a response has beyond this is left out."""


class RoomFiles(RecordedSounds):
    """Convolves an utterance with a recorded impulse response; `room` does it with computed ones.

    A response is used from its largest sample, the direct sound, which keeps level and time, so that time labels
    remain valid. The length is kept; the tail beyond it is cut off. Of several channels the first one is used.
    """

    def draw(self, rng: RowDraws) -> Parameters:
        """`file`."""
        return {"file": self.draw_files(rng)}

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Convolves (samples,) with the response drawn.

        Raises:
            AugmentationError: the response cannot be read, or is silent.
        """
        response = _response(Path(self.folder, str(parameters["file"])), sample_rate_hz)
        points = fast_length(len(samples) + len(response))
        spectrum = np.fft.rfft(samples, points) * np.fft.rfft(response, points)
        return np.fft.irfft(spectrum, points)[: len(samples)].astype(np.float32)


AUGMENTATION = RoomFiles


@lru_cache(maxsize=256)
def _response(file: Path, sample_rate_hz: int) -> Float32Array:
    """(samples,) from the direct sound, which is 1.0."""
    try:
        recorded = read_audio(file, channel=0, sample_rate_hz=sample_rate_hz)
    except AudioError as error:
        raise AugmentationError(f"the impulse response cannot be read: {error}") from None
    first = int(np.argmax(np.abs(recorded)))
    if recorded[first] == 0.0:
        raise AugmentationError(f"the impulse response {file} is silent")
    response: Float32Array = recorded[first : first + round(_LONGEST_S * sample_rate_hz)] / recorded[first]
    return response
