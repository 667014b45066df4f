"""The table from soritune's names of weights to transformers', used in both directions. Torch-free.

soritune stores an encoder's weights under the base model's names and a head's under `heads.<output>.…`. transformers
puts a prefix before the encoder's names and has two kinds of heads for speech. Each family of encoders has a table
(`models/encoders/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

Value = TypeVar("Value")
HeadKind = Literal["ctc", "classification"]

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
"""Name of a head's weight in soritune, without `heads.<output>.` → name in the classes of transformers, by kind."""


@dataclass(frozen=True, slots=True)
class HubNames:
    """Names of one model type's weights and classes in transformers."""

    classes: Mapping[HeadKind | None, str]
    """Class name by kind of head; None is the class without a head. A missing kind has no class."""
    prefix: str = ""
    """Prefix of the encoder's weights in a class with a head. No module of the encoder may have this name."""
    bare_prefix: str = ""
    """Prefix in the class without a head."""
    other_prefixes: tuple[str, ...] = ()
    """Prefixes in further classes, which are read only."""
    old_names: tuple[tuple[str, str], ...] = ()
    """(old, new) ends of names that transformers or PyTorch have changed since."""
    heads: Mapping[HeadKind, Mapping[str, str]] = field(default_factory=lambda: HEAD_NAMES)
    """See `HEAD_NAMES`."""

    def usable(self, kind: HeadKind | None) -> HeadKind | None:
        """`kind` if transformers has a class for it, else None."""
        return kind if kind in self.classes else None

    def head_modules(self, kind: HeadKind) -> list[str]:
        """Names of the head's modules in transformers, for peft's `modules_to_save`."""
        modules = (name.rpartition(".")[0] for name in self.heads[kind].values())
        return list(dict.fromkeys(module for module in modules if module))

    def to_hf(self, weights: Mapping[str, Value], primary: str, kind: HeadKind | None) -> dict[str, Value]:
        """soritune's names to transformers': the encoder's, and those of the head of `primary` if `kind` is set.

        Other heads keep their names, which transformers reports as unexpected and ignores.
        """
        prefix = self.prefix if kind else self.bare_prefix
        head = (
            {f"heads.{primary}.{ours}": theirs for ours, theirs in self.heads[kind].items()} if kind else {}
        )
        renamed: dict[str, Value] = {}
        for name, value in weights.items():
            if name.startswith("encoder."):
                renamed[prefix + name.removeprefix("encoder.")] = value
            else:
                renamed[head.get(name, name)] = value
        return renamed

    def from_hf(self, weights: Mapping[str, Value], primary: str) -> dict[str, Value]:
        """transformers' names to soritune's: `encoder.…`, `heads.…` and `inputs.…`; other weights are left out.

        A head of transformers becomes that of the output `primary`. The weights may be of a model with or without a
        head, and have old or new names.
        """
        prefixes = [prefix for prefix in (self.prefix, self.bare_prefix, *self.other_prefixes) if prefix]
        prefix = next((p for p in prefixes if any(name.startswith(p) for name in weights)), "")

        heads = {theirs: ours for table in self.heads.values() for ours, theirs in table.items()}
        renamed: dict[str, Value] = {}
        for name, value in weights.items():
            if name in heads:
                renamed[f"heads.{primary}.{heads[name]}"] = value
            elif name.startswith(("heads.", "inputs.")):
                renamed[name] = value
            elif name.startswith(prefix):
                renamed["encoder." + self._new_name(name.removeprefix(prefix))] = value
        return renamed

    def _new_name(self, name: str) -> str:
        for old, new in self.old_names:
            if name.endswith(old):
                return name.removesuffix(old) + new
        return name
