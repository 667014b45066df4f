"""Whether rows that a model is judged on were heard in its training, under whatever id, path or speaker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.audio_hashes import MOST_DECODED, Hashed, audio_hashes, stored_audio_hashes
from soritune.corpus.file_names import AUDIO_HASHES_FILE
from soritune.corpus.manifest import load_manifest
from soritune.corpus.sound_likeness import MOST_ROWS, alike
from soritune.corpus.splitting.grouping import identity_warnings, speakers_of
from soritune.corpus.splitting.splits import Copies, load_splits
from soritune.errors import SplitError
from soritune.progress import SILENT, Console
from soritune.run_folder import RunFolder
from soritune.stages.judged import Judged


def report_leaks(judged: Judged, own_split: str | None, copies: Copies, *, console: Console = SILENT) -> None:
    """Refuses rows that the model was trained on; adds what was joined or allowed to the header's warnings.

    Args:
        judged: the model and its rows.
        own_split: the split of the model's own run, by the run's own splits; None for other rows.
        copies: "apart", "allow" or "ignore", as for `evaluate`. Splits of a run that were made with "allow" or "ignore"
            are judged with the same.
        console: where warnings and the progress bar are shown.

    Raises:
        SplitError: rows have the audio of training rows, and `copies` is "apart".
    """
    warnings: list[str] = []
    policy = judged.data.get("policy") or {}
    if not policy:
        warnings += identity_warnings(speakers_of(judged.rows))
    if own_split is not None and copies == "apart":
        copies = policy.get("copies", copies)
    run = judged.model.run
    if run is not None and copies != "ignore" and own_split in (None, "test"):
        try:
            trained, trained_s = _trained_rows(run)
        except _NotComparedError as error:
            warnings.append(f"the audio was not compared with that of the training: {error}")
        else:
            warnings += _leaks(judged, trained, trained_s, copies, console)
    for warning in warnings:
        console.warning(f"evaluate: {warning}")
    if warnings:
        judged.data["warnings"] = warnings


class _NotComparedError(Exception):
    """Why the audio that trained a model is not known."""


def _leaks(
    judged: Judged, trained: Hashed, trained_s: NDArray[np.float64], copies: Copies, console: Console
) -> list[str]:
    """Warnings about judged rows that are copies of training rows.

    Raises:
        SplitError: rows have the same samples, and `copies` is "apart".
    """
    warnings = []
    ids = judged.rows.column("id")
    with console.bar("compare audio") as bar:
        hashed = audio_hashes(judged.rows, durations_s=trained_s, progress=bar.update)
    if hashed is None:
        return [
            f"the audio was not compared with that of the training: more than {MOST_DECODED:,} rows would have to be "
            "decoded; run check on the manifest first, which keeps what is compared"
        ]
    if hashed.num_unread:
        unread = "1 row" if hashed.num_unread == 1 else f"{hashed.num_unread} rows"
        warnings.append(
            f"the audio of {unread} could not be read, so it was not compared with that of the training"
        )
    is_copy = (hashed.hashes != 0) & np.isin(hashed.hashes, trained.hashes)
    if is_copy.any():
        first = ids[int(np.flatnonzero(is_copy)[0])].as_py()
        fact = (
            f"{is_copy.sum()} of {len(judged.rows)} rows have the audio of rows that the model was trained on"
        )
        if copies == "apart":
            raise SplitError(
                f"{fact}, such as '{first}'; leave them out, or judge them with --copies allow (in Python: "
                "copies='allow'), which is recorded"
            )
        warnings.append(f"{fact}; the numbers say little about new speech")
    if hashed.likeness is None or trained.likeness is None:
        warnings.append(
            "the audio was compared with that of the training by its samples only, because one of the two has more "
            f"than {MOST_ROWS:,} rows; copies in another format were not found"
        )
    else:
        others = np.flatnonzero(~is_copy)
        pairs = alike(hashed.likeness[others], judged.rows.durations_s[others], trained.likeness, trained_s)
        rows = others[np.unique(pairs.first)]
        if len(rows):
            subject = f"{'at least ' if pairs.num_more else ''}{len(rows)} of {len(judged.rows)} rows"
            warnings.append(
                f"{subject} sound like rows that the model was trained on, such as '{ids[int(rows[0])].as_py()}'; if "
                "they are copies in another format or at another level, the numbers say little about new speech"
            )
    return warnings


def _trained_rows(run: RunFolder) -> tuple[Hashed, NDArray[np.float64]]:
    """What the audio that trained the model is compared by, and its lengths.

    Raises:
        _NotComparedError: the run does not keep it.
    """
    for file in (run.checked, run.splits):
        if not file.is_file():
            raise _NotComparedError(f"its run has no {file.name}")
    checked = load_manifest(run.checked)
    stored = stored_audio_hashes(checked)
    if stored is None:
        file = run.checked.with_name(AUDIO_HASHES_FILE)
        fault = "is damaged or of other rows" if file.is_file() else "does not exist"
        raise _NotComparedError(f"{file} {fault}; check writes it, unless it is run without decoding")
    try:
        rows = load_splits(run.splits).indices(checked, "train")
    except SplitError as error:
        raise _NotComparedError(f"{run.splits} is not of {run.checked.name}") from error
    likeness = None if stored.likeness is None else stored.likeness[rows]
    return Hashed(stored.hashes[rows], likeness), checked.durations_s[rows]
