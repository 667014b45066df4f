"""A bundle to a model for inference; `saving.py` is the other direction."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from soritune.bundles.card import Bundle
from soritune.bundles.hf_files import config_differences
from soritune.bundles.read import load_bundle
from soritune.errors import ModelError
from soritune.models.adapters import adapted_modules, add_lora, base_weights, load_adapter_weights
from soritune.models.architecture import encoder_config, make_encoder
from soritune.models.config import FreezeSettings, stored_model
from soritune.models.model import SpeechModel
from soritune.models.starting_point import AdapterBase, start_from_bundle
from soritune.models.transformers_import import import_model

logger = logging.getLogger(__name__)


def load_model(
    path: Path | str,
    device: str | torch.device = "cpu",
    *,
    base: str | None = None,
    opened: SpeechModel | None = None,
) -> SpeechModel:
    """The model of a bundle, ready for inference: evaluation mode, no parameter trained, adapters in place.

    Args:
        path: the bundle's folder.
        device: where the weights go.
        base: hub name or folder of an adapter bundle's base, if it has moved since the card was written.
        opened: a model of another adapter bundle. If both have the same base, its weights are shared instead of read
            again; neither model may then be merged in place.

    Raises:
        BundleError: not a bundle, or a damaged one.
        ModelError: weights that do not fit the card; a base that is missing or has other weights.
    """
    bundle = load_bundle(path)
    if differences := config_differences(bundle):
        logger.warning(
            "%s: config.json was changed (%s); soritune uses the card, soritune.json",
            path,
            "; ".join(differences),
        )
    start = start_from_bundle(bundle, base, _base_of(opened))
    config = stored_model(bundle).model_copy(
        update={
            "lora": start.adapter[0] if start.adapter else None,
            "freeze": FreezeSettings(),
            "init_from": None,
        }
    )
    import_model(str(start.architecture.get("model_type")))
    hf = encoder_config(start.architecture, source=str(path))
    rate = bundle.geometry.sample_rate_hz
    encoder = make_encoder(hf, start.encoder, sample_rate_hz=rate, source=start.source)
    if encoder.geometry != bundle.geometry:
        raise bundle.damaged("encoder", f"its config gives {encoder.geometry}, its geometry is another")
    with torch.device("meta"):
        described = SpeechModel(encoder, bundle.outputs, config, bundle.inputs)
    heads = {head.name: head.weights for head in start.heads}
    for name, head in described.heads.items():
        _check_shapes(head, heads[name], f"head {name}", bundle)
    for name, module in described.inputs.items():
        _check_shapes(module, start.inputs.get(name, {}), f"input {name}", bundle)
    model = SpeechModel(encoder, bundle.outputs, config, bundle.inputs)
    if start.adapter is not None:
        settings, weights = start.adapter
        assert settings.layers is not None  # `stored_lora` refuses a card without them
        add_lora(model.encoder, settings, *settings.layers, seed=0)
        load_adapter_weights(model.encoder, weights)
    for name, head in model.heads.items():
        head.load_state_dict(dict(heads[name]))
    for name, module in model.inputs.items():
        module.load_state_dict(dict(start.inputs.get(name, {})))
    model.base, model.load_report, model.notice = start.base, start.report, start.notice
    model.requires_grad_(False)
    return model.to(device).eval()


def _base_of(model: SpeechModel | None) -> tuple[AdapterBase, dict[str, Tensor]] | None:
    if model is None or model.base is None or not adapted_modules(model.encoder):
        return None
    return model.base, base_weights(model.encoder)


def _check_shapes(module: nn.Module, weights: Mapping[str, Tensor], part: str, bundle: Bundle) -> None:
    """Refuses weights that do not fit what the card describes; `module` is on the meta device.

    Raises:
        ModelError: other names or other shapes.
    """
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    stored = {name: tuple(value.shape) for name, value in weights.items()}
    odd = next(
        (name for name in sorted({*expected, *stored}) if expected.get(name) != stored.get(name)), None
    )
    if odd is not None:
        raise ModelError(
            f"{bundle.path}: {part} does not fit its card ({odd} is {stored.get(odd, 'missing')} instead of "
            f"{expected.get(odd, 'missing')}); copy it again"
        )
