"""Speaking styles for synthetic speech: the changes of a style to a voice. Next: `audio/synthesis/recording.py`.

Reviews of acted speech agree on the directions of the changes (Juslin & Laukka 2003, Psychological Bulletin
129; Scherer 2003, Speech Communication 40): fear and anxiety are faster, higher and unsteady; tenderness is
slower, softer and breathy, with a lively melody; indifference is flat, low and without breath. The sizes are
chosen so that a style is audible in every voice but cannot be recognised by a single number. Each voice
applies the changes to a different extent and nearly omits two of them, and voices differ more in rate and
pitch than styles do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

from soritune.audio.synthesis.voices import Voice, attributes_of, description_of
from soritune.settings import Settings

_PLAIN_TONE = (600.0, 170.0, 1200.0, 135.0, 2000.0, 110.0)
"""espeak-ng's default tone: three frequencies in Hz, each followed by its level (0 to 255)."""
_FAINT_BREATH = 5.0
"""Breath that a style starts from in a voice without breath."""
_VOICING = 0.3
"""How much the voicing decreases as breath increases: ratio of the logarithms."""
_NEARLY_OMITTED = 0.1
"""Factor of the two changes that a voice nearly omits."""
_SLOWEST, _FASTEST = -0.79, 1.99
"""Limits of the relative change of the rate in a voice."""


class Style(Settings):
    """The differences of a speaking style from the normal manner of a speaker."""

    rate: float = Field(0.0, gt=-0.8, lt=2)
    """Relative change of the speaking rate."""
    pitch: float = 0.0
    """Change of espeak-ng's pitch (0 to 99)."""
    pitch_range: float = 0.0
    """Change of espeak-ng's pitch range (0 to 99)."""
    level_db: float = 0.0
    """Change of the level of the voice, relative to full scale and to the noise."""
    pauses: float = 0.0
    """Change of the share of spaces with a pause."""
    tremor: float = 0.0
    """Change of espeak-ng's flutter, the unsteadiness of the pitch, whose default is 2."""
    breath: float = 0.0
    """Logarithm of the factor of the breath; the voicing changes in the opposite direction."""
    tilt: float = 0.0
    """Logarithm of the factor of the level above 1 kHz: softer below 0, pressed above 0."""
    roughness: float = 0.0
    """Change of espeak-ng's roughness (0 to 7)."""


STYLES = {
    "Anxious": Style(rate=0.18, pitch=8, pitch_range=4, pauses=0.12, tremor=14, breath=0.5, tilt=0.2),
    "Kind": Style(rate=-0.1, pitch=4, pitch_range=28, level_db=-3, pauses=0.04, tremor=-2, breath=1.6, tilt=-0.9),
    "Dry": Style(rate=0.02, pitch=-6, pitch_range=-34, pauses=-0.05, tremor=-3, breath=-2, tilt=0.5, roughness=1),
}  # fmt: skip
"""Styles by their label in a manifest."""


def _of_names(value: Any) -> Any:
    """A name or a list of names of `STYLES` as a mapping; other values unchanged."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Mapping) or not isinstance(value, Sequence):
        return value
    unknown = [name for name in value if name not in STYLES]
    if unknown:
        raise ValueError(
            f"unknown style '{unknown[0]}'; known: {', '.join(STYLES)}; describe others as in "
            "styles={Calm: {rate: -0.2}}"
        )
    return {name: STYLES[name] for name in value}


def _no_paths(styles: dict[str, Style]) -> dict[str, Style]:
    """Checks that labels can be part of the name of a file."""
    invalid = next((name for name in styles if not name.strip(". ") or set(name) & set('/\\:*?"<>|\0')), None)
    if invalid is not None:
        raise ValueError(f"the style '{invalid}' cannot be part of a file name; use letters, digits, - or _")
    return styles


Styles = Annotated[dict[str, Style], BeforeValidator(_of_names), AfterValidator(_no_paths)]
"""Label → style; a list of names selects from `STYLES`."""


def draw_measure(rng: np.random.Generator) -> dict[str, float]:
    """Draws the factor of a voice for each change of a style; two of the factors are nearly 0."""
    names = list(Style.model_fields)
    factors = rng.uniform(0.6, 1.4, len(names))
    factors[rng.choice(len(names), 2, replace=False)] *= _NEARLY_OMITTED
    return {name: float(factor) for name, factor in zip(names, factors, strict=True)}


def in_measure(style: Style, measure: Mapping[str, float]) -> Style:
    """The style with its changes multiplied by the factors of a voice (`draw_measure`).

    The result may exceed the limits of the settings, except for those of the rate, which espeak-ng needs.
    """
    changes = {name: getattr(style, name) * factor for name, factor in measure.items()}
    changes["rate"] = min(max(changes["rate"], _SLOWEST), _FASTEST)
    return Style(**changes)


def in_style(voice: Voice, style: Style) -> Voice:
    """The voice with the changes of a style, except level and pauses, which the recording and the reading apply."""
    lines = attributes_of(voice.description)
    if style.tremor:
        lines["flutter"] = f"{min(max(_first(lines, 'flutter', 2) + style.tremor, 0), 40):.0f}"
    if style.roughness:
        lines["roughness"] = f"{min(max(_first(lines, 'roughness', 2) + style.roughness, 0), 7):.0f}"
    breath = [float(value) for value in lines.get("breath", "").split()]
    if style.breath and (breath or style.breath > 0):
        breath = breath or [_FAINT_BREATH] * 8
        lines["breath"] = " ".join(f"{min(value * np.exp(style.breath), 60):.0f}" for value in breath)
    if style.breath:
        voicing = _first(lines, "voicing", 100) * np.exp(-_VOICING * style.breath)
        lines["voicing"] = f"{min(max(voicing, 20), 250):.0f}"
    if style.tilt:
        tone = [float(value) for value in lines.get("tone", "").split()] or list(_PLAIN_TONE)
        for index in range(3, len(tone), 2):
            tone[index] = min(max(tone[index] * float(np.exp(style.tilt)), 20), 250)
        lines["tone"] = " ".join(f"{value:.0f}" for value in tone)
    return dataclasses.replace(
        voice,
        description=description_of(lines),
        rate_wpm=voice.rate_wpm * (1 + style.rate),
        pitch=voice.pitch + style.pitch,
        pitch_range=voice.pitch_range + style.pitch_range,
    )


def _first(lines: Mapping[str, str], name: str, default: float) -> float:
    """The first value of an attribute, or espeak-ng's default."""
    return float((lines.get(name) or str(default)).split()[0])
