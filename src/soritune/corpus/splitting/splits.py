"""Train, validation and test without leaks: speakers are never shared, nor scripts where they are known.

Speakers are put into the splits by hours and strata. All speakers of a corpus may read the same sentences, so
the scripts are then put into the splits too, in the way that keeps the most hours while every split keeps its
share (`balance.keeping_cost`); an utterance whose speaker and script lie in different splits is "unused" and
counted. Where nearly every utterance has its own text nothing is lost. Folds: `corpus/splitting/folds.py`.
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
from pydantic import Field, model_validator

from soritune.corpus.manifest import Manifest
from soritune.corpus.reading.split_names import GIVEN_NAMES
from soritune.corpus.splitting.assignment import assign_groups, assign_scripts
from soritune.corpus.splitting.grouping import Columns, Groups, strata_of, with_values
from soritune.errors import SplitError
from soritune.settings import Settings
from soritune.whole_file import whole_file

SPLITS = ("train", "val", "test")
UNUSED = "unused"
_NAMES = (*SPLITS, UNUSED)
_COMPARED = {"val": ("train", "val"), "test": ("train", "test"), "val-test": ("val", "test")}
"""Key of `overlap` → the split whose speakers are looked for in the other."""
SCHEMA_VERSION = "soritune.splits/1"


class SplitSettings(Settings):
    """How a manifest is split."""

    by: tuple[Literal["speaker", "script", "random"], ...] = ("speaker", "script")
    """What no two splits may share. "random" shares everything, must stand alone, and is recorded in every
    report."""
    ratios: dict[str, float] = Field(default_factory=lambda: {"train": 0.8, "val": 0.1, "test": 0.1})
    """Shares of the hours; 0 makes no such split."""
    seed: int = Field(0, ge=0)
    """Another seed gives another split; the same one gives the same on every machine."""
    stratify: tuple[str, ...] = ()
    """Columns (of the manifest or its `extra`) whose shares should be alike in all splits; numbers are cut at
    quintiles."""
    given: str | None = None
    """Column that already holds the split (train, val or validation, test …); nothing is drawn then."""

    @model_validator(mode="after")
    def _sound(self) -> SplitSettings:
        if not self.by or ("random" in self.by and self.by != ("random",)):
            raise ValueError(f"by must be speaker, script, both, or random alone; got {list(self.by)}")
        unknown = set(self.ratios) - set(SPLITS)
        if unknown or any(not 0 <= share <= 1 for share in self.ratios.values()):
            raise ValueError(f"ratios must give train, val and test shares from 0 to 1; got {self.ratios}")
        if abs(sum(self.ratios.values()) - 1) > 1e-3 or self.ratios.get("train", 0) <= 0:
            raise ValueError(f"ratios must add to 1 with train above 0; got {self.ratios}")
        return self

    @property
    def wanted(self) -> tuple[str, ...]:
        """The splits with a share above 0."""
        return tuple(name for name in SPLITS if self.ratios.get(name, 0) > 0)


class Splits:
    """Which split every utterance is in, and how that was decided.

    `policy` keys: by, seed, ratios, stratify, given, manifest_hash, dropped (utterances and hours in no
    split), overlap (share of val and test hours whose speaker, or script, is also in train; under "val-test"
    that of test hours whose is also in val), warnings; folds add `fold`.
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
        found: list[str] = self._ids.filter(pa.array(self._codes == _code(split))).to_pylist()
        return found

    def indices(self, manifest: Manifest, split: str) -> NDArray[np.int64]:
        """Rows of `manifest` that are in `split`, ascending. Rows the splits do not know are in none.

        Raises:
            SplitError: no such split name, or the splits know no row of this manifest.
        """
        wanted = _code(split)
        return np.flatnonzero(self._codes_for(manifest) == wanted)

    def _codes_for(self, manifest: Manifest) -> NDArray[np.int8]:
        ids = manifest.column("id").combine_chunks()
        if len(ids) == len(self._ids) and ids.equals(self._ids):
            return self._codes
        places = pc.fill_null(pc.index_in(ids, value_set=self._ids), -1).to_numpy(zero_copy_only=False)
        if len(places) and (places < 0).all():
            raise SplitError(
                "these splits were made for another manifest: they know none of its ids; split again"
            )
        return np.where(places < 0, np.int8(-1), self._codes[places])

    def summary(self, manifest: Manifest, label_fields: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """Per split: hours, utterances, speakers, and `labels`: column to label to its number of utterances.

        Args:
            manifest: what was split.
            label_fields: the columns that are counted; those without values are left out, and so is `labels` where
                none is left.
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
                row["labels"] = {
                    field: _label_counts(groups, inside) for field, groups in columns.labels.items()
                }
            result[name] = row
        return result

    def save(self, path: str | Path) -> None:
        """Writes Parquet with the columns id and split; the policy lies in the metadata.

        Raises:
            OutputError: the place cannot be written to.
        """
        names = pa.DictionaryArray.from_arrays(pa.array(self._codes), pa.array(_NAMES))
        metadata = {
            "soritune.schema": SCHEMA_VERSION,
            "soritune.policy": json.dumps(self.policy, ensure_ascii=False),
        }
        table = pa.table({"id": self._ids, "split": names}).replace_schema_metadata(metadata)
        with whole_file(path) as part:
            pq.write_table(table, part, compression="zstd")


def _label_counts(groups: Groups, inside: NDArray[np.bool_]) -> dict[str, int]:
    """Label to its number of rows among those that are `inside` (rows,); 0 where it has none there."""
    counts = np.bincount(groups.codes[inside & (groups.codes >= 0)], minlength=len(groups)).tolist()
    return dict(zip(groups.names, counts, strict=True))


def load_splits(path: str | Path) -> Splits:
    """Reads what `Splits.save` wrote.

    Raises:
        SplitError: the file is missing or is no splits file.
    """
    file = Path(path)
    if not file.exists():
        raise SplitError(
            f"{file} is not there; make it with `soritune split`, or name the splits file with --splits"
        )
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise SplitError(f"{file}: is no splits file ({str(error).splitlines()[0]})") from error
    metadata = table.schema.metadata or {}
    if metadata.get(b"soritune.schema", b"").decode() != SCHEMA_VERSION:
        raise SplitError(
            f"{file}: is no splits file of this version ('{SCHEMA_VERSION}'); make it with: soritune split"
        )
    codes = pc.index_in(table.column("split").cast(pa.string()), value_set=pa.array(_NAMES))
    if codes.null_count:
        raise SplitError(f"{file}: holds a split that is not one of {', '.join(_NAMES)}")
    policy = json.loads(metadata[b"soritune.policy"])
    return Splits(table.column("id").combine_chunks(), codes.to_numpy().astype(np.int8), policy)


def make_splits(
    manifest: Manifest, settings: SplitSettings | None = None, *, label_fields: Sequence[str] = ()
) -> Splits:
    """Splits a manifest.

    Args:
        manifest: what to split.
        settings: how.
        label_fields: columns with the label of an utterance; a split that lacks one of the labels is warned of.

    Raises:
        SplitError: no speakers, too few speakers or scripts, or a split that comes out empty. The message
            says what to do.
    """
    settings = settings or SplitSettings()
    if len(manifest) == 0:
        raise SplitError("the manifest has no utterances to split")
    warnings: list[str] = []
    columns = Columns.of(manifest, label_fields)
    if settings.given is not None:
        codes = _given_codes(manifest, settings.given)
    elif settings.by == ("random",):
        codes = _random_codes(manifest, settings)
        warnings.append(
            "random split: the same speakers and scripts are in train and test, so scores are too good"
        )
    else:
        codes = _disjoint_codes(manifest, columns, settings, warnings)
    for name in settings.wanted:
        if not (codes == _code(name)).any():
            advice = f"set ratios.{name}=0 (--ratios 1,0,0 with a 0 for every split that is not wanted)"
            if settings.given is not None and name == "train":
                advice = f"'{settings.given}' says so in no row; set split.given=null to split by speaker"
            elif "script" in settings.by and settings.given is None:
                advice = "use by=speaker"
            raise SplitError(f"split '{name}' came out empty; {advice}, or add data")
    return finish_splits(manifest, columns, codes, settings, warnings)


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
        "warnings": [*warnings, *_warnings(columns, codes, overlap)],
        **more,
    }
    return Splits(manifest.column("id").combine_chunks(), codes.astype(np.int8), policy)


def overlaps(columns: Columns, codes: NDArray[np.int8]) -> dict[str, dict[str, float]]:
    """Share of val and test hours whose speaker, or whose script, is also in train, and of test hours whose is
    also in val: {"test": {"speaker": 0.0, …}, "val-test": …}."""
    result: dict[str, dict[str, float]] = {}
    for name, (first, second) in _COMPARED.items():
        other, inside = codes == _code(first), codes == _code(second)
        if not inside.any() or (first == "val" and not other.any()):
            continue
        shares = {}
        for kind, groups in (("speaker", columns.speakers), ("script", columns.scripts)):
            in_other = np.zeros(len(groups) + 1, dtype=bool)
            in_other[groups.codes[other]] = True
            in_other[-1] = False
            shares[kind] = float(
                columns.hours[inside & in_other[groups.codes]].sum() / columns.hours[inside].sum()
            )
        result[name] = shares
    return result


def _warnings(
    columns: Columns, codes: NDArray[np.int8], overlap: Mapping[str, Mapping[str, float]]
) -> list[str]:
    found = []
    for name, shares in overlap.items():
        first, second = _COMPARED[name]
        for kind, share in shares.items():
            if share > 0:
                told = f"{share:.0%}" if share >= 0.005 else "under 1%"
                found.append(f"{told} of the {second} hours have a {kind} that is also in {first}")
    lost = columns.hours[codes == _code(UNUSED)].sum() / columns.hours.sum()
    if lost > 0.02:
        found.append(
            f"{lost:.0%} of the hours are unused, mostly because their speaker and script lie in different "
            "splits; by=speaker keeps them"
        )
    for name in SPLITS:
        inside = codes == _code(name)
        for field, groups in columns.labels.items():
            absent = [label for label, count in _label_counts(groups, inside).items() if count == 0]
            if inside.any() and absent:
                of_field = f" ({field})" if len(columns.labels) > 1 else ""
                found.append(f"{name} has no utterance labelled {', '.join(absent)}{of_field}")
    return found


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
    table = []
    for name in groups.names:
        if name.lower() not in GIVEN_NAMES:
            raise SplitError(
                f"column '{column}' holds '{name}', which is none of: {', '.join(sorted(GIVEN_NAMES))}"
            )
        table.append(_code(GIVEN_NAMES[name.lower()]))
    return np.array([*table, _code(UNUSED)], dtype=np.int8)[groups.codes]


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
    hours, speakers, scripts = columns.hours, columns.speakers, columns.scripts
    strata = strata_of(manifest, with_values(manifest, settings.stratify, warnings))
    wanted = np.array([_code(name) for name in settings.wanted], dtype=np.int8)
    ratios = np.array([settings.ratios[name] for name in settings.wanted])
    by_script = "script" in settings.by
    if by_script and not len(scripts):
        if "speaker" not in settings.by:
            raise SplitError("cannot split by script: no utterance has a text or script_id; use by=speaker")
        warnings.append("no utterance has a text or script_id: split by speaker only")
        by_script = False
    if "speaker" not in settings.by:
        part = assign_groups(scripts, strata, hours, ratios, settings.seed, "script")
        return np.append(wanted, np.int8(_code(UNUSED)))[part[scripts.codes]]
    if not len(speakers):
        raise SplitError(
            "cannot split by speaker: no utterance names one; map it (--field speaker=NAME, or in a recipe "
            "data.config.fields.speaker, or data.config.speaker_pattern for the paths of a table), use by=script, or "
            "by=random, which is recorded as such"
        )
    part = assign_groups(speakers, strata, hours, ratios, settings.seed, "speaker")
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
    return np.append(wanted, np.int8(_code(UNUSED)))[row_part]
