"""The audio of a manifest's rows, compared with each other before it is split. Next: `stages/split.py`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.audio_hashes import MOST_DECODED, AudioHashes, audio_hashes
from soritune.corpus.manifest import Manifest
from soritune.corpus.sound_likeness import MOST_ROWS, Alike, alike
from soritune.corpus.splitting.splits import Copies, Splits
from soritune.progress import SILENT, Console


@dataclass(frozen=True)
class ComparedAudio:
    """What is known about copies among the rows of a manifest."""

    hashes: AudioHashes | None = None
    """(utterances,) hash of each row's samples; None if audio is not compared."""
    pairs: Alike | None = None
    """Rows that sound alike and have other samples: the first rows of two recordings; None if this is not compared."""
    is_too_large: bool = False
    """Nothing is compared, because too many rows would have to be decoded."""
    num_unread: int = 0
    """Rows that could not be read."""

    def warn(self, splits: Splits, manifest: Manifest) -> None:
        """Adds to the policy of splits what a reader must know: rows that sound like rows of another split."""
        warnings: list[str] = splits.policy["warnings"]
        if self.is_too_large:
            warnings.append(
                f"audio was not compared, because more than {MOST_DECODED:,} rows would have to be decoded; run check "
                "first, which keeps what is compared, or leave it out with copies=ignore (--copies ignore)"
            )
        if self.num_unread:
            rows = "1 row" if self.num_unread == 1 else f"{self.num_unread} rows"
            warnings.append(
                f"the audio of {rows} could not be read, so it was not compared with that of others"
            )
        if self.hashes is not None and self.pairs is None and len(manifest) > 1:
            warnings.append(
                f"audio was compared by its samples only, because there are more than {MOST_ROWS:,} rows"
            )
        if self.hashes is not None and self.pairs is not None and len(self.pairs.first):
            warnings += _pairs_apart(self.hashes, self.pairs, splits, manifest)


def compare_audio(manifest: Manifest, copies: Copies, *, console: Console = SILENT) -> ComparedAudio:
    """Compares the audio of a manifest's rows.

    Args:
        manifest: what is split.
        copies: as in `SplitSettings`; "ignore" compares nothing.
        console: where the progress bar is shown.
    """
    if copies == "ignore":
        return ComparedAudio()
    with console.bar("compare audio") as bar:
        hashed = audio_hashes(manifest, progress=bar.update)
    if hashed is None:
        return ComparedAudio(is_too_large=True)
    if hashed.likeness is None or len(manifest) > MOST_ROWS:
        return ComparedAudio(hashed.hashes, num_unread=hashed.num_unread)
    rows = np.flatnonzero((hashed.hashes != 0) & (_first_rows(hashed.hashes) == np.arange(len(manifest))))
    pairs = alike(hashed.likeness[rows], manifest.durations_s[rows])
    pairs = Alike(rows[pairs.first], rows[pairs.second], pairs.num_more)
    return ComparedAudio(hashed.hashes, pairs, num_unread=hashed.num_unread)


def _pairs_apart(hashes: AudioHashes, pairs: Alike, splits: Splits, manifest: Manifest) -> list[str]:
    """A sentence about the pairs whose recordings are in different splits, with a row of each; none without them."""
    # A recording may be in several rows, and so in several splits: one bit for each.
    bit = np.zeros(len(manifest), dtype=np.uint8)
    for code, name in enumerate(("train", "val", "test")):
        bit[splits.indices(manifest, name)] = 1 << code
    first_row = _first_rows(hashes)
    bits = np.zeros(len(manifest), dtype=np.uint8)
    np.bitwise_or.at(bits, first_row, bit)
    first, second = bits[pairs.first], bits[pairs.second]
    both = first | second
    apart = np.flatnonzero((first > 0) & (second > 0) & (both & (both - 1) > 0))
    if not len(apart):
        return []
    row, other = (
        np.flatnonzero((first_row == recordings[apart[0]]) & (bit > 0))
        for recordings in (pairs.first, pairs.second)
    )
    i, j = np.argwhere(bit[row][:, None] != bit[other][None, :])[0]
    names = manifest.column("id").take([row[i], other[j]]).to_pylist()
    subject = f"{len(apart):,} pairs of recordings in different splits sound the same"
    if pairs.num_more:
        subject = f"at least {subject}"
    elif len(apart) == 1:
        subject = "1 pair of recordings in different splits sounds the same"
    return [
        f"{subject}, such as {names[0]!r} and {names[1]!r}; listen to them, and remove copies in another format or at "
        "another level"
    ]


def _first_rows(hashes: AudioHashes) -> NDArray[np.int64]:
    """(utterances,) the first row with the same samples, by which the rows of a recording are compared once."""
    _, first, recording = np.unique(hashes, return_index=True, return_inverse=True)
    return np.where(hashes == 0, np.arange(len(hashes)), first[recording])
