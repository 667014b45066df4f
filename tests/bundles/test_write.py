"""A bundle is written whole or not at all, and read back as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from tests.bundles.toy_bundle import CARD, WEIGHTS, write

from soritune.bundles.read import load_bundle
from soritune.bundles.write import update_card, write_bundle
from soritune.errors import OutputError


def test_a_written_bundle_is_read_with_equal_content(tmp_path: Path) -> None:
    bundle = write(tmp_path / "새 모델", name="toy", licence="CC0")
    again = load_bundle(tmp_path / "새 모델")
    assert again == bundle
    assert (again.name, again.is_adapter, again.labels) == (
        "toy",
        False,
        {"emotion": ("Anxious", "Kind", "Dry")},
    )
    assert again.tasks[0].name == "emotion"
    assert again.preprocessing == {"sample_rate_hz": 16000}
    assert all(np.array_equal(again.weights()[name], value) for name, value in WEIGHTS.items())
    assert json.loads((again.path / "config.json").read_text(encoding="utf-8")) == {"x": "한글"}
    assert "한글" in (again.path / "config.json").read_text(encoding="utf-8")
    assert again.card["schema"] == "soritune.bundle/2"
    assert again.card["versions"]["python"].startswith("3.")
    assert "emotion: cross_entropy" in str(again)


def test_an_earlier_bundle_is_replaced_and_any_other_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "b", seed=1)
    (tmp_path / "b" / "left over").write_text("x")
    assert write(tmp_path / "b", seed=2).card["seed"] == 2
    assert not (tmp_path / "b" / "left over").exists()
    other = tmp_path / "my thesis"
    other.mkdir()
    (other / "chapter 1").write_text("all I have")
    with pytest.raises(OutputError, match="is not a bundle; it is left unchanged"):
        write(other)
    assert (other / "chapter 1").read_text() == "all I have"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        write(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "file", "my thesis"]


def test_an_unwritable_path_is_reported_and_leaves_no_partial_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "file" / "b")

    class Odd:
        """Neither an array nor JSON."""

    with pytest.raises(TypeError):
        write_bundle(tmp_path / "b", weights=WEIGHTS, card=CARD, json_files={"config.json": Odd()})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_update_card_changes_one_field_on_disk(tmp_path: Path) -> None:
    write(tmp_path / "b")
    assert update_card(tmp_path / "b", licence="CC-BY-4.0").card["licence"] == "CC-BY-4.0"
    assert load_bundle(tmp_path / "b").card["licence"] == "CC-BY-4.0"


@pytest.mark.parametrize(
    "fault", [SafetensorError("I/O error: No space left on device (os error 28)"), KeyboardInterrupt()]
)
def test_a_full_disk_or_an_interrupt_keeps_the_earlier_bundle_alone(
    fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "b", seed=1)

    def fail(arrays: object, path: str, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise fault

    monkeypatch.setattr("soritune.bundles.write.save_file", fail)
    kind, words = (
        (OutputError, "the disk is full") if isinstance(fault, Exception) else (KeyboardInterrupt, None)
    )
    with pytest.raises(kind, match=words):
        write(tmp_path / "b", seed=2)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert load_bundle(tmp_path / "b").card["seed"] == 1


def test_an_interrupt_between_the_renames_restores_the_earlier_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "b", seed=1)
    real, calls = os.replace, []

    def interrupted_once(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr("soritune.bundles.write.os.replace", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "b", seed=2)
    assert load_bundle(tmp_path / "b").card["seed"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
