"""Speaking style from duration and pitch alone, beside what a run heard: does the model listen to more than that?

    python benchmarks/demo_baselines.py demo/run        after `make demo`

Duration, percentiles and deviation of the pitch and the voiced share of each clip (`emotion_baselines.py`), all known
voices' clips to train on, as the model had. A linear classifier, and one of boosted trees that can bend; both are
scored on the run's test clips, and the run's mean recall is set against each, paired over the speakers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from emotion_baselines import RATE, pitch_of
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.inference.predictions import read_predictions
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.metrics.classification import confusion_rates

Confusions = dict[str, NDArray[np.float64]]


def duration_and_pitch(path: Path) -> NDArray[np.float64]:
    """(7,): seconds; 10, 50 and 90 % of the pitch in semitones, its deviation and range; voiced share."""
    wave = read_audio(path, sample_rate_hz=RATE).astype(np.float64)
    pitch = pitch_of(wave)
    voiced = 12 * np.log2(pitch[pitch > 0] / 100)
    low, middle, high = np.percentile(voiced, [10, 50, 90]) if len(voiced) > 3 else (0.0, 0.0, 0.0)
    spread = float(voiced.std()) if len(voiced) else 0.0
    return np.array(
        [len(wave) / RATE, low, middle, high, spread, high - low, len(voiced) / max(1, len(pitch))]
    )


def confusions(truth: list[int], guess: list[int], speakers: list[str], classes: int) -> Confusions:
    """(classes, classes) of every speaker."""
    found: Confusions = {}
    for reference, said, speaker in zip(truth, guess, speakers, strict=True):
        found.setdefault(speaker, np.zeros((classes, classes)))[reference, said] += 1
    return found


def told(name: str, found: Interval, sign: str = "") -> str:
    """A line."""
    value, low, high = (f"{100 * part:{sign}.1f}" for part in (found.value, found.low, found.high))
    return f"{name:42} {value} [{low}, {high}]  {found.num_speakers} speakers"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    manifest: Manifest = load_manifest(run / "checked.parquet")
    splits = load_splits(run / "splits.parquet")
    emotions = manifest.column("emotion").to_pylist()
    labels = sorted(set(emotions))
    y = np.array([labels.index(value) for value in emotions])
    train = np.concatenate([splits.indices(manifest, part) for part in ("train", "val")])
    test = splits.indices(manifest, "test")
    x = np.stack([duration_and_pitch(manifest.audio_path(row)) for row in manifest])
    heard = {
        row["id"]: row["tasks"]["emotion"]["prediction"]["label"]
        for row in read_predictions(run / "predictions" / "test.jsonl").good
    }
    ids, speakers = manifest.column("id").to_pylist(), manifest.column("speaker").to_pylist()
    test = np.array([index for index in test if ids[index] in heard])
    truth, who = y[test].tolist(), [speakers[index] for index in test]
    model = confusions(truth, [labels.index(heard[ids[index]]) for index in test], who, len(labels))

    def ua(counts: dict[str, NDArray[np.float64]]) -> dict[str, float]:
        return {"ua": confusion_rates(counts["c"])["ua"]}

    own = [{"c": counts} for counts in model.values()]
    print(told("the run, mean recall (%)", speaker_intervals(own, ua)["ua"]))
    for name, classifier in (
        (
            "duration and pitch, linear",
            make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000)),
        ),
        ("duration and pitch, boosted trees", HistGradientBoostingClassifier(max_iter=200, random_state=0)),
    ):
        guess = classifier.fit(x[train], y[train]).predict(x[test]).tolist()
        other = confusions(truth, guess, who, len(labels))
        beside = [{"c": other[speaker]} for speaker in model]
        print(told(name, speaker_intervals(beside, ua)["ua"]))
        print(told("  the run minus that (points)", paired_difference(beside, own, ua)["ua"], "+"))


if __name__ == "__main__":
    main()
