"""What a source makes of a corpus before anything is written: rows, values, and what stays unread.

Foreign corpora are lost or won here: whoever writes a mapping sees at once which fields it fills, which it
never fills, and what else the corpus has.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from soritune.audio.waveform import read_header
from soritune.corpus.prepare import load_source, refuse_unwritable, source_config
from soritune.corpus.reading.items import (
    Note,
    Rejected,
    Skipped,
    shortened,
)
from soritune.corpus.reading.loose_values import END
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.reasons import kind_of
from soritune.corpus.sources.source import Source, Survey
from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import AudioError, MissingAudioError, SorituneError, nearest
from soritune.korean.hangul import composed

ENOUGH = 20_000
"""Things found after which a preview stops by default."""
_SURVEYED = 200
"""Rows or label files whose own fields are looked at, and recordings whose headers are."""
USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "text": ("text", "stt", "transcript", "transcription", "labeltext", "sentence", "orthographic", "wrd",
             "전사", "전사문", "전사텍스트", "텍스트", "문장", "대본", "발화문"),
    "speaker": ("speaker", "speakerid", "speakername", "spkid", "spk", "recorderid", "userid", "who",
                "화자", "화자id", "화자번호", "녹음자", "녹음자id", "발화자"),
    "emotion": ("emotion", "label", "mood", "감정", "감정상태", "감정라벨"),
    "age": ("age", "나이", "연령", "만나이"),
    "gender": ("gender", "sex", "성별"),
    "first_language": ("firstlanguage", "l1", "nativelanguage", "mothertongue", "모국어"),
    "script_id": ("scriptid", "sentenceid", "promptid", "문장번호", "문장id", "대본번호"),
    "snr_db": ("snr", "snrdb"),
    "start_s": ("start", "starttime", "begin", "시작", "시작시간", "시작시각"),
    END: ("end", "endtime", "끝", "종료", "종료시간", "종료시각", "끝시간"),
    "audio": ("filepath", "path", "audio", "wav", "filename", "file", "파일명", "파일", "파일경로", "음성파일"),
}  # fmt: skip
"""Utterance field → what publishers call it (letters and digits only), for suggestions."""


@dataclass(frozen=True)
class Preview:
    """What was seen of a corpus."""

    rows: list[Utterance]
    """The first ones."""
    audio_faults: dict[str, str]
    """Id → why its file cannot be used, among the first recordings."""
    audio_checked: int
    """How many recordings' headers were looked at."""
    durations_s: dict[str, float]
    """Id → length of the sound, among the same."""
    utterances: int
    values: dict[str, int]
    """Utterance field, or name in `extra`, that any row has → how many rows have it."""
    rejected: dict[str, tuple[int, str]]
    """Kind of reason → how many, and one in full."""
    skipped: dict[str, tuple[int, str]]
    notes: dict[str, tuple[int, str]]
    """Things worth knowing about what is kept."""
    other_genders: dict[str, int]
    """Values of gender that are neither f nor m → how many rows have them."""
    whole: bool
    """Whether the whole corpus was looked at."""
    fault: str | None
    """Why reading ended, if it failed."""
    survey: Survey | None
    never_filled: dict[str, str]
    """Mapped utterance field without a value in any row → what it was read from, and advice."""
    path_settings: tuple[str, ...] = ()
    """Settings that say where audio paths begin, where not one recording was found."""
    suggestions: dict[str, str] = field(default_factory=dict)
    """Utterance field without values → a field of the corpus that sounds like it."""

    @property
    def looked_at(self) -> int:
        """Utterances, and what was rejected and skipped."""
        told = sum(count for count, _ in (*self.rejected.values(), *self.skipped.values()))
        return self.utterances + told

    @property
    def unmapped(self) -> dict[str, Any]:
        """Fields of the corpus that become nothing → an example value."""
        if self.survey is None:
            return {}
        return {name: value for name, value in self.survey.examples.items() if name not in self.survey.used}

    @property
    def advice(self) -> str:
        """Options for the command line that would take the suggestions; empty where there are none."""
        return " ".join(f"--field {shlex.quote(f'{name}={own}')}" for name, own in self.suggestions.items())


def preview(
    source_name: str,
    root: Path,
    settings: dict[str, Any] | SourceConfig,
    *,
    limit: int = 10,
    scan: int = ENOUGH,
) -> Preview:
    """Reads a corpus as `prepare` would, and writes nothing.

    Args:
        source_name: A member of `corpus/sources` that reads (not one that makes its corpus).
        root: The corpus.
        settings: The source's settings.
        limit: Rows to keep.
        scan: Stop after so many things found; 0 looks at the whole corpus.

    Raises:
        UnknownNameError: no such source.
        ManifestError: a setting is unknown or bad. A corpus that cannot be read is told in `fault` instead.
    """
    source, config = load_source(source_name), source_config(source_name, settings)
    rows: list[Utterance] = []
    values: Counter[str] = Counter()
    rejected: dict[str, tuple[int, str]] = {}
    skipped: dict[str, tuple[int, str]] = {}
    notes: dict[str, tuple[int, str]] = {}
    genders: Counter[str] = Counter()
    fault, whole, utterances = None, False, 0
    refuse_unwritable(root)
    try:
        found = source.read(root, config)
        for item in islice(found, scan or None):
            if isinstance(item, (Skipped, Note)):
                table = skipped if isinstance(item, Skipped) else notes
                count, example = table.get(item.reason, (0, shortened(item.example)))
                table[item.reason] = (count + item.count, example)
            elif isinstance(item, Rejected):
                kind = kind_of(item.reason)
                count, example = rejected.get(kind, (0, f"{item.audio or item.id}: {item.reason}"))
                rejected[kind] = (count + 1, example)
            else:
                utterances += 1
                values.update(_filled(item))
                if item.gender not in (None, "f", "m"):
                    genders[str(item.gender)] += 1
                if len(rows) < max(limit, _SURVEYED):
                    rows.append(item)
        whole = next(iter(found), None) is None
    except SorituneError as error:
        fault, whole = str(error), True
    lengths, faults, missing = _listened(source, root, config, rows[:_SURVEYED])
    survey = _survey(source, root, config)
    parts = any("map start_s" in reason for _, reason in rejected.values())
    guesses = _suggestions(values, survey, parts)
    lost = bool(faults) and not lengths and missing == faults.keys()
    places = tuple(name for name in ("audio_root", "drop_prefix") if lost and hasattr(config, name))
    counts = {name: values[name] for name in _in_order(values)}
    return Preview(
        rows[:limit], faults, min(len(rows), _SURVEYED), lengths, utterances, counts, rejected, skipped, notes,
        dict(genders.most_common()), whole,
        fault, survey, _never_filled(config, values, survey, guesses), places, guesses,
    )  # fmt: skip


def _filled(item: Utterance) -> list[str]:
    own = [
        name
        for name in FIELDS
        if name not in ("extra", "duration_s") and getattr(item, name) not in (None, "")
    ]
    return [*own, *(f"extra.{name}" for name in item.extra)]


def _in_order(values: Mapping[str, int]) -> list[str]:
    return [name for name in FIELDS if name in values] + sorted(name for name in values if "." in name)


def _listened(
    source: Source, root: Path, config: SourceConfig, rows: Iterable[Utterance]
) -> tuple[dict[str, float], dict[str, str], set[str]]:
    """By id: seconds of the files that can be read, why the others cannot, and which of those do not exist."""
    lengths, faults, missing = {}, {}, set()
    try:
        base = source.base(root, config)
    except SorituneError:
        return {}, {}, set()
    for row in rows:
        try:
            lengths[row.id] = read_header(base / row.audio).duration_s
        except AudioError as error:
            faults[row.id] = error.reason
            if isinstance(error, MissingAudioError):
                missing.add(row.id)
    return lengths, faults, missing


def _survey(source: Source, root: Path, config: SourceConfig) -> Survey | None:
    if source.survey is None:
        return None
    try:
        found = source.survey(root, config, _SURVEYED)
    except SorituneError:
        return None
    return Survey(found.looked_at, _printable(found.examples), _printable(found.used))


def _printable(value: Any) -> Any:
    """`value` with half surrogate pairs, which no terminal and no file can take, written as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_printable(key): _printable(one) for key, one in value.items()}
    return [_printable(one) for one in value] if isinstance(value, list) else value


def _never_filled(
    config: SourceConfig, values: Mapping[str, int], survey: Survey | None, guesses: Mapping[str, str]
) -> dict[str, str]:
    mapped: dict[str, str] = getattr(config, "fields", {})
    extra: dict[str, str] = getattr(config, "extra", {})
    found = {}
    kept = {own: own for own in getattr(config, "keep", ())}
    more = ((f"extra.{name}", own) for name, own in {**extra, **kept}.items())
    for name, own in [*mapped.items(), *more]:
        if name in ("duration_s", END) or (values.get(name) and not _only_constant(config, name, survey)):
            continue
        known = {} if survey is None else survey.examples
        hint = guesses.get(name) or (None if own in known else nearest(own, known))
        found[name] = f"'{own}'" + (f"; did you mean '{hint}'?" if hint else "")
    return found


def _only_constant(config: SourceConfig, name: str, survey: Survey | None) -> bool:
    """Whether a field has its values from `constants` alone, as nothing was read into it."""
    if survey is None or name not in getattr(config, "constants", {}):
        return False
    filled = (used for own, used in survey.used.items() if survey.examples[own] not in (None, "", [], {}))
    return not any(name in used.split(", ") for used in filled)


def _suggestions(values: Mapping[str, int], survey: Survey | None, parts: bool) -> dict[str, str]:
    """`parts`: whether rows look like stretches of recordings."""
    if survey is None:
        return {}
    free = {
        _sound(name.rsplit(".", 1)[-1]): name
        for name in reversed(list(survey.examples))
        if _is_free(survey, name)
    }
    found = {}
    for name, usual in USUAL_NAMES.items():
        if values.get(name) or (name in ("start_s", END) and values and not parts):
            continue
        if (own := next((free[word] for word in usual if word in free), None)) is not None:
            found[name] = own
    return found


def _is_free(survey: Survey, name: str) -> bool:
    return survey.used.get(name, "extra") == "extra" and not isinstance(survey.examples[name], (list, dict))


def _sound(name: str) -> str:
    return re.sub(r"[\W_]", "", composed(name)).casefold()
