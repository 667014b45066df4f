"""Goodness of pronunciation without segmentation: how much better the expected phone fits than any other, or none.

Cao et al. (2025, arXiv 2507.16838), the variant SD: for the phone i of the sequence L,

    GOP = log P(L) - log( sum over phones q of P(L with i replaced by q) + P(L without i) )

where P sums over all CTC paths, so that no boundary between phones is needed. It is the logarithm of the probability of
the expected phone, given that the rest of the sequence was spoken. Sums over beginnings and ends of the sequence are
shared by all q. Each phone is scored in a window of the phones around it, so that the time grows with the length of the
text and not with its square. Restricted substitutions: Parikh et al. (2025, arXiv 2506.02080).

Shapes: slots are the symbols that are scored, gaps the places before them and after the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.assessment.alignment import Alignment, Float64, Ids, LogProbabilities, viterbi
from soritune.assessment.limits import check_stop

CONTEXT = 8
"""Symbols on each side of a phone within which it is scored."""
_BLOCK_FRAMES = 5_000
"""Places × frames that are scored at once: 5,000 of them with 50 labels are 2 MB per array."""


@dataclass(frozen=True, slots=True)
class SlotScores:
    """Log-probabilities of a sequence, and of what differs from it at one place, in the window of that place."""

    expected: Float64
    """(slots,) of the window's sequence as it is; LPP in the literature."""
    substitutions: Float64
    """(slots, labels) with the slot replaced by a label; -inf for labels that are not candidates."""
    deletions: Float64
    """(slots,) without the slot."""
    occupancy: Float64
    """(slots,) expected number of frames of the slot, given the sequence; 0 to the frames of the window."""
    insertions: Float64
    """(symbols + 1, labels) with a label inserted before a symbol, or after the last one, less the log-probability of
    the window's sequence as it is; -inf for labels that are not candidates or equal a neighbour."""

    @property
    def ratios(self) -> Float64:
        """(slots, labels + 1) log-probability of the sequence as it is, less that with each substitution and, last,
        with the deletion: the vector LPR. +inf for impossible ones."""
        given = np.concatenate([self.substitutions, self.deletions[:, None]], axis=1)
        with np.errstate(invalid="ignore"):
            ratios: Float64 = np.where(np.isneginf(given), np.inf, self.expected[:, None] - given)
            return ratios

    def probabilities(self, allowed: NDArray[np.bool_] | None = None) -> Float64:
        """(slots, labels + 1) probability of each label in its slot and, last, of none; every row sums to one.

        Args:
            allowed: (slots, labels) labels that a slot may have, the expected one among them; None allows all.
        """
        given = np.concatenate([self.substitutions, self.deletions[:, None]], axis=1)
        if allowed is not None:
            given = np.where(
                np.concatenate([allowed, np.ones((len(given), 1), bool)], axis=1), given, -np.inf
            )
        peak = given.max(axis=1, keepdims=True, initial=-np.inf)
        shares = np.exp(given - np.where(np.isfinite(peak), peak, 0.0))
        total = shares.sum(axis=1, keepdims=True)
        result: Float64 = np.divide(shares, total, out=np.full_like(shares, np.nan), where=total > 0)
        return result

    def goodness(
        self, ids: Ids, allowed: NDArray[np.bool_] | None = None, *, per_frame: bool = False
    ) -> Float64:
        """(slots,) the GOP of each slot, at most 0.

        Args:
            ids: (slots,) the expected label of each slot.
            allowed: see `probabilities`; a restriction to confusable phones gives fewer competitors.
            per_frame: divide by the expected number of frames of the slot, at least 1 ("-Norm").
        """
        shares = self.probabilities(allowed)[np.arange(len(self.expected)), np.asarray(ids, dtype=np.int64)]
        with np.errstate(divide="ignore"):
            goodness = np.log(shares)
        return goodness / np.maximum(self.occupancy, 1.0) if per_frame else goodness


def score_slots(
    log_probabilities: LogProbabilities,
    ids: Ids,
    blank: int,
    candidates: Sequence[int] | NDArray[np.int64],
    *,
    slots: Sequence[int] | NDArray[np.int64] | None = None,
    context: int | None = CONTEXT,
    alignment: Alignment | None = None,
) -> SlotScores:
    """Scores the phones of a sequence.

    Args:
        log_probabilities: (frames, labels) natural logarithms.
        ids: (symbols,) labels, without blanks.
        blank: index of the blank.
        candidates: labels that may replace a phone or be inserted.
        slots: positions in `ids` that are scored; None takes all.
        context: symbols on each side of a place that are in its window; None takes all.
        alignment: of `ids`, if it is known.

    Raises:
        TaskError: see `viterbi`.
    """
    sequence = np.asarray(ids, dtype=np.int64)
    given = np.asarray(log_probabilities, dtype=np.float64)
    path = viterbi(given, sequence, blank) if alignment is None else alignment
    chosen = np.arange(len(sequence)) if slots is None else np.asarray(slots, dtype=np.int64)
    count, reach = len(sequence), len(sequence) if context is None else context
    cuts = [_Cut(slot, slot + 1, max(0, slot - reach), min(count, slot + reach + 1)) for slot in chosen]
    cuts += [_Cut(gap, gap, max(0, gap - reach), min(count, gap + reach)) for gap in range(count + 1)]
    labels = np.asarray(candidates, dtype=np.int64)
    parts = [_scored(given, sequence, blank, labels, block) for block in _blocks(cuts, path, len(given))]
    with_label, without, frames = (np.concatenate(values) for values in zip(*parts, strict=True))
    wide = np.full((len(cuts), given.shape[1]), -np.inf)
    wide[:, labels] = with_label[:, :-1]
    num = len(chosen)
    expected = with_label[:num, -1]
    wide[np.arange(num), sequence[chosen]] = expected
    gaps = np.arange(count + 1)
    inserted = wide[num:] - np.where(np.isfinite(without[num:]), without[num:], 0.0)[:, None]
    inserted[gaps[1:], sequence] = inserted[gaps[:-1], sequence] = -np.inf
    return SlotScores(expected, wide[:num], without[:num], frames[:num], inserted)


class _Cut(NamedTuple):
    """A place in a sequence: symbols [low, start) are before it, [stop, high) after it, in frames [first, end)."""

    start: int
    stop: int
    low: int
    high: int
    first: int = 0
    end: int = 0


def _blocks(cuts: Sequence[_Cut], path: Alignment, num_frames: int) -> Iterator[list[_Cut]]:
    """The places with the frames of their windows, in blocks that fit into memory."""
    starts = np.zeros(len(path) + 1, dtype=np.int64)
    starts[-1] = num_frames
    # A window begins and ends in the middle of the blanks between two symbols.
    starts[1:-1] = (path.last_frames[:-1] + 1 + path.first_frames[1:]) // 2
    timed = [
        cut._replace(first=int(starts[cut.low]), end=int(starts[cut.high]) if cut.high else num_frames)
        for cut in cuts
    ]
    block: list[_Cut] = []
    longest = 0
    for cut in timed:
        longest = max(longest, cut.end - cut.first)
        if block and longest * (len(block) + 1) > _BLOCK_FRAMES:
            yield block
            block, longest = [], cut.end - cut.first
        block.append(cut)
    yield block


def _scored(
    log_probabilities: Float64,
    sequence: NDArray[np.int64],
    blank: int,
    labels: NDArray[np.int64],
    cuts: Sequence[_Cut],
) -> tuple[Float64, Float64, Float64]:
    """(places, labels + 1) log-probability of the window with each label at the place and, last, with the symbol that
    is there; (places,) with nothing; (places,) expected frames of the symbol that is there."""
    check_stop()
    lengths = np.array([cut.end - cut.first for cut in cuts])
    longest = int(lengths.max())
    times = np.arange(longest)
    inside = times < lengths[:, None]
    first = np.array([cut.first for cut in cuts])
    at = np.where(inside, first[:, None] + times, 0)
    from_end = np.where(inside, first[:, None] + lengths[:, None] - 1 - times, 0)
    before = [sequence[cut.low : cut.start] for cut in cuts]
    after = [sequence[cut.stop : cut.high][::-1] for cut in cuts]
    # The ends of the windows, read backwards, are beginnings too: one recursion does both.
    ends = _end_states(log_probabilities, np.concatenate([at, from_end]), [*before, *after], blank)
    left, right = ends[: len(cuts)], ends[len(cuts) :]
    remaining = np.maximum(lengths[:, None] - np.arange(longest + 1), 0)
    right = np.take_along_axis(right, remaining[:, :, None], axis=1)
    right[np.arange(longest + 1) > lengths[:, None]] = -np.inf

    last = np.array([part[-1] if len(part) else -1 for part in before])
    following = np.array([part[-1] if len(part) else -2 for part in after])
    here = np.array([sequence[cut.start] if cut.stop > cut.start else blank for cut in cuts])
    columns = np.concatenate([np.broadcast_to(labels, (len(cuts), len(labels))), here[:, None]], axis=1)
    emissions = log_probabilities[at[:, :, None], columns[:, None, :]]
    enter = _joined(left, columns != last[:, None])
    leave = _joined(right, columns != following[:, None])[:, 1:]
    inside_label = np.full(emissions.shape, -np.inf)
    state = np.full(columns.shape, -np.inf)
    for time in range(longest):
        state = np.logaddexp(state, enter[:, time]) + emissions[:, time]
        inside_label[:, time] = state
    total = _log_sum(inside_label + leave, axis=1)

    direct = np.logaddexp(left[:, :, 0], np.where(last != following, 0.0, -np.inf)[:, None] + left[:, :, 1])
    without = np.where(
        following < 0, direct[np.arange(len(cuts)), lengths], _log_sum(direct + right[:, :, 1], axis=1)
    )

    rest = np.full(len(cuts), -np.inf)
    frames = np.zeros(len(cuts))
    for time in range(longest - 1, -1, -1):
        rest = np.logaddexp(rest, leave[:, time, -1])
        with np.errstate(invalid="ignore"):
            share = np.exp(inside_label[:, time, -1] + rest - total[:, -1])
        frames += np.nan_to_num(share)
        rest = rest + emissions[:, time, -1]
    return total, without, frames


def _end_states(
    log_probabilities: Float64, at: NDArray[np.int64], parts: Sequence[NDArray[np.int64]], blank: int
) -> Float64:
    """(places, frames + 1, 2) log-probability of all paths of a part that end, after that many frames, in the blank
    behind it or in its last symbol.

    Args:
        log_probabilities: (frames, labels).
        at: (places, frames) which frame is read at each step.
        parts: the symbols of each place, in the order in which they are read.
        blank: index of the blank.
    """
    longest = max(len(part) for part in parts)
    states = np.full((len(parts), 2 * longest + 1), blank)
    skips = np.full(states.shape, -np.inf)
    now = np.full(states.shape, -np.inf)
    for row, part in enumerate(parts):  # all parts end in the last column
        begin = 2 * (longest - len(part))
        states[row, begin + 1 :: 2] = part
        skips[row, begin + 3 :: 2] = np.where(part[1:] != part[:-1], 0.0, -np.inf)
        now[row, begin] = 0.0  # before the first frame, as if a blank had been read
    ends = np.full((len(parts), at.shape[1] + 1, 2), -np.inf)
    width = min(2, states.shape[1])
    ends[:, 0, :width] = now[:, : -width - 1 : -1]
    emissions = log_probabilities[at[:, :, None], states[:, None, :]]
    for time in range(at.shape[1]):
        moved = now.copy()
        moved[:, 1:] = np.logaddexp(now[:, 1:], now[:, :-1])
        moved[:, 2:] = np.logaddexp(moved[:, 2:], now[:, :-2] + skips[:, 2:])
        now = moved + emissions[:, time]
        ends[:, time + 1, :width] = now[:, : -width - 1 : -1]
    return ends


def _joined(ends: Float64, may_touch: NDArray[np.bool_]) -> Float64:
    """(places, times, labels) blank or neighbour beside each label; a label may touch only another one."""
    touching = np.where(may_touch, 0.0, -np.inf)[:, None, :]
    return np.logaddexp(ends[:, :, :1], ends[:, :, 1:] + touching)


def _log_sum(values: Float64, axis: int) -> Float64:
    peak = values.max(axis=axis, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(values - peak).sum(axis=axis)) + peak.squeeze(axis))
