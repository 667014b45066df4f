"""Losses and rates of a model on validation rows. Logits are decoded and dropped batch by batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from soritune.draws import Draws
from soritune.models.losses.loss import log_probabilities
from soritune.models.model import SpeechModel
from soritune.tasks.inputs.input import blind_outputs, missing_inputs, values_in_row
from soritune.tasks.objectives.objective import is_time_aligned
from soritune.tasks.objectives.probabilities import non_finite_output
from soritune.tasks.results import Counts, Pair, add_counts
from soritune.tasks.task import Task
from soritune.training.batches.collate import Collator
from soritune.training.batches.loader import load_batches
from soritune.training.batches.plan import plan_evaluation
from soritune.training.losses import losses
from soritune.training.out_of_memory import explain_out_of_memory


@dataclass(frozen=True, slots=True)
class Validation:
    """Values by name: "loss", "loss/<output>", "<task>/<rate>"."""

    values: dict[str, float]
    num_rows: int
    num_failed: int


@torch.no_grad()
def validate(
    model: SpeechModel,
    tasks: Sequence[Task],
    collator: Collator,
    rows: NDArray[np.int64],
    durations_s: NDArray[np.float64],
    *,
    padded_seconds: float,
    num_workers: int | None,
    accelerator: Accelerator,
) -> Validation:
    """Evaluates `model` on `rows`; every process takes its share, and all get the same result.

    Args:
        model: with the weights to evaluate.
        tasks: decode and count.
        collator: without augmentation.
        rows: manifest rows.
        durations_s: of `rows`.
        padded_seconds: budget of a micro-batch.
        num_workers: loader processes, as `batches.num_workers`.
        accelerator: where the model is.
    """
    plan = plan_evaluation(rows, durations_s, padded_seconds=padded_seconds)
    indices = range(accelerator.process_index, plan.num_micro_batches, accelerator.num_processes)
    was_training = model.training
    model.eval()
    sums = {spec.name: np.zeros(2) for spec in model.outputs}
    counts: dict[str, Counts] = {}
    failed = 0
    for batch in load_batches(plan, collator, Draws(0, 0, 0), list(indices), num_workers=num_workers):
        failed += len(batch.failed)
        batch = batch.to(accelerator.device)
        explained = explain_out_of_memory(
            "evaluation",
            [batch],
            collator.manifest,
            collator.preprocessing.sample_rate_hz,
            advice=f"lower batches.evaluation_padded_seconds, now {padded_seconds:g}",
        )
        with explained, accelerator.autocast():
            output, by_output = losses(model, batch)
        for name, loss in by_output.items():
            sums[name] += (float(loss.total), batch.targets[name].count)
        scores = {
            spec.name: log_probabilities(spec, output.logits[spec.name]).cpu().numpy()
            for spec in model.outputs
        }
        frames = output.num_frames.cpu().numpy()
        counted_rows, undecodable = _count_rows(
            tasks, collator, batch.rows, scores, frames, model, batch.unread
        )
        failed += undecodable
        for name, counted in counted_rows:
            counts[name] = add_counts([counts.get(name, {}), counted])
    model.train(was_training)
    return _summarise(model, tasks, sums, counts, len(rows), failed, accelerator)


def _count_rows(
    tasks: Sequence[Task],
    collator: Collator,
    rows: NDArray[np.int64],
    scores: dict[str, NDArray[np.float32]],
    num_frames: NDArray[np.int64],
    model: SpeechModel,
    unread: frozenset[int],
) -> tuple[list[tuple[str, Counts]], int]:
    """(task, counts) of every row and every task that can be evaluated on it, and how many rows have outputs that are
    not finite."""
    per_frame = {spec.name: spec.per_frame for spec in model.outputs}
    counted: list[tuple[str, Counts]] = []
    undecodable = 0
    for i, row in enumerate(rows):
        if int(row) in unread:
            continue
        utterance = collator.manifest.utterance(int(row))
        outputs = {
            name: value[i, : num_frames[i]] if per_frame[name] else value[i] for name, value in scores.items()
        }
        if non_finite_output(outputs) is not None:
            undecodable += 1
            continue
        values = values_in_row(collator.read.inputs, utterance)
        for name in blind_outputs(model.outputs, values):
            del outputs[name]
        is_cropped = collator.preprocessing.crops(utterance.duration_s)
        for task in tasks:
            # What was cut off cannot be compared with the whole reference; prediction takes long files in windows.
            is_unusable = missing_inputs(task, values) or (
                is_cropped and any(map(is_time_aligned, task.outputs))
            )
            reference = None if is_unusable else task.reference(utterance)
            if reference is not None:
                pair = Pair(utterance.id, reference, task.decode(outputs, task.prompt_of(utterance)))
                counted.append((task.name, task.count(pair)))
    return counted, undecodable


def _summarise(
    model: SpeechModel,
    tasks: Sequence[Task],
    sums: dict[str, NDArray[np.float64]],
    counts: dict[str, Counts],
    num_rows: int,
    failed: int,
    accelerator: Accelerator,
) -> Validation:
    if accelerator.num_processes > 1:
        from accelerate.utils import gather_object

        parts = gather_object([(sums, counts, failed)])
        sums = {name: sum((part[0][name] for part in parts), np.zeros(2)) for name in sums}
        counts = {task.name: add_counts(part[1].get(task.name, {}) for part in parts) for task in tasks}
        failed = sum(part[2] for part in parts)
    values: dict[str, float] = {}
    total = math.nan
    for spec in model.outputs:
        loss, count = sums[spec.name]
        mean = float(loss / count) if count else math.nan
        values[f"loss/{spec.name}"] = mean
        if count:
            total = spec.weight * mean + (0.0 if math.isnan(total) else total)
    for task in tasks:
        summed = counts.get(task.name, {})
        values |= {f"{task.name}/{name}": value for name, value in task.rates(summed).items()}
    return Validation({"loss": total, **values}, num_rows, failed)
