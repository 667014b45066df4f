"""Slot decoding: exactly one label for each phone of a known text, from a CTC output over labels of errors.

A CTC output over labels such as C (correct), S and D writes as many labels as it likes. Where the text is known, so is
the number of labels: n phones have n slots. A path is blank, slot 1, blank, …, slot n, blank, where every slot has one
of the letters and a blank is needed between two slots with the same letter only. `decode_slots` sums over all such
paths; a slot may be bound to frames, so that its label is heard where its phone is.

Shapes: frames, slots, letters (labels that a slot may have).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soritune.assessment.alignment import Alignment, Float64, LogProbabilities

Windows = NDArray[np.int64]
"""(slots, 2) first frame, and the frame after the last one, in which a slot may have its label."""
SLACK_FRAMES = 5
"""Frames on each side of a phone in which its label may be."""


@dataclass(frozen=True, slots=True)
class DecodedSlots:
    """One label for each slot."""

    letters: NDArray[np.int64]
    """(slots,) index among the letters of each slot's label on the best path."""
    frames: NDArray[np.int64]
    """(slots,) first frame of each slot on the best path."""
    log_probability: float
    """Natural logarithm of the probability of the best path."""
    probabilities: Float64
    """(slots, letters) probability of each letter in each slot, over all paths with this number of slots."""


def territories(path: Alignment, num_frames: int, reach: int | None = None) -> Windows:
    """The frames of each symbol: blanks between two symbols are shared in the middle.

    Args:
        path: alignment of the symbols.
        num_frames: of the recording.
        reach: most frames that a symbol gets before its first and after its last frame; None sets no limit.

    Returns:
        (symbols, 2) first frame, and the frame after the last one.
    """
    borders = np.empty(len(path) + 1, dtype=np.int64)
    borders[0], borders[-1] = 0, num_frames
    borders[1:-1] = (path.last_frames[:-1] + 1 + path.first_frames[1:]) // 2
    starts, stops = borders[:-1], borders[1:]
    if reach is not None:
        starts = np.maximum(starts, path.first_frames - reach)
        stops = np.minimum(stops, path.last_frames + 1 + reach)
    return np.stack([starts, stops], axis=1)


def decode_slots(
    log_probabilities: LogProbabilities,
    num_slots: int,
    letters: Sequence[int],
    blank: int,
    windows: Windows | None = None,
) -> DecodedSlots | None:
    """One label for each slot.

    Args:
        log_probabilities: (frames, labels) natural logarithms.
        num_slots: number of phones of the text.
        letters: the labels that a slot may have.
        blank: index of the blank.
        windows: frames in which each slot may have its label; None allows all frames.

    Returns:
        None if there is no path: fewer frames than slots, or windows that leave no room.
    """
    given = np.asarray(log_probabilities, dtype=np.float64)
    if num_slots == 0 or len(given) < num_slots:
        return None
    lattice = _Lattice.of(given, num_slots, letters, blank, windows)
    best = lattice.best()
    if best is None:
        return None
    found, frames, log_probability = best
    return DecodedSlots(found, frames, log_probability, lattice.probabilities())


@dataclass(frozen=True, slots=True)
class _Lattice:
    """The states of all paths: `blanks[t]` is emitted in any of the slots + 1 blanks, `slots[t, i, k]` by slot i."""

    blanks: Float64
    """(frames,)."""
    slots: Float64
    """(frames, slots, letters)."""

    @classmethod
    def of(
        cls, given: Float64, num_slots: int, letters: Sequence[int], blank: int, windows: Windows | None
    ) -> _Lattice:
        emissions = np.repeat(given[:, None, list(letters)], num_slots, axis=1)
        if windows is not None:
            times = np.arange(len(given))[:, None]
            outside = (times < windows[:, 0]) | (times >= windows[:, 1])
            emissions[outside] = -np.inf
        return cls(given[:, blank], emissions)

    @property
    def reversed(self) -> _Lattice:
        """The lattice read from its end, which is a lattice too."""
        return _Lattice(self.blanks[::-1], self.slots[::-1, ::-1])

    def best(self) -> tuple[NDArray[np.int64], NDArray[np.int64], float] | None:
        """Letters and first frames of the slots on the most probable path, and its log-probability."""
        num_frames, num_slots, num_letters = self.slots.shape
        blank = np.full(num_slots + 1, -np.inf)
        blank[0] = 0.0
        slot = np.full((num_slots, num_letters), -np.inf)
        # What was before a state: 0 the state itself, 1 the blank before a slot, 2 + j letter j of the slot before.
        into_slot = np.zeros((num_frames, num_slots, num_letters), dtype=np.int16)
        # 0 the blank itself, 1 + j letter j of the slot before it.
        into_blank = np.zeros((num_frames, num_slots + 1), dtype=np.int16)
        same = np.eye(num_letters, dtype=bool)
        for frame in range(num_frames):
            touching = np.full((num_slots, num_letters, num_letters), -np.inf)
            touching[1:] = np.where(same, -np.inf, slot[:-1, None, :])
            after_blank = np.broadcast_to(blank[:-1, None], slot.shape)
            moves = np.concatenate([slot[..., None], after_blank[..., None], touching], axis=2)
            into_slot[frame] = moves.argmax(axis=2)
            ends = np.concatenate([np.full((1, num_letters), -np.inf), slot])
            stays = np.concatenate([blank[:, None], ends], axis=1)
            into_blank[frame] = stays.argmax(axis=1)
            slot = moves.max(axis=2) + self.slots[frame]
            blank = stays.max(axis=1) + self.blanks[frame]
        letter = int(slot[-1].argmax())
        log_probability = float(max(blank[-1], slot[-1, letter]))
        if not np.isfinite(log_probability):
            return None
        return *self._traced(into_slot, into_blank, letter, blank[-1] >= slot[-1, letter]), log_probability

    def _traced(
        self, into_slot: NDArray[np.int16], into_blank: NDArray[np.int16], letter: int, in_blank: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The path backwards from its last state."""
        num_frames, num_slots, _ = self.slots.shape
        letters = np.zeros(num_slots, dtype=np.int64)
        frames = np.zeros(num_slots, dtype=np.int64)
        slot = num_slots if in_blank else num_slots - 1
        for frame in range(num_frames - 1, -1, -1):
            if in_blank:
                move = int(into_blank[frame, slot])
                if move:
                    in_blank, letter, slot = False, move - 1, slot - 1
                continue
            letters[slot], frames[slot] = letter, frame
            move = int(into_slot[frame, slot, letter])
            if move == 1:
                in_blank = True
            elif move > 1:
                letter, slot = move - 2, slot - 1
        return letters, frames

    def forward(self) -> tuple[Float64, Float64]:
        """(frames, slots, letters) log-probability of all beginnings of paths that enter a slot's letter at a frame,
        and of those that are in it."""
        num_frames, num_slots, num_letters = self.slots.shape
        blank = np.full(num_slots + 1, -np.inf)
        blank[0] = 0.0
        slot = np.full((num_slots, num_letters), -np.inf)
        entering, inside = np.empty_like(self.slots), np.empty_like(self.slots)
        same = np.eye(num_letters, dtype=bool)
        for frame in range(num_frames):
            enter = np.repeat(blank[:-1, None], num_letters, axis=1)
            touching = np.where(same, -np.inf, slot[:-1, None, :])
            enter[1:] = np.logaddexp(enter[1:], np.logaddexp.reduce(touching, axis=2))
            blank[1:] = np.logaddexp(blank[1:], np.logaddexp.reduce(slot, axis=1))
            blank = blank + self.blanks[frame]
            entering[frame] = enter + self.slots[frame]
            slot = np.logaddexp(slot + self.slots[frame], entering[frame])
            inside[frame] = slot
        return entering, inside

    def probabilities(self) -> Float64:
        """(slots, letters): every path enters each slot once, in one of its letters."""
        entering, _ = self.forward()
        ends = self.reversed.forward()[1][::-1, ::-1]
        emitted = np.where(np.isfinite(self.slots), self.slots, 0.0)
        joint = np.logaddexp.reduce(entering + ends - emitted, axis=0)
        total = np.logaddexp.reduce(joint, axis=1, keepdims=True)
        shares: Float64 = np.exp(joint - total)
        return shares
