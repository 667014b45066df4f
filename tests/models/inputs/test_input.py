from __future__ import annotations

from typing import Any

import pytest
import torch

from soritune.errors import ModelError
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


def test_absent_values_are_learnt_ones() -> None:
    number, along = make_input(AGE), make_input(PITCH)
    with torch.no_grad():
        number.absent.fill_(7.0)  # type: ignore[operator,union-attr]
        along.absent.copy_(torch.tensor([8.0, 9.0]))  # type: ignore[operator,union-attr]
    given = {"age": torch.tensor([[1.0], [0.0]]), "age_present": torch.tensor([True, False])}
    assert number(given, 2, 3).tolist() == [[1.0], [7.0]]
    assert number({}, 2, 3).tolist() == [[7.0], [7.0]]
    given = {"pitch": torch.ones(2, 2, 2), "pitch_present": torch.tensor([True, False])}
    assert along(given, 2, 3).tolist() == [[[1, 1], [1, 1], [0, 0]], [[8, 9]] * 3]
    assert along({}, 1, 2).tolist() == [[[8, 9], [8, 9]]]


def test_a_head_reads_its_inputs_beside_the_encoder() -> None:
    outputs = (ctc_output(inputs=("pitch",)), class_output(inputs=("age", "pitch")), class_output("plain"))
    model = build(outputs).eval()
    assert model.heads["phoneme"].linear.in_features == 16 + 2
    assert model.heads["emotion"].projector.in_features == 16 + 3
    assert model.heads["plain"].projector.in_features == 16
    wave, sizes = torch.randn(2, 4000), torch.tensor([4000, 4000])
    frames = int(model.geometry.num_frames(4000))
    present = torch.ones(2, dtype=torch.bool)
    pitch = torch.randn(2, frames, 2)
    given = {
        "age": torch.tensor([[0.0], [3.0]]),
        "age_present": present,
        "pitch": pitch,
        "pitch_present": present,
    }
    logits = model(wave, sizes, **given).logits
    state, _, _ = model.encode(wave, sizes)
    head = model.heads["phoneme"].linear
    assert torch.allclose(logits["phoneme"], head(torch.cat([state, pitch], -1)), atol=1e-5)
    other = model(wave, sizes, **{**given, "age": torch.tensor([[0.0], [-3.0]])}).logits
    assert torch.equal(other["phoneme"], logits["phoneme"])
    assert torch.equal(other["emotion"][0], logits["emotion"][0])
    assert not torch.allclose(other["emotion"][1], logits["emotion"][1])


def test_an_input_that_every_row_has_is_no_silent_weight() -> None:
    model = build((class_output(inputs=("age",)),), (AGE,))
    wave, sizes = torch.randn(1, 4000), torch.tensor([4000])
    given = {"age": torch.tensor([[2.0]]), "age_present": torch.tensor([True])}
    model(wave, sizes, **given).logits["emotion"].square().sum().backward()
    assert check_gradients(model) == []


def test_a_missing_declaration_is_refused() -> None:
    with pytest.raises(ModelError, match="reads the input 'age', which no task declares"):
        build((class_output(inputs=("age",)),), ())
