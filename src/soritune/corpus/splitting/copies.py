"""Recordings that a manifest lists more than once, which must not be in two splits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.grouping import MOST_NAMES, Codes, Columns
from soritune.errors import SplitError

_NUM_SPLITS, _UNUSED = 3, 3
"""Codes 0, 1 and 2 are train, val and test."""


def rows_of_copies(recordings: Codes, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """(utterances,) the split to which the recording of each row belongs: test before val before train.

    Rows of unknown recordings and unused rows keep their own.
    """
    known = (recordings >= 0) & (codes < _NUM_SPLITS)
    last = np.full(int(recordings.max(initial=-1)) + 2, -1, dtype=np.int8)
    np.maximum.at(last, recordings[known], codes[known])
    return np.where(known, last[recordings], codes).astype(np.int8)


def separate_copies(columns: Columns, codes: NDArray[np.int8], *, move: bool = False) -> NDArray[np.int8]:
    """Codes (utterances,) with which no recording is in two splits.

    Copies of a test row leave train and val, and copies of a validation row leave train. Placeholders are unused.

    Args:
        columns: what is split.
        codes: the split of each row.
        move: put the copies into the other split instead of using them in none.
    """
    if columns.recordings is None:
        return codes
    codes = np.where(columns.is_placeholder, np.int8(_UNUSED), codes).astype(np.int8)
    belongs = rows_of_copies(columns.recordings, codes)
    return belongs if move else np.where(belongs == codes, codes, np.int8(_UNUSED)).astype(np.int8)


def refuse_copies(manifest: Manifest, columns: Columns, codes: NDArray[np.int8], column: str) -> None:
    """Refuses a split given by the corpus in which a recording is in two splits.

    Raises:
        SplitError: the message has the number of rows and two of their ids.
    """
    if columns.recordings is None:
        return
    rows = np.flatnonzero(rows_of_copies(columns.recordings, codes) != codes)
    if len(rows) == 0:
        return
    first = int(rows[0])
    is_other = (columns.recordings == columns.recordings[first]) & (codes != codes[first])
    ids = manifest.column("id")
    partner = ids[int(np.flatnonzero(is_other & (codes < _NUM_SPLITS))[0])].as_py()
    raise SplitError(
        f"{len(rows)} of {len(codes)} rows have the same audio as a row in another split of column '{column}', such as "
        f"'{ids[first].as_py()}' and '{partner}'; remove the copies, or set split.copies=allow (--copies allow), which "
        "is recorded"
    )


def copy_warnings(
    manifest: Manifest,
    columns: Columns,
    before: NDArray[np.int8],
    codes: NDArray[np.int8],
    *,
    together: bool,
) -> list[str]:
    """Sentences about rows with the same audio, and about speakers who share them.

    Args:
        manifest: what is split.
        columns: its columns.
        before: the split of each row before copies were separated.
        codes: the same after it.
        together: whether speakers who share recordings were kept in one split.
    """
    recordings = columns.recordings
    if recordings is None:
        return []
    counts = np.bincount(recordings[recordings >= 0], minlength=1)
    is_copy = (recordings >= 0) & (counts[recordings] > 1)
    warnings = []
    left_out = columns.is_placeholder & (before != codes)
    if left_out.any():
        warnings.append(placeholders(manifest, columns))
        is_copy &= ~columns.is_placeholder
    if not is_copy.any():
        return warnings
    num_recordings = len(np.unique(recordings[is_copy]))
    pair = _first_pair(manifest, recordings, is_copy)
    subject = "1 recording occurs" if num_recordings == 1 else f"{num_recordings} recordings occur"
    sentence = f"{subject} in {int(is_copy.sum())} rows, such as {pair}"
    is_changed = (before != codes) & ~left_out
    changed = int(is_changed.sum())
    if changed:
        where = "unused" if (codes[is_changed] == _UNUSED).all() else "in the split of their copy"
        sentence += f"; {changed} of the rows are {where}, so that no recording is in two splits"
    warnings.append(sentence)
    speakers = columns.speakers.codes
    rows = np.flatnonzero(is_copy & (speakers >= 0))
    pairs = np.unique(np.stack([recordings[rows], speakers[rows]], axis=1), axis=0)
    shared, times = np.unique(pairs[:, 0], return_counts=True)
    several = shared[times > 1]
    if len(several):
        names = [columns.speakers.names[code] for code in pairs[pairs[:, 0] == several[0]][:2, 1]]
        warnings.append(
            f"recordings are listed under several speakers ({len(several)} in all), such as "
            f"{names[0]!r} and {names[1]!r}, who {'are kept in one split' if together else 'count as different people'}"
        )
    return warnings


def placeholders(manifest: Manifest, columns: Columns) -> str:
    """A sentence about recordings that are listed under more speakers than one person can have names."""
    assert columns.recordings is not None
    number = len(np.unique(columns.recordings[columns.is_placeholder]))
    example = manifest.column("id")[int(np.flatnonzero(columns.is_placeholder)[0])].as_py()
    subject = "1 recording is" if number == 1 else f"{number} recordings are"
    return (
        f"{subject} listed under more than {MOST_NAMES} speakers, such as that of {example!r}; the "
        f"{int(columns.is_placeholder.sum())} rows are unused, because they say nothing about a speaker (copies=allow, "
        "--copies allow, uses them)"
    )


def shared_recordings(manifest: Manifest, columns: Columns) -> str:
    """Two rows by which speakers count as one: \"'a' and 'b' have the same audio\"."""
    assert columns.recordings is not None
    speakers = columns.speakers.codes
    rows = np.flatnonzero((columns.recordings >= 0) & (speakers >= 0) & ~columns.is_placeholder)
    rows = rows[np.argsort(columns.recordings[rows], kind="stable")]
    is_pair = (np.diff(columns.recordings[rows]) == 0) & (np.diff(speakers[rows]) != 0)
    first = int(np.flatnonzero(is_pair)[0])
    names = manifest.column("id").take(rows[first : first + 2]).to_pylist()
    return f"{names[0]!r} and {names[1]!r} have the same audio"


def _first_pair(manifest: Manifest, recordings: Codes, is_copy: NDArray[np.bool_]) -> str:
    first = int(np.flatnonzero(is_copy)[0])
    rows = np.flatnonzero(recordings == recordings[first])[:2]
    return " and ".join(repr(name) for name in manifest.column("id").take(rows).to_pylist())
