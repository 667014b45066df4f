"""A text read by a pretrained encoder of transformers, and joined to what heads read.

Shapes: batch, frames (encoder frames), tokens, width (channels of the text's vector).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from soritune.bundles.notice import folder_notice
from soritune.errors import ModelError
from soritune.models.inputs.input import InputModule
from soritune.models.inputs.text_weights import (
    add_adapters,
    check_tokenizer,
    load_pretrained,
    make_text_encoder,
)
from soritune.tasks.inputs.input import PRESENT
from soritune.tasks.inputs.text import MASK
from soritune.tasks.inputs.text_encoder import TOKENIZER_FILE, encoder_folder, options_of, tokenizer_of
from soritune.tasks.specs import InputSpec

ATTENTION_HEADS = 4


class TextModule(InputModule):
    """The last states of a text encoder, projected to `width` channels.

    Their mean over the tokens, after tanh, is the vector of the text. A row without a text has a learnt token instead.
    """

    silent: ClassVar[tuple[str, ...]] = ("absent",)

    def __init__(self, spec: InputSpec) -> None:
        super().__init__(spec)
        self.options = options_of(spec)
        self.encoder = make_text_encoder(spec, self.options)
        check_tokenizer(self.encoder, spec)
        if self.options.tune == "lora":
            add_adapters(self.encoder, self.options)
        self.projection = nn.Linear(int(self.encoder.config.hidden_size), self.width)
        self.absent = nn.Parameter(torch.zeros(self.width))
        """(width,) the only token of a row without a text."""

    @property
    def width(self) -> int:
        """Option `width`."""
        return self.options.width

    @property
    def fusion(self) -> str:
        """Option `fusion`."""
        return self.options.fusion

    def connect(self, hidden_size: int) -> None:
        """Makes the weights of the gate, or of the attention."""
        self.hidden_size = hidden_size
        if self.fusion == "gate":
            self.audio_projection = nn.Linear(hidden_size, self.width)
            self.gate = nn.Linear(hidden_size + self.width, self.width)
        elif self.fusion == "cross_attention":
            self.query = nn.Linear(hidden_size, self.width)
            self.attention = nn.MultiheadAttention(self.width, ATTENTION_HEADS, batch_first=True)

    def initialise(self, generator: torch.Generator) -> None:
        """Weights of the pretrained encoder; new ones elsewhere (Glorot and Bengio 2010), biases zero."""
        for name, parameter in self.named_parameters():
            if name.startswith("encoder."):
                continue
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                nn.init.zeros_(parameter)
        load_pretrained(self.encoder, self.options, generator)

    def notice(self) -> str | None:
        """The notice in the folder of the pretrained encoder."""
        return folder_notice(encoder_folder(self.options.encoder))

    def is_trained(self, name: str) -> bool:
        """The encoder's own weights are trained if `tune` is "full", its adapters if `tune` is "lora"."""
        if not name.startswith("encoder."):
            return True
        return self.options.tune == "full" or (self.options.tune == "lora" and ".lora_" in name)

    def can_keep(self, before: InputSpec) -> bool:
        """Only if both tokenizers give the same numbers to the same tokens."""
        return tokenizer_of(before).get_vocab() == tokenizer_of(self.spec).get_vocab()

    def frozen_modules(self) -> tuple[nn.Module, ...]:
        """The encoder, if none of its weights is trained."""
        return (self.encoder,) if self.options.tune == "frozen" else ()

    def checkpoint_activations(self) -> None:
        """Recomputes the encoder's activations, if it is trained and supports this."""
        if self.options.tune != "frozen" and self.encoder.supports_gradient_checkpointing:
            self.encoder.gradient_checkpointing_enable({"use_reentrant": False})
            self.encoder.enable_input_require_grads()

    def files(self) -> dict[str, str]:
        """The encoder's config.json and its tokenizer."""
        return {
            "config.json": self.encoder.config.to_json_string(),
            TOKENIZER_FILE: tokenizer_of(self.spec).to_str(),
        }

    def forward(self, inputs: Mapping[str, Tensor], batch: int, frames: int) -> Tensor:
        """(batch, tokens, width): a state for each token, unbounded; those beyond a row's text are meaningless."""
        tokens, present = inputs.get(self.spec.name), inputs.get(self.spec.name + PRESENT)
        if tokens is None or present is None:
            return self.absent.expand(batch, 1, -1)
        mask = inputs[self.spec.name + MASK]
        states: Tensor = self.encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        projected = self.projection(states)
        return torch.where(present[:, None, None], projected, self.absent.to(projected.dtype))

    def joined_width(self, width: int) -> int:
        """See `InputModule.joined_width`; an output without audio gets the vector of the text alone."""
        if width == 0 or self.fusion == "concat":
            return width + self.width
        if width != self.hidden_size:
            raise ModelError(
                f"input '{self.spec.name}' is joined by {self.fusion} to the encoder's state alone; set its fusion to "
                "concat for an output that reads other inputs or outputs too"
            )
        return self.width if self.fusion == "gate" else width + self.width

    def join(self, state: Tensor, values: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """See `InputModule.join`."""
        frames = state.shape[1]
        mask = inputs.get(self.spec.name + MASK)
        valid = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device) if mask is None else mask
        if self.fusion == "cross_attention" and state.shape[-1]:
            attended, _ = self.attention(
                self.query(state), values, values, key_padding_mask=~valid, need_weights=False
            )
            return torch.cat([state, attended.to(state.dtype)], dim=-1)
        count = valid.sum(dim=1, keepdim=True).to(values.dtype)
        mean = values.masked_fill(~valid[:, :, None], 0.0).sum(dim=1) / count
        text = torch.tanh(mean).to(state.dtype)[:, None, :].expand(-1, frames, -1)
        if self.fusion == "gate" and state.shape[-1]:
            share = torch.sigmoid(self.gate(torch.cat([state, text], dim=-1)))
            return share * torch.tanh(self.audio_projection(state)) + (1 - share) * text
        return torch.cat([state, text], dim=-1)


INPUT = TextModule
