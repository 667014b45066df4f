"""A look at what a source reads from a corpus, before anything is written: rows, values, and what is not read.

It shows the author of a mapping which fields the mapping fills, which it never fills, and what else the corpus has.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from soritune.audio.waveform import read_header
from soritune.corpus.audio_root import within_root
from soritune.corpus.prepare import load_source, refuse_unwritable, source_config
from soritune.corpus.reading.field_mapping import END
from soritune.corpus.reading.outcomes import (
    STRETCHES_UNMAPPED,
    Note,
    Outcome,
    Rejected,
    Skipped,
    shortened,
)
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.reasons import Tally, add_to
from soritune.corpus.sources.source import Source, Survey
from soritune.corpus.transcripts import read_outcomes
from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import AudioError, MissingAudioError, SorituneError, nearest
from soritune.korean.hangul import composed

ENOUGH = 20_000
"""Outcomes after which a preview stops by default."""
_FOLDERS = 10_000
"""Most folders in which recordings are looked for."""
_SURVEYED = 200
"""Rows or label files whose fields are surveyed, and recordings whose headers are read."""
USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "text": ("text", "stt", "transcript", "transcription", "labeltext", "sentence", "orthographic", "wrd",
             "전사", "전사문", "전사텍스트", "텍스트", "문장", "대본", "발화문"),
    "speaker": ("speaker", "speakerid", "speakername", "spkid", "spk", "recorderid", "userid", "who",
                "student", "learner", "화자", "화자id", "화자번호", "화자명", "녹음자", "녹음자id", "발화자",
                "발화자id", "성우", "낭독자", "학생", "학생이름", "학습자", "학습자이름", "이름",
                "agent", "agentid", "상담사", "상담사id", "상담사번호", "상담원", "상담원id", "상담원번호",
                "customer", "customerid", "고객", "고객id", "고객번호"),
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
"""Utterance field → names that publishers give it (letters and digits only), for suggestions."""
_SIDES = (("agent", "상담사", "상담원"), ("customer", "고객"))
"""Beginnings of names of the two people of a call. Where a corpus has columns of both, neither is suggested as the
speaker, because only its author knows whose voice a recording holds."""
_FEWEST_REPEATS = 2
"""A column may hold speakers if its values have at least this number of rows each, on average."""


@dataclass(frozen=True)
class Preview:
    """Result of `preview`."""

    rows: list[Utterance]
    """The first ones."""
    audio_faults: dict[str, str]
    """Id → why its file cannot be used, among the first recordings."""
    audio_checked: int
    """How many recordings' headers were read."""
    durations_s: dict[str, float]
    """Id → length of the sound, among the same recordings."""
    utterances: int
    values: dict[str, int]
    """Utterance field, or name in `extra`, that any row has → how many rows have it."""
    rejected: dict[str, Tally]
    """By kind; an example is the first one with its reason."""
    skipped: dict[str, Tally]
    """By kind."""
    notes: dict[str, Tally]
    """By kind; remarks on what is kept."""
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
    """If not a single recording was found: the settings that say where audio paths begin."""
    suggestions: dict[str, str] = field(default_factory=dict)
    """Utterance field without values → a field of the corpus with a usual name for it."""
    suggested_root: str | None = None
    """If not a single recording was found: the folder below the corpus that has them, for `audio_root`."""
    speaker_columns: tuple[str, ...] | None = None
    """Where no row has a speaker and no field is suggested for it: the fields that could hold one, because few
    different values are repeated in them. None where speakers are found, or nothing was read."""

    @property
    def looked_at(self) -> int:
        """Number of utterances, rejected and skipped things."""
        others = (*self.rejected.values(), *self.skipped.values())
        return self.utterances + sum(tally.count for tally in others)

    @property
    def unmapped(self) -> dict[str, Any]:
        """Field of the corpus that is not read → an example value."""
        if self.survey is None:
            return {}
        return {name: value for name, value in self.survey.examples.items() if name not in self.survey.used}

    @property
    def advice(self) -> str:
        """The suggestions as options for the command line."""
        options = [f"--field {shlex.quote(f'{name}={field}')}" for name, field in self.suggestions.items()]
        if self.suggested_root is not None:
            options.append(f"--set {shlex.quote(f'audio_root={self.suggested_root}')}")
        return " ".join(options)


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
        scan: Stop after this number of outcomes; 0 looks at the whole corpus.

    Raises:
        UnknownNameError: no such source.
        ManifestError: a setting is unknown or bad. If the corpus cannot be read, `fault` of the result is set instead.
    """
    source, config = load_source(source_name), source_config(source_name, settings)
    refuse_unwritable(root)
    seen = _Seen(max(limit, _SURVEYED))
    fault, whole = None, False
    try:
        outcomes = read_outcomes(source, root, config)
        for outcome in islice(outcomes, scan or None):
            seen.add(outcome)
        whole = next(iter(outcomes), None) is None
    except SorituneError as error:
        fault, whole = str(error), True
    lengths, faults = _read_headers(source, root, config, seen.rows[:_SURVEYED])
    survey = _survey(source, root, config)
    unreadable = {
        name for name in getattr(config, "fields", {}) if any(name in row.extra for row in seen.rows)
    }
    suggestions = _suggestions(seen.values, survey, STRETCHES_UNMAPPED in seen.rejected, unreadable)
    lost = (
        bool(faults)
        and not lengths
        and all(isinstance(error, MissingAudioError) for error in faults.values())
    )
    path_settings = tuple(name for name in ("audio_root", "drop_prefix") if lost and hasattr(config, name))
    return Preview(
        rows=seen.rows[:limit],
        audio_faults={name: error.reason for name, error in faults.items()},
        audio_checked=min(len(seen.rows), _SURVEYED),
        durations_s=lengths,
        utterances=seen.utterances,
        values={name: seen.values[name] for name in _sorted_names(seen.values)},
        rejected=seen.rejected,
        skipped=seen.skipped,
        notes=seen.notes,
        other_genders=dict(seen.genders.most_common()),
        whole=whole,
        fault=fault,
        survey=survey,
        never_filled=_never_filled(config, seen, survey, suggestions),
        path_settings=path_settings,
        suggestions=suggestions,
        speaker_columns=(
            _speaker_columns(seen.rows, suggestions)
            if seen.rows and not seen.values["speaker"] and "speaker" not in suggestions
            else None
        ),
        suggested_root=_folder_of(root, seen.rows[:_SURVEYED]) if "audio_root" in path_settings else None,
    )


def _folder_of(root: Path, rows: Sequence[Utterance]) -> str | None:
    """The folder from which the paths of all rows lead to files, if there is exactly one below the corpus's folder."""
    base = root if root.is_dir() else root.parent
    written = [Path(row.audio) for row in rows]
    if not written or any(path.is_absolute() for path in written):
        return None
    folders = []
    for folder, inner, names in islice(os.walk(base), _FOLDERS):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if written[0].name in names:
            start = Path(folder, written[0].name).parents[len(written[0].parts) - 1]
            if all((start / path).is_file() for path in written):
                folders.append(start)
    return folders[0].relative_to(base).as_posix() if len(folders) == 1 else None


@dataclass
class _Seen:
    """Counts of the outcomes so far, and the first `most_rows` utterances."""

    most_rows: int
    rows: list[Utterance] = field(default_factory=list)
    utterances: int = 0
    values: Counter[str] = field(default_factory=Counter)
    genders: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, Tally] = field(default_factory=dict)
    skipped: dict[str, Tally] = field(default_factory=dict)
    notes: dict[str, Tally] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Counts one outcome."""
        if isinstance(outcome, (Skipped, Note)):
            tallies = self.skipped if isinstance(outcome, Skipped) else self.notes
            add_to(tallies, outcome.kind, outcome.reason, shortened(outcome.example), outcome.count)
        elif isinstance(outcome, Rejected):
            example = f"{outcome.audio or outcome.id}: {outcome.reason}"
            add_to(self.rejected, outcome.kind, outcome.reason, example)
        else:
            self.utterances += 1
            self.values.update(_filled_fields(outcome))
            if outcome.gender not in (None, "f", "m"):
                self.genders[str(outcome.gender)] += 1
            if len(self.rows) < self.most_rows:
                self.rows.append(outcome)


def _filled_fields(utterance: Utterance) -> list[str]:
    fields = [
        name
        for name in FIELDS
        if name not in ("extra", "duration_s") and getattr(utterance, name) not in (None, "")
    ]
    return [*fields, *(f"extra.{name}" for name in utterance.extra)]


def _sorted_names(values: Mapping[str, int]) -> list[str]:
    return [name for name in FIELDS if name in values] + sorted(name for name in values if "." in name)


def _read_headers(
    source: Source, root: Path, config: SourceConfig, rows: Iterable[Utterance]
) -> tuple[dict[str, float], dict[str, AudioError]]:
    """Id → seconds of the file, and id → why it cannot be read."""
    lengths, faults = {}, {}
    try:
        base = source.base(root, config)
    except SorituneError:
        return {}, {}
    for row in rows:
        try:
            file = base / within_root(row, base, root, outside_root=config.outside_root).audio
            lengths[row.id] = read_header(file, pcm=row.pcm or config.pcm).duration_s
        except AudioError as error:
            faults[row.id] = error
    return lengths, faults


def _survey(source: Source, root: Path, config: SourceConfig) -> Survey | None:
    if source.survey is None:
        return None
    try:
        survey = source.survey(root, config, _SURVEYED)
    except SorituneError:
        return None
    return Survey(survey.looked_at, _printable(survey.examples), _printable(survey.used))


def _printable(value: Any) -> Any:
    """`value` with escapes for half surrogate pairs, which neither a terminal nor a file accepts."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_printable(key): _printable(element) for key, element in value.items()}
    return [_printable(element) for element in value] if isinstance(value, list) else value


def _never_filled(
    config: SourceConfig, seen: _Seen, survey: Survey | None, suggestions: Mapping[str, str]
) -> dict[str, str]:
    """Mapped utterance field without any value → what it was read from, and a hint."""
    values = seen.values
    mapped: dict[str, str] = getattr(config, "fields", {})
    extra: dict[str, str] = getattr(config, "extra", {})
    kept = {expression: expression for expression in getattr(config, "keep", ())}
    in_extra = ((f"extra.{name}", read_from) for name, read_from in {**extra, **kept}.items())
    empty = {}
    for name, read_from in [*mapped.items(), *in_extra]:
        if name in ("duration_s", END) or (values.get(name) and not _only_constant(config, name, survey)):
            continue
        kept_as = next((row.extra[name] for row in seen.rows if name in row.extra), None)
        if kept_as is not None and not name.startswith("extra."):
            empty[name] = (
                f"'{read_from}', where {kept_as!r} is not a number of this field and is kept as extra.{name}; state "
                f"what it means with values={{{name}: {{{kept_as!r}: NUMBER}}}}"
            )
            continue
        known = {} if survey is None else survey.examples
        hint = suggestions.get(name) or (None if read_from in known else nearest(read_from, known))
        empty[name] = f"'{read_from}'" + (f"; did you mean '{hint}'?" if hint else "")
    return empty


def _only_constant(config: SourceConfig, name: str, survey: Survey | None) -> bool:
    """Whether all values of a field come from `constants`, because no field with a value was read into it."""
    if survey is None or name not in getattr(config, "constants", {}):
        return False
    filled = (used for key, used in survey.used.items() if survey.examples[key] not in (None, "", [], {}))
    return not any(name in used.split(", ") for used in filled)


def _suggestions(
    values: Mapping[str, int], survey: Survey | None, stretches: bool, unreadable: Collection[str]
) -> dict[str, str]:
    """Utterance field without values → an unused field of the corpus with a usual name for it.

    Args:
        values: number of values by field.
        survey: the corpus's fields.
        stretches: whether rows seem to be stretches of recordings; only then are times suggested.
        unreadable: fields that are read from the right place, and whose values have another form.
    """
    if survey is None:
        return {}
    free = {
        _letters(name.rsplit(".", 1)[-1]): name
        for name in reversed(list(survey.examples))
        if _is_free(survey, name)
    }
    suggested = {}
    for name, usual in _usual_names(free).items():
        if values.get(name) or name in unreadable or (name in ("start_s", END) and values and not stretches):
            continue
        if (match := next((free[word] for word in usual if word in free), None)) is not None:
            suggested[name] = match
    return suggested


def _usual_names(free: Collection[str]) -> dict[str, tuple[str, ...]]:
    """`USUAL_NAMES` without the sides of a call if the corpus has fields of both."""
    words = USUAL_NAMES["speaker"]
    sides = [[word for word in words if word.startswith(side)] for side in _SIDES]
    if not all(any(word in free for word in side) for side in sides):
        return USUAL_NAMES
    both = {word for side in sides for word in side}
    return {**USUAL_NAMES, "speaker": tuple(word for word in words if word not in both)}


def _speaker_columns(rows: Sequence[Utterance], suggestions: Mapping[str, str]) -> tuple[str, ...]:
    """Names in `extra` whose values could be speakers: texts or whole numbers, at least two, that are repeated.

    Args:
        rows: the first rows.
        suggestions: fields with another meaning, which are left out.
    """
    names = dict.fromkeys(name for row in rows for name in row.extra)
    found = []
    for name in names:
        values = [row.extra.get(name) for row in rows]
        known = [value for value in values if isinstance(value, str | int) and not isinstance(value, bool)]
        is_whole = len(known) == sum(value not in (None, "") for value in values)
        if name in suggestions.values() or not is_whole:
            continue
        if 2 <= len(set(known)) <= len(known) / _FEWEST_REPEATS:
            found.append(name)
    return tuple(found)


def _is_free(survey: Survey, name: str) -> bool:
    return survey.used.get(name, "extra") == "extra" and not isinstance(survey.examples[name], (list, dict))


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", composed(name)).casefold()
