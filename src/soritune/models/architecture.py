"""Makes an encoder from its config.json and its weights; families (`models/encoders/`) handle their differences.

Next: `models/model.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from soritune.errors import ModelError, nearest, reason_of
from soritune.geometry import Geometry
from soritune.models.encoder_module import EncoderModule
from soritune.models.encoders.encoder import EncoderFamily, family_of
from soritune.models.quick_dropout import quicken_dropout
from soritune.models.sizes import check_depth, check_weights

OTHER_KEYS = ("torch_dtype", "num_labels")
"""Keys of an architecture that are used although not every family's configuration has them."""
RUN_TIME_KEYS = (
    "dtype",
    "torch_dtype",
    "gradient_checkpointing",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "attn_implementation",
    "_attn_implementation",
    "quantization_config",
)
"""Keys of a config.json that describe how a model was run, not what it is. Older versions of transformers wrote them;
newer ones act on them silently, against the recipe."""


def check_architecture(architecture: Mapping[str, Any]) -> None:
    """Refuses keys of a recipe's `model.architecture` that its family does not have; {} is allowed.

    transformers accepts any key silently, so a misspelt key would leave its setting at the default.

    Raises:
        ModelError: such a key, or an unknown family.
    """
    if not architecture:
        return
    model_type = str(architecture.get("model_type"))
    family = family_of(architecture.get("model_type"), "model.architecture")
    config: Any = family.config_class(model_type)
    known = {
        *config().to_dict(),
        *inspect.signature(config.__init__).parameters,
        *OTHER_KEYS,
        *family.other_keys,
    }
    for key in architecture:
        if key not in known:
            hint = nearest(key, known)
            tail = f"did you mean '{hint}'?" if hint else "take it out"
            raise ModelError(
                f"model.architecture.{key}: a {architecture['model_type']} has no such setting; {tail}"
            )


def encoder_config(
    architecture: Mapping[str, Any],
    *,
    source: str = "architecture",
    dropout: float | None = None,
    layerdrop: float = 0.0,
) -> Any:
    """A transformers config from its JSON.

    Args:
        architecture: config.json.
        source: name of the model in errors.
        dropout: see `ModelConfig.dropout`.
        layerdrop: see `ModelConfig.layerdrop`.

    Raises:
        ModelError: an unknown family, or a configuration that transformers or the family does not support.
    """
    family = family_of(architecture.get("model_type"), source)
    plain = {key: value for key, value in architecture.items() if key not in RUN_TIME_KEYS}
    config_class: Any = family.config_class(str(architecture["model_type"]))
    try:
        config = config_class.from_dict(plain)
    except Exception as error:
        raise ModelError(f"{source}: transformers refuses this configuration ({reason_of(error)})") from error
    family.configure(config, dropout=dropout, layerdrop=layerdrop, source=source)
    return config


def make_encoder(
    config: Any,
    weights: Mapping[str, Tensor] | None,
    *,
    sample_rate_hz: int = 16000,
    seed: int = 0,
    source: str = "",
    meta: bool = False,
) -> EncoderModule:
    """The encoder of a configuration with `weights` (base model's names), or with random ones drawn from `seed`.

    With `meta` it has shapes but no memory, for counting.

    Raises:
        ModelError: weights that do not fit the configuration, a configuration no encoder can be built from, or a
            sample rate that the family does not support.
    """
    family = family_of(config.model_type, source or "architecture")
    shown = source or "architecture"
    geometry: Geometry = family.geometry(config.to_dict(), sample_rate_hz)
    check_depth(config.to_dict(), family.num_layers(config), None if weights is None else len(weights), shown)
    encoder = _built(family, config, geometry, "meta", seed, shown)
    check_weights(encoder, shown)
    if weights is None and not meta:
        encoder = _built(family, config, geometry, "cpu", seed, shown)
    if weights is not None:
        _load(encoder, family, weights, source, seed)
        encoder.fill_buffers()
        empty = next((name for name, buffer in encoder.named_buffers() if buffer.is_meta), None)
        if empty is not None:
            raise ModelError(
                f"{config.model_type}: the buffer {empty} is not stored and `fill_buffers` does not compute it; "
                "this is a defect of the encoder's family"
            )
    quicken_dropout(encoder)
    return encoder


def _built(
    family: EncoderFamily, config: Any, geometry: Geometry, device: str, seed: int, source: str
) -> EncoderModule:
    try:
        shapes = _OnlyShapes() if device == "meta" else nullcontext()
        with torch.random.fork_rng(devices=[]), torch.device(device), shapes:
            torch.manual_seed(seed)
            return family.build(config, geometry)
    except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
        reason = reason_of(error)
        raise ModelError(f"{source}: no model can be built with these numbers ({reason})") from error


class _OnlyShapes(TorchFunctionMode):
    """For tensors without memory: results of operations by their shapes, where torch would import its compiler."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name == "normal_":
            return args[0] if args else kwargs["tensor"]
        if (
            name == "norm_except_dim" and len(args) == 3 and args[2] >= 0
        ):  # of the weight-normalised convolution of wav2vec2
            values, _, dim = args
            return values.new_empty([size if axis == dim else 1 for axis, size in enumerate(values.shape)])
        return func(*args, **kwargs)


def _load(
    encoder: EncoderModule, family: EncoderFamily, weights: Mapping[str, Tensor], source: str, seed: int
) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    fitting = {name: weights[name] for name in expected if name in weights}
    wrong = [name for name, tensor in fitting.items() if tuple(tensor.shape) != expected[name]]
    if wrong:
        raise ModelError(
            f"{source}: {len(wrong)} weights do not fit config.json, first {wrong[0]} with "
            f"{tuple(fitting[wrong[0]].shape)} instead of {expected[wrong[0]]}"
        )

    missing = [name for name in expected if name not in weights and name not in family.optional_weights]
    if missing:
        raise ModelError(
            f"{source} lacks {len(missing)} of {len(expected)} encoder weights, first {missing[0]}; "
            f"it is not a complete {encoder.config.model_type} model"
        )
    for name in family.optional_weights:
        if name in expected and name not in fitting:
            fitting[name] = torch.rand(expected[name], generator=torch.Generator().manual_seed(seed))
    encoder.load_state_dict(fitting, assign=True)
