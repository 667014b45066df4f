"""Every phase is checked before the first one begins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from soritune.errors import SorituneError
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import frozen_digest
from soritune.training.loop import train
from soritune.training.phase_check import check_phases
from soritune.training.phases import resolve_phases
from soritune.training.run import TrainingRun

MakeRun = Callable[..., TrainingRun]
FINE = {"freeze": {"layers": 0}}
FAULTY = [
    ({"freeze": {"layers": 99}}, r"phase 3 of 3 \(last\): freeze\.layers is 99"),
    ({"freeze": {"encoder": True, "heads": True}}, "phase 3 of 3.*nothing is trainable"),
    ({"learning_rates": {"lora": 1e-3}}, "phase 3 of 3.*names lora, but no trained weight"),
    ({"learning_rates": {"middle": 1e-3}}, "phase 3 of 3.*has the group 'middle'"),
    ({"early_stopping": {"monitor": "emotion/beauty"}}, "phase 3 of 3.*beauty"),
    ({"freeze": {"encoder": True}, "learning_rates": {"encoder": 1e-4}}, "phase 3 of 3.*names encoder"),
]


@pytest.mark.parametrize(("settings", "words"), FAULTY)
def test_fault_of_a_later_phase_stops_before_the_first_step(settings, words: str, make_run: MakeRun) -> None:
    run = make_run(phases=[FINE, FINE, {"name": "last", **settings}])
    with pytest.raises(SorituneError, match=words):
        train(run)
    assert not RunFolder(run.folder).bundles.exists() and not RunFolder(run.folder).has_checkpoint


def test_layer_drop_with_a_frozen_layer_in_a_later_phase_is_found(make_run: MakeRun) -> None:
    run = make_run(phases=[FINE, FINE, {"freeze": {"layers": 1}}], model={"layerdrop": 0.1})
    with pytest.raises(SorituneError, match="phase 3 of 3: layerdrop 0.1 would drop frozen layers"):
        train(run)


def test_fault_of_a_phase_that_is_not_chosen_is_found_too(make_run: MakeRun) -> None:
    run = make_run(phases=[FINE, {"freeze": {"layers": 99}}], phase=1)
    with pytest.raises(SorituneError, match="phase 2 of 2"):
        train(run)


def test_message_of_a_run_without_phases_names_no_phase(make_run: MakeRun) -> None:
    with pytest.raises(SorituneError, match=r"^train\.learning_rates has the group"):
        train(make_run(learning_rates={"middle": 1.0}))


def test_check_leaves_the_model_as_it_was(make_run: MakeRun) -> None:
    run = make_run(phases=[{"freeze": {"encoder": True}}, {"freeze": {"layers": 1}}])
    model = run.model
    before = {name: weight.requires_grad for name, weight in model.named_parameters()}
    config, digest, state = model.config, frozen_digest(model), torch.random.get_rng_state()
    check_phases(model, run.tasks, resolve_phases(run.settings, run.augment, config.freeze))
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == before
    assert (model.config, frozen_digest(model)) == (config, digest)
    assert torch.equal(torch.random.get_rng_state(), state)
