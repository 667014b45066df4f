"""Short real audio files, and the things that only look like them."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import soundfile as sf

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(26) + b"\x00\x00\x00\x09" * 8


def tone(path: Path, rate: int, channels: int, seconds: float | None) -> np.ndarray:
    """A tone with a little noise; length, pitch and noise follow from the path's last three parts."""
    seed = zlib.crc32("/".join(path.parts[-3:]).encode())
    draw = np.random.default_rng(seed)
    frames = round((seconds if seconds is not None else draw.uniform(0.3, 0.6)) * rate)
    time = np.arange(frames) / rate
    left = 0.3 * np.sin(2 * np.pi * draw.uniform(110, 400) * time) + 0.01 * draw.standard_normal(frames)
    if channels == 1:
        return left
    others = [0.2 * np.sin(2 * np.pi * draw.uniform(110, 400) * time) for _ in range(channels - 1)]
    return np.stack([left, *others], axis=1)


def write(
    path: Path,
    rate: int = 48000,
    *,
    channels: int = 1,
    seconds: float | None = None,
    subtype: str | None = None,
    kind: str | None = None,
) -> float:
    """Write a sound (as WAV whatever the name, unless told otherwise); its true duration in seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = kind or {".flac": "FLAC", ".mp3": "MP3"}.get(path.suffix.lower(), "WAV")
    data = tone(path, rate, channels, seconds)
    with path.open("wb") as file:
        sf.write(file, data, rate, format=form, subtype=subtype)
    return len(data) / rate


def litter(path: Path, data: bytes = b"") -> None:
    """Write any bytes, with the folders above them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def header_only(path: Path, rate: int = 48000) -> None:
    """A WAV of no samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        sf.write(file, np.zeros(0), rate, format="WAV")
