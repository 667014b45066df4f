"""Times are right: silence and other speech at known places move them by known amounts."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest
from soritune.errors import TaskError
from soritune.inference.predictor import Predictor
from soritune.stages.align import AlignedClip, align_clips

RATE = 16000
TOLERANCE_S = 0.041
"""Two frames: where the silence begins decides what the model hears in the frames beside it."""


@pytest.fixture(scope="module")
def predictor(tiny_ko: str) -> Predictor:
    return Predictor.load(tiny_ko, vad="off")


@pytest.fixture(scope="module")
def clips(unseen: Manifest) -> list[tuple[np.ndarray, str]]:
    """Samples and texts of clips of several words."""
    rows = [row for row in unseen.utterances() if row.text and 2 <= len(row.text.split()) <= 6]
    return [(read_audio(unseen.audio_path(row), sample_rate_hz=RATE), str(row.text)) for row in rows[:6]]


def aligned(predictor: Predictor, clips: list[tuple[np.ndarray, str]]) -> list[AlignedClip]:
    items = [{"audio": (samples, RATE), "text": text} for samples, text in clips]
    done = list(align_clips(predictor, items))
    assert [clip.error for clip in done] == [None] * len(done)
    return done


def starts(clip: AlignedClip) -> np.ndarray:
    assert clip.tiers is not None
    return np.array([phone.start_s for phone in clip.tiers.phones])


def test_silence_before_the_speech_moves_every_phone(
    predictor: Predictor, clips: list[tuple[np.ndarray, str]]
) -> None:
    silence = np.zeros(RATE // 2, dtype=np.float32)
    later = [(np.concatenate([silence, samples]), text) for samples, text in clips]
    for before, after in zip(aligned(predictor, clips), aligned(predictor, later), strict=True):
        moved = starts(after) - starts(before)
        assert np.median(moved) == pytest.approx(0.5, abs=0.011)
        assert (np.abs(moved - 0.5) <= TOLERANCE_S).mean() >= 0.9


def test_silence_between_two_words_moves_what_follows_and_leaves_a_pause(
    predictor: Predictor, clips: list[tuple[np.ndarray, str]]
) -> None:
    silence = np.zeros(RATE * 7 // 10, dtype=np.float32)
    for before, (samples, text) in zip(aligned(predictor, clips), clips, strict=True):
        assert before.tiers is not None
        first, second = before.tiers.words[:2]
        cut = round((first.end_s + second.start_s) / 2 * RATE)
        longer = np.concatenate([samples[:cut], silence, samples[cut:]])
        (after,) = aligned(predictor, [(longer, text)])
        assert after.tiers is not None
        moved = starts(after) - starts(before)
        word_of = [starts_at >= second.start_s - 1e-9 for starts_at in starts(before)]
        assert np.median(moved[np.array(word_of)]) == pytest.approx(0.7, abs=TOLERANCE_S)
        assert np.median(moved[~np.array(word_of)]) == pytest.approx(0.0, abs=TOLERANCE_S)
        assert after.tiers.words[1].start_s - after.tiers.words[0].end_s > 0.4


def test_joined_clips_have_the_times_of_both(
    predictor: Predictor, clips: list[tuple[np.ndarray, str]]
) -> None:
    (one, first), (two, second) = clips[:2]
    (joined,) = aligned(predictor, [(np.concatenate([one, two]), f"{first} {second}")])
    alone = aligned(predictor, [(one, first), (two, second)])
    assert joined.tiers is not None
    expected = np.concatenate([starts(alone[0]), starts(alone[1]) + len(one) / RATE])
    assert len(joined.tiers.phones) == len(expected)
    assert (np.abs(starts(joined) - expected) <= TOLERANCE_S).mean() >= 0.85
    count = len(alone[0].tiers.words) if alone[0].tiers else 0
    assert joined.tiers.words[count].start_s >= len(one) / RATE - TOLERANCE_S


def test_clip_without_a_text_is_an_error_of_its_own(predictor: Predictor) -> None:
    (done,) = align_clips(predictor, [{"audio": (np.zeros(RATE, dtype=np.float32), RATE)}])
    assert done.error is not None
    assert "has no text" in done.error
    assert done.to_json().keys() == {"id", "audio", "error"}


def test_model_without_phones_is_refused(fakes: object) -> None:
    predictor = Predictor([fakes.member([fakes.emotion_task()])])  # type: ignore[attr-defined]
    with pytest.raises(TaskError, match="gives phones"):
        list(align_clips(predictor, []))
