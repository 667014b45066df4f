"""What is refused as a bundle, and with which sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bundles.toy_bundle import CARD, write

from soritune.bundles.read import is_bundle, load_bundle
from soritune.errors import BundleError


def test_a_folder_that_is_not_a_bundle_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a folder"):
        load_bundle(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"it has no soritune\.json"):
        load_bundle(tmp_path)
    assert not is_bundle(tmp_path)
    card = tmp_path / "soritune.json"
    for text, words in [
        ("{half", "cannot be read"),
        ("[]", "has schema 'list'"),
        ('{"schema": "soritune.bundle/9"}', "has schema 'soritune.bundle/9', this version reads"),
        ('{"schema": "soritune.bundle/1", "kind": "full"}', "lacks tasks, outputs"),
        ('{"schema": "soritune.bundle/2", "kind": "full"}', "lacks tasks, outputs"),
        (json.dumps({"schema": "soritune.bundle/2", **CARD}), r"lacks model\.safetensors"),
    ]:
        card.write_text(text, encoding="utf-8")
        with pytest.raises(BundleError, match=words):
            load_bundle(tmp_path)
    card.write_bytes('{"schema": "가"}'.encode("cp949"))
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(tmp_path)


def test_opening_a_bundle_loads_no_torch(tmp_path: Path) -> None:
    write(tmp_path / "b")
    code = (
        "import sys; from soritune.bundles.read import load_bundle; b = load_bundle(sys.argv[1]); b.weights(); "
        "b.outputs; "
        "sys.exit(len({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "b")], check=False).returncode == 0
