from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soritune.errors import BundleError, ModelError, OutputError, UnknownNameError
from soritune.export.exporter import Exported
from soritune.settings import Settings
from soritune.stages import export as stage
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
    with pytest.raises(UnknownNameError, match="onnx, sherpa"):
        export("tflite", tiny_ko, tmp_path / "out")
    with pytest.raises(BundleError, match="does not exist"):
        export("names", tmp_path / "model", tmp_path / "out")
