"""Speakers, scripts and strata of a manifest as integer codes, so that splitting works on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from soritune.corpus.audio_hashes import AudioHashes
from soritune.corpus.manifest import Manifest
from soritune.corpus.utterance import FIELDS
from soritune.errors import SplitError
from soritune.identities import FILLERS, SELECTORS, identity, lookalike

Codes = NDArray[np.int64]
_BINS = 5
_INVISIBLE = "".join((*FILLERS, *(f"{first}-{last}" for first, last in SELECTORS)))
_NOT_SPOKEN = rf"[\s\pZ\pP\pC~^`|{_INVISIBLE}]+"
"""What two spellings of one sentence may differ in: spaces, punctuation, invisible signs."""
_SHARP, _MINUS = "\u266f", "\u2212"
"""Stand for # and for a hyphen before a number, which are spoken: C#, -5도. They are not punctuation."""
_BETWEEN_DIGITS = "│"
"""Stands for them between two digits, so that 3.5 is not 35."""
_MOST_VALUES = 16
"""A numeric stratum (SNR, length) with more distinct values than this is cut into quintiles; ages are not."""


class Groups:
    """A column as codes: `names[codes[row]]`, or -1 for a row without a value.

    Names are sorted, so that codes do not depend on the order of rows. They become Python strings only when `names` is
    read, because there may be a million scripts.
    """

    def __init__(
        self,
        codes: Codes,
        names: Sequence[str] | pa.Array,
        joined: Sequence[Sequence[str]] = (),
    ) -> None:
        self.codes, self._names = codes, names
        self.joined = joined
        """The spellings of each group that the rows write in several ways."""

    @property
    def array(self) -> pa.Array:
        """The groups, sorted, as an Arrow array."""
        return self._names if isinstance(self._names, pa.Array) else pa.array(self._names, pa.string())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The groups, sorted."""
        return tuple(self._names.to_pylist() if isinstance(self._names, pa.Array) else self._names)

    def __len__(self) -> int:
        return len(self._names)


class Labels(NamedTuple):
    """The labels of rows; a row may have several."""

    names: tuple[str, ...]
    """The different labels, sorted."""
    rows: Codes
    """(entries,) the row of each label of a row."""
    codes: Codes
    """(entries,) the index in `names` of that label."""

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Labels:
        """The labels in a column of single values, or of lists."""
        rows = np.arange(len(column))
        if pa.types.is_list(column.type):
            array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
            rows, column = (
                pc.list_parent_indices(array).to_numpy(),
                pa.chunked_array([pc.list_flatten(array)]),
            )
        groups = _encode(column.cast(pa.string()))
        known = groups.codes >= 0
        return cls(groups.names, rows[known], groups.codes[known])

    def counts(self, inside: NDArray[np.bool_]) -> dict[str, int]:
        """Label → number of its rows among those that are `inside` (rows,), which may be 0."""
        counts = np.bincount(self.codes[inside[self.rows]], minlength=len(self.names)).tolist()
        return dict(zip(self.names, counts, strict=True))


MOST_NAMES = 3
"""Speakers under which one person's recording is listed at most, by several ids or by mistake."""


@dataclass(frozen=True)
class Columns:
    """The columns of a manifest that splitting needs, each read once."""

    hours: NDArray[np.float64]
    speakers: Groups
    scripts: Groups
    labels: Mapping[str, Labels]
    """Column → the labels in it, for columns with any label."""
    recordings: Codes | None = None
    """(utterances,) equal for rows with the same samples, -1 for unknown ones; None if the audio is not compared."""
    people: Groups = field(init=False)
    """The speakers, where those with a recording in common are one; the ids of one person may differ."""
    is_placeholder: NDArray[np.bool_] = field(init=False)
    """(utterances,) whether the recording is listed under more than `MOST_NAMES` speakers: a beep, for
    example, or a file that replaces missing ones. It makes no two speakers one."""

    def __post_init__(self) -> None:
        people, is_placeholder = _people_of(self.speakers, self.recordings)
        object.__setattr__(self, "people", people)
        object.__setattr__(self, "is_placeholder", is_placeholder)

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        label_fields: Sequence[str] = (),
        audio_hashes: AudioHashes | None = None,
    ) -> Columns:
        """The columns of a manifest; `label_fields` are columns with the label of an utterance."""
        labels = {name: Labels.of(manifest.column(name)) for name in label_fields}
        return cls(
            manifest.durations_s / 3600,
            speakers_of(manifest),
            scripts_of(manifest),
            {name: each for name, each in labels.items() if each.names},
            None if audio_hashes is None else recordings_of(audio_hashes),
        )


def speakers_of(manifest: Manifest) -> Groups:
    """The speaker of each row; ids that are equal as `identity` compares them are one speaker."""
    written = _encode(manifest.column("speaker"))
    keys = pa.array([identity(name) for name in written.names], pa.string())
    return _merged(written, keys, keys)


def scripts_of(manifest: Manifest) -> Groups:
    """The script of each row: `script_id`, else its text.

    Ids are compared by `identity`, texts without case, punctuation, spaces and invisible signs. A group is named by the
    first of its spellings.
    """
    text = pc.utf8_trim_whitespace(
        pc.replace_substring_regex(manifest.column("text"), r"[\s\pZ\x{0b}\x{85}\x{1c}-\x{1f}]+", " ")
    )
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    ids = manifest.column("script_id")
    written_ids = _encode(ids)
    if not len(written_ids):
        texts = _encode(text)
        return _merged(texts, _script_keys(texts.array))
    id_keys = pa.array([identity(name) or "" for name in written_ids.names], pa.string())
    scripts = _encode(pc.coalesce(ids, text))
    is_id = pc.is_in(scripts.array, value_set=written_ids.array)
    keys = pc.if_else(is_id, pa.nulls(len(scripts), pa.string()), _script_keys(scripts.array))
    of_id = id_keys.take(pc.index_in(scripts.array, value_set=written_ids.array))
    return _merged(scripts, pc.coalesce(of_id, keys))


def recordings_of(audio_hashes: AudioHashes) -> Codes:
    """(utterances,) codes that are equal for equal hashes, -1 for the hash 0, which stands for unknown audio."""
    _, codes = np.unique(audio_hashes, return_inverse=True)
    return np.where(audio_hashes == 0, -1, codes.astype(np.int64))


def _people_of(speakers: Groups, recordings: Codes | None) -> tuple[Groups, NDArray[np.bool_]]:
    """Speakers as one group where a recording is listed under both, directly or through others; and placeholders."""
    if recordings is None:
        return speakers, np.zeros(len(speakers.codes), dtype=bool)
    rows = np.flatnonzero((recordings >= 0) & (speakers.codes >= 0))
    pairs = np.unique(np.stack([recordings[rows], speakers.codes[rows]], axis=1), axis=0)
    # One more entry, which the code -1 of unknown recordings takes.
    names = np.bincount(pairs[:, 0], minlength=int(recordings.max(initial=-1)) + 2)
    pairs = pairs[names[pairs[:, 0]] <= MOST_NAMES]
    is_placeholder = names[recordings] > MOST_NAMES
    person = list(range(len(speakers)))

    def root(code: int) -> int:
        while person[code] != code:
            person[code] = code = person[person[code]]
        return code

    is_shared = pairs[1:, 0] == pairs[:-1, 0]
    for first, second in zip(pairs[:-1, 1][is_shared], pairs[1:, 1][is_shared], strict=True):
        low, high = sorted((root(int(first)), root(int(second))))
        person[high] = low
    if not is_shared.any():
        return speakers, is_placeholder
    people = _merged(speakers, speakers.array.take(pa.array([root(code) for code in person])))
    return people, is_placeholder


def strata_of(manifest: Manifest, columns: Sequence[str]) -> list[Groups]:
    """One grouping per column; numbers are cut at their quintiles.

    Raises:
        SplitError: a column has no value in any row.
    """
    strata = []
    for name in columns:
        column = manifest.column(name)
        if column.null_count == len(column):
            raise SplitError(
                f"cannot stratify by '{name}': no utterance has it; leave it out or map it when preparing"
            )
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            strata.append(_binned(np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64), name))
        else:
            joined = pc.binary_join(column, "|") if pa.types.is_list(column.type) else column
            strata.append(_encode(joined.cast(pa.string())))
    return strata


def with_values(manifest: Manifest, columns: Sequence[str], warnings: list[str]) -> list[str]:
    """`columns` without the utterance fields that no row has, for which a warning is added to `warnings`.

    A recipe may name fields that some corpora lack (age, snr_db). An unknown name is kept, and refused later.
    """
    empty = [name for name in columns if name in FIELDS and manifest.column(name).null_count == len(manifest)]
    if empty:
        warnings.append(f"not stratified by {', '.join(empty)}: no utterance has it")
    return [name for name in columns if name not in empty]


def identity_warnings(speakers: Groups, scripts: Groups | None = None) -> list[str]:
    """Sentences about ids and texts that are written in several ways, or that look alike."""
    warnings = []
    for groups, kind, causes in (
        (speakers, "speaker", "Unicode form, spaces or invisible signs"),
        (scripts, "script", "case, punctuation, spaces, Unicode form or invisible signs"),
    ):
        if groups is not None and groups.joined:
            shown = " and ".join(repr(name) for name in groups.joined[0][:2])
            warnings.append(
                f"spellings that differ only in {causes} count as one {kind}, such as {shown} "
                f"({len(groups.joined)} in all)"
            )
    alike: dict[str, list[str]] = {}
    for name in speakers.names:
        alike.setdefault(lookalike(name), []).append(name)
    pairs = [names for names in alike.values() if len(names) > 1]
    if pairs:
        shown = ", ".join(" and ".join(repr(name) for name in names[:3]) for names in pairs[:3])
        warnings.append(
            f"speakers {shown} differ only by case, width, leading zeros or .0, and count as different people; write "
            "the id of one person in one way"
        )
    return warnings


def sums_by(
    groups: Codes, num_groups: int, strata: Sequence[Groups], hours: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(groups, 1 + all strata) hours of each group, in total and in each stratum. Rows with code -1 do not count."""
    inside = groups >= 0
    parts = [np.bincount(groups[inside], hours[inside], num_groups)[:, None]]
    for stratum in strata:
        known = inside & (stratum.codes >= 0)
        cell = groups[known] * len(stratum) + stratum.codes[known]
        parts.append(
            np.bincount(cell, hours[known], num_groups * len(stratum)).reshape(num_groups, len(stratum))
        )
    # bincount of an empty array gives integers, even with weights
    return np.concatenate(parts, axis=1).astype(np.float64)


def _encode(column: pa.ChunkedArray | pa.Array) -> Groups:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # no chunks at all, or too much text for one
        array = (
            pa.concat_arrays([c.cast(pa.large_string()) for c in array.chunks])
            if array.num_chunks
            else pa.array([], pa.string())
        )
    encoded = array.dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(order)), -1
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return Groups(rank[codes], encoded.dictionary.take(pa.array(order)))


def _script_keys(texts: pa.Array) -> pa.Array:
    """Texts without what does not make another sentence; one without any letter or digit is kept."""
    folded = pc.utf8_lower(pc.utf8_normalize(texts, form="NFC"))
    keys = pc.replace_substring_regex(folded, "[#＃]", _SHARP)
    keys = pc.replace_substring_regex(keys, r"(^\s*|[^\pN\s]\s+|[(])[-－](\d)", rf"\1{_MINUS}\2")
    for _ in range(3):  # 1,000,000: matches do not overlap
        keys = pc.replace_substring_regex(keys, r"(\d),(\d\d\d)(\D|$)", r"\1\2\3")
    for _ in range(2):  # matches do not overlap, so that one pass leaves every second gap of 1 2 3
        keys = pc.replace_substring_regex(keys, rf"(\pN){_NOT_SPOKEN}(\pN)", rf"\1{_BETWEEN_DIGITS}\2")
    keys = pc.replace_substring_regex(keys, _NOT_SPOKEN, "")
    return pc.if_else(pc.equal(keys, ""), texts, keys)


def _merged(written: Groups, keys: pa.Array, names: pa.Array | None = None) -> Groups:
    """Groups with equal keys as one. Rows of a group without a key get the code -1.

    The order is that of each group's first spelling, so that groups that are all written in one way keep their codes.

    Args:
        written: the groups as the rows write them.
        keys: (groups,) of each of them.
        names: (groups,) the name of each; None takes the first spelling.
    """
    encoded = keys.dictionary_encode()
    merged_code = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    num_groups = len(encoded.dictionary)
    names = written.array if names is None else names
    if num_groups == len(written):
        return Groups(written.codes, names)
    known = np.flatnonzero(merged_code >= 0)
    _, first = np.unique(merged_code[known], return_index=True)
    members: dict[int, list[str]] = {}
    several = np.bincount(merged_code[known], minlength=num_groups) > 1
    spellings = known[several[merged_code[known]]]
    for code, name in zip(merged_code[spellings], written.array.take(spellings).to_pylist(), strict=True):
        members.setdefault(int(code), []).append(name)
    codes = np.append(merged_code, -1)[written.codes]
    return Groups(codes, names.take(pa.array(known[first])), tuple(map(tuple, members.values())))


def _binned(values: NDArray[np.float64], name: str) -> Groups:
    known = ~np.isnan(values)
    distinct = np.unique(values[known])
    edges = (
        distinct[1:]
        if len(distinct) <= _MOST_VALUES
        else np.unique(np.quantile(values[known], np.arange(1, _BINS) / _BINS))
    )
    codes = np.where(known, np.searchsorted(edges, values, side="right"), -1)
    bounds = ["-inf", *(f"{edge:g}" for edge in edges), "inf"]
    return Groups(codes.astype(np.int64), tuple(f"{name} {low} to {high}" for low, high in pairwise(bounds)))
