"""The settings of a text encoder, its folder, and its tokenizer. No torch.

A tokenizer is read from `tokenizer.json` by the library tokenizers. Encoders without this file have an older tokenizer,
which the library transformers converts (`tasks/inputs/tokenizer_conversion.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from soritune.errors import ModelError, TaskError, reason_of
from soritune.hub import folder_of_hub, weights_among
from soritune.settings import Settings, first_fault
from soritune.tasks.inputs.tokenizer_conversion import converted_tokenizer
from soritune.tasks.specs import InputSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"
NO_WEIGHTS = (".bin", ".safetensors", ".h5", ".msgpack", ".onnx", ".ot", ".pt", ".gguf", ".ckpt")
"""Ends of names of files that are not downloaded, unless they are the weights."""
VOCABULARIES = ("vocab", "spiece", "sentencepiece", "spm", "bpe", "merges")
"""Beginnings of names of files of older tokenizers."""


class TextAdapters(Settings):
    """Low-rank adapters (Hu et al. 2021) on a text encoder, by peft."""

    rank: int = Field(8, ge=1)
    """Inner dimension r."""
    alpha: float = 16.0
    """Scale numerator; the update is multiplied by alpha / rank."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout before the adapter."""
    targets: tuple[str, ...] | None = None
    """Names of the linear modules that get an adapter; None takes those that peft knows for the encoder's type."""


class TextOptions(Settings):
    """Options of an input of the kind "text"."""

    encoder: str = Field(min_length=1)
    """Hub name or local folder of a text encoder that `AutoModel` opens, with its tokenizer."""
    fusion: Literal["concat", "gate", "cross_attention", "text_only"] = "concat"
    """How a head joins text and audio. "concat": the vector of the text beside each frame (late concatenation).
    "gate": a learnt mixture of both (Arevalo et al. 2017). "cross_attention": each frame attends to the tokens.
    "text_only": no audio at all, as a baseline; rows and requests then need a text."""
    tune: Literal["frozen", "lora", "full"] = "frozen"
    """What of the text encoder is trained: nothing, adapters, or all weights. Its rate is
    `train.learning_rates.text`."""
    lora: TextAdapters = Field(default_factory=TextAdapters)
    """Its adapters, where `tune` is "lora"."""
    width: int = Field(128, ge=4, multiple_of=4)
    """Channels of the text's vector."""
    max_tokens: int = Field(128, ge=2)
    """Longer texts are cut to this many tokens, those at their ends included."""


class TextSettings(TextOptions):
    """A text as a second input of a task."""

    dropout: float = Field(0.25, ge=0, lt=1)
    """Share of the training rows whose text is left out, so that the model also works without one."""
    audio_weight: float = Field(0.3, ge=0, allow_inf_nan=False)
    """Weight of an output that reads the audio alone, relative to the task's own; 0 leaves it out."""
    text_weight: float = Field(0.3, ge=0, allow_inf_nan=False)
    """Weight of an output that reads the text alone, relative to the task's own; 0 leaves it out."""

    def input_spec(self) -> InputSpec:
        """The input that reads the field `text` of a row or request; required if the model reads the text alone."""
        options = self.model_dump(mode="json", include=set(TextOptions.model_fields))
        optional = self.fusion != "text_only"
        dropout = self.dropout if optional else 0.0
        return InputSpec("text", "text", "text", "text", optional=optional, options=options, dropout=dropout)


def options_of(spec: InputSpec) -> TextOptions:
    """The options of a text input.

    Raises:
        TaskError: they have a fault.
    """
    try:
        return TextOptions.model_validate(dict(spec.options))
    except ValidationError as error:
        raise TaskError(f"input '{spec.name}': {first_fault(error)}") from error


def encoder_folder(source: str) -> Path:
    """The folder of a text encoder: a local one, one in the hub's cache, or a download.

    Raises:
        ModelError: neither a folder with a config.json nor a reachable model of the hub.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{folder} holds no text encoder: it has no config.json; give a folder of transformers"
            )
        return folder
    if source.startswith((".", "/", "~")) or source.count("/") > 1 or "\\" in source:
        raise ModelError(f"the text encoder {source} is not a folder here, nor a hub name")
    return folder_of_hub(source, wanted=_wanted, is_complete=_is_complete)


def _wanted(files: Sequence[str]) -> list[str]:
    others = [file for file in files if "/" not in file and not file.endswith(NO_WEIGHTS)]
    return [*others, *weights_among(files)]


def _is_complete(folder: Path) -> bool:
    """False for a model that another program has stored without its tokenizer, or without its weights."""
    names = [file.name for file in folder.iterdir()]
    has_tokenizer = any(name == TOKENIZER_FILE or name.startswith(VOCABULARIES) for name in names)
    return "config.json" in names and has_tokenizer and bool(weights_among(names))


def tokenizer_of(spec: InputSpec) -> Tokenizer:
    """The tokenizer of a text input: that in its bundle, or that of its encoder.

    Raises:
        ModelError: it is missing, or it cannot be read.
    """
    options = options_of(spec)
    stored = spec.stored_at
    return _tokenizer(
        options.encoder if stored is None else str(stored), stored is not None, options.max_tokens
    )


@lru_cache(maxsize=16)
def _tokenizer(source: str, is_stored: bool, max_tokens: int) -> Tokenizer:
    from tokenizers import Tokenizer

    folder = Path(source) if is_stored else encoder_folder(source)
    file = folder / TOKENIZER_FILE
    try:
        text = (
            file.read_text(encoding="utf-8") if file.is_file() or is_stored else converted_tokenizer(folder)
        )
        tokenizer = Tokenizer.from_str(text)
    except ModelError:
        raise
    except Exception as error:  # tokenizers raises plain exceptions
        raise ModelError(f"the tokenizer in {folder} cannot be read ({reason_of(error)})") from error
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return tokenizer
