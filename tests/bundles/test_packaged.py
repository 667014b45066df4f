"""Names of packaged models, and paths that look like them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bundles.toy_bundle import write

from soritune.bundles.packaged import packaged_models, packaged_name, resolve_model_folder
from soritune.bundles.read import is_bundle, load_bundle
from soritune.errors import BundleError
from soritune.run_folder import choose_bundle


def test_a_packaged_model_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soritune.bundles.packaged.PACKAGED_FOLDER", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "package" / "tiny-xx")
    assert packaged_models() == ["soritune/tiny-xx"]
    assert is_bundle("soritune/tiny-xx")
    assert load_bundle("soritune/tiny-xx").path == tmp_path / "package" / "tiny-xx"
    assert choose_bundle("soritune/tiny-xx") == tmp_path / "package" / "tiny-xx"
    assert packaged_name(tmp_path / "package" / "tiny-xx") == "soritune/tiny-xx"
    assert packaged_name(tmp_path / "package") is None
    # A folder with the same name does not hide it; other names are paths.
    mine = write(tmp_path / "soritune" / "tiny-xx").path
    assert resolve_model_folder("soritune/tiny-xx") == tmp_path / "package" / "tiny-xx"
    assert resolve_model_folder("other/tiny-xx") == Path("other/tiny-xx")
    assert resolve_model_folder("soritune/runs/mine") == Path("soritune/runs/mine")
    # A folder with this name is a path if it is written as one; the result, written as text, is still that path.
    for path in ("./soritune/tiny-xx", "soritune/tiny-xx/", Path("soritune/tiny-xx"), mine):
        assert resolve_model_folder(path) == mine
        assert load_bundle(str(load_bundle(path).path)).path == mine
    assert packaged_name(mine) is None
    assert resolve_model_folder("./soritune/tiny-zz") == tmp_path / "soritune" / "tiny-zz"
    write(tmp_path / "soritune" / "tiny-zz")
    assert resolve_model_folder("soritune/tiny-zz") == tmp_path / "soritune" / "tiny-zz"
    with pytest.raises(
        BundleError,
        match=r"'soritune/tiny-yy' is neither a model of this package nor .* has: soritune/tiny-xx",
    ):
        load_bundle("soritune/tiny-yy")
