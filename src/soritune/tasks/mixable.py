"""The outputs and inputs that cannot be averaged over utterances, as MixUp does (`audio/augment/mixing.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from soritune.tasks.inputs.input import inputs_of
from soritune.tasks.objectives.objective import unmixable
from soritune.tasks.task import Task


def unmixable_parts(tasks: Sequence[Task]) -> list[str]:
    """A clause on each output and each input beside the waveform that cannot be averaged."""
    outputs = unmixable(spec for task in tasks for spec in task.outputs)
    return [
        *(
            f"the output '{name}' is trained by {objective}, whose targets cannot be mixed"
            for name, objective in outputs.items()
        ),
        *(
            f"the input '{spec.name}' of a row cannot be mixed with another row's"
            for spec in inputs_of(tasks)
        ),
    ]
