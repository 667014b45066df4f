from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from safetensors.torch import load_file
from typer.testing import CliRunner

from soritune.audio.preprocessing import Preprocessing
from soritune.cli.model_info import describe_folder, model_info
from soritune.errors import ModelError, UnknownNameError
from soritune.models.build import build_model
from soritune.models.config import FreezeSettings, LoraSettings, ModelConfig
from soritune.models.saving import save_bundle
from soritune.testing import class_output, ctc_output, tiny_checkpoint, tiny_config

RECIPE = """
name: toy
tasks: {phoneme: {inventory: korean}}
model:
  encoder: facebook/wav2vec2-xls-r-300m
  architecture:
    {model_type: wav2vec2, hidden_size: 1024, num_hidden_layers: 24, num_attention_heads: 16,
     intermediate_size: 4096, feat_extract_norm: layer, do_stable_layer_norm: true, conv_bias: true}
  lora: {rank: 32, alpha: 64, layers: [8, 23]}
"""


@pytest.fixture
def run():  # type: ignore[no-untyped-def]
    app = typer.Typer()
    app.command()(model_info)

    def invoke(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    return invoke


@pytest.mark.slow
def test_the_published_table_from_a_recipe_without_downloading(run, tmp_path: Path) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    info = json.loads(run(recipe, "--json"))
    assert info["parameters"]["trainable"] == 3_145_728
    assert info["parameters"]["head_trainable"] == 46_125
    rows = {(row["rank"], *row["layers"]): (row["trainable"], row["total"]) for row in info["variants"]}
    assert rows[32, 0, 23] == (4_718_592, 320_203_437)
    assert rows[16, 0, 23] == (2_359_296, 317_844_141)
    assert {key: trainable for key, (trainable, _) in rows.items() if key[1:] == (8, 23)} == {
        (32, 8, 23): 3_145_728,
        (16, 8, 23): 1_572_864,
        (8, 8, 23): 786_432,
    }
    assert rows[8, 0, 23][0] == 1_179_648
    changed = json.loads(run(recipe, "model.lora.rank=16", "--json"))
    assert changed["parameters"]["trainable"] == 1_572_864
    text = run(recipe)
    assert "4,718,592" in text
    assert "320,203,437" in text


def test_a_folder_of_every_kind_is_described(run, tmp_path: Path) -> None:
    heads = {"none": 0, "ctc": 16 * 12 + 12, "classification": 16 * 8 + 8 + 8 * 2 + 2}
    for head, size in heads.items():
        folder = tiny_checkpoint(tmp_path / head, tiny_config(), head=head)  # type: ignore[arg-type]
        info = json.loads(run(folder, "--json"))
        assert (info["kind"], info["parameters"]["head_total"]) == ("checkpoint", size)

        weights = load_file(folder / "model.safetensors")
        assert info["parameters"]["total"] == sum(value.numel() for value in weights.values())
        assert head in run(folder)


def test_bundles_are_counted_from_their_card(tmp_path: Path) -> None:
    base = tiny_checkpoint(tmp_path / "base")
    outputs = (ctc_output(), class_output(layer="weighted"))
    model = build_model(ModelConfig(encoder=str(base), lora=LoraSettings(rank=2)), outputs, seed=0)
    for adapter_only, trainable in [(True, 2 * 3 * 2 * 16 * 2), (False, None)]:
        bundle = save_bundle(
            model,
            tmp_path / str(adapter_only),
            tasks=[],
            preprocessing=Preprocessing(),
            adapter_only=adapter_only,
        )
        info = describe_folder(bundle.path)
        parameters = info["parameters"]
        assert [output["name"] for output in info["outputs"]] == ["phoneme", "emotion"]
        assert parameters["head_total"] == sum(p.numel() for p in model.heads.parameters())
        encoder = sum(p.numel() for name, p in model.encoder.named_parameters() if "lora_" not in name)
        assert parameters["total"] == encoder + parameters["head_total"] + (trainable or 0)
        if trainable:
            assert parameters["trainable"] == trainable


def test_what_is_neither_a_recipe_nor_a_model_is_refused(run, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        run(tmp_path)
    with pytest.raises(UnknownNameError, match="child-phoneme"):
        run("child-fonem")


def test_a_bundle_is_counted_as_frozen_as_it_was_trained(tmp_path: Path) -> None:
    base = tiny_checkpoint(tmp_path / "base")
    settings = ModelConfig(encoder=str(base), freeze=FreezeSettings(encoder=True))
    model = build_model(settings, (ctc_output(),), seed=0)
    bundle = save_bundle(model, tmp_path / "b", tasks=[], preprocessing=Preprocessing())
    parameters = describe_folder(bundle.path)["parameters"]
    assert parameters["trainable"] == 0
    assert parameters["head_trainable"] == 16 * 12 + 12


def test_a_misspelt_setting_of_a_recipes_architecture_is_named(run, tmp_path: Path) -> None:
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(RECIPE.replace("hidden_size", "hiden_size"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"hiden_size: .* did you mean 'hidden_size'"):
        run(recipe)


def test_older_keys_of_a_checkpoint_are_left_alone(run, tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "old")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "gradient_checkpointing": False}))
    assert json.loads(run(folder, "--json"))["kind"] == "checkpoint"


def test_each_rank_of_an_adapter_is_listed_once(tmp_path: Path) -> None:
    """A saved adapter names all the layers it is on, which is no choice among them."""
    base = tiny_checkpoint(tmp_path / "base")
    model = build_model(ModelConfig(encoder=str(base), lora=LoraSettings(rank=2)), (ctc_output(),), seed=0)
    bundle = save_bundle(
        model, tmp_path / "bundle", tasks=[], preprocessing=Preprocessing(), adapter_only=True
    )
    ranks = [row["rank"] for row in describe_folder(bundle.path)["variants"]]
    assert ranks
    assert len(ranks) == len(set(ranks))
