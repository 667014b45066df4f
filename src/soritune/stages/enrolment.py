"""Enrolment clips of a manifest: a few clips of each speaker, drawn by the hash of their ids, which are not judged."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from soritune.errors import SplitError, TaskError
from soritune.identities import identity
from soritune.inference.speaker_norm import LEAST_CLIPS

if TYPE_CHECKING:
    from soritune.corpus.manifest import Manifest


def checked_clips(clips: int | None) -> int | None:
    """The number of enrolment clips of each speaker.

    Raises:
        TaskError: fewer than a deviation needs.
    """
    if clips is not None and clips < LEAST_CLIPS:
        raise TaskError(
            f"{clips} enrolment clips per speaker are too few; normalisation needs {LEAST_CLIPS} or more"
        )
    return clips


def split_enrolment(rows: Manifest, clips: int) -> tuple[Manifest, Manifest]:
    """The enrolment clips and the rows that are left to judge.

    The clips of a speaker are those whose ids have the smallest SHA-256, so they do not depend on labels, on the order
    of the rows, or on a random number.

    Raises:
        SplitError: a row without a speaker, or a speaker without a clip that is left.
    """
    positions: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for index, row in enumerate(rows.utterances()):
        speaker = identity(row.speaker)
        if speaker is None:
            raise SplitError(
                f"'{row.id}' has no speaker, which normalisation per speaker needs; leave it out"
            )
        positions[speaker].append((hash_of(row.id), index))
    few = [speaker for speaker, own in positions.items() if len(own) <= clips]
    if few:
        raise SplitError(
            f"speaker '{few[0]}' has {len(positions[few[0]])} clips, and {clips} are for enrolment, so none is left to "
            f"judge ({len(few)} of {len(positions)} speakers); give fewer enrolment clips"
        )
    enrolled = sorted(index for own in positions.values() for _, index in sorted(own)[:clips])
    chosen = set(enrolled)
    left = [index for index in range(len(rows)) if index not in chosen]
    return rows.select(enrolled), rows.select(left)


def hash_of(name: str) -> str:
    """SHA-256 of an id, in hexadecimal."""
    return hashlib.sha256(name.encode()).hexdigest()
