"""What every objective must do, in both halves. A new one is tested as soon as `TARGETS` has a line for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from soritune.errors import TaskError
from soritune.models.losses.loss import LossSum, log_probabilities, loss_sum
from soritune.registry import members
from soritune.tasks.objectives.objective import Objective, PaddedTargets, check_output, objective_of
from soritune.tasks.specs import OutputSpec

OBJECTIVES: dict[str, Objective] = {
    name.replace("-", "_"): member
    for name, member in members("soritune.tasks.objectives", "OBJECTIVE").items()
}
LABELS = tuple("abcde")
FRAMES = np.array([9, 6, 4, 7])
ENTRIES = (3, 6, None, 20)
"""Entries of each row's target along time, fewer and more than its frames; None: a row without a target."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]]


def _symbols(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    return rng.integers(1, len(LABELS), size=min(shape[0], 3))


def _mass(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    return rng.dirichlet(np.ones(len(LABELS)), size=shape[:-1]).astype(np.float32)


TARGETS: dict[str, tuple[Draw, dict[str, Any]]] = {
    "ctc": (_symbols, {"blank": 0}),
    "cross_entropy": (_mass, {"class_weights": [0.5, 1.0, 2.0, 0.0, 1.5]}),
    "multi_label": (lambda rng, shape: rng.random(shape), {}),
    "regression": (lambda rng, shape: rng.normal(size=shape), {}),
    "kl_divergence": (_mass, {"temperature": 2.0}),
    "phone_slots": (_symbols, {"blank": 0, "symbols": 7}),
}
"""Objective to a draw of one target, (entries, labels) or (labels,), and options of the output."""
CASES = [(name, resolution) for name in sorted(OBJECTIVES) for resolution in OBJECTIVES[name].resolutions]


class Case(NamedTuple):
    """An output, a batch of four rows of which the third has no target, and logits for it."""

    spec: OutputSpec
    targets: list[NDArray[Any] | None]
    padded: PaddedTargets
    logits: Tensor

    def loss(self, logits: Tensor | None = None, values: Tensor | None = None) -> LossSum:
        return loss_sum(
            self.spec,
            self.logits if logits is None else logits,
            torch.from_numpy(FRAMES),
            torch.from_numpy(self.padded.values) if values is None else values,
            torch.from_numpy(self.padded.lengths),
            torch.from_numpy(self.padded.present),
        )


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]} per {case[1]}")
def case(request: pytest.FixtureRequest) -> Case:
    name, resolution = request.param
    draw, options = TARGETS[name]
    spec = OutputSpec("x", LABELS, resolution, name, options=options)
    rng = np.random.default_rng(3)
    shapes = [None if n is None else (n, len(LABELS)) if spec.per_frame else (len(LABELS),) for n in ENTRIES]
    targets = [None if shape is None else draw(rng, shape) for shape in shapes]
    padded = objective_of(spec).pad(spec, targets, FRAMES)
    shape = (4, int(FRAMES.max()), len(LABELS)) if spec.per_frame else (4, len(LABELS))
    return Case(spec, targets, padded, torch.from_numpy(rng.normal(size=shape).astype(np.float32)))


def gradient(case: Case, logits: Tensor) -> Tensor:
    leaf = logits.clone().requires_grad_()
    case.loss(leaf).total.backward()
    assert leaf.grad is not None
    return leaf.grad


def test_every_objective_has_two_halves_and_a_target_here() -> None:
    losses = {name.replace("-", "_") for name in members("soritune.models.losses", "LOSS")}
    assert set(OBJECTIVES) == losses == set(TARGETS)


def test_declaration_is_checked(case: Case) -> None:
    check_output(case.spec)
    assert OutputSpec.from_json(json.loads(json.dumps(case.spec.to_json()))) == case.spec
    stray = OutputSpec("x", LABELS, case.spec.resolution, case.spec.objective, options={"colour": 1})
    with pytest.raises(TaskError, match="output 'x' has the option 'colour'"):
        check_output(stray)
    for resolution in {"frame", "utterance", "word"} - set(objective_of(case.spec).resolutions):
        wrong = OutputSpec("x", LABELS, resolution, case.spec.objective)  # type: ignore[arg-type]
        with pytest.raises(TaskError, match=f"per {resolution}; {case.spec.objective} is per"):
            check_output(wrong)


def test_valid_rows_have_no_fault_and_invalid_rows_one(case: Case) -> None:
    objective, spec = objective_of(case.spec), case.spec
    for target, frames in zip(case.targets, FRAMES, strict=True):
        assert target is None or objective.row_fault(spec, target, int(frames)) is None
    target = case.targets[0]
    assert target is not None
    for wrong in (np.zeros((2, 3, 4)), np.array(["a", "b"]), np.float64(np.nan)):
        assert "its x target cannot be used" in str(objective.row_fault(spec, np.asarray(wrong), 9))
    fault = objective.row_fault(spec, target, 0)
    assert fault is None if not spec.per_frame else "there are 0" in str(fault)
    assert objective.is_time_aligned(spec) == spec.per_frame


def test_loss_of_a_batch_is_the_sum_over_its_rows(case: Case) -> None:
    objective = objective_of(case.spec)
    total, count, gradients = 0.0, 0.0, torch.zeros_like(case.logits)
    for row, target in enumerate(case.targets):
        padded = objective.pad(case.spec, [target], FRAMES[[row]])
        frames = int(FRAMES[row])
        leaf = case.logits[row : row + 1]
        leaf = (leaf[:, :frames] if case.spec.per_frame else leaf).clone().requires_grad_()
        alone = loss_sum(
            case.spec,
            leaf,
            torch.tensor([frames]),
            torch.from_numpy(padded.values),
            torch.from_numpy(padded.lengths),
            torch.from_numpy(padded.present),
        )
        alone.total.backward()
        assert leaf.grad is not None
        gradients[row, : leaf.shape[1]] += leaf.grad[0]
        total, count = total + alone.total.item(), count + padded.count
    assert total > 0.1
    assert case.loss().total.item() == pytest.approx(total, rel=1e-5)
    assert case.padded.count == pytest.approx(count, rel=1e-6)
    assert torch.allclose(gradient(case, case.logits), gradients, atol=1e-6)


def test_padding_changes_nothing_and_gets_no_gradient(case: Case) -> None:
    expected = case.loss().total.item()
    values = torch.from_numpy(case.padded.values.copy())
    if case.spec.per_frame:
        for row, length in enumerate(case.padded.lengths):
            values[row, length:] = 1
        noise = torch.full_like(case.logits[:, :5], 3.0)
        longer = torch.cat([case.logits, noise], dim=1)
        for row, frames in enumerate(FRAMES):
            longer[row, frames:] = torch.randn(longer.shape[1] - int(frames), len(LABELS)) * 9
        assert case.loss(longer, values).total.item() == pytest.approx(expected, rel=1e-6)
        gradients = gradient(case, longer)
        assert not any(gradients[row, frames:].any() for row, frames in enumerate(FRAMES))
    else:
        values[2] = 1
        assert case.loss(values=values).total.item() == pytest.approx(expected, rel=1e-6)


def test_row_without_a_label_adds_no_loss_and_no_gradient(case: Case) -> None:
    logits = case.logits.clone()
    logits[2] = 50.0
    assert case.loss(logits) == case.loss()
    gradients = gradient(case, case.logits)
    assert not gradients[2].any()
    assert all(gradients[row].any() for row in (0, 1, 3))


def test_count_is_what_the_loss_divides_by(case: Case) -> None:
    assert case.loss().count.item() == pytest.approx(case.padded.count, rel=1e-6)
    none = objective_of(case.spec).pad(case.spec, [None] * 4, FRAMES)
    assert none.count == 0.0
    assert not none.present.any()
    nothing = case._replace(padded=none).loss()
    assert (nothing.total.item(), nothing.count.item()) == (0.0, 0.0)


def test_both_halves_give_the_same_log_probabilities(case: Case) -> None:
    ours = objective_of(case.spec).log_probabilities(case.spec, case.logits.numpy())
    theirs = log_probabilities(case.spec, case.logits)
    assert ours.dtype == np.float32 and theirs.dtype == torch.float32
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6, rtol=0)
    no_frames = np.zeros((0, len(LABELS)), dtype=np.float32)
    assert objective_of(case.spec).log_probabilities(case.spec, no_frames).shape == (0, len(LABELS))


def test_mean_over_models_is_weighted_and_symmetric(case: Case) -> None:
    objective = objective_of(case.spec)
    first, second = (objective.log_probabilities(case.spec, part.numpy()) for part in case.logits[:2])
    assert objective.mean(case.spec, [first]) is first
    np.testing.assert_allclose(objective.mean(case.spec, [first, first, first]), first, atol=1e-6)
    np.testing.assert_allclose(objective.mean(case.spec, [first, second], [1.0, 0.0]), first, atol=1e-6)
    mixed = objective.mean(case.spec, [first, second])
    assert mixed.dtype == np.float32 and mixed.shape == first.shape
    np.testing.assert_allclose(mixed, objective.mean(case.spec, [second, first]), atol=1e-6)
    assert np.abs(mixed - first).max() > 0.01


def test_empty_outputs_and_constant_guesses_have_the_decoded_shape(case: Case) -> None:
    objective, width = objective_of(case.spec), len(LABELS)
    shape = (0, width) if case.spec.per_frame else (width,)
    assert objective.empty_output(case.spec).shape == shape
    guess = objective.constant_guess(case.spec)
    if guess is not None:
        assert guess.candidates
        assert all(output.shape == shape for _, output in guess.candidates)


def test_labels_of_the_same_head_match_in_any_order(case: Case) -> None:
    objective = objective_of(case.spec)
    assert objective.matching_rows(case.spec, case.spec) == list(range(len(LABELS)))
    blank = {"blank": 3} if "blank" in case.spec.options else {}
    reordered = OutputSpec("y", tuple("cbea"), case.spec.resolution, case.spec.objective, options=blank)
    # ctc: the blank is a by its role here and a there; b, c and e match by name.
    assert objective.matching_rows(case.spec, reordered) == [3, 1, 0, None, 2]


def test_gradients_are_finite_under_bf16(case: Case) -> None:
    torch.manual_seed(0)
    state = torch.randn(*case.logits.shape[:-1], 16)
    layer = torch.nn.Linear(16, len(LABELS))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = layer(state) * 20
        loss = case.loss(logits)
    assert logits.dtype == torch.bfloat16
    assert loss.total.dtype == loss.count.dtype == torch.float32
    loss.total.backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.isfinite().all() and layer.weight.grad.any()


def test_label_smoothing_changes_the_target_if_the_objective_states_it(case: Case) -> None:
    objective = objective_of(case.spec)
    smoothed = objective.pad(case.spec, case.targets, FRAMES, label_smoothing=0.2)
    assert objective.is_smoothed == (not np.array_equal(smoothed.values, case.padded.values))
