"""What a model asks of its encoder, whatever family it belongs to. Next: `models/model.py`.

Shapes: batch, samples, frames (encoder frames), hidden (encoder channels).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.geometry import Geometry

FRONT, ENTRY, FIRST_LAYER = 0, 1, 2
"""Places in `EncoderModule.stages`: the front end, what stands between it and the layers, the first layer. After the
last layer comes one stage more."""


class EncoderModule(nn.Module, ABC):
    """An encoder: waveforms to features (`front`), features to states (`run`).

    Its weights have the names that they have in transformers' base model. Padding must change nothing: a clip alone
    gives the same frames as the clip in a batch.

    Attributes:
        geometry: how samples become frames.
        config: transformers' configuration object.
    """

    geometry: Geometry
    config: Any

    @property
    @abstractmethod
    def hidden_size(self) -> int:
        """Channels of a state."""

    @property
    @abstractmethod
    def layers(self) -> nn.ModuleList:
        """The transformer layers, lowest first."""

    @property
    def num_layers(self) -> int:
        """Number of transformer layers."""
        return len(self.layers)

    @property
    @abstractmethod
    def head_dropout(self) -> float:
        """Dropout before a head that reads frames."""

    @property
    @abstractmethod
    def projector_size(self) -> int:
        """Width of an utterance head's projector where the recipe names none."""

    @property
    def mask_embedding(self) -> Tensor | None:
        """(hidden,) what SpecAugment writes at hidden frames; None means zeros."""
        return None

    @property
    def silent_weights(self) -> tuple[str, ...]:
        """Ends of names of trained tensors whose gradient may be zero without a fault."""
        return ()

    @abstractmethod
    def front(self, waveform: Tensor, num_samples: Tensor) -> Tensor:
        """Features that the layers read.

        Args:
            waveform: (batch, samples) float32, zero-padded.
            num_samples: (batch,) int64 valid samples.

        Returns:
            (batch, computed frames, hidden); SpecAugment acts on it.
        """

    @abstractmethod
    def run(
        self, features: Tensor, valid: Tensor, keep_layers: Collection[int]
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """The transformer.

        Args:
            features: (batch, frames, hidden) of `front`.
            valid: (batch, frames) bool, False at padding; at least one frame a row is valid.
            keep_layers: layers whose states are wanted.

        Returns:
            The last state (batch, frames, hidden), after any final norm; and the wanted states by layer: 0 is what the
            first layer reads, n what layer n gives before any final norm (transformers' `hidden_states`).
        """

    def fill_buffers(self) -> None:
        """Computes the buffers that are not stored with the weights, such as a window or a filter bank, on the CPU.

        Called after weights were loaded into an encoder that was built without memory.
        """
        return

    @abstractmethod
    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The modules in the order a clip meets them: `FRONT`, `ENTRY`, one stage a layer, and what follows the last
        layer (may be empty). Freezing and learning rates go by these."""

    @abstractmethod
    def stage_of(self, name: str) -> int | None:
        """Stage of a weight by its name alone, as a second statement of `stages`; None for the mask embedding."""

    def layer_of(self, name: str) -> int | None:
        """Transformer layer of a weight by its name, counted from 0; None for any other weight."""
        stage = self.stage_of(name)
        inside = stage is not None and FIRST_LAYER <= stage < FIRST_LAYER + self.num_layers
        return stage - FIRST_LAYER if stage is not None and inside else None

    def set_front_graph(self, needed: bool) -> None:
        """Called whenever freezing changes: whether the front end is trained. Without it, no graph is needed there."""

    @property
    def layers_name(self) -> str:
        """Name of the list of layers inside the encoder, without what lies above it, as peft asks for it."""
        path: str = next(name for name, module in self.named_modules() if module is self.layers)
        return path.rpartition(".")[2]

    def checkpoint_activations(self) -> None:
        """Recomputes activations of the layers in the backward pass from now on; by default that is refused.

        Raises:
            ModelError: this family cannot.
        """
        raise ModelError(
            f"model.gradient_checkpointing: an encoder of type {self.config.model_type} cannot recompute its "
            "activations; set it to false"
        )
