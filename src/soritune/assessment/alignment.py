"""Alignment of a known sequence with a CTC output: its probability, its best path, and the frames of each symbol.

The model gives log-probabilities (frames, labels). A path has one label per frame; removing repeats and then blanks
gives the sequence (Graves et al. 2006). The states of a sequence of n symbols are blank, symbol 1, blank, …, symbol n,
blank: 2n + 1 states, where a symbol may follow another one directly if the two differ. Next: `assessment/gop.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError

LogProbabilities = NDArray[np.floating]
Float64 = NDArray[np.float64]
Ids = Sequence[int] | NDArray[np.int64]
TOO_SHORT = "alignment-too-short"
"""Kind of the error about a recording with too few frames."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """The best path of a sequence."""

    first_frames: NDArray[np.int64]
    """(symbols,) index of the first frame of each symbol."""
    last_frames: NDArray[np.int64]
    """(symbols,) index of its last frame, inclusive."""
    log_probability: float
    """Natural logarithm of the probability of this path alone."""

    def __len__(self) -> int:
        return len(self.first_frames)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """All paths of a sequence together."""

    log_likelihood: float
    """Natural logarithm of the sum of their probabilities."""
    symbols: Float64
    """(frames, symbols) probability that a frame belongs to a symbol, given the sequence; the rest of a row is the
    probability of a blank."""


def frames_needed(ids: Ids) -> int:
    """The least number of frames of a sequence: one per symbol, and a blank between equal neighbours.

    >>> frames_needed([5, 5, 7])
    4
    """
    symbols = np.asarray(ids, dtype=np.int64)
    return len(symbols) + int((symbols[1:] == symbols[:-1]).sum())


def viterbi(log_probabilities: LogProbabilities, ids: Ids, blank: int) -> Alignment:
    """The most probable path of a sequence.

    Args:
        log_probabilities: (frames, labels) natural logarithms.
        ids: (symbols,) labels, without blanks.
        blank: index of the blank.

    Raises:
        TaskError: fewer frames than the sequence needs, a label that does not exist, or the blank among the symbols.
    """
    states, skips, emissions = _lattice(log_probabilities, ids, blank)
    num_frames, num_states = emissions.shape
    if len(states) == 1:
        none = np.zeros(0, dtype=np.int64)
        return Alignment(none, none, float(emissions.sum()))
    best = np.full(num_states, -np.inf)
    best[:2] = emissions[0, :2]
    steps = np.zeros((num_frames, num_states), dtype=np.int8)
    moves = np.full((3, num_states), -np.inf)
    for frame in range(1, num_frames):
        moves[0] = best
        moves[1, 1:] = best[:-1]
        moves[2, 2:] = np.where(skips[2:], best[:-2], -np.inf)
        steps[frame] = moves.argmax(axis=0)
        best = moves.max(axis=0) + emissions[frame]
    state = num_states - 1 if best[-1] >= best[-2] else num_states - 2
    log_probability = float(best[state])
    path = np.empty(num_frames, dtype=np.int64)
    for frame in range(num_frames - 1, -1, -1):
        path[frame] = state
        state -= int(steps[frame, state])
    symbols = np.flatnonzero(path % 2 == 1)
    positions = path[symbols] // 2
    first = symbols[np.searchsorted(positions, np.arange(len(ids)), side="left")]
    last = symbols[np.searchsorted(positions, np.arange(len(ids)), side="right") - 1]
    return Alignment(first, last, log_probability)


def occupancy(log_probabilities: LogProbabilities, ids: Ids, blank: int) -> Occupancy:
    """The probability of a sequence over all paths, and of each of its symbols in each frame (forward–backward).

    Args and errors: see `viterbi`.
    """
    _, skips, emissions = _lattice(log_probabilities, ids, blank)
    forward = _forward(emissions, skips)
    # The lattice read from its end is a lattice too; its state s may skip where the state s + 2 of this one may.
    reversed_skips = np.zeros_like(skips)
    reversed_skips[2:] = skips[2:][::-1]
    backward = _forward(emissions[::-1, ::-1], reversed_skips)[::-1, ::-1]
    total = float(np.logaddexp.reduce(forward[-1, -2:]))
    if not np.isfinite(total):
        return Occupancy(total, np.zeros((len(emissions), len(ids))))
    # Both sums contain the emission of the frame itself.
    joint = forward + backward - np.where(np.isfinite(emissions), emissions, 0.0)
    return Occupancy(total, np.exp(joint[:, 1::2] - total))


def log_likelihood(log_probabilities: LogProbabilities, ids: Ids, blank: int) -> float:
    """Natural logarithm of the probability of a sequence; see `viterbi`."""
    _, skips, emissions = _lattice(log_probabilities, ids, blank)
    return float(np.logaddexp.reduce(_forward(emissions, skips)[-1, -2:]))


def _lattice(
    log_probabilities: LogProbabilities, ids: Ids, blank: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], Float64]:
    """The label of each state, whether a state may be entered from two states before, and (frames, states)
    log-probabilities."""
    given = np.asarray(log_probabilities, dtype=np.float64)
    symbols = np.asarray(ids, dtype=np.int64)
    if given.ndim != 2 or not 0 <= blank < given.shape[1]:
        raise TaskError(
            f"log-probabilities must be (frames, labels) with the blank among the labels, got the shape {given.shape} "
            f"and blank {blank}"
        )
    wrong = symbols[(symbols < 0) | (symbols >= given.shape[1]) | (symbols == blank)]
    if len(wrong):
        raise TaskError(
            f"label {int(wrong[0])} cannot be aligned: it is the blank, or not one of the {given.shape[1]} labels"
        )
    needed = max(frames_needed(symbols), 1)
    if len(given) < needed:
        raise TaskError(
            f"the recording has {len(given)} frames and the text needs at least {needed}; it is too short",
            TOO_SHORT,
        )
    states = np.full(2 * len(symbols) + 1, blank, dtype=np.int64)
    states[1::2] = symbols
    skips = np.zeros(len(states), dtype=np.bool_)
    skips[3::2] = symbols[1:] != symbols[:-1]
    return states, skips, given[:, states]


def _forward(emissions: Float64, skips: NDArray[np.bool_]) -> Float64:
    """(frames, states) log-probability of all beginnings of paths that are in a state at a frame."""
    num_frames, num_states = emissions.shape
    forward = np.full((num_frames, num_states), -np.inf)
    forward[0, :2] = emissions[0, :2]
    may_skip = np.where(skips[2:], 0.0, -np.inf)
    for frame in range(1, num_frames):
        before, now = forward[frame - 1], forward[frame]
        now[0] = before[0]
        now[1:] = np.logaddexp(before[1:], before[:-1])
        now[2:] = np.logaddexp(now[2:], before[:-2] + may_skip)
        now += emissions[frame]
    return forward
