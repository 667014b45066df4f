"""One table between soritune's names of weights and transformers', used in both directions.

soritune keeps an encoder's weights under the base model's own names and a head's under `heads.<output>.…`.
transformers puts the encoder under its model type and knows two heads a speech model can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from soritune.errors import ModelError

Value = TypeVar("Value")
HeadKind = Literal["ctc", "classification"]

CLASS_PREFIX: dict[str, str] = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}
"""Model types soritune takes, with the beginning of their class names in transformers. The model type itself
is the prefix of the encoder's weights in a model with a head."""

HEAD_SUFFIX: dict[HeadKind, str] = {"ctc": "ForCTC", "classification": "ForSequenceClassification"}

HEAD_NAMES: dict[HeadKind, dict[str, str]] = {
    "ctc": {"linear.weight": "lm_head.weight", "linear.bias": "lm_head.bias"},
    "classification": {
        "projector.weight": "projector.weight",
        "projector.bias": "projector.bias",
        "classifier.weight": "classifier.weight",
        "classifier.bias": "classifier.bias",
        "layer_weights": "layer_weights",
    },
}
"""Head weight in soritune, without `heads.<output>.` → name in transformers."""

OLD_NAMES: tuple[tuple[str, str], ...] = (
    ("conv.weight_g", "conv.parametrizations.weight.original0"),
    ("conv.weight_v", "conv.parametrizations.weight.original1"),
)
"""Weight norm was stored under the left names until PyTorch 2.1."""


def architecture_name(model_type: str, kind: HeadKind | None) -> str:
    """Class name in transformers, for `architectures` in config.json."""
    return CLASS_PREFIX[model_type] + (HEAD_SUFFIX[kind] if kind else "Model")


def to_hf(
    weights: Mapping[str, Value], model_type: str, primary: str, kind: HeadKind | None
) -> dict[str, Value]:
    """soritune's names to transformers': the encoder's, and the head of output `primary` if it has a
    counterpart.

    Other heads keep their names, which transformers reports as unexpected and leaves alone.
    """
    prefix = f"{model_type}." if kind else ""
    head = {f"heads.{primary}.{ours}": theirs for ours, theirs in HEAD_NAMES[kind].items()} if kind else {}
    renamed: dict[str, Value] = {}
    for name, value in weights.items():
        if name.startswith("encoder."):
            renamed[prefix + name.removeprefix("encoder.")] = value
        else:
            renamed[head.get(name, name)] = value
    return renamed


def from_hf(weights: Mapping[str, Value], model_type: str, primary: str) -> dict[str, Value]:
    """transformers' names to soritune's: `encoder.…` and `heads.…`; whatever is neither is left out.

    `primary` is the output that a head of transformers becomes. Takes a model with or without a head, with
    old or new names of weight norm.
    """
    prefix = f"{model_type}."
    has_prefix = any(name.startswith(prefix) for name in weights)
    heads = {theirs: ours for table in HEAD_NAMES.values() for ours, theirs in table.items()}
    renamed: dict[str, Value] = {}
    for name, value in weights.items():
        if name in heads:
            renamed[f"heads.{primary}.{heads[name]}"] = value
        elif name.startswith("heads."):
            renamed[name] = value
        elif not has_prefix or name.startswith(prefix):
            renamed["encoder." + new_name(name.removeprefix(prefix))] = value
    return renamed


def new_name(name: str) -> str:
    """A weight's name of today for one of an old file."""
    for old, new in OLD_NAMES:
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def model_type_of(config: Mapping[str, object]) -> object:
    """`model_type` of a config.json, or the family that its `architectures` name where it has none (files written
    before transformers 3)."""
    named = config.get("model_type")
    classes = config.get("architectures")
    if named is not None or not isinstance(classes, list | tuple):
        return named
    return next(
        (
            family
            for family, begins in CLASS_PREFIX.items()
            for found in classes
            # Not the families whose names begin alike, such as Wav2Vec2ConformerForCTC.
            if str(found).startswith((f"{begins}For", f"{begins}Model"))
        ),
        None,
    )


def check_model_type(model_type: object, source: str) -> str:
    """`model_type` if soritune knows it.

    Raises:
        ModelError: another family, or none named.
    """
    if model_type in CLASS_PREFIX:
        return str(model_type)
    raise ModelError(
        f"{source} is a model of type {model_type!r}; soritune takes {', '.join(CLASS_PREFIX)} "
        "(a folder with config.json that names one of them as model_type)"
    )
