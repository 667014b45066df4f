"""The bytes of an upload as a clip: in memory, never under a name of the client's, and never longer than is allowed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.channels import CHANNEL_NAMES
from soritune.audio.pyav import MOST_VALUES, TOO_LONG
from soritune.audio.waveform import read_header
from soritune.errors import AudioError
from soritune.inference.clip_reading import TEXT_FIELD
from soritune.inference.clips import Clip
from soritune.serving.faults import RequestError

NAME = "upload"
"""What an upload is called in messages; the name that a client gives it is never used."""
VALUES_PER_SECOND = 192_000
"""Samples × channels that a second may have: stereo at 96 kHz. A small file of silence may hold hours of them."""
_DIGITS = 3
"""Of the number of a channel."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One recording of a request: the bytes of a file, or samples."""

    data: bytes = b""
    samples: tuple[NDArray[Any], int] | None = None
    """(samples,) and the rate, instead of `data`."""
    text: str | None = None
    """The spoken text, for models that also read one."""
    channel: int | None = None
    """From 0; None takes the mean of all channels."""

    @property
    def request(self) -> dict[str, str]:
        """The fields beside the audio, as a predictor takes them."""
        return {} if self.text is None else {TEXT_FIELD: self.text}


@contextmanager
def clip_of(upload: Upload, max_seconds: float) -> Iterator[Clip]:
    """A clip that can be read inside this context.

    Raises:
        RequestError: 413 for a recording that is too long, or has too many channels or too high a rate; 422 for one
            that cannot be read.
    """
    if upload.samples is not None:
        samples, rate = upload.samples
        _check_length(len(samples) / rate, max_seconds)
        yield Clip(
            id=NAME,
            audio="(samples)",
            samples=(samples, rate),
            duration_s=len(samples) / rate,
            channel=upload.channel,
            request=upload.request,
        )
        return
    if not upload.data:
        raise RequestError(422, "the recording is empty (0 bytes)", "audio-empty")
    most = round(max_seconds * VALUES_PER_SECOND)
    limit = MOST_VALUES.set(most)
    try:
        with _file_of(upload.data) as path:
            try:
                header = read_header(path)
            except AudioError as error:
                raise fault_of(error, max_seconds) from None
            _check_length(header.duration_s, max_seconds)
            if header.num_frames * header.num_channels > most:
                raise too_long(max_seconds)
            yield Clip(
                id=NAME,
                audio=NAME,
                path=path,
                duration_s=header.duration_s,
                channel=upload.channel,
                request=upload.request,
            )
    finally:
        MOST_VALUES.reset(limit)


def fault_of(error: AudioError, max_seconds: float) -> RequestError:
    """An error of reading as that of a request."""
    if error.kind == TOO_LONG:
        return too_long(max_seconds)
    return RequestError(422, f"the recording cannot be used: {error.reason}", error.kind or "audio-unusable")


def too_long(max_seconds: float) -> RequestError:
    """A recording beyond the limit."""
    return RequestError(
        413,
        f"the recording has more than {max_seconds:g} s, or more than {VALUES_PER_SECOND:,} samples × channels per "
        "second; send shorter parts",
        "audio-too-long",
    )


def _check_length(seconds: float, max_seconds: float) -> None:
    if seconds > max_seconds:
        raise too_long(max_seconds)


@contextmanager
def _file_of(data: bytes) -> Iterator[Path]:
    """A path at which libraries that take names read the bytes: a file in memory on Linux, else a temporary one."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(NAME, os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            yield Path(f"/proc/self/fd/{descriptor}")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        path.write_bytes(data)
        yield path


def channel_of(given: Any, subject: str = "the request") -> int | None:
    """The channel that a request gives: `left`, `right` or a number from 0, as a text or in JSON; None or an empty text
    is the mean of all channels. `subject` has it, in the message.

    Raises:
        RequestError: 422 for anything else.
    """
    if given is None or given == "":
        return None
    if isinstance(given, str):
        if given in CHANNEL_NAMES:
            return CHANNEL_NAMES.index(given)
        if given.isascii() and given.isdigit() and len(given) <= _DIGITS:
            return int(given)
    elif isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 10**_DIGITS:
        return given
    raise RequestError(
        422,
        f"the channel of {subject} is {str(given)[:40]!r}; it is left, right or a whole number from 0 to "
        f"{10**_DIGITS - 1}, and every channel is a request of its own",
        "channel",
    )


def int16_samples(data: bytes | bytearray) -> NDArray[np.int16]:
    """Little-endian int16 as (samples,)."""
    return np.frombuffer(bytes(data), dtype="<i2").astype(np.int16, copy=False)
