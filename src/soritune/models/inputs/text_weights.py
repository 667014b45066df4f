"""The pretrained encoder of a text input: made from its configuration, with adapters, filled with stored weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from soritune.errors import ModelError, reason_of
from soritune.models.sizes import check_depth
from soritune.models.transformers_import import import_for_adapters
from soritune.tasks.inputs.text_encoder import TextOptions, encoder_folder, tokenizer_of
from soritune.tasks.specs import InputSpec

UNUSED = ("pooler",)
"""Modules of encoders that act on the first token alone. They are left out: the states of all tokens are read."""


def make_text_encoder(spec: InputSpec, options: TextOptions) -> Any:
    """The encoder with random weights, from the configuration in the bundle or that of the pretrained encoder.

    Raises:
        ModelError: the configuration cannot be used.
    """
    from transformers import AutoConfig, AutoModel

    stored = spec.stored_at
    folder = encoder_folder(options.encoder) if stored is None else stored
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        check_depth(config.to_dict(), int(config.num_hidden_layers), None, str(folder))
        if config.is_encoder_decoder:
            raise ModelError(
                f"{folder} is an encoder with a decoder; give the folder or name of a text encoder"
            )
        encoder: Any = AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
        if encoder.main_input_name != "input_ids":
            raise ModelError(f"{folder} reads {encoder.main_input_name}, not tokens; give a text encoder")
        _check_positions(encoder, options.max_tokens, str(folder))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{folder} is not a text encoder that transformers can open ({reason_of(error)})"
        ) from error
    for name in UNUSED:
        if hasattr(encoder, name):
            setattr(encoder, name, None)
    return encoder


def _check_positions(encoder: Any, max_tokens: int, source: str) -> None:
    """Refuses more tokens than the encoder has positions for.

    Raises:
        ModelError: there are more.
    """
    limit = getattr(encoder.config, "max_position_embeddings", None)
    # RoBERTa counts positions from the padding token's id plus one.
    padding = getattr(getattr(encoder, "embeddings", None), "padding_idx", None)
    usable = None if limit is None else int(limit) - (0 if padding is None else int(padding) + 1)
    if usable is not None and 0 < usable < max_tokens:
        raise ModelError(
            f"the text encoder {source} reads at most {usable} tokens, and max_tokens is {max_tokens}; lower it"
        )


def check_tokenizer(encoder: Any, spec: InputSpec) -> None:
    """Refuses a tokenizer of another encoder.

    Tokens that were added to a tokenizer may lie beyond the embeddings: they need not occur in a text.

    Raises:
        ModelError: it has more tokens than the encoder has embeddings.
    """
    tokens = tokenizer_of(spec).get_vocab_size(with_added_tokens=False)
    embeddings = int(encoder.get_input_embeddings().num_embeddings)
    if tokens > embeddings:
        raise ModelError(
            f"input '{spec.name}': its tokenizer has {tokens} tokens and its text encoder {embeddings}; they do not "
            "belong together"
        )


def add_adapters(encoder: nn.Module, options: TextOptions) -> None:
    """Puts adapters on the encoder, in place.

    Raises:
        ModelError: peft does not know where, or a target does not exist.
    """
    from peft import LoraConfig, inject_adapter_in_model

    import_for_adapters()
    lora = options.lora
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=None if lora.targets is None else list(lora.targets),
        bias="none",
    )
    try:
        inject_adapter_in_model(config, encoder)
    except ValueError as error:
        raise ModelError(
            f"no adapters can be put on the text encoder {options.encoder} ({reason_of(error)}); name linear modules "
            "of it in lora.targets"
        ) from error


def load_pretrained(encoder: nn.Module, options: TextOptions, generator: torch.Generator) -> None:
    """Fills the encoder with the weights that the options name, and its adapters with new ones: A random, B zero.

    Raises:
        ModelError: there are no weights, or some are missing.
    """
    from transformers import AutoModel

    folder = encoder_folder(options.encoder)
    try:
        with _without_bars():
            source, report = AutoModel.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:
        raise ModelError(f"the weights in {folder} cannot be read ({reason_of(error)})") from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(UNUSED))
    if missing:
        raise ModelError(f"{folder} lacks {len(missing)} weights of its text encoder, first {missing[0]}")
    weights = source.state_dict()
    own = {name.replace(".base_layer.", "."): name for name in encoder.state_dict() if ".lora_" not in name}
    encoder.load_state_dict({name: weights[plain] for plain, name in own.items()}, strict=False)
    for name, parameter in encoder.named_parameters():
        if ".lora_A." in name:
            nn.init.kaiming_uniform_(parameter, a=math.sqrt(5), generator=generator)
        elif ".lora_B." in name:
            nn.init.zeros_(parameter)


@contextmanager
def _without_bars() -> Iterator[None]:
    """No progress bars of transformers, which would be mixed with those of a run."""
    from transformers.utils import logging

    were_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if were_on:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
