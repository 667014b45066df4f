"""The table of a model's parameters by part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from soritune.models.encoder_module import FRONT, EncoderModule


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """Parameters of one part of a model."""

    part: str
    trainable: int
    total: int


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """Parameters of a model by part.

    Published figures count trainable parameters without heads and the total with heads, so heads are counted apart.
    """

    rows: tuple[ParameterRow, ...]

    @property
    def total(self) -> int:
        """All parameters, heads included."""
        return sum(row.total for row in self.rows)

    @property
    def trainable(self) -> int:
        """Trained parameters, without heads."""
        return sum(row.trainable for row in self.rows if not row.part.startswith("head "))

    @property
    def head_trainable(self) -> int:
        """Trained parameters of the heads."""
        return sum(row.trainable for row in self.rows if row.part.startswith("head "))

    @property
    def head_total(self) -> int:
        """Parameters of the heads."""
        return sum(row.total for row in self.rows if row.part.startswith("head "))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "trainable": self.trainable,
            "total": self.total,
            "head_trainable": self.head_trainable,
            "head_total": self.head_total,
            "parts": [asdict(row) for row in self.rows],
        }


def parameter_table(model: nn.Module) -> ParameterTable:
    """Counts a `SpeechModel`'s parameters: front end, each run of equal layers, adapters, each head."""
    counts: dict[str, list[int]] = {}
    encoder: EncoderModule = model.encoder  # type: ignore[assignment]
    for name, parameter in model.named_parameters():
        row = counts.setdefault(_part(name, encoder), [0, 0])
        row[0] += parameter.numel() if parameter.requires_grad else 0
        row[1] += parameter.numel()
    order = sorted(counts, key=lambda part: (part.startswith("head "), part == "adapters"))
    return ParameterTable(tuple(ParameterRow(part, *counts[part]) for part in order))


def _part(name: str, encoder: EncoderModule) -> str:
    if name.startswith("heads."):
        return f"head {name.split('.')[1]}"
    if name.startswith("inputs."):
        return f"input {name.split('.')[1]}"
    if ".lora_" in name:
        return "adapters"
    inside = name.removeprefix("encoder.")
    if encoder.layer_of(inside) is not None:
        return "transformer layers"
    return "feature encoder" if encoder.stage_of(inside) == FRONT else "projection, positions, norm"
