"""Noise reduction by spectral gating, with the library noisereduce (extra `denoise`); off by default.

Source: Sainburg, Thielk and Gentner 2020, "Finding, visualizing, and quantifying latent structure across
diverse animal vocal repertoires", PLOS Computational Biology 16(10), doi 10.1371/journal.pcbi.1008228.

It takes about 17 ms of one core for a second of speech, many times longer than decoding: training may wait
for it.
Next: `audio/preprocessing.py`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.errors import SorituneError
from soritune.settings import Settings

_importing = threading.Lock()


class NoiseReduction(Settings):
    """Attenuates what does not exceed a noise floor, frequency by frequency."""

    stationary: bool = False
    """True uses one floor for the whole utterance; false follows a floor that changes over about two seconds."""
    strength: float = Field(1.0, ge=0, le=1)
    """Share of the noise that is removed."""

    def check_installed(self) -> None:
        """Imports the library.

        Raises:
            SorituneError: noisereduce is not installed.
        """
        _library()

    def apply(self, waveform: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
        """(samples,) → (samples,) float32; the same samples give the same result. Digital silence is
        returned unchanged.

        Raises:
            SorituneError: noisereduce is not installed.
        """
        if not waveform.any():  # its floor is zero, and noisereduce divides by it
            return waveform
        with np.errstate(divide="ignore", invalid="ignore"):
            reduced: NDArray[np.float32] = _library()(
                y=waveform,
                sr=sample_rate_hz,
                stationary=self.stationary,
                prop_decrease=self.strength,
                # One chunk: otherwise the library splits long files and writes them to temporary files.
                chunk_size=None,
                n_jobs=1,
            )
        # A frequency that is exactly zero all the time has no floor either.
        return reduced.astype(np.float32, copy=False) if np.isfinite(reduced).all() else waveform


@cache
def _library() -> Callable[..., Any]:
    """The function of noisereduce. The library imports torch if that is installed, for a variant that is not
    used here. It is hidden during the import, so that a process without torch does not load it."""
    try:
        with _importing:
            import scipy.signal  # noqa: F401  (it looks for torch itself and must not find the None below)

            hide = "torch" not in sys.modules
            if hide:
                sys.modules["torch"] = None  # type: ignore[assignment]
            try:
                from noisereduce import reduce_noise
            finally:
                if hide:
                    del sys.modules["torch"]
    except ImportError as error:
        raise SorituneError(
            "noise reduction needs noisereduce: pip install 'soritune[denoise]', or set "
            "preprocessing.noise_reduction=null"
        ) from error
    function: Callable[..., Any] = reduce_noise
    return function
