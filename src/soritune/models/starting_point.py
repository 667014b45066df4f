"""Where a model's weights come from: random, a headless encoder, a foreign checkpoint with its head, or a
bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from soritune.bundles.card import Bundle
from soritune.bundles.hf_files import read_vocabulary
from soritune.bundles.packaged import packaged_name
from soritune.bundles.read import is_bundle, load_bundle
from soritune.errors import BundleError, ModelError
from soritune.models.adapters import merge_adapter_weights
from soritune.models.architecture import check_architecture
from soritune.models.checkpoint import Checkpoint, described_architecture, open_checkpoint
from soritune.models.config import LoraSettings, ModelConfig, stored_lora
from soritune.models.encoders.encoder import family_of
from soritune.models.heads import Head
from soritune.models.hub_names import HubNames
from soritune.tasks.objectives.ctc import BLANKS
from soritune.tasks.objectives.objective import objective_of, same_kind
from soritune.tasks.specs import InputSpec, OutputSpec

PEFT_PREFIX = "base_model.model."
FOREIGN = "_"
"""Name of a head that came without one."""


@dataclass(frozen=True)
class BaseSource:
    """The model an adapter stands on: where it came from and the checksum of its weights."""

    checkpoint: Checkpoint

    def to_json(self) -> dict[str, str]:
        """As a card has it."""
        folder = self.checkpoint.folder
        is_local = Path(self.checkpoint.source).is_dir()
        source = str(folder.resolve()) if is_local else self.checkpoint.source
        # A model of the package lies elsewhere in every environment; its name means it in all of them.
        source = packaged_name(folder) or source
        return {"source": source, "sha256": self.checkpoint.sha256}


@dataclass(frozen=True)
class FoundHead:
    """A head that came with the weights, under soritune's names without `heads.<output>.`."""

    spec: OutputSpec
    """What it was trained for; a head of transformers as the output that would have such a head."""
    weights: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """Of its output."""
        return self.spec.name


@dataclass
class StartingPoint:
    """What `build_model` starts from."""

    architecture: dict[str, Any]
    """The encoder's config.json."""
    encoder: dict[str, Tensor] | None
    """Encoder weights by the base model's names; None draws them."""
    source: str
    heads: list[FoundHead] = field(default_factory=list)
    inputs: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Weights of inputs beside the waveform, by the input's name."""
    adapter: tuple[LoraSettings, dict[str, Tensor]] | None = None
    """Adapters of a bundle, not merged, with their geometry (`layers` filled in)."""
    base: BaseSource | None = None
    """What an adapter-only bundle can name as its base; None when the encoder lies nowhere on disk as it
    is."""
    input_specs: tuple[InputSpec, ...] = ()
    """The inputs that `inputs` belong to."""
    words: list[str] = field(default_factory=list)
    new_parts: list[str] = field(default_factory=list)
    """Heads and inputs of the new model that have new weights, wholly or for some labels; filled in as they adopt."""


def find_start(config: ModelConfig) -> StartingPoint:
    """Reads what `config` says to start from.

    Raises:
        ModelError: nothing there, or no model soritune takes.
    """
    source = config.starts_from
    if source is None:
        check_architecture(config.architecture)
        return StartingPoint(
            described_architecture(config), None, "random weights", words=["encoder: random weights"]
        )
    return start_from_bundle(load_bundle(source)) if is_bundle(source) else _start_from_checkpoint(source)


def _names_of(architecture: Mapping[str, Any], source: str) -> HubNames:
    model_type = architecture.get("model_type")
    return family_of(model_type, source).hub_names(str(model_type))


def _start_from_checkpoint(source: str) -> StartingPoint:
    checkpoint = open_checkpoint(source)
    weights = _names_of(checkpoint.config, source).from_hf(checkpoint.weights(), FOREIGN)
    encoder, heads, _ = split_weights(weights)
    start = StartingPoint(checkpoint.config, encoder, source, base=BaseSource(checkpoint))
    start.words.append(f"encoder: all weights from {source}")
    head = heads.get(FOREIGN, {})
    if "linear.weight" in head:
        _take_foreign_ctc(start, checkpoint, head)
    elif "classifier.weight" in head:
        _take_foreign_classes(start, checkpoint, head)
    return start


def _take_foreign_classes(start: StartingPoint, checkpoint: Checkpoint, head: dict[str, Tensor]) -> None:
    names, rows = checkpoint.config.get("id2label"), head["classifier.weight"].shape[0]
    try:
        by_row = {int(key): str(name) for key, name in (names or {}).items()}
        labels = tuple(by_row[row] for row in range(rows))
    except (AttributeError, KeyError, ValueError):
        start.words.append(f"its head is left out: id2label of config.json does not name its {rows} classes")
        return
    start.heads.append(FoundHead(OutputSpec(FOREIGN, labels, "utterance", "cross_entropy"), head))


def _take_foreign_ctc(start: StartingPoint, checkpoint: Checkpoint, head: dict[str, Tensor]) -> None:
    try:
        labels = read_vocabulary(checkpoint.folder)
    except BundleError as error:
        start.words.append(f"its CTC head is left out: {error}")
        return
    rows = head["linear.weight"].shape[0]
    if len(labels) < rows:
        start.words.append(
            f"its CTC head is left out: vocab.json (with added_tokens.json) has {len(labels)} symbols for "
            f"{rows} logits"
        )
        return
    # Tokens added after training (an unknown, a language tag) have no logit.
    labels = labels[:rows]
    blank = checkpoint.config.get("pad_token_id")
    blank = blank if isinstance(blank, int) and 0 <= blank < rows else None
    named = next((labels.index(name) for name in BLANKS if name in labels), None)
    if blank is not None and named is not None and labels[blank] not in BLANKS:
        # 0 stands in config.json wherever nobody set it; decoding goes by the tokenizer's name.
        start.words.append(
            f"its blank is {labels[named]} by name, although config.json has pad_token_id {blank} ({labels[blank]})"
        )
        blank = named
    options = {"blank": named or 0 if blank is None else blank}
    start.heads.append(FoundHead(OutputSpec(FOREIGN, labels, "frame", "ctc", options=options), head))


def start_from_bundle(
    bundle: Bundle, base: str | None = None, opened: tuple[BaseSource, dict[str, Tensor]] | None = None
) -> StartingPoint:
    """A bundle's encoder, heads and adapters.

    Args:
        bundle: a full one, or adapters.
        base: where the base of an adapter bundle lies now.
        opened: a base that is in memory, with its weights by the base model's names; taken where it is the adapters'
            own, instead of reading it again.

    Raises:
        ModelError: the base of an adapter bundle is not there or is another one.
    """
    architecture, outputs = bundle.architecture, bundle.outputs
    names = _names_of(architecture, str(bundle.path))
    if not outputs:
        raise bundle.damaged("outputs", "there is none")
    primary = outputs[0].name
    # Half-precision files too are computed in float32.
    weights = {name: torch.from_numpy(value).float() for name, value in bundle.weights().items()}
    shown = packaged_name(bundle.path) or str(bundle.path)
    if not bundle.is_adapter:
        encoder, heads, inputs = split_weights(names.from_hf(weights, primary))
        start = StartingPoint(architecture, encoder, shown, inputs=inputs, input_specs=bundle.inputs)
        if (bundle.path / "config.json").is_file():
            start.base = BaseSource(Checkpoint(str(bundle.path), bundle.path))
        start.words.append(f"encoder: all weights from bundle {shown}")
    else:
        stored = bundle.card.get("base")
        if not isinstance(stored, dict) or not {"source", "sha256"} <= stored.keys():
            raise bundle.damaged("base", "an adapter bundle must name the source and sha256 of its base")
        if opened is not None and opened[0].checkpoint.sha256 == stored["sha256"]:
            checkpoint, encoder = opened[0].checkpoint, opened[1]
        else:
            checkpoint = open_base(base or stored["source"], stored["sha256"])
            encoder, _, _ = split_weights(names.from_hf(checkpoint.weights(), FOREIGN))
        plain = {name.removeprefix(PEFT_PREFIX): value for name, value in weights.items()}
        adapters, heads, inputs = split_weights(names.from_hf(plain, primary))
        settings = stored_lora(bundle)
        if settings.targets is None:
            family = family_of(architecture.get("model_type"), str(bundle.path))
            settings = settings.model_copy(update={"targets": family.lora_targets})
        start = StartingPoint(
            architecture,
            encoder,
            str(bundle.path),
            adapter=(settings, adapters),
            inputs=inputs,
            input_specs=bundle.inputs,
        )
        start.base = BaseSource(checkpoint)
        start.words.append(
            f"encoder: all weights from {checkpoint.source}, adapters from bundle {bundle.path}"
        )
    start.heads += [FoundHead(spec, heads.get(spec.name, {})) for spec in outputs]
    return start


def open_base(source: str, sha256: str) -> Checkpoint:
    """The base an adapter was trained on.

    Raises:
        ModelError: not there, or its weights are not those the adapter knows.
    """
    try:
        checkpoint = open_checkpoint(source)
    except (ModelError, BundleError) as error:
        raise ModelError(f"the adapter's base cannot be opened: {error}") from error
    if checkpoint.sha256 != sha256:
        raise ModelError(
            f"{source} is not the base this adapter was trained on: sha256 {checkpoint.sha256[:12]}… instead "
            f"of {sha256[:12]}…; give the folder of the right one as the base"
        )
    return checkpoint


def split_weights(
    weights: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]], dict[str, dict[str, Tensor]]]:
    """soritune's names apart: the encoder's without `encoder.`, each head's without `heads.<output>.`, and each input's
    without `inputs.<input>.`."""
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


def merge_unless_same(start: StartingPoint, wanted: tuple[LoraSettings, tuple[int, int]] | None) -> None:
    """Merges the starting point's adapters into its encoder unless the new model has exactly such
    adapters."""
    if start.adapter is None:
        return
    old, weights = start.adapter
    if wanted is not None:
        new, layers = wanted
        same = (old.rank, old.alpha, set(old.targets or ()), old.layers) == (
            new.rank,
            new.alpha,
            set(new.targets or ()),
            layers,
        )
        if same:
            start.words.append(f"adapters of rank {old.rank} go on being trained")
            return
    assert start.encoder is not None  # adapters come with their base
    merge_adapter_weights(start.encoder, weights, old.alpha / old.rank)
    start.adapter, start.base = None, None
    start.words.append(f"adapters of rank {old.rank} merged into the encoder")


def adopt_heads(start: StartingPoint, heads: Mapping[str, Head]) -> None:
    """Fills new heads with the ones that came, as far as labels are kept, and says so in `start.words`.

    A head keeps the row of every label it still has, at that label's new place; rows of new labels are new. The
    objective says which labels match (`Objective.matching_rows`). A head that came without a name goes to the first
    output of its kind.
    """
    free = {found.name: found for found in start.heads}
    new: list[str] = []
    for name, head in heads.items():
        found = free.get(name) or _unnamed(free, head.spec)
        kept = None if found is None else adopt(head, found)
        if kept is None:
            new.append(name)
            start.new_parts.append(f"head {name}")
            continue
        words, is_whole = kept
        if not is_whole:
            start.new_parts.append(f"head {name}")
        start.words.append(f"head {name}: {words}")
        if found is not None:
            free.pop(found.name, None)
    if new:
        start.words.append(f"new: {'head' if len(new) == 1 else 'heads'} {', '.join(new)}")


def adopt_inputs(start: StartingPoint, inputs: nn.ModuleDict) -> None:
    """Fills new modules of inputs with those that came under the same names and fit, and notes so in `start.words`."""
    for name, module in inputs.items():
        state = module.state_dict()
        stored = start.inputs.get(name, {})
        fits = stored.keys() == state.keys() and all(stored[key].shape == state[key].shape for key in state)
        if fits:
            module.load_state_dict(stored)
        else:
            start.new_parts.append(f"input {name}")
        start.words.append(
            f"input {name}: {'kept' if fits else 'new weights'}{_changed_options(start, module)}"
        )


def _changed_options(start: StartingPoint, module: nn.Module) -> str:
    """What is read otherwise than the weights were trained on, in words; empty where nothing is."""
    after: InputSpec = module.spec  # type: ignore[assignment]
    before = next((spec for spec in start.input_specs if spec.name == after.name), None)
    if before is None or (before.encoding, dict(before.options)) == (after.encoding, dict(after.options)):
        return ""
    return f", but its options were {dict(before.options)} and are {dict(after.options)}"


def _unnamed(free: Mapping[str, FoundHead], spec: OutputSpec) -> FoundHead | None:
    found = free.get(FOREIGN)
    return found if found is not None and same_kind(found.spec, spec) else None


def adopt(head: Head, found: FoundHead) -> tuple[str, bool] | None:
    """Copies what fits of `found` into `head`.

    Returns:
        What was kept, in words, and whether that is every label; None when nothing may be kept. A head that reads other
        inputs, or another output, has columns of another meaning.
    """
    reads_alike = (found.spec.inputs, found.spec.reads) == (head.spec.inputs, head.spec.reads)
    if not same_kind(found.spec, head.spec) or not found.weights or not reads_alike:
        return None
    own = head.state_dict()
    last = next(name for name, module in head.named_modules() if module is head.last_linear())
    row_names = (f"{last}.weight", f"{last}.bias")
    for name, tensor in own.items():
        other = found.weights.get(name)
        if other is None or other.shape[1:] != tensor.shape[1:]:
            return None
        if name not in row_names and other.shape != tensor.shape:
            return None
    rows = objective_of(head.spec).matching_rows(head.spec, found.spec)
    kept = {label for label, row in zip(head.spec.labels, rows, strict=True) if row is not None}
    if not kept:
        return None
    with torch.no_grad():
        for name, tensor in own.items():
            if name not in row_names:
                tensor.copy_(found.weights[name])
                continue
            for index, row in enumerate(rows):
                if row is not None:
                    tensor[index].copy_(found.weights[name][row])
    lost = [label for label in head.spec.labels if label not in kept]
    if not lost:
        labels = found.spec.labels
        order = "" if head.spec.labels == labels else " (reordered)"
        rest = f" of its {len(labels)}" if len(labels) > len(kept) else order
        return f"kept, all {len(kept)} labels{rest}", True
    shown = ", ".join(lost[:8]) + (" …" if len(lost) > 8 else "")
    return f"kept for {len(kept)} of {len(rows)} labels; new: {shown}", False
