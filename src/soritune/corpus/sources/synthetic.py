"""A small labelled Korean corpus spoken by espeak-ng, for demonstrations and tests.

Made here, from nothing, by the speech factory (`audio/synthesis/`) in its plainest form: short sentences of a few
hundred of the project's own words, read word by word without pauses, by women and men who differ in formants, rate and
pitch, near a good microphone in a quiet room. Each sentence is spoken in every speaking style, so that
the text says nothing about the label, and by one speaker only. `voices`, `recording` and `mispronunciations` are the
factory's settings: with them the corpus is as hard as wanted. `soritune synthesize` makes larger ones.

ROOT is where the audio is written: ROOT/audio/<speaker>/<id>.flac, 16 kHz. The corpus follows from the seed
alone, whatever the number of workers. Synthetic speech judges nothing but the machinery. espeak-ng's own
licence (GPL-3.0) does not cover what it speaks.
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
_BEGIN_AGAIN = "the corpus is not finished; the same command begins again, and fewer workers take less memory"


class PlainVoices(VoiceSettings):
    """Women and men who are not far from espeak-ng's own variants."""

    children: float = Field(0.0, ge=0, le=0)
    """None: `soritune synthesize` has them."""
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
    """None: `soritune synthesize` has it."""
    microphone_db: float = Field(0.0, ge=0)
    narrow: float = Field(0.0, ge=0, le=1)
    telephone: float = Field(0.0, ge=0, le=1)
    compressed: float = Field(0.0, ge=0, le=1)
    clipped: float = Field(0.0, ge=0, le=1)
    peak_db: tuple[float, float] = (-14.0, -3.0)
    silence_s: tuple[float, float] = (0.05, 0.2)


class SyntheticConfig(SourceConfig):
    """What is made."""

    minutes: float = Field(45.0, gt=0)
    """About how much audio; the number of sentences follows from it."""
    utterances: int | None = Field(None, ge=1)
    """Exact number of utterances instead of minutes."""
    speakers: int = Field(24, ge=1, le=len(WOMEN) + len(MEN))
    """Number of voices, each from a variant of its own; women and men alternate while there are both."""
    styles: Styles = Field(default_factory=lambda: dict(STYLES), min_length=1)
    """Label → how it is spoken, or a list of the styles there are; each sentence is spoken in every one."""
    words_per_kind: int | None = Field(None, ge=2)
    """Only so many words of each kind (times, people, places, verbs, things of a verb); a small vocabulary is learnt
    sooner. None takes all."""
    voices: PlainVoices = Field(default_factory=PlainVoices)
    """How far voices are from espeak-ng's own."""
    recording: PlainRecording = Field(default_factory=PlainRecording)
    """Rooms, noise, microphones, telephone: `recording.room=0.65` is what `soritune synthesize` has."""
    mispronunciations: MispronunciationSettings = Field(default_factory=MispronunciationSettings)
    """Errors of pronunciation, with their labels; none unless `mispronunciations.rate` is given."""
    seed: int = Field(0, ge=0)
    """Another seed gives other sentences, voices and noise."""
    workers: int | None = Field(None, ge=1)
    """Processes; None takes one per core. Does not change the result."""


@dataclass(frozen=True, slots=True)
class _Order:
    """Everything needed to make one file; travels to a worker."""

    root: Path
    id: str
    speaker: Speaker
    text: str
    label: str
    style: Style
    place: tuple[int, int]
    """Of the sentence, and of the style in it."""
    config: SyntheticConfig


def read_corpus(root: Path, config: SyntheticConfig) -> Iterator[Outcome]:
    """Makes the audio below `root` and yields its utterances in order.

    Raises:
        SorituneError: espeak-ng is not installed, there are not so many sentences, or the system ended a process.
        OutputError: `root` cannot be written to.
    """
    orders = list(_plan(root, config))
    workers = config.workers or os.cpu_count() or 1
    if workers == 1 or len(orders) < 8:
        yield from map(_make, orders)
        return
    with worker_pool(min(workers, len(orders)), _BEGIN_AGAIN) as pool:
        yield from pool.map(_make, orders, chunksize=8)


def _plan(root: Path, config: SyntheticConfig) -> Iterator[_Order]:
    speakers = _speakers(config)
    wanted = config.utterances or max(1, round(config.minutes * 60 / _MEAN_UTTERANCE_S))
    num_sentences = -(-wanted // len(config.styles))
    texts = sentences(num_sentences, np.random.default_rng([config.seed, _TEXTS]), config.words_per_kind)
    made = 0
    for number, text in enumerate(texts):
        speaker, styles = speakers[number % len(speakers)]
        for turn, (label, style) in enumerate(styles.items()):
            if made == wanted:
                return
            made += 1
            name = f"{speaker.name}_{number // len(speakers) + 1:03d}_{label}"
            yield _Order(root, name, speaker, text, label, style, (number, turn), config)


def _speakers(config: SyntheticConfig) -> list[tuple[Speaker, dict[str, Style]]]:
    """The speakers, and the styles as each of them has them."""
    synthesizer = Synthesizer()
    rng = np.random.default_rng([config.seed, _SPEAKER])
    women, men = ([str(name) for name in rng.permutation(names)] for names in (WOMEN, MEN))
    for names in (
        women,
        men,
    ):  # those of the Klatt synthesizer, which has fewer of the styles' changes, come last
        names.sort(key=lambda name: "klatt" not in attributes_of(synthesizer.description(name)))
    found = []
    for index in range(config.speakers):
        rng = np.random.default_rng([config.seed, _SPEAKER, index])
        female = bool(women) and (index % 2 == 0 or not men)
        variant = (women if female else men).pop()
        voice = voice_of(variant, "woman" if female else "man", rng, config.voices, synthesizer.description)
        measure = draw_measure(rng)
        name = f"{'F' if female else 'M'}{index + 1:03d}"
        speaker = Speaker(name, voice, Accent(), draw_learner(rng, config.mispronunciations))
        found.append((speaker, {k: in_measure(style, measure) for k, style in config.styles.items()}))
    return found


def _make(order: _Order) -> Utterance:
    """Makes one file."""
    config = order.config
    rng = np.random.default_rng([config.seed, _UTTERANCE, *order.place])
    reading = draw_reading(order.text, rng, min(max(order.style.pauses, 0.0), 1.0), linked=0.0)
    errors = None
    if config.mispronunciations.rate:
        errors_rng = np.random.default_rng([config.seed, _ERRORS, *order.place])
        errors = mispronounce(reading.phrases, order.speaker.learner, errors_rng, config.mispronunciations)
    audio = f"audio/{order.speaker.name}/{order.id}.flac"
    line = Line(order.id, audio, order.text, reading, errors, order.label, order.style)
    return make_utterance(order.root, Synthesizer(), order.speaker, line, rng, config.recording)


SOURCE = Source(
    SyntheticConfig, read_corpus, "synthetic Korean speech in three styles, by espeak-ng (extra: speech)"
)
