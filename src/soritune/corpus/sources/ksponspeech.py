"""KsponSpeech (AI Hub): 969 h of Korean dialogues as headerless PCM, with lists of paths and texts.

    KsponSpeech_scripts/train.trn          KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001.pcm :: o/ 그래 …
    KsponSpeech_01/KsponSpeech_0001/       KsponSpeech_000001.pcm and KsponSpeech_000001.txt (CP949)
    KsponSpeech_eval/eval_clean/           KsponSpeech_E00001.pcm

With lists (`.trn`), their lines are the corpus; the split in a list's name goes to `extra` (`eval_clean` and
`eval_other` are test). Without lists, every `.pcm` is paired with the `.txt` of its name. The audio is 16 bit, 16 kHz,
and the texts have the corpus's own marks: `pcm=s16le:16000` and `transcript=ksponspeech` are the defaults. The corpus
does not name its speakers. It is available from AI Hub to residents of Korea; passing it on is not allowed.

Known faults: a recording listed twice, files of odd length, texts that are only marks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.corpus_files import is_archive, is_folder, listing, read_file
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.folder_walk import walk_folders, writable_name
from soritune.corpus.reading.given_files import add_split, existing_files, folder_of, named_paths
from soritune.corpus.reading.outcomes import Outcome, Rejected
from soritune.corpus.reading.repeated_recordings import ListedRecordings, content_of
from soritune.corpus.reading.text_encoding import EncodingError, decode_text
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader
from soritune.corpus.sources.source import Source
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, reason_of
from soritune.korean.hangul import composed
from soritune.korean.transcript import Notation

_SEPARATOR = "::"
_PAIRED = (".pcm", ".wav", ".flac")


class KsponSpeechConfig(ReaderConfig):
    """Which lists."""

    files: tuple[str, ...] = ()
    """Lists, absolute or below ROOT, as in [KsponSpeech_scripts/train.trn]. Empty: every .trn below ROOT; without
    lists, every recording with the .txt of its name."""
    pcm: str | None = "s16le:16000"
    """Encoding, sample rate and channels of the .pcm files."""
    transcript: Notation = "ksponspeech"
    """Annotation of the texts, which is removed."""
    required: tuple[str, ...] = ("text",)
    """Utterance fields without which a row goes to quarantine."""
    drop_prefix: str = ""
    """Beginning of the written paths to be cut off."""
    language: str | None = "ko"
    """Language of the corpus."""


def read_corpus(root: Path, config: KsponSpeechConfig) -> Iterator[Outcome]:
    """Yields the lines of all lists, or the pairs of a recording and its text.

    Raises:
        ManifestError: no list and no recording, or a list that cannot be read.
    """
    home = folder_of(root)
    values = ValueReader.of(config, "KsponSpeech", config.language)
    lists = _lists(root, config)
    if not lists:
        yield from _pairs(home, values)
        return
    listed = ListedRecordings("line")
    # KsponSpeech_01.zip holds KsponSpeech_01/…, and lists begin with this folder.
    archives = [home / name for name in listing(home).files if is_archive(name)]
    for file in lists:
        folders = [home, file.parent, file.parent.parent, *archives]
        finder = AudioFinder(folders, home, config.drop_prefix, config._matched)
        for number, line in enumerate(_text_of(file).split("\n"), start=1):
            if not line.strip():
                continue
            location = f"{file.name} line {number}"
            outcome = _listed_row(line, location, file, finder, values)
            if isinstance(outcome, Utterance):
                example = f"{location}: {outcome.audio}"
                yield from listed.outcomes(outcome, content_of(outcome), location=location, example=example)
            else:
                yield outcome


def _listed_row(line: str, location: str, file: Path, finder: AudioFinder, values: ValueReader) -> Outcome:
    written, sign, text = line.partition(_SEPARATOR)
    written = written.strip()
    if not sign or not written:
        reason = f"{location}: expected PATH {_SEPARATOR} TEXT, got {line.strip()[:60]!r}"
        return Rejected(written[:60] or file.name, reason, kind="line-format")
    audio = finder.find(written) or finder.expected(written)
    extra: dict[str, str] = {"part": file.stem}
    add_split(extra, file)
    return _row(audio, text, location, extra, values)


def _row(audio: str, text: str, location: str, extra: dict[str, str], values: ValueReader) -> Outcome:
    name = os.path.splitext(os.path.basename(composed(audio)))[0]
    try:
        return values.utterance({"text": text}, name=name, audio=audio, extra=extra)
    except FieldValueError as error:
        return Rejected(audio, f"{location}: {error}", name, kind=error.kind)


def _pairs(home: Path, values: ValueReader) -> Iterator[Outcome]:
    """Recordings with the texts beside them, folder by folder."""
    recordings = 0
    for folder in walk_folders(home, archives=True):
        yield from folder.outcomes
        texts = {os.path.splitext(name)[0] for name in folder.names if name.lower().endswith(".txt")}
        audio = [name for name in folder.names if os.path.splitext(name)[1].lower() in _PAIRED]
        for name in audio:
            recordings += 1
            path, stem = folder.path_of(name), os.path.splitext(name)[0]
            shown, fault = writable_name(path)
            if fault is not None:
                yield Rejected(shown, fault, kind="name-not-utf8")
            elif stem not in texts:
                yield Rejected(path, f"has no {stem}.txt beside it", composed(stem), kind="text-missing")
            else:
                location = folder.path_of(f"{stem}.txt")
                try:
                    text = decode_text(read_file(folder.path / f"{stem}.txt"))
                except (OSError, EncodingError) as error:
                    reason = f"{location}: cannot be read ({reason_of(error)})"
                    yield Rejected(path, reason, composed(stem), kind="text-unreadable")
                else:
                    yield _row(path, text, location, {}, values)
        for stem in sorted(texts - {os.path.splitext(name)[0] for name in audio}):
            if stem.startswith("KsponSpeech"):
                yield Rejected(
                    folder.path_of(f"{stem}.txt"), "has no recording of its name", kind="recording-missing"
                )
    if not recordings:
        raise ManifestError("holds no .trn list and no .pcm recording", path=home)


def _text_of(file: Path) -> str:
    try:
        return decode_text(read_file(file))
    except OSError as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=file) from error
    except EncodingError as error:
        raise ManifestError(str(error), path=file) from error


def _lists(root: Path, config: KsponSpeechConfig) -> list[Path]:
    if config.files or not is_folder(root):
        return existing_files(named_paths(root, config.files))
    return [
        folder.path / name
        for folder in walk_folders(root, archives=True)
        for name in folder.names
        if name.lower().endswith(".trn")
    ]


SOURCE = Source(
    KsponSpeechConfig,
    read_corpus,
    "KsponSpeech: .trn lists with PATH :: TEXT, or .pcm files with .txt beside them",
    lambda root, config: folder_of(root),
)
