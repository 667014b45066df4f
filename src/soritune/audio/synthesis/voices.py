"""Voices for synthetic speech: drawn descriptions for espeak-ng. Next: `audio/synthesis/styles.py`.

A voice starts from one of espeak-ng's variants that sound like a person, of its formant or its Klatt
synthesizer. It is changed in what distinguishes speakers: the length of the vocal tract (all formants
together), single formants, their strength and width, the pitch, its range and unsteadiness, breath, spectral
tilt, the strength of consonants, and the length and strength of syllables. Most voices get breath and wider
formants: without them, espeak-ng's vowels have valleys between their formants that no human voice has
(docs/synthetic-speech.md gives the figures). Children have higher formants and a higher pitch. espeak-ng
computes the formants, so nothing is resampled and the rate is unchanged. Ranges follow Peterson & Barney 1952
(women's formants about 1.15 times men's) and Lee, Potamianos & Narayanan 1999 (children of 5 to 12: 1.1 to
1.35 times women's at the youngest, F0 of 200 to 330 Hz).

Each variant belongs to one part of a corpus, so that no voice of an evaluation is made from a variant of a
training voice. The other numbers of a voice are drawn from continuous distributions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from soritune.audio.synthesis.espeak import FEMALE_VARIANTS, MALE_VARIANTS
from soritune.settings import Settings

Speaker = Literal["woman", "man", "child"]

WOMEN = (*FEMALE_VARIANTS, "grandma", "steph3", "zac")
_MORE_MEN = (
    "Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Nguyen Reed antonio ed edward2 grandpa gustave ian iven "
    "iven2 iven3 john klatt klatt2 klatt3 klatt4 klatt5 klatt6 mike2 paul quincy rob"
)
MEN = (*MALE_VARIANTS, *_MORE_MEN.split())
"""Variants of women and of men; robots, whispers, croaks and echoes are left out."""

_TEST_NAMES = "f3 Annie steph steph2 steph3 m2 m5 Michael travis Lee edward edward2 iven iven2 iven3 klatt2"
_TEST = frozenset(_TEST_NAMES.split())
_VAL = frozenset(["f5", "Alicia", "m1", "norbert", "Marco", "quincy", "rob", "klatt5"])
"""Variants of val; those of test are above. Variants that differ in only one or two numbers are in the same part."""

_KEPT = "formant pitch voicing consonants tone roughness flutter breath breathw stressAmp klatt".split()  # noqa: SIM905
"""Attributes of a variant that are kept. Echo belongs to the room; intonation and lengths are drawn."""


class VoiceSettings(Settings):
    """Which voices are drawn, and how much they differ from espeak-ng's variants."""

    children: float = Field(0.2, ge=0, le=1)
    """Share of voices with the formants and the pitch of a child."""
    women: float = Field(0.5, ge=0, le=1)
    """Share of women among the others."""
    variety: float = Field(1.0, ge=0, le=2)
    """Factor of all deviations from a variant; with 0 only the pitch differs from the variant."""
    klatt: float = Field(0.1, ge=0, le=1)
    """Share of voices whose source is replaced by one of the five of the Klatt synthesizer."""
    rate_wpm: tuple[float, float] = (190.0, 40.0)
    """Mean and standard deviation of the rates of the voices, in espeak-ng's words per minute."""

    @field_validator("rate_wpm")
    @classmethod
    def _deviation(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not (80 <= value[0] <= 450 and 0 <= value[1] <= 200):
            raise ValueError("give a mean from 80 to 450 and a standard deviation from 0 to 200")
        return value


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice and its normal manner of speaking."""

    description: str
    """A voice file for `Synthesizer.speak_as`."""
    speaker: Speaker
    variant: str
    scale: float
    """Factor of all formants relative to those of the variant."""
    rate_wpm: float
    pitch: float
    pitch_range: float

    @property
    def gender(self) -> str | None:
        """f, m, or None for a child."""
        return {"woman": "f", "man": "m", "child": None}[self.speaker]


def part_of_variant(name: str) -> str:
    """The part of the corpus whose voices may be made from a variant: train, val or test."""
    return "test" if name in _TEST else "val" if name in _VAL else "train"


def draw_voice(
    rng: np.random.Generator, part: str, settings: VoiceSettings, describe: Callable[[str], str]
) -> Voice:
    """Draws a voice.

    Args:
        rng: random generator.
        part: train, val or test; variants of other parts are not used.
        settings: see `VoiceSettings`.
        describe: returns the voice file of a variant (`Synthesizer.description`).
    """
    age, sex = rng.random(), rng.random()
    speaker: Speaker = "child" if age < settings.children else "woman" if sex < settings.women else "man"
    pool = [name for name in (MEN if speaker == "man" else WOMEN) if part_of_variant(name) == part]
    return voice_of(pool[int(rng.integers(len(pool)))], speaker, rng, settings, describe)


def voice_of(
    variant: str,
    speaker: Speaker,
    rng: np.random.Generator,
    settings: VoiceSettings,
    describe: Callable[[str], str],
) -> Voice:
    """Draws a voice from a given variant, one of `MEN` for a man and of `WOMEN` for others; see `draw_voice`."""
    spread = settings.variety
    scale = float(np.exp(rng.normal(0, 0.045 * spread)))
    if speaker == "child":
        scale *= float(rng.uniform(1.03, 1.25))
    lines = {
        name: values for name, values in attributes_of(describe(variant)).items() if name.split()[0] in _KEPT
    }
    lines = _varied(lines, rng, scale, spread)
    low, top = _pitch(speaker, rng)
    lines["pitch"] = f"{low:.0f} {top:.0f}"
    if rng.random() < settings.klatt and "klatt" not in lines:
        lines["klatt"] = str(int(rng.integers(1, 6)))
    lines["intonation"] = str(int(rng.integers(1, 5)))
    mean, deviation = settings.rate_wpm
    return Voice(
        description=description_of(lines),
        speaker=speaker,
        variant=variant,
        scale=scale,
        rate_wpm=float(np.clip(rng.normal(mean, deviation), 100, 330)),
        pitch=float(np.clip(rng.normal(50, 8), 25, 80)),
        pitch_range=float(np.clip(rng.normal(50, 20), 5, 95)),
    )


def attributes_of(text: str) -> dict[str, str]:
    """The attributes of a voice file except language and name, as attribute → values.

    The number of a formant is part of its attribute: "formant 1".
    """
    attributes: dict[str, str] = {}
    for line in text.splitlines():
        words = line.split("//")[0].split()
        if words and words[0] not in ("language", "name"):
            name_length = 2 if words[0] == "formant" else 1
            attributes[" ".join(words[:name_length])] = " ".join(words[name_length:])
    return attributes


def description_of(lines: dict[str, str]) -> str:
    """The voice file with these attributes and values."""
    return "language ko\nname drawn\n" + "".join(f"{name} {values}\n" for name, values in lines.items())


def _pitch(speaker: Speaker, rng: np.random.Generator) -> tuple[float, float]:
    """Lower and upper end of a voice's pitch in Hz."""
    mean, deviation, least, most = {
        "man": (104, 20, 62, 165),
        "woman": (185, 28, 125, 250),
        "child": (240, 36, 180, 330),
    }[speaker]
    low = float(np.clip(rng.normal(mean, deviation), least, most))
    return low, low * float(rng.uniform(1.15, 1.7))


def _varied(lines: dict[str, str], rng: np.random.Generator, scale: float, spread: float) -> dict[str, str]:
    """The attributes of a variant with drawn changes; the number of draws from `rng` is always the same."""
    shifts = np.exp(rng.normal(0, 0.04 * spread, 9))
    heights = np.exp(rng.normal(0, 0.16 * spread, 9))
    widths = np.exp(rng.normal(0.3 * spread, 0.3 * spread, 9))
    for number in range(9):
        values = _numbers(lines.get(f"formant {number}", ""), (100, 100, 100, 0))
        frequency = values[0] * (scale * shifts[number] if number else 1.0)
        height, width = min(values[1] * heights[number], 250), values[2] * widths[number]
        lines[f"formant {number}"] = f"{frequency:.0f} {height:.0f} {width:.0f} {values[3]:.0f}"
    voicing, consonants = np.exp(rng.normal(0, 0.2 * spread, 2)), np.exp(rng.normal(0, 0.25 * spread, 2))
    lines["voicing"] = f"{np.clip(_numbers(lines.get('voicing', ''), (100,))[0] * voicing[0], 20, 250):.0f}"
    loud, soft = _numbers(lines.get("consonants", ""), (100, 100))
    lines["consonants"] = f"{loud * consonants[0]:.0f} {soft * consonants[1]:.0f}"
    lines["flutter"] = f"{max(0.0, rng.normal(3, 2.5)):.0f}"
    lines["roughness"] = str(int(rng.choice([0, 1, 2, 3, 4], p=[0.35, 0.25, 0.25, 0.1, 0.05])))
    breath, tilt, stress = rng.random(3)
    strength, strengths, levels = rng.random(), rng.uniform(0.5, 1.5, 8), rng.uniform(-1, 1, 3)
    lengths, loudness = rng.integers(-25, 26, 8), rng.integers(-3, 4, 8)
    if breath < 0.92 * spread:
        lines["breath"] = " ".join(f"{1.5 * 14**strength * factor:.0f}" for factor in strengths)
    if tilt < 0.5 * spread:
        first = 150 + 40 * levels[0]
        second = np.clip(first - 30 + 50 * levels[1], 40, 250)
        lines["tone"] = (
            f"600 {first:.0f} 1200 {second:.0f} 2000 {np.clip(second - 25 + 50 * levels[2], 30, 250):.0f}"
        )
    if stress < 0.7 * spread:
        lines["stressAdd"] = " ".join(map(str, lengths))
        lines["stressAmp"] = " ".join(str(18 + value) for value in loudness)
    return lines


def _numbers(text: str, defaults: tuple[float, ...]) -> list[float]:
    """The numbers of an attribute, completed with espeak-ng's defaults."""
    given = [float(word) for word in text.split()]
    return [*given, *defaults[len(given) :]]
