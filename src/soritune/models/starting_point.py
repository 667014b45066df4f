"""The weights that a model starts from: random, a headless encoder, a pretrained model with its head, or a bundle.

Next: `adoption.py`, which fills a new model's heads and inputs with them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from soritune.bundles.card import Bundle
from soritune.bundles.hf_files import read_vocabulary
from soritune.bundles.notice import folder_notice, joined_notices
from soritune.bundles.packaged import packaged_name
from soritune.bundles.read import is_bundle, load_bundle
from soritune.errors import BundleError, ModelError
from soritune.models.adapters import check_stored_adapters, merge_adapter_weights
from soritune.models.architecture import check_architecture, encoder_config
from soritune.models.config import LoraSettings, ModelConfig, stored_lora
from soritune.models.encoders.encoder import family_of
from soritune.models.finite_weights import refuse_non_finite
from soritune.models.hub_names import HubNames
from soritune.models.pretrained import PretrainedModel, described_architecture, open_pretrained
from soritune.tasks.objectives.ctc import BLANKS
from soritune.tasks.specs import InputSpec, OutputSpec

logger = logging.getLogger(__name__)
PEFT_PREFIX = "base_model.model."
UNNAMED = "_"
"""Name of a head that was stored without one: transformers stores one head and no name for it."""


@dataclass(frozen=True)
class AdapterBase:
    """The model that adapters belong to: its source and the checksum of its weights."""

    model: PretrainedModel

    def to_json(self) -> dict[str, str]:
        """`{"source", "sha256"}`, as the card of an adapter bundle stores it."""
        folder = self.model.folder
        is_local = Path(self.model.source).is_dir()
        source = str(folder.resolve()) if is_local else self.model.source
        # The folder of a model of the package differs between environments; its name does not.
        source = packaged_name(folder) or source
        return {"source": source, "sha256": self.model.sha256}


@dataclass(frozen=True)
class StoredHead:
    """A head among the weights, under soritune's names without `heads.<output>.`."""

    spec: OutputSpec
    """The output it was trained for; for a head of transformers, the output that would have such a head."""
    weights: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """Name of its output."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Where a model's weights came from; its text is `str(report)`."""

    messages: tuple[str, ...] = ()
    new_parts: tuple[str, ...] = ()
    """Heads and inputs with new weights, for all or for some labels: `head <output>`, `input <input>`."""

    @property
    def is_complete(self) -> bool:
        """Whether every head and input has stored weights only, so that the model can predict before training."""
        return not self.new_parts

    def __str__(self) -> str:
        return "; ".join(self.messages)


@dataclass
class StartingPoint:
    """What `build_model` starts from."""

    architecture: dict[str, Any]
    """The encoder's config.json."""
    encoder: dict[str, Tensor] | None
    """Encoder weights by the base model's names; None draws them."""
    source: str
    """Name of the weights in errors."""
    heads: list[StoredHead] = field(default_factory=list)
    inputs: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Weights of inputs beside the waveform, by the input's name."""
    adapter: tuple[LoraSettings, dict[str, Tensor]] | None = None
    """Adapters of a bundle, not merged, with their settings (`layers` filled in)."""
    base: AdapterBase | None = None
    """What an adapter bundle can name as its base; None when the encoder as it is now is not stored in a folder."""
    input_specs: tuple[InputSpec, ...] = ()
    """The declarations of `inputs`."""
    notice: str | None = None
    """What a licence of the weights requires to go with every copy; None if nothing is stated."""
    messages: list[str] = field(default_factory=list)
    new_parts: list[str] = field(default_factory=list)
    """As in `LoadReport`; both lists grow while the new model adopts heads and inputs."""

    @property
    def report(self) -> LoadReport:
        """Where the weights came from, as far as this is known now."""
        return LoadReport(tuple(self.messages), tuple(self.new_parts))


def find_start(config: ModelConfig) -> StartingPoint:
    """Reads the weights that `config` names.

    Raises:
        ModelError, BundleError: they cannot be found or read, or are not a supported model.
    """
    source = config.starts_from
    if source is None:
        check_architecture(config.architecture)
        return StartingPoint(
            described_architecture(config), None, "random weights", messages=["encoder: random weights"]
        )
    if not is_bundle(source):
        return _start_from_pretrained(source)
    return start_from_bundle(load_bundle(source), config.base)


def _names_of(architecture: Mapping[str, Any], source: str) -> HubNames:
    model_type = architecture.get("model_type")
    return family_of(model_type, source).hub_names(str(model_type))


# ── models of transformers ──


def _start_from_pretrained(source: str) -> StartingPoint:
    model = open_pretrained(source)
    weights = _names_of(model.config, source).from_hf(model.weights(), UNNAMED)
    encoder, heads, _ = split_weights(weights)
    refuse_non_finite(weights, source)
    start = StartingPoint(
        model.config, encoder, source, base=AdapterBase(model), notice=folder_notice(model.folder)
    )
    family = family_of(model.config["model_type"], source)
    hf = encoder_config(model.config, source=source)
    caution = family.caution(hf, source)
    if caution is not None:
        logger.warning("%s", caution)
    num_layers = family.num_layers(hf)
    unused = _beyond_last_layer(encoder, num_layers)
    if unused:
        logger.warning(
            "%s: config.json states %d layers, and %d weights of further layers are not used, first %s; correct the "
            "number unless this is intended",
            source,
            num_layers,
            len(unused),
            unused[0],
        )
    what = f"all weights but {len(unused)} of layers beyond the last one" if unused else "all weights"
    start.messages.append(f"encoder: {what} from {source}")
    head = heads.get(UNNAMED, {})
    if "linear.weight" in head:
        _take_ctc_head(start, model, head)
    elif "classifier.weight" in head:
        _take_class_head(start, model, head)
    return start


def _beyond_last_layer(names: Iterable[str], num_layers: int) -> list[str]:
    """The weights of layers that a configuration does not have."""
    layers = ((name, re.search(r"\blayers\.(\d+)\.", name)) for name in names)
    return sorted(name for name, match in layers if match and int(match[1]) >= num_layers)


def _take_class_head(start: StartingPoint, model: PretrainedModel, head: dict[str, Tensor]) -> None:
    names, rows = model.config.get("id2label"), head["classifier.weight"].shape[0]
    try:
        by_row = {int(key): str(name) for key, name in (names or {}).items()}
        labels = tuple(by_row[row] for row in range(rows))
    except (AttributeError, KeyError, ValueError):
        start.messages.append(
            f"its head is left out: id2label of config.json does not name its {rows} classes"
        )
        return
    start.heads.append(StoredHead(OutputSpec(UNNAMED, labels, "utterance", "cross_entropy"), head))


def _take_ctc_head(start: StartingPoint, model: PretrainedModel, head: dict[str, Tensor]) -> None:
    try:
        labels = read_vocabulary(model.folder)
    except BundleError as error:
        start.messages.append(f"its CTC head is left out: {error}")
        return
    rows = head["linear.weight"].shape[0]
    if len(labels) < rows:
        start.messages.append(
            f"its CTC head is left out: vocab.json (with added_tokens.json) has {len(labels)} symbols for "
            f"{rows} logits"
        )
        return
    # Tokens added after training (an unknown, a language tag) have no logit.
    labels = labels[:rows]
    blank = model.config.get("pad_token_id")
    blank = blank if isinstance(blank, int) and 0 <= blank < rows else None
    by_name = next((labels.index(name) for name in BLANKS if name in labels), None)
    if blank is not None and by_name is not None and labels[blank] not in BLANKS:
        # config.json has 0 by default; transformers decodes with the tokenizer's padding token.
        start.messages.append(
            f"its blank is {labels[by_name]} by name, although config.json has pad_token_id {blank} ({labels[blank]})"
        )
        blank = by_name
    options = {"blank": by_name or 0 if blank is None else blank}
    start.heads.append(StoredHead(OutputSpec(UNNAMED, labels, "frame", "ctc", options=options), head))


# ── bundles ──


def start_from_bundle(
    bundle: Bundle, base: str | None = None, opened: tuple[AdapterBase, dict[str, Tensor]] | None = None
) -> StartingPoint:
    """A bundle's encoder, heads and adapters.

    Args:
        bundle: a full one, or adapters.
        base: hub name or folder of an adapter bundle's base, if it has moved since the card was written.
        opened: a base in memory, with its weights by the base model's names. It is used instead of reading the
            adapters' base again if it has the same checksum.

    Raises:
        BundleError: a damaged card.
        ModelError: the base of an adapter bundle is missing or has other weights.
    """
    if not bundle.outputs:
        raise bundle.damaged("outputs", "it is empty")
    # Half-precision files too are computed in float32.
    weights = {name: torch.from_numpy(value).float() for name, value in bundle.weights().items()}
    if bundle.is_adapter:
        start, heads = _start_from_adapters(bundle, weights, base, opened)
    else:
        start, heads = _start_from_full_bundle(bundle, weights)
    start.notice = joined_notices([bundle.notice, start.notice])
    start.heads += [StoredHead(spec, heads.get(spec.name, {})) for spec in bundle.outputs]
    refuse_non_finite(weights, str(bundle.path))
    if bundle.is_adapter and start.encoder is not None:
        refuse_non_finite(start.encoder, f"the base of {bundle.path}")
    return start


def _start_from_full_bundle(
    bundle: Bundle, weights: dict[str, Tensor]
) -> tuple[StartingPoint, dict[str, dict[str, Tensor]]]:
    names = _names_of(bundle.architecture, str(bundle.path))
    source = packaged_name(bundle.path) or str(bundle.path)
    encoder, heads, inputs = split_weights(names.from_hf(weights, bundle.outputs[0].name))
    start = StartingPoint(bundle.architecture, encoder, source, inputs=inputs, input_specs=bundle.inputs)
    if (bundle.path / "config.json").is_file():
        start.base = AdapterBase(PretrainedModel(str(bundle.path), bundle.path))
    start.messages.append(f"encoder: all weights from bundle {source}")
    return start, heads


def _start_from_adapters(
    bundle: Bundle,
    weights: dict[str, Tensor],
    base: str | None,
    opened: tuple[AdapterBase, dict[str, Tensor]] | None,
) -> tuple[StartingPoint, dict[str, dict[str, Tensor]]]:
    architecture = bundle.architecture
    names = _names_of(architecture, str(bundle.path))
    stored = _stored_base(bundle)
    if opened is not None and opened[0].model.sha256 == stored["sha256"]:
        model, encoder = opened[0].model, opened[1]
    else:
        model = open_base(bundle, base)
        if model.sha256 != stored["sha256"]:
            raise ModelError(
                f"{model.source} is not the base this adapter was trained on: sha256 {model.sha256[:12]}… instead "
                f"of {str(stored['sha256'])[:12]}…; give the folder of the right one as the base"
            )
        encoder, _, _ = split_weights(names.from_hf(model.weights(), UNNAMED))
    plain = {name.removeprefix(PEFT_PREFIX): value for name, value in weights.items()}
    adapters, heads, inputs = split_weights(names.from_hf(plain, bundle.outputs[0].name))
    settings = stored_lora(bundle)
    _check_adapters(bundle, settings, adapters)
    if settings.targets is None:
        family = family_of(architecture.get("model_type"), str(bundle.path))
        settings = settings.model_copy(update={"targets": family.lora_targets})
    start = StartingPoint(
        architecture,
        encoder,
        str(bundle.path),
        inputs=inputs,
        adapter=(settings, adapters),
        base=AdapterBase(model),
        input_specs=bundle.inputs,
        notice=_notice_of(model),
    )
    start.messages.append(f"encoder: all weights from {model.source}, adapters from bundle {bundle.path}")
    return start, heads


def _notice_of(model: PretrainedModel) -> str | None:
    """The notice of a base: that of its card if it is a bundle."""
    if is_bundle(model.folder):
        return load_bundle(model.folder).notice
    return folder_notice(model.folder)


def _check_adapters(bundle: Bundle, settings: LoraSettings, adapters: Mapping[str, Tensor]) -> None:
    architecture, source = bundle.architecture, str(bundle.path)
    num_layers = family_of(architecture.get("model_type"), source).num_layers(
        encoder_config(architecture, source=source)
    )
    try:
        check_stored_adapters(settings, adapters, num_layers)
    except ModelError as error:
        raise bundle.damaged("adapter", str(error)) from error


def open_base(bundle: Bundle, base: str | None = None) -> PretrainedModel:
    """The base that a bundle's adapters were trained on; its checksum is not compared.

    Args:
        bundle: of adapters.
        base: hub name or folder that the user gave. None takes the one in the card, and then only from this machine:
            a card must not decide what is downloaded.

    Raises:
        BundleError: a card without a base.
        ModelError: the base cannot be opened.
    """
    source = base or _stored_base(bundle)["source"]
    try:
        return open_pretrained(source, ask_hub=base is not None)
    except (ModelError, BundleError) as error:
        advice = (
            ""
            if base
            else "; give it with --base, in a recipe as model.base, to download it or name its folder"
        )
        raise ModelError(
            f"the base of the adapters in {bundle.path} cannot be opened: {error}{advice}"
        ) from error


def _stored_base(bundle: Bundle) -> dict[str, str]:
    stored = bundle.card.get("base")
    if not isinstance(stored, dict) or not all(
        isinstance(stored.get(key), str) for key in ("source", "sha256")
    ):
        raise bundle.damaged("base", "an adapter bundle must name the source and sha256 of its base")
    return stored


# ── weights ──


def split_weights(
    weights: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]], dict[str, dict[str, Tensor]]]:
    """Weights by soritune's names as those of the encoder, of each head and of each input.

    Names lose their beginnings: `encoder.`, `heads.<output>.` and `inputs.<input>.`.
    """
    encoder: dict[str, Tensor] = {}
    heads: dict[str, dict[str, Tensor]] = {}
    inputs: dict[str, dict[str, Tensor]] = {}
    for name, value in weights.items():
        if name.startswith("encoder."):
            encoder[name.removeprefix("encoder.")] = value
        else:
            part, owner, rest = name.split(".", 2)
            (heads if part == "heads" else inputs).setdefault(owner, {})[rest] = value
    return encoder, heads, inputs


def merge_unless_same(start: StartingPoint, new: tuple[LoraSettings, tuple[int, int]] | None) -> None:
    """Merges the starting point's adapters into its encoder, unless the new model has adapters of the same shape.

    Args:
        start: changed in place.
        new: settings of the new model's adapters, and the first and last layer that get them; None without adapters.
    """
    if start.adapter is None:
        return
    old, weights = start.adapter
    if new is not None:
        settings, layers = new
        same = (old.rank, old.alpha, set(old.targets or ()), old.layers) == (
            settings.rank,
            settings.alpha,
            set(settings.targets or ()),
            layers,
        )
        if same:
            start.messages.append(f"adapters of rank {old.rank} are trained further")
            return
    assert start.encoder is not None  # `_start_from_adapters` reads the base too
    merge_adapter_weights(start.encoder, weights, old.alpha / old.rank)
    start.adapter, start.base = None, None
    start.messages.append(f"adapters of rank {old.rank} merged into the encoder")
