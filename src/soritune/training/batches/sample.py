"""One manifest row as arrays: the model's waveform, its other inputs, its targets. No tensors.

Random numbers depend on the utterance and the epoch alone: which process loads a row, in which order or after which
interruption makes no difference. Next: `training/batches/collate.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.augment.chain import Chain
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import Manifest
from soritune.corpus.utterance import Utterance
from soritune.draws import Draws
from soritune.errors import AudioError, SorituneError
from soritune.tasks.inputs.input import (
    blind_outputs,
    cut_inputs,
    encode_inputs,
    inputs_of,
    missing_inputs,
    values_in_row,
)
from soritune.tasks.objectives.objective import cropping_fault
from soritune.tasks.task import Task
from soritune.training.batches.state_keys import KeyedRows
from soritune.training.batches.state_store import EncodedClip


@dataclass(frozen=True, slots=True)
class Sample:
    """One visit to a row."""

    row: int
    visit: int
    """The row; for a further visit, with new random numbers, the row plus a multiple of the manifest's length."""
    waveform: NDArray[np.float32]
    """(samples,); a second of silence where the row could not be read; empty where the encoder's states are stored."""
    inputs: dict[str, NDArray[Any]] = field(default_factory=dict)
    """Output of `InputKind.encode` by the input's name; inputs that the row does not have are left out."""
    targets: dict[str, NDArray[Any] | None] = field(default_factory=dict)
    """By output; None, or left out, if the row has no such label."""
    faults: tuple[str, ...] = ()
    """Why some outputs cannot be trained on the row, although it has their labels."""
    failure: str | None = None
    """Why the row could not be read; its weight is zero then."""
    encoded: EncodedClip | None = None
    """The encoder's states, where they are stored."""

    @property
    def num_samples(self) -> int:
        """Samples of the clip, whether it has them or states."""
        return len(self.waveform) if self.encoded is None else self.encoded.num_samples


class SampleReader:
    """Reads rows.

    Args:
        manifest: where the rows are.
        tasks: declare outputs and inputs, and make targets.
        preprocessing: how audio is read.
        chain: augmentations.
        drops_inputs: whether inputs are left out of a share of the rows (`InputSpec.dropout`), and prompts are swapped
            (`Task.swapped`), as in training.
        states: stored states of the encoder, which are read in place of the audio; None reads the audio.

    Attributes:
        inputs: the inputs of all tasks, each once.

    Raises:
        TaskError: inputs of two tasks contradict each other.
    """

    def __init__(
        self,
        manifest: Manifest,
        tasks: Sequence[Task],
        preprocessing: Preprocessing,
        chain: Chain,
        *,
        drops_inputs: bool = False,
        states: KeyedRows | None = None,
    ) -> None:
        self.states = states
        self.manifest, self.tasks = manifest, tuple(tasks)
        self.preprocessing, self.chain = preprocessing, chain
        self.inputs = inputs_of(self.tasks)
        self.outputs = tuple(spec for task in self.tasks for spec in task.outputs)
        self.drops_inputs = drops_inputs
        self._dropouts = {spec.name: spec.dropout for spec in self.inputs}

    def __call__(self, visit: int, draws: Draws) -> Sample:
        """The sample of a visit; a row that cannot be read becomes silence with the reason in `failure`."""
        row = visit % len(self.manifest)
        try:
            return self._read(row, visit, draws)
        except SorituneError as error:
            reason = error.reason if isinstance(error, AudioError) else str(error)
            silence = np.zeros(self.preprocessing.sample_rate_hz, np.float32)
            return Sample(row, visit, silence, failure=reason)

    def _is_dropped(self, name: str, visit: int, draws: Draws) -> bool:
        """Whether a visit goes without the input `name`; a function of seed, phase, epoch and visit."""
        rng = draws.for_rows(f"input.{name}", np.array([visit], dtype=np.int64))
        return bool(rng.occurs(self._dropouts[name])[0])

    def _read(self, row: int, visit: int, draws: Draws) -> Sample:
        utterance = self.manifest.utterance(row)
        if self.states is None:
            encoded, waveform = None, self._read_audio(utterance, visit, draws)
        else:
            encoded, waveform = self.states(visit, draws.epoch), np.zeros(0, np.float32)
        values = values_in_row(self.inputs, utterance)
        lacking = {task.name for task in self.tasks if missing_inputs(task, values)}
        if self.drops_inputs:
            values = {
                name: value for name, value in values.items() if not self._is_dropped(name, visit, draws)
            }
        targets: dict[str, NDArray[Any] | None] = {}
        for task in self.tasks:
            # A task is not trained on a row that lacks one of its required inputs.
            if task.name not in lacking:
                targets.update(task.targets(utterance))
        if self.drops_inputs:
            for task in self.tasks:
                if task.swaps_prompts and task.name not in lacking:
                    changed, labels = self._swapped(task, utterance, visit, draws)
                    values |= changed
                    targets |= labels
        targets |= dict.fromkeys(blind_outputs(self.outputs, values))
        inputs = encode_inputs(self.inputs, values)
        faults: list[str] = []
        limit = self.preprocessing.max_duration_s
        if limit is not None and self.preprocessing.crops(utterance.duration_s):
            # An input along time is cut like the sound, to a millisecond.
            kept_ms, whole_ms = max(round(limit * 1000), 1), max(round(utterance.duration_s * 1000), 1)
            inputs = cut_inputs(self.inputs, inputs, 0, min(kept_ms, whole_ms), whole_ms)
            for spec in self.outputs:
                fault = cropping_fault(spec, utterance.duration_s, limit)
                if fault is not None and targets.get(spec.name) is not None:
                    targets[spec.name] = None
                    faults.append(f"{spec.name}: {fault}")
        return Sample(row, visit, waveform, inputs, targets, tuple(faults), encoded=encoded)

    def _swapped(
        self, task: Task, utterance: Utterance, visit: int, draws: Draws
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any] | None]]:
        """What a task changes in a row with the prompt of another row, which is drawn for each visit."""
        generator = draws.generator(f"prompt.{task.name}", visit)
        other = self.manifest.utterance(int(generator.integers(len(self.manifest))))
        return task.swapped(utterance, other, generator)

    def _read_audio(self, utterance: Utterance, visit: int, draws: Draws) -> NDArray[np.float32]:
        """The samples of a visit, augmented and normalised."""
        waveform = self.preprocessing.read(
            self.manifest.audio_path(utterance),
            start_s=utterance.start_s,
            duration_s=utterance.duration_s if utterance.start_s is not None else None,
            channel=utterance.channel,
            pcm=utterance.pcm,
        )
        waveform = self.chain.apply(waveform, self.preprocessing.sample_rate_hz, visit, draws)
        return self.preprocessing.finish(waveform)
