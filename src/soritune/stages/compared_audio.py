"""The audio of a manifest's rows, compared with each other before it is split. Next: `stages/split.py`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    """Rows that sound alike and have other samples; None if this is not compared."""
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
        if self.pairs is None or not len(self.pairs.first):
            return
        part = np.full(len(manifest), -1)
        for code, name in enumerate(("train", "val", "test")):
            part[splits.indices(manifest, name)] = code
        first, second = part[self.pairs.first], part[self.pairs.second]
        apart = np.flatnonzero((first != second) & (first >= 0) & (second >= 0))
        if len(apart):
            ids = manifest.column("id")
            names = [repr(ids[int(rows[apart[0]])].as_py()) for rows in self.pairs]
            warnings.append(
                f"{len(apart)} pairs of recordings in different splits sound the same, such as {' and '.join(names)}; "
                "listen to them, and remove copies in another format or at another level"
            )


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
    pairs = alike(hashed.likeness, manifest.durations_s)
    other = hashed.hashes[pairs.first] != hashed.hashes[pairs.second]
    return ComparedAudio(
        hashed.hashes, Alike(pairs.first[other], pairs.second[other]), num_unread=hashed.num_unread
    )
