from __future__ import annotations

import pytest
import torch
from torch import nn

from soritune.errors import ModelError
from soritune.models.config import FreezeSettings, LoraSettings
from soritune.models.freezing import (
    apply_freezing,
    check_frozen,
    frozen_sums,
    trained_names,
)
from soritune.models.model import SpeechModel
from soritune.testing import FAMILIES, class_output, ctc_output


def trained(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def graphs(model: SpeechModel, wave, lengths) -> dict[str, bool]:
    """Which module's output has an autograd graph in a training pass."""
    has_graph: dict[str, bool] = {}
    modules = {
        "cnn": model.encoder.feature_extractor,
        "projection": model.encoder.feature_projection.projection,
    }
    modules |= {str(n): layer for n, layer in enumerate(model.encoder.encoder.layers)}
    handles = [
        module.register_forward_hook(
            lambda m, a, out, name=name: has_graph.__setitem__(
                name, (out[0] if isinstance(out, tuple) else out).requires_grad
            )
        )
        for name, module in modules.items()
    ]
    model.train()(wave, lengths)
    for handle in handles:
        handle.remove()
    return has_graph


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_no_graph_is_recorded_below_the_first_trained_layer(kind, norm, build, waves) -> None:
    plain = build(kind, norm, 3, freeze={"feature_encoder": False})
    assert all(graphs(plain, *waves).values())
    for config in ({}, {"lora": LoraSettings(rank=2)}):
        model = build(kind, norm, 3, freeze={"layers": 2}, **config)
        expected = {"cnn": False, "projection": False, "0": False, "1": False, "2": True}
        assert graphs(model, *waves) == expected


def test_graph_ends_at_a_frozen_feature_encoder(build, waves) -> None:
    assert graphs(build(), *waves) == {"cnn": False, "projection": True, "0": True, "1": True}
    # Adapters need no graph below the first of them, even without frozen layers.
    model = build(layers=3, lora=LoraSettings(rank=2, layers=(1, 2)))
    assert graphs(model, *waves) == {"cnn": False, "projection": False, "0": False, "1": True, "2": True}


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_frozen_parts_stay_in_evaluation_mode_and_unchanged(kind, norm, build, waves) -> None:
    model = build(kind, norm, 3, freeze={"layers": 1}, dropout=0.5).train()
    encoder = model.encoder
    assert model.training
    assert encoder.encoder.layers[1].training
    frozen = [
        encoder.feature_extractor,
        encoder.feature_projection,
        encoder.encoder.layers[0],
        encoder.encoder.dropout,
    ]
    assert not any(part.training for module in frozen for part in module.modules())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    model(*waves).logits["phoneme"].square().mean().backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert changed <= trained(model)
    below = (
        "encoder.feature_",
        "encoder.masked_spec",
        "encoder.encoder.pos_conv",
        "encoder.encoder.layers.0.",
    )
    assert not any(name.startswith(below) for name in trained(model))
    # The norm of a post-norm encoder comes before its layers, that of a pre-norm one after them.
    assert ("encoder.encoder.layer_norm.weight" in trained(model)) == (norm == "layer")


def test_with_dropout_the_frozen_span_is_deterministic(build, waves) -> None:
    model = build(
        layers=2, freeze={"layers": 1}, dropout=0.5, outputs=(ctc_output(layer=1), ctc_output("b"))
    ).train()
    model.heads["phoneme"].eval()
    first, second = model(*waves).logits, model(*waves).logits
    assert torch.equal(first["phoneme"], second["phoneme"])
    assert not torch.equal(first["b"], second["b"])


def test_each_freeze_setting_trains_its_parts(build) -> None:
    heads = {"heads.phoneme.linear.weight", "heads.phoneme.linear.bias"}
    assert trained(build(freeze=FreezeSettings(encoder=True))) == heads
    assert not build(freeze=FreezeSettings(encoder=True)).train().encoder.training
    assert trained(build(freeze=FreezeSettings(encoder=True, heads=True))) == set()
    everything = build(freeze=FreezeSettings(feature_encoder=False))
    assert trained(everything) == set(dict(everything.named_parameters()))
    assert "encoder.masked_spec_embed" in trained(everything)
    default = trained(build())
    assert "encoder.masked_spec_embed" not in default
    assert "encoder.feature_projection.projection.weight" in default
    assert not any("feature_extractor" in name for name in default)


@pytest.mark.parametrize("encoder", [False, True])
def test_lora_trains_only_adapters_and_heads(encoder, build) -> None:
    model = build(layers=3, lora=LoraSettings(rank=2), freeze=FreezeSettings(encoder=encoder, layers=1))
    names = {name for name in trained(model) if not name.startswith("heads.")}
    assert names == {
        f"encoder.encoder.layers.{n}.attention.{target}.lora_{side}.default.weight"
        for n in (1, 2)
        for target in ("q_proj", "k_proj", "v_proj")
        for side in "AB"
    }


def test_layers_that_no_head_reads_are_not_trained(build) -> None:
    model = build(layers=3, outputs=(ctc_output(layer=1),))
    assert not any(
        name.startswith(("encoder.encoder.layers.1", "encoder.encoder.layers.2")) for name in trained(model)
    )
    assert any(name.startswith("encoder.encoder.layers.0") for name in trained(model))
    assert "encoder.encoder.layer_norm.weight" not in trained(model)
    weighted = build(outputs=(class_output(layer="weighted"),))
    assert "encoder.encoder.layer_norm.weight" not in trained(weighted)
    assert "encoder.encoder.layers.1.final_layer_norm.weight" in trained(weighted)
    adapted = build(layers=3, outputs=(ctc_output(layer=2),), lora=LoraSettings(rank=2))
    assert not any(".layers.2." in name for name in trained(adapted))


def test_feature_encoder_makes_no_graph_even_in_training_mode(build, waves) -> None:
    """A wrapper may call `train()` on parts; transformers' own flag must then hold."""
    frozen, free = build(), build(freeze={"feature_encoder": False})
    assert not frozen.encoder.feature_extractor.train()(waves[0]).requires_grad
    assert free.encoder.feature_extractor.train()(waves[0]).requires_grad


SETTINGS = [
    {},
    {"freeze": {"feature_encoder": False}},
    {"freeze": {"layers": 2}},
    {"freeze": {"encoder": True}},
    {"freeze": {"encoder": True, "heads": True}},
    {"freeze": {"layers": 1, "encoder": True}, "lora": LoraSettings(rank=2, layers=(1, 2))},
    {"lora": LoraSettings(rank=2, layers=(1, 1), train_base=True), "freeze": {"layers": 1}},
    {"outputs": (ctc_output(layer=1), class_output(layer=2))},
    {"outputs": (class_output(layer="weighted"),)},
]


@pytest.mark.parametrize("config", SETTINGS)
@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_wrongly_trained_or_frozen_weight_is_refused(kind, norm, config, build) -> None:
    model = build(kind, norm, 3, **config)
    check_frozen(model)
    for changed in (True, False):
        weights = [p for p in model.parameters() if p.requires_grad is not changed]
        for weight in weights[:1] + weights[-1:]:
            weight.requires_grad = changed
            state = "trained and should be frozen" if changed else "frozen and should be trained"
            with pytest.raises(ModelError, match=state):
                check_frozen(model)
            weight.requires_grad = not changed


def test_changed_freezing_restores_graph_and_training_mode(build, waves) -> None:
    model = build(layers=3, freeze={"layers": 2}, dropout=0.5).train()
    for freeze, below in (({"layers": 1}, False), ({"feature_encoder": False}, True), ({"layers": 2}, False)):
        model.config = model.config.model_copy(update={"freeze": FreezeSettings(**freeze)})
        apply_freezing(model)
        check_frozen(model)
        has_graph = graphs(model, *waves)
        assert has_graph["cnn"] is below
        assert has_graph["1"] is (freeze.get("layers", 0) < 2)
        assert model.encoder.encoder.layers[1].training is (freeze.get("layers", 0) < 2)


def test_adapters_beside_trained_weights(build) -> None:
    """Rates per layer group beside a rate for adapters need the encoder's own weights trained too."""
    names = trained(build(layers=3, lora=LoraSettings(rank=2, train_base=True), freeze={"layers": 1}))
    assert any("layers.1.attention.q_proj.lora_A" in name for name in names)
    assert "encoder.encoder.layers.1.attention.q_proj.base_layer.weight" in names
    assert "encoder.encoder.layers.2.feed_forward.output_dense.weight" in names
    assert not any(".layers.0." in name or "feature_" in name for name in names)


def test_changed_frozen_weight_changes_the_sums(build) -> None:
    model = build(layers=2, freeze={"layers": 1})
    before = frozen_sums(model)
    with torch.no_grad():
        model.heads["phoneme"].linear.weight.add_(1.0)
    assert torch.equal(before, frozen_sums(model))
    with torch.no_grad():
        model.encoder.encoder.layers[0].attention.q_proj.weight[0, 0] += 1e-6
    assert not torch.equal(before, frozen_sums(model))


@pytest.mark.parametrize("lora", [None, LoraSettings(rank=2), LoraSettings(rank=2, train_base=True)])
@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_trained_names_under_another_freezing_are_known_without_applying_it(kind, norm, lora, build) -> None:
    outputs = (ctc_output(layer=2), class_output())
    model = build(kind, norm, 3, outputs, freeze=FreezeSettings(layers=1), lora=lora)
    for freeze in (
        FreezeSettings(),
        FreezeSettings(feature_encoder=False),
        FreezeSettings(layers=2),
        FreezeSettings(encoder=True),
        FreezeSettings(layers=1, heads=True),
    ):
        before = trained(model), model.evaluated, model.config
        names = trained_names(model, freeze)
        assert (trained(model), model.evaluated, model.config) == before
        model.config = model.config.model_copy(update={"freeze": freeze})
        apply_freezing(model)
        assert names == trained(model)
