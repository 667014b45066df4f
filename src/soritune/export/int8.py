"""Graphs with the weights of their matrix products as int8, by ONNX Runtime's dynamic quantisation."""

from __future__ import annotations

import ast
import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from soritune.errors import ModelError

OPERATORS = ("MatMul", "Gemm")
"""Those with a matrix of weights; the library makes the first of the second. Convolutions are left in float32: with
them as int8 a graph is slower and further from the model."""
_SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata of a node: the modules of torch that it comes from."""


def quantise(file: Path, kept: Sequence[str] = ()) -> int:
    """Stores the weights of a graph's matrix products as int8, with a scale per output channel; activations become int8
    when the graph runs.

    Args:
        file: the ONNX file, which is replaced.
        kept: parts of names of modules whose weights are left in float32, such as "layers.0.", or "phoneme." for the
            head of this output.

    Returns:
        The number of weights that were changed.

    Raises:
        ModelError: a name of `kept` that no matrix product has, or there is nothing to change.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    proto = onnx.load(str(file))
    weights = {initializer.name for initializer in proto.graph.initializer}
    modules = {
        node.name: _module_of(node)
        for node in proto.graph.node
        if node.op_type in OPERATORS and weights & set(node.input)
    }
    unknown = next((part for part in kept if not any(part in name for name in modules.values())), None)
    if unknown is not None:
        raise ModelError(
            f"no matrix product has '{unknown}' in its name, so it cannot stay in float32; names are such as "
            f"{', '.join(sorted(modules.values())[:3])}"
        )
    excluded = [node for node, name in modules.items() if any(part in name for part in kept)]
    if len(excluded) == len(modules):
        raise ModelError("no weight is left that could become int8; keep fewer of them in float32")
    metadata = {each.key: each.value for each in proto.metadata_props}
    del proto
    result = file.with_name(f"int8-{file.name}")
    with _quiet():
        quantize_dynamic(
            str(file),
            str(result),
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[*excluded, *(f"{node}_MatMul" for node in excluded)],
            extra_options={"MatMulConstBOnly": True},
        )
    written = onnx.load(str(result))
    onnx.helper.set_model_props(written, metadata)
    onnx.save(written, str(file))
    result.unlink()
    return sum(
        weights.data_type == onnx.TensorProto.INT8 and len(weights.dims) == 2
        for weights in written.graph.initializer
    )


def _module_of(node: Any) -> str:
    """The module of torch that a node comes from, such as `encoder.layers.0.attention.q_proj`."""
    stored = next((each.value for each in node.metadata_props if each.key == _SCOPES), None)
    if stored is not None:
        with contextlib.suppress(ValueError, SyntaxError, IndexError):
            return str(ast.literal_eval(stored)[-2]).removeprefix("model.")
    # The older exporter names a node after its modules: /model/encoder/layers.0/attention/q_proj/MatMul
    parts = [part for part in str(node.name).split("/") if part]
    return ".".join(parts[:-1]).removeprefix("model.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library logs advice on the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)
