"""A JSON label for every recording, as the large public Korean corpora (AI Hub and others) are laid out.

ROOT/1.Training/…/0001.wav with 0001.json beside it, or the labels in a parallel tree (라벨링데이터 beside
원천데이터, TL… beside TS…), at any depth, in splits by folder: 1.Training, 2.Validation or 2.Validation_split,
3.Test. Every publisher names its fields differently, so the mapping is a setting: JMESPath expressions such as
{text: 발화정보.stt, speaker: 녹음자정보.recorderId, age: 녹음자정보.age}. `soritune sources preview` shows the
fields of a corpus. Each corpus has its own licence; most forbid passing recordings on.

Known faults of such corpora: labels in CP949, with a byte order mark or cut off; ages as "만 7세"; stated
durations that differ from the sound's; recordings without label and labels without recording; validation sets
delivered twice (2.Validation and 2.Validation_split). The names of only one folder at a time are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from soritune.corpus.reading.corpus_files import read_file, unpacked
from soritune.corpus.reading.expressions import Expression, compiled, leaves, spelt
from soritune.corpus.reading.field_mapping import END, FieldValueError
from soritune.corpus.reading.folder_walk import writable_name
from soritune.corpus.reading.json_text import parse_noting_repeats
from soritune.corpus.reading.label_pairs import LABEL_FOLDERS, Pair, find_pairs, names_part_of
from soritune.corpus.reading.outcomes import Note, Outcome, ReadingError, Rejected, Skipped
from soritune.corpus.reading.parallel_map import parallel_map
from soritune.corpus.reading.split_names import SPLIT_FOLDERS, SplitFolders
from soritune.corpus.reading.text_encoding import decode_text
from soritune.corpus.reading.value_reader import MAPPABLE, ReaderConfig, ValueReader, check_fields
from soritune.corpus.sources.source import Source, Survey
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, reason_of
from soritune.korean.hangul import composed
from soritune.settings import Settings

_BY_NAME = (
    "text",
    "speaker",
    "emotion",
    "age",
    "gender",
    "first_language",
    "script_id",
    "snr_db",
    "language",
)
"""Fields that are read without a mapping from a key with their name."""
_OF_STRETCH = ("id", "text", "phones", "canonical", "perceived", "error_labels", "start_s", "duration_s", END)
"""Fields that each stretch must have itself; a value for the whole label does not count."""
_EXPRESSION = "expression"
"""Kind of a field whose expression fails."""
_THREADS = 8
_FIELDS = tuple(name for name in MAPPABLE if name != "audio")


class Lookup(Settings):
    """A table within a label."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    table: str
    """Expression for a list of objects, or for an object whose keys are the ids; read from the whole label."""
    key: str = "id"
    """Key of the id in an entry of a list."""
    value: str
    """Expression for the id, read from the stretch, or else from the whole label."""

    @field_validator("table", "value")
    @classmethod
    def _valid(cls, given: str) -> str:
        return Expression(given).text

    def wanted(self, part: Any, document: Any) -> Any:
        """The id in a stretch, or else in its label; None without one.

        Raises:
            ReadingError: the expression fails.
        """
        expression = Expression(self.value)
        found = expression.search(part)
        return expression.search(document) if found is None else found

    def entries(self, document: Any) -> dict[str, Any]:
        """Id → entry of the table in a label.

        Raises:
            ReadingError: the expression fails.
        """
        table = Expression(self.table).search(document)
        if isinstance(table, dict):
            return {str(key).strip(): entry for key, entry in table.items()}
        objects = [entry for entry in table or () if isinstance(entry, dict)]
        return {str(entry[self.key]).strip(): entry for entry in objects if self.key in entry}


class JsonPairsConfig(ReaderConfig):
    """The names of a publisher's fields."""

    fields: dict[str, str] = Field(default_factory=dict)
    """Utterance field (or `end_s`) → JMESPath expression, as in {text: "발화정보.stt || 전사"}. A key at the
    top with the name of a field needs no expression."""
    extra: dict[str, str] = Field(default_factory=dict)
    """Name in `extra` → JMESPath expression."""
    keep: tuple[str, ...] = ()
    """Expressions whose values go to `extra` under the expression's own text."""
    utterances: str | None = None
    """Expression for the list of stretches of a label that describes several, as in "utterances[]". `fields` are
    then read from the stretch, or else from the whole label (but not text, phones and times); map start_s and
    duration_s or end_s (seconds)."""
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    """Name → a table of the label, such as its speakers, in which the entry of a stretch is looked up by its id;
    `fields` reads the entry under the name: lookups={who: {table: speaker, key: id, value: speaker_id}} and
    age=who.age."""
    allow_empty_text: bool = False
    """Keep rows whose text is mapped but empty or missing; otherwise they go to quarantine."""
    label_folders: dict[str, str] = Field(default_factory=dict)
    """Folder of labels → folder of recordings, by name or beginning of a name, if the two are parallel trees;
    the usual names are known."""
    split_folders: dict[str, str | None] | None = Field(default_factory=dict)
    """Folder → split, or null to leave the folder out; the usual names are known. The split goes to `extra`, so
    that `split.given=split` works. null instead of a mapping: folders give no split."""
    encoding: str | None = None
    """Of the labels; None tries UTF-8, UTF-16 with a byte order mark, and CP949."""
    language: str | None = "ko"
    """Language of labels without one."""

    @field_validator("fields")
    @classmethod
    def _fields_known(cls, given: dict[str, str]) -> dict[str, str]:
        check_fields(given, _FIELDS)
        compiled(given)
        return given

    @field_validator("extra")
    @classmethod
    def _extra_valid(cls, given: dict[str, str]) -> dict[str, str]:
        compiled(given)
        return given

    @field_validator("keep")
    @classmethod
    def _keep_valid(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        compiled({text: text for text in given})
        return given

    @field_validator("utterances", mode="before")
    @classmethod
    def _brackets(cls, given: Any) -> Any:
        return "[]" if given == [] else given  # YAML reads the brackets as an empty list

    @field_validator("utterances")
    @classmethod
    def _utterances_valid(cls, given: str | None) -> str | None:
        return given if given is None else Expression(given).text

    def splits(self) -> SplitFolders:
        """The folders that give a split."""
        return SplitFolders({} if self.split_folders is None else {**SPLIT_FOLDERS, **self.split_folders})

    def parallel(self) -> dict[str, str]:
        """Folders of labels and of their recordings."""
        return {
            **self.label_folders,
            **{k: v for k, v in LABEL_FOLDERS.items() if k not in self.label_folders},
        }


@dataclass
class _Reader:
    """Turns one label into utterances."""

    root: Path
    config: JsonPairsConfig
    values: ValueReader
    splits: SplitFolders
    fields: Mapping[str, Expression] = field(init=False)
    extra: Mapping[str, Expression] = field(init=False)
    utterances: Expression | None = field(init=False)
    any_label: bool = field(default=False, init=False)
    """Whether any label could be read."""
    any_value: bool = field(default=False, init=False)
    """Whether any label gave any field a value."""

    def __post_init__(self) -> None:
        self.fields = compiled(self.config.fields)
        self.extra = compiled({**{text: text for text in self.config.keep}, **self.config.extra})
        self.utterances = None if self.config.utterances is None else Expression(self.config.utterances)

    def read(self, pair: Pair) -> list[Outcome]:
        """The utterances of a label, or the reasons why it cannot be read."""
        shown, fault = writable_name(pair.audio)
        if fault is not None:
            return [Rejected(shown, fault, kind="name-not-utf8")]
        label = composed(pair.label.rsplit("/", 1)[-1])
        for name in self.config.label_folders:
            if names_part_of(pair.label, name):
                self.config._matched.add(("label_folders", name))
        try:
            document, repeated = load_label(self.root / pair.label, self.config.encoding)
            self.any_label = True
            parts = self._parts(document)
        except ReadingError as error:
            return [Rejected(pair.audio, f"{label}: {error}", pair.name, kind=error.kind)]
        outcomes: list[Outcome] = []
        if repeated:
            reason = "label in which a key occurs more than once (the last one is read)"
            example = f"{composed(pair.label)}: {', '.join(repeated[:3])}"
            outcomes.append(Note(reason, 1, example, kind="key-repeated"))
        tables: dict[str, dict[str, Any]] = {}
        for number, part in enumerate(parts, start=1):
            name = pair.name if self.utterances is None else f"{pair.name}#{number}"
            try:
                part, notes = self._looked_up(part, document, tables, f"{label} '{name}'")
                outcomes += notes
                outcomes.append(self._utterance(part, document, pair, name))
            except FieldValueError as error:
                reason = f"{label}: {error}{self._origin(error)}"
                outcomes.append(Rejected(pair.audio, reason, name, kind=error.kind))
        return outcomes

    def _looked_up(
        self, part: Any, document: Any, tables: dict[str, dict[str, Any]], location: str
    ) -> tuple[Any, list[Note]]:
        """The stretch with the entries of `lookups` under their names, and notes on those that do not exist.

        `tables` keeps the tables of the label for its other stretches.
        """
        notes = []
        for name, lookup in self.config.lookups.items():
            try:
                wanted = lookup.wanted(part, document)
                if name not in tables:
                    tables[name] = lookup.entries(document)
            except ReadingError as error:
                raise FieldValueError(f"lookups.{name}", str(error), _EXPRESSION) from error
            entry = None if wanted is None else tables[name].get(str(wanted).strip())
            if entry is None:
                reason = f"lookup '{name}' without an entry in its table"
                notes.append(Note(reason, 1, f"{location}: {wanted!r}", kind=f"lookup-missing:{name}"))
            elif isinstance(part, dict):
                part = {**part, name: entry}
        return part, notes

    def _parts(self, document: Any) -> list[Any]:
        if self.utterances is not None:
            parts = self.utterances.search(document)
            if not isinstance(parts, list) or not parts:
                reason = f"utterances: '{self.utterances.text}' gives no list of stretches"
                raise ReadingError("stretches-missing", reason)
            return parts
        if not isinstance(document, dict):
            advice = "; set utterances=[] where it lists stretches" if isinstance(document, list) else ""
            reason = f"is a {type(document).__name__} at the top, not an object{advice}"
            raise ReadingError("label-not-object", reason)
        return [document]

    def _utterance(self, part: Any, document: Any, pair: Pair, name: str) -> Utterance:
        given: dict[str, Any] = {}
        for key in _BY_NAME:
            value = _plain_value(part, key)
            if value is None and key not in _OF_STRETCH:
                value = _plain_value(document, key)
            if value is not None:
                given[key] = value
        needs_text = "text" in self.fields or "text" in given
        for key, expression in self.fields.items():
            given[key] = self._search(key, expression, part, document)
        if self.utterances is not None:
            given["id"] = given.get("id") or name
        self.any_value = self.any_value or any(
            value is not None for key, value in given.items() if key != "id"
        )
        extra = {key: self._search(key, expression, part, document) for key, expression in self.extra.items()}
        extra = {key: value for key, value in extra.items() if value is not None}
        parts = [*unpacked(pair.audio).split("/")[:-1], *unpacked(pair.label).split("/")[:-1]]
        if (split := self.splits.split_of(parts)) is not None:
            extra.setdefault("split", split)
        utterance = self.values.utterance(given, name=name, audio=pair.audio, extra=extra)
        if needs_text and not utterance.text and not self.config.allow_empty_text:
            raise FieldValueError("text", "is empty or missing", "field-missing")
        return utterance

    def _search(self, name: str, expression: Expression, part: Any, document: Any) -> Any:
        try:
            value = expression.search(part)
            if value is None and part is not document and name not in _OF_STRETCH:
                value = expression.search(document)
        except ReadingError as error:
            raise FieldValueError(name, str(error), _EXPRESSION) from error
        return value

    def _origin(self, error: FieldValueError) -> str:
        """The expression of the field, unless the message has it already."""
        expression = self.config.fields.get(error.field, "")
        if expression in ("", error.field) or error.kind == f"{_EXPRESSION}:{error.field}":
            return ""
        return f" (read from '{expression}')"


def read_corpus(root: Path, config: JsonPairsConfig) -> Iterator[Outcome]:
    """Yields the utterances of all labels, folder by folder, and the labels and recordings without a partner.

    Raises:
        ManifestError: no such folder, no pair in it, or no label gives a value for any field.
    """
    reader = _Reader(
        root, config, ValueReader.of(config, composed(root.resolve().name), config.language), config.splits()
    )
    pairs = without_partner = 0
    first = ""

    def read(item: Pair | Rejected | Skipped | Note) -> Sequence[Outcome]:
        return reader.read(item) if isinstance(item, Pair) else [item]

    with ThreadPoolExecutor(_THREADS) as pool:
        items = find_pairs(root, config.parallel(), reader.splits)
        for item, outcomes in parallel_map(pool, read, items, 64 * _THREADS):
            if isinstance(item, Pair):
                pairs += 1
                first = first or item.label
            elif isinstance(item, Rejected):
                without_partner += 1
                shown, fault = writable_name(item.audio)
                if fault is not None:
                    outcomes = [Rejected(shown, f"{item.reason}; {fault}", kind="name-not-utf8")]
            yield from outcomes
    config._matched.update(
        ("split_folders", n) for n in config.split_folders or () if reader.splits.has_seen(n)
    )
    if not pairs:
        raise ManifestError(
            f"holds no recording with a JSON of its name ({without_partner:,} files without a partner); if labels are "
            "in a tree of their own, name it with label_folders={FOLDER OF LABELS: FOLDER OF RECORDINGS}"
            if without_partner
            else "holds no JSON labels",
            path=root,
        )
    if not reader.any_label:
        raise ManifestError(f"none of its {pairs:,} labels can be read", path=root)
    if not reader.any_value:
        known = ", ".join(list(survey(root, config, 20).examples)[:20])
        raise ManifestError(
            f"no label gives a value for any field; map them with fields={{text: …}}; "
            f"{first} and others have: {known or 'nothing'}",
            path=root,
        )


def load_label(path: Path, encoding: str | None = None) -> tuple[Any, list[str]]:
    """The JSON value of a label file, keys and texts composed, and keys that occur more than once in an object.

    Raises:
        ReadingError: the file cannot be read or decoded, is empty, or is not JSON.
    """
    try:
        text = composed(decode_text(read_file(path), encoding))
    except OSError as error:
        raise ReadingError("label-unreadable", f"cannot be read ({reason_of(error)})") from error
    if not text.strip():
        raise ReadingError("label-empty", "is empty")
    try:
        return parse_noting_repeats(text)
    except ValueError as error:
        raise ReadingError("label-not-json", f"is not JSON ({error})") from error


def survey(root: Path, config: JsonPairsConfig, limit: int) -> Survey:
    """The keys of the first labels, as expressions, with the first value of each."""
    fields = compiled(config.fields)
    extra = compiled({**{text: text for text in config.keep}, **config.extra})
    stretches = () if config.utterances is None else Expression(config.utterances).paths
    examples: dict[str, Any] = {}
    used: dict[str, str] = {}
    looked_at = 0
    pairs = (item for item in find_pairs(root, config.parallel(), config.splits()) if isinstance(item, Pair))
    for pair in islice(pairs, limit):
        try:
            document, _ = load_label(root / pair.label, config.encoding)
        except ReadingError:
            continue
        looked_at += 1
        for path, value in leaves(document):
            if not path:
                continue
            name = spelt(path)
            if examples.get(name) in (None, "", [], {}):
                examples[name] = value
            # The path from the top of the label, and the paths from the stretches that contain it.
            paths = [path, *(path[len(top) :] for top in stretches if top and path[: len(top)] == top)]
            paths += [(n, *path[1:]) for n, lookup in config.lookups.items() if path[0] == lookup.table]
            readers = [key for key, expression in fields.items() if any(map(expression.reads, paths))]
            if any(expression.reads(path) for expression in extra.values() for path in paths):
                readers.append("extra")
            readers += [
                path[0] for path in paths if len(path) == 1 and path[0] in _BY_NAME and path[0] not in fields
            ]
            if readers:
                used[name] = ", ".join(readers)
    return Survey(looked_at, examples, used)


def _plain_value(document: Any, key: str) -> Any:
    value = document.get(key) if isinstance(document, dict) else None
    return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


SOURCE = Source(
    JsonPairsConfig,
    read_corpus,
    "a JSON label for every recording, beside it or in a parallel tree; fields by JMESPath",
    survey=survey,
)
