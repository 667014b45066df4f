from __future__ import annotations

import pytest
from torch import nn

from soritune.errors import TrainingError
from soritune.training.config import TrainingSettings
from soritune.training.optimizer import group_of, make_optimizer, schedule_factor, warmup_of


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
        self.heads = nn.ModuleDict({"emotion": nn.Linear(2, 2)})

    def layer_of(self, name: str) -> int | None:
        return int(name.split(".")[2]) if name.startswith("encoder.layers.") else None


@pytest.mark.parametrize(
    ("name", "layer", "group"),
    [
        ("heads.emotion.weight", None, "heads"),
        ("encoder.encoder.layers.9.attention.q_proj.weight", 9, "layers.8-15"),
        ("encoder.encoder.layers.16.attention.q_proj.weight", 16, "encoder"),
        ("encoder.encoder.layers.9.attention.q_proj.lora_A.default.weight", 9, "lora"),
        ("encoder.feature_projection.projection.weight", None, "encoder"),
    ],
)
def test_parameter_belongs_to_one_group(name: str, layer: int | None, group: str) -> None:
    assert group_of(name, ("heads", "encoder", "lora", "layers.8-15"), layer) == group
    assert group_of(name, (), layer) is None


def test_groups_have_rates_and_decay() -> None:
    settings = TrainingSettings(learning_rate=1e-3, learning_rates={"heads": 1e-2}, weight_decay=0.1)
    groups = make_optimizer(Toy(), settings).param_groups
    rates = {(g["name"], g["weight_decay"]): (g["lr"], len(g["params"])) for g in groups}
    assert rates == {
        ("heads", 0.1): (1e-2, 1),
        ("heads", 0.0): (1e-2, 1),
        ("default", 0.1): (1e-3, 3),
        ("default", 0.0): (1e-3, 3),
    }


def test_unknown_group_is_refused() -> None:
    with pytest.raises(TrainingError, match="group 'head'; groups are heads"):
        make_optimizer(Toy(), TrainingSettings(learning_rates={"head": 1.0}))


def test_model_without_trainable_weights_is_refused() -> None:
    with pytest.raises(TrainingError, match="nothing is trainable"):
        make_optimizer(Toy().requires_grad_(False), TrainingSettings())


def test_linear_schedule_equals_the_formula() -> None:
    settings = TrainingSettings(schedule="linear", warmup_steps=4)
    factors = [schedule_factor(step, settings, 14) for step in (0, 1, 3, 4, 9, 14)]
    assert factors == pytest.approx([0.25, 0.5, 1.0, 1.0, 0.5, 0.0])


def test_cosine_and_constant_schedules_equal_the_formula() -> None:
    assert schedule_factor(5, TrainingSettings(schedule="cosine"), 10) == pytest.approx(0.5)
    assert schedule_factor(9, TrainingSettings(schedule="constant"), 10) == 1.0


def test_one_cycle_equals_torch() -> None:
    import torch

    settings = TrainingSettings(schedule="one_cycle")
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    # Torch has its peak at step 0.3 · total − 1, one step earlier, so the totals differ by one.
    by_torch = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=101,
        pct_start=31 / 101,
        div_factor=25,
        final_div_factor=400,
        cycle_momentum=False,
    )
    for step in range(100):
        assert schedule_factor(step, settings, 100) == pytest.approx(by_torch.get_last_lr()[0], abs=0.02)
        optimizer.step()
        by_torch.step()


def test_warmup_of_a_short_run_is_cut_to_a_third() -> None:
    assert warmup_of(TrainingSettings(warmup_steps=500), 90) == 30
    assert warmup_of(TrainingSettings(warmup_steps=500), 5000) == 500
    assert warmup_of(TrainingSettings(warmup_share=0.1), 5000) == 500


def test_group_without_weights_is_refused() -> None:
    with pytest.raises(TrainingError, match="names layers.8-15, lora, but no trained weight"):
        make_optimizer(Toy(), TrainingSettings(learning_rates={"lora": 1e-3, "layers.8-15": 1e-3}))


def test_layers_beyond_the_last_one_are_refused() -> None:
    make_optimizer(Toy(), TrainingSettings(learning_rates={"layers.1-2": 1e-4}))
    with pytest.raises(TrainingError, match=r"layers\.0-99, and the layers of the encoder are 0-2"):
        make_optimizer(Toy(), TrainingSettings(learning_rates={"layers.0-99": 1e-4}))


def test_phase_with_two_warmups_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup_steps has no effect beside warmup_share"):
        TrainingSettings(phases=[{"warmup_steps": 5, "warmup_share": 0.1}])
    TrainingSettings(phases=[{"warmup_steps": 0, "warmup_share": 0.1}])


def test_encoder_of_a_text_input_has_a_group_of_its_own() -> None:
    groups = ("heads", "inputs", "text", "lora", "encoder")
    assert group_of("inputs.text.encoder.layer.0.weight", groups, None) == "text"
    assert group_of("inputs.text.encoder.query.lora_A.default.weight", groups, None) == "text"
    assert group_of("inputs.text.projection.weight", groups, None) == "inputs"
    assert group_of("encoder.layers.0.q_proj.lora_A.default.weight", groups, 0) == "lora"
    # Without a rate of its own a pretrained text encoder never gets that of new weights.
    assert group_of("inputs.text.encoder.layer.0.weight", ("inputs", "lora"), None) is None
