"""A recipe's settings of the model. Torch-free, so that recipes can be read and listed quickly."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError

from soritune.bundles.card import Bundle
from soritune.settings import Settings, first_fault


class LoraSettings(Settings):
    """Low-rank adapters (Hu et al. 2021) on the encoder's projections, by peft."""

    rank: int = Field(16, ge=1)
    """Inner dimension r."""
    alpha: float = 32.0
    """Scale numerator; the update is multiplied by alpha / rank."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout before the adapter."""
    targets: tuple[str, ...] | None = None
    """Names of the linear modules that get an adapter; None takes those of the encoder's family, the projections to
    queries, keys and values."""
    layers: tuple[int, int] | None = None
    """First and last transformer layer (both included) that get adapters; None means all."""
    train_base: bool = False
    """Train the encoder's own weights beside the adapters, except those that `freeze` covers. Bundles are then full."""


class FreezeSettings(Settings):
    """Parts of the encoder that are not trained; they run in evaluation mode and without a graph."""

    feature_encoder: bool = True
    """The convolutional front end."""
    layers: int = Field(0, ge=0)
    """Number of transformer layers, counted from the input; with one or more, the feature projection and the
    positional convolution are frozen too."""
    encoder: bool = False
    """The whole encoder except its adapters; heads and other inputs are trained."""
    heads: bool = False
    """The heads and the other inputs too; only for reproducing published parameter counts."""


class ModelConfig(Settings):
    """Encoder, heads, and which parts of them are trained."""

    encoder: str
    """Hub name or local folder of a model of a known family, with or without a head; a bundle; or the name of a model
    of the package, such as `soritune/ko-base`."""
    architecture: dict[str, Any] = Field(default_factory=dict)
    """The encoder's config in Hugging Face's keys (with `model_type`): for counting without weights and for
    random starts."""
    random_weights: bool = False
    """Start from random weights of `architecture`; nothing is loaded."""
    init_from: str | None = None
    """Weights to start from: a bundle, or a folder of transformers with or without a head. The optimizer is new; rows
    of heads keep their weights for labels that were in the stored head too."""
    base: str | None = None
    """Folder or hub name of the base of the adapters that the training starts from, if it is not where their card
    states. A base is looked up on the hub only under a name that is given here."""
    front: dict[str, Any] = Field(default_factory=dict)
    """Settings of the encoder's front end, for families that have some, such as the silence that is appended to a clip;
    {} keeps the encoder's own."""
    dropout: float | None = Field(None, ge=0, lt=1)
    """Sets hidden, attention, feature-projection and head dropout, and lowers a higher activation dropout to this
    value (0 switches all off); None keeps the encoder's own."""
    layerdrop: float = Field(0.0, ge=0, lt=1)
    """Share of transformer layers skipped at random in training."""
    projector_size: int | None = None
    """Width of the utterance head's projector; None keeps the encoder's own."""
    pooling: Literal["mean", "attentive"] = "mean"
    """How frames become one vector: "mean" is transformers' head, "attentive" is soritune's own and cannot be opened
    in transformers."""
    lora: LoraSettings | None = None
    """Adapters; None trains the encoder's own weights."""
    freeze: FreezeSettings = Field(default_factory=FreezeSettings)
    """The parts that are not trained."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""

    @property
    def starts_from(self) -> str | None:
        """The source of the weights, or None for random ones."""
        return None if self.init_from is None and self.random_weights else self.init_from or self.encoder


def stored_model(bundle: Bundle) -> ModelConfig:
    """The model settings in a bundle's card.

    Raises:
        BundleError: they are faulty.
    """
    try:
        return ModelConfig.model_validate(bundle.card["model"])
    except ValidationError as error:
        raise bundle.damaged("model", first_fault(error)) from error


def stored_lora(bundle: Bundle) -> LoraSettings:
    """The settings of adapters in an adapter bundle's card, with their layers.

    Raises:
        BundleError: they are missing or faulty.
    """

    try:
        settings = LoraSettings.model_validate(bundle.card["adapter"])
    except (KeyError, ValidationError) as error:
        raise bundle.damaged("adapter", first_fault(error)) from error
    if settings.layers is None:
        raise bundle.damaged("adapter", "no layers are named")
    return settings
