from __future__ import annotations

import pytest
from pydantic import ValidationError

from soritune.tasks.frame_heads import FrameHeadSettings
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask
from soritune.tasks.specs import OutputSpec


def test_linear_head_is_stored_as_nothing_and_others_with_what_acts() -> None:
    assert FrameHeadSettings().stored() == {}
    gru = FrameHeadSettings(kind="gru", width=64).stored()
    assert gru == {"kind": "gru", "width": 64, "layers": 1, "dropout": 0.2}
    assert FrameHeadSettings(kind="convolution").stored()["kernel_frames"] == 5


@pytest.mark.parametrize(
    "wrong", [{"kernel_frames": 4}, {"width": 7}, {"layers": 0}, {"kind": "lstm"}, {"dropout": 1.0}]
)
def test_values_that_no_head_can_have_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FrameHeadSettings.model_validate(wrong)


def test_settings_that_the_kind_does_not_have_are_named() -> None:
    assert set(FrameHeadSettings().idle_settings("head")) == {
        f"head.{name}" for name in ("width", "layers", "kernel_frames", "dropout")
    }
    assert FrameHeadSettings(kind="gru").idle_settings("head") == {"head.kernel_frames": "with head.kind=gru"}
    assert FrameHeadSettings(kind="convolution").idle_settings("head") == {}
    assert "head.width" in PhonemeConfig.model_validate({"head": {"width": 8}}).idle_settings()


def test_head_and_layers_of_a_recipe_are_in_the_output_and_its_json() -> None:
    config = PhonemeConfig.model_validate({"layer": [4, 6], "head": {"kind": "gru"}})
    (spec,) = PhonemeTask(config).outputs
    assert spec.layer == (4, 6) and spec.head["kind"] == "gru"
    assert OutputSpec.from_json(spec.to_json()) == spec
    (plain,) = PhonemeTask(PhonemeConfig()).outputs
    assert "head" not in plain.to_json() and OutputSpec.from_json(plain.to_json()) == plain


@pytest.mark.parametrize("layer", [[4], ["last", 6], [], [True, 2]])
def test_list_of_layers_in_a_card_has_several_numbers(layer: list[object]) -> None:
    data = {**PhonemeTask(PhonemeConfig()).outputs[0].to_json(), "layer": layer}
    with pytest.raises(ValueError, match="layer of 'phoneme' must be"):
        OutputSpec.from_json(data)
