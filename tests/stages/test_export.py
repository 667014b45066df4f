from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.errors import BundleError, MissingLibraryError, ModelError, OutputError, UnknownNameError
from soritune.export.exporter import Exported
from soritune.run_folder import RunFolder
from soritune.settings import Settings
from soritune.stages import export as stage
from soritune.stages.calibrate import calibrate
from soritune.stages.evaluate import evaluate
from soritune.stages.export import export


class Names(Settings):
    fail: bool = False


class NameExporter:
    settings = Names

    def write(self, bundle: Any, folder: Path, settings: Names, console: Any) -> Exported:
        assert folder.is_dir()
        assert not list(folder.iterdir())
        (folder / "name.txt").write_text(bundle.name, encoding="utf-8")
        if settings.fail:
            raise ModelError("cannot be written")
        return Exported({"name": bundle.name}, ("done",))


@pytest.fixture(autouse=True)
def exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    load = stage.load_member
    monkeypatch.setattr(
        stage, "load_member", lambda *args: NameExporter() if args[2] == "names" else load(*args)
    )


def test_folder_appears_whole_or_not_at_all(tiny_ko: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        export("names", tiny_ko, tmp_path / "out", {"fail": True})
    assert not list(tmp_path.iterdir())
    (tmp_path / "out").mkdir()  # an empty folder is filled
    result = export("names", tiny_ko, tmp_path / "out")
    assert (result.folder, result.exported.lines) == (tmp_path / "out", ("done",))
    assert [file.name for file in tmp_path.rglob("*")] == ["out", "name.txt"]


def test_folder_with_files_is_left_alone(tiny_ko: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine", encoding="utf-8")
    for target in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(OutputError, match="exists; name a folder that does not exist"):
            export("names", tiny_ko, target)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "mine"


def test_unknown_format_and_model_are_refused(tiny_ko: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="hub, onnx, sagemaker, sherpa"):
        export("tflite", tiny_ko, tmp_path / "out")
    with pytest.raises(BundleError, match="does not exist"):
        export("names", tmp_path / "model", tmp_path / "out")


def test_exported_bundle_of_a_run_is_judged_and_calibrated_there(
    toy_export: Any, tones: Manifest, tmp_path: Path
) -> None:
    """An ONNX folder among the bundles of a run has the run's splits, and its temperatures go into its own card."""
    _, folder = toy_export("wav2vec2", "layer")
    run = RunFolder(tmp_path / "run")
    shutil.copytree(folder, run.bundle("onnx"))
    write_manifest(run.checked, list(tones), root=tones.root)
    splits = make_splits(
        tones, SplitSettings(by=("speaker",), ratios={"train": 0.2, "val": 0.6, "test": 0.2})
    )
    splits.save(run.splits)
    fitted = calibrate(run.path, checkpoint="onnx")
    assert fitted.outputs["emotion"].rows > 0
    bundle = load_bundle(run.bundle("onnx"))
    assert bundle.is_onnx
    assert bundle.calibration is not None
    scores = evaluate(run.path, checkpoint="onnx", split="test", audio=False, vad="off", copies="ignore")
    assert set(scores["tasks"]) == {"emotion", "phoneme"}


def test_missing_library_of_a_format_names_the_extra_of_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MissingLibraryError("torch is missing", ["train"], ["torch"])

    monkeypatch.setattr(stage, "load_member", fail)
    with pytest.raises(MissingLibraryError, match=r"export onnx needs torch.*soritune\[export\]"):
        export("onnx", "soritune/tiny-ko", tmp_path / "out")
