"""The parts of the contract that an encoder inherits, over a minimal encoder; `tests/contracts` tests the families."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.models.encoder_module import ENTRY, FIRST_LAYER, FRONT, EncoderModule

STAGES = {"front.weight": FRONT, "middle.weight": ENTRY, "mask": None, "norm.weight": FIRST_LAYER + 2}


class Minimal(EncoderModule):
    """Two linear layers in a list two levels down."""

    hidden_size = 3
    head_dropout = 0.0
    projector_size = 3

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])})
        self.config = SimpleNamespace(model_type="minimal")

    @property
    def layers(self) -> nn.ModuleList:
        blocks = self.transformer["blocks"]
        assert isinstance(blocks, nn.ModuleList)
        return blocks

    def front(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        return waveform[..., None].expand(-1, -1, 3)

    def run(
        self, features: Tensor, valid: Tensor, keep_layers: Collection[int]
    ) -> tuple[Tensor, dict[int, Tensor]]:
        return features, {}

    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        return ((), (), *((layer,) for layer in self.layers), ())

    def stage_of(self, name: str) -> int | None:
        if name.startswith("transformer.blocks."):
            return FIRST_LAYER + int(name.split(".")[2])
        return STAGES[name]


def test_layers_are_counted_and_their_list_is_named() -> None:
    encoder = Minimal()
    assert encoder.num_layers == 2
    assert encoder.layers_name == "blocks"


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("transformer.blocks.0.weight", 0),
        ("transformer.blocks.1.bias", 1),
        *((name, None) for name in STAGES),
    ],
)
def test_layer_of_a_weight_follows_from_its_stage(name: str, layer: int | None) -> None:
    assert Minimal().layer_of(name) == layer


def test_optional_parts_have_defaults() -> None:
    encoder = Minimal()
    assert encoder.mask_embedding is None
    assert encoder.silent_weights == ()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.fill_buffers()
    encoder.set_front_graph(False)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_activation_checkpointing_is_refused_by_default() -> None:
    with pytest.raises(ModelError, match="an encoder of type minimal cannot recompute its activations"):
        Minimal().checkpoint_activations()
