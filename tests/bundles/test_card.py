"""What a card states, and the sentence for each fault in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.bundles.toy_bundle import CARD, GEOMETRY, write

from soritune.bundles.card import Bundle, file_sha256
from soritune.bundles.read import load_bundle
from soritune.errors import BundleError


def test_a_changed_or_missing_file_fails_the_checksums(tmp_path: Path) -> None:
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


def test_a_card_without_geometry_is_refused(tmp_path: Path) -> None:
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
        (
            {"outputs": [{**SPEC, "layer": [1]}]},
            "layer of 'emotion' must be last, weighted, none, the number",
        ),
        (
            {"outputs": [{**SPEC, "layer": True}]},
            "layer of 'emotion' must be last, weighted, none, the number",
        ),
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
def test_a_faulty_card_is_refused_in_one_line_with_its_path(
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
