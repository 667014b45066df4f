"""Reverberation: an augmentation by the rooms of `audio/rooms.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.channels import Float32Array
from soritune.audio.rooms import Room, impulse_response
from soritune.audio.spectrum import fast_length
from soritune.draws import RowDraws


class Reverberation(Augmentation):
    """Convolves an utterance with a drawn room impulse response (Polack 1988; for training, Ko et al. 2017,
    "A study on data augmentation of reverberant speech for robust speech recognition").

    The direct sound keeps its level and its time, so that time labels remain valid. The length is kept; the
    tail beyond it is cut off.
    """

    decay_s: Annotated[tuple[float, float], within(0.05, 1.2)] = (0.15, 1.0)
    """Range of the time in which the level falls by 60 dB (T60), equally likely on a logarithmic scale. The
    default ranges from furnished rooms to small halls."""
    direct_db: Annotated[tuple[float, float], within(-20.0, 60.0)] = (-2.0, 18.0)
    """Range of the level of the direct sound over everything that follows it. The default ranges from a
    laptop across a table to a headset."""
    absorption: Annotated[tuple[float, float], within(0.1, 1.0)] = (0.4, 0.9)
    """Range of T60 above 4 kHz as a share of T60 at low frequencies."""
    reflections: Annotated[tuple[int, int], within(0, 100)] = (3, 11)
    """Range of the number of early reflections, both ends included."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`decay_s`, `direct_db`, `absorption`, `reflections`."""
        low, high = np.log(self.decay_s)
        fewest, most = self.reflections
        return {
            "decay_s": np.exp(rng.between("decay_s", (float(low), float(high)))),
            "direct_db": rng.between("direct_db", self.direct_db),
            "absorption": rng.between("absorption", self.absorption),
            "reflections": fewest + (rng.uniform("reflections") * (most - fewest + 1)).astype(np.int64),
        }

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Convolves (samples,) with the response of the room, whose reflections and tail `generator` draws."""
        room = Room(
            decay_s=float(parameters["decay_s"]),
            direct_db=float(parameters["direct_db"]),
            absorption=float(parameters["absorption"]),
            reflections=int(parameters["reflections"]),
        )
        response = impulse_response(room, sample_rate_hz, generator)
        points = fast_length(len(samples) + len(response))
        spectrum = np.fft.rfft(samples, points) * np.fft.rfft(response, points)
        return np.fft.irfft(spectrum, points)[: len(samples)].astype(np.float32)


AUGMENTATION = Reverberation
