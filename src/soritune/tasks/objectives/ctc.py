"""CTC (Graves et al. 2006): a sequence of labels without times, from a label or the blank per frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError
from soritune.tasks.objectives.objective import ConstantGuess, Objective, PaddedTargets
from soritune.tasks.objectives.probabilities import Float32Array, log_softmax
from soritune.tasks.objectives.symbol_ids import ids_fault, padded_ids
from soritune.tasks.specs import OutputSpec, Resolution

SAME_SYMBOL = ({"[UNK]", "<unk>", "<UNK>"}, {"|", "<space>", " "}, {"<s>", "[CLS]"}, {"</s>", "[SEP]"})
"""Spellings of one special symbol in CTC vocabularies."""
BLANKS = ("[PAD]", "<pad>", "<PAD>", "<blank>", "<blk>")
"""Names of the CTC blank in vocabularies."""
SPECIAL = frozenset(symbol for group in SAME_SYMBOL for symbol in group) | frozenset(BLANKS)


def blank_of(spec: OutputSpec) -> int:
    """Index of the blank among the labels."""
    return int(spec.options.get("blank", 0))


def _blank_label(spec: OutputSpec) -> str:
    return spec.labels[blank_of(spec)]


class Ctc(Objective):
    """Target: label ids (symbols,) int64 without blanks. Options: `blank`, its index (0).

    Count: target symbols. Decoded: log-probabilities (frames, labels).
    """

    resolutions: ClassVar[tuple[Resolution, ...]] = ("frame",)
    needs_decoder: ClassVar[bool] = True
    is_smoothed: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ("blank",)

    def check_options(self, spec: OutputSpec) -> None:
        """The blank must be the index of a label."""
        blank = spec.options.get("blank", 0)
        if not isinstance(blank, int) or isinstance(blank, bool) or not 0 <= blank < len(spec.labels):
            raise TaskError(
                f"output '{spec.name}' has blank {blank!r}; it must be the index of one of its "
                f"{len(spec.labels)} labels"
            )

    def blank_of(self, spec: OutputSpec) -> int:
        """The option `blank`."""
        return blank_of(spec)

    def target_fault(self, spec: OutputSpec, target: NDArray[Any]) -> str | None:
        """A wrong shape or type, ids that no label has, a blank among them, or no symbol."""
        ids, blank = np.asarray(target), blank_of(spec)
        if ids.shape == (0,):
            return f"its {spec.name} label has no symbol"
        fault = ids_fault(spec, ids, blank)
        return None if fault is None else f"its {spec.name} target cannot be used: {fault}"

    def frames_needed(self, spec: OutputSpec, target: NDArray[Any]) -> int:
        """One per symbol, and a blank between equal neighbours (Graves et al. 2006, §3.1)."""
        ids = np.asarray(target)
        return len(ids) + int((ids[1:] == ids[:-1]).sum())

    def row_fault(self, spec: OutputSpec, target: NDArray[Any], num_frames: int) -> str | None:
        """As for any objective; the message states the number of symbols too."""
        fault = self.target_fault(spec, target)
        needed = 0 if fault else self.frames_needed(spec, target)
        if needed > num_frames:
            return f"{len(target)} {spec.name} symbols need {needed} frames, there are {num_frames}"
        return fault

    def pad(
        self,
        spec: OutputSpec,
        targets: Sequence[NDArray[Any] | None],
        num_frames: NDArray[np.int64],
        *,
        label_smoothing: float = 0.0,
    ) -> PaddedTargets:
        """`values` (batch, symbols) int64; `lengths` in symbols; `label_smoothing` is ignored."""
        return padded_ids(targets)

    def weighted_mean(self, parts: NDArray[np.float64], shares: NDArray[np.float64]) -> Float32Array:
        """Log-probabilities are averaged and normalised: a mean of probabilities blurs peaks a frame apart."""
        return log_softmax(np.tensordot(shares, parts, axes=1))

    def constant_guess(self, spec: OutputSpec) -> ConstantGuess:
        """No symbol in any utterance."""
        return ConstantGuess("empty", (("nothing is recognised in any utterance", self.empty_output(spec)),))

    def same_meaning(self, first: OutputSpec, second: OutputSpec) -> bool:
        """The blank must be the same label; its index may differ."""
        return super().same_meaning(first, second) and _blank_label(first) == _blank_label(second)

    def description(self, spec: OutputSpec) -> str:
        """Objective, resolution and the label of the blank."""
        return f"{super().description(spec)} with the blank '{_blank_label(spec)}'"

    def matching_rows(self, spec: OutputSpec, other: OutputSpec) -> list[int | None]:
        """The blank is matched by its role, other labels by symbol. No label matches if only special symbols would."""
        row_of = {label: row for row, label in enumerate(other.labels)}
        blank, other_blank = blank_of(spec), blank_of(other)
        rows: list[int | None] = []
        for index, label in enumerate(spec.labels):
            if index == blank:
                rows.append(other_blank)
                continue
            row = row_of.get(label)
            if row is None:
                spellings = (spelling for group in SAME_SYMBOL if label in group for spelling in group)
                row = next((row_of[spelling] for spelling in spellings if spelling in row_of), None)

            # The blank of the other head is not a symbol here.
            rows.append(None if row == other_blank else row)
        kept = {label for label, row in zip(spec.labels, rows, strict=True) if row is not None}
        return rows if kept - SPECIAL else [None] * len(rows)


OBJECTIVE = Ctc()
