"""The work of one process: all utterances of one voice. Next: `corpus/synthetic/factory.py`."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soritune.audio.synthesis.espeak import Synthesizer
from soritune.audio.synthesis.mispronunciations import draw_learner, mispronounce
from soritune.audio.synthesis.phonemes import draw_accent, in_phonemes
from soritune.audio.synthesis.reading import Reading, draw_reading
from soritune.audio.synthesis.sentences import PARTS, Part, draw_text
from soritune.audio.synthesis.speaking import (
    Line,
    Speaker,
    draw_manner,
    speak,
)
from soritune.audio.synthesis.styles import Style, draw_measure, in_measure
from soritune.audio.synthesis.voices import draw_voice
from soritune.corpus.reading.json_text import write_json_lines
from soritune.corpus.synthetic.settings import SynthesisSettings
from soritune.corpus.synthetic.utterances import make_utterance
from soritune.corpus.utterance import Utterance
from soritune.strict_json import parse_json

_VOICE, _BABBLE, _UTTERANCES, _ERRORS, _STYLES = 0, 1, 2, 3, 4
"""Streams of random numbers of one voice."""
_BABBLE_VOICES = 5
_SEQUENCES = ("phones", "canonical", "perceived", "error_labels")


def voice_name(seed: int, part: Part, number: int) -> str:
    """The speaker's name in the manifest, unique for seed, part and number."""
    return f"s{seed}-{part}-{number:05d}"


def rows_file(root: Path, part: Part, number: int) -> Path:
    """The file with the rows of a finished voice."""
    return root / "voices" / part / f"{number:05d}.jsonl"


def make_voice(root: Path, settings: SynthesisSettings, part: Part, number: int) -> float:
    """Writes all utterances of one voice, then its rows; returns their seconds.

    Raises:
        SorituneError: espeak-ng is missing, or a file cannot be written.
    """
    synthesizer = Synthesizer()
    # A process that was killed may have left a part of a file.
    shutil.rmtree(root / "audio" / part / f"{number:05d}", ignore_errors=True)
    voice = draw_voice(_rng(settings, part, number, _VOICE), part, settings.voices, synthesizer.description)
    accent_rng = _rng(settings, part, number, _VOICE, 1)
    accent, pauses = draw_accent(accent_rng), float(2 * settings.pauses * accent_rng.random())
    babble = _babble(synthesizer, settings, part, number)
    learner = draw_learner(_rng(settings, part, number, _VOICE, 2), settings.mispronunciations)
    speaker = Speaker(voice_name(settings.seed, part, number), voice, accent, learner)
    styles = _styles(settings, part, number)
    rows = []
    for index in range(settings.utterances_per_voice):
        rng = _rng(settings, part, number, _UTTERANCES, index)
        label, style = styles[index] if styles else (None, Style())
        text, kind, reading = _draw_reading(rng, settings, part, float(np.clip(pauses + style.pauses, 0, 1)))
        errors = None
        if settings.mispronunciations.rate:
            errors_rng = _rng(settings, part, number, _ERRORS, index)
            errors = mispronounce(reading.phrases, learner, errors_rng, settings.mispronunciations)
        name = f"{speaker.name}-{index:03d}"
        line = Line(name, f"audio/{part}/{number:05d}/{name}.flac", text, reading, errors, label, style)
        facts = {"split": part, "kind": kind}
        rows.append(make_utterance(root, synthesizer, speaker, line, rng, settings.recording, babble, facts))
    _write_rows(rows_file(root, part, number), rows)
    return sum(row.duration_s for row in rows)


def read_rows(file: Path) -> list[Utterance]:
    """The rows of a finished voice."""
    utterances = []
    for line in file.read_text(encoding="utf-8").splitlines():
        row = parse_json(line)
        row |= {name: tuple(row[name]) for name in _SEQUENCES if name in row}
        utterances.append(Utterance(**row))
    return utterances


def _rng(settings: SynthesisSettings, part: Part, number: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, PARTS.index(part), number, *stream])


def _draw_reading(
    rng: np.random.Generator, settings: SynthesisSettings, part: Part, pauses: float
) -> tuple[str, str, Reading]:
    """A pronounceable text that is not too long, its kind, and its reading."""
    while True:
        text, kind = draw_text(rng, part, settings.syllables)
        reading = draw_reading(text, rng, pauses, settings.linked)
        if 0 < reading.num_syllables <= settings.most_syllables:
            return text, kind, reading


def _styles(settings: SynthesisSettings, part: Part, number: int) -> list[tuple[str, Style]]:
    """Label and style of each utterance, scaled for this voice: all styles in turn, every turn in a new order."""
    rng = _rng(settings, part, number, _STYLES)
    measure = draw_measure(rng)
    styles = [(label, in_measure(style, measure)) for label, style in sorted(settings.styles.items())]
    turns = -(-settings.utterances_per_voice // len(styles)) if styles else 0
    return [styles[int(index)] for _ in range(turns) for index in rng.permutation(len(styles))]


def _babble(
    synthesizer: Synthesizer, settings: SynthesisSettings, part: Part, number: int
) -> NDArray[np.float32]:
    """(samples,) of other voices, one after the other, equally loud."""
    rng = _rng(settings, part, number, _BABBLE)
    waveforms = []
    for _ in range(_BABBLE_VOICES):
        voice = draw_voice(rng, part, settings.voices, synthesizer.description)
        _, _, reading = _draw_reading(rng, settings, part, 0.0)
        accent = draw_accent(rng)
        phonemes = in_phonemes(reading.phrases, accent, rng)
        speech = speak(synthesizer, voice.description, accent, phonemes, draw_manner(voice, rng))
        waveforms.append(speech / np.float32(np.sqrt(np.mean(speech**2)) + 1e-9))
    return np.concatenate(waveforms)


def _write_rows(file: Path, rows: list[Utterance]) -> None:
    names = [field.name for field in dataclasses.fields(Utterance)]
    known = ({name: getattr(row, name) for name in names} for row in rows)
    write_json_lines(file, ({k: v for k, v in values.items() if v is not None} for values in known))
