"""The recording of synthetic speech: room, noise, microphone, band, telephone, level.

`draw_recording` draws the conditions of one utterance and `record` applies them, so that the conditions can
be written to a manifest. Rooms are in `audio/rooms.py`; noise, microphones and telephones are in
`audio/augment/`, since training uses them too. All linear steps are one product in the frequency domain: a
second of speech takes about a millisecond.
Next: `audio/synthesis/speaking.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from soritune.audio.augment.microphone import ANCHORS_HZ, response_curve
from soritune.audio.augment.noise import Noise, active_share, noise_spectrum
from soritune.audio.augment.telephone import by_telephone
from soritune.audio.channels import Float32Array
from soritune.audio.rooms import Room, draw_room, impulse_response
from soritune.audio.spectrum import fast_length, mean_power
from soritune.settings import Settings


class RecordingSettings(Settings):
    """How often each condition occurs, and its range."""

    room: float = Field(0.65, ge=0, le=1)
    """Share of utterances with reverberation."""
    noise: float = Field(0.8, ge=0, le=1)
    """Share of utterances with audible noise."""
    snr_db: tuple[float, float] = (0.0, 40.0)
    """Range of the speech level over the noise level, equally likely in dB."""
    babble: float = Field(0.2, ge=0, le=1)
    """Share of noisy utterances whose noise is other speakers."""
    microphone_db: float = Field(4.0, ge=0)
    """Standard deviation in dB of a microphone's response from flat at each of seven frequencies."""
    narrow: float = Field(0.35, ge=0, le=1)
    """Share of utterances whose band ends between 3.4 and 7.8 kHz."""
    telephone: float = Field(0.08, ge=0, le=1)
    """Share of utterances over a telephone line: 300 to 3400 Hz, mu-law at 8 kHz."""
    compressed: float = Field(0.2, ge=0, le=1)
    """Share of utterances whose loud parts are attenuated, as by automatic gain control."""
    clipped: float = Field(0.06, ge=0, le=1)
    """Share of utterances that are recorded too loud and clipped."""
    peak_db: tuple[float, float] = (-28.0, -0.5)
    """Range of the peak of the file, in dB below full scale."""
    silence_s: tuple[float, float] = (0.02, 0.5)
    """Range of the silence before and after."""

    @model_validator(mode="after")
    def _ranges(self) -> RecordingSettings:
        limits = {"snr_db": (-40.0, 100.0), "peak_db": (-80.0, 0.0), "silence_s": (0.0, 30.0)}
        for name, (lowest, highest) in limits.items():
            low, high = getattr(self, name)
            if not lowest <= low <= high <= highest:
                raise ValueError(
                    f"{name} is [{low:g}, {high:g}]; give a range from low to high within {lowest:g} and {highest:g}"
                )
        return self


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording conditions of one utterance."""

    room: Room | None
    noise: Noise
    snr_db: float
    colour: float
    """Exponent of the noise power over frequency, 1 / fⁿ: 0 white, 1 pink, 2 brown."""
    response_db: tuple[float, ...]
    """Response of the microphone at `ANCHORS_HZ`."""
    low_hz: float
    high_hz: float
    slope: int
    """Steepness of the edges of the band, as for `response_curve`."""
    telephone: bool
    pressed: float
    """Exponent of the envelope after compression; 1 for no compression."""
    drive_db: float
    """Level of the peak above the clipping level; 0 for no clipping."""
    peak_db: float
    lead_s: float
    tail_s: float

    def facts(self) -> dict[str, Any]:
        """The conditions for a manifest, rounded."""
        facts: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                facts |= {f"room_{key}": _rounded(part) for key, part in value.items()}
            elif value is not None and name != "response_db":
                facts[name] = _rounded(value)
        return facts


def draw_recording(rng: np.random.Generator, settings: RecordingSettings) -> Recording:
    """Draws the conditions of one recording; the number of draws from `rng` is always the same."""
    shares = rng.random(8)
    levels = rng.random(8)
    room = draw_room(rng)
    kinds: tuple[Noise, ...] = ("steady", "steady", "steady", "wavering", "wavering", "hum", "knocks")
    noise: Noise = kinds[int(levels[0] * len(kinds))]
    if shares[1] >= settings.noise:
        noise = "none"
    elif shares[2] < settings.babble:
        noise = "babble"
    low, high = settings.snr_db
    telephone = bool(shares[3] < settings.telephone)
    narrow = bool(shares[4] < settings.narrow)
    return Recording(
        room=room if shares[0] < settings.room else None,
        noise=noise,
        snr_db=float(low + (high - low) * levels[1]) if noise != "none" else float(45 + 25 * levels[1]),
        colour=float(rng.uniform(-0.3, 2.0)),
        response_db=tuple(float(value) for value in rng.normal(0, settings.microphone_db, len(ANCHORS_HZ))),
        low_hz=300.0 if telephone else float(20 * 12 ** levels[2]),
        high_hz=3400.0 if telephone else float(3400 * 2.3 ** levels[3]) if narrow else 8000.0,
        slope=int(rng.integers(2, 9)),
        telephone=telephone,
        pressed=float(0.4 + 0.5 * levels[4]) if shares[5] < settings.compressed else 1.0,
        drive_db=float(12 * levels[5]) if shares[6] < settings.clipped else 0.0,
        peak_db=float(settings.peak_db[0] + (settings.peak_db[1] - settings.peak_db[0]) * levels[6] ** 0.6),
        lead_s=float(rng.uniform(*settings.silence_s)),
        tail_s=float(rng.uniform(*settings.silence_s)),
    )


def at_level(recording: Recording, change_db: float) -> Recording:
    """The recording of a voice that is louder or softer by `change_db`, with the same noise."""
    if not change_db:
        return recording
    peak = float(np.clip(recording.peak_db + change_db, -40, -0.3))
    return replace(recording, peak_db=peak, snr_db=recording.snr_db + change_db)


def record(
    speech: Float32Array,
    recording: Recording,
    sample_rate_hz: int,
    rng: np.random.Generator,
    babble: Float32Array | None = None,
) -> Float32Array:
    """Records clean speech.

    Args:
        speech: (samples,) clean.
        recording: the conditions.
        sample_rate_hz: of the speech and the result.
        rng: for the noise and the room.
        babble: (samples,) speech of other speakers, of any length, for noise of the kind babble.

    Returns:
        (silence + samples + silence,) in [-1, 1]; reverberation continues in the silence.
    """
    lead, tail = (round(seconds * sample_rate_hz) for seconds in (recording.lead_s, recording.tail_s))
    size = lead + len(speech) + tail
    padded = np.zeros(size, np.float32)
    padded[lead : lead + len(speech)] = speech
    response = None
    if recording.room is not None:
        response = impulse_response(recording.room, sample_rate_hz, rng)
    points = fast_length(size + (0 if response is None else len(response)))
    frequencies = np.fft.rfftfreq(points, 1 / sample_rate_hz).astype(np.float64)
    spectrum = np.fft.rfft(padded, points)
    if response is not None:
        spectrum *= np.fft.rfft(response, points)
    active = active_share(speech, sample_rate_hz // 100) * len(speech) / points
    loudness = mean_power(spectrum, points) / max(active, 1e-6)
    hiss = noise_spectrum(
        recording.noise, recording.colour, size, points, frequencies, sample_rate_hz, rng, babble
    )
    present = mean_power(hiss, points) * points / size
    spectrum += hiss * np.float32(np.sqrt(loudness / max(present, 1e-20) * 10 ** (-recording.snr_db / 10)))
    spectrum *= response_curve(
        frequencies, recording.response_db, recording.low_hz, recording.high_hz, recording.slope
    )
    samples = np.fft.irfft(spectrum, points)[:size].astype(np.float32)
    samples = _compressed(samples / (np.abs(samples).max() + 1e-9), recording, sample_rate_hz)
    if recording.telephone:
        samples = by_telephone(samples, sample_rate_hz)
    gain = np.float32(10 ** (recording.peak_db / 20) / (np.abs(samples).max() + 1e-9))
    result: Float32Array = samples * gain
    return result


def _compressed(samples: Float32Array, recording: Recording, sample_rate_hz: int) -> Float32Array:
    """Compression by the envelope over 50 ms, then clipping; the peak is 1 before and about 1 afterwards."""
    if recording.pressed < 1.0:
        hop = sample_rate_hz // 20
        frames = -(-len(samples) // hop)
        levels = np.sqrt(np.add.reduceat(samples**2, np.arange(0, len(samples), hop)) / hop)
        levels = np.maximum(levels, 0.03 * levels.max() + 1e-6)
        gain = np.interp(
            np.arange(len(samples)), np.arange(frames) * hop + hop / 2, levels ** (recording.pressed - 1)
        )
        samples = samples * gain.astype(np.float32)
        samples = samples / (np.abs(samples).max() + np.float32(1e-9))
    if recording.drive_db > 0:
        samples = np.clip(samples * np.float32(10 ** (recording.drive_db / 20)), -1.0, 1.0)
    return samples


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
