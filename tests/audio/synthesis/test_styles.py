"""A style changes the attributes that it states and no others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from soritune.audio.synthesis.styles import STYLES, Style, Styles, draw_measure, in_measure, in_style
from soritune.audio.synthesis.voices import Voice, VoiceSettings, draw_voice

LINES = {
    "pitch": "80 118", "formant 1": "101 99 130 0", "flutter": "3", "roughness": "1", "breath": "4 8",
    "tone": "600 170 1200 100 2000 80", "voicing": "100", "intonation": "2", "stressAdd": "1 2 3",
}  # fmt: skip


def voice(lines: dict[str, str]) -> Voice:
    text = "language ko\nname drawn\n" + "".join(f"{name} {values}\n" for name, values in lines.items())
    return Voice(text, "woman", "f2", 1.0, rate_wpm=160, pitch=50, pitch_range=40)


def changed(**style: float) -> dict[str, str]:
    lines = [line.split() for line in in_style(voice(LINES), Style(**style)).description.splitlines()[2:]]
    attributes = {f"{w[0]} {w[1]}" if w[0] == "formant" else w[0]: w for w in lines}
    values = {name: " ".join(w[2 if w[0] == "formant" else 1 :]) for name, w in attributes.items()}
    return {name: value for name, value in values.items() if LINES.get(name) != value}


def test_each_change_by_hand() -> None:
    assert changed() == {}
    assert changed(tremor=5) == {"flutter": "8"}
    assert changed(tremor=-9) == {"flutter": "0"}
    assert changed(roughness=9) == {"roughness": "7"}
    assert changed(tilt=math.log(0.5)) == {"tone": "600 170 1200 50 2000 40"}
    # The breath is doubled; the voicing is multiplied by 2 ** -0.3 = 0.81.
    assert changed(breath=math.log(2)) == {"breath": "8 16", "voicing": "81"}
    styled = in_style(voice(LINES), Style(rate=0.5, pitch=3, pitch_range=-20))
    assert (styled.rate_wpm, styled.pitch, styled.pitch_range) == (240, 53, 20)


def test_measure_nearly_omits_two_changes() -> None:
    measures = [draw_measure(np.random.default_rng(seed)) for seed in range(50)]
    assert all(sum(value < 0.15 for value in measure.values()) == 2 for measure in measures)
    assert all(0.6 <= value <= 1.4 for m in measures for value in m.values() if value > 0.15)
    assert len({min(m, key=m.__getitem__) for m in measures}) > 4
    half = in_measure(STYLES["Anxious"], dict.fromkeys(Style.model_fields, 0.5))
    assert half.tremor == STYLES["Anxious"].tremor / 2


def test_style_without_changes_gives_the_same_samples() -> None:
    pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
    from soritune.audio.synthesis.espeak import Synthesizer

    synthesizer = Synthesizer()
    for seed in range(6):
        drawn = draw_voice(np.random.default_rng(seed), "train", VoiceSettings(), synthesizer.description)
        plain, trembling = (
            synthesizer.speak_as(in_style(drawn, style).description, "[[n|a|m|u]].").samples
            for style in (Style(), Style(tremor=15))
        )
        assert np.array_equal(plain, synthesizer.speak_as(drawn.description, "[[n|a|m|u]].").samples)
        assert "klatt" in drawn.description or not np.array_equal(plain, trembling)


def test_styles_are_given_by_name_or_by_description() -> None:
    read = TypeAdapter(Styles).validate_python
    assert read(["Kind"]) == {"Kind": STYLES["Kind"]}
    assert read("Kind") == {"Kind": STYLES["Kind"]}
    assert read({"Calm": {"rate": -0.2}})["Calm"].rate == -0.2
    for invalid in (["Angry"], {"Calm": {"volume": 0.1}}, 3):
        with pytest.raises(ValidationError):
            read(invalid)


def test_rate_of_a_voice_may_exceed_the_setting_up_to_the_limits_of_espeak() -> None:
    most = dict.fromkeys(Style.model_fields, 1.4)
    assert in_measure(Style(rate=-0.7), most).rate == -0.79
    assert in_measure(Style(rate=1.9), most).rate == 1.99
    assert in_measure(Style(rate=0.5), most).rate == pytest.approx(0.7)


@pytest.mark.parametrize("label", ["../x", "a/b", "..", "", "a\\b"])
def test_label_that_cannot_be_part_of_a_file_name_is_refused(label: str) -> None:
    with pytest.raises(ValidationError, match="cannot be part of a file name"):
        TypeAdapter(Styles).validate_python({label: {"rate": 0.1}})
