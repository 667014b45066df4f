"""Why a row cannot be learnt from, by a recipe or by a single task. Loads no torch. Next: `stages/check.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from soritune.audio.augment.chain import Chain
from soritune.corpus.audio_hashes import SAMPLE_RATE_HZ
from soritune.corpus.checks import ON_PURPOSE
from soritune.corpus.row_check import MadeBy, RowFault, RowProblem, TextOf
from soritune.corpus.utterance import Utterance
from soritune.errors import SorituneError, TaskError, TextError, WrongSettingError
from soritune.geometry import Geometry
from soritune.models.config import ModelConfig
from soritune.models.encoders.encoder import geometry_of
from soritune.models.pretrained import architecture_of
from soritune.recipe import Recipe
from soritune.tasks.inputs.input import encode_inputs, inputs_of, missing_inputs, values_in_row
from soritune.tasks.objectives.objective import check_output, cropping_fault, objective_of
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task
from soritune.training.phases import resolve_phases

_INVALID = "row-invalid"
"""Kind of a row that a task refuses without naming a kind."""


def pronounced_text(tasks: Sequence[Task]) -> TextOf:
    """A function that gives the text from which one of the tasks derives the phones of a row, or None."""
    return MadeBy(_pronounced_text, tuple(tasks))


def _pronounced_text(tasks: Sequence[Task]) -> TextOf:
    def text_of(utterance: Utterance) -> str | None:
        return next((text for task in tasks if (text := task.pronounced_text(utterance)) is not None), None)

    return text_of


def task_problem(task: Task, geometry: Geometry | None = None) -> RowProblem:
    """A function that states why a row is unusable for a task: a missing field, an unknown label, or no target.

    With the geometry of an encoder, also a target that its frames cannot spell.
    """
    return MadeBy(_task_problem, task, geometry)


def _task_problem(task: Task, geometry: Geometry | None) -> RowProblem:
    specs = {spec.name: spec for spec in task.outputs}

    def problem(utterance: Utterance) -> RowFault | None:
        """The first fault of a row."""
        missing = [
            field
            for field in task.needed_fields
            if getattr(utterance, field, utterance.extra.get(field)) is None
        ]
        if missing:
            reason = f"has no {', '.join(missing)}, which the task {task.name} needs"
            return RowFault(reason, f"field-missing:{', '.join(missing)}")
        try:
            targets = task.targets(utterance)
        except WrongSettingError as error:
            raise WrongSettingError(f"utterance '{utterance.id}': {error}") from error
        except (TaskError, TextError) as error:
            return RowFault(str(error), error.kind or _INVALID)
        known = {name: target for name, target in targets.items() if target is not None}
        if known and geometry is None:
            return None
        if known and geometry is not None:
            frames = geometry.num_frames(int(utterance.duration_s * geometry.sample_rate_hz))
            faults = {
                name: objective_of(specs[name]).row_fault(specs[name], target, frames)
                for name, target in known.items()
            }
            first = next(iter(faults))
            unlearnable = RowFault(str(faults[first]), f"target-unlearnable:{first}")
            return None if None in faults.values() else unlearnable
        if task.leaves_out(utterance):
            return _left_out_on_purpose([task], utterance)
        absence = task.missing_label_reason(utterance)
        reasons = [f"has no target for the task {task.name}", *([absence] if absence else [])]
        return RowFault("; ".join(reasons), "label-missing")

    return problem


def _left_out_on_purpose(tasks: Sequence[Task], utterance: Utterance) -> RowFault:
    """The fault of a row that settings leave out."""
    named = next(task for task in tasks if task.leaves_out(utterance))
    if (reason := named.missing_label_reason(utterance)) is not None:
        return RowFault(f"{reason}, which tasks.{named.name} leaves out on purpose", ON_PURPOSE)
    label = getattr(utterance, named.label_field or "", None)
    return RowFault(f"has the label '{label}', which tasks.{named.name} leaves out on purpose", ON_PURPOSE)


def geometry_of_encoder(name: str) -> Geometry:
    """How samples at 16 kHz become frames in a model, by its name as in `model.encoder`.

    Raises:
        ModelError, BundleError: it cannot be found.
    """
    return geometry_of(architecture_of(ModelConfig(encoder=name)), SAMPLE_RATE_HZ, name)


def row_problem(recipe: Recipe) -> RowProblem:
    """A function that states why a row cannot be learnt from, or gives None.

    A row needs a target for one of the outputs. The target must be one that the output's objective can learn in the
    number of frames at the fastest speed; a row with a target that follows time must not be cropped.

    Raises:
        SorituneError: a task declares an output in a way that its objective refuses.
    """
    return MadeBy(_row_problem, recipe)


def _row_problem(recipe: Recipe) -> RowProblem:
    tasks = recipe.make_tasks()
    outputs = [spec for task in tasks for spec in task.outputs]
    for spec in outputs:
        check_output(spec)
    inputs = inputs_of(tasks)
    names = " or ".join(task.name for task in tasks)
    count_frames = _frame_counter(recipe)
    excess = _excess(recipe)

    def target_fault(spec: OutputSpec, target: NDArray[Any], utterance: Utterance) -> RowFault | None:
        limit = recipe.preprocessing.max_duration_s
        if limit is not None and recipe.preprocessing.crops(utterance.duration_s):
            reason = cropping_fault(spec, utterance.duration_s, limit)
            if reason is not None:
                return RowFault(reason, f"target-cropped:{spec.name}")
        reason = objective_of(spec).row_fault(spec, target, count_frames(utterance.duration_s))
        return None if reason is None else RowFault(reason, f"target-unlearnable:{spec.name}")

    def problem(utterance: Utterance) -> RowFault | None:
        """The first fault of a row."""
        too_long = excess(utterance.duration_s)
        if too_long is not None:
            return RowFault(too_long, "too-long-for-encoder")
        faults, targets, absences = [], dict[str, NDArray[Any] | None](), list[str]()
        values = values_in_row(inputs, utterance)
        try:
            encode_inputs(inputs, values)
            for task in tasks:
                missing = missing_inputs(task, values)
                if missing:
                    columns = {spec.name: spec.column for spec in task.inputs}
                    absences += [
                        f"{task.name} needs the input '{name}' (column {columns[name]})" for name in missing
                    ]
                else:
                    targets |= task.targets(utterance)
        except WrongSettingError as error:
            raise WrongSettingError(f"utterance '{utterance.id}': {error}") from error
        except SorituneError as error:
            return RowFault(str(error), error.kind or _INVALID)
        for spec in outputs:
            target = targets.get(spec.name)
            if target is not None:
                fault = target_fault(spec, target, utterance)
                if fault is None:
                    return None
                faults.append(fault)
        absences += [f"{task.name}: {why}" for task in tasks if (why := task.missing_label_reason(utterance))]
        if faults:
            return faults[0]
        if any(task.leaves_out(utterance) for task in tasks):
            return _left_out_on_purpose(tasks, utterance)
        return RowFault("; ".join([f"has no label for {names}", *absences]), "label-missing")

    return problem


def geometry_of_recipe(recipe: Recipe) -> Geometry:
    """How samples become frames in the model that the recipe trains; loads no torch and no weights.

    Raises:
        ModelError, BundleError: the encoder cannot be found, or cannot work at the recipe's sample rate.
    """
    architecture = architecture_of(recipe.model)
    source = recipe.model.starts_from or "model.architecture"
    return geometry_of(architecture, recipe.preprocessing.sample_rate_hz, source)


def _frame_counter(recipe: Recipe) -> Callable[[float], int]:
    """Seconds to encoder frames at the fastest speed of any phase."""
    geometry = geometry_of_recipe(recipe)
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    fastest = max(1.0, *(Chain.of(phase.augment).fastest for phase in phases))

    def frames(seconds: float) -> int:
        return geometry.num_frames(int(seconds / fastest * geometry.sample_rate_hz))

    return frames


def _excess(recipe: Recipe) -> Callable[[float], str | None]:
    """Seconds of a clip to the reason why the encoder cannot take it at the slowest speed of any phase, or None."""
    geometry, limit = geometry_of_recipe(recipe), recipe.preprocessing.max_duration_s
    phases = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    slowest = min(1.0, *(Chain.of(phase.augment).slowest for phase in phases))
    longest_s = slowest * geometry.longest_samples / geometry.sample_rate_hz

    def reason(seconds: float) -> str | None:
        if seconds <= longest_s or (
            limit is not None and recipe.preprocessing.crops(seconds) and limit <= longest_s
        ):
            return None
        slowed = "" if slowest == 1 else " when it is slowed down by the augmentations"
        return (
            f"lasts {seconds:.1f} s, and the encoder takes {longest_s:.1f} s at most{slowed}; cut the recording, or "
            f"set preprocessing.max_duration_s={math.floor(longest_s)}"
        )

    return reason
