"""The contract of an encoder's torch half, for all families. Next: `models/model.py`.

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
"""Indices in `EncoderModule.stages`: the front end, the modules between it and the layers, the first layer. One more
stage follows the last layer."""


class EncoderModule(nn.Module, ABC):
    """An encoder: waveforms to features (`front`), features to states (`run`).

    Its weights have their names in transformers' base model. Padding must change nothing: a clip alone gives the same
    frames as the clip in a batch.

    Attributes:
        geometry: how samples become frames.
        config: transformers' configuration object.
    """

    geometry: Geometry
    config: Any
    top_layer: int | None = None
    """The highest layer that is read; None if the last state is read, or all layers are."""

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
        """Default width of an utterance head's projector."""

    @property
    def mask_embedding(self) -> Tensor | None:
        """(hidden,) the value that SpecAugment writes at masked frames; None means zeros."""
        return None

    @property
    def silent_weights(self) -> tuple[str, ...]:
        """Ends of names of trained tensors whose gradient may rightly be zero."""
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
            valid: (batch, frames) bool, False at padding; each row has a valid frame.
            keep_layers: layers whose states are returned.

        Returns:
            The last state (batch, frames, hidden), after any final norm; and the states of `keep_layers`: 0 is the
            input of the first layer, n the output of layer n (transformers' `hidden_states`). With `top_layer`, the
            layers above it may be left out, and the last state is then that of the highest layer that was computed.
        """

    def prepare_tracing(self, *, padded: bool) -> None:
        """Called once before the encoder is traced to a graph of another program; by default nothing is changed.

        A traced encoder has no branch that depends on values. It may replace operations that other programs lack, as
        long as results are the same within rounding.

        Args:
            padded: whether rows of a batch may be padded; otherwise masks can be left out.
        """
        return

    def fill_buffers(self) -> None:
        """Computes the buffers that are not stored with the weights, such as a window or a filter bank, on the CPU.

        Called after weights were loaded into an encoder that was built without memory.
        """
        return

    @abstractmethod
    def stages(self) -> tuple[tuple[nn.Module, ...], ...]:
        """The modules in the order of computation: `FRONT`, `ENTRY`, one stage per layer, and the modules after the
        last layer (may be empty). Freezing and learning rates depend on the stage."""

    @abstractmethod
    def stage_of(self, name: str) -> int | None:
        """Stage of a weight by its name alone, to check `stages`; None for the mask embedding."""

    def layer_of(self, name: str) -> int | None:
        """Transformer layer of a weight by its name, counted from 0; None for any other weight."""
        stage = self.stage_of(name)
        inside = stage is not None and FIRST_LAYER <= stage < FIRST_LAYER + self.num_layers
        return stage - FIRST_LAYER if stage is not None and inside else None

    def set_front_graph(self, needed: bool) -> None:
        """Called whenever freezing changes.

        Args:
            needed: whether the front end is trained; otherwise it needs no autograd graph.
        """

    @property
    def layers_name(self) -> str:
        """Last part of the name of the list of layers in the encoder; peft's `layers_pattern`."""
        path: str = next(name for name, module in self.named_modules() if module is self.layers)
        return path.rpartition(".")[2]

    def checkpoint_activations(self) -> None:
        """Lets all later backward passes recompute the layers' activations; by default this is refused.

        Raises:
            ModelError: this family cannot.
        """

        raise ModelError(
            f"model.gradient_checkpointing: an encoder of type {self.config.model_type} cannot recompute its "
            "activations; set it to false"
        )
