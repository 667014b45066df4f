"""The contract of a family of encoders. Code that depends on a family is in the family's file or folder, here.

A member binds `ENCODER` to an `EncoderFamily`; other packages join through the entry-point group
`soritune.models.encoders`. Nothing here imports torch, so that a corpus is checked and a bundle described without it;
`EncoderFamily.build` imports it and returns an `EncoderModule` (`models/encoder_module.py`).
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
    """One or several model types of transformers that are built and handled in the same way."""

    model_types: ClassVar[tuple[str, ...]]
    """`model_type` of its configurations."""
    lora_targets: ClassVar[tuple[str, ...]]
    """Default linear modules of a layer that get an adapter."""
    optional_weights: ClassVar[tuple[str, ...]] = ()
    """Weights that may be missing in a model folder: only training reads them."""
    other_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of an architecture that are used although transformers' configuration does not have them."""
    front_settings: ClassVar[Mapping[str, Any]] = {}
    """Settings of the front end that a recipe may change (`model.front`) and config.json keeps, with their defaults."""
    extractor_type: ClassVar[str | None] = None
    """Class of transformers that gives such an encoder its input; None if it is not known."""

    def hub_names(self, model_type: str) -> HubNames:
        """Names of weights and classes in transformers; by default those of a type that transformers does not have."""
        return HubNames(classes={None: f"{model_type.capitalize()}Model"})

    @abstractmethod
    def geometry(self, architecture: Mapping[str, Any], sample_rate_hz: int) -> Geometry:
        """How samples become frames.

        Args:
            architecture: config.json; keys that are absent have transformers' defaults.
            sample_rate_hz: sample rate of the waveforms.

        Raises:
            ModelError: invalid numbers, or a rate that the family does not support.
        """

    def config_class(self, model_type: str) -> type:
        """Class of the configuration; transformers' own by default."""
        from transformers import CONFIG_MAPPING

        config_class: type = CONFIG_MAPPING[model_type]
        return config_class

    @abstractmethod
    def configure(self, config: Any, *, dropout: float | None, layerdrop: float, source: str) -> None:
        """Writes a recipe's settings into a configuration.

        Args:
            config: the configuration, changed in place.
            dropout: see `ModelConfig.dropout`; None keeps the model's own.
            layerdrop: share of the layers skipped at random in training.
            source: name of the configuration in errors.

        Raises:
            ModelError: a configuration of this family that soritune does not support.
        """

    def caution(self, config: Any, source: str) -> str | None:
        """What a person who starts a training from these weights should know, as a sentence; by default None.

        Args:
            config: the configuration of the weights.
            source: name of the weights.
        """
        return None

    @abstractmethod
    def num_layers(self, config: Any) -> int:
        """Transformer layers of a configuration."""

    @abstractmethod
    def build(self, config: Any, geometry: Geometry) -> EncoderModule:
        """An encoder with random weights from torch's generator, on torch's default device."""

    def head_config(self, kind: HeadKind | None, spec: OutputSpec, projector_size: int) -> dict[str, Any]:
        """Additional keys of config.json for the class with a head of `kind`; by default {}."""
        return {}

    def reads_weighted_layers(self, architecture: Mapping[str, Any]) -> bool:
        """Whether the head of a model with this config.json reads a weighted sum of all layers; False by default."""
        return False

    def saves_adapters(self, model_type: str) -> bool:
        """Whether transformers and peft can open an adapter alone and use it."""
        return True

    def preprocessor_config(
        self, preprocessing: Mapping[str, Any], architecture: Mapping[str, Any]
    ) -> dict[str, Any]:
        """preprocessor_config.json of a feature extractor equal to `preprocessing`; by default its sample rate only.

        Args:
            preprocessing: settings of `Preprocessing`.
            architecture: config.json.
        """
        return {"sampling_rate": int(preprocessing.get("sample_rate_hz", 16000))}

    def stored_preprocessing(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The reverse of `preprocessor_config`: settings of `Preprocessing`; by default the sample rate only."""
        return {"sample_rate_hz": stored.get("sampling_rate")}

    def tokenizer_files(self, output: OutputSpec) -> dict[str, Any]:
        """JSON files of transformers' tokenizer for the labels of a CTC output, by name; by default {}."""
        return {}


class ClassifierFamily(EncoderFamily):
    """A family whose class for utterances in transformers has a projector, and may read a weighted sum of layers."""

    def head_config(self, kind: HeadKind | None, spec: OutputSpec, projector_size: int) -> dict[str, Any]:
        """For the class with a head for utterances: width of the projector, and whether it reads all layers."""
        if kind != "classification":
            return {}
        return {"classifier_proj_size": projector_size, "use_weighted_layer_sum": spec.layer == "weighted"}

    def reads_weighted_layers(self, architecture: Mapping[str, Any]) -> bool:
        """`use_weighted_layer_sum`."""
        return bool(architecture.get("use_weighted_layer_sum"))


def families() -> dict[str, EncoderFamily]:
    """The family of each model type.

    Families of packages that cannot be imported are left out, and so are model types of several packages.
    """
    return {
        model_type: members[0].value
        for model_type, members in _by_type(_installed()).items()
        if len(members) == 1
    }


def family_of(model_type: object, source: str) -> EncoderFamily:
    """The family of a model type.

    Raises:
        ModelError: an unknown type, no type, or a type of several packages.
    """
    installed = _installed()
    known = _by_type(installed)
    if not isinstance(model_type, str) or model_type not in known:
        faults = "".join(f"; {fault}" for fault in installed.faults.values())
        raise ModelError(
            f"{source} is a model of type {model_type!r}; soritune takes {', '.join(known)} "
            f"(a folder with config.json that names one of them as model_type){faults}"
        )
    members = known[model_type]
    if len(members) > 1:
        packages = " and ".join(member.package for member in members)
        raise ModelError(
            f"{source} is a model of type {model_type!r}, for which several packages bring a family of encoders: "
            f"{packages}; remove all but one"
        )
    family: EncoderFamily = members[0].value
    return family


def _installed() -> Members:
    return all_members(PACKAGE, "ENCODER", _is_family)


def _is_family(value: object) -> bool:
    return isinstance(value, EncoderFamily) and isinstance(getattr(value, "model_types", None), tuple)


def _by_type(installed: Members) -> dict[str, list[Member]]:
    """The members of each model type; a family object is listed once per type."""
    by_type: dict[str, list[Member]] = {}
    for member in installed.usable.values():
        for model_type in member.value.model_types:
            same_type = by_type.setdefault(model_type, [])
            if all(member.value is not listed.value for listed in same_type):
                same_type.append(member)
    return by_type


def model_type_of(config: Mapping[str, object]) -> object:
    """`model_type` of a config.json.

    Files written before transformers 3 have no `model_type`; it is then the type of a class in `architectures`.
    """
    stored, classes = config.get("model_type"), config.get("architectures")
    if stored is not None or not isinstance(classes, list | tuple):
        return stored
    for model_type, family in families().items():
        headless = family.hub_names(model_type).classes[None]
        # Excludes other types with the same beginning, such as Wav2Vec2ConformerForCTC.
        beginnings = (headless.removesuffix("Model") + "For", headless)
        if any(str(name).startswith(beginnings) for name in classes):
            return model_type
    return None


def with_front(
    architecture: Mapping[str, Any], front: Mapping[str, Any], source: str = "architecture"
) -> dict[str, Any]:
    """A config.json with a recipe's settings of the encoder's front end (`model.front`).

    Raises:
        ModelError: the family has no such setting.
    """
    known = family_of(architecture.get("model_type"), source).front_settings if front else {}
    unknown = next((name for name in front if name not in known), None)
    if unknown is not None:
        settings = (
            f"it has {', '.join(known)}" if known else "its front end has no settings; leave model.front out"
        )
        raise ModelError(
            f"model.front.{unknown}: {source} is of type {architecture.get('model_type')}, which has no such setting; "
            f"{settings}"
        )
    return {**architecture, **front}


def geometry_of(
    architecture: Mapping[str, Any], sample_rate_hz: int, source: str = "architecture"
) -> Geometry:
    """How the samples of an encoder become frames, from its config.json.

    Raises:
        ModelError: an unknown family, or invalid numbers.

    """
    return family_of(architecture.get("model_type"), source).geometry(architecture, sample_rate_hz)
