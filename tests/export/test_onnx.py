from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import Manifest
from soritune.errors import BundleError, ManifestError, ModelError, RecipeError
from soritune.inference.predictor import Predictor
from soritune.reports.weak_sounds import phones_of
from soritune.stages.assess import assess_clips
from soritune.stages.export import export
from soritune.testing import ALL_FAMILIES

ToyExport = Callable[[str, str], tuple[Path, Path]]


@pytest.mark.parametrize(("kind", "norm"), ALL_FAMILIES)
def test_every_family_is_exported_within_the_thresholds(kind: str, norm: str, toy_export: ToyExport) -> None:
    source, folder = toy_export(kind, norm)
    bundle, before = load_bundle(folder), load_bundle(source)
    bundle.check_files()
    assert bundle.is_onnx
    assert bundle.card["preprocessing"] == before.card["preprocessing"]
    assert (bundle.labels, bundle.geometry) == (before.labels, before.geometry)
    parity = bundle.card["onnx"]["parity"]
    assert (parity["clips"], len(parity["graphs"])) == (20, 3)
    assert 0 < parity["largest_difference"] < 1e-3
    assert parity["equal_decisions"] >= 0.995 * parity["decisions"] > 1000
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "model.onnx", "model.lengths.onnx", "classifiers.safetensors", "soritune.json", "README.md"
    }  # fmt: skip


def test_tokens_are_written_for_a_primary_ctc_output(tiny_ko: str, tmp_path: Path) -> None:
    settings = {"older": True, "padded": False, "frames": True, "target": "tensorrt"}
    folder = export("onnx", tiny_ko, tmp_path / "out", settings).folder
    lines = (folder / "tokens.txt").read_text(encoding="utf-8").splitlines()
    labels = load_bundle(tiny_ko).labels["phoneme"]
    assert lines == ["<blk> 0", *(f"{label} {number}" for number, label in enumerate(labels[1:], 1))]
    card = json.loads((folder / "soritune.json").read_text(encoding="utf-8"))
    assert card["onnx"]["tensorrt"]["run"] is False
    assert "trtexec" in (folder / "tensorrt.md").read_text(encoding="utf-8")
    assert not (folder / "model.lengths.onnx").exists()
    assert "frames" in load_bundle(folder).onnx_graph.output_names()


def test_assessment_by_the_graph_has_the_verdicts_of_pytorch(
    tiny_ko: str, unseen: Manifest, tmp_path: Path
) -> None:
    """The thresholds of the package's model go with its graph."""
    result = export("onnx", tiny_ko, tmp_path / "out", {"older": True, "padded": False})
    assert load_bundle(result.folder).card["onnx"]["assessment_thresholds"] == "tiny-ko-2"
    assert "thresholds tiny-ko-2 of the bundle" in (result.folder / "README.md").read_text(encoding="utf-8")
    by_pytorch, by_graph = (
        list(assess_clips(Predictor.load(folder, vad="off"), unseen, vad="energy"))
        for folder in (tiny_ko, result.folder)
    )
    assert any(answer["assessable"] for answer in by_pytorch)
    for one, other in zip(by_pytorch, by_graph, strict=True):
        assert (one["outcome"], one["counts"]) == (other["outcome"], other["counts"])
        assert one["thresholds"] == other["thresholds"]
        assert _verdicts(one) == _verdicts(other)
        assert one["advice"] == other["advice"]


def _verdicts(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (phone["expected"], phone["kind"], phone["recognised"], phone["start_s"], phone["end_s"])
        for _, phone in phones_of(answer)
    ]


def test_graph_of_int8_has_no_thresholds(tiny_ko: str, tmp_path: Path) -> None:
    settings = {"older": True, "padded": False, "int8": True, "force": True}
    folder = export("onnx", tiny_ko, tmp_path / "out", settings).folder
    assert not (folder / "thresholds.yaml").exists()
    assert "thresholds of `soritune assess` that the bundle has are not here" in (
        folder / "README.md"
    ).read_text(encoding="utf-8")


def test_int8_is_scored_and_both_figures_are_in_the_card(
    toy_export: ToyExport, tones: Manifest, tmp_path: Path
) -> None:
    source, _ = toy_export("wav2vec2", "layer")
    settings: dict[str, Any] = {
        "older": True, "int8": True, "data": tones.path, "root": tones.root, "max_loss": 100.0
    }  # fmt: skip
    result = export("onnx", source, tmp_path / "int8", settings)
    scores = {cost["task"]: cost for cost in load_bundle(result.folder).card["onnx"]["int8"]["scores"]}
    assert set(scores) == {"emotion", "phoneme"}
    for cost in scores.values():
        low, high = cost["interval"]
        assert low <= cost["loss_points"] <= high
        assert cost["rows"] == len(tones)
    phones = scores["phoneme"]
    assert phones["loss_points"] == pytest.approx(100 * (phones["int8"] - phones["float32"]))
    assert not list(tmp_path.glob(".*"))


def test_int8_that_loses_more_is_refused_and_leaves_nothing(
    toy_export: ToyExport, tones: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soritune.export import onnx as module
    from soritune.export.judged_int8 import Cost

    cost = Cost("emotion", "uar", 0.8, 0.79, 1.0, (0.5, 1.5), 36)
    monkeypatch.setattr(module, "costs", lambda *args: [cost])
    source, _ = toy_export("wav2vec2", "layer")
    settings = {"older": True, "padded": False, "int8": True, "data": tones.path, "root": tones.root}
    with pytest.raises(
        ModelError, match=r"int8 loses 1.00 points of emotion/uar on .* more than the 0.3 allowed"
    ):
        export("onnx", source, tmp_path / "out", settings)
    assert not list(tmp_path.iterdir())
    forced = export("onnx", source, tmp_path / "out", {**settings, "force": True})
    assert load_bundle(forced.folder).card["onnx"]["int8"]["scores"][0]["loss_points"] == 1.0


def test_int8_of_a_task_that_was_not_scored_is_refused(
    toy_export: ToyExport, tones: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soritune.export import onnx as module
    from soritune.export.judged_int8 import Cost

    cost = Cost("emotion", "uar", 0.8, 0.8, 0.0, (0.0, 0.0), 36)
    monkeypatch.setattr(module, "costs", lambda *args: [cost])
    source, _ = toy_export("wav2vec2", "layer")
    settings = {"older": True, "padded": False, "int8": True, "data": tones.path, "root": tones.root}
    with pytest.raises(ModelError, match="has no references of phoneme, so int8 was not scored on it"):
        export("onnx", source, tmp_path / "out", settings)
    assert not list(tmp_path.iterdir())

    def without_references(*args: object) -> list[Cost]:
        raise ManifestError("has no row with a reference", path=tmp_path / "float32.jsonl")

    monkeypatch.setattr(module, "costs", without_references)
    with pytest.raises(ModelError, match="int8 cannot be scored on .*no row has a reference"):
        export("onnx", source, tmp_path / "out", settings)
    not_a_number = Cost("phoneme", "per", 0.5, math.nan, math.nan, (math.nan, math.nan), 36)
    monkeypatch.setattr(module, "costs", lambda *args: [cost, not_a_number])
    with pytest.raises(ModelError, match="int8 loses nan points of phoneme/per"):
        export("onnx", source, tmp_path / "out", settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"int8": True}, "give data, a manifest with references on which it is scored, or force"),
        ({"force": True}, "force has no effect without int8"),
        ({"max_loss": 1.0}, "max_loss has no effect without int8"),
        ({"int8": True, "force": True, "max_loss": 1.0}, "have no effect without data"),
        ({"opset": 3}, "unknown"),
    ],
)
def test_idle_and_unknown_settings_are_refused(
    settings: dict[str, Any], message: str, tiny_ko: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=message):
        export("onnx", tiny_ko, tmp_path / "out", settings)


def test_onnx_folder_is_not_exported_again(toy_export: ToyExport, tmp_path: Path) -> None:
    _, folder = toy_export("wav2vec2", "layer")
    with pytest.raises(BundleError, match="is an ONNX folder already"):
        export("onnx", folder, tmp_path / "out")
