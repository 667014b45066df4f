from __future__ import annotations

from typing import Any

import pytest
import torch

from soritune.errors import ModelError, UnknownNameError
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.gradient_watch import check_gradients
from soritune.models.inputs.input import make_input
from soritune.models.model import SpeechModel
from soritune.tasks.specs import InputSpec
from soritune.testing import class_output, ctc_output, tiny_config

AGE = InputSpec("age", "age", "age", "number")
PITCH = InputSpec("pitch", "pitch", "pitch", "frame_numbers", options={"width": 2})


def build(outputs: Any, inputs: tuple[InputSpec, ...] = (AGE, PITCH), **more: Any) -> SpeechModel:
    config = ModelConfig(encoder="toy", architecture=tiny_config(), random_weights=True, **more)
    return build_model(config, outputs, seed=0, inputs=inputs)


def test_head_reads_its_inputs_beside_the_encoder() -> None:
    outputs = (ctc_output(inputs=("pitch",)), class_output(inputs=("age", "pitch")), class_output("plain"))
    model = build(outputs).eval()
    assert model.heads["phoneme"].linear.in_features == 16 + 2
    assert model.heads["emotion"].projector.in_features == 16 + 3
    assert model.heads["plain"].projector.in_features == 16
    wave, sizes = torch.randn(2, 4000), torch.tensor([4000, 4000])
    frames = int(model.geometry.num_frames(4000))
    present = torch.ones(2, dtype=torch.bool)
    pitch = torch.randn(2, frames, 2)
    arrays = {
        "age": torch.tensor([[0.0], [3.0]]),
        "age_present": present,
        "pitch": pitch,
        "pitch_present": present,
    }
    logits = model(wave, sizes, **arrays).logits
    state, _, _ = model.encode(wave, sizes)
    head = model.heads["phoneme"].linear
    assert torch.allclose(logits["phoneme"], head(torch.cat([state, pitch], -1)), atol=1e-5)
    changed = model(wave, sizes, **{**arrays, "age": torch.tensor([[0.0], [-3.0]])}).logits
    assert torch.equal(changed["phoneme"], logits["phoneme"])
    assert torch.equal(changed["emotion"][0], logits["emotion"][0])
    assert not torch.allclose(changed["emotion"][1], logits["emotion"][1])


def test_unused_learnt_value_is_not_reported_as_silent() -> None:
    model = build((class_output(inputs=("age",)),), (AGE,))
    wave, sizes = torch.randn(1, 4000), torch.tensor([4000])
    arrays = {"age": torch.tensor([[2.0]]), "age_present": torch.tensor([True])}
    model(wave, sizes, **arrays).logits["emotion"].square().sum().backward()
    assert check_gradients(model) == []


def test_undeclared_input_is_refused() -> None:
    with pytest.raises(ModelError, match="reads the input 'age', which no task declares"):
        build((class_output(inputs=("age",)),), ())


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="kind of input"):
        make_input(InputSpec("x", "x", "x", "colour"))
