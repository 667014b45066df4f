"""A small labelled Korean corpus spoken by espeak-ng, for demonstrations and tests.

It is made by the speech factory (`audio/synthesis/`) in its plainest form: short sentences of a few hundred of the
project's own words, read word by word without pauses, by women and men who differ in formants, rate and pitch, near a
good microphone in a quiet room. Each sentence is spoken in every speaking style, so that the text gives no hint of the
label, and by a single speaker. `voices`, `recording` and `mispronunciations` are the factory's settings, which can make
the corpus harder. `soritune synthesize` makes larger corpora.

The audio is written to ROOT/audio/<speaker>/<id>.flac, 16 kHz. The corpus depends only on its settings, not on the
number of workers. Synthetic speech tests the machinery; it says nothing about models on human speech. espeak-ng's
licence (GPL-3.0) does not extend to the speech it makes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from soritune.audio.synthesis.espeak import Synthesizer
from soritune.audio.synthesis.mispronunciations import (
    MispronunciationSettings,
    draw_learner,
    mispronounce,
)
from soritune.audio.synthesis.phonemes import Accent
from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.recording import RecordingSettings
from soritune.audio.synthesis.speaking import Line, Speaker
from soritune.audio.synthesis.styles import STYLES, Style, Styles, draw_measure, in_measure
from soritune.audio.synthesis.template_sentences import sentences
from soritune.audio.synthesis.voices import MEN, WOMEN, VoiceSettings, attributes_of, voice_of
from soritune.corpus.reading.outcomes import Outcome
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.sources.source import Source
from soritune.corpus.synthetic.utterances import make_utterance
from soritune.corpus.synthetic.workers import worker_pool
from soritune.corpus.utterance import Utterance

_MEAN_UTTERANCE_S = 2.0
"""Measured mean length, to turn minutes into a number of sentences."""
_TEXTS, _SPEAKER, _UTTERANCE, _ERRORS = 0, 1, 2, 3
"""Streams of random numbers."""
_RESTART = "the corpus is not finished; the same command begins again, and fewer workers take less memory"


class PlainVoices(VoiceSettings):
    """Women and men who are not far from espeak-ng's own variants."""

    children: float = Field(0.0, ge=0, le=0)
    """Always 0; `soritune synthesize` makes children's voices."""
    women: float = Field(0.5, ge=0.5, le=0.5)
    """Women and men alternate."""
    variety: float = Field(0.5, ge=0, le=2)
    klatt: float = Field(0.0, ge=0, le=1)
    rate_wpm: tuple[float, float] = (165.0, 12.0)


class PlainRecording(RecordingSettings):
    """A good microphone in a quiet room."""

    room: float = Field(0.0, ge=0, le=1)
    noise: float = Field(1.0, ge=0, le=1)
    snr_db: tuple[float, float] = (20.0, 40.0)
    babble: float = Field(0.0, ge=0, le=0)
    """Always 0; `soritune synthesize` makes babble."""
    microphone_db: float = Field(0.0, ge=0)
    narrow: float = Field(0.0, ge=0, le=1)
    telephone: float = Field(0.0, ge=0, le=1)
    compressed: float = Field(0.0, ge=0, le=1)
    clipped: float = Field(0.0, ge=0, le=1)
    peak_db: tuple[float, float] = (-14.0, -3.0)
    silence_s: tuple[float, float] = (0.05, 0.2)


class SyntheticConfig(SourceConfig):
    """Settings of the corpus."""

    minutes: float = Field(45.0, gt=0)
    """Approximate length of the audio; the number of sentences follows from it."""
    utterances: int | None = Field(None, ge=1)
    """Exact number of utterances instead of minutes."""
    speakers: int = Field(24, ge=1, le=len(WOMEN) + len(MEN))
    """Number of voices, each from another variant; women and men alternate as long as both are left."""
    styles: Styles = Field(default_factory=lambda: dict(STYLES), min_length=1)
    """Label → speaking style, or a list of known styles; each sentence is spoken in every style."""
    words_per_kind: int | None = Field(None, ge=2)
    """Number of words of each kind (times, people, places, verbs, things of a verb); a small vocabulary is learnt
    sooner. None takes all."""
    voices: PlainVoices = Field(default_factory=PlainVoices)
    """How much voices differ from espeak-ng's own."""
    recording: PlainRecording = Field(default_factory=PlainRecording)
    """Rooms, noise, microphones, telephone; `soritune synthesize` has `recording.room=0.65`."""
    mispronunciations: MispronunciationSettings = Field(default_factory=MispronunciationSettings)
    """Errors of pronunciation, with their labels, at the rate `mispronunciations.rate`."""
    seed: int = Field(0, ge=0)
    """Another seed gives other sentences, voices and noise."""
    workers: int | None = Field(None, ge=1)
    """Processes; None takes one per core. Does not change the result."""


@dataclass(frozen=True, slots=True)
class _Order:
    """Everything needed to make one file; is sent to a worker."""

    root: Path
    id: str
    speaker: Speaker
    text: str
    label: str
    style: Style
    index: tuple[int, int]
    """Of the sentence, and of the style among its styles."""
    config: SyntheticConfig


def read_corpus(root: Path, config: SyntheticConfig) -> Iterator[Outcome]:
    """Makes the audio below `root` and yields its utterances in order.

    Raises:
        SorituneError: espeak-ng is not installed, there are fewer sentences, or the system ended a process.
        OutputError: `root` cannot be written to.
    """
    orders = list(_plan(root, config))
    workers = config.workers or os.cpu_count() or 1
    if workers == 1 or len(orders) < 8:
        yield from map(_make, orders)
        return
    with worker_pool(min(workers, len(orders)), _RESTART) as pool:
        yield from pool.map(_make, orders, chunksize=8)


def _plan(root: Path, config: SyntheticConfig) -> Iterator[_Order]:
    speakers = _speakers(config)
    num_utterances = config.utterances or max(1, round(config.minutes * 60 / _MEAN_UTTERANCE_S))
    num_sentences = -(-num_utterances // len(config.styles))
    texts = sentences(num_sentences, np.random.default_rng([config.seed, _TEXTS]), config.words_per_kind)
    planned = 0
    for number, text in enumerate(texts):
        speaker, styles = speakers[number % len(speakers)]
        for turn, (label, style) in enumerate(styles.items()):
            if planned == num_utterances:
                return
            planned += 1
            name = f"{speaker.name}_{number // len(speakers) + 1:03d}_{label}"
            yield _Order(root, name, speaker, text, label, style, (number, turn), config)


def _speakers(config: SyntheticConfig) -> list[tuple[Speaker, dict[str, Style]]]:
    """The speakers, each with the styles scaled for its voice."""
    synthesizer = Synthesizer()
    rng = np.random.default_rng([config.seed, _SPEAKER])
    women, men = ([str(name) for name in rng.permutation(names)] for names in (WOMEN, MEN))
    for names in (women, men):
        # Variants of the Klatt synthesizer, which cannot make all changes of a style, are used last.
        names.sort(key=lambda name: "klatt" not in attributes_of(synthesizer.description(name)))
    speakers = []
    for index in range(config.speakers):
        rng = np.random.default_rng([config.seed, _SPEAKER, index])
        female = bool(women) and (index % 2 == 0 or not men)
        variant = (women if female else men).pop()
        voice = voice_of(variant, "woman" if female else "man", rng, config.voices, synthesizer.description)
        measure = draw_measure(rng)
        name = f"{'F' if female else 'M'}{index + 1:03d}"
        speaker = Speaker(name, voice, Accent(), draw_learner(rng, config.mispronunciations))
        styles = {label: in_measure(style, measure) for label, style in config.styles.items()}
        speakers.append((speaker, styles))
    return speakers


def _make(order: _Order) -> Utterance:
    """Makes one file."""
    config = order.config
    rng = np.random.default_rng([config.seed, _UTTERANCE, *order.index])
    reading = draw_reading(order.text, rng, min(max(order.style.pauses, 0.0), 1.0), linked=0.0)
    errors = None
    if config.mispronunciations.rate:
        errors_rng = np.random.default_rng([config.seed, _ERRORS, *order.index])
        errors = mispronounce(reading.phrases, order.speaker.learner, errors_rng, config.mispronunciations)
    audio = f"audio/{order.speaker.name}/{order.id}.flac"
    line = Line(order.id, audio, order.text, reading, errors, order.label, order.style)
    return make_utterance(order.root, Synthesizer(), order.speaker, line, rng, config.recording)


SOURCE = Source(
    SyntheticConfig, read_corpus, "synthetic Korean speech in three styles, by espeak-ng (extra: speech)"
)
