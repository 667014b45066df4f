from __future__ import annotations

import pytest
import torch

from soritune.models.adapters import merge_adapters, parameter_table, plain_weights
from soritune.models.build import count_model
from soritune.models.config import FreezeSettings, LoraSettings, ModelConfig
from soritune.models.model import SpeechModel
from soritune.tasks.specs import OutputSpec
from soritune.testing import FAMILIES, class_output, ctc_output

XLS_R_300M = {
    "model_type": "wav2vec2",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
PHONES = OutputSpec("phoneme", tuple(str(n) for n in range(45)), "frame", "ctc")


def count(**config: object) -> tuple[int, int, int]:
    model = count_model(ModelConfig(encoder="nowhere", architecture=XLS_R_300M, **config), (PHONES,))  # type: ignore[arg-type]
    table = parameter_table(model)
    return table.trainable, table.total, table.head_trainable


@pytest.mark.parametrize(
    ("rank", "layers", "trainable", "total"),
    [
        # Published for XLS-R-300M with a 45-label CTC head, all 24 layers.
        (32, None, 4_718_592, 320_203_437),
        (16, None, 2_359_296, 317_844_141),
        (8, None, 1_179_648, None),
        # 16 layers × 3 projections × 2 × 1024 × r.
        (32, (8, 23), 3_145_728, None),
        (16, (8, 23), 1_572_864, None),
        (8, (8, 23), 786_432, None),
    ],
)
def test_published_counts_with_the_head_apart(rank, layers, trainable, total) -> None:
    found = count(lora=LoraSettings(rank=rank, layers=layers))
    assert found[0] == trainable
    assert found[1] == 315_484_845 + trainable
    assert total is None or found[1] == total
    assert found[2] == 1024 * 45 + 45


def test_freezing_layers_gives_the_counts_of_the_upper_ones() -> None:
    frozen = FreezeSettings(layers=8, encoder=True)
    assert count(lora=LoraSettings(rank=16), freeze=frozen)[0] == 1_572_864
    assert count(lora=LoraSettings(rank=16), freeze=FreezeSettings(heads=True)) == (2_359_296, 317_844_141, 0)
    assert count()[1] == 315_484_845


def test_rows_add_up_and_name_every_part(build) -> None:
    model = build(outputs=(ctc_output(), class_output()), lora=LoraSettings(rank=2))
    table = parameter_table(model)
    assert table.total == sum(p.numel() for p in model.parameters())
    assert table.trainable + table.head_trainable == sum(
        p.numel() for p in model.parameters() if p.requires_grad
    )
    parts = {row.part: row.total for row in table.rows}
    assert parts["adapters"] == 2 * 3 * 2 * 16 * 2
    assert parts["head phoneme"] == 16 * 12 + 12
    assert parts["head emotion"] == (16 * 8 + 8) + (8 * 3 + 3)
    assert sum(row["total"] for row in table.to_json()["parts"]) == table.to_json()["total"]


def stir(model: SpeechModel) -> SpeechModel:
    """Adapters that change something: B is zero at first."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_merging_keeps_the_logits_and_leaves_no_adapter(kind, norm, build, waves) -> None:
    model = build(kind, norm, lora=LoraSettings(rank=2, dropout=0.0)).eval()
    untouched = model(*waves).logits["phoneme"]
    assert torch.allclose(build(kind, norm).eval()(*waves).logits["phoneme"], untouched, atol=1e-6)
    adapted = stir(model)(*waves).logits["phoneme"]
    assert not torch.allclose(adapted, untouched, atol=1e-3)
    preview = plain_weights(model.encoder)
    assert torch.equal(model(*waves).logits["phoneme"], adapted)
    assert merge_adapters(model) == 6
    assert model.config.lora is None
    assert torch.allclose(model(*waves).logits["phoneme"], adapted, atol=1e-5)
    assert not any("lora" in name or "base_layer" in name for name in model.state_dict())
    merged = model.encoder.state_dict()
    assert set(merged) == set(preview)
    assert all(torch.allclose(merged[name], preview[name], atol=1e-6) for name in merged)
    assert merge_adapters(model) == 0


def test_dropout_of_adapters_acts_in_training_only(build, waves) -> None:
    model = stir(build(lora=LoraSettings(rank=2, dropout=0.5), dropout=0.0)).train()
    assert not torch.equal(model(*waves).logits["phoneme"], model(*waves).logits["phoneme"])
    model.eval()
    assert torch.equal(model(*waves).logits["phoneme"], model(*waves).logits["phoneme"])
