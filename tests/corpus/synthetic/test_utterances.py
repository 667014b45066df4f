"""From a spoken line to a row."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soritune.audio.synthesis.espeak import Synthesizer
from soritune.audio.synthesis.mispronunciations import MispronunciationSettings, draw_learner, mispronounce
from soritune.audio.synthesis.phonemes import Accent
from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.recording import RecordingSettings
from soritune.audio.synthesis.speaking import Line, Speaker
from soritune.audio.synthesis.voices import VoiceSettings, draw_voice
from soritune.audio.waveform import read_header
from soritune.corpus.synthetic.utterances import make_utterance
from soritune.corpus.utterance import Utterance

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
TEXT = "오늘  날씨가 좋아요"


def utterance(root: Path, *, with_errors: bool, facts: dict[str, Any] | None = None) -> Utterance:
    rng, synthesizer = np.random.default_rng(0), Synthesizer()
    voice = draw_voice(rng, "train", VoiceSettings(), synthesizer.description)
    settings = MispronunciationSettings(rate=0.3, fluent=0.0)
    speaker = Speaker("s1", voice, Accent(), draw_learner(rng, settings))
    reading = draw_reading(TEXT, rng, 0.0, 0.0)
    errors = mispronounce(reading.phrases, speaker.learner, rng, settings) if with_errors else None
    line = Line("s1-000", "audio/s1-000.flac", TEXT, reading, errors, "Kind")
    return make_utterance(root, synthesizer, speaker, line, rng, RecordingSettings(), facts=facts)


def test_row_has_the_facts_of_its_line_and_file(tmp_path: Path) -> None:
    row = utterance(tmp_path, with_errors=False, facts={"split": "val"})
    header = read_header(tmp_path / row.audio)
    assert (header.sample_rate_hz, header.duration_s) == (16000, row.duration_s)
    assert (row.id, row.speaker, row.text, row.emotion) == ("s1-000", "s1", TEXT, "Kind")
    assert (row.text_source, row.language, row.source) == ("gold", "ko", "synthetic")
    assert row.extra["synthetic"] is True and row.extra["split"] == "val"
    assert row.phones and row.canonical is row.perceived is row.error_labels is None


def test_script_depends_on_the_words_and_not_on_their_spaces(tmp_path: Path) -> None:
    row = utterance(tmp_path, with_errors=False)
    assert row.script_id == hashlib.sha256("오늘 날씨가 좋아요".encode()).hexdigest()[:12]


def test_row_with_errors_has_aligned_phones_and_labels(tmp_path: Path) -> None:
    row = utterance(tmp_path, with_errors=True)
    assert row.canonical and row.perceived and row.error_labels
    assert len(row.canonical) == len(row.perceived) == len(row.error_labels)
    for canonical, perceived, label in zip(row.canonical, row.perceived, row.error_labels, strict=True):
        assert (label == "C") == (canonical == perceived)
    assert set(row.error_labels) > {"C"}
