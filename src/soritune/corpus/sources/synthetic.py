"""A small labelled Korean corpus spoken by espeak-ng, for demonstrations and tests.

Made here, from nothing: short sentences of the project's own words, spoken by voices that differ in formants,
rate and pitch, each sentence in every speaking style, so that the text says nothing about the label. A style
changes rate, pitch, pitch range and volume together, but every speaker does it in an own measure and leaves
one of the changes nearly out: no single number tells the style of a new speaker. Sentences are not shared
between speakers.

ROOT is where the audio is written: ROOT/audio/<speaker>/<id>.flac, 16 kHz. The corpus follows from the seed
alone, whatever the number of workers. Synthetic speech judges nothing but the machinery. espeak-ng's own
licence (GPL-3.0) does not cover what it speaks. Words are chosen so that its Korean agrees with the standard
pronunciation; where it departs is told in `audio/synthesize.py`.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from soritune.audio.resample import resample
from soritune.audio.synthesize import FEMALE_VARIANTS, MALE_VARIANTS, Synthesizer
from soritune.audio.waveform import write_audio
from soritune.corpus.sources.source import Found, Source, SourceConfig
from soritune.corpus.sources.synthetic_sentences import sentences
from soritune.corpus.utterance import Utterance

SAMPLE_RATE_HZ = 16000
_MEAN_UTTERANCE_S = 2.0
"""Measured mean length, to turn minutes into a number of sentences."""


class Style(BaseModel):
    """How a speaking style differs from a speaker's own way."""

    model_config = ConfigDict(extra="forbid")

    rate: float = 0.0
    """Relative change of the speaking rate."""
    pitch: float = 0.0
    """Change of espeak-ng's pitch (0 to 99)."""
    pitch_range: float = 0.0
    """Change of espeak-ng's pitch range (0 to 99)."""
    volume: float = 0.0
    """Relative change of the volume."""


class SyntheticConfig(SourceConfig):
    """What is made."""

    minutes: float = Field(45.0, gt=0)
    """About how much audio; the number of sentences follows from it."""
    utterances: int | None = Field(None, ge=1)
    """Exact number of utterances instead of minutes."""
    speakers: int = Field(24, ge=1, le=len(FEMALE_VARIANTS) + len(MALE_VARIANTS))
    """Number of voices; women and men alternate while there are both."""
    styles: dict[str, Style] = Field(
        default_factory=lambda: {
            "Anxious": Style(rate=0.28, pitch=16, pitch_range=6, volume=0.1),
            "Kind": Style(rate=-0.08, pitch=5, pitch_range=32, volume=-0.15),
            "Dry": Style(rate=0.0, pitch=-9, pitch_range=-36, volume=-0.05),
        },
        min_length=1,
    )
    """Label → how it is spoken."""
    words_per_kind: int | None = Field(None, ge=2)
    """Only so many words of each kind (times, people, places, verbs, things of a verb); a small vocabulary is learnt
    sooner. None takes all."""
    seed: int = 0
    """Another seed gives other sentences, voices and noise."""
    workers: int | None = Field(None, ge=1)
    """Processes; None takes one per core. Does not change the result."""


@dataclass(frozen=True, slots=True)
class _Order:
    """Everything needed to make one file; travels to a worker."""

    id: str
    path: str
    text: str
    variant: str
    rate_wpm: int
    pitch: int
    pitch_range: int
    volume: int
    gain_db: float
    snr_db: float
    lead_s: float
    tail_s: float


def read_corpus(root: Path, config: SyntheticConfig) -> Iterator[Found]:
    """Makes the audio below `root` and yields its utterances in order.

    Raises:
        SorituneError: espeak-ng is not installed.
        OutputError: `root` cannot be written to.
    """
    plan = list(_plan(root, config))
    orders = [order for order, _ in plan]
    Synthesizer()  # a missing extra is said here, not by a worker
    workers = config.workers or os.cpu_count() or 1
    if workers == 1 or len(orders) < 8:
        lengths: Iterator[int] = map(_speak, orders)
        yield from _utterances(plan, lengths)
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(min(workers, len(orders)), mp_context=context) as pool:
        yield from _utterances(plan, pool.map(_speak, orders, chunksize=8))


def _utterances(plan: list[tuple[_Order, Utterance]], lengths: Iterator[int]) -> Iterator[Utterance]:
    for (_, utterance), num_samples in zip(plan, lengths, strict=True):
        fields = {name: getattr(utterance, name) for name in utterance.__slots__}
        yield Utterance(**{**fields, "duration_s": num_samples / SAMPLE_RATE_HZ})


def _plan(root: Path, config: SyntheticConfig) -> Iterator[tuple[_Order, Utterance]]:
    rng = np.random.default_rng(config.seed)
    wanted = config.utterances or max(1, round(config.minutes * 60 / _MEAN_UTTERANCE_S))
    num_sentences = -(-wanted // len(config.styles))
    texts = sentences(num_sentences, rng, config.words_per_kind)
    voices = _voices(config.speakers, rng)
    manners = [_manner(config, rng) for _ in voices]
    made = 0
    for number, text in enumerate(texts):
        index = number % len(voices)
        variant, gender = voices[index]
        speaker = f"{'F' if gender == 'f' else 'M'}{index + 1:03d}"
        for label, settings in manners[index].items():
            if made == wanted:
                return
            made += 1
            name = f"{speaker}_{number // len(voices) + 1:03d}_{label}"
            order = _order(root, speaker, name, text, variant, settings, rng)
            known = {
                "variant": variant,
                "rate_wpm": order.rate_wpm,
                "pitch": order.pitch,
                "pitch_range": order.pitch_range,
            }
            yield (
                order,
                Utterance(
                    id=name,
                    audio=f"audio/{speaker}/{name}.flac",
                    duration_s=0.0,
                    sample_rate_hz=SAMPLE_RATE_HZ,
                    speaker=speaker,
                    text=text,
                    text_source="gold",
                    language="ko",
                    emotion=label,
                    gender=gender,
                    snr_db=round(order.snr_db, 1),
                    source="synthetic",
                    extra=known,
                ),
            )


def _voices(count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    women = [(str(name), "f") for name in rng.permutation(FEMALE_VARIANTS)]
    men = [(str(name), "m") for name in rng.permutation(MALE_VARIANTS)]
    pairs = [voice for pair in zip(women, men, strict=False) for voice in pair]
    return [*pairs, *women[len(men) :], *men[len(women) :]][:count]


def _manner(
    config: SyntheticConfig, rng: np.random.Generator
) -> dict[str, tuple[float, float, float, float]]:
    """A speaker's (rate, pitch, pitch range, volume) for each style: an own base, and each change in an own
    measure."""
    base = np.array([rng.uniform(145, 185), rng.uniform(36, 58), rng.uniform(42, 58), rng.uniform(70, 90)])
    manners = {}
    for label, style in config.styles.items():
        measure = rng.uniform(0.75, 1.25, 4)
        measure[rng.integers(4)] *= 0.2
        rate, pitch, pitch_range, volume = measure * [
            style.rate,
            style.pitch,
            style.pitch_range,
            style.volume,
        ]
        manners[label] = (
            float(base[0] * (1 + rate)),
            float(base[1] + pitch),
            float(base[2] + pitch_range),
            float(base[3] * (1 + volume)),
        )
    return manners


def _order(
    root: Path,
    speaker: str,
    name: str,
    text: str,
    variant: str,
    settings: tuple[float, float, float, float],
    rng: np.random.Generator,
) -> _Order:
    rate, pitch, pitch_range, volume = settings
    return _Order(
        id=name,
        path=str(root / "audio" / speaker / f"{name}.flac"),
        text=text,
        variant=variant,
        rate_wpm=int(np.clip(rate * rng.normal(1, 0.03), 80, 400)),
        pitch=int(np.clip(pitch + rng.normal(0, 2), 0, 99)),
        pitch_range=int(np.clip(pitch_range + rng.normal(0, 3), 0, 99)),
        volume=int(np.clip(volume, 20, 120)),
        gain_db=float(rng.uniform(-10, 0)),
        snr_db=float(rng.uniform(20, 40)),
        lead_s=float(rng.uniform(0.05, 0.2)),
        tail_s=float(rng.uniform(0.05, 0.2)),
    )


def _speak(order: _Order) -> int:
    """Makes one file and returns its number of samples."""
    speech, rate = Synthesizer().speak(
        order.text,
        variant=order.variant,
        rate_wpm=order.rate_wpm,
        pitch=order.pitch,
        pitch_range=order.pitch_range,
        volume=order.volume,
    )
    speech = resample(speech, rate, SAMPLE_RATE_HZ)
    quiet = [
        np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32) for seconds in (order.lead_s, order.tail_s)
    ]
    waveform = np.concatenate([quiet[0], speech, quiet[1]]) * np.float32(10 ** (order.gain_db / 20))
    # A generator of its own for each file: the noise does not depend on which worker makes it, or when.
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(order.id.encode()).digest()[:8], "little"))
    level = float(np.sqrt(np.mean(waveform**2))) * 10 ** (-order.snr_db / 20)
    noisy = waveform + (level * rng.standard_normal(len(waveform))).astype(np.float32)
    write_audio(order.path, noisy, SAMPLE_RATE_HZ)
    return len(noisy)


SOURCE = Source(
    SyntheticConfig, read_corpus, "synthetic Korean speech in three styles, by espeak-ng (extra: speech)"
)
