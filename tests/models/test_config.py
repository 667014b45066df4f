from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError
from tests.models.conftest import perturbed

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.write import update_card
from soritune.errors import BundleError
from soritune.models.config import FreezeSettings, LoraSettings, ModelConfig, stored_lora, stored_model
from soritune.models.saving import save_bundle


@pytest.mark.parametrize(
    ("settings", "source"),
    [
        ({}, "x"),
        ({"init_from": "y"}, "y"),
        ({"random_weights": True}, None),
        ({"random_weights": True, "init_from": "y"}, "y"),
    ],
)
def test_weights_come_from_init_from_then_from_the_encoder(settings: Any, source: str | None) -> None:
    assert ModelConfig(encoder="x", **settings).starts_from == source


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (LoraSettings, {"rank": 0}),
        (LoraSettings, {"dropout": 1.0}),
        (LoraSettings, {"layers": (1, 2, 3)}),
        (FreezeSettings, {"layers": -1}),
        (ModelConfig, {"encoder": "x", "dropout": 1.0}),
        (ModelConfig, {"encoder": "x", "layerdrop": -0.1}),
        (ModelConfig, {"encoder": "x", "pooling": "max"}),
        (ModelConfig, {"encoder": "x", "droput": 0.1}),
        (ModelConfig, {}),
    ],
)
def test_invalid_settings_are_refused(kind: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind(**settings)


def test_settings_of_a_bundle_are_those_of_its_model(build, tmp_path) -> None:
    lora = LoraSettings(rank=2, targets=("q_proj",))
    model = perturbed(build(lora=lora))
    bundle = save_bundle(model, tmp_path / "b", tasks=[], preprocessing=Preprocessing())
    assert stored_model(bundle) == model.config
    assert stored_lora(bundle) == lora.model_copy(update={"layers": (0, 1)})
    with pytest.raises(BundleError, match="'adapter' is faulty .no layers"):
        stored_lora(update_card(bundle.path, adapter={"rank": 2}))
    with pytest.raises(BundleError, match="'model' is faulty .layerdrop"):
        stored_model(update_card(bundle.path, model={"encoder": "x", "layerdrop": 2}))


def test_config_is_read_without_torch() -> None:
    code = "import sys, soritune.models.config; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
