from __future__ import annotations

import pytest

from soritune.models.build import count_model
from soritune.models.config import FreezeSettings, LoraSettings, ModelConfig
from soritune.models.parameter_table import parameter_table
from soritune.tasks.specs import OutputSpec
from soritune.testing import class_output, ctc_output

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
def test_parameter_counts_equal_published_ones(rank, layers, trainable, total) -> None:
    counts = count(lora=LoraSettings(rank=rank, layers=layers))
    assert counts[0] == trainable
    assert counts[1] == 315_484_845 + trainable
    assert total is None or counts[1] == total
    assert counts[2] == 1024 * 45 + 45


def test_frozen_layers_get_no_adapters() -> None:
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
