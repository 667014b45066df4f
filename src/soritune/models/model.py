"""The model: one encoder, one head per output. Next: `models/build.py`, which makes one of a recipe's settings.

Shapes: batch, samples, frames (encoder frames), hidden (encoder channels), labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.models.config import ModelConfig
from soritune.models.encoder_module import EncoderModule
from soritune.models.heads import Head, reading_order
from soritune.models.inputs.input import InputModule, make_input, per_frame
from soritune.models.losses.loss import log_probabilities, make_head
from soritune.models.spec_augment import apply_masks
from soritune.models.starting_point import AdapterBase, LoadReport
from soritune.tasks.specs import InputSpec, OutputSpec, layer_numbers, num_states

ORIGIN_KEYS = ("_name_or_path", "transformers_version", "architectures", "torch_dtype", "dtype")
"""Keys of a configuration that change nothing in the encoder."""


class ModelOutput(NamedTuple):
    """What a forward pass gives."""

    logits: dict[str, Tensor]
    """By output name: (batch, frames, labels) or (batch, labels)."""
    num_frames: Tensor
    """(batch,) int64: valid frames of each row."""


class SpeechModel(nn.Module):
    """Waveforms to logits, for any number of outputs.

    Padding changes nothing: every encoder gets an attention mask, and a group norm counts valid frames only.

    Attributes:
        encoder: gives frames (`models/encoder_module.py`).
        heads: a head per output, by name.
        outputs: their declarations, the primary one first.
        inputs: a module per input beside the waveform, by name.
        config: the settings it was built with.
        load_report: where the weights came from.
        notice: what a licence of these weights requires to go with every copy; None if nothing is stated.
        base: the base that an adapter bundle may name, or None.
        evaluated: frozen modules that stay in evaluation mode under `train()`.
    """

    def __init__(
        self,
        encoder: EncoderModule,
        outputs: Sequence[OutputSpec],
        config: ModelConfig,
        inputs: Sequence[InputSpec] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.outputs, self.config = encoder, tuple(outputs), config
        self.load_report = LoadReport()
        self.notice: str | None = None
        self.base: AdapterBase | None = None
        self.evaluated: tuple[nn.Module, ...] = ()
        self.inputs = nn.ModuleDict({spec.name: make_input(spec) for spec in inputs})
        for module in self._input_modules():
            module.connect(self.hidden_size)
        self._order = reading_order(self.outputs)
        width = {spec.name: len(spec.labels) for spec in self.outputs}
        self.heads = nn.ModuleDict()
        for spec in self.outputs:
            self.heads[spec.name] = make_head(
                spec,
                width=self._width_of(spec, width[spec.reads] if spec.reads else 0),
                num_layers=self.num_layers,
                dropout=encoder.head_dropout,
                utterance_dropout=config.dropout or 0.0,
                projector_size=config.projector_size or encoder.projector_size,
                pooling=config.pooling,
            )
        self._kept_layers = self._layers_to_keep()
        # A model without outputs, of which only the encoder is looked at, has all layers.
        self.encoder.top_layer = None if self._is_last_read else max(self._kept_layers, default=None)

    @property
    def input_specs(self) -> tuple[InputSpec, ...]:
        """The declarations of the inputs beside the waveform."""
        return tuple(module.spec for module in self._input_modules())

    def _input_modules(self) -> list[InputModule]:
        return list(self.inputs.values())  # type: ignore[arg-type]

    def _width_of(self, spec: OutputSpec, read_width: int) -> int:
        """Channels that the head of an output reads."""
        unknown = next((name for name in spec.inputs if name not in self.inputs), None)
        if unknown is not None:
            raise ModelError(f"output '{spec.name}' reads the input '{unknown}', which no task declares")
        if spec.layer == "none" and not spec.inputs:
            raise ModelError(
                f"output '{spec.name}' reads no layer of the encoder and no input; set its layer to last"
            )
        width = self.hidden_size * num_states(spec) + read_width
        for name in spec.inputs:
            width = self._input(name).joined_width(width)
        return width

    def _input(self, name: str) -> InputModule:
        return self.inputs[name]  # type: ignore[return-value]

    @property
    def silent_weights(self) -> tuple[str, ...]:
        """Ends of names of trained weights whose gradient may rightly be zero."""
        inputs = (
            f"inputs.{module.spec.name}.{name}" for module in self._input_modules() for name in module.silent
        )
        return (*self.encoder.silent_weights, *inputs)

    @property
    def hidden_size(self) -> int:
        """Encoder channels."""
        return self.encoder.hidden_size

    @property
    def num_layers(self) -> int:
        """Transformer layers."""
        return self.encoder.num_layers

    @property
    def geometry(self) -> Geometry:
        """How samples become frames."""
        return self.encoder.geometry

    def layer_of(self, name: str) -> int | None:
        """Transformer layer of one of the model's weights, counted from 0; None for any other weight."""
        return self.encoder.layer_of(name.removeprefix("encoder.")) if name.startswith("encoder.") else None

    def train(self, mode: bool = True) -> SpeechModel:
        """As for any module, but frozen parts stay in evaluation mode."""
        super().train(mode)
        for module in self.evaluated:
            module.eval()
        return self

    def forward(
        self,
        waveform: Tensor | None = None,
        num_samples: Tensor | None = None,
        *,
        time_mask: Tensor | None = None,
        feature_mask: Tensor | None = None,
        masked_rectangles: Tensor | None = None,
        states: Tensor | None = None,
        **inputs: Tensor,
    ) -> ModelOutput:
        """One forward pass; its arguments are the items of `Batch.inputs`.

        Args:
            waveform: (batch, samples) float32, normalised, zero-padded; None with `states`.
            num_samples: (batch,) int64, on the waveform's device.
            time_mask: (batch, frames) bool, frames that SpecAugment masks, or None.
            feature_mask: (batch, hidden) bool, channels that SpecAugment masks, or None.
            masked_rectangles: (batch, rectangles, 4) int64, or None; as in `apply_masks`.
            states: (batch, frames, states, hidden) of `kept_states`, in place of the waveform; then the encoder is not
                run.
            inputs: arrays of the other inputs, by the names of `InputKind.pad`.
        """
        assert num_samples is not None
        num_frames: Tensor = self.geometry.num_frames(num_samples)
        if states is None:
            assert waveform is not None
            last, by_layer, valid = self.encode(
                waveform, num_samples, time_mask, feature_mask, masked_rectangles
            )
        else:
            last, by_layer = self._unpacked(states)
            valid = _valid(num_frames, states.shape[1])
        logits = self.logits_of(last, by_layer, valid, inputs)
        return ModelOutput(logits, num_frames)

    def logits_of(
        self, last: Tensor, by_layer: dict[int, Tensor], valid: Tensor, inputs: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The heads alone: logits by output name, from what `encode` returns and the arrays of the other inputs."""
        logits: dict[str, Tensor] = {}
        specs = {spec.name: spec for spec in self.outputs}
        values = {
            module.spec.name: module(inputs, len(last), last.shape[1]) for module in self._input_modules()
        }
        for name in self._order:
            head: Head = self.heads[name]  # type: ignore[assignment]
            state = head.state(last, by_layer)
            source = specs[name].reads
            if source is not None:
                scores = log_probabilities(specs[source], logits[source]).to(state.dtype)
                state = torch.cat([state, per_frame(scores, state.shape[1])], dim=-1)
            for input_name in specs[name].inputs:
                state = self._input(input_name).join(state, values[input_name], inputs)
            logits[name] = head(state, valid)
        return {spec.name: logits[spec.name] for spec in self.outputs}

    def encode(
        self,
        waveform: Tensor,
        num_samples: Tensor,
        time_mask: Tensor | None = None,
        feature_mask: Tensor | None = None,
        masked_rectangles: Tensor | None = None,
    ) -> tuple[Tensor, dict[int, Tensor], Tensor]:
        """The encoder alone; arguments as for `forward`.

        Returns:
            The last state (batch, frames, hidden), the states that heads read by layer, and the valid frames
            (batch, frames) bool. A row without a frame keeps one, so that no softmax is empty; the
            caller drops such rows.
        """
        geometry = self.geometry
        missing = geometry.least_samples - waveform.shape[1]
        if missing > 0:
            waveform = nn.functional.pad(waveform, (0, missing))
        features = self.encoder.front(waveform, num_samples)
        hidden = apply_masks(
            features, time_mask, feature_mask, self.encoder.mask_embedding, masked_rectangles
        )
        valid = _valid(geometry.num_computed_frames(num_samples), hidden.shape[1])
        last, states = self.encoder.run(hidden, valid, self._kept_layers)
        if geometry.appended_samples:
            frames = max(geometry.num_frames(waveform.shape[1]), 1)
            last, states = last[:, :frames], {layer: state[:, :frames] for layer, state in states.items()}
            valid = _valid(geometry.num_frames(num_samples), frames)
        return last, states, valid

    @property
    def state_names(self) -> tuple[int | str, ...]:
        """The states that heads read: numbers of layers, and "last"."""
        return (*sorted(self._kept_layers), *(("last",) if self._is_last_read else ()))

    @property
    def _is_last_read(self) -> bool:
        """Whether a head reads the last state; one that reads inputs alone takes its number of frames from it."""
        return any(spec.layer in ("last", "none") for spec in self.outputs)

    @property
    def num_kept_states(self) -> int:
        """Number of `state_names`."""
        return len(self.state_names)

    @property
    def encoder_settings(self) -> dict[str, Any]:
        """The configuration of the encoder, as JSON, without where it came from."""
        settings: dict[str, Any] = dict(self.encoder.config.to_dict())
        return {key: value for key, value in settings.items() if key not in ORIGIN_KEYS}

    def kept_states(
        self,
        waveform: Tensor,
        num_samples: Tensor,
        *,
        time_mask: Tensor | None = None,
        feature_mask: Tensor | None = None,
        masked_rectangles: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What the heads read of the encoder; arguments as for `forward`.

        Returns:
            (batch, frames, states, hidden) in the order of `state_names`, and (batch,) int64 valid frames.
        """
        last, by_layer, _ = self.encode(waveform, num_samples, time_mask, feature_mask, masked_rectangles)
        chosen = [last if name == "last" else by_layer[int(name)] for name in self.state_names]
        num_frames: Tensor = self.geometry.num_frames(num_samples)
        return torch.stack(chosen, dim=2), num_frames

    def _unpacked(self, states: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """The reverse of `kept_states`: the last state, without channels if it is not kept, and the states by layer."""
        each = dict(zip(self.state_names, states.float().unbind(dim=2), strict=True))
        last = each.pop("last", None)
        by_layer = {int(layer): state for layer, state in each.items()}
        return next(iter(by_layer.values())) if last is None else last, by_layer

    def _layers_to_keep(self) -> frozenset[int]:
        if any(spec.layer == "weighted" for spec in self.outputs):
            return frozenset(range(self.num_layers + 1))
        numbers = frozenset(number for spec in self.outputs for number in layer_numbers(spec))
        # A layer that layer drop skipped has the state of the one below it.
        return frozenset(range(max(numbers) + 1)) if numbers and self.config.layerdrop > 0 else numbers


def _valid(num_frames: Tensor, width: int) -> Tensor:
    """(batch, width) bool; at least the first frame of each row."""
    return torch.arange(width, device=num_frames.device) < num_frames[:, None].clamp(min=1)
