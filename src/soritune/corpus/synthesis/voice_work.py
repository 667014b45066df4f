"""The work of one process: everything one voice says, from the seed alone. Next: `synthesis/factory.py`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.channel import draw_recording, record
from soritune.audio.resample import resample
from soritune.audio.synthesize import Synthesizer
from soritune.audio.voices import Voice, draw_voice
from soritune.audio.waveform import write_audio
from soritune.corpus.json_text import write_json_lines
from soritune.corpus.synthesis.reading import Reading, draw_reading
from soritune.corpus.synthesis.sentences import PARTS, Part, draw_text
from soritune.corpus.synthesis.settings import SynthesisSettings
from soritune.corpus.synthesis.sounds import Accent, draw_accent, in_phonemes, stop_codas
from soritune.corpus.utterance import Utterance

SAMPLE_RATE_HZ = 16000
_VOICE, _BABBLE, _UTTERANCES = 0, 1, 2
"""Streams of random numbers of one voice."""
_BABBLE_VOICES = 5
_VOLUME = 25
"""espeak-ng's volume: at its normal 100 half of the voices drawn here are clipped. The level is set afterwards."""
_EDGE = 64
"""Samples over which the level of a release is changed."""
_SILENT = 0.003
"""What counts as silence at the ends of what espeak-ng gives, against its peak."""


def voice_name(seed: int, part: Part, number: int) -> str:
    """The speaker's name in the manifest, unlike that of any other seed, part or number."""
    return f"s{seed}-{part}-{number:05d}"


def rows_file(root: Path, part: Part, number: int) -> Path:
    """Where the finished rows of a voice are."""
    return root / "voices" / part / f"{number:05d}.jsonl"


def make_voice(root: Path, settings: SynthesisSettings, part: Part, number: int) -> float:
    """Writes all utterances of one voice, then its rows; returns their seconds.

    Raises:
        SorituneError: espeak-ng is missing, or nothing can be written.
    """
    synthesizer = Synthesizer()
    voice = draw_voice(_rng(settings, part, number, _VOICE), part, settings.voices, synthesizer.description)
    accent_rng = _rng(settings, part, number, _VOICE, 1)
    accent, pauses = draw_accent(accent_rng), float(2 * settings.pauses * accent_rng.random())
    babble = _babble(synthesizer, settings, part, number)
    speaker = voice_name(settings.seed, part, number)
    rows = []
    for index in range(settings.utterances_per_voice):
        rng = _rng(settings, part, number, _UTTERANCES, index)
        text, kind, reading = _draw_reading(rng, settings, part, pauses)
        ending = "?" if text.endswith("?") or rng.random() < 0.1 else "."
        manner = _manner(voice, rng)
        speech = _speak(synthesizer, voice, accent, in_phonemes(reading.phrases, accent, rng, ending), manner)
        recording = draw_recording(rng, settings.recording)
        heard = record(speech, recording, SAMPLE_RATE_HZ, rng, babble)
        name = f"{speaker}-{index:03d}"
        audio = f"audio/{part}/{number:05d}/{name}.flac"
        write_audio(root / audio, heard, SAMPLE_RATE_HZ)
        facts: dict[str, Any] = {
            "synthetic": True,
            "split": part,
            "kind": kind,
            "pronounced": ", ".join(reading.pronounced),
            "voice_kind": voice.speaker,
            "variant": voice.variant,
            "formant_scale": round(voice.scale, 3),
            **manner,
            **recording.facts(),
        }
        rows.append(
            Utterance(
                id=name,
                audio=audio,
                duration_s=len(heard) / SAMPLE_RATE_HZ,
                sample_rate_hz=SAMPLE_RATE_HZ,
                speaker=speaker,
                text=text,
                text_source="gold",
                language="ko",
                phones=reading.phones,
                gender=voice.gender,
                script_id=hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12],
                snr_db=round(recording.snr_db, 1),
                source="synthetic",
                extra=facts,
            )
        )
    _write_rows(rows_file(root, part, number), rows)
    return sum(row.duration_s for row in rows)


def read_rows(file: Path) -> list[Utterance]:
    """The rows of a finished voice."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        row["phones"] = tuple(row["phones"])
        found.append(Utterance(**row))
    return found


def _rng(settings: SynthesisSettings, part: Part, number: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, PARTS.index(part), number, *stream])


def _draw_reading(
    rng: np.random.Generator, settings: SynthesisSettings, part: Part, pauses: float
) -> tuple[str, str, Reading]:
    """A text that can be said and is not too long, its kind, and how it is read."""
    while True:
        text, kind = draw_text(rng, part, settings.syllables)
        reading = draw_reading(text, rng, pauses, settings.linked)
        if 0 < reading.num_syllables <= settings.most_syllables:
            return text, kind, reading


def _manner(voice: Voice, rng: np.random.Generator) -> dict[str, int]:
    """How one utterance is said by a voice."""
    return {
        "rate_wpm": int(np.clip(voice.rate_wpm * np.exp(rng.normal(0, 0.12)), 85, 380)),
        "pitch": int(np.clip(voice.pitch + rng.normal(0, 5), 5, 95)),
        "pitch_range": int(np.clip(voice.pitch_range + rng.normal(0, 10), 0, 99)),
    }


def _speak(
    synthesizer: Synthesizer, voice: Voice, accent: Accent, said: str, manner: dict[str, int]
) -> NDArray[np.float32]:
    """(samples,) at 16 kHz without the silence around it."""
    spoken = synthesizer.speak_as(
        voice.description,
        said,
        rate_wpm=manner["rate_wpm"],
        pitch=manner["pitch"],
        pitch_range=manner["pitch_range"],
        volume=_VOLUME,
    )
    samples, rate = spoken.samples, spoken.sample_rate_hz
    for start_s, end_s in stop_codas(spoken.sounds):
        stretch = samples[round(start_s * rate) : round(end_s * rate)]
        if len(stretch) > 2 * _EDGE:
            gain = np.full(len(stretch), 10 ** (accent.release_db / 20), np.float32)
            gain[:_EDGE] = np.linspace(1, gain[0], _EDGE)
            gain[-_EDGE:] = np.linspace(gain[0], 1, _EDGE)
            stretch *= gain
    speech = resample(samples, rate, SAMPLE_RATE_HZ)
    loud = np.flatnonzero(np.abs(speech) > _SILENT * np.abs(speech).max())
    result: NDArray[np.float32] = speech[loud[0] : loud[-1] + 1]
    return result


def _babble(
    synthesizer: Synthesizer, settings: SynthesisSettings, part: Part, number: int
) -> NDArray[np.float32]:
    """(samples,) of other voices, one after the other, each as loud as the next."""
    rng = _rng(settings, part, number, _BABBLE)
    said = []
    for _ in range(_BABBLE_VOICES):
        voice = draw_voice(rng, part, settings.voices, synthesizer.description)
        _, _, reading = _draw_reading(rng, settings, part, 0.0)
        accent = draw_accent(rng)
        said_so = in_phonemes(reading.phrases, accent, rng)
        speech = _speak(synthesizer, voice, accent, said_so, _manner(voice, rng))
        said.append(speech / np.float32(np.sqrt(np.mean(speech**2)) + 1e-9))
    return np.concatenate(said)


def _write_rows(file: Path, rows: list[Utterance]) -> None:
    names = [field.name for field in dataclasses.fields(Utterance)]
    known = ({name: getattr(row, name) for name in names} for row in rows)
    write_json_lines(file, ({k: v for k, v in values.items() if v is not None} for values in known))
