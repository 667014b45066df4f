from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from soritune.bundles.card import Bundle, file_sha256
from soritune.bundles.hf_files import read_vocabulary
from soritune.bundles.packaged import packaged_models, packaged_name, resolve_model_folder
from soritune.bundles.read import is_bundle, load_bundle
from soritune.bundles.write import update_card, write_bundle
from soritune.errors import BundleError, OutputError
from soritune.geometry import Geometry
from soritune.run_folder import choose_bundle
from soritune.tasks.task import rebuild_task

GEOMETRY = Geometry((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
CARD = {
    "kind": "full",
    "tasks": [{"name": "emotion", "config": {"labels": ["Anxious", "Kind", "Dry"]}}],
    "outputs": [
        {
            "name": "emotion", "labels": ["Anxious", "Kind", "Dry"], "resolution": "utterance",
            "objective": "cross_entropy", "weight": 1.0, "layer": "last", "reads": None, "options": {},
        }
    ],
    "encoder": {"model_type": "wav2vec2", "geometry": GEOMETRY.to_json()},
    "preprocessing": {"sample_rate_hz": 16000},
    "model": {},
}  # fmt: skip
WEIGHTS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float32)}


def write(path: Path, **card: object) -> Bundle:
    return write_bundle(
        path, weights=WEIGHTS, card={**CARD, **card}, json_files={"config.json": {"x": "한글"}}
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
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


def test_checksums_find_a_changed_or_missing_file(tmp_path: Path) -> None:
    bundle = write(tmp_path / "b")
    bundle.check_files()
    assert bundle.card["files"]["model.safetensors"] == file_sha256(bundle.weights_path)
    (bundle.path / "README.md").write_text("a better card", encoding="utf-8")
    bundle.check_files()
    (bundle.path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="sha256 differs"):
        bundle.check_files()
    (bundle.path / "config.json").unlink()
    with pytest.raises(BundleError, match=r"lacks config\.json"):
        bundle.check_files()


def test_sha256_is_the_standard_one(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-4, example for "abc".
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_older_bundle_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
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


def test_an_unwritable_place_gets_a_sentence_and_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "file" / "b")

    class Odd:
        """Neither an array nor JSON."""

    with pytest.raises(TypeError):
        write_bundle(tmp_path / "b", weights=WEIGHTS, card=CARD, json_files={"config.json": Odd()})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_folders_that_are_no_bundle_get_a_sentence(tmp_path: Path) -> None:
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


def test_a_card_can_be_told_more(tmp_path: Path) -> None:
    write(tmp_path / "b")
    assert update_card(tmp_path / "b", licence="CC-BY-4.0").card["licence"] == "CC-BY-4.0"
    assert load_bundle(tmp_path / "b").card["licence"] == "CC-BY-4.0"


def test_vocabularies(tmp_path: Path) -> None:
    file = tmp_path / "vocab.json"
    file.write_text(json.dumps({"ㅏ": 1, "[PAD]": 0, "|": 2}), encoding="utf-8")
    assert read_vocabulary(tmp_path) == ("[PAD]", "ㅏ", "|")
    for text, words in [
        ('{"a": 0, "b": 2}', "does not number"),
        ('{"a": 0, "b": 0}', "does not number"),
        ("[]", "does not number"),
        ('{"eng": {"a": 0}}', "per language"),
        ("{", "cannot be read"),
    ]:
        file.write_text(text, encoding="utf-8")
        with pytest.raises(BundleError, match=words):
            read_vocabulary(tmp_path)


def test_opening_a_bundle_loads_no_torch(tmp_path: Path) -> None:
    write(tmp_path / "b")
    code = (
        "import sys; from soritune.bundles.read import load_bundle; b = load_bundle(sys.argv[1]); b.weights(); "
        "b.outputs; "
        "sys.exit(len({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "b")], check=False).returncode == 0


def test_faulty_task_settings_or_a_missing_geometry_give_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="settings of task emotion: labels: "):
        rebuild_task("emotion", {"labels": ["one"]})
    with pytest.raises(BundleError, match="geometry"):
        _ = Bundle(tmp_path, {"encoder": {}}).geometry


SPEC = CARD["outputs"][0]  # type: ignore[index]
INPUT = {"name": "age", "column": "age", "request_field": "age_years", "encoding": "number"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": [{"name": "emotion", "config": {"labels": ["one"]}}]}, "'tasks' is faulty .*labels"),
        ({"tasks": [{"name": "emotion"}]}, "'tasks' is faulty .*no 'config'"),
        ({"tasks": {"emotion": {}}}, "'tasks' is faulty .*not a list"),
        ({"outputs": [{"name": "emotion"}]}, "'outputs' is faulty .*no 'labels'"),
        ({"outputs": [{**SPEC, "labels": "abc"}]}, "labels of 'emotion' must be a list"),
        ({"outputs": [{**SPEC, "labels": ["a", "a"]}]}, "distinct names"),
        ({"outputs": [{**SPEC, "labels": None}]}, "'outputs' is faulty"),
        ({"outputs": [{**SPEC, "labels": []}]}, "list of distinct names, got .."),
        ({"outputs": ["emotion"]}, "'outputs' is faulty .must be a mapping, got 'emotion'"),
        ({"outputs": [{**SPEC, "colour": 1}]}, "'outputs' is faulty .unknown key 'colour'; known: name"),
        ({"outputs": [{**SPEC, "name": 5}]}, "name of '5' must be a text"),
        (
            {"outputs": [{**SPEC, "options": None}]},
            "options of 'emotion' must be a mapping of settings, got None",
        ),
        (
            {"outputs": [{**SPEC, "options": ["class_weights"]}]},
            "must be a mapping of settings, got ..class_weig",
        ),
        (
            {"outputs": [{**SPEC, "options": {"class_weights": ["a", "b", "c"]}}]},
            "'outputs' is faulty .*class weights of output 'emotion' must be finite numbers",
        ),
        ({"outputs": [{**SPEC, "objective": ["ctc"]}]}, "objective of 'emotion' must be a text"),
        ({"outputs": [{**SPEC, "resolution": "clip"}]}, "resolution of 'emotion' must be frame or utterance"),
        ({"outputs": [{**SPEC, "layer": [1]}]}, "layer of 'emotion' must be last, weighted or the number"),
        ({"outputs": [{**SPEC, "layer": True}]}, "layer of 'emotion' must be last, weighted or the number"),
        ({"outputs": [{**SPEC, "inputs": "age"}]}, "inputs of 'emotion' must be a list of names, got 'age'"),
        ({"outputs": [{**SPEC, "inputs": None}]}, "inputs of 'emotion' must be a list of names, got None"),
        ({"outputs": [{**SPEC, "reads": ["phoneme"]}]}, "reads of 'emotion' must be the name of an output"),
        ({"outputs": [{**SPEC, "weight": "x"}]}, "weight of 'emotion' must be a finite number, got 'x'"),
        ({"inputs": [{**INPUT, "name": None}]}, "'inputs' is faulty .name of 'None' must be a text"),
        (
            {"inputs": [{**INPUT, "encoding": ["number"]}]},
            "'inputs' is faulty .encoding of 'age' must be a text",
        ),
        ({"inputs": [{**INPUT, "options": 5}]}, "options of 'age' must be a mapping of settings, got 5"),
        ({"inputs": [{**INPUT, "optional": "no"}]}, "optional of 'age' must be true or false, got 'no'"),
        ({"inputs": [{"name": "age"}]}, "'inputs' is faulty .no 'column'"),
        ({"inputs": [5]}, "'inputs' is faulty .must be a mapping, got 5"),
        ({"encoder": {"geometry": "quick"}}, "'encoder' is faulty .geometry: a geometry has the keys"),
        ({"encoder": {"geometry": {**GEOMETRY.to_json(), "strides": [5, 0]}}}, "geometry: kernels, strides"),
        ({"encoder": {"geometry": {**GEOMETRY.to_json(), "sample_rate_hz": 0}}}, "whole numbers above 0"),
        ({"encoder": {}}, "geometry: no 'geometry'"),
        ({"schema": "soritune.bundle/1"}, "'encoder' is faulty .no 'conv_kernel'"),
        ({"outputs": [{**SPEC, "objective": "focal"}]}, "unknown objective 'focal'; .*install the package"),
        ({"outputs": [{**SPEC, "options": {"blank": 0}}]}, "'outputs' is faulty .*has the option 'blank'"),
        ({"kind": "half"}, "neither 'full' nor 'adapter'"),
    ],
)
def test_faulty_cards_get_one_sentence_that_names_the_file(
    changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    write(tmp_path / "b")
    file = tmp_path / "b" / "soritune.json"
    card = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**card, **changes}), encoding="utf-8")

    def use() -> None:
        bundle = load_bundle(tmp_path / "b")
        _ = bundle.tasks, bundle.outputs, bundle.inputs, bundle.geometry

    with pytest.raises(BundleError, match=words) as raised:
        use()
    assert "\n" not in str(raised.value)
    assert str(tmp_path / "b") in str(raised.value)


@pytest.mark.parametrize("fault", [SafetensorError("No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_keeps_the_earlier_bundle_and_leaves_nothing(
    fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "b", seed=1)

    def fail(arrays: object, path: str, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise fault

    monkeypatch.setattr("soritune.bundles.write.save_file", fail)
    kind, words = (
        (OutputError, "No space left") if isinstance(fault, Exception) else (KeyboardInterrupt, None)
    )
    with pytest.raises(kind, match=words):
        write(tmp_path / "b", seed=2)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert load_bundle(tmp_path / "b").card["seed"] == 1


def test_an_interrupt_between_the_two_renames_puts_the_old_bundle_back(
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


def test_a_model_of_the_package_goes_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soritune.bundles.packaged.PACKAGED_FOLDER", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "package" / "tiny-xx")
    assert packaged_models() == ["soritune/tiny-xx"]
    assert is_bundle("soritune/tiny-xx")
    assert load_bundle("soritune/tiny-xx").path == tmp_path / "package" / "tiny-xx"
    assert choose_bundle("soritune/tiny-xx") == tmp_path / "package" / "tiny-xx"
    assert packaged_name(tmp_path / "package" / "tiny-xx") == "soritune/tiny-xx"
    assert packaged_name(tmp_path / "package") is None
    # Neither a folder of the same name nor a hub is asked; other names are paths as ever.
    mine = write(tmp_path / "soritune" / "tiny-xx").path
    assert resolve_model_folder("soritune/tiny-xx") == tmp_path / "package" / "tiny-xx"
    assert resolve_model_folder("other/tiny-xx") == Path("other/tiny-xx")
    assert resolve_model_folder("soritune/runs/mine") == Path("soritune/runs/mine")
    # A folder of that name is a path when it is written as one, and stays one when that is written down again.
    for path in ("./soritune/tiny-xx", "soritune/tiny-xx/", Path("soritune/tiny-xx"), mine):
        assert resolve_model_folder(path) == mine
        assert load_bundle(str(load_bundle(path).path)).path == mine
    assert packaged_name(mine) is None
    assert resolve_model_folder("./soritune/tiny-zz") == tmp_path / "soritune" / "tiny-zz"
    write(tmp_path / "soritune" / "tiny-zz")
    assert resolve_model_folder("soritune/tiny-zz") == tmp_path / "soritune" / "tiny-zz"
    with pytest.raises(
        BundleError, match=r"'soritune/tiny-yy' is no model of this package .* has: soritune/tiny-xx"
    ):
        load_bundle("soritune/tiny-yy")
