"""Does the demo's model use more than duration and pitch? Speaking style from these alone, compared with a run.

    python benchmarks/demo_baselines.py demo/run        after `make demo`

The features are duration, percentiles and deviation of the pitch, and the voiced share of each clip. A linear
classifier and boosted trees are trained on the clips of the model's training and validation speakers and scored on the
run's test clips. The run's mean recall is compared with each by speaker.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from soritune.audio.voice_statistics import SAMPLE_RATE_HZ, pitch_track
from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.inference.predictions import read_predictions
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.metrics.classification import confusion_rates

Confusions = dict[str, NDArray[np.float64]]


def duration_and_pitch(path: Path) -> NDArray[np.float64]:
    """(7,): seconds; 10, 50 and 90 % of the pitch in semitones, its deviation and range; voiced share."""
    wave = read_audio(path, sample_rate_hz=SAMPLE_RATE_HZ).astype(np.float64)
    pitch = pitch_track(wave)
    voiced = 12 * np.log2(pitch[pitch > 0] / 100)
    low, middle, high = np.percentile(voiced, [10, 50, 90]) if len(voiced) > 3 else (0.0, 0.0, 0.0)
    spread = float(voiced.std()) if len(voiced) else 0.0
    return np.array(
        [len(wave) / SAMPLE_RATE_HZ, low, middle, high, spread, high - low, len(voiced) / max(1, len(pitch))]
    )


def confusions(reference: list[int], predicted: list[int], speakers: list[str], classes: int) -> Confusions:
    """The confusion matrix (classes, classes) of every speaker."""
    matrices: Confusions = {}
    for expected, label, speaker in zip(reference, predicted, speakers, strict=True):
        matrices.setdefault(speaker, np.zeros((classes, classes)))[expected, label] += 1
    return matrices


def line(name: str, interval: Interval, sign: str = "") -> str:
    """One line of output."""
    value, low, high = (f"{100 * part:{sign}.1f}" for part in (interval.value, interval.low, interval.high))
    return f"{name:42} {value} [{low}, {high}]  {interval.num_speakers} speakers"


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
    predictions = {
        row["id"]: row["tasks"]["emotion"]["prediction"]["label"]
        for row in read_predictions(run / "predictions" / "test.jsonl").good
    }
    ids, speakers = manifest.column("id").to_pylist(), manifest.column("speaker").to_pylist()
    test = np.array([index for index in test if ids[index] in predictions])
    reference, test_speakers = y[test].tolist(), [speakers[index] for index in test]
    model = confusions(
        reference, [labels.index(predictions[ids[index]]) for index in test], test_speakers, len(labels)
    )

    def ua(counts: dict[str, NDArray[np.float64]]) -> dict[str, float]:
        return {"ua": confusion_rates(counts["c"])["ua"]}

    run_counts = [{"c": counts} for counts in model.values()]
    print(line("the run, mean recall (%)", speaker_intervals(run_counts, ua)["ua"]))
    for name, classifier in (
        (
            "duration and pitch, linear",
            make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000)),
        ),
        ("duration and pitch, boosted trees", HistGradientBoostingClassifier(max_iter=200, random_state=0)),
    ):
        predicted = classifier.fit(x[train], y[train]).predict(x[test]).tolist()
        baseline = confusions(reference, predicted, test_speakers, len(labels))
        baseline_counts = [{"c": baseline[speaker]} for speaker in model]
        print(line(name, speaker_intervals(baseline_counts, ua)["ua"]))
        print(
            line(
                "  the run minus that (points)", paired_difference(baseline_counts, run_counts, ua)["ua"], "+"
            )
        )


if __name__ == "__main__":
    main()
