"""Manifests of lhotse: cuts, or recordings with supervisions, as JSON lines, also compressed (`.jsonl.gz`).

ROOT is a file of cuts, or a folder with cuts (`cuts_train.jsonl.gz`), or with recordings and supervisions
(`x_recordings_train.jsonl.gz`, `x_supervisions_train.jsonl.gz`), which belong together if their names are equal apart
from these words. A cut with several supervisions gives one utterance for each of them; a cut or recording without any
is one utterance without a text. Only recordings in files are read: commands, URLs and audio in memory are rejected,
and so are cuts that are not as recorded (mixed, padded, with another speed).

`custom` fields with the name of an utterance field (`age`, `emotion`) are that field, others go to `extra`. Alignments
and stored features are not read. The split in a file's name goes to `extra`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.field_mapping import END, FieldValueError
from soritune.corpus.reading.given_files import existing_files, folder_of, named_paths
from soritune.corpus.reading.json_lines import is_json_lines, json_lines, plain_stem
from soritune.corpus.reading.outcomes import Note, Outcome, ReadingError, Rejected
from soritune.corpus.reading.split_names import split_of_file
from soritune.corpus.reading.value_reader import MAPPABLE, ReaderConfig, ValueReader
from soritune.corpus.sources.source import Source
from soritune.errors import ManifestError
from soritune.korean.hangul import composed

_CUTS, _RECORDINGS, _SUPERVISIONS = "cuts", "recordings", "supervisions"
_WHOLE_S = 0.001
"""A stretch that is shorter than its recording by at most this is the whole recording."""


class LhotseConfig(ReaderConfig):
    """Which manifests, and where their paths start."""

    files: tuple[str, ...] = ()
    """Files of cuts, or of recordings and supervisions, absolute or below ROOT. Empty: the cuts in ROOT, else its
    recordings with supervisions."""
    audio_root: str | None = None
    """Where relative paths start, absolute or below ROOT; None tries the manifest's folder and the folders above it."""
    drop_prefix: str = ""
    """Beginning of the written paths to be cut off."""
    language: str | None = "ko"
    """Language of rows without one."""


def read_corpus(root: Path, config: LhotseConfig) -> Iterator[Outcome]:
    """Yields the utterances of all manifests.

    Raises:
        ManifestError: no manifest of lhotse, recordings without supervisions, or a file that cannot be read.
    """
    home = folder_of(root)
    for cuts, supervisions in _manifests(root, config):
        starts = [cuts.parent, *list(cuts.parent.absolute().parents)[:3]]
        if config.audio_root is not None:
            starts = [home / config.audio_root]
        reader = _Reader(
            AudioFinder(starts, _base(root, config), config.drop_prefix, config._matched),
            ValueReader.of(config, composed(home.resolve().name), config.language),
            split_of_file(plain_stem(cuts)),
        )
        yield from (
            _of_cuts(cuts, reader) if supervisions is None else _of_recordings(cuts, supervisions, reader)
        )


@dataclass(frozen=True)
class _Reader:
    """Turns supervisions of recordings into utterances."""

    finder: AudioFinder
    values: ValueReader
    split: str | None

    def read(
        self, recording: Mapping[str, Any], start: float, duration: float | None, supervision: Mapping[str, Any],
        name: str, location: str, custom: Mapping[str, Any],
    ) -> Outcome:  # fmt: skip
        """The utterance, or why it is rejected.

        Args:
            recording: of lhotse.
            start: of the utterance in the recording, in seconds.
            duration: of the utterance; None is the rest of the recording.
            supervision: of lhotse, without its times; may be empty.
            name: the id.
            location: file and line.
            custom: further fields.
        """
        written = ""
        try:
            written, channel = _source(recording, supervision.get("channel"))
            audio = self.finder.find(written) or self.finder.expected(written)
            given = {key: supervision.get(key) for key in ("text", "speaker", "gender", "language")}
            more = {**custom, **(supervision.get("custom") or {})}
            given |= {
                key: value for key, value in more.items() if key in MAPPABLE and key not in (*given, "audio")
            }
            extra = {key: value for key, value in more.items() if key not in MAPPABLE and _is_plain(value)}
            if self.split is not None:
                extra.setdefault("split", self.split)
            total = _number(recording.get("duration"), "duration of the recording")
            length = total - start if duration is None else duration
            times = (
                {}
                if start <= _WHOLE_S and length >= total - _WHOLE_S
                else {"start_s": start, END: start + length}
            )
            given |= {"id": name, "channel": channel, **times}
            return self.values.utterance(given, name=name, audio=audio, extra=extra)
        except ReadingError as error:
            return Rejected(written or name, f"{location}: {error}", name, kind=error.kind)


def _of_cuts(file: Path, reader: _Reader) -> Iterator[Outcome]:
    for item in json_lines(file):
        if isinstance(item, Rejected):
            yield item
            continue
        line, cut = item
        location, name = f"{file.name} line {line}", str(cut.get("id", ""))
        fault = _fault_of_cut(cut)
        if fault is not None:
            yield Rejected(name, f"{location}: {fault}", name, kind="cut-changed")
            continue
        supervisions = [s for s in cut.get("supervisions") or [] if isinstance(s, dict)]
        channel = cut.get("channel")
        try:
            start, duration = (
                _number(cut.get("start", 0.0), "start"),
                _number(cut.get("duration"), "duration"),
            )
            if not supervisions:
                yield reader.read(
                    cut["recording"],
                    start,
                    duration,
                    {"channel": channel},
                    name,
                    location,
                    cut.get("custom") or {},
                )
            for supervision in supervisions:
                # The times of a supervision start at the cut; it may begin before the cut and end after it.
                begin = _number(supervision.get("start", 0.0), "start of a supervision")
                length = _number(supervision.get("duration"), "duration of a supervision")
                begin, end = max(begin, 0.0), min(begin + length, duration)
                own = name if len(supervisions) == 1 else str(supervision.get("id", name))
                custom = cut.get("custom") or {}
                facts = {"channel": channel, **supervision}
                yield reader.read(cut["recording"], start + begin, end - begin, facts, own, location, custom)
        except ReadingError as error:
            yield Rejected(name, f"{location}: {error}", name, kind=error.kind)


def _of_recordings(file: Path, supervisions: Path, reader: _Reader) -> Iterator[Outcome]:
    recordings: dict[str, dict[str, Any]] = {}
    for item in json_lines(file):
        if isinstance(item, Rejected):
            yield item
        else:
            recordings[str(item[1].get("id", ""))] = item[1]
    used = set[str]()
    for item in json_lines(supervisions):
        if isinstance(item, Rejected):
            yield item
            continue
        line, supervision = item
        location = f"{supervisions.name} line {line}"
        name, recording = str(supervision.get("id", "")), str(supervision.get("recording_id", ""))
        if recording not in recordings:
            reason = f"{location}: the recording '{recording}' is not in {file.name}"
            yield Rejected(recording, reason, name, kind="recording-missing")
            continue
        used.add(recording)
        try:
            start = _number(supervision.get("start", 0.0), "start")
            duration = _number(supervision.get("duration"), "duration")
        except ReadingError as error:
            yield Rejected(recording, f"{location}: {error}", name, kind=error.kind)
            continue
        yield reader.read(recordings[recording], start, duration, supervision, name, location, {})
    if rest := [name for name in recordings if name not in used]:
        reason = f"recording in {file.name} without a supervision (not read)"
        yield Note(reason, len(rest), rest[0], kind="supervision-missing")


def _fault_of_cut(cut: Mapping[str, Any]) -> str | None:
    kind = cut.get("type", "MonoCut")
    if kind not in ("MonoCut", "MultiCut"):
        return f"is a {kind}, whose audio is not in one recording; save it to a file with lhotse first"
    if not isinstance(cut.get("recording"), dict):
        return "has no recording; cuts of features alone cannot be read"
    return None


def _source(recording: Mapping[str, Any], channel: Any) -> tuple[str, int | None]:
    """Path of a recording and the channel in its file; None for all channels.

    Raises:
        ReadingError: the recording is not a file, or is not as recorded.
    """
    if recording.get("transforms"):
        raise ReadingError(
            "cut-changed", "its recording is changed on the fly (transforms), such as in speed"
        )
    sources = [s for s in recording.get("sources") or [] if isinstance(s, dict)]
    wanted = channel if isinstance(channel, int) else None
    if isinstance(channel, list):
        wanted = channel[0] if len(channel) == 1 else None
    fitting = [s for s in sources if wanted is None or wanted in (s.get("channels") or [wanted])]
    if len(fitting) != 1:
        many = "no source" if not fitting else f"{len(fitting)} sources"
        raise ReadingError("audio-sources", f"its recording has {many} for the channel {channel}")
    source = fitting[0]
    if source.get("type") != "file":
        reason = f"its recording is of the type '{source.get('type')}'; only files are read, and commands are never run"
        raise ReadingError("audio-command", reason)
    channels = source.get("channels") or [0]
    index = channels.index(wanted) if wanted is not None and len(channels) > 1 else None
    return str(source.get("source", "")), index


def _number(value: Any, name: str) -> float:
    """A number of a manifest.

    Raises:
        FieldValueError: it is missing or not a number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FieldValueError("duration_s", f"({name}) must be a number, got {value!r}", "field-type")
    return float(value)


def _is_plain(value: Any) -> bool:
    """Whether a custom field is a value of its own, and not an array or a recording stored elsewhere."""
    return not (
        isinstance(value, dict) and ("storage_type" in value or "array" in value or "sources" in value)
    )


def _manifests(root: Path, config: LhotseConfig) -> list[tuple[Path, Path | None]]:
    """Files of cuts, or files of recordings each with its file of supervisions.

    Raises:
        ManifestError: no such files.
    """
    if config.files or not root.is_dir():
        files = existing_files(named_paths(root, config.files))
    else:
        files = sorted(
            path for path in root.iterdir() if path.is_file() and is_json_lines(path) and path.name[0] != "."
        )
    kinds = {file: kind for file in files if (kind := _kind(file)) is not None}
    cuts = [file for file, kind in kinds.items() if kind == _CUTS]
    if cuts:
        return [(file, None) for file in cuts]
    partners = {_key(file): file for file, kind in kinds.items() if kind == _SUPERVISIONS}
    pairs: list[tuple[Path, Path | None]] = []
    for file, kind in kinds.items():
        if kind != _RECORDINGS:
            continue
        partner = partners.pop(_key(file), None)
        if partner is None:
            raise ManifestError(
                "has recordings, and no file of supervisions with the same name is beside it", path=file
            )
        pairs.append((file, partner))
    if not pairs:
        raise ManifestError(
            "holds no cuts, and no recordings with supervisions (.jsonl, .jsonl.gz)", path=root
        )
    return pairs


def _kind(file: Path) -> str | None:
    """What the first object of a file is; None for other JSON."""
    for item in json_lines(file):
        if isinstance(item, Rejected):
            continue
        row = item[1]
        if "recording_id" in row and "type" not in row:
            return _SUPERVISIONS
        if "sources" in row:
            return _RECORDINGS
        return _CUTS if str(row.get("type", "")).endswith("Cut") or "supervisions" in row else None
    return None


def _key(file: Path) -> str:
    """The name of a file without the word for what it has."""
    return plain_stem(file).replace(_RECORDINGS, "").replace(_SUPERVISIONS, "")


def _base(root: Path, config: LhotseConfig) -> Path:
    home = folder_of(root).absolute()
    return home if config.audio_root is None else home / config.audio_root


SOURCE = Source(
    LhotseConfig,
    read_corpus,
    "manifests of lhotse: cuts, or recordings with supervisions (.jsonl, .jsonl.gz)",
    _base,
)
