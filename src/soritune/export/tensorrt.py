"""The command line with which TensorRT builds an engine of a graph. It has not been run."""

from __future__ import annotations

from typing import Any

from soritune.bundles.onnx_graph import LENGTHS_FILE, ONNX_FILE, OnnxGraph
from soritune.geometry import Geometry

FILE = "tensorrt.md"
BATCHES = (1, 8, 32)
"""Least, usual and largest batch of the profile."""
USUAL_S, LONGEST_S = 5.0, 30.0


def profile(graph: OnnxGraph, geometry: Geometry, *, padded: bool) -> dict[str, list[list[int]]]:
    """Per input its least, usual and largest shape."""
    rate = geometry.sample_rate_hz
    longest = min(LONGEST_S * rate, geometry.longest_samples)
    widths = (geometry.least_samples, round(min(USUAL_S * rate, longest)), round(longest))
    shapes = {graph.waveform: [[rows, width] for rows, width in zip(BATCHES, widths, strict=True)]}
    if padded:
        shapes[graph.lengths] = [[rows] for rows in BATCHES]
    return shapes


def command(graph: OnnxGraph, geometry: Geometry, *, padded: bool) -> str:
    """A call of trtexec."""
    shapes = profile(graph, geometry, padded=padded)
    options = [
        f"--{name}Shapes="
        + ",".join(f"{key}:{'x'.join(map(str, sizes[index]))}" for key, sizes in shapes.items())
        for index, name in enumerate(("min", "opt", "max"))
    ]
    file = LENGTHS_FILE if padded else ONNX_FILE
    engine = file.replace(".onnx", ".plan")
    return " \\\n    ".join(["trtexec", f"--onnx={file}", f"--saveEngine={engine}", "--fp16", *options])


def page(graph: OnnxGraph, geometry: Geometry, *, padded: bool) -> str:
    """tensorrt.md."""
    text = "# TensorRT\n\n**Not run**: no machine with TensorRT was at hand.\n\n"
    text += f"    {_indented(graph, geometry, False)}\n"
    if padded:
        text += f"\nThe graph for padded batches:\n\n    {_indented(graph, geometry, True)}\n"
    return text + (
        "\nThe engine normalises the waveform, since TensorRT takes the input `normalize` as the constant true. "
        "Compare its log-probabilities with those of ONNX Runtime before you use it.\n"
    )


def _indented(graph: OnnxGraph, geometry: Geometry, padded: bool) -> str:
    return command(graph, geometry, padded=padded).replace("\n", "\n    ")


def record(graph: OnnxGraph, geometry: Geometry, *, padded: bool) -> dict[str, Any]:
    """For the card."""
    return {"run": False, "profile": profile(graph, geometry, padded=padded), "file": FILE}
