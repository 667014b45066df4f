"""Alignment of a known sequence with a CTC output: its probability, its best path, and the frames of each symbol.

The model gives log-probabilities (frames, labels). A path has one label per frame; removing repeats and then blanks
gives the sequence (Graves et al. 2006). The states of a sequence of n symbols are blank, symbol 1, blank, …, symbol n,
blank: 2n + 1 states, where a symbol may follow another one directly if the two differ. Next: `assessment/gop.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soritune.assessment.limits import check_size, check_stop
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
    given, states, skips = _lattice(log_probabilities, ids, blank)
    num_frames, num_states = len(given), len(states)
    if num_states == 1:
        none = np.zeros(0, dtype=np.int64)
        return Alignment(none, none, float(given[:, blank].sum(dtype=np.float64)))
    best = np.full(num_states, -np.inf)
    best[:2] = given[0, states[:2]]
    steps = np.zeros((num_frames, num_states), dtype=np.int8)
    moves = np.full((3, num_states), -np.inf)
    for frame in range(1, num_frames):
        check_stop()
        moves[0] = best
        moves[1, 1:] = best[:-1]
        moves[2, 2:] = np.where(skips[2:], best[:-2], -np.inf)
        steps[frame] = moves.argmax(axis=0)
        best = moves.max(axis=0) + given[frame, states]
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
    given, states, skips = _lattice(log_probabilities, ids, blank)
    forward = np.stack(list(_forward(given, states, skips)))
    # The lattice read from its end is a lattice too; its state s may skip where the state s + 2 of this one may.
    reversed_skips = np.zeros_like(skips)
    reversed_skips[2:] = skips[2:][::-1]
    backward = np.stack(list(_forward(given[::-1], states[::-1], reversed_skips)))[::-1, ::-1]
    total = float(np.logaddexp.reduce(forward[-1, -2:]))
    if not np.isfinite(total):
        return Occupancy(total, np.zeros((len(given), len(ids))))
    # Both sums contain the emission of the frame itself.
    emissions = given[:, states].astype(np.float64)
    joint = forward + backward - np.where(np.isfinite(emissions), emissions, 0.0)
    return Occupancy(total, np.exp(joint[:, 1::2] - total))


def log_likelihood(log_probabilities: LogProbabilities, ids: Ids, blank: int) -> float:
    """Natural logarithm of the probability of a sequence; see `viterbi`."""
    given, states, skips = _lattice(log_probabilities, ids, blank)
    (last,) = deque(_forward(given, states, skips), maxlen=1)
    return float(np.logaddexp.reduce(last[-2:]))


def _lattice(
    log_probabilities: LogProbabilities, ids: Ids, blank: int
) -> tuple[LogProbabilities, NDArray[np.int64], NDArray[np.bool_]]:
    """(frames, labels) log-probabilities, the label of each state, and whether a state may be entered from two states
    before. (frames, states) would be 300 MB for two minutes of speech, so a caller takes the states frame by frame."""
    given = np.asarray(log_probabilities)
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
    check_size(len(given), len(symbols))
    states = np.full(2 * len(symbols) + 1, blank, dtype=np.int64)
    states[1::2] = symbols
    skips = np.zeros(len(states), dtype=np.bool_)
    skips[3::2] = symbols[1:] != symbols[:-1]
    return given, states, skips


def _forward(
    given: LogProbabilities, states: NDArray[np.int64], skips: NDArray[np.bool_]
) -> Iterator[Float64]:
    """Frame by frame, (states,) log-probability of all beginnings of paths that are in a state at the frame."""
    before = np.full(len(states), -np.inf)
    before[:2] = given[0, states[:2]]
    yield before
    may_skip = np.where(skips[2:], 0.0, -np.inf)
    for frame in range(1, len(given)):
        check_stop()
        now = np.empty_like(before)
        now[0] = before[0]
        now[1:] = np.logaddexp(before[1:], before[:-1])
        now[2:] = np.logaddexp(now[2:], before[:-2] + may_skip)
        now += given[frame, states]
        yield now
        before = now
