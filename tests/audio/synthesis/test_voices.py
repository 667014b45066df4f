"""Voices depend only on the generator and differ, and no variant is in two parts."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.synthesis.voices import MEN, WOMEN, VoiceSettings, draw_voice, part_of_variant

PARTS = ("train", "val", "test")


def plain(variant: str) -> str:
    return f"language variant\nname {variant}\npitch 82 118\nformant 1 100 100 100\necho 140 10\nklatt 2\n"


def drawn(part: str, count: int = 200, **settings: float) -> list:
    return [
        draw_voice(np.random.default_rng([part_number, seed]), part, VoiceSettings(**settings), plain)
        for part_number in (PARTS.index(part),)
        for seed in range(count)
    ]


def test_every_variant_has_one_part_and_every_part_has_women_and_men() -> None:
    assert not set(WOMEN) & set(MEN)
    for names in (WOMEN, MEN):
        assert {part_of_variant(name) for name in names} == set(PARTS)


def test_no_variant_and_no_voice_is_in_two_parts() -> None:
    voices = {part: drawn(part) for part in PARTS}
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not {v.variant for v in voices[first]} & {v.variant for v in voices[second]}
        assert not {v.description for v in voices[first]} & {v.description for v in voices[second]}
    assert len({v.description for v in voices["train"]}) == 200
    assert voices["test"] == drawn("test")


def test_children_have_short_vocal_tracts_and_high_voices() -> None:
    children, adults = drawn("train", children=1.0), drawn("train", children=0.0)
    assert {v.speaker for v in children} == {"child"}
    assert {v.gender for v in children} == {None}
    assert np.mean([v.scale for v in children]) == pytest.approx(1.14, abs=0.03)
    assert np.mean([v.scale for v in adults]) == pytest.approx(1.0, abs=0.02)

    def pitch_hz(voice) -> float:  # type: ignore[no-untyped-def]
        return float(
            next(line for line in voice.description.splitlines() if line.startswith("pitch")).split()[1]
        )

    assert np.mean([pitch_hz(v) for v in children]) > 220
    women = [pitch_hz(v) for v in adults if v.speaker == "woman"]
    men = [pitch_hz(v) for v in adults if v.speaker == "man"]
    assert np.mean(women) > 1.5 * np.mean(men)


def test_descriptions_have_no_echo() -> None:
    assert not any("echo" in voice.description for voice in drawn("train", 20))


def test_every_variant_is_installed_and_drawn_voices_speak() -> None:
    pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
    from soritune.audio.synthesis.espeak import Synthesizer

    synthesizer = Synthesizer()
    for name in (*WOMEN, *MEN):
        assert "formant" in (text := synthesizer.description(name)) or "klatt" in text, name
    spoken_samples = set()
    for seed in range(12):
        voice = draw_voice(np.random.default_rng(seed), "train", VoiceSettings(), synthesizer.description)
        spoken = synthesizer.speak_as(voice.description, "[[a|n|n|j|'|@|N]].", rate_wpm=160)
        assert 0.2 < len(spoken.samples) / spoken.sample_rate_hz < 3
        assert np.abs(spoken.samples).max() > 0.02
        assert [sound.name.strip("'") for sound in spoken.sounds][:6] == ["a", "n", "n", "j", "@", "N"]
        spoken_samples.add(spoken.samples.tobytes())
    assert len(spoken_samples) == 12
