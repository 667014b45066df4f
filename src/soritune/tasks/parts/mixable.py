"""What of a run cannot be averaged over utterances, as MixUp does; `audio/augment/mixing.py` refuses it."""

from __future__ import annotations

from collections.abc import Sequence

from soritune.tasks.inputs.input import inputs_of
from soritune.tasks.objectives.objective import unmixable
from soritune.tasks.task import Task


def unmixable_parts(tasks: Sequence[Task]) -> list[str]:
    """Outputs whose targets, and inputs beside the waveform whose values, cannot be averaged; each as a clause."""
    outputs = unmixable(spec for task in tasks for spec in task.outputs)
    return [
        *(
            f"the output '{name}' is trained by {how}, whose targets cannot be mixed"
            for name, how in outputs.items()
        ),
        *(
            f"the input '{spec.name}' of a row cannot be mixed with another row's"
            for spec in inputs_of(tasks)
        ),
    ]
