"""Whisper's log-mel spectrogram in torch, of padded batches: a clip alone and in a batch give the same numbers.

Equal to transformers' `WhisperFeatureExtractor` without its padding to 30 s (Radford et al. 2022, section 2.1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from soritune.models.encoders.whisper.spectrogram import FFT_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ

FLOOR = 1e-10
"""Least power of a mel bin."""
RANGE = 8.0
"""Powers of ten below a clip's loudest bin that are kept."""
QUIET_RMS = 1e-7
"""Clips below this root mean square (-140 dBFS) are digital silence and are not scaled."""


class LogMel(nn.Module):
    """Waveforms to log-mel spectrograms.

    Args:
        num_bins: mel bins.
        level_dbfs: root mean square to which each clip is scaled first, in dB of full scale; None leaves its level.
    """

    window: Tensor
    filters: Tensor
    kernels: Tensor | None

    def __init__(self, num_bins: int, level_dbfs: float | None) -> None:
        super().__init__()
        self.num_bins, self.level_dbfs = num_bins, level_dbfs
        self.register_buffer("window", torch.zeros(FFT_SAMPLES), persistent=False)
        self.register_buffer("filters", torch.zeros(num_bins, FFT_SAMPLES // 2 + 1), persistent=False)
        self.register_buffer("kernels", None, persistent=False)
        if not self.filters.is_meta:
            self.fill()

    def fill(self) -> None:
        """Computes window and filters, on the CPU."""
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(
            num_frequency_bins=FFT_SAMPLES // 2 + 1,
            num_mel_filters=self.num_bins,
            min_frequency=0.0,
            max_frequency=SAMPLE_RATE_HZ / 2,
            sampling_rate=SAMPLE_RATE_HZ,
            norm="slaney",
            mel_scale="slaney",
        )
        with torch.device("cpu"):
            self.window = torch.hann_window(FFT_SAMPLES)
            self.filters = torch.from_numpy(filters.T.copy()).float()

    def forward(self, waveform: Tensor, num_samples: Tensor, appended: int = 0) -> tuple[Tensor, Tensor]:
        """The spectrogram.

        Args:
            waveform: (batch, samples), zero-padded.
            num_samples: (batch,) int64 valid samples.
            appended: zeros behind each clip, in samples.

        Returns:
            (batch, bins, frames) float32, 0 behind a clip's last frame; and (batch,) the valid frames.
        """
        # Half precision cannot hold the range of the powers.
        with torch.autocast(waveform.device.type, enabled=False):
            scaled = self._at_level(waveform.float(), num_samples)
            stretches = _reflected(scaled, num_samples + appended, appended)
            decades = (self.filters @ self._power(stretches)).clamp(min=FLOOR).log10()
            frames = (num_samples + appended) // HOP_SAMPLES
            valid = torch.arange(decades.shape[-1], device=frames.device) < frames[:, None]
            lowest = torch.finfo(decades.dtype).min
            loudest = decades.amax(dim=1).masked_fill(~valid, lowest).amax(dim=1)
            decades = torch.maximum(decades, (loudest - RANGE)[:, None, None])
            return ((decades + 4.0) / 4.0).masked_fill(~valid[:, None, :], 0.0), frames

    def use_convolutions(self) -> None:
        """Makes the Fourier transform a convolution with fixed kernels, which every runtime has."""
        turn = 2 * math.pi * torch.arange(FFT_SAMPLES, dtype=torch.float64) / FFT_SAMPLES
        angle = turn * torch.arange(FFT_SAMPLES // 2 + 1, dtype=torch.float64)[:, None]
        window = torch.hann_window(FFT_SAMPLES, dtype=torch.float64)
        kernels = torch.cat([angle.cos(), angle.sin()]) * window
        self.kernels = kernels[:, None, :].float().to(self.filters.device)

    def _power(self, stretches: Tensor) -> Tensor:
        """(batch, frequencies, frames): the squared spectrum of each window, without that of the last one."""
        if self.kernels is not None:
            parts = nn.functional.conv1d(stretches[:, None, :], self.kernels, stride=HOP_SAMPLES)[..., :-1]
            cosines, sines = parts.square().chunk(2, dim=1)
            return cosines + sines
        spectrum = torch.stft(
            stretches, FFT_SAMPLES, HOP_SAMPLES, window=self.window, center=False, return_complex=True
        )[..., :-1]
        return spectrum.real.square() + spectrum.imag.square()

    def _at_level(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """The clips with the root mean square of `level_dbfs`."""
        if self.level_dbfs is None:
            return waveform
        inside = torch.arange(waveform.shape[1], device=waveform.device) < num_samples[:, None]
        # In float64, since squares of a quiet clip are below the resolution of a long sum in float32.
        energy = waveform.double().square().masked_fill(~inside, 0.0).sum(dim=1)
        rms = (energy / num_samples.clamp(min=1)).sqrt()
        gain = 10 ** (self.level_dbfs / 20) / rms.clamp(min=QUIET_RMS)
        return waveform * torch.where(rms > QUIET_RMS, gain, 1.0).float()[:, None]


def _reflected(waveform: Tensor, lengths: Tensor, appended: int) -> Tensor:
    """(batch, samples + appended + FFT_SAMPLES): half a window of reflection at both ends of each clip.

    Args:
        waveform: (batch, samples), zero-padded.
        lengths: (batch,) samples of the clips with the appended zeros.
        appended: of these zeros.
    """
    half, width = FFT_SAMPLES // 2, waveform.shape[1]
    position = torch.arange(-half, width + appended + half, device=waveform.device).abs()[None, :]
    last = lengths[:, None] - 1
    source = torch.where(position > last, 2 * last - position, position)
    is_inside = (source >= 0) & (source < lengths[:, None] - appended) & (position <= last + half)
    return waveform.gather(1, source.clamp(0, width - 1)).masked_fill(~is_inside, 0.0)
