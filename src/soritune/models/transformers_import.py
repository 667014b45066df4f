"""Imports the models of transformers without the libraries that inference does not use.

With any model, transformers imports scipy and accelerate, and torch's compiler with sympy: for losses of object
detection, for models on several machines, and for compiled models. They are a third of the processor time of
`soritune predict` on one clip. It also reads the files of all of its models twice, to list them. All of the libraries
are optional to transformers; they are hidden from it while it is imported. What it imported that way stays without them
until the process ends, and its models compute no losses. So a process does it only if it asked for it: `soritune
predict`, `assess` and `align` do, a program that imports soritune does not.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

QUESTIONS = (
    "is_accelerate_available",
    "is_scipy_available",
    "is_torch_distributed_available",
    "is_torch_flex_attn_available",
)
"""Functions by which transformers asks for optional parts while it is imported."""
LOSSES = "transformers.loss.loss_utils"
COMPILER, INDEXING = "torch._dynamo", "torch._dynamo._trace_wrapped_higher_order_op"
_MISSING = object()
_only_inference = False


def infer_only() -> None:
    """Makes this process import the models of transformers for inference only."""
    global _only_inference
    _only_inference = True


def import_model(model_type: str) -> None:
    """Imports what models of a type need, after `infer_only`; otherwise nothing, since building a model imports it.

    A version of transformers that cannot be imported without the libraries is imported with them.
    """
    if not _only_inference or COMPILER in sys.modules or "transformers.modeling_utils" in sys.modules:
        return
    import transformers  # noqa: F401  (its own modules are imported with all libraries)

    before = set(sys.modules)
    try:
        with _hidden():
            for name in ("modeling_utils", "modeling_layers", "masking_utils", _file(model_type)):
                if importlib.util.find_spec(f"transformers.{name}") is not None:
                    importlib.import_module(f"transformers.{name}")
    except Exception:
        logger.debug("transformers needs all of its libraries", exc_info=True)
        for name in set(sys.modules) - before:
            if name.startswith("transformers."):
                del sys.modules[name]


def import_for_adapters() -> None:
    """Imports the module of torch that peft reads but does not import; after `infer_only` nothing else imports it."""
    import torch

    if torch.distributed.is_available():
        importlib.import_module("torch.distributed.tensor")


def _file(model_type: str) -> str:
    """Where transformers has the models of a type; a module that exists for all types that it does not have."""
    name = model_type.replace("-", "_")
    folder = f"models.{name}"
    known = name.isidentifier() and importlib.util.find_spec(f"transformers.{folder}") is not None
    return f"{folder}.modeling_{name}" if known else "modeling_utils"


@contextmanager
def _hidden() -> Iterator[None]:
    """Hides the libraries. A name of torch's compiler that is not known here is an `AttributeError`."""
    import torch
    from transformers import utils
    from transformers.utils import import_utils

    compiler, indexing = ModuleType(COMPILER), ModuleType(INDEXING)
    compiler.__path__ = []
    compiler.allow_in_graph = compiler.assume_constant_result = _unchanged  # type: ignore[attr-defined]
    indexing.TransformGetItemToIndex = _transform  # type: ignore[attr-defined]
    losses = ModuleType(LOSSES)
    losses.LOSS_MAPPING = {}  # type: ignore[attr-defined]
    with ExitStack() as stack:
        for name in QUESTIONS:
            for module in (utils, import_utils):
                if hasattr(module, name):
                    stack.enter_context(_replaced(vars(module), name, _no))
        stack.enter_context(_replaced(vars(torch.compiler), "disable", _unchanged))
        stack.enter_context(_replaced(vars(torch), "_dynamo", compiler))
        stack.enter_context(_replaced(sys.modules, COMPILER, compiler))
        stack.enter_context(_replaced(sys.modules, INDEXING, indexing))
        stack.enter_context(_replaced(sys.modules, LOSSES, losses))
        listing = import_utils.define_import_structure
        stack.enter_context(_replaced(vars(import_utils), "define_import_structure", _of_folder(listing)))
        yield


@contextmanager
def _replaced(names: dict[str, Any], name: str, value: object) -> Iterator[None]:
    earlier = names.get(name, _MISSING)
    names[name] = value
    try:
        yield
    finally:
        if earlier is _MISSING:
            del names[name]
        else:
            names[name] = earlier


def _no(*_: object, **__: object) -> bool:
    return False


def _unchanged(function: Callable[..., Any] | None = None, **_: object) -> Callable[..., Any]:
    """A decorator of functions that are compiled in another way; nothing is compiled here."""
    return (lambda inner: inner) if function is None else function


def _of_folder(listing: Callable[..., Any]) -> Callable[..., Any]:
    """The function by which transformers lists what a folder exports, for the folder of a given file: so it finds what
    transformers listed before, which it keeps by folder."""

    def listed(path: str | Path, prefix: str | None = None) -> Any:
        path = Path(path)
        return listing(path.parent if path.suffix == ".py" else path, prefix)

    return listed


def _transform() -> Any:
    """torch's own object, imported when a model uses it."""
    return importlib.import_module(INDEXING).TransformGetItemToIndex()
