"""The synthetic corpus depends only on its seed and is balanced; its styles are audible, but not by a single number."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.waveform import read_audio, read_header
from soritune.corpus.manifest import write_manifest
from soritune.corpus.sources import synthetic
from soritune.corpus.sources.synthetic import SyntheticConfig, read_corpus
from soritune.corpus.splitting.splits import make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import SorituneError
from soritune.korean import phonemize

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")


def make_corpus(root: Path, **settings: object) -> list[Utterance]:
    return [item for item in read_corpus(root, SyntheticConfig(**settings)) if isinstance(item, Utterance)]  # type: ignore[arg-type]


@pytest.mark.slow
def test_corpus_depends_only_on_the_seed_with_any_workers(tmp_path: Path) -> None:
    alone = make_corpus(tmp_path / "a", utterances=24, speakers=6, workers=1)
    together = make_corpus(tmp_path / "b", utterances=24, speakers=6, workers=2)
    assert alone == together
    assert [(tmp_path / "a" / u.audio).read_bytes() for u in alone] == [
        (tmp_path / "b" / u.audio).read_bytes() for u in together
    ]
    other = make_corpus(tmp_path / "c", utterances=24, speakers=6, workers=1, seed=1)
    assert [u.text for u in other] != [u.text for u in alone]


@pytest.mark.slow
def test_every_sentence_has_every_style_and_one_speaker(tmp_path: Path) -> None:
    utterances = make_corpus(tmp_path, utterances=72, speakers=24, workers=1)
    assert Counter(u.emotion for u in utterances) == {"Anxious": 24, "Kind": 24, "Dry": 24}
    assert len({u.speaker for u in utterances}) == 24
    assert Counter(u.gender for u in utterances) == {"f": 36, "m": 36}
    styles = Counter((u.speaker, u.text) for u in utterances)
    assert set(styles.values()) == {3}
    assert len({text for _, text in styles}) == len(styles)
    header = read_header(tmp_path / utterances[0].audio)
    assert (header.sample_rate_hz, header.num_channels) == (16000, 1)
    assert header.duration_s == utterances[0].duration_s
    assert {u.source for u in utterances} == {"synthetic"}
    splits = make_splits(write_manifest(tmp_path / "m.parquet", utterances, root=tmp_path))
    assert splits.policy["dropped"]["utterances"] == 0


@pytest.mark.slow
def test_phones_are_the_standard_pronunciation_of_each_word(tmp_path: Path) -> None:
    for utterance in make_corpus(tmp_path, utterances=30, speakers=6, workers=1):
        assert list(utterance.phones or ()) == phonemize(utterance.text or "", boundary="word")
        assert utterance.perceived is None


def test_corpus_is_plain_by_default(tmp_path: Path) -> None:
    plain = make_corpus(tmp_path / "a", utterances=6, speakers=2, workers=1)
    assert {u.extra["noise"] for u in plain} <= {"steady", "wavering", "hum", "knocks"}
    assert all((u.snr_db or 0) > 15 and "room_decay_s" not in u.extra for u in plain)
    rooms = make_corpus(tmp_path / "b", utterances=6, speakers=2, workers=1, recording={"room": 1.0})
    assert all("room_decay_s" in u.extra for u in rooms)
    assert [u.text for u in rooms] == [u.text for u in plain]
    wrong = make_corpus(
        tmp_path / "c", utterances=6, speakers=2, workers=1, mispronunciations={"rate": 0.3, "fluent": 0}
    )
    assert [u.text for u in wrong] == [u.text for u in plain]
    assert {label for u in wrong for label in u.error_labels or ()} >= {"C", "S"}
    for u in wrong:
        perceived = [p for p in u.perceived or () if p != "sil"]
        assert [p for p in u.phones or () if p != "|"] == perceived


def test_styles_are_named_or_described(tmp_path: Path) -> None:
    named = make_corpus(tmp_path / "a", utterances=4, speakers=2, workers=1, styles=["Kind", "Dry"])
    assert {u.emotion for u in named} == {"Kind", "Dry"}
    fast = make_corpus(
        tmp_path / "b", utterances=24, speakers=12, workers=1, styles={"Fast": {"rate": 0.9}, "Calm": {}}
    )
    lengths = {label: sum(u.duration_s for u in fast if u.emotion == label) for label in ("Fast", "Calm")}
    assert lengths["Fast"] < 0.85 * lengths["Calm"]


def rate_and_pitch(waveform: np.ndarray, text: str) -> list[float]:
    """Syllables per second, and median and spread of log F0 by autocorrelation."""
    pitches = log_pitches(waveform)
    low, middle, high = np.percentile(pitches, [10, 50, 90]) if pitches else (0, 0, 0)
    return [len(text.replace(" ", "")) / (len(waveform) / 16000), float(middle), float(high - low)]


def log_pitches(waveform: np.ndarray) -> list[float]:
    pitches = []
    for start in range(0, len(waveform) - 640, 320):
        frame = waveform[start : start + 640] - waveform[start : start + 640].mean()
        lags = np.correlate(frame, frame, "full")[639:]
        best = 35 + int(lags[35:246].argmax())
        if lags[best] > 0.6 * lags[0] and np.mean(frame**2) > 1e-4:
            pitches.append(float(np.log2(16000 / best)))
    return pitches


def quality(waveform: np.ndarray) -> list[float]:
    """Levels of four bands over the lowest in dB, periodicity, and steps of the pitch from frame to frame."""
    frames = np.stack([waveform[at : at + 640] for at in range(0, len(waveform) - 640, 320)])
    powers = np.mean(frames**2, axis=1)
    frames = frames[powers > 0.02 * powers.max()]
    spectrum = np.square(np.abs(np.fft.rfft(frames * np.hanning(640), axis=1))).sum(0)
    edges = [round(hz / 25) for hz in (50, 500, 1000, 2000, 4000, 8000)]
    levels = [10 * np.log10(spectrum[a:b].sum() + 1e-12) for a, b in pairwise(edges)]
    lags = [np.correlate(f - f.mean(), f - f.mean(), "full")[639:] for f in frames]
    steps = np.abs(np.diff(log_pitches(waveform)))
    periodic = float(np.mean([lag[35:246].max() / lag[0] for lag in lags]))
    return [
        *(float(level - levels[0]) for level in levels[1:]),
        periodic,
        float(np.median(steps)) if len(steps) else 0,
    ]


@pytest.mark.slow
def test_styles_are_in_the_voice_more_than_in_duration_and_pitch(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.preprocessing import StandardScaler

    utterances = make_corpus(tmp_path, utterances=360, speakers=40, workers=1, words_per_kind=4)
    waveforms = [read_audio(tmp_path / u.audio) for u in utterances]
    labels = np.array([u.emotion for u in utterances])
    speakers = np.array([u.speaker for u in utterances])

    def recall(features: list[list[float]]) -> float:
        values = StandardScaler().fit_transform(np.array(features))
        model, folds = LogisticRegression(max_iter=500), GroupKFold(8)
        guessed = cross_val_predict(model, values, labels, groups=speakers, cv=folds)
        return float(balanced_accuracy_score(labels, guessed))

    texts = [u.text or "" for u in utterances]
    simple = [
        [*rate_and_pitch(w, text), u.gender == "f"]
        for w, text, u in zip(waveforms, texts, utterances, strict=True)
    ]
    assert max(recall([[row[column]] for row in simple]) for column in range(4)) < 0.6
    assert 0.4 < recall(simple) < 0.62
    assert recall([quality(w) for w in waveforms]) > recall(simple) + 0.1


def test_worker_ended_by_the_system_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if multiprocessing.get_start_method() == "spawn" or sys.platform != "linux":
        pytest.skip("the worker's function can only be changed where processes are forked")
    monkeypatch.setattr(synthetic, "_make", _dies)
    with pytest.raises(SorituneError, match="ended from outside.*the corpus is not finished"):
        make_corpus(tmp_path, utterances=24, speakers=6, workers=2)


def _dies(order: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_faulty_settings_are_refused() -> None:
    bad_ones: tuple[dict[str, object], ...] = (
        {"minutes": 0}, {"speakers": 500}, {"styles": {}}, {"style": {}}, {"styles": ["Angry"]},
        {"recording": {"babble": 0.5}}, {"voices": {"children": 0.5}}, {"recording": {"romm": 1}},
    )  # fmt: skip
    for bad in bad_ones:
        with pytest.raises(ValidationError):
            SyntheticConfig(**bad)  # type: ignore[arg-type]
