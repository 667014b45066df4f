"""Simple baselines on the folds of an emotion cross-validation, which a model of voices must beat.

The baselines are the majority class, the words alone, and a linear classifier on MFCC and pitch statistics.

    python benchmarks/emotion_baselines.py CROSSVAL_FOLDER [--group script_type]

CROSSVAL_FOLDER is the output of `soritune crossval … -o CROSSVAL_FOLDER`; its folds are used unchanged.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.metrics.bootstrap import speaker_intervals
from soritune.metrics.classification import confusion_rates

RATE = 16000
FRAME, HOP, FFT = 400, 160, 512


def mel_filters(count: int = 40) -> NDArray[np.float64]:
    """(count, FFT / 2 + 1) triangular filters of equal width on the mel scale (O'Shaughnessy 1987)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, count + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(FFT, 1 / RATE)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(0, np.minimum(rising, falling))


FILTERS = mel_filters()


@dataclass(frozen=True)
class Guesses:
    """Predictions of the baselines for the test clips of all folds, as indices into `labels`."""

    labels: list[str]
    truth: list[int]
    speakers: list[str]
    groups: list[str]
    guesses: dict[str, list[int]]


def features(path: Path) -> NDArray[np.float64]:
    """Mean and deviation of 20 MFCC and log energy; percentiles and deviation of the pitch; voiced share; duration."""
    wave = read_audio(path, sample_rate_hz=RATE).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(wave, FRAME)[::HOP] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames, FFT)) ** 2
    cepstrum = dct(np.log(power @ FILTERS.T + 1e-10), axis=1, norm="ortho")[:, :20]
    energy = np.log((frames**2).sum(1) + 1e-10)
    pitch = pitch_of(wave)
    voiced = pitch[pitch > 0]
    spread = np.percentile(voiced, [10, 50, 90]) if len(voiced) > 3 else np.zeros(3)
    return np.concatenate(
        [
            cepstrum.mean(0),
            cepstrum.std(0),
            [energy.mean(), energy.std()],
            spread,
            [voiced.std() if len(voiced) else 0.0, len(voiced) / len(pitch), len(wave) / RATE],
        ]
    )


def pitch_of(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pitch in Hz per 20 ms by the highest normalised autocorrelation between 75 and 500 Hz; 0 if it is below 0.5."""
    window, hop = 800, 320
    frames = np.lib.stride_tricks.sliding_window_view(wave, window)[::hop]
    frames = frames - frames.mean(1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(frames, 2 * window)) ** 2
    correlation = np.fft.irfft(spectrum)[:, :window]
    normal = correlation / np.maximum(correlation[:, :1], 1e-9)
    low, high = RATE // 500, RATE // 75
    lag = normal[:, low:high].argmax(1) + low
    strong = normal[np.arange(len(lag)), lag] > 0.5
    return np.where(strong, RATE / lag, 0.0)


def judge(
    name: str, truth: list[int], guess: list[int], speakers: list[str], groups: list[str], labels: int
) -> None:
    """Prints mean recall with its interval over speakers, in total and per group."""
    for group in ["all", *sorted(set(groups))] if len(set(groups)) > 1 else ["all"]:
        counts: dict[str, NDArray[np.float64]] = {}
        for expected, label, speaker, clip_group in zip(truth, guess, speakers, groups, strict=True):
            if group in ("all", clip_group):
                counts.setdefault(speaker, np.zeros((labels, labels)))[expected, label] += 1
        interval = speaker_intervals([{"c": c} for c in counts.values()], lambda c: confusion_rates(c["c"]))[
            "ua"
        ]
        note = "" if interval.reliable else "  (unreliable: fewer than 10 speakers)"
        bounds = f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
        print(
            f"{name:12} {group:24} UA {100 * interval.value:5.1f} %  {bounds}  {len(counts)} speakers{note}"
        )


def guesses_of(folder: Path, group_field: str = "script_type") -> Guesses:
    """The baselines' predictions for every test clip of the folds."""
    manifest: Manifest = load_manifest(folder / "checked.parquet")
    labels = sorted(set(manifest.column("emotion").to_pylist()))
    y = np.array([labels.index(value) for value in manifest.column("emotion").to_pylist()])
    texts = np.array(manifest.column("text").to_pylist())
    speakers = manifest.column("speaker").to_pylist()
    group = [str(value) for value in manifest.column(group_field).to_pylist()]
    x = np.stack([features(manifest.audio_path(utterance)) for utterance in manifest])
    order: list[int] = []
    guesses: dict[str, list[int]] = {"majority": [], "text only": [], "MFCC + pitch": []}
    for part in sorted(folder.glob("fold-*")):
        splits = load_splits(part / "splits.parquet")
        train = np.concatenate([splits.indices(manifest, "train"), splits.indices(manifest, "val")])
        test = splits.indices(manifest, "test")
        order += test.tolist()
        guesses["majority"] += [int(np.bincount(y[train]).argmax())] * len(test)
        words = make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3)), LogisticRegression(C=10, max_iter=2000)
        )
        guesses["text only"] += words.fit(texts[train], y[train]).predict(texts[test]).tolist()
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        guesses["MFCC + pitch"] += linear.fit(x[train], y[train]).predict(x[test]).tolist()
    return Guesses(
        labels, y[order].tolist(), [speakers[i] for i in order], [group[i] for i in order], guesses
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group", default="script_type")
    options = parser.parse_args()
    result = guesses_of(options.folder, options.group)
    for name, guess in result.guesses.items():
        judge(name, result.truth, guess, result.speakers, result.groups, len(result.labels))


if __name__ == "__main__":
    main()
