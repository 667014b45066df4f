"""A model to a bundle; `loading.py` is the other direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from soritune.bundles.card import Bundle
from soritune.bundles.notice import KEY as NOTICE
from soritune.bundles.write import write_bundle
from soritune.errors import ModelError
from soritune.models.adapters import adapted_modules, adapter_weights, peft_config, plain_weights
from soritune.models.config import LoraSettings
from soritune.models.encoders.encoder import EncoderFamily, family_of
from soritune.models.freezing import input_modules
from soritune.models.hub_names import HeadKind
from soritune.models.losses.loss import head_kind
from soritune.models.model import SpeechModel
from soritune.models.starting_point import PEFT_PREFIX
from soritune.tasks.specs import files_of_input
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
    """Writes `model` as a bundle; the model is left unchanged.

    A full bundle has adapters merged. An adapter bundle holds adapters and heads, and its base's name and checksum.


    Args:
        model: weights as they shall be used.
        path: folder to make; an older bundle there is replaced.
        tasks: the tasks of the outputs.
        preprocessing: what happens to audio before the model.
        card_fields: more fields of the card: recipe, data, training, seed, licence …
        adapter_only: None decides: adapters alone for a LoRA model whose base is on disk or on the hub, unless
            transformers and peft would ignore the adapters of its family.
        readme: text of README.md.

    Raises:
        ModelError: an adapter bundle of a model without adapters or without a stored base.
        OutputError: the folder cannot be written to.
    """
    model_type = str(model.encoder.config.model_type)
    family = family_of(model_type, "the encoder")
    names = family.hub_names(model_type)
    as_adapter = _as_adapter(model, family, adapter_only)
    settings = _preprocessing_settings(model, preprocessing)
    primary = model.outputs[0]
    kind = names.usable(head_kind(primary, model.config.pooling))
    config = hf_config(model, family, kind)
    card = {**_card(model, tasks, settings, config), **(card_fields or {})}
    files: dict[str, Any] = {"preprocessor_config.json": family.preprocessor_config(settings, config)}
    if kind == "ctc":
        files |= family.tokenizer_files(model.outputs[0])
    heads = {f"heads.{name}": value for name, value in model.heads.state_dict().items()}
    heads |= {f"inputs.{name}": value for name, value in model.inputs.state_dict().items()}
    if as_adapter and model.base is not None:
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
    stored = names.to_hf({**weights, **heads}, model.outputs[0].name, kind)
    if as_adapter:
        stored = {PEFT_PREFIX + name: value for name, value in stored.items()}
    texts = {
        f"{files_of_input(module.spec.name)}/{name}": text
        for module in input_modules(model)
        for name, text in module.files().items()
    }
    return write_bundle(
        path, weights=_arrays(stored), card=card, json_files=files, text_files=texts, readme=readme
    )


def _preprocessing_settings(
    model: SpeechModel, preprocessing: BaseModel | Mapping[str, Any]
) -> dict[str, Any]:
    """The preprocessing as a card stores it.

    Raises:
        ModelError: it has another sample rate than the model.
    """
    settings = (
        preprocessing.model_dump(mode="json") if isinstance(preprocessing, BaseModel) else dict(preprocessing)
    )
    rate = int(settings.get("sample_rate_hz", model.geometry.sample_rate_hz))
    if rate != model.geometry.sample_rate_hz:
        raise ModelError(
            f"the model was built for {model.geometry.sample_rate_hz} Hz and its preprocessing gives {rate}; build it "
            f"with sample_rate_hz={rate}"
        )
    return settings


def _as_adapter(model: SpeechModel, family: EncoderFamily, adapter_only: bool | None) -> bool:
    """Whether to write adapters alone.

    Raises:
        ModelError: `adapter_only` is True and the model has no adapters, trained its base too or has no stored base.
    """
    adapted = bool(adapted_modules(model.encoder))
    base_trained = model.config.lora is not None and model.config.lora.train_base
    if adapter_only is None:
        usable_there = family.saves_adapters(str(model.encoder.config.model_type))
        return adapted and model.base is not None and usable_there and not base_trained
    if adapter_only and not adapted:
        raise ModelError(
            "an adapter bundle needs a model with adapters; this model has no adapters, save it whole"
        )
    if adapter_only and base_trained:
        raise ModelError(
            "the encoder's own weights were trained beside these adapters (lora.train_base); save it whole"
        )
    if adapter_only and model.base is None:
        raise ModelError(
            "the encoder below these adapters is not stored in a folder (random or merged weights); save it whole"
        )
    return adapter_only


def hf_config(model: SpeechModel, family: EncoderFamily, kind: HeadKind | None) -> dict[str, Any]:
    """config.json: the encoder's own, and what the class named in `architectures` needs for the primary output."""
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
        NOTICE: model.notice,
    }


def _adapter_settings(model: SpeechModel) -> LoraSettings:
    """The adapters' settings with `layers` filled in."""
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


def _arrays(weights: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(value.detach().float().cpu().numpy()) for name, value in weights.items()}
