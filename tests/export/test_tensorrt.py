from soritune.bundles.onnx_graph import OnnxGraph
from soritune.export.tensorrt import command, page, profile
from soritune.geometry import Geometry
from soritune.testing import ctc_output

GEOMETRY = Geometry((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
GRAPH = OnnxGraph.of((ctc_output(),))


def test_profile_goes_from_the_shortest_clip_to_thirty_seconds() -> None:
    assert profile(GRAPH, GEOMETRY, padded=True) == {
        "input_values": [[1, 400], [8, 80000], [32, 480000]],
        "input_lengths": [[1], [8], [32]],
    }


def test_command_line_names_all_shapes_and_is_marked_as_not_run() -> None:
    text = command(GRAPH, GEOMETRY, padded=False)
    assert "--minShapes=input_values:1x400" in text
    assert "--maxShapes=input_values:32x480000" in text
    assert "input_lengths" not in text
    assert "**Not run**" in page(GRAPH, GEOMETRY, padded=True)
    assert "input_lengths:32" in page(GRAPH, GEOMETRY, padded=True)
