from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard, metadata_load

from soritune.assessment.thresholds import FILE_NAME, Thresholds, packaged_thresholds, write_thresholds
from soritune.bundles.card import Bundle
from soritune.bundles.onnx_graph import THRESHOLDS, OnnxGraph
from soritune.bundles.packing import pack_bundle
from soritune.bundles.read import load_bundle
from soritune.bundles.write import update_card, write_bundle
from soritune.errors import BundleError, ManifestError, OutputError, RecipeError
from soritune.inference.model_thresholds import thresholds_of_model
from soritune.progress import Console
from soritune.reports.score import score_predictions
from soritune.run_folder import RunFolder
from soritune.stages.export import Export, export
from soritune.stages.push_to_hub import push_to_hub

MakeRun = Callable[..., Bundle]


@pytest.fixture
def bundle_of_run(fakes: ModuleType, twelve: Path, tmp_path: Path) -> Bundle:
    """A bundle in a run whose test split was judged with it, and which was judged on another corpus too."""
    run = RunFolder(tmp_path / "run")
    bundle = fakes.make_bundle(run.bundle("best_loss"), [fakes.emotion_task()])
    scores = score_predictions(twelve / "predictions" / "test.jsonl", resamples=100)
    save_scores(scores.to_json(), bundle, run.scores())
    save_scores(scores.to_json(), bundle, run.evaluation("talks").scores())
    return bundle


def save_scores(content: dict[str, Any], bundle: Bundle, path: Path, sha256: str | None = None) -> Path:
    """Writes scores as those of a bundle, or of weights with another checksum."""
    digest = sha256 or bundle.card["files"][bundle.weights_path.name]
    for model in (content["header"]["bundle"], *content["header"]["bundles"]):
        model["sha256"] = digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def export_hub(source: Path, output: Path, **settings: object) -> Export:
    return export("hub", source, output, settings, console=Console(quiet=True))


def test_folder_has_the_files_of_the_bundle_and_a_full_card(bundle_of_run: Bundle, tmp_path: Path) -> None:
    result = export_hub(bundle_of_run.path, tmp_path / "hub", licence="mit", repo="me/emotion")
    names = {path.name for path in result.folder.iterdir()}
    assert names == {"README.md", "soritune.json", "config.json", "model.safetensors"}
    assert result.exported.facts["files"] == {
        name: (result.folder / name).stat().st_size for name in sorted(names)
    }
    load_bundle(result.folder).check_files()
    card = ModelCard.load(result.folder / "README.md")
    data = {entry.dataset_name for entry in card.data.eval_results}
    assert data == {"made, split test", "talks, split test"}
    assert metadata_load(result.folder / "README.md")["license"] == "mit"


def test_scores_of_other_weights_are_left_out(bundle_of_run: Bundle, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    content = json.loads(run.scores().read_text())
    save_scores(content, bundle_of_run, run.scores(), sha256="0" * 64)
    own = save_scores(content, bundle_of_run, run.scores("-best_loss"))
    result = export_hub(bundle_of_run.path, tmp_path / "hub")
    assert result.exported.facts["results"] == ["made, split test", "talks, split test"]
    own.unlink()
    again = export_hub(bundle_of_run.path, tmp_path / "again")
    assert again.exported.facts["results"] == ["talks, split test"]


def test_given_scores_must_be_of_the_bundle(bundle_of_run: Bundle, tmp_path: Path) -> None:
    content = json.loads(RunFolder(tmp_path / "run").scores().read_text())
    mine = save_scores(content, bundle_of_run, tmp_path / "mine" / "scores.json")
    other = save_scores(content, bundle_of_run, tmp_path / "other" / "scores.json", sha256="0" * 64)
    result = export_hub(bundle_of_run.path, tmp_path / "hub", scores=[str(mine)])
    assert result.exported.facts["results"][-1] == "mine, split test"
    with pytest.raises(ManifestError, match="has scores of another model than this bundle"):
        export_hub(bundle_of_run.path, tmp_path / "no", scores=[str(other)])
    assert not (tmp_path / "no").exists()


def test_bundle_without_scores_is_reported(
    fakes: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = fakes.make_bundle(tmp_path / "bundle", [fakes.emotion_task()])
    export("hub", bundle.path, tmp_path / "hub", console=Console())
    assert "no scores of this bundle were found" in capsys.readouterr().err
    assert "Not judged yet" in (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("licence", ["CC BY-NC 4.0", "CC BY-ND 4.0", "CC BY-NC-ND 4.0"])
def test_licences_that_forbid_publication_are_refused(
    licence: str, bundle_of_run: Bundle, tmp_path: Path
) -> None:
    update_card(bundle_of_run.path, licence=licence)
    with pytest.raises(
        BundleError, match=rf"{licence} forbids .*; if the owner permits .*--allow-nc-nd"
    ) as refused:
        export_hub(bundle_of_run.path, tmp_path / "hub")
    assert "\n" not in str(refused.value) and not (tmp_path / "hub").exists()
    allowed = export_hub(bundle_of_run.path, tmp_path / "hub", allow_nc_nd=True)
    assert allowed.exported.facts["forbidden"]
    text = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    assert "**Licences of the training data forbid" in text


def test_licence_of_the_weights_that_permits_more_is_reported(
    bundle_of_run: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    update_card(bundle_of_run.path, licence="CC BY-NC 4.0")
    for licence, folder in (("mit", "first"), ("cc-by-nc-4.0", "second")):
        settings = {"licence": licence, "allow_nc_nd": True}
        export("hub", bundle_of_run.path, tmp_path / folder, settings, console=Console())
    assert capsys.readouterr().err.count("permits commercial use of the weights") == 1


def test_licence_of_a_start_or_of_added_sounds_is_refused_too(bundle_of_run: Bundle, tmp_path: Path) -> None:
    update_card(bundle_of_run.path, start={"name": "first", "licence": "CC BY-NC 4.0"})
    with pytest.raises(BundleError, match="start first: CC BY-NC 4.0 forbids commercial use"):
        export_hub(bundle_of_run.path, tmp_path / "hub")
    data = {**bundle_of_run.card["data"], "recordings": [{"folder": "cafe", "licence": "CC BY-ND 3.0"}]}
    update_card(bundle_of_run.path, start=None, data=data)
    with pytest.raises(BundleError, match="recordings in cafe: CC BY-ND 3.0 forbids derivatives"):
        export_hub(bundle_of_run.path, tmp_path / "hub")


def test_unknown_licence_of_the_data_must_be_stated(bundle_of_run: Bundle, tmp_path: Path) -> None:
    data = {**bundle_of_run.card["data"], "recordings": [{"folder": "cafe", "licence": None}]}
    update_card(bundle_of_run.path, licence=None, data=data, start={"name": "first"})
    with pytest.raises(BundleError, match=r"not stated \(corpus \(made\); recordings in cafe; start first\)"):
        export_hub(bundle_of_run.path, tmp_path / "hub")
    with pytest.raises(BundleError, match="CC BY-NC 4.0 forbids commercial use"):
        export_hub(bundle_of_run.path, tmp_path / "hub", data_licence="CC BY-NC 4.0")
    result = export_hub(bundle_of_run.path, tmp_path / "hub", data_licence="CC BY 4.0")
    card = load_bundle(result.folder).card
    assert card["licence"] == "CC BY 4.0" and card["start"]["licence"] == "CC BY 4.0"
    assert card["data"]["recordings"] == [{"folder": "cafe", "licence": "CC BY 4.0"}]


def test_stated_licence_cannot_be_replaced(bundle_of_run: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"\(MIT\), so --data-licence has no effect"):
        export_hub(bundle_of_run.path, tmp_path / "hub", data_licence="CC0")


def test_paths_of_the_machine_are_not_published(bundle_of_run: Bundle, tmp_path: Path) -> None:
    update_card(bundle_of_run.path, recipe={"name": "fake", "data": {"root": "/home/me/secret/corpus"}})
    result = export_hub(bundle_of_run.path, tmp_path / "hub")
    for path in result.folder.rglob("*.*"):
        assert b"/home/me" not in path.read_bytes(), path
    assert load_bundle(result.folder).card["recipe"]["data"]["root"] == "corpus"


def test_adapters_name_a_base_that_others_can_load(fakes: ModuleType, tmp_path: Path) -> None:
    card = {
        **fakes.card([fakes.emotion_task()]),
        "kind": "adapter",
        "base": {"source": "/models/base", "sha256": "0"},
    }
    bundle = write_bundle(
        tmp_path / "adapters",
        weights={"x": np.zeros(1, np.float32)},
        card=card,
        json_files={"adapter_config.json": {"base_model_name_or_path": "/models/base", "r": 4}},
    )
    with pytest.raises(BundleError, match="/models/base, a folder that others do not have.*--base-model"):
        export_hub(bundle.path, tmp_path / "hub")
    result = export_hub(bundle.path, tmp_path / "hub", base_model="owner/base")
    exported = load_bundle(result.folder)
    exported.check_files()
    assert exported.card["base"]["source"] == "owner/base"
    assert json.loads((result.folder / "adapter_config.json").read_text()) == {
        "base_model_name_or_path": "owner/base",
        "r": 4,
    }


def test_int8_weights_become_those_that_transformers_opens(tmp_path: Path) -> None:
    packed = pack_bundle("soritune/tiny-ko", tmp_path / "packed")
    result = export_hub(packed.path, tmp_path / "hub")
    exported = load_bundle(result.folder)
    assert (result.folder / "model.safetensors").is_file()
    assert not exported.is_int8
    assert exported.weights().keys() == packed.weights().keys()


def as_onnx(bundle: Bundle, path: Path, source: str | None = None, **changes: object) -> Bundle:
    """A folder as `export onnx` writes it, but for its graph."""
    card = {**bundle.card, "weights_format": "onnx", "onnx": {}, **changes}
    folder = write_bundle(
        path,
        weights={"classifier.weight": np.zeros(1, np.float32)},
        card={**card, "weights_format": None},
        json_files={},
        text_files={"model.onnx": "graph", "tokens.txt": "a 0\n"},
    )
    source = source or bundle.card["files"][bundle.weights_path.name]
    return update_card(
        folder.path, weights_format="onnx", onnx=OnnxGraph.of(bundle.outputs, source=source).to_json()
    )


def test_onnx_export_goes_into_its_own_folder(bundle_of_run: Bundle, tmp_path: Path) -> None:
    onnx = as_onnx(bundle_of_run, tmp_path / "onnx", recipe={"data": {"root": "/home/me/corpus"}})
    result = export_hub(bundle_of_run.path, tmp_path / "hub", onnx=str(onnx.path))
    assert (result.folder / "onnx" / "model.onnx").read_text() == "graph"
    assert {"onnx/model.onnx", "onnx/tokens.txt", "onnx/soritune.json"} <= result.exported.facts[
        "files"
    ].keys()
    assert not (result.folder / "onnx" / "README.md").exists()
    assert "/home/me" not in (result.folder / "onnx" / "soritune.json").read_text()
    assert "--backend onnx-runtime" in (result.folder / "README.md").read_text(encoding="utf-8")


def test_onnx_export_of_another_model_is_refused(bundle_of_run: Bundle, tmp_path: Path) -> None:
    other = as_onnx(bundle_of_run, tmp_path / "other", seed=99)
    with pytest.raises(BundleError, match=r"another model .*differ in seed"):
        export_hub(bundle_of_run.path, tmp_path / "hub", onnx=str(other.path))
    # Two runs of one recipe with other learning rates: their last bundles have equal cards.
    twin = as_onnx(bundle_of_run, tmp_path / "twin", source="0" * 64)
    with pytest.raises(BundleError, match="was exported from other weights than those of"):
        export_hub(bundle_of_run.path, tmp_path / "hub", onnx=str(twin.path))
    with pytest.raises(BundleError, match="is not an ONNX export"):
        export_hub(bundle_of_run.path, tmp_path / "hub", onnx=str(bundle_of_run.path))
    with pytest.raises(BundleError, match="is an ONNX export; give the bundle that it was made from"):
        export_hub(other.path, tmp_path / "hub")


def test_thresholds_of_a_model_of_the_package_go_with_it(tmp_path: Path) -> None:
    result = export_hub(Path("soritune/tiny-ko"), tmp_path / "hub")
    chosen = packaged_thresholds("tiny-ko")
    assert chosen is not None and thresholds_of_model(result.folder) == chosen
    assert FILE_NAME in result.exported.facts["files"]
    assert "with the thresholds tiny-ko-2 of thresholds.yaml" in (result.folder / "README.md").read_text(
        encoding="utf-8"
    )


def test_thresholds_beside_a_card_are_copied(bundle_of_run: Bundle, tmp_path: Path) -> None:
    mine = thresholds("mine")
    write_thresholds(bundle_of_run.path / FILE_NAME, mine)
    result = export_hub(bundle_of_run.path, tmp_path / "hub")
    assert thresholds_of_model(result.folder) == mine
    assert (
        push_to_hub(result.folder, "me/emotion", dry_run=True).files[FILE_NAME]
        == (result.folder / FILE_NAME).stat().st_size
    )


def thresholds(name: str, **changes: float) -> Thresholds:
    packaged = packaged_thresholds("tiny-ko")
    assert packaged is not None
    return packaged.model_copy(update={"name": name, **changes})


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("calibration", {"rows": 40, "speakers": 4, "outputs": {}, "thresholds": {}}, "calibration"),
        ("speaker_norm", {"rows": 40, "speakers": 4, "outputs": {}}, "normalisation per speaker"),
        ("tasks", [{"name": "emotion", "config": {"labels": ["x", "y"]}}], "settings of the tasks"),
    ],
)
def test_onnx_export_from_before_a_calibration_is_refused(
    key: str, value: object, named: str, bundle_of_run: Bundle, tmp_path: Path
) -> None:
    onnx = as_onnx(bundle_of_run, tmp_path / "onnx")
    update_card(bundle_of_run.path, **{key: value})
    with pytest.raises(
        BundleError, match=rf"the same weights and differ in: .*{named}; export .* again"
    ) as refused:
        export_hub(bundle_of_run.path, tmp_path / "hub", onnx=str(onnx.path))
    assert "\n" not in str(refused.value) and not (tmp_path / "hub").exists()
    update_card(onnx.path, **{key: value})
    export_hub(bundle_of_run.path, tmp_path / "hub", onnx=str(onnx.path))


def test_onnx_export_with_thresholds_of_before_is_refused(bundle_of_run: Bundle, tmp_path: Path) -> None:
    write_thresholds(bundle_of_run.path / FILE_NAME, thresholds("new"))
    onnx = as_onnx(bundle_of_run, tmp_path / "onnx")
    write_thresholds(onnx.path / FILE_NAME, thresholds("own of int8", least_margin=2.0))
    result = export_hub(bundle_of_run.path, tmp_path / "hub", onnx=str(onnx.path))
    assert thresholds_of_model(result.folder).name == "new"
    assert thresholds_of_model(result.folder / "onnx").name == "own of int8"
    # The export states that its thresholds are those of the bundle.
    update_card(onnx.path, onnx={**onnx.card["onnx"], THRESHOLDS: "old"})
    with pytest.raises(BundleError, match="differ in: thresholds of `soritune assess`"):
        export_hub(bundle_of_run.path, tmp_path / "again", onnx=str(onnx.path))
    write_thresholds(onnx.path / FILE_NAME, thresholds("new"))
    export_hub(bundle_of_run.path, tmp_path / "again", onnx=str(onnx.path))


def test_damaged_bundle_is_not_exported(bundle_of_run: Bundle, tmp_path: Path) -> None:
    (bundle_of_run.path / "config.json").write_text("{}{}")
    with pytest.raises(BundleError, match="sha256 differs"):
        export_hub(bundle_of_run.path, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_wrong_settings_and_folders_are_refused(bundle_of_run: Bundle, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown key; did you mean 'licence'"):
        export_hub(bundle_of_run.path, tmp_path / "hub", license="mit")
    with pytest.raises(OutputError, match="'two words' is not a name on the hub"):
        export_hub(bundle_of_run.path, tmp_path / "hub", repo="two words")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(OutputError, match="full exists"):
        export_hub(bundle_of_run.path, tmp_path / "full")


@pytest.mark.slow(seconds=8)
def test_exported_model_opens_as_its_card_states(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from soritune import Predictor

    result = export_hub(Path("soritune/tiny-ko"), tmp_path / "hub", repo="me/tiny")
    text = (result.folder / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0].replace('"me/tiny"', repr(str(result.folder)))
    samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    names: dict[str, Any] = {"samples": samples}
    exec(code, names)
    theirs = names["logits"].log_softmax(-1)[0].numpy()
    (ours,) = Predictor.load(result.folder, vad="off").posteriors([(samples, 16000)])
    np.testing.assert_allclose(ours.outputs["phoneme"], theirs, atol=1e-3)
    assert capsys.readouterr().out.startswith("[")
