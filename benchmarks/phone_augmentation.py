"""Does augmentation of small corpora make phone recognition robust to noise and rooms?

    OMP_NUM_THREADS=1 python benchmarks/phone_augmentation.py --output exp/phone_augmentation
    python benchmarks/phone_augmentation.py --output exp/phone_augmentation --summary     # only the tables

$SORITUNE_DATA is the folder with the corpora. The recipe `quickstart` with its preset `tiny-ko` is
trained on folds of speakers of each corpus in three arms, with the same folds, seeds, learning rate and number of
steps; the last averaged weights are judged on the held-out speakers, and nothing is chosen on them.

    start          the encoder of the recipe as it is, not trained on these corpora
    none           no augmentation
    spec_augment   the masks of the recipe, without its changes of speed
    all            a chain: speed, pitch, erased spans, gain, rooms, noise, microphones, telephone and codec, each with
                   its own probability (AUGMENT below), and the same masks. MixUp and CutMix are refused for CTC.

The held-out clips are judged as they are, in noise at 20, 10, 5 and 0 dB below the active speech, and in a room:

    pink     steady pink noise: one of the kinds that `all` is trained with, there at 5 to 30 dB
    babble   six voices of another corpus: no arm is trained with babble, nor with these speakers
    room     reverberation of 0.6 s with a direct sound as loud as the rest, as across a table; `all` is trained in
             other rooms of this kind

The noise or the response of a clip is drawn from its id, so that all arms hear the same. Phones are derived from the
texts by the project's G2P. Finished trainings and judged conditions are not repeated; an interrupted training resumes.

Under `--output`: data/ (manifests and the judged audio), runs/<corpus>-<arm>-s<seed>/ (a cross-validation, and
judged/<condition>.json with the counts of each speaker), summary.json, summary.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from judged_speakers import (
    CORPORA,
    as_counts,
    difference,
    percent,
    phone_error_rate,
    points,
    prepared,
    scored,
    summed,
    write_json,
)
from numpy.typing import NDArray

from soritune.audio.augment.noise import active_power, noise_spectrum, with_noise
from soritune.audio.augment.room import Reverberation
from soritune.audio.channels import Float32Array
from soritune.audio.spectrum import fast_length
from soritune.audio.waveform import read_audio, write_audio
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.draws import seed_of
from soritune.inference.predictor import Predictor
from soritune.metrics.bootstrap import Interval
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.stages.crossval import crossval
from soritune.stages.predict import predict_rows, select_rows
from soritune.tasks.results import Counts
from soritune.whole_file import write_text

SHORT_S, CLIPS_A_SPEAKER = 6.0, 15
"""Of a corpus above `LARGE_H` hours: the longest clip taken, and how many of each speaker, evenly spaced."""
LARGE_H = 0.3
SPEC_AUGMENT = {
    "probability": 0.7,
    "time_masks": 2,
    "time_width_frames": 15,
    "feature_masks": 2,
    "feature_width_share": 0.1,
}
"""As in `quickstart`."""
AUGMENT: dict[str, dict[str, Any] | None] = {
    "none": None,
    "spec_augment": {"spec_augment": SPEC_AUGMENT},
    "all": {
        "speed": {"factors": [0.9, 1.0, 1.1], "probability": 0.5},
        "pitch": {"probability": 0.25},
        "random_erase": {"probability": 0.25},
        "gain": {"probability": 0.25},
        "room": {"probability": 0.3},
        "noise": {"probability": 0.4},
        "microphone": {"probability": 0.25},
        "telephone": {"probability": 0.1},
        "codec": {"probability": 0.1},
        "spec_augment": SPEC_AUGMENT,
    },
}
"""Arm to its `augment`; members are applied in this order."""
START, ENCODER = "start", "soritune/tiny-ko"
"""The encoder of `quickstart` as it is, judged beside the arms."""
SNRS_DB = (20, 10, 5, 0)
ROOM = {"decay_s": 0.6, "direct_db": 0.0, "absorption": 0.6, "reflections": 6}
VOICES = 6
CONDITIONS = ("clean", *(f"{kind}-{snr}" for kind in ("pink", "babble") for snr in SNRS_DB), "room")
RATE_HZ = 16000


def rows_of(corpus: str, work: Path) -> Manifest:
    """The rows that are trained on and judged, written to `work`/data/<corpus>.parquet."""
    path = work / "data" / f"{corpus}.parquet"
    if not path.exists():
        manifest = prepared(corpus, work / "data" / corpus)
        rows = list(manifest)
        if manifest.hours > LARGE_H:
            rows = [row for speaker in _by_speaker(rows).values() for row in _spread(speaker)]
        write_manifest(path, rows, root=manifest.root)
    return load_manifest(path)


def _by_speaker(rows: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    speakers: dict[str, list[Utterance]] = {}
    for row in rows:
        speakers.setdefault(str(row.speaker), []).append(row)
    return speakers


def _spread(rows: Sequence[Utterance]) -> list[Utterance]:
    """Some short clips of a speaker, evenly spaced."""
    short = [row for row in rows if (row.duration_s or 0.0) <= SHORT_S]
    chosen = np.unique(np.linspace(0, len(short) - 1, CLIPS_A_SPEAKER).round().astype(int))
    return [short[index] for index in chosen]


def recipe_of(arm: str, manifest: Manifest, seed: int, options: argparse.Namespace) -> Recipe:
    """`quickstart` with its preset `tiny-ko` on the rows, with the augmentation of the arm."""
    return load_recipe(
        "quickstart",
        [
            f"data={manifest.path}",
            f"augment={json.dumps(AUGMENT[arm])}",
            f"batches.padded_seconds={options.padded_seconds}",
            "batches.num_workers=0",
            "train.epochs=1000",
            f"train.max_steps={options.steps}",
            f"train.learning_rate={options.rate}",
            "train.device=cpu",
            "train.threads=1",
            f"train.seed={seed}",
            "evaluate.checkpoint=last",
            "evaluate.audio=false",
        ],
        presets=("tiny-ko",),
    )


def condition_rows(corpus: str, condition: str, work: Path) -> Path:
    """The manifest of a condition; its audio is made if it does not exist."""
    clean = rows_of(corpus, work)
    if condition == "clean":
        assert clean.path is not None
        return clean.path
    path = work / "data" / f"{corpus}-{condition}.parquet"
    if not path.exists():
        folder = work / "data" / f"{corpus}-{condition}"
        folder.mkdir(parents=True, exist_ok=True)
        change = _change_of(corpus, condition, work)
        rows = []
        for number, row in enumerate(clean):
            file = folder / f"{number:04}.wav"
            samples = read_audio(clean.audio_path(row), sample_rate_hz=RATE_HZ)
            write_audio(file, change(samples, np.random.default_rng(seed_of(condition, row.id))), RATE_HZ)
            rows.append(dataclasses.replace(row, audio=str(file.resolve())))
        write_manifest(path, rows, root=clean.root)
    return path


Change = Callable[[Float32Array, np.random.Generator], Float32Array]


def _change_of(corpus: str, condition: str, work: Path) -> Change:
    """What a condition does to samples."""
    if condition == "room":
        reverberation = Reverberation()
        return lambda samples, generator: reverberation.apply(samples, RATE_HZ, ROOM, generator)
    kind, snr = condition.split("-")
    if kind == "pink":
        return lambda samples, generator: with_noise(
            samples, _pink(len(samples), generator), RATE_HZ, int(snr)
        )
    voices = _voices(next(name for name in CORPORA if name != corpus), work)
    return lambda samples, generator: with_noise(
        samples, _babble(voices, len(samples), generator), RATE_HZ, int(snr)
    )


def _pink(size: int, generator: np.random.Generator) -> NDArray[np.floating]:
    points = fast_length(size)
    frequencies = np.fft.rfftfreq(points, 1 / RATE_HZ).astype(np.float64)
    spectrum = noise_spectrum("steady", 1.0, size, points, frequencies, RATE_HZ, generator)
    noise: NDArray[np.floating] = np.fft.irfft(spectrum, points)[:size]
    return noise


def _voices(corpus: str, work: Path) -> list[Float32Array]:
    """The speech of each speaker of a corpus, every clip at the same level."""
    manifest = rows_of(corpus, work)
    voices = []
    for rows in _by_speaker(list(manifest)).values():
        clips = [read_audio(manifest.audio_path(row), sample_rate_hz=RATE_HZ) for row in rows]
        voices.append(np.concatenate([clip / np.sqrt(active_power(clip, RATE_HZ)) for clip in clips]))
    return voices


def _babble(voices: Sequence[Float32Array], size: int, generator: np.random.Generator) -> Float32Array:
    """The sum of parts of several voices."""
    babble = np.zeros(size, np.float32)
    for index in generator.choice(len(voices), VOICES, replace=False):
        start = int(generator.integers(len(voices[index])))
        babble += np.take(voices[index], np.arange(start, start + size), mode="wrap")
    return babble


def judge(folder: Path, corpus: str, work: Path, models: Sequence[tuple[str, Path | None]]) -> None:
    """Predicts and counts every condition that is not judged yet.

    Args:
        folder: where the counts go.
        corpus: whose rows are judged.
        work: has the rows.
        models: bundles, or runs whose last bundle is judged, each with the splits whose test rows it predicts; None for
            all rows.
    """
    missing = [name for name in CONDITIONS if not (folder / "judged" / f"{name}.json").exists()]
    if not missing:
        return
    opened = [
        (Predictor.load(model, checkpoint="last" if splits else None, device="cpu", vad="off"), splits)
        for model, splits in models
    ]
    for condition in missing:
        manifest = condition_rows(corpus, condition, work)
        judged: dict[str, Any] = {}
        for number, (predictor, splits) in enumerate(opened, start=1):
            rows, data = select_rows(manifest, splits, "test", bundles=[])
            file = folder / "judged" / f"{condition}-{number}.jsonl"
            predict_rows(predictor, rows, file, data=data)
            speakers = scored(file)
            if judged.keys() & speakers.keys():
                sys.exit(f"{folder}: a speaker is judged in two folds")
            judged |= speakers
        write_json(folder / "judged" / f"{condition}.json", {"speakers": judged})


def run_folder(work: Path, corpus: str, arm: str, seed: int) -> Path:
    """The folder of an arm; that of the untrained start has no seed."""
    return work / "runs" / (f"{corpus}-{START}" if arm == START else f"{corpus}-{arm}-s{seed}")


def counts_of(work: Path, corpus: str, arm: str, condition: str, seeds: Sequence[int]) -> dict[str, Counts]:
    """Counts of each speaker, summed over the seeds; empty if one is missing."""
    files = [run_folder(work, corpus, arm, seed) / "judged" / f"{condition}.json" for seed in seeds]
    if not all(file.exists() for file in files):
        return {}
    return summed([as_counts(json.loads(file.read_text("utf-8"))["speakers"]) for file in files])


def summarise(work: Path, options: argparse.Namespace) -> str:
    """Writes summary.json and summary.md, over the seeds that every arm has."""
    summary: dict[str, Any] = {}
    lines: list[str] = []
    arms = [START, *options.arms]
    for corpus in options.corpora:
        seeds = [
            seed
            for seed in options.seeds
            if all(counts_of(work, corpus, arm, name, [seed]) for arm in options.arms for name in CONDITIONS)
        ]
        if not seeds:
            continue
        gaps = [f"{arm} − {options.arms[0]}" for arm in options.arms[1:]]
        lines += [f"## {corpus}: PER, seeds {', '.join(map(str, seeds))}", ""]
        lines += [f"| | {' | '.join([*arms, *gaps])} |", "|---" * (1 + len(arms) + len(gaps)) + "|"]
        for condition in CONDITIONS:
            counts = {arm: counts_of(work, corpus, arm, condition, seeds) for arm in arms}
            rates, differences = _compared({arm: part for arm, part in counts.items() if part}, options.arms)
            summary.setdefault(corpus, {"seeds": seeds})[condition] = {
                "per": {arm: rate.to_json() for arm, rate in rates.items()},
                f"minus {options.arms[0]}": {arm: gap.to_json() for arm, gap in differences.items()},
            }
            cells = [percent(rates.get(arm)) for arm in arms] + [points(gap) for gap in differences.values()]
            lines.append(f"| {condition} | {' | '.join(cells)} |")
        lines.append("")
    text = "\n".join(lines) + "\n"
    write_json(work / "summary.json", summary)
    write_text(work / "summary.md", text)
    return text


def _compared(
    counts: Mapping[str, dict[str, Counts]], arms: Sequence[str]
) -> tuple[dict[str, Interval], dict[str, Interval]]:
    """PER of everything, and that of each arm minus that of the first, paired over speakers."""
    rates = {arm: phone_error_rate(speakers) for arm, speakers in counts.items()}
    gaps = {arm: difference(counts[arms[0]], counts[arm]) for arm in arms[1:]}
    return rates, gaps


def settings_of(options: argparse.Namespace) -> Mapping[str, Any]:
    """What results depend on beside corpus, arm and seed."""
    return {name: getattr(options, name) for name in ("folds", "steps", "rate", "padded_seconds")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    parser.add_argument("--arms", nargs="+", choices=list(AUGMENT), default=list(AUGMENT))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=130)
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--padded-seconds", type=float, default=60.0)
    parser.add_argument("--summary", action="store_true", help="run nothing, only rebuild the tables")
    options = parser.parse_args()
    work = options.output.resolve()
    file = work / "settings.json"
    if file.exists() and json.loads(file.read_text("utf-8")) != settings_of(options):
        sys.exit(f"{work} was started with other settings ({file}); choose another --output")
    write_json(file, settings_of(options))
    started = time.monotonic()
    for seed in [] if options.summary else options.seeds:
        for corpus in options.corpora:
            for arm in (*options.arms, START):
                folder = run_folder(work, corpus, arm, seed)
                judge(folder, corpus, work, trained(folder, corpus, arm, seed, work, options))
                print(f"{time.monotonic() - started:6.0f} s  {folder.name}", flush=True)
            print(summarise(work, options), flush=True)
    if options.summary:
        print(summarise(work, options))


def trained(
    folder: Path, corpus: str, arm: str, seed: int, work: Path, options: argparse.Namespace
) -> list[tuple[str, Path | None]]:
    """The models of an arm, as for `judge`; they are trained unless they exist."""
    if arm == START:
        return [(ENCODER, None)]
    if not (folder / "scores.json").exists():
        recipe = recipe_of(arm, rows_of(corpus, work), seed, options)
        crossval(recipe, folder, folds=options.folds, val_share=0.0, console=Console(quiet=True))
        for checkpoints in folder.glob("fold-*/checkpoints"):
            shutil.rmtree(checkpoints)
    return [(str(fold), fold / "splits.parquet") for fold in sorted(folder.glob("fold-*"))]


if __name__ == "__main__":
    main()
