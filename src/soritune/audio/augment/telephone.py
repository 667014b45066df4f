"""A telephone line."""

from __future__ import annotations

import numpy as np

from soritune.audio.resample import resample
from soritune.audio.waveform import Float32Array

_TELEPHONE_HZ = 8000
_MU = 255.0
"""ITU-T G.711, mu-law."""


def by_telephone(heard: Float32Array, sample_rate_hz: int) -> Float32Array:
    """There and back through 8 bit mu-law at 8 kHz."""
    narrow = np.clip(resample(heard, sample_rate_hz, _TELEPHONE_HZ), -1, 1)
    coded = np.round(np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU) * 127) / 127
    decoded = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU
    wide = resample(decoded.astype(np.float32), _TELEPHONE_HZ, sample_rate_hz)
    result = np.zeros(len(heard), np.float32)
    result[: len(wide)] = wide[: len(heard)]
    return result
