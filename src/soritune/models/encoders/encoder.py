"""The contract of a family of encoders. All that is known of a family stands in its own file or folder here.

A member binds `ENCODER` to an `EncoderFamily`; other packages join through the entry-point group
`soritune.models.encoders`. Nothing here imports torch, so that a corpus is checked and a bundle described without it;
`EncoderFamily.build` does, and gives an `EncoderModule` (`models/encoder_module.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.models.hub_names import HeadKind, HubNames
from soritune.registry import Member, Members, all_members
from soritune.tasks.specs import OutputSpec

if TYPE_CHECKING:
    from soritune.models.encoder_module import EncoderModule

PACKAGE = "soritune.models.encoders"


class EncoderFamily(ABC):
    """One or several model types of transformers that are built and handled alike."""

    model_types: ClassVar[tuple[str, ...]]
    """`model_type` of the configurations it takes."""
    lora_targets: ClassVar[tuple[str, ...]]
    """Linear modules of a layer that get an adapter where the recipe names none."""
    optional_weights: ClassVar[tuple[str, ...]] = ()
    """Weights that may be missing in a checkpoint: nothing but training reads them."""
    other_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of an architecture that are read and that transformers' configuration does not have."""

    def hub_names(self, model_type: str) -> HubNames:
        """Names of weights and classes in transformers; by default those of a type that transformers does not have."""
        return HubNames(classes={None: f"{model_type.capitalize()}Model"})

    @abstractmethod
    def geometry(self, architecture: Mapping[str, Any], sample_rate_hz: int) -> Geometry:
        """How samples become frames.

        Args:
            architecture: config.json; keys that are absent have transformers' defaults.
            sample_rate_hz: rate of the samples the model is given.

        Raises:
            ModelError: numbers that give no geometry, or a rate that the family cannot work at.
        """

    def config_class(self, model_type: str) -> type:
        """Class of the configuration; transformers' own by default."""
        from transformers import CONFIG_MAPPING

        found: type = CONFIG_MAPPING[model_type]
        return found

    @abstractmethod
    def configure(self, config: Any, *, dropout: float | None, layerdrop: float, source: str) -> None:
        """Writes a recipe's settings into a configuration.

        Args:
            config: the configuration, changed in place.
            dropout: as `ModelConfig.dropout`; None leaves the model's own.
            layerdrop: share of the layers skipped at random in training.
            source: what the configuration is called in an error.

        Raises:
            ModelError: a configuration of this family that soritune does not support.
        """

    @abstractmethod
    def num_layers(self, config: Any) -> int:
        """Transformer layers of a configuration."""

    @abstractmethod
    def build(self, config: Any, geometry: Geometry) -> EncoderModule:
        """An encoder with random weights from torch's generator, on torch's default device."""

    def head_config(self, kind: HeadKind | None, spec: OutputSpec, projector_size: int) -> dict[str, Any]:
        """Keys of config.json that the class with a head of `kind` needs beside the encoder's own; none by default."""
        return {}

    def reads_weighted_layers(self, architecture: Mapping[str, Any]) -> bool:
        """Whether the head of such a config.json reads a weighted sum of all layers; by default it does not."""
        return False

    def saves_adapters(self, model_type: str) -> bool:
        """Whether an adapter alone opens in transformers and peft and is used there."""
        return True

    def preprocessor_config(self, preprocessing: Mapping[str, Any]) -> dict[str, Any]:
        """preprocessor_config.json of a feature extractor that does what `preprocessing` says; by default its rate."""
        return {"sampling_rate": int(preprocessing.get("sample_rate_hz", 16000))}

    def tokenizer_files(self, output: OutputSpec) -> dict[str, Any]:
        """JSON files by name with which transformers names the labels of a CTC output; none by default."""
        return {}


def families() -> dict[str, EncoderFamily]:
    """The family of each model type. Not those of a package that cannot be imported, nor types that two packages
    bring."""
    return {
        model_type: member.value
        for model_type, (member, *others) in _by_type(_installed()).items()
        if not others
    }


def family_of(model_type: object, source: str) -> EncoderFamily:
    """The family of a model type.

    Raises:
        ModelError: another type, none named, or one that two packages bring.
    """
    installed = _installed()
    known = _by_type(installed)
    if not isinstance(model_type, str) or model_type not in known:
        faults = "".join(f"; {fault}" for fault in installed.faults.values())
        raise ModelError(
            f"{source} is a model of type {model_type!r}; soritune takes {', '.join(known)} "
            f"(a folder with config.json that names one of them as model_type){faults}"
        )
    member, *others = known[model_type]
    if others:
        packages = " and ".join(offered.package for offered in known[model_type])
        raise ModelError(
            f"{source} is a model of type {model_type!r}, for which several packages bring a family of encoders: "
            f"{packages}; remove all but one"
        )
    family: EncoderFamily = member.value
    return family


def _installed() -> Members:
    return all_members(PACKAGE, "ENCODER", _is_family)


def _is_family(value: object) -> bool:
    return isinstance(value, EncoderFamily) and isinstance(getattr(value, "model_types", None), tuple)


def _by_type(installed: Members) -> dict[str, list[Member]]:
    """The members that take a model type, without repetitions of one family object."""
    by_type: dict[str, list[Member]] = {}
    for member in installed.usable.values():
        for model_type in member.value.model_types:
            same_type = by_type.setdefault(model_type, [])
            if all(member.value is not other.value for other in same_type):
                same_type.append(member)
    return by_type


def model_type_of(config: Mapping[str, object]) -> object:
    """`model_type` of a config.json, or the type whose class its `architectures` name where it has none (files written
    before transformers 3)."""
    named, classes = config.get("model_type"), config.get("architectures")
    if named is not None or not isinstance(classes, list | tuple):
        return named
    for model_type, family in families().items():
        bare = family.hub_names(model_type).classes[None]
        # Not the types whose names begin alike, such as Wav2Vec2ConformerForCTC.
        begins = (bare.removesuffix("Model") + "For", bare)
        if any(str(name).startswith(begins) for name in classes):
            return model_type
    return None


def geometry_of(
    architecture: Mapping[str, Any], sample_rate_hz: int, source: str = "architecture"
) -> Geometry:
    """How the samples of an encoder become frames, from its config.json.

    Raises:
        ModelError: an unknown family, or numbers that give no geometry.
    """
    return family_of(architecture.get("model_type"), source).geometry(architecture, sample_rate_hz)
