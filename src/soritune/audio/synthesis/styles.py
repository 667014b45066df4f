"""Speaking styles for synthetic speech: what a style changes in a voice. Next: `corpus/synthetic/voice_work.py`.

The directions are those on which reviews of acted speech agree (Juslin & Laukka 2003, Psychological Bulletin 129;
Scherer 2003, Speech Communication 40): fear and anxiety faster, higher and unsteady; tenderness slower, softer and
breathy, with a lively melody; indifference flat, low and without breath. The sizes are chosen so that a style can be
heard in every voice and read from no single number: each voice does it in a measure of its own and leaves some of the
changes nearly out, and voices differ by more in rate and pitch than styles do.
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
"""espeak-ng's own tone: levels (0 to 255) at three frequencies."""
_FAINT_BREATH = 5.0
"""Breath of a voice that has none, where a style asks for more."""
_VOICING = 0.3
"""How far the voice itself gives way to breath: share of the logarithm."""
_NEARLY_NOTHING = 0.1
_SLOWEST, _FASTEST = -0.79, 1.99
"""Relative changes of the rate that a voice can have."""


class Style(Settings):
    """How a speaking style differs from a speaker's own way."""

    rate: float = Field(0.0, gt=-0.8, lt=2)
    """Relative change of the speaking rate."""
    pitch: float = 0.0
    """Change of espeak-ng's pitch (0 to 99)."""
    pitch_range: float = 0.0
    """Change of espeak-ng's pitch range (0 to 99)."""
    level_db: float = 0.0
    """Change of the level of the voice, against full scale and against noise."""
    pauses: float = 0.0
    """Change of the share of spaces at which there is a pause."""
    tremor: float = 0.0
    """Change of espeak-ng's flutter: unsteadiness of the pitch; 2 is its normal."""
    breath: float = 0.0
    """Change of the breath in the voice, as a logarithm; the voice itself changes the other way."""
    tilt: float = 0.0
    """Change of the level above 1 kHz, as a logarithm: below 0 softer, above 0 pressed."""
    roughness: float = 0.0
    """Change of espeak-ng's roughness (0 to 7)."""


STYLES = {
    "Anxious": Style(rate=0.18, pitch=8, pitch_range=4, pauses=0.12, tremor=14, breath=0.5, tilt=0.2),
    "Kind": Style(rate=-0.1, pitch=4, pitch_range=28, level_db=-3, pauses=0.04, tremor=-2, breath=1.6, tilt=-0.9),
    "Dry": Style(rate=0.02, pitch=-6, pitch_range=-34, pauses=-0.05, tremor=-3, breath=-2, tilt=0.5, roughness=1),
}  # fmt: skip
"""Styles by the label that they have in a manifest."""


def _of_names(value: Any) -> Any:
    """Names of `STYLES` as a mapping."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Mapping) or not isinstance(value, Sequence):
        return value
    strange = [name for name in value if name not in STYLES]
    if strange:
        raise ValueError(
            f"there is no style '{strange[0]}'; there are {', '.join(STYLES)}, and any other can be described: "
            "styles={Calm: {rate: -0.2}}"
        )
    return {name: STYLES[name] for name in value}


def _no_paths(styles: dict[str, Style]) -> dict[str, Style]:
    odd = next((name for name in styles if not name.strip(". ") or set(name) & set('/\\:*?"<>|\0')), None)
    if odd is not None:
        raise ValueError(
            f"the style '{odd}' cannot be part of a file's name; give it letters, digits, - or _"
        )
    return styles


Styles = Annotated[dict[str, Style], BeforeValidator(_of_names), AfterValidator(_no_paths)]
"""Label → style; a list of names takes those of `STYLES`."""


def draw_measure(rng: np.random.Generator) -> dict[str, float]:
    """How far a voice goes in each of the changes of a style; in two of them hardly at all."""
    names = list(Style.model_fields)
    measure = rng.uniform(0.6, 1.4, len(names))
    measure[rng.choice(len(names), 2, replace=False)] *= _NEARLY_NOTHING
    return {name: float(value) for name, value in zip(names, measure, strict=True)}


def in_measure(style: Style, measure: Mapping[str, float]) -> Style:
    """The style as one voice has it; a voice may go beyond what can be asked for, but not beyond what can be said."""
    own = {name: getattr(style, name) * share for name, share in measure.items()}
    own["rate"] = min(max(own["rate"], _SLOWEST), _FASTEST)
    return Style(**own)


def in_style(voice: Voice, style: Style) -> Voice:
    """The voice as it speaks in a style; level and pauses are for those who record and read."""
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
        for place in range(3, len(tone), 2):
            tone[place] = min(max(tone[place] * float(np.exp(style.tilt)), 20), 250)
        lines["tone"] = " ".join(f"{value:.0f}" for value in tone)
    return dataclasses.replace(
        voice,
        description=description_of(lines),
        rate_wpm=voice.rate_wpm * (1 + style.rate),
        pitch=voice.pitch + style.pitch,
        pitch_range=voice.pitch_range + style.pitch_range,
    )


def _first(lines: Mapping[str, str], name: str, default: float) -> float:
    """The first value of an attribute, or what espeak-ng takes where it is left out."""
    return float((lines.get(name) or str(default)).split()[0])
