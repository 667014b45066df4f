"""The input of a predictor: files, samples in memory, or rows of a manifest. Next: `inference/predictor.py`."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from soritune.audio.audio_store import STORE
from soritune.audio.channels import CHANNEL_NAMES, EACH, channel_name
from soritune.audio.files import SUFFIXES, as_on_disk, find_audio
from soritune.audio.pcm import PcmFormat
from soritune.audio.preprocessing import is_rate, samples_array
from soritune.audio.waveform import read_header
from soritune.errors import AudioError
from soritune.identities import identity

GROUP_FIELDS = (
    "speaker",
    "gender",
    "age",
    "emotion",
    "first_language",
    "language",
    "source",
    "script",
    "text_source",
    "snr_db",
)
"""Utterance fields that a prediction keeps, so that scores can be grouped by them later."""
LONGEST_GROUP = 40
"""Longer values of `extra` are texts rather than names of groups, and are left out of the predictions."""

Samples = tuple[Any, int]
"""(samples,) or (samples, channels), an array, tensor or list, and the sample rate in Hz."""

GIVEN = "files, folders, (samples, rate) pairs, requests with the key audio, or a manifest"
"""What can be predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One thing to predict."""

    id: str
    audio: str
    """Its name in the output: the path, as it was given."""
    path: Path | None = None
    samples: Samples | None = None
    """Instead of `path`."""
    start_s: float | None = None
    duration_s: float = 0.0
    """For sorting into batches; 0 if it is not known."""
    channel: int | None = None
    pcm: str | None = None
    """Format of a headerless file (`audio/pcm.py`)."""
    utterance: Any = None
    """The manifest row, for references; None for plain files."""
    groups: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a request beside the audio, for the model's other inputs (`InputSpec.request_field`)."""
    fault: str | None = None
    """Why a request cannot be predicted."""
    share: float = 1.0
    """Of the item that it comes from: a channel among several is a part of its recording."""
    recognised: str | None = None
    """Text of a recogniser, for an input that reads the clip's text and is given no other."""


@runtime_checkable
class Rows(Protocol):
    """The part of a `Manifest` that is used here; inference does not import the corpus."""

    def utterances(self) -> Iterator[Any]:
        """The rows in order."""
        ...

    def audio_path(self, utterance: Any) -> Path:
        """Path of a row's file."""
        ...


Item = str | Path | Samples | Mapping[str, Any]
"""A file, a folder, samples with their rate (also as `{"array": …, "sampling_rate": …}`, as rows of Hugging Face
datasets have them), or a request: a mapping with one of these as `audio`, an `id`, a
`channel` (a number from 0, "left", "right" or "each"), the format `pcm` of headerless files, a prompt `text` and the
model's other inputs."""


def clips_of(items: Iterable[Item] | Rows, groups: Mapping[str, Any] | None) -> Iterator[Clip]:
    """A clip for each of the `items` that a predictor is given, in their order.

    Raises:
        AudioError: a folder without audio files, or an item of another type.
    """
    if isinstance(items, str | Path):
        return clips_of_paths(_files([items]))
    if isinstance(items, Rows):
        return clips_of_rows(items, groups)
    if is_samples(items) or isinstance(items, Mapping):
        return _mixed_clips([items])
    if isinstance(items, np.ndarray) and items.dtype.kind in "biufc":
        raise AudioError("predict", "an array alone has no sample rate; give (samples, rate)")
    if not isinstance(items, Iterable):
        raise AudioError("predict", f"got {items!r}; give {GIVEN}")
    return _mixed_clips(items)


def clips_of_paths(
    paths: Iterable[str | Path], channel: int | None = None, pcm: str | None = None
) -> Iterator[Clip]:
    """A clip per file; its id is the path as given. Files that cannot be read get duration 0 and fail later."""
    for path in paths:
        try:
            duration = read_header(path, pcm=pcm).duration_s
        except AudioError:
            duration = 0.0
        yield Clip(
            id=str(path), audio=str(path), path=Path(path), duration_s=duration, channel=channel, pcm=pcm
        )


def of_channel(clip: Clip, channel: int | str | None) -> Iterator[Clip]:
    """A clip with the channel that a request names, or a clip for each of its channels, called `ID#left`, `ID#right`,
    `ID#2`, …; a recording with one channel, or one that cannot be read, remains one clip."""
    if channel != EACH:
        number = CHANNEL_NAMES.index(channel) if isinstance(channel, str) else channel
        yield replace(clip, channel=number)
        return
    count = _num_channels(clip)
    if count < 2:
        yield clip
        return
    for number in range(count):
        yield replace(clip, id=f"{clip.id}#{channel_name(number)}", channel=number, share=clip.share / count)


def _num_channels(clip: Clip) -> int:
    """Of a file or of samples in memory; 0 if it cannot be read."""
    if clip.samples is not None:
        samples = clip.samples[0]
        return int(samples.shape[1]) if samples.ndim == 2 and samples.shape[1] <= samples.shape[0] else 1
    if clip.path is None:
        return 0
    try:
        return read_header(clip.path, pcm=clip.pcm).num_channels
    except AudioError:
        return 0


def is_samples(item: object) -> bool:
    """Whether an item is a pair (waveform, sample rate). Their values are checked when they are read."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        return False
    waveform, rate = item
    if isinstance(waveform, str | Path | tuple) or isinstance(rate, str | Path):
        return False
    return hasattr(waveform, "__len__") and not hasattr(rate, "__len__")


def clips_of_samples(items: Iterable[Samples]) -> Iterator[Clip]:
    """A clip per (waveform, sample rate), called `0`, `1`, …"""
    for index, (waveform, rate) in enumerate(items):
        try:
            samples = samples_array(waveform)
        except AudioError as error:
            yield Clip(id=str(index), audio="(samples)", fault=error.reason)
            continue
        known = is_rate(rate) and samples.ndim > 0
        yield Clip(
            id=str(index),
            audio="(samples)",
            samples=(samples, rate),
            duration_s=len(samples) / rate if known else 0.0,
        )


def clips_of_rows(manifest: Rows, groups: Mapping[str, Any] | None = None) -> Iterator[Clip]:
    """A clip per manifest row with its groups; `groups` is added to each (e.g. the split's name)."""
    for utterance in manifest.utterances():
        known = {name: value for name, value in utterance.extra.items() if len(str(value)) <= LONGEST_GROUP}
        known |= {name: getattr(utterance, name) for name in GROUP_FIELDS}
        known["speaker"] = identity(utterance.speaker)
        path, fault = _path_of(manifest, utterance)
        yield Clip(
            id=utterance.id,
            audio=utterance.audio,
            path=path,
            fault=fault,
            start_s=utterance.start_s,
            duration_s=utterance.duration_s,
            channel=utterance.channel,
            pcm=utterance.pcm,
            utterance=utterance,
            groups={**{name: value for name, value in known.items() if value is not None}, **(groups or {})},
        )


def _path_of(manifest: Rows, utterance: Any) -> tuple[Path | None, str | None]:
    """Path of a row's file, or why it must not be read."""
    try:
        return manifest.audio_path(utterance), None
    except AudioError as error:
        return None, error.reason


def _mixed_clips(items: Any) -> Iterator[Clip]:
    for index, item in enumerate(items):
        given = {"audio": item} if isinstance(item, Mapping) and _is_decoded(item) else item
        request = dict(given) if isinstance(given, Mapping) else {}
        audio = request.pop("audio", None) if isinstance(given, Mapping) else given
        if _is_decoded(audio):
            audio = (audio["array"], audio["sampling_rate"])
        name = str(request.pop("id")) if "id" in request else None
        if isinstance(given, Mapping) and not isinstance(audio, str | Path) and not is_samples(audio):
            fault = (
                "the request lacks the key audio: a path, or samples with their rate"
                if audio is None
                else f"the request's audio is {reprlib.repr(audio)}; give a path, or samples with their rate"
            )
            yield Clip(id=name or str(index), audio="", fault=fault)
        elif (wrong := _reading_fault(request)) is not None:
            yield Clip(
                id=name or str(index), audio=str(audio) if isinstance(audio, str | Path) else "", fault=wrong
            )
        elif isinstance(audio, str | Path):
            channel, pcm = request.pop("channel", None), request.pop("pcm", None)
            for clip in clips_of_paths(_files([audio]), None, pcm):
                yield from of_channel(replace(clip, id=name or clip.id, request=request), channel)
        elif not is_samples(audio):
            raise AudioError("predict", f"item {index} is {reprlib.repr(item)}; give {GIVEN}")
        else:
            channel = request.pop("channel", None)
            for clip in clips_of_samples([audio]):
                yield from of_channel(replace(clip, id=name or str(index), request=request), channel)


def _is_decoded(audio: object) -> bool:
    """Whether a value is decoded audio of a data set of Hugging Face: its samples and their rate by name."""
    return isinstance(audio, Mapping) and audio.get("array") is not None and "sampling_rate" in audio


def _reading_fault(request: Mapping[str, Any]) -> str | None:
    """Why the `channel` or the `pcm` of a request cannot be used."""
    channel, pcm = request.get("channel"), request.get("pcm")
    is_number = isinstance(channel, Integral) and not isinstance(channel, bool)
    is_name = isinstance(channel, str) and channel in (*CHANNEL_NAMES, EACH)
    if channel is not None and not is_number and not is_name:
        return f"the request's channel is {channel!r}; it is a whole number, from 0, or left, right or each"
    try:
        if pcm is not None:
            PcmFormat.parse(str(pcm))
    except ValueError as error:
        return f"the request's pcm {error}"
    return None


def _files(paths: Iterable[str | Path]) -> Iterator[str | Path]:
    """The paths, folders and archives replaced by the audio files in them."""
    for path in paths:
        if as_on_disk(Path(path)).is_dir():
            inside = find_audio(path)
        else:
            members = STORE.recordings_in(Path(path))
            if members is None:
                yield path
                continue
            inside = members
        if not inside:
            raise AudioError(path, f"contains no audio file; known suffixes: {', '.join(sorted(SUFFIXES))}")
        yield from inside
