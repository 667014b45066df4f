"""The contract of kinds of inputs, over every member: both halves, rows with and without a value, stored models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from soritune.errors import TaskError
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.gradient_watch import check_gradients
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.registry import members
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.inputs.input import PRESENT, encode_inputs, inputs_of, kind_of, pad_inputs
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.testing import class_output, tiny_config, tiny_text_encoder

VALUES: dict[str, tuple[Any, Any, Any]] = {
    "number": (3.0, -1.0, "a text"),
    "frame_numbers": ([1.0, 2.0, 3.0], [4.0], "a text"),
    "text": ("가나 다라", "마바", 5),
    "phones": (["b", "a"], "a", 5),
}
"""By kind: two values, and one that it refuses."""
KINDS = tuple(VALUES)


@pytest.fixture(scope="module")
def spec_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], InputSpec]:
    folder = tiny_text_encoder(tmp_path_factory.mktemp("inputs") / "encoder", ["가나 다라", "마바"])

    def spec(kind: str) -> InputSpec:
        options: dict[str, dict[str, Any]] = {
            "text": {"encoder": str(folder), "width": 8},
            "phones": {"symbols": ["[PAD]", "a", "b"]},
        }
        return InputSpec("given", "given", "given", kind, optional=True, options=options.get(kind, {}))

    return spec


def arrays_of(spec: InputSpec, values: tuple[Any, ...], frames: int) -> dict[str, Tensor]:
    rows = [encode_inputs((spec,), {"given": value}) for value in values]
    arrays = pad_inputs((spec,), rows, np.full(len(values), frames))
    assert all(name == "given" or name.startswith("given_") for name in arrays)
    assert arrays["given" + PRESENT].tolist() == [value is not None for value in values]
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def model_of(spec: InputSpec, *outputs: OutputSpec) -> SpeechModel:
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    given = outputs or (
        class_output(inputs=("given",)),
        class_output("alone", layer="none", inputs=("given",)),
    )
    return build_model(config, given, seed=0, inputs=(spec,))


def test_every_kind_is_tested_here() -> None:
    assert set(members("soritune.tasks.inputs", "INPUT")) == {kind.replace("_", "-") for kind in KINDS}
    assert set(members("soritune.models.inputs", "INPUT")) == {kind.replace("_", "-") for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_value_of_another_kind_is_refused_with_the_name_of_the_input(
    kind: str, spec_of: Callable[[str], InputSpec]
) -> None:
    with pytest.raises(TaskError, match="'given'"):
        kind_of(spec_of(kind)).encode(spec_of(kind), VALUES[kind][2])


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_option_is_refused(kind: str, spec_of: Callable[[str], InputSpec]) -> None:
    spec = spec_of(kind)
    with pytest.raises(TaskError, match="colour|no options at all"):
        kind_of(InputSpec("given", "given", "given", kind, options={**spec.options, "colour": 1}))


@pytest.mark.parametrize("kind", KINDS)
def test_row_has_the_same_logits_alone_and_in_a_batch(kind: str, spec_of: Callable[[str], InputSpec]) -> None:
    spec = spec_of(kind)
    model = model_of(spec).eval()
    first, second, _ = VALUES[kind]
    wave, sizes = torch.randn(3, 4000), torch.tensor([4000] * 3)
    frames = int(model.geometry.num_frames(4000))
    values = (first, None, second)
    with torch.no_grad():
        together = model(wave, sizes, **arrays_of(spec, values, frames)).logits
        for index, value in enumerate(values):
            arrays = arrays_of(spec, (value,), frames)
            alone = model(wave[index : index + 1], sizes[:1], **arrays).logits
            for name in ("emotion", "alone"):
                assert torch.allclose(alone[name][0], together[name][index], atol=1e-5)
    assert not torch.allclose(together["alone"][0], together["alone"][2], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_has_a_gradient_and_takes_part_without_a_value(
    kind: str, spec_of: Callable[[str], InputSpec]
) -> None:
    spec = spec_of(kind)
    for values, is_silent in (((VALUES[kind][0], None), False), ((None, None), True)):
        model = model_of(spec).train()
        arrays = arrays_of(spec, values, int(model.geometry.num_frames(4000)))
        output = model(torch.randn(2, 4000), torch.tensor([4000] * 2), **arrays)
        sum(value.square().sum() for value in output.logits.values()).backward()
        weights = [weight for weight in model.inputs.parameters() if weight.requires_grad]
        assert all(weight.grad is not None for weight in weights)
        assert is_silent or check_gradients(model) == []


@pytest.mark.parametrize("kind", KINDS)
def test_stored_model_gives_the_same_logits(
    kind: str, spec_of: Callable[[str], InputSpec], tmp_path: Path
) -> None:
    spec = spec_of(kind)
    outputs = EmotionTask(EmotionConfig(labels=("a", "b"))).outputs
    model = model_of(spec, class_output("emotion", ("a", "b"), inputs=("given",))).eval()
    arrays = arrays_of(spec, VALUES[kind][:2], int(model.geometry.num_frames(4000)))
    wave, sizes = torch.randn(2, 4000), torch.tensor([4000] * 2)
    task = EmotionTask(EmotionConfig(labels=outputs[0].labels))
    bundle = save_bundle(model, tmp_path / "bundle", tasks=[task], preprocessing={"sample_rate_hz": 16000})
    bundle.check_files()
    assert bundle.inputs == (spec,)
    opened = load_model(bundle.path)
    with torch.no_grad():
        expected, given = model(wave, sizes, **arrays), opened(wave, sizes, **arrays)
    assert torch.allclose(given.logits["emotion"], expected.logits["emotion"], atol=1e-6)


def test_inputs_of_a_task_without_any_are_empty() -> None:
    assert inputs_of([EmotionTask(EmotionConfig(labels=("a", "b")))]) == ()
