"""An encoder out of its config.json and its weights, repaired. Next: `models/model.py`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from soritune.errors import ModelError, nearest
from soritune.models.encoders.wav2vec2.group_norm import mask_group_norm
from soritune.models.encoders.wav2vec2.wavlm_attention import replace_wavlm_attention
from soritune.models.hf_names import check_model_type
from soritune.models.quick_dropout import quicken_dropout

OTHER_KEYS = ("torch_dtype", "num_labels", "add_adapter")
"""Keys of an architecture that are read and are no field of every family's config."""
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
"""Keys of a config.json that say how somebody ran the model, not what it is. Older versions of transformers wrote
them; newer ones act on them without a word, and then the recipe no longer decides."""
OPTIONAL_WEIGHTS = ("masked_spec_embed",)
"""May be missing in a checkpoint: nothing reads it but SpecAugment."""


def check_architecture(architecture: Mapping[str, Any]) -> None:
    """Refuses keys of a recipe's `model.architecture` that its family does not have; {} is fine.

    transformers takes any key without a word, so that a misspelt one would leave a default in its place.

    Raises:
        ModelError: such a key, or an unknown family.
    """
    from transformers import CONFIG_MAPPING

    if not architecture:
        return
    made = CONFIG_MAPPING[check_model_type(architecture.get("model_type"), "model.architecture")]
    known = {*made().to_dict(), *inspect.signature(made.__init__).parameters, *OTHER_KEYS}
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

    Raises:
        ModelError: an unknown family, a value transformers refuses, or convolutional adapters on top
        (`add_adapter`).
    """
    from transformers import CONFIG_MAPPING

    model_type = check_model_type(architecture.get("model_type"), source)
    plain = {key: value for key, value in architecture.items() if key not in RUN_TIME_KEYS}
    try:
        config = CONFIG_MAPPING[model_type].from_dict(plain)
    except Exception as error:
        raise ModelError(f"{source}: transformers refuses this configuration ({error})") from error
    if getattr(config, "add_adapter", False):
        raise ModelError(
            f"{source} has convolutional adapters on top (add_adapter), which soritune does not support"
        )
    if dropout is not None:
        config.hidden_dropout = config.attention_dropout = dropout
        config.feat_proj_dropout = config.final_dropout = dropout
        config.activation_dropout = min(config.activation_dropout, dropout)
    config.layerdrop = layerdrop
    return config


def make_encoder(
    config: Any, weights: Mapping[str, Tensor] | None, *, seed: int = 0, source: str = "", meta: bool = False
) -> nn.Module:
    """The base model with `weights` (base model's names), or with random ones drawn from `seed`.

    Group norm and WavLM attention are repaired; both keep the names and the numbers of an unpadded clip. With
    `meta` the model has shapes and no memory, for counting.

    Raises:
        ModelError: weights that do not fit the configuration, or a configuration no encoder can be built from.
    """
    from transformers import AutoModel

    build: Callable[..., nn.Module] = AutoModel.from_config
    attention = "eager" if config.model_type == "wavlm" else "sdpa"
    try:
        with (
            torch.random.fork_rng(devices=[]),
            torch.device("meta" if meta or weights is not None else "cpu"),
        ):
            torch.manual_seed(seed)
            encoder = build(config, attn_implementation=attention)
    except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{source or 'architecture'}: no model can be built of these numbers ({reason})"
        ) from error
    if weights is not None:
        _load(encoder, weights, source, seed)
    mask_group_norm(encoder)
    if config.model_type == "wavlm":
        replace_wavlm_attention(encoder)
    quicken_dropout(encoder)
    return encoder


def _load(encoder: nn.Module, weights: Mapping[str, Tensor], source: str, seed: int) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    fitting = {name: weights[name] for name in expected if name in weights}
    wrong = [name for name, tensor in fitting.items() if tuple(tensor.shape) != expected[name]]
    if wrong:
        found, wanted = tuple(fitting[wrong[0]].shape), expected[wrong[0]]
        raise ModelError(
            f"{source}: {len(wrong)} weights do not fit config.json, first {wrong[0]} with {found} "
            f"instead of {wanted}"
        )
    missing = [name for name in expected if name not in weights and name not in OPTIONAL_WEIGHTS]
    if missing:
        raise ModelError(
            f"{source} lacks {len(missing)} of {len(expected)} encoder weights, first {missing[0]}; "
            "it is not a complete wav2vec2, HuBERT or WavLM model"
        )
    for name in OPTIONAL_WEIGHTS:
        if name in expected and name not in fitting:
            fitting[name] = torch.rand(expected[name], generator=torch.Generator().manual_seed(seed))
    encoder.load_state_dict(fitting, assign=True)
