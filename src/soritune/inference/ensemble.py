"""The models of a predictor, and when several may be averaged. Next: `inference/predictor.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.calibration import KEY, BundleCalibration
from soritune.bundles.card import Bundle
from soritune.bundles.speaker_norm import TrainingFeatures
from soritune.errors import BundleError
from soritune.geometry import Geometry
from soritune.inference.backends.backend import Backend
from soritune.korean.hangul import composed
from soritune.settings import first_fault
from soritune.tasks.inputs.input import inputs_of
from soritune.tasks.objectives.objective import objective_of, same_meaning
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a predictor."""

    name: str
    card: Mapping[str, Any]
    tasks: tuple[Task, ...]
    preprocessing: Preprocessing
    geometry: Geometry
    backend: Backend
    folder: str = ""
    """Name of the bundle's folder; in a run it distinguishes several bundles."""
    bundle_inputs: tuple[InputSpec, ...] | None = None
    """The inputs as its bundle stores them, with the folder of their files; None takes those of the tasks."""
    calibration: BundleCalibration | None = None
    """The temperatures that are applied to its outputs, and its thresholds; None leaves its outputs as they are."""
    training_features: TrainingFeatures | None = None
    """Statistics of its features in training, for normalisation per speaker."""
    path: Path | None = None
    """Folder of the bundle, if it was loaded from one."""

    @classmethod
    def of(cls, bundle: Bundle, backend: Backend, *, calibrated: bool = True) -> Member:
        """The bundle's own settings around a loaded backend; its temperatures only if `calibrated`.

        Raises:
            BundleError: the card is faulty, or its tasks name other labels than its outputs.
        """
        try:
            preprocessing = Preprocessing(**bundle.preprocessing)
        except (TypeError, ValidationError) as error:
            raise bundle.damaged("preprocessing", first_fault(error)) from error
        geometry, tasks = bundle.geometry, bundle.tasks
        card_labels = {name: _composed(labels) for name, labels in bundle.labels.items()}
        for spec in (spec for task in tasks for spec in task.outputs):
            if card_labels.get(spec.name) != _composed(spec.labels):
                raise bundle.damaged("outputs", f"not the labels that task settings give '{spec.name}'")
        if [spec.to_json() for spec in bundle.inputs] != [spec.to_json() for spec in inputs_of(tasks)]:
            raise bundle.damaged("inputs", "not those that its tasks declare")
        if geometry.sample_rate_hz != preprocessing.sample_rate_hz:
            raise bundle.damaged(
                "preprocessing",
                f"it gives {preprocessing.sample_rate_hz} Hz, the encoder's geometry is for "
                f"{geometry.sample_rate_hz} Hz",
            )
        return cls(
            bundle.name,
            bundle.card,
            tasks,
            preprocessing,
            geometry,
            backend,
            bundle.path.resolve().name,
            bundle.inputs,
            _calibration(bundle) if calibrated else None,
            bundle.training_features,
            bundle.path,
        )

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second of its outputs of resolution "frame"."""
        return self.geometry.frame_rate_hz

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What it reads beside the waveform."""
        return inputs_of(self.tasks) if self.bundle_inputs is None else self.bundle_inputs

    @property
    def outputs(self) -> dict[str, OutputSpec]:
        """Its outputs by name."""
        return {spec.name: spec for task in self.tasks for spec in task.outputs}


def _calibration(bundle: Bundle) -> BundleCalibration | None:
    """The bundle's calibration.

    Raises:
        BundleError: the card is faulty, or has a temperature of an output that is not a choice of one label.
    """
    calibration = bundle.calibration
    if calibration is not None:
        choices = {spec.name for spec in bundle.outputs if objective_of(spec).is_choice(spec)}
        others = sorted(calibration.outputs.keys() - choices)
        if others:
            raise bundle.damaged(KEY, f"'{others[0]}' is not an output with one label per utterance")
    return calibration


def _composed(labels: Sequence[str]) -> list[str]:
    """Labels with Hangul as whole syllables, however they were typed."""
    return [composed(label) for label in labels]


def joint_tasks(members: Sequence[Member]) -> tuple[Task, ...]:
    """Tasks of all members by name.

    Raises:
        BundleError: outputs with the same name and other labels, or to which their objectives give another meaning.
    """
    tasks: dict[str, Task] = {}
    owners: dict[str, tuple[str, OutputSpec]] = {}
    for member in members:
        for task in member.tasks:
            known = tasks.get(task.name)
            if known is None or len(task.outputs) > len(known.outputs):
                tasks[task.name] = task
            for spec in task.outputs:
                owner, first = owners.setdefault(spec.name, (member.name, spec))
                if set(first.labels) != set(spec.labels) or not same_meaning(first, spec):
                    raise BundleError(
                        f"bundles '{owner}' and '{member.name}' cannot be averaged: "
                        f"{_difference(first, spec)}; predict with each alone"
                    )
    joint = {spec.name for task in tasks.values() for spec in task.outputs}
    for name, (owner, _) in owners.items():
        if name not in joint:
            raise BundleError(
                f"the bundles cannot be averaged: only some of them have the output '{name}', such as '{owner}', and "
                "others have further ones; predict with each alone"
            )
    return tuple(tasks.values())


def _difference(first: OutputSpec, second: OutputSpec) -> str:
    if not same_meaning(first, second):
        meanings = " and ".join(objective_of(spec).description(spec) for spec in (first, second))
        return f"'{first.name}' has another meaning in each ({meanings})"
    only_first = [label for label in first.labels if label not in second.labels]
    only_second = [label for label in second.labels if label not in first.labels]
    parts = [", ".join(labels) or "none" for labels in (only_first, only_second)]
    return (
        f"the labels of '{first.name}' differ (only in the first: {parts[0]}; only in the second: {parts[1]})"
    )


def joint_inputs(members: Sequence[Member]) -> tuple[InputSpec, ...]:
    """The inputs beside the waveform of all members by name. Each member encodes a value by its own options.

    Raises:
        BundleError: members that take an input with the same name from different fields, or as different kinds.
    """
    inputs: dict[str, tuple[str, InputSpec]] = {}
    for member in members:
        for spec in member.inputs:
            owner, first = inputs.setdefault(spec.name, (member.name, spec))
            if _source(first) != _source(spec):
                raise BundleError(
                    f"bundles '{owner}' and '{member.name}' cannot be used together: they read the input "
                    f"'{spec.name}' as {first.encoding} from '{first.column}' and as {spec.encoding} from "
                    f"'{spec.column}'; predict with each alone"
                )
    return tuple(spec for _, spec in inputs.values())


def _source(spec: InputSpec) -> tuple[str, str, str]:
    """What must be equal in the inputs of one name: column, field of a request, and kind."""
    return spec.column, spec.request_field, spec.encoding


def label_orders(member: Member, specs: Mapping[str, OutputSpec]) -> dict[str, list[int]]:
    """Per output whose labels a member has in another order than the joint task: its column of each label."""
    return {
        name: [spec.labels.index(label) for label in specs[name].labels]
        for name, spec in member.outputs.items()
        if spec.labels != specs[name].labels
    }


def frame_rates(members: Sequence[Member], specs: Mapping[str, OutputSpec]) -> dict[str, float]:
    """Frames per second of every output of resolution "frame".

    Raises:
        BundleError: members that give the same output at different rates, which cannot be averaged.
    """
    rates: dict[str, float] = {}
    for member in members:
        for name in member.outputs:
            if not specs[name].per_frame:
                continue
            rate = rates.setdefault(name, member.frame_rate_hz)
            if rate != member.frame_rate_hz:
                raise BundleError(
                    f"the bundles give '{name}' at {rate:g} and at {member.frame_rate_hz:g} frames per second, which "
                    "cannot be averaged; predict with each alone"
                )
    return rates


def first_frames(members: Sequence[Member], specs: Mapping[str, OutputSpec]) -> dict[str, float]:
    """Where frame 0 of every output of resolution "frame" begins, in seconds; the mean over members."""
    starts: dict[str, list[float]] = {}
    for member in members:
        for name in member.outputs:
            if specs[name].per_frame:
                starts.setdefault(name, []).append(member.geometry.first_frame_s)
    return {name: sum(values) / len(values) for name, values in starts.items()}
