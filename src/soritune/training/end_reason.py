"""Why a phase or a run ended. Torch-free."""

from __future__ import annotations

from enum import StrEnum


class EndReason(StrEnum):
    """The values of `stopped` in train.jsonl, in the results of a training and in checkpoints."""

    END = "end"
    """All epochs were trained."""
    EARLY = "early"
    """Early stopping."""
    MAX_STEPS = "max_steps"
    """`train.max_steps` was reached inside an epoch or before the last one."""
    INTERRUPTED = "interrupted"
    """Ctrl-C or SIGTERM; the run can be resumed."""

    @property
    def text(self) -> str:
        """The reason for people, as the beginning of a sentence."""
        texts = {
            EndReason.END: "finished",
            EndReason.EARLY: "stopped early, because nothing improved,",
            EndReason.MAX_STEPS: "stopped by train.max_steps",
            EndReason.INTERRUPTED: "interrupted",
        }
        return texts[self]
