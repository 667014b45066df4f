"""The synthetic corpus follows from its seed and is balanced; its styles can be heard, not by one number."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.waveform import read_audio, read_header
from soritune.corpus.manifest import write_manifest
from soritune.corpus.sources.synthetic import SyntheticConfig, read_corpus
from soritune.corpus.splits import make_splits
from soritune.corpus.utterance import Utterance

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")


def made(root: Path, **settings: object) -> list[Utterance]:
    return [item for item in read_corpus(root, SyntheticConfig(**settings)) if isinstance(item, Utterance)]  # type: ignore[arg-type]


def test_it_follows_from_the_seed_whatever_the_workers(tmp_path: Path) -> None:
    alone = made(tmp_path / "a", utterances=24, speakers=6, workers=1)
    together = made(tmp_path / "b", utterances=24, speakers=6, workers=2)
    assert alone == together
    assert [(tmp_path / "a" / u.audio).read_bytes() for u in alone] == [
        (tmp_path / "b" / u.audio).read_bytes() for u in together
    ]
    other = made(tmp_path / "c", utterances=24, speakers=6, workers=1, seed=1)
    assert [u.text for u in other] != [u.text for u in alone]


def test_every_sentence_in_every_style_and_no_sentence_in_two_mouths(tmp_path: Path) -> None:
    utterances = made(tmp_path, utterances=72, speakers=24, workers=1)
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


def features(waveform: np.ndarray, text: str) -> list[float]:
    """Syllables per second, and median and spread of log F0 by autocorrelation."""
    pitches = []
    for start in range(0, len(waveform) - 640, 480):
        frame = waveform[start : start + 640] - waveform[start : start + 640].mean()
        lags = np.correlate(frame, frame, "full")[639:]
        best = 35 + int(lags[35:246].argmax())
        if lags[best] > 0.6 * lags[0] and np.mean(frame**2) > 1e-4:
            pitches.append(np.log2(16000 / best))
    low, middle, high = np.percentile(pitches, [10, 50, 90]) if pitches else (0, 0, 0)
    return [len(text.replace(" ", "")) / (len(waveform) / 16000), float(middle), float(high - low)]


@pytest.mark.slow
def test_styles_are_learnable_from_several_numbers_but_not_from_one(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.preprocessing import StandardScaler

    utterances = made(tmp_path, utterances=216, speakers=24, workers=1)
    values = np.array(
        [[*features(read_audio(tmp_path / u.audio), u.text or ""), u.gender == "f"] for u in utterances]
    )
    values = StandardScaler().fit_transform(values)
    labels = np.array([u.emotion for u in utterances])
    speakers = np.array([u.speaker for u in utterances])

    def recall(columns: list[int]) -> float:
        guessed = cross_val_predict(
            LogisticRegression(), values[:, columns], labels, groups=speakers, cv=GroupKFold(6)
        )
        return float(balanced_accuracy_score(labels, guessed))

    assert max(recall([column]) for column in range(3)) < 0.68
    assert recall([0, 1, 2, 3]) > 0.7


def test_settings_are_checked() -> None:
    for bad in ({"minutes": 0}, {"speakers": 500}, {"styles": {}}, {"style": {}}):
        with pytest.raises(ValidationError):
            SyntheticConfig(**bad)  # type: ignore[arg-type]
