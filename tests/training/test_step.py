from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.training.parts import STRONG, batches_of, counts_of, largest_difference, stepper_of

from soritune.recipe import make_task
from soritune.training.run import TrainingRun

MakeRun = Callable[..., TrainingRun]
NO_DROPOUT = {"dropout": 0.0}


def gradients(run: TrainingRun, rows_by_batch: list[list[int]]) -> dict[str, torch.Tensor]:
    """Gradient of one step over these rows, micro-batch by micro-batch, before clipping."""
    run.settings.max_grad_norm = 1e9
    epochs, stepper = stepper_of(run)
    kept: dict[str, torch.Tensor] = {}
    stepper.optimizer_step.step = lambda: kept.update(  # type: ignore[method-assign]
        {name: p.grad.clone() for name, p in run.model.named_parameters() if p.grad is not None}
    )
    micro = batches_of(epochs, rows_by_batch)
    run.model.train()
    stepper.step(micro, counts_of(run, micro), done=0, total_steps=1)
    return kept


def test_gradient_does_not_depend_on_the_number_of_micro_batches(make_run: MakeRun) -> None:
    whole = gradients(make_run("a", model=NO_DROPOUT), [[0, 7, 13, 20]])
    parts = gradients(make_run("b", model=NO_DROPOUT), [[0], [7], [13], [20]])
    assert max(float(g.abs().max()) for g in whole.values()) > 1e-3
    assert largest_difference(whole, parts) < 1e-5


def test_gradients_of_two_ranks_add_up_to_that_of_one_with_dropout_and_augmentation(
    make_run: MakeRun,
) -> None:
    """A rank's share is its micro-batches' loss sums divided by the counts of the whole step."""
    rows_by_batch = [[0, 7], [13, 20], [1, 2], [25, 28]]
    one_rank = gradients(make_run("a", augment=STRONG), rows_by_batch)

    run = make_run("b", augment=STRONG)
    epochs, stepper = stepper_of(run)
    run.model.train()
    micro = batches_of(epochs, rows_by_batch)
    total: dict[str, torch.Tensor] = {}
    for rank in (1, 0):  # each rank alone, before or after the other
        run.model.zero_grad(set_to_none=True)
        for batch in micro[rank::2]:
            stepper._backward(batch, counts_of(run, micro))
        for name, parameter in run.model.named_parameters():
            if parameter.grad is not None:
                total[name] = total.get(name, 0) + parameter.grad.clone()
    assert largest_difference(one_rank, total) < 1e-5


def test_augmentation_and_dropout_change_the_gradient(make_run: MakeRun) -> None:
    plain = gradients(make_run("a", model=NO_DROPOUT), [[0, 7, 13, 20]])
    assert (
        largest_difference(
            plain, gradients(make_run("b", model=NO_DROPOUT, augment=STRONG), [[0, 7, 13, 20]])
        )
        > 1e-4
    )
    assert (
        largest_difference(plain, gradients(make_run("c", model={"dropout": 0.3}), [[0, 7, 13, 20]])) > 1e-4
    )


def test_loss_of_each_output_is_its_own_mean(make_run: MakeRun) -> None:
    """Hand-computed from torch's own losses: CTC per target symbol plus 0.5 × cross-entropy per row."""
    run = make_run(
        "a",
        tasks={"phoneme": {}, "emotion": {"labels": ["Anxious", "Kind", "Dry"], "weight": 0.5}},
        model=NO_DROPOUT,
    )
    epochs, stepper = stepper_of(run)
    run.model.train()
    (batch,) = batches_of(epochs, [[0, 7, 13, 20]])
    stepper.step([batch], counts_of(run, [batch]), done=0, total_steps=1)
    means = stepper.means()
    model = make_run(
        "b", tasks={"phoneme": {}, "emotion": {"labels": ["Anxious", "Kind", "Dry"]}}, model=NO_DROPOUT
    ).model
    output = model(batch.inputs["waveform"], batch.inputs["num_samples"])
    target = batch.targets["phoneme"]
    ctc = torch.nn.functional.ctc_loss(
        output.logits["phoneme"].log_softmax(-1).transpose(0, 1),
        target.values,
        output.num_frames,
        target.lengths,
        reduction="sum",
    )
    ce = torch.nn.functional.cross_entropy(
        output.logits["emotion"], batch.targets["emotion"].values.argmax(1)
    )
    assert means["phoneme"] == pytest.approx(float(ctc.detach()) / float(target.lengths.sum()), rel=1e-5)
    assert means["emotion"] == pytest.approx(float(ce.detach()), rel=1e-5)


def test_outputs_contribute_to_the_gradient_by_their_weights(make_run: MakeRun) -> None:
    """The gradient of two tasks together is the sum of the gradients of each alone, times its weight."""
    both = gradients(make_run("a", model=NO_DROPOUT), [[0, 7], [13, 20]])
    emotion = gradients(
        make_run("b", model=NO_DROPOUT, tasks={"emotion": {"labels": ["Anxious", "Kind", "Dry"]}}),
        [[0, 7], [13, 20]],
    )
    phoneme = gradients(
        make_run("c", model=NO_DROPOUT, tasks={"phoneme": {"weight": 2.0}}), [[0, 7], [13, 20]]
    )
    name = "encoder.encoder.layers.0.attention.v_proj.weight"
    assert torch.allclose(both[name], emotion[name] + phoneme[name] / 2, atol=1e-6)


def test_loss_with_class_weights_and_smoothing_equals_the_definition(make_run: MakeRun) -> None:
    """Balanced weights of the training rows, labels smoothed by 0.1: torch's weighted cross-entropy, by definition.

    The training rows here are 2 : 1 : 1, so the weights n / (3 · n_class) are 4/6, 4/3, 4/3.
    """
    labels = ["Anxious", "Kind", "Dry"]
    run = make_run(
        "a", tasks={"emotion": {"labels": labels}}, model=NO_DROPOUT, batches={"label_smoothing": 0.1}
    )
    emotions = [run.manifest.utterance(row).emotion for row in range(30)]
    anxious = emotions.index("Anxious")
    rows = [anxious, anxious + 1, emotions.index("Kind"), emotions.index("Dry")]
    task = make_task("emotion", {"labels": labels, "class_weights": "balanced"})
    prepared = task.prepare(run.manifest.utterances(rows))
    weights = [4 / 6, 4 / 3, 4 / 3]
    assert prepared.outputs[0].options["class_weights"] == pytest.approx(weights)
    run.tasks = (prepared,)
    run.model.outputs = prepared.outputs
    epochs, stepper = stepper_of(run)
    run.model.eval()
    (batch,) = batches_of(epochs, [rows])
    output = run.model(batch.inputs["waveform"], batch.inputs["num_samples"])
    logits = output.logits["emotion"].detach().double()
    stepper.step([batch], counts_of(run, [batch]), done=0, total_steps=1)
    mean = stepper.means()["emotion"]
    total = mass = 0.0
    for row, label in enumerate([0, 0, 1, 2]):
        log_p = logits[row] - torch.logsumexp(logits[row], dim=0)
        for k in range(3):
            share = 0.9 * (k == label) + 0.1 / 3
            total -= weights[k] * share * float(log_p[k])
            mass += weights[k] * share
    assert mean == pytest.approx(total / mass, rel=1e-5)
    by_torch = torch.nn.functional.cross_entropy(
        logits.float(), batch.targets["emotion"].values, weight=torch.tensor(weights), reduction="sum"
    )
    assert mean == pytest.approx(float(by_torch) / mass, rel=1e-5)
