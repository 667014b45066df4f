"""speechocean762 as released: learners of English, with scores of every sentence, word and phone.

    ROOT/train/ and ROOT/test/      Kaldi data folders: wav.scp, text, utt2spk, spk2gender, spk2age
    ROOT/WAVE/SPEAKER0001/          the recordings
    ROOT/resource/scores.json       the scores of five experts, averaged, and what was pronounced instead

`canonical` are the phones of the words, in lower case without stress. A phone with an entry under `mispronunciations`
(those with a score below 0.5) has the label S and is perceived as its entry states, or the label D if that is `<DEL>`;
all others count as pronounced correctly (C). If an entry states several phones, those after the first are inserted (I,
canonical `sil`). `<unk>`, and a score below 0.5 without an entry, are perceived as `err`; the mark `*` (nearly this
phone) is dropped. The scores are kept in
`extra`: `phone_scores`, `word_lengths` (phones per word), `word_scores` and `scores`.

CC BY 4.0 (Zhang et al., Interspeech 2021), OpenSLR 101. The first language of all speakers is Mandarin. Known fault: a
phone with a score from 0.5 on may be accented, and no entry states how.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.folder_walk import walk_folders
from soritune.corpus.reading.json_text import parse_noting_repeats
from soritune.corpus.reading.kaldi_folder import WAV_SCP, KaldiRow, read_folder
from soritune.corpus.reading.outcomes import Outcome, ReadingError, Rejected
from soritune.corpus.reading.split_names import split_of_file
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader
from soritune.corpus.sources.source import Source
from soritune.errors import ManifestError, reason_of

_SCORES = "scores.json"
_LEVELS = ("accuracy", "completeness", "fluency", "prosodic", "total")
_GAP, _UNKNOWN = "sil", "err"
_WRONG = 0.5
"""Phones with a lower score have an entry of what was pronounced."""


class Speechocean762Config(ReaderConfig):
    """How the corpus is read."""

    required: tuple[str, ...] = ("speaker", "canonical", "perceived", "phones", "error_labels")
    """Utterance fields without which a row goes to quarantine."""
    language: str | None = "en"
    """Language of the corpus."""


def read_corpus(root: Path, config: Speechocean762Config) -> Iterator[Outcome]:
    """Yields the utterances of train and test.

    Raises:
        ManifestError: no data folder, or no scores.json, or one that cannot be read.
    """
    scores = _scores(root)
    folders = [folder.relative for folder in walk_folders(root) if WAV_SCP in folder.names]
    if not folders:
        raise ManifestError(f"holds no folder with {WAV_SCP}, such as train and test", path=root)
    finder = AudioFinder([root], root)
    values = ValueReader.of(config, "speechocean762", config.language)
    for name in folders:
        split = split_of_file(Path(name).name)
        for row in read_folder(root / name, name):
            yield _outcome(row, scores, finder, values, split) if isinstance(row, KaldiRow) else row


def _outcome(
    row: KaldiRow, scores: Mapping[str, Any], finder: AudioFinder, values: ValueReader, split: str | None
) -> Outcome:
    audio = finder.find(row.audio) or finder.expected(row.audio)
    try:
        if row.id not in scores:
            raise ReadingError("label-missing", f"has no entry in {_SCORES}")
        sequences, extra = annotation_of(scores[row.id])
        given = {**row.given, **sequences, "first_language": "zh"}
        more = {**row.extra, **extra, **({} if split is None else {"split": split})}
        return values.utterance(given, name=row.id, audio=audio, extra=more)
    except FieldValueError as error:
        return Rejected(audio, f"{row.location}: {error}", row.id, kind=error.kind)
    except ReadingError as error:
        return Rejected(audio, f"{row.location}: {error}", row.id, kind=error.kind)


def annotation_of(entry: Any) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The aligned sequences of an entry of scores.json, and what goes to `extra`.

    Raises:
        ReadingError: the entry is not as the corpus describes it.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("words"), list):
        raise ReadingError("entry-format", "its entry in scores.json has no list of words")
    canonical: list[str] = []
    perceived: list[str] = []
    labels: list[str] = []
    phone_scores: list[float] = []
    lengths: list[int] = []
    word_scores: list[dict[str, Any]] = []
    for number, word in enumerate(entry["words"], start=1):
        phones, scores, instead = _word(word, number)
        lengths.append(len(phones))
        phone_scores += scores
        word_scores.append({key: word[key] for key in ("accuracy", "stress", "total") if key in word})
        for index, phone in enumerate(phones):
            pronounced = instead.get(index, [phone])
            canonical += [phone, *[_GAP] * (len(pronounced) - 1)]
            perceived += pronounced
            label = "C" if index not in instead else "D" if pronounced == [_GAP] else "S"
            labels += [label, *["I"] * (len(pronounced) - 1)]
    spoken = [phone for phone, label in zip(perceived, labels, strict=True) if label != "D"]
    extra = {
        "phone_scores": phone_scores,
        "word_lengths": lengths,
        "word_scores": word_scores,
        "scores": {level: entry[level] for level in _LEVELS if level in entry},
    }
    return {"canonical": canonical, "perceived": perceived, "error_labels": labels, "phones": spoken}, extra


def _word(word: Any, number: int) -> tuple[list[str], list[float], dict[int, list[str]]]:
    """The phones of a word, their scores, and index → phones that were pronounced instead (`sil`: left out).

    Raises:
        ReadingError: the word is not as the corpus describes it.
    """
    where = f"word {number} of its entry in scores.json"
    if not isinstance(word, dict):
        raise ReadingError("entry-format", f"{where} is not an object")
    written: Any = word.get("phones")
    scores: Any = word.get("phones-accuracy")
    written = written.split() if isinstance(written, str) else written
    if not _is_list(written, str) or not _is_list(scores, (int, float)):
        raise ReadingError("entry-format", f"{where} has no lists of phones and of their scores")
    phones = [_phone(phone) for phone in written]
    if not phones or len(phones) != len(scores):
        raise ReadingError(
            "entry-format", f"{where} has {len(phones)} phones and {len(scores)} scores of phones"
        )
    instead = {index: [_UNKNOWN] for index, score in enumerate(scores) if score < _WRONG}
    faults = word.get("mispronunciations") or []
    for fault in faults if isinstance(faults, list) else [faults]:
        try:
            index, expected = int(fault["index"]), _phone(fault["canonical-phone"])
            pronounced = _pronounced(fault["pronounced-phone"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ReadingError(
                "entry-format", f"{where} has a mispronunciation without index or phones"
            ) from None
        if not 0 <= index < len(phones) or phones[index] != expected:
            reason = f"{where} has a mispronunciation of '{expected}' at {index}, where this phone is not"
            raise ReadingError("entry-format", reason)
        instead[index] = pronounced
    return phones, [float(score) for score in scores], instead


def _is_list(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _phone(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def _pronounced(text: str) -> list[str]:
    plain = text.strip().lower()
    if plain == "<del>":
        return [_GAP]
    return [phone for part in plain.split() if (phone := _UNKNOWN if part == "<unk>" else _phone(part))] or [
        _UNKNOWN
    ]


def _scores(root: Path) -> Mapping[str, Any]:
    """scores.json, by utterance.

    Raises:
        ManifestError: the file does not exist, or is not a JSON object.
    """
    files = [root / "resource" / _SCORES, root / _SCORES]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise ManifestError(
            f"holds no resource/{_SCORES}; the source 'kaldi' reads the corpus without scores", path=root
        )
    try:
        content, _ = parse_noting_repeats(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=file) from error
    except ValueError as error:
        raise ManifestError(f"is not JSON ({error})", path=file) from error
    if not isinstance(content, dict):
        raise ManifestError("must be an object whose keys are utterances", path=file)
    return content


SOURCE = Source(
    Speechocean762Config,
    read_corpus,
    "speechocean762 as released: Kaldi data folders and resource/scores.json",
)
