"""The value of the packaged encoder: its weights compared with random weights on real speech.

    python benchmarks/bundled_encoder.py --output exp/bundled --jobs 16                # everything, on a GPU
    python benchmarks/bundled_encoder.py --output exp/bundled --only real --seeds 0    # part of it
    python benchmarks/bundled_encoder.py --output exp/bundled --deadline-s 300 --stop-s 340
    python benchmarks/bundled_encoder.py --output exp/bundled --summary                # only rebuild the tables

$SORITUNE_DATA is the folder with the corpora. Every run is one process of a soritune command; `--jobs` of them run in
parallel with one thread each. Finished runs are skipped, and an interrupted cross-validation resumes after its last
finished fold. After `--deadline-s` no run starts, and at `--stop-s` running ones are stopped. The summary is then made
from the finished runs and lists the missing ones. Runs are ordered by seed, then the longest first (--longest-first
ignores the seed). An output folder belongs to one set of settings.

Two starts are compared with the same recipe and budget, all weights trained, including the convolutional front end:
`encoder`, the bundle (with its phoneme head if phones are trained), and `random`, the same architecture with random
weights. No speech is used for selection: the number of epochs is fixed and the last averaged weights are evaluated.
The learning rates are those of the options below; they were not tuned on these corpora.

    zero-shot    `evaluate` of the unchanged bundle on ko_speech_selvas and pansori_tedxkr: PER. The phones are derived
                 from the text by the project's G2P, with sound changes inside words only.
    real         `crossval` with 5 folds of speakers of both corpora: PER of all speakers and of each corpus
                 (--corpora: trained on one corpus).
    emotion      `crossval` that leaves out one speaker of ko_emotion_selvas at a time: UA of all, of the text-neutral
                 part em* and of ne*. Also `frozen`, a trained weighted sum of the layers of the frozen encoder, and the
                 baselines of `soritune baselines` on the same folds.
    l2           `run` on the 47 training speakers of both folders of speechocean762, phones and error labels by CTC,
                 evaluated on the 16 speakers of their validation and test files: PER, error_… and mdd_…, compared with
                 baselines that use no audio. The encoder was also trained on the English phones of the 47; neither
                 start was trained on the 16.
    adaptation   `crossval` of ko_speech_selvas with all weights, with LoRA r=16 on all layers, and with the head alone:
                 PER, trained weights, seconds, size of the bundle (adapters also need their base).
    timing       `train` on the first fold for each adaptation method, after all other runs with no other process:
                 seconds per step, and of the whole training at this speed (--timed-steps measures fewer steps).

Counts of a speaker are summed over the seeds, so a rate is that of all seeds together (for PER and UA the mean over
seeds). Intervals are 95 % over resampled speakers, and differences are paired over the speakers, both by
soritune.metrics.bootstrap. A difference uses only the seeds that both sides have.

Under `--output`: summary.json and summary.md; runs/<name>/ with scores.json, predictions/, splits, logs and record.json
(command, seconds, steps, trained weights); recipes/, data/ (manifests), logs/. Checkpoints and bundles are deleted
after the evaluation of a run, since most of these corpora are for research only (--keep-weights keeps them).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from bundled_queue import Queue, write_json
from bundled_runs import ARMS, BOTH, CORPORA, runs_of
from bundled_summary import summarise

from soritune.bundles.read import load_bundle
from soritune.errors import BundleError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoder", default="soritune/tiny-ko", help="bundle to start from, name or folder")
    parser.add_argument("--only", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--corpora", nargs="+", choices=(*CORPORA, BOTH), default=[BOTH], help="corpora of zero-shot and real"
    )
    parser.add_argument("--jobs", type=int, default=1, help="parallel runs")
    parser.add_argument(
        "--longest-first",
        action="store_true",
        help="order runs by length, not by seed: ends sooner if there is time for all",
    )
    parser.add_argument("--deadline-s", type=float, help="start no run after this time")
    parser.add_argument("--stop-s", type=float, help="stop running runs after this time")
    parser.add_argument("--summary", action="store_true", help="run nothing, only rebuild the tables")
    parser.add_argument("--keep-weights", action="store_true")
    group = parser.add_argument_group("trainings")
    group.add_argument("--folds", type=int, default=5, help="folds of the phone corpora")
    group.add_argument("--emotion-folds", type=int, help="default: one fold per speaker")
    group.add_argument("--epochs", type=int, default=30)
    group.add_argument("--emotion-epochs", type=int, default=12)
    group.add_argument("--l2-epochs", type=int, default=15)
    group.add_argument("--rate", type=float, default=5e-4, help="peak rate of the encoder for phones")
    group.add_argument("--emotion-rate", type=float, default=3e-4)
    group.add_argument("--l2-rate", type=float, default=5e-4)
    group.add_argument("--lora-rate", type=float, default=2e-3)
    group.add_argument("--head-rate", type=float, default=1e-3, help="rate of heads on a trained encoder")
    group.add_argument(
        "--frozen-head-rate", type=float, default=2e-3, help="rate of heads on a frozen encoder"
    )
    group.add_argument("--emotion-layer", default="last", help="input of the emotion head: last or weighted")
    group.add_argument("--schedule", default="linear", choices=["linear", "cosine", "one_cycle"])
    group.add_argument("--warmup-share", type=float, default=0.1)
    group.add_argument("--ema", type=float, default=0.99)
    group.add_argument("--dropout", type=float, default=0.1)
    group.add_argument(
        "--padded-seconds", type=float, default=40.0, help="padded seconds of a batch of phones"
    )
    group.add_argument("--emotion-padded-seconds", type=float, default=40.0)
    group.add_argument("--l2-padded-seconds", type=float, default=40.0)
    group.add_argument("--workers", type=int, default=0, help="loader processes per run")
    group.add_argument("--precision", default="auto")
    group.add_argument("--device", default="auto")
    group.add_argument("--max-steps", type=int, help="limit of every training, to try the script")
    group.add_argument("--timed-steps", type=int, help="steps of the timed trainings; default: all")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        load_bundle(options.encoder)
    except BundleError as error:
        sys.exit(str(error))
    if Path(options.encoder).is_dir():
        options.encoder = str(Path(options.encoder).resolve())
    work = options.output.resolve()
    work.mkdir(parents=True, exist_ok=True)
    refuse_other_settings(options, work)
    runs = runs_of(options, work)
    queue = Queue(work, options, started)
    if not options.summary:
        queue.all(runs)
        if "timing" in options.only:
            queue.timing()
    print(summarise(work, runs, queue, options))


def refuse_other_settings(options: argparse.Namespace, work: Path) -> None:
    """Exits if the output folder holds runs with other settings."""
    ignored = (
        "output",
        "only",
        "seeds",
        "corpora",
        "jobs",
        "deadline_s",
        "stop_s",
        "summary",
        "keep_weights",
    )
    settings = {
        key: value for key, value in vars(options).items() if key not in (*ignored, "workers", "device")
    }
    file = work / "settings.json"
    earlier = json.loads(file.read_text("utf-8")) if file.exists() else settings
    differing = [key for key, value in settings.items() if earlier.get(key) != value]
    if differing:
        sys.exit(f"{work} was started with other settings of {', '.join(differing)}; choose another --output")
    write_json(file, settings)


if __name__ == "__main__":
    main()
