from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.bundles.toy_bundle import write

from soritune.bundles.card import WEIGHTS_FORMAT
from soritune.bundles.onnx_graph import ONNX, ONNX_FILE, OnnxGraph
from soritune.bundles.read import load_bundle
from soritune.bundles.write import update_card
from soritune.errors import BundleError
from soritune.testing import class_output, ctc_output

SPECS = (ctc_output(labels="ab_", options={"blank": 2}), class_output())


def test_interface_of_both_graphs() -> None:
    graph = OnnxGraph.of(SPECS, ["age", "age_present"], frames=True)
    assert graph.outputs == {"phoneme": ("_", "a", "b"), "emotion": ("a", "b", "c")}
    assert graph.order_of(SPECS[0]) == [2, 0, 1]
    assert graph.order_of(SPECS[1]) is None
    assert graph.input_names(padded=False) == ("input_values", "age", "age_present", "normalize")
    assert graph.input_names(padded=True)[1] == "input_lengths"
    assert graph.output_names() == ("logprobs", "logprobs_emotion", "pooled_emotion", "frames")
    plain = OnnxGraph.of(SPECS, normalizes=False)
    assert plain.input_names(padded=False) == ("input_values",)


def test_json_restores_the_same_object() -> None:
    graph = OnnxGraph.of(SPECS, ["age"], source="ab12")
    content = json.loads(json.dumps(graph.to_json()))
    assert OnnxGraph.from_json({**content, "opset": 20}) == graph


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "not a JSON object"),
        ({"outputs": []}, "outputs is .* not a dict"),
        ({"outputs": {"a": "bc"}}, "lists of names"),
        ({"outputs": {}}, "lists of names"),
        ({"inputs": [3]}, "lists of names"),
        ({"source": None}, "source is None, not a str"),
        ({"normalizes": "yes"}, "normalizes is 'yes', not a bool"),
    ],
)
def test_faulty_description_is_refused(change: dict[str, Any] | None, message: str) -> None:
    content = OnnxGraph.of(SPECS).to_json()
    with pytest.raises(ValueError, match=message):
        OnnxGraph.from_json(None if change is None else {**content, **change})


def test_onnx_folder_has_a_graph_in_place_of_weights(tmp_path: Path) -> None:
    folder = write(tmp_path / "b").path
    (folder / ONNX_FILE).write_bytes(b"graph")
    bundle = update_card(folder, **{WEIGHTS_FORMAT: ONNX})
    assert bundle.is_onnx
    assert bundle.weights_path == folder / ONNX_FILE
    with pytest.raises(BundleError, match="is an ONNX folder, which has a graph in place of weights"):
        bundle.weights()
    with pytest.raises(BundleError, match=r"'onnx' is faulty \(is None, not a JSON object\)"):
        _ = bundle.onnx_graph
    (folder / ONNX_FILE).unlink()
    with pytest.raises(BundleError, match="lacks model.onnx"):
        load_bundle(folder)
