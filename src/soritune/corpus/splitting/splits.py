"""Train, validation and test without leaks: splits share no speakers, and no scripts if scripts are known.

Speakers are assigned to splits by hours and strata. All speakers of a corpus may read the same sentences, so the
scripts are then assigned too, such that most hours are kept and every split keeps its share
(`balance.keeping_cost`). An utterance whose speaker and script are in different splits is "unused" and counted. If
nearly every utterance has its own text, no hours are lost. Next: `corpus/splitting/folds.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from soritune.corpus.audio_hashes import AudioHashes
from soritune.corpus.manifest import Manifest
from soritune.corpus.reading.split_names import GIVEN_NAMES
from soritune.corpus.splitting.assignment import assign_groups, assign_scripts
from soritune.corpus.splitting.copies import (
    copy_warnings,
    placeholders,
    refuse_copies,
    separate_copies,
    shared_recordings,
)
from soritune.corpus.splitting.grouping import Columns, identity_warnings, strata_of, with_values
from soritune.errors import SplitError, reason_of
from soritune.identities import identity
from soritune.settings import Settings
from soritune.strict_json import parse_json
from soritune.whole_file import whole_file

SPLITS = ("train", "val", "test")
UNUSED = "unused"
_NAMES = (*SPLITS, UNUSED)
_COMPARED = {"val": ("train", "val"), "test": ("train", "test"), "val-test": ("val", "test")}
"""Key of `overlap` → the two splits whose speakers and scripts are compared."""
SCHEMA_VERSION = "soritune.splits/1"
Copies = Literal["apart", "allow", "ignore"]
NO_SPEAKERS = (
    "cannot split by speaker: no utterance has one; map it (--field speaker=NAME, or in a recipe "
    "data.config.fields.speaker, or data.config.speaker_pattern for the paths of a table), use "
    "split.by=[script] (--by script), or split.by=[random] (--random), which is recorded as such"
)


class SplitSettings(Settings):
    """How a manifest is split."""

    by: tuple[Literal["speaker", "script", "random"], ...] = ("speaker", "script")
    """What two splits must not share. "random" shares everything, must be the only value, and is stated in every
    report."""
    ratios: dict[str, float] = Field(default_factory=lambda: {"train": 0.8, "val": 0.1, "test": 0.1})
    """Shares of the hours; 0 makes no such split."""
    seed: int = Field(0, ge=0)
    """Another seed gives another split; the same one gives the same on every machine."""
    stratify: tuple[str, ...] = ()
    """Columns (of the manifest or its `extra`) whose shares should be alike in all splits; numbers are cut at
    quintiles."""
    given: str | None = None
    """Column with a ready split (train, val or validation, test …), which is then taken over."""
    copies: Copies = "apart"
    """Rows with the same audio, under any id or speaker. "apart": none is in two splits. Speakers who share a recording
    are kept together, other copies are unused in all splits but one, and a given split with such rows is refused.
    Recordings that more than 3 speakers share are unused.
    "allow": they are counted and reported. "ignore": audio is not compared."""

    @field_validator("by", "stratify", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """One text as a list: `by=random`, `by=speaker,script`, `stratify=emotion`."""
        return tuple(value.replace("+", ",").replace(" ", "").split(",")) if isinstance(value, str) else value

    @field_validator("ratios", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Refuses shares without the names of their splits, and shows them with names.

        Raises:
            ValueError: the value is not a mapping.
        """
        if isinstance(value, Mapping):
            return value
        shares = value if isinstance(value, (list, tuple)) and len(value) == len(SPLITS) else ()
        numbers = all(isinstance(share, int | float) for share in shares)
        example = dict(zip(SPLITS, shares if shares and numbers else (0.8, 0.1, 0.1), strict=True))
        raise ValueError(f"must give train, val and test by name, such as {ratios_text(example)}")

    @model_validator(mode="after")
    def _consistent(self) -> SplitSettings:
        if not self.by or ("random" in self.by and self.by != ("random",)):
            raise ValueError(f"by must be speaker, script, both, or random alone; got {list(self.by)}")
        unknown = set(self.ratios) - set(SPLITS)
        if unknown or any(not 0 <= share <= 1 for share in self.ratios.values()):
            raise ValueError(f"ratios must give train, val and test shares from 0 to 1; got {self.ratios}")
        if abs(sum(self.ratios.values()) - 1) > 1e-3 or self.ratios.get("train", 0) <= 0:
            others = {name: self.ratios.get(name, 0) for name in ("val", "test")}
            raise ValueError(
                f"ratios must add to 1 with train above 0, got {self.ratios}; give all three at once, such as "
                f"{_with_rest(others)}"
            )
        return self

    @property
    def requested(self) -> tuple[str, ...]:
        """The splits with a share above 0."""
        return tuple(name for name in SPLITS if self.ratios.get(name, 0) > 0)


class Splits:
    """The split of every utterance, and the policy by which it was decided.

    `policy` keys: by, seed, ratios, stratify, given, copies, manifest_hash, dropped (utterances and hours in no split),
    overlap (share of val and test hours whose speaker, script, or recording, is also in train; under "val-test" the
    share of test hours whose speaker, script or recording is also in val), joined (number of speakers and of scripts
    that are written in several ways and count as one), warnings; folds add `fold`.
    """

    def __init__(self, ids: pa.Array, codes: NDArray[np.int8], policy: dict[str, Any]) -> None:
        self._ids, self._codes, self.policy = ids, codes, policy

    def __len__(self) -> int:
        return len(self._codes)

    @cached_property
    def assignment(self) -> Mapping[str, str]:
        """Id → "train", "val", "test" or "unused"."""
        return {
            name: _NAMES[code] for name, code in zip(self._ids.to_pylist(), self._codes.tolist(), strict=True)
        }

    def ids(self, split: str) -> list[str]:
        """The ids of a split, in manifest order."""
        ids: list[str] = self._ids.filter(pa.array(self._codes == _code(split))).to_pylist()
        return ids

    def indices(self, manifest: Manifest, split: str) -> NDArray[np.int64]:
        """Rows of `manifest` that are in `split`, ascending. Rows whose id the splits do not contain are in no split.

        Raises:
            SplitError: no such split name, or the splits contain no id of this manifest.
        """
        code = _code(split)
        return np.flatnonzero(self._codes_for(manifest) == code)

    def _codes_for(self, manifest: Manifest) -> NDArray[np.int8]:
        ids = manifest.column("id").combine_chunks()
        if len(ids) == len(self._ids) and ids.equals(self._ids):
            return self._codes
        indices = pc.fill_null(pc.index_in(ids, value_set=self._ids), -1).to_numpy(zero_copy_only=False)
        if len(indices) and (indices < 0).all():
            raise SplitError(
                "these splits were made for another manifest: they contain none of its ids; split again"
            )
        return np.where(indices < 0, np.int8(-1), self._codes[indices])

    def summary(self, manifest: Manifest, label_fields: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """Per split: hours, utterances, speakers, and `labels`: column → label → number of utterances.

        Args:
            manifest: what was split.
            label_fields: the columns that are counted. Columns without values are left out; if no column is left, so is
                `labels`.
        """
        codes, columns = self._codes_for(manifest), Columns.of(manifest, label_fields)
        hours, speakers = columns.hours, columns.speakers
        result: dict[str, dict[str, Any]] = {}
        for name in _NAMES:
            inside = codes == _code(name)
            if name == UNUSED and not inside.any():
                continue
            row: dict[str, Any] = {
                "hours": float(hours[inside].sum()),
                "utterances": int(inside.sum()),
                "speakers": len(np.setdiff1d(speakers.codes[inside], [-1])),
            }
            if columns.labels:
                row["labels"] = {field: labels.counts(inside) for field, labels in columns.labels.items()}
            result[name] = row
        return result

    def save(self, path: str | Path) -> None:
        """Writes Parquet with the columns id and split, and the policy in its metadata.

        Raises:
            OutputError: the file cannot be written.
        """
        names = pa.DictionaryArray.from_arrays(pa.array(self._codes), pa.array(_NAMES))
        metadata = {
            "soritune.schema": SCHEMA_VERSION,
            "soritune.policy": json.dumps(self.policy, ensure_ascii=False),
        }
        table = pa.table({"id": self._ids, "split": names}).replace_schema_metadata(metadata)
        with whole_file(path) as part:
            pq.write_table(table, part, compression="zstd")


def load_splits(path: str | Path) -> Splits:
    """Reads what `Splits.save` wrote.

    Raises:
        SplitError: the file is missing or is not a splits file.
    """
    file = Path(path)
    if not file.exists():
        raise SplitError(
            f"{file} does not exist; make it with `soritune split`, or name the splits file with --splits"
        )
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise SplitError(f"{file}: is not a splits file ({reason_of(error)})") from error
    metadata = table.schema.metadata or {}
    if metadata.get(b"soritune.schema", b"").decode() != SCHEMA_VERSION:
        raise SplitError(
            f"{file}: is not a splits file of this version ('{SCHEMA_VERSION}'); make it with: soritune split"
        )
    codes = pc.index_in(table.column("split").cast(pa.string()), value_set=pa.array(_NAMES))
    if codes.null_count:
        raise SplitError(f"{file}: holds a split that is not one of {', '.join(_NAMES)}")
    policy = _policy(metadata, file)
    return Splits(table.column("id").combine_chunks(), codes.to_numpy().astype(np.int8), policy)


def _policy(metadata: Mapping[bytes, bytes], file: Path) -> dict[str, Any]:
    try:
        policy = parse_json(metadata[b"soritune.policy"])
        if isinstance(policy, dict):
            return policy
    except (KeyError, ValueError):
        pass
    raise SplitError(f"{file}: does not state how the split was made; make it with: soritune split")


def make_splits(
    manifest: Manifest,
    settings: SplitSettings | None = None,
    *,
    label_fields: Sequence[str] = (),
    audio_hashes: AudioHashes | None = None,
) -> Splits:
    """Splits a manifest.

    Args:
        manifest: what to split.
        settings: how.
        label_fields: columns with the label of an utterance; a warning names the labels that a split lacks.
        audio_hashes: (utterances,) hash of each row's samples (`corpus/audio_hashes.py`), by which copies are found.

    Raises:
        SplitError: no speakers, too few speakers or scripts, a given split with the same audio in two parts, or an
            empty split. The message has the remedy.
    """
    settings = settings or SplitSettings()
    if len(manifest) == 0:
        raise SplitError("the manifest has no utterances to split")
    warnings: list[str] = []
    columns = Columns.of(manifest, label_fields, None if settings.copies == "ignore" else audio_hashes)
    if settings.given is not None:
        codes = _given_codes(manifest, settings.given)
        if settings.copies == "apart":
            refuse_copies(manifest, columns, codes, settings.given)
    elif settings.by == ("random",):
        codes = _random_codes(manifest, settings)
        warnings.append(
            "random split: the same speakers and scripts are in train and test, so scores are too good"
        )
    else:
        codes = _disjoint_codes(manifest, columns, settings, warnings)
    before = codes
    if settings.copies == "apart" and settings.given is None:
        codes = separate_copies(columns, codes, move=settings.by == ("random",))
    together = settings.copies == "apart" and settings.given is None and "speaker" in settings.by
    warnings += copy_warnings(manifest, columns, before, codes, together=together)
    for name in settings.requested:
        if not (codes == _code(name)).any():
            advice = f"set ratios.{name}=0 (--ratios 1,0,0 with a 0 for every split that is not needed)"
            if settings.given is not None and name == "train":
                advice = (
                    f"column '{settings.given}' has train in no row; set split.given=null to split by speaker"
                )
            elif "script" in settings.by and settings.given is None:
                advice = "use by=speaker"
            if (before == _code(name)).any():
                advice = "all its rows have the same audio as rows of another split; remove the copies"
                if columns.is_placeholder[before == _code(name)].all():
                    advice = placeholders(manifest, columns)
            raise SplitError(f"split '{name}' came out empty; {advice}, or add data")
    return finish_splits(manifest, columns, codes, settings, warnings)


def refuse_without_speakers(manifest: Manifest, settings: SplitSettings) -> None:
    """Refuses a manifest that will be split by speaker and has no speaker, before work is spent on its recordings.

    Raises:
        SplitError: no row has a speaker.
    """
    by_speaker = settings.given is None and "speaker" in settings.by
    if (
        by_speaker
        and len(manifest)
        and not any(map(identity, manifest.column("speaker").unique().to_pylist()))
    ):
        raise SplitError(NO_SPEAKERS)


def finish_splits(
    manifest: Manifest,
    columns: Columns,
    codes: NDArray[np.int8],
    settings: SplitSettings,
    warnings: list[str],
    **more: Any,
) -> Splits:
    """Splits from codes (utterances,) with a full policy; `more` is added to it."""
    unused = codes == _code(UNUSED)
    overlap = overlaps(columns, codes)
    policy: dict[str, Any] = {
        **settings.model_dump(mode="json"),
        "manifest_hash": manifest.hash,
        "dropped": {"utterances": int(unused.sum()), "hours": float(columns.hours[unused].sum())},
        "overlap": overlap,
        "joined": {"speakers": len(columns.speakers.joined), "scripts": len(columns.scripts.joined)},
        "warnings": [
            *warnings,
            *identity_warnings(columns.speakers, columns.scripts),
            *_warnings(columns, codes, overlap),
        ],
        **more,
    }
    return Splits(manifest.column("id").combine_chunks(), codes.astype(np.int8), policy)


def overlaps(columns: Columns, codes: NDArray[np.int8]) -> dict[str, dict[str, float]]:
    """Shares of hours whose speaker, script or (if audio is compared) recording is also in another split.

    "val" and "test" are the shares of their hours that train has too, "val-test" those of test that val has too, as in
    {"test": {"speaker": 0.0, "script": 0.1}, …}.
    """
    result: dict[str, dict[str, float]] = {}
    for name, (first, second) in _COMPARED.items():
        earlier, inside = codes == _code(first), codes == _code(second)
        if not inside.any() or (first == "val" and not earlier.any()):
            continue
        shares = {}
        kinds = {"speaker": columns.speakers.codes, "script": columns.scripts.codes}
        if columns.recordings is not None:
            kinds["recording"] = columns.recordings
        for kind, groups in kinds.items():
            shared = np.zeros(int(groups.max(initial=-1)) + 2, dtype=bool)
            shared[groups[earlier]] = True
            shared[-1] = False
            hours = columns.hours[inside & shared[groups]].sum()
            shares[kind] = float(hours / columns.hours[inside].sum())
        result[name] = shares
    return result


def _warnings(
    columns: Columns, codes: NDArray[np.int8], overlap: Mapping[str, Mapping[str, float]]
) -> list[str]:
    warnings = []
    for name, shares in overlap.items():
        first, second = _COMPARED[name]
        for kind, share in shares.items():
            if share > 0:
                percent = f"{share:.0%}" if share >= 0.005 else "under 1%"
                warnings.append(f"{percent} of the {second} hours have a {kind} that is also in {first}")
    lost = columns.hours[codes == _code(UNUSED)].sum() / columns.hours.sum()
    if lost > 0.02:
        warnings.append(
            f"{lost:.0%} of the hours are unused, mostly because their speaker and script are in different "
            "splits; by=speaker keeps them"
        )
    for name in SPLITS:
        inside = codes == _code(name)
        for field, labels in columns.labels.items():
            absent = [label for label, count in labels.counts(inside).items() if count == 0]
            if inside.any() and absent:
                of_field = f" ({field})" if len(columns.labels) > 1 else ""
                warnings.append(f"{name} has no utterance labelled {', '.join(absent)}{of_field}")
    return warnings


def _with_rest(others: Mapping[str, float]) -> str:
    """Ratios of which train is what the others leave, as settings; if they leave nothing, the default ones."""
    rest = 1 - sum(others.values())
    shares = {"train": rest, **others} if rest > 0 else {"train": 0.8, "val": 0.1, "test": 0.1}
    return f"{ratios_text(shares)} (--ratios {','.join(f'{share:g}' for share in shares.values())})"


def ratios_text(ratios: Mapping[str, float]) -> str:
    """Ratios as an override for a shell: `'split.ratios={train: 0.56, val: 0.34, test: 0.1}'`."""
    listed = ", ".join(f"{name}: {share:g}" for name, share in ratios.items())
    return f"'split.ratios={{{listed}}}'"


def _code(split: str) -> int:
    if split not in _NAMES:
        raise SplitError(f"unknown split '{split}'; known: {', '.join(_NAMES)}")
    return _NAMES.index(split)


def _given_codes(manifest: Manifest, column: str) -> NDArray[np.int8]:
    values = manifest.column(column)
    if values.null_count == len(values):
        raise SplitError(
            f"the split is to be taken from '{column}', but no utterance has it; set split.given=null (or leave "
            "--given out) to split by speaker, or map it when preparing"
        )
    groups = strata_of(manifest, [column])[0]
    codes = []
    for name in groups.names:
        if name.lower() not in GIVEN_NAMES:
            raise SplitError(
                f"column '{column}' holds '{name}', which is not one of: {', '.join(sorted(GIVEN_NAMES))}"
            )
        codes.append(_code(GIVEN_NAMES[name.lower()]))
    return np.array([*codes, _code(UNUSED)], dtype=np.int8)[groups.codes]


def _random_codes(manifest: Manifest, settings: SplitSettings) -> NDArray[np.int8]:
    order = np.random.default_rng(settings.seed).permutation(len(manifest))
    done = np.cumsum(manifest.durations_s[order]) / manifest.durations_s.sum()
    edges = np.cumsum([settings.ratios.get(name, 0.0) for name in SPLITS])[:-1]
    codes = np.empty(len(manifest), dtype=np.int8)
    codes[order] = np.searchsorted(edges, done - 1e-12, side="left")
    return codes


def _disjoint_codes(
    manifest: Manifest, columns: Columns, settings: SplitSettings, warnings: list[str]
) -> NDArray[np.int8]:
    hours, scripts = columns.hours, columns.scripts
    speakers = columns.people if settings.copies == "apart" else columns.speakers
    strata = strata_of(manifest, with_values(manifest, settings.stratify, warnings))
    split_codes = np.array([*map(_code, settings.requested), _code(UNUSED)], dtype=np.int8)
    ratios = np.array([settings.ratios[name] for name in settings.requested])
    by_script = "script" in settings.by
    if by_script and not len(scripts):
        if "speaker" not in settings.by:
            raise SplitError("cannot split by script: no utterance has a text or script_id; use by=speaker")
        warnings.append("no utterance has a text or script_id: split by speaker only")
        by_script = False
    if "speaker" not in settings.by:
        part = assign_groups(scripts, strata, hours, ratios, settings.seed, "script")
        return split_codes[part[scripts.codes]]
    if not len(speakers):
        raise SplitError(NO_SPEAKERS)
    try:
        part = assign_groups(speakers, strata, hours, ratios, settings.seed, "speaker")
    except SplitError as error:
        if len(speakers) == len(columns.speakers):
            raise
        raise SplitError(
            f"{error}; {len(columns.speakers)} speakers share recordings and count as {len(speakers)} "
            f"({shared_recordings(manifest, columns)}): remove the copies, or set copies=allow (--copies allow)"
        ) from error
    row_part = part[speakers.codes]
    if (speakers.codes < 0).any():
        warnings.append(f"{int((speakers.codes < 0).sum())} utterances without a speaker are unused")
    if by_script:
        script_part = assign_scripts(scripts, row_part, strata, hours, ratios, settings.seed)
        of_row = script_part[scripts.codes]
        row_part = np.where((scripts.codes < 0) | (of_row == row_part), row_part, -1)
        if (scripts.codes < 0).any():
            warnings.append(
                f"{int((scripts.codes < 0).sum())} utterances have no script: placed by speaker only"
            )
    return split_codes[row_part]
