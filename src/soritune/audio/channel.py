"""What lies between a mouth and a file: room, noise, microphone, level, band, telephone.

`draw_recording` draws what happens to one utterance, `record` does it; the two are apart so that what was drawn can
be written down. Rooms are in `audio/rooms.py`. Everything linear is one product in the frequency domain, so a second
of speech costs about a millisecond.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from soritune.audio.resample import resample
from soritune.audio.rooms import Room, draw_room, impulse_response
from soritune.settings import Settings

Float32Array = NDArray[np.float32]
Noise = Literal["none", "steady", "wavering", "hum", "babble", "knocks"]

_ANCHORS_HZ = np.array([60.0, 150.0, 400.0, 1000.0, 2400.0, 5000.0, 8000.0])
"""Where a microphone's response is drawn; between them it is a line over log frequency."""
_TELEPHONE_HZ = 8000
_MU = 255.0
"""ITU-T G.711, mu-law."""


class RecordingSettings(Settings):
    """How often, and how much, is done to an utterance."""

    room: float = Field(0.65, ge=0, le=1)
    """Share of utterances with a room."""
    noise: float = Field(0.8, ge=0, le=1)
    """Share with noise that can be heard."""
    snr_db: tuple[float, float] = (0.0, 40.0)
    """Range of levels of speech over noise, all equally likely, in dB."""
    babble: float = Field(0.2, ge=0, le=1)
    """Of the noisy ones, the share in which it is people talking."""
    microphone_db: float = Field(4.0, ge=0)
    """Deviation of a microphone's response from flat at each of seven frequencies, in dB."""
    narrow: float = Field(0.35, ge=0, le=1)
    """Share with a band that ends between 3.4 and 7.8 kHz."""
    telephone: float = Field(0.08, ge=0, le=1)
    """Share that goes through a telephone: 300 to 3400 Hz, mu-law at 8 kHz."""
    compressed: float = Field(0.2, ge=0, le=1)
    """Share whose loud parts are pressed down, as by an automatic level."""
    clipped: float = Field(0.06, ge=0, le=1)
    """Share recorded too loud."""
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
    """What happens to one utterance."""

    room: Room | None
    noise: Noise
    snr_db: float
    colour: float
    """Exponent of the noise's power over frequency: 0 white, 1 pink, 2 brown."""
    response_db: tuple[float, ...]
    """Of the microphone at `_ANCHORS_HZ`."""
    low_hz: float
    high_hz: float
    slope: int
    """Order of the band's edges, 6 dB an octave each."""
    telephone: bool
    pressed: float
    """Exponent of the envelope after compression; 1 is none."""
    drive_db: float
    """How far the peak lies above clipping; 0 is none."""
    peak_db: float
    lead_s: float
    tail_s: float

    def facts(self) -> dict[str, Any]:
        """The numbers, rounded, for a manifest."""
        found: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                found |= {f"room_{key}": _rounded(part) for key, part in value.items()}
            elif value is not None and name != "response_db":
                found[name] = _rounded(value)
        return found


def draw_recording(rng: np.random.Generator, settings: RecordingSettings) -> Recording:
    """One recording's conditions; takes the same number of draws in whatever way they fall."""
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
        response_db=tuple(float(value) for value in rng.normal(0, settings.microphone_db, len(_ANCHORS_HZ))),
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
    """The recording of somebody who speaks louder or softer: at another level, over the same noise."""
    peak = float(np.clip(recording.peak_db + change_db, -40, -0.3))
    return (
        recording if not change_db else replace(recording, peak_db=peak, snr_db=recording.snr_db + change_db)
    )


def record(
    speech: Float32Array,
    recording: Recording,
    sample_rate_hz: int,
    rng: np.random.Generator,
    babble: Float32Array | None = None,
) -> Float32Array:
    """What the file holds.

    Args:
        speech: (samples,) clean.
        recording: what happens to it.
        sample_rate_hz: of both.
        rng: for everything that is noise.
        babble: (samples,) other people's speech, of any length, to make babble from.

    Returns:
        (samples + silence + reverberation that fits in the silence,) in [-1, 1].
    """
    lead, tail = (round(seconds * sample_rate_hz) for seconds in (recording.lead_s, recording.tail_s))
    size = lead + len(speech) + tail
    padded = np.zeros(size, np.float32)
    padded[lead : lead + len(speech)] = speech
    response = None
    if recording.room is not None:
        response = impulse_response(recording.room, sample_rate_hz, rng)
    points = _fast_length(size + (0 if response is None else len(response)))
    frequencies = np.fft.rfftfreq(points, 1 / sample_rate_hz).astype(np.float64)
    spectrum = np.fft.rfft(padded, points)
    if response is not None:
        spectrum *= np.fft.rfft(response, points)
    active = _active_share(speech) * len(speech) / points
    loudness = _power(spectrum, points) / max(active, 1e-6)
    hiss = _noise(recording, size, points, frequencies, sample_rate_hz, rng, babble)
    present = _power(hiss, points) * points / size
    spectrum += hiss * np.float32(np.sqrt(loudness / max(present, 1e-20) * 10 ** (-recording.snr_db / 10)))
    spectrum *= _response(recording, frequencies)
    heard = np.fft.irfft(spectrum, points)[:size].astype(np.float32)
    heard = _pressed(heard / (np.abs(heard).max() + 1e-9), recording, sample_rate_hz)
    if recording.telephone:
        heard = _by_telephone(heard, sample_rate_hz)
    result: Float32Array = heard * np.float32(10 ** (recording.peak_db / 20) / (np.abs(heard).max() + 1e-9))
    return result


def _noise(
    recording: Recording,
    size: int,
    points: int,
    frequencies: NDArray[np.float64],
    sample_rate_hz: int,
    rng: np.random.Generator,
    babble: Float32Array | None,
) -> NDArray[np.complexfloating[Any, Any]]:
    """(bins,) the spectrum of the noise; its level does not matter. Coloured noise is under every kind."""
    white = rng.standard_normal(size, dtype=np.float32)
    if recording.noise == "wavering":
        knots = max(2, size * 4 // sample_rate_hz)
        drawn = np.cumsum(rng.normal(0, 0.5, knots))
        envelope = np.exp(np.clip(drawn - drawn.mean(), -2, 2))
        white *= np.interp(np.arange(size), np.linspace(0, size, knots), envelope).astype(np.float32)
    coloured = np.fft.rfft(white, points)
    coloured *= (np.maximum(frequencies, 40.0) ** (-recording.colour / 2)).astype(np.float32)
    extra = None
    if recording.noise == "babble" and babble is not None and len(babble):
        extra = np.zeros(size, np.float32)
        for start in rng.integers(0, len(babble), int(rng.integers(3, 9))):
            extra += np.take(babble, np.arange(start, start + size), mode="wrap")
    elif recording.noise == "hum":
        times = np.arange(size, dtype=np.float32) / sample_rate_hz
        base = float(rng.choice([50.0, 60.0, 100.0, 120.0]))
        extra = np.zeros(size, np.float32)
        for harmonic, strength in enumerate(rng.random(8), start=1):
            extra += np.float32(strength / harmonic) * np.sin(np.float32(2 * np.pi * base * harmonic) * times)
    elif recording.noise == "knocks":
        extra = np.zeros(size, np.float32)
        decay = np.exp(
            -np.arange(size, dtype=np.float32) / (sample_rate_hz * float(rng.uniform(0.003, 0.03)))
        )
        for start in rng.integers(0, size, int(rng.integers(1, 8))):
            extra[start:] += decay[: size - start] * rng.standard_normal(size - start, dtype=np.float32)
    if extra is None:
        return coloured
    added = np.fft.rfft(extra, points)
    share = np.float32(np.sqrt(_power(coloured, points) / max(_power(added, points), 1e-20)))
    return added * (share * np.float32(rng.uniform(1.5, 6))) + coloured


def _response(recording: Recording, frequencies: NDArray[np.float64]) -> NDArray[np.float32]:
    """(bins,) of microphone and band, without phase."""
    places = np.log(np.maximum(frequencies, _ANCHORS_HZ[0]))
    curve = 10 ** (np.interp(places, np.log(_ANCHORS_HZ), recording.response_db) / 20)
    power = 2 * recording.slope
    curve /= np.sqrt(1 + (recording.low_hz / np.maximum(frequencies, 1.0)) ** min(power, 8))
    if recording.high_hz < _ANCHORS_HZ[-1]:
        curve /= np.sqrt(1 + (frequencies / recording.high_hz) ** (power * 2))
    result: NDArray[np.float32] = curve.astype(np.float32)
    return result


def _pressed(heard: Float32Array, recording: Recording, sample_rate_hz: int) -> Float32Array:
    """Compression by the envelope over 50 ms, then clipping; peak 1 in, about 1 out."""
    if recording.pressed < 1.0:
        hop = sample_rate_hz // 20
        frames = -(-len(heard) // hop)
        levels = np.sqrt(np.add.reduceat(heard**2, np.arange(0, len(heard), hop)) / hop)
        levels = np.maximum(levels, 0.03 * levels.max() + 1e-6)
        gain = np.interp(
            np.arange(len(heard)), np.arange(frames) * hop + hop / 2, levels ** (recording.pressed - 1)
        )
        heard = heard * gain.astype(np.float32)
        heard = heard / (np.abs(heard).max() + np.float32(1e-9))
    if recording.drive_db > 0:
        heard = np.clip(heard * np.float32(10 ** (recording.drive_db / 20)), -1.0, 1.0)
    return heard


def _by_telephone(heard: Float32Array, sample_rate_hz: int) -> Float32Array:
    """There and back through 8 bit mu-law at 8 kHz."""
    narrow = np.clip(resample(heard, sample_rate_hz, _TELEPHONE_HZ), -1, 1)
    coded = np.round(np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU) * 127) / 127
    decoded = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU
    wide = resample(decoded.astype(np.float32), _TELEPHONE_HZ, sample_rate_hz)
    result = np.zeros(len(heard), np.float32)
    result[: len(wide)] = wide[: len(heard)]
    return result


def _active_share(speech: Float32Array) -> float:
    """The share of 10 ms stretches within 30 dB of the loudest."""
    frames = speech[: len(speech) // 160 * 160].reshape(-1, 160)
    if not len(frames):
        return 1.0
    powers = np.mean(frames**2, axis=1)
    return float(np.mean(powers > powers.max() * 1e-3)) or 1.0


def _power(spectrum: NDArray[Any], points: int) -> float:
    """Mean power of the signal over `points` samples, by Parseval."""
    return float(2 * (np.sum(np.square(spectrum.real)) + np.sum(np.square(spectrum.imag)))) / points**2


def _fast_length(least: int) -> int:
    """The next length whose only factors are 2, 3 and 5, one of the latter two at most."""
    power = 1 << max(4, (least - 1).bit_length())
    return next(size for size in (power // 8 * 5, power // 4 * 3, power) if size >= least)


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
