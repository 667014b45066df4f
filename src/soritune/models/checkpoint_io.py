"""Models to bundles and back, and the part of a model a training checkpoint keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from soritune.bundles.card import Bundle
from soritune.bundles.read import load_bundle
from soritune.bundles.write import write_bundle
from soritune.errors import ModelError
from soritune.models.adapters import (
    adapted_modules,
    adapter_weights,
    add_lora,
    base_weights,
    load_adapter_weights,
    peft_config,
    plain_weights,
)
from soritune.models.architecture import encoder_config, make_encoder
from soritune.models.config import FreezeSettings, LoraSettings, stored_model
from soritune.models.encoders.encoder import EncoderFamily, family_of
from soritune.models.hub_names import HeadKind
from soritune.models.losses.loss import head_kind
from soritune.models.model import LoadReport, SpeechModel
from soritune.models.starting_point import (
    PEFT_PREFIX,
    BaseSource,
    FoundHead,
    StartingPoint,
    start_from_bundle,
)
from soritune.tasks.task import Task


def save_bundle(
    model: SpeechModel,
    path: Path | str,
    *,
    tasks: Sequence[Task],
    preprocessing: BaseModel | Mapping[str, Any],
    card_fields: Mapping[str, Any] | None = None,
    adapter_only: bool | None = None,
    readme: str | None = None,
) -> Bundle:
    """Writes `model` as a bundle; the model stays as it is.

    A full bundle has adapters merged. An adapter bundle holds adapters and heads, and names its base with a
    checksum.

    Args:
        model: weights as they shall be used.
        path: folder to make; an older bundle there is replaced.
        tasks: what the outputs are for.
        preprocessing: what happens to audio before the model.
        card_fields: more of the card: recipe, data, training, seed, licence …
        adapter_only: None decides: adapters alone for a LoRA model whose base lies on disk or the hub, unless
            transformers and peft would leave the adapters of its family unused.
        readme: text of README.md.

    Raises:
        ModelError: an adapter bundle of a model without adapters or whose base lies nowhere.
        OutputError: the place cannot be written to.
    """
    settings = (
        preprocessing.model_dump(mode="json") if isinstance(preprocessing, BaseModel) else dict(preprocessing)
    )
    adapted = bool(adapted_modules(model.encoder))
    model_type = str(model.encoder.config.model_type)
    family = family_of(model_type, "the encoder")
    names = family.hub_names(model_type)
    own_weights = model.config.lora is not None and model.config.lora.train_base
    if adapter_only is None:
        adapter_only = (
            adapted and model.base is not None and family.saves_adapters(model_type) and not own_weights
        )
    if adapter_only and not adapted:
        raise ModelError("an adapter bundle needs a model with adapters; this one has none, save it whole")
    if adapter_only and own_weights:
        raise ModelError(
            "the encoder's own weights were trained beside these adapters (lora.train_base); save it whole"
        )
    if adapter_only and model.base is None:
        raise ModelError(
            "the encoder below these adapters lies in no folder (random or merged weights); save it whole"
        )
    rate = int(settings.get("sample_rate_hz", model.geometry.sample_rate_hz))
    if rate != model.geometry.sample_rate_hz:
        raise ModelError(
            f"the model was built for {model.geometry.sample_rate_hz} Hz and its preprocessing gives {rate}; build it "
            f"with sample_rate_hz={rate}"
        )
    kind = names.usable(head_kind(model.outputs[0], model.config.pooling))
    config = hf_config(model, family, kind)
    card = {**_card(model, tasks, settings, config), **(card_fields or {})}
    files: dict[str, Any] = {"preprocessor_config.json": family.preprocessor_config(settings)}
    if kind == "ctc":
        files |= family.tokenizer_files(model.outputs[0])
    heads = {f"heads.{name}": value for name, value in model.heads.state_dict().items()}
    heads |= {f"inputs.{name}": value for name, value in model.inputs.state_dict().items()}
    if adapter_only and model.base is not None:
        card |= {
            "kind": "adapter",
            "base": model.base.to_json(),
            "adapter": _adapter_settings(model).model_dump(mode="json"),
        }
        files["adapter_config.json"] = _peft_json(model, family, kind)
        weights = {f"encoder.{name}": value for name, value in adapter_weights(model.encoder).items()}
    else:
        card |= {"kind": "full", "base": None}
        files["config.json"] = config
        weights = {f"encoder.{name}": value for name, value in plain_weights(model.encoder).items()}
    named = names.to_hf({**weights, **heads}, model.outputs[0].name, kind)
    if adapter_only:
        named = {PEFT_PREFIX + name: value for name, value in named.items()}
    return write_bundle(path, weights=_arrays(named), card=card, json_files=files, readme=readme)


def load_model(
    path: Path | str,
    device: str | torch.device = "cpu",
    *,
    base: str | None = None,
    opened: SpeechModel | None = None,
) -> SpeechModel:
    """A bundle's model, ready for inference: evaluation mode, nothing trained, adapters in place.

    Args:
        path: the bundle's folder.
        device: where the weights go.
        base: hub name or folder of an adapter bundle's base, where it is not at the place the card names.
        opened: a model of another adapter bundle. Where both stand on one base, that is not read again and is in
            memory once; neither may then be merged in place.

    Raises:
        BundleError: no bundle, or a damaged one.
        ModelError: weights that do not fit the card; a base that is not there, or another than the adapters'
        own.
    """
    bundle = load_bundle(path)
    start = start_from_bundle(bundle, base, _base_of(opened))
    config = stored_model(bundle).model_copy(
        update={
            "lora": start.adapter[0] if start.adapter else None,
            "freeze": FreezeSettings(),
            "init_from": None,
        }
    )
    hf = encoder_config(start.architecture, source=str(path))
    rate = bundle.geometry.sample_rate_hz
    encoder = make_encoder(hf, start.encoder, sample_rate_hz=rate, source=start.source)
    if encoder.geometry != bundle.geometry:
        raise bundle.damaged("encoder", f"its config gives {encoder.geometry}, its geometry is another")
    model = SpeechModel(encoder, bundle.outputs, config, bundle.inputs)
    if start.adapter is not None:
        settings, weights = start.adapter
        assert settings.layers is not None  # an adapter bundle's card always says
        add_lora(model.encoder, settings, *settings.layers, seed=0)
        load_adapter_weights(model.encoder, weights)
    _load_heads(model, start.heads, bundle)
    _load_inputs(model, start, bundle)
    model.base, model.load_report = start.base, LoadReport(tuple(start.words))
    model.requires_grad_(False)
    return model.to(device).eval()


def _base_of(model: SpeechModel | None) -> tuple[BaseSource, dict[str, Tensor]] | None:
    if model is None or model.base is None or not adapted_modules(model.encoder):
        return None
    return model.base, base_weights(model.encoder)


def trainable_state(model: torch.nn.Module, also: Collection[str] = ()) -> dict[str, Tensor]:
    """What training changes, by name: trained parameters and buffers. Detached, not copied.

    Args:
        model: any.
        also: names of parameters that are not trained now and were before.
    """
    trained = {
        name: value.detach()
        for name, value in model.named_parameters()
        if value.requires_grad or name in also
    }
    return {**trained, **{name: value.detach() for name, value in model.named_buffers()}}


def load_trainable_state(
    model: torch.nn.Module, state: Mapping[str, Tensor], also: Collection[str] = ()
) -> None:
    """Puts back what `trainable_state` gave, in place.

    Raises:
        ModelError: other names or shapes than this model trains: the checkpoint belongs to another recipe.
    """
    own = trainable_state(model, also)
    odd = sorted(set(own) ^ set(state)) or sorted(
        name for name in own if own[name].shape != state[name].shape
    )
    if odd:
        raise ModelError(
            f"the checkpoint does not fit the model: {len(odd)} weights differ, first {odd[0]}; "
            "resume with the recipe it was written by"
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])


def hf_config(model: SpeechModel, family: EncoderFamily, kind: HeadKind | None) -> dict[str, Any]:
    """config.json: the encoder's own, and what the class named in `architectures` needs for the primary
    output."""
    spec = model.outputs[0]
    config: dict[str, Any] = dict(model.encoder.config.to_dict())
    config.pop("_name_or_path", None)
    config.pop("dtype", None)
    config["architectures"] = [family.hub_names(config["model_type"]).classes[kind]]
    if kind == "ctc":
        config |= {"vocab_size": len(spec.labels), "pad_token_id": int(spec.options.get("blank", 0))}
    if kind == "classification":
        config |= {
            "id2label": {str(index): label for index, label in enumerate(spec.labels)},
            "label2id": {label: index for index, label in enumerate(spec.labels)},
        }
    projector = getattr(model.heads[spec.name], "projector", None)
    width = model.encoder.projector_size if projector is None else int(projector.out_features)
    return config | family.head_config(kind, spec, width)


def _card(
    model: SpeechModel, tasks: Sequence[Task], preprocessing: dict[str, Any], config: dict[str, Any]
) -> dict[str, Any]:
    return {
        "tasks": [{"name": task.name, "config": task.config.model_dump(mode="json")} for task in tasks],
        "outputs": [spec.to_json() for spec in model.outputs],
        "inputs": [spec.to_json() for spec in model.input_specs],
        "encoder": {
            "model_type": config["model_type"],
            "source": model.config.init_from or model.config.encoder,
            "hidden_size": model.hidden_size,
            "num_layers": model.num_layers,
            "geometry": model.geometry.to_json(),
            "config": config,
        },
        "preprocessing": preprocessing,
        "model": model.config.model_dump(mode="json"),
    }


def _adapter_settings(model: SpeechModel) -> LoraSettings:
    """The adapters' settings with their layers written out."""
    assert model.config.lora is not None
    layers = [model.encoder.layer_of(f"{name}.") for name in adapted_modules(model.encoder)]
    numbers = [layer for layer in layers if layer is not None]
    return model.config.lora.model_copy(update={"layers": (min(numbers), max(numbers))})


def _peft_json(model: SpeechModel, family: EncoderFamily, kind: HeadKind | None) -> dict[str, Any]:
    """adapter_config.json, with which `PeftModel.from_pretrained(base, bundle)` gives the same logits."""
    settings = _adapter_settings(model)
    assert settings.layers is not None
    assert model.base is not None
    names = family.hub_names(str(model.encoder.config.model_type))
    config = peft_config(
        settings,
        *settings.layers,
        base_model_name_or_path=model.base.to_json()["source"],
        layers_pattern=model.encoder.layers_name,
        modules_to_save=names.head_modules(kind) if kind else None,
        inference_mode=True,
    )
    plain: dict[str, Any] = config.to_dict()
    return {key: sorted(value) if isinstance(value, set) else value for key, value in plain.items()}


def _load_heads(model: SpeechModel, found: Sequence[FoundHead], bundle: Bundle) -> None:
    for head in found:
        try:
            model.heads[head.name].load_state_dict(dict(head.weights))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ModelError(
                f"{bundle.path}: head {head.name} does not fit its card ({reason}); copy it again"
            ) from error


def _load_inputs(model: SpeechModel, start: StartingPoint, bundle: Bundle) -> None:
    for name, module in model.inputs.items():
        try:
            module.load_state_dict(start.inputs.get(name, {}))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ModelError(
                f"{bundle.path}: input {name} does not fit its card ({reason}); copy it again"
            ) from error


def _arrays(weights: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(value.detach().float().cpu().numpy()) for name, value in weights.items()}
