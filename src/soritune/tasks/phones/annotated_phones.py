"""Aligned canonical and perceived phones with error labels, as second-language corpora annotate them.

canonical is the correct pronunciation, perceived what an annotator heard. A gap symbol (`sil`) fills the shorter side:
in canonical it marks an insertion, in perceived a deletion, in both a real silence.

    canonical  sil dh ah th ih ng k   t  sil        labels under `correct-substituted-deleted-inserted`:
    perceived  sil d  ah s  ih ng sil t  uh          C S C S C C D C I

The letter I means *incorrect* in a scheme of two letters and *insertion* in one of four. The labels alone do not always
show which, so the scheme is a setting, and rows that contradict it are refused one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from soritune.errors import TaskError, WrongSettingError
from soritune.metrics.error_labels import CORRECT

Scheme = Literal["correct-incorrect", "correct-substituted-deleted-inserted"]
SETTING = "tasks.mispronunciation.labels"
LETTERS: dict[str, tuple[str, ...]] = {
    "correct-incorrect": (CORRECT, "I"),
    "correct-substituted-deleted-inserted": (CORRECT, "S", "D", "I"),
}
"""Labels of a scheme, in the order of the model's output."""
OTHER: dict[str, Scheme] = {
    "correct-incorrect": "correct-substituted-deleted-inserted",
    "correct-substituted-deleted-inserted": "correct-incorrect",
}
Position = tuple[str, str]
"""Canonical and perceived symbol of one aligned position."""


def pair_up(canonical: Sequence[str], perceived: Sequence[str], gap: str) -> tuple[Position, ...]:
    """The positions of an aligned pair.

    Raises:
        TaskError: the two differ in length.
    """
    if len(canonical) != len(perceived):
        raise TaskError(
            f"canonical has {len(canonical)} symbols and perceived {len(perceived)}; they must be aligned one to "
            f"one, with '{gap}' in the gaps",
            "phones-not-aligned",
        )
    return tuple(zip(canonical, perceived, strict=True))


def read_labels(labels: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """The labels in the scheme's letters; with two letters E is another way to write I.

    Raises:
        WrongSettingError: a label is not of the scheme; the message names the setting.
    """
    known = LETTERS[scheme]
    with_two = len(known) == 2
    read = tuple("I" if label == "E" and with_two else label for label in labels)
    unknown = next((label for label in read if label not in known), None)
    if unknown is not None:
        letters = ", ".join(known)
        parts = re.split(r"[\s,;|/]+", unknown) if re.search(r"[,;|/]", unknown) else list(unknown)
        if len(unknown) > 1 and all(part in (*known, "E", "") for part in parts):
            shown = unknown if len(unknown) <= 20 else f"{unknown[:19]}…"
            raise WrongSettingError(
                f"'{shown}' is several error labels in one; separate them by spaces, as in 'C S C'",
                "label-unknown",
            )
        upper = unknown.upper()
        if unknown != upper and (upper in known or (with_two and upper == "E")):
            raise WrongSettingError(
                f"label '{unknown}' is not of {SETTING}={scheme} ({letters}); the letters are upper case: write "
                f"'{upper}'",
                "label-unknown",
            )
        hint = (
            "if I means insertion here and S and D are the other errors"
            if with_two
            else "if every error has one letter, I or E"
        )
        raise WrongSettingError(
            f"label '{unknown}' is not of {SETTING}={scheme} ({letters}); set {SETTING}={OTHER[scheme]} {hint}",
            "label-unknown",
        )
    return read


def check_number_of_labels(labels: Sequence[str], canonical: Sequence[str], *, gap: str) -> None:
    """Checks that there is one label for each canonical symbol, in a row without perceived phones.

    Canonical symbols that are `gap` may be labelled (insertions, silence) or left out.

    Raises:
        TaskError: fewer labels than phones, or more than symbols.
    """
    least = sum(symbol != gap for symbol in canonical)
    if not least <= len(labels) <= len(canonical):
        expected = f"{least}" if least == len(canonical) else f"{least} to {len(canonical)}"
        raise TaskError(
            f"there are {len(labels)} error labels for {len(canonical)} canonical symbols; {expected} were expected, "
            f"one for each (those that are '{gap}' may be left out)",
            "label-count",
        )


def labelled_positions(
    labels: Sequence[str], positions: Sequence[Position], *, scheme: Scheme, gap: str
) -> tuple[Position, ...]:
    """The positions that are labelled: all of them, or all but the real silences.

    Args:
        labels: what `read_labels` returns.
        positions: what `pair_up` returns.

    Raises:
        TaskError: the number of labels is neither of the two, or a label contradicts its pair of symbols.
    """
    spoken = tuple(position for position in positions if position != (gap, gap))
    if len(labels) not in (len(positions), len(spoken)):
        expected = (
            f"{len(positions)}" if len(spoken) == len(positions) else f"{len(positions)} or {len(spoken)}"
        )
        raise TaskError(
            f"there are {len(labels)} error labels for {len(positions)} aligned positions; {expected} were expected, "
            f"one for each position (those where both sides are '{gap}' may be left out)",
            "label-count",
        )
    labelled = tuple(positions) if len(labels) == len(positions) else spoken
    for number, (label, position) in enumerate(zip(labels, labelled, strict=True), start=1):
        reason = _contradiction(label, position, scheme, gap)
        if reason is not None:
            canonical, perceived = position
            raise TaskError(
                f"label {label} at position {number} (canonical '{canonical}', perceived '{perceived}') contradicts "
                f"{SETTING}={scheme}: {reason}",
                "label-contradiction",
            )
    return labelled


def _contradiction(label: str, position: Position, scheme: Scheme, gap: str) -> str | None:
    """Why a position cannot have this label; None if it can.

    An S (or two-letter I) over equal phones is allowed: a phone can be "mostly like" the right one and wrong.
    """
    canonical, perceived = position
    if label == CORRECT:
        return None if canonical == perceived else "C means that both are equal"
    if position == (gap, gap):
        return "silence is labelled C"
    if scheme == "correct-incorrect":
        return None
    if label == "I" and canonical != gap:
        hint = f"set {SETTING}={OTHER[scheme]} if I means incorrect"
        return f"I is an insertion, whose canonical side is '{gap}'; {hint}"
    if label == "D" and perceived != gap:
        return f"D is a deletion, whose perceived side is '{gap}'"
    return (
        f"S is a substitution of one phone by another, without '{gap}'"
        if label == "S" and gap in position
        else None
    )
