"""Preprocessing of audio for a model, the same in training and in inference; its settings are in every bundle.

Next: `audio/augment/augmentation.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.augment.chain import Chain
from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.channels import Float32Array, to_mono
from soritune.audio.noise_reduction import NoiseReduction
from soritune.audio.resample import resample
from soritune.audio.waveform import read_audio
from soritune.draws import Draws
from soritune.errors import AudioError, AugmentationError
from soritune.settings import Settings

MARGIN_S = 0.25
"""How much is read beyond `max_duration_s`. It is cut off after resampling, so that the resampling filter
does not see an end of the sound there."""
_LARGEST_FLOAT = 100.0
"""Resampling and mixing exceed 1 by little; 16-bit values that were made floats exceed it by far."""


class Preprocessing(Settings):
    """Decode → mono → resample → crop (`read`), then reduce noise and normalise (`finish`).

    >>> Preprocessing(max_duration_s=15).apply(np.ones(16000, dtype=np.float32), 16000).shape
    (16000,)
    """

    sample_rate_hz: int = Field(16000, ge=1000)
    """Sampling rate of the model's input."""
    min_duration_s: float = Field(0.1, ge=0)
    """Shorter utterances are refused: wav2vec2 makes no frame from less than 0.025 s, and no phone is that short."""
    max_duration_s: float | None = Field(None, gt=0)
    """Only the first seconds, up to this duration, are kept; None keeps all."""
    normalize: bool = True
    """Zero mean and unit variance per utterance, as Hugging Face's feature extractor with `do_normalize`."""
    noise_reduction: NoiseReduction | None = None
    """Spectral gating before the normalisation; true uses its defaults. Needs the extra `denoise`."""

    @field_validator("noise_reduction", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        """True stands for the defaults, false for None."""
        return {} if value is True else None if value is False else value

    @model_validator(mode="after")
    def _ordered(self) -> Preprocessing:
        if self.max_duration_s is not None and self.max_duration_s < self.min_duration_s:
            raise ValueError(
                f"max_duration_s ({self.max_duration_s}) is below min_duration_s ({self.min_duration_s})"
            )
        return self

    def check_installed(self) -> None:
        """Refuses settings whose library is missing, before anything is read.

        Raises:
            SorituneError: the message names the extra to install.
        """
        if self.noise_reduction is not None:
            self.noise_reduction.check_installed()

    def crops(self, duration_s: float) -> bool:
        """Whether an utterance of this duration loses its end in training."""
        return self.max_duration_s is not None and duration_s > self.max_duration_s

    def load(
        self,
        path: str | Path,
        start_s: float | None = None,
        duration_s: float | None = None,
        channel: int | None = None,
        pcm: str | None = None,
        *,
        augment: Augmentation | AugmentSettings | Chain | Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> Float32Array:
        """`finish(read(...))`: the samples of an utterance as the model receives them, (samples,) float32.

        Args:
            path, start_s, duration_s, channel, pcm: as for `read`.
            augment: changes of the waveform as in training, applied between `read` and `finish`. An
                augmentation, a chain, or the settings under `augment` of a recipe, checked or as a mapping.
                It is not part of the preprocessing settings, so prediction never applies it. Masking and
                mixing in it have no effect.
            seed: of the random numbers of `augment`. The result is that of a training with this seed for the
                first row of the manifest in the first epoch.

        Raises:
            AudioError: as `read` and `finish`.
            AugmentationError: `augment` is of another type, has a fault, or has only masking or mixing.
            ValueError: `augment` without `seed`, or `seed` without `augment`.
        """
        if (augment is None) != (seed is None):
            raise ValueError("give augment and seed together, such as augment=SpeedPerturbation(), seed=1")
        chain = None if augment is None else Chain.of(augment)
        if chain is not None:
            _refuse_features_and_batches(chain)
        waveform = self.read(path, start_s, duration_s, channel, pcm)
        if chain is not None and seed is not None:
            waveform = chain.apply(waveform, self.sample_rate_hz, 0, Draws(seed, 0, 0))
        return self.finish(waveform)

    def read(
        self,
        path: str | Path,
        start_s: float | None = None,
        duration_s: float | None = None,
        channel: int | None = None,
        pcm: str | None = None,
    ) -> Float32Array:
        """Decoded, mono, at `sample_rate_hz`, cropped; not yet normalised. (samples,) float32.

        `pcm` is the format of a headerless file (`PcmFormat.parse`). `start_s` None reads the whole file and ignores
        `duration_s`, as in an `Utterance`.

        Raises:
            AudioError: as `read_audio`, or shorter than `min_duration_s`.
        """
        waveform = read_audio(
            path,
            start_s=start_s,
            duration_s=None if start_s is None else duration_s,
            channel=channel,
            sample_rate_hz=self.sample_rate_hz,
            at_most_s=None if self.max_duration_s is None else self.max_duration_s + MARGIN_S,
            pcm=pcm,
        )
        return self._cropped(waveform, path)

    def finish(self, waveform: Float32Array) -> Float32Array:
        """Reduces noise if the settings request it, then normalises (samples,) by the formula of
        `Wav2Vec2FeatureExtractor`: (x - mean) / sqrt(variance + 1e-7).

        Raises:
            SorituneError: the library for noise reduction is not installed.
        """
        if self.noise_reduction is not None:
            waveform = self.noise_reduction.apply(waveform, self.sample_rate_hz)
        if not self.normalize:
            return waveform
        normal: Float32Array = (waveform - np.mean(waveform)) / np.sqrt(np.var(waveform) + 1e-7)
        return normal.astype(np.float32, copy=False)

    def apply(self, waveform: Any, sample_rate_hz: int, channel: int | None = None) -> Float32Array:
        """Preprocesses samples in memory as `load` does a file; arguments and errors as for `read_samples`."""
        return self.finish(self.read_samples(waveform, sample_rate_hz, channel))

    def read_samples(self, waveform: Any, sample_rate_hz: int, channel: int | None = None) -> Float32Array:
        """Processes samples in memory as `read` does a file.

        Args:
            waveform: (samples,) or (samples, channels), an array, a tensor or a list. Whole numbers of 8 to 32 bits
                are scaled to [-1, 1] by the range of their type, as those of a file are.
            sample_rate_hz: of the samples.
            channel: channel to take, from 0; None takes the mean of all.

        Raises:
            AudioError: the sample rate is not a number above 0, the samples are not finite numbers, have not
                one or two axes, have more channels than samples, whose channels cancel each other, are
                shorter than `min_duration_s`, or have an unknown full scale: whole numbers of 64 bits, those of
                16 bits in 32, or floats far beyond 1.
        """
        if not is_rate(sample_rate_hz):
            raise AudioError(
                "waveform", f"has the sample rate {sample_rate_hz!r}; it must be a number above 0"
            )
        waveform = samples_array(waveform)
        if waveform.dtype.kind not in "iuf":
            raise AudioError("waveform", f"must be numbers, got samples of type {waveform.dtype}")
        if waveform.ndim not in (1, 2):
            raise AudioError(
                "waveform", f"must be (samples,) or (samples, channels), got {waveform.ndim} axes"
            )
        if waveform.ndim == 2 and waveform.shape[1] > max(waveform.shape[0], 1):
            raise AudioError(
                "waveform",
                f"has the shape {waveform.shape}, so {waveform.shape[1]} channels of {waveform.shape[0]} samples; give "
                "(samples, channels), such as waveform.T",
                "channels-first",
            )
        mono = to_mono(_scaled(waveform), "waveform", channel)
        return self._cropped(resample(mono, sample_rate_hz, self.sample_rate_hz), "waveform")

    def _cropped(self, waveform: Float32Array, path: str | Path) -> Float32Array:
        seconds = len(waveform) / self.sample_rate_hz
        if seconds < self.min_duration_s:
            raise AudioError(path, f"lasts {seconds:.3f} s; at least {self.min_duration_s} s are needed")
        if self.max_duration_s is None:
            return waveform
        return waveform[: round(self.max_duration_s * self.sample_rate_hz)]


def samples_array(waveform: Any) -> NDArray[Any]:
    """Samples in memory as an array: of an array, a tensor on any device, or a list.

    Raises:
        AudioError: they cannot be an array, as lists of different lengths.
    """
    try:
        if callable(getattr(waveform, "detach", None)):  # a tensor
            waveform = waveform.detach().cpu()
        return np.asarray(waveform)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError("waveform", f"cannot be read as an array of numbers ({error})") from error


def _scaled(samples: NDArray[Any]) -> NDArray[np.floating]:
    """Whole numbers as shares of the largest one of their type; unsigned ones have their zero in the middle.

    Raises:
        AudioError: the full scale is unknown.
    """
    known = "give int16 as a file holds it, or floats in [-1, 1]"
    if samples.dtype.kind == "f":
        if samples.size and np.abs(samples).max() > _LARGEST_FLOAT:
            peak = float(np.abs(samples).max())
            if np.isfinite(peak):
                raise AudioError(
                    "waveform", f"has floats up to {peak:.0f}, whose full scale is unknown; {known}"
                )
        return samples
    if samples.dtype.itemsize == 8:
        raise AudioError("waveform", f"has whole numbers of 64 bits, whose full scale is unknown; {known}")
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    centred = samples - half if samples.dtype.kind == "u" else samples
    if samples.dtype.itemsize == 4 and samples.size and 0 < np.abs(centred.astype(np.float64)).max() <= 2**15:
        raise AudioError("waveform", f"has {samples.dtype} samples that fill 16 bits only; {known}")
    return (centred / half).astype(np.float32)


def _refuse_features_and_batches(chain: Chain) -> None:
    """Refuses a chain whose members all act on features or batches; an empty chain passes."""
    if chain.waveform:
        return
    for members, subject in ((chain.masking, "features"), (chain.mixing, "batches")):
        if members:
            raise AugmentationError(
                f"augment.{next(iter(members))} acts on {subject} in training, not on a waveform; leave it out here"
            )


def is_rate(value: Any) -> bool:
    """Whether a value can be a sample rate: a finite number above 0."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf
