"""Speakers, scripts and strata of a manifest as integer codes, so that splitting works on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest
from soritune.corpus.utterance import FIELDS
from soritune.errors import SplitError

Codes = NDArray[np.int64]
_BINS = 5
_MOST_VALUES = 16
"""A numeric stratum (SNR, length) with more distinct values than this is cut into quintiles; ages are not."""


class Groups:
    """A column as codes: `names[codes[row]]`, or -1 for a row without a value.

    Names are sorted, so that codes do not depend on the order of rows. They become Python strings only when `names` is
    read, because there may be a million scripts.
    """

    def __init__(self, codes: Codes, names: Sequence[str] | pa.Array) -> None:
        self.codes, self._names = codes, names

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The groups, sorted."""
        return tuple(self._names.to_pylist() if isinstance(self._names, pa.Array) else self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class Columns:
    """The columns of a manifest that splitting needs, each read once."""

    hours: NDArray[np.float64]
    speakers: Groups
    scripts: Groups
    labels: Mapping[str, Groups]
    """Column → the labels in it, for columns with any label."""

    @classmethod
    def of(cls, manifest: Manifest, label_fields: Sequence[str] = ()) -> Columns:
        """The columns of a manifest; `label_fields` are columns with the label of an utterance."""
        labels = {name: _encode(manifest.column(name).cast(pa.string())) for name in label_fields}
        return cls(
            manifest.durations_s / 3600,
            speakers_of(manifest),
            scripts_of(manifest),
            {name: groups for name, groups in labels.items() if len(groups)},
        )


def speakers_of(manifest: Manifest) -> Groups:
    """The speaker of each row."""
    return _encode(manifest.column("speaker"))


def scripts_of(manifest: Manifest) -> Groups:
    """The script of each row: `script_id`, else its text with single spaces (as `Utterance.script`)."""
    text = pc.utf8_trim_whitespace(
        pc.replace_substring_regex(manifest.column("text"), r"[\s\pZ\x{0b}\x{85}\x{1c}-\x{1f}]+", " ")
    )
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    return _encode(pc.coalesce(manifest.column("script_id"), text))


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
            strata.append(_encode(column.cast(pa.string())))
    return strata


def with_values(manifest: Manifest, columns: Sequence[str], warnings: list[str]) -> list[str]:
    """`columns` without the utterance fields that no row has, for which a warning is added to `warnings`.

    A recipe may name fields that some corpora lack (age, snr_db). An unknown name is kept, and refused later.
    """
    empty = [name for name in columns if name in FIELDS and manifest.column(name).null_count == len(manifest)]
    if empty:
        warnings.append(f"not stratified by {', '.join(empty)}: no utterance has it")
    return [name for name in columns if name not in empty]


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
