"""What the encoder that comes with soritune is worth: its weights beside random ones, on real speech.

    python benchmarks/bundled_encoder.py --output exp/bundled --jobs 16                # everything, on a GPU
    python benchmarks/bundled_encoder.py --output exp/bundled --only real --seeds 0    # a part of it
    python benchmarks/bundled_encoder.py --output exp/bundled --deadline-s 300 --stop-s 340
    python benchmarks/bundled_encoder.py --output exp/bundled --summary                # only the tables again

$SORITUNE_DATA is the folder with the corpora. Everything is done by soritune's own commands, one process a run,
`--jobs` of them side by side with one thread each. A run that is finished is not done again, and a cross-validation
that was cut goes on after its last finished fold. After `--deadline-s` no run is begun, at `--stop-s` those under way
are ended; either way the summary is made of what is there and names what is missing. Runs go seed by seed, the longest
first (--longest-first: of all seeds). An output folder belongs to one set of settings.

Compared are two starts with the same recipe, the same budget and everything trained, the convolutional front end too:
`encoder`, the bundle (with its phoneme head where phones are learnt), and `random`, the same architecture from random
weights. Nothing is selected: no speech is held back for choosing, the number of epochs is fixed and the last averaged
weights are judged. The learning rates are those of the options below, not searched for on these corpora.

    zero-shot    `evaluate` of the bundle as it stands on ko_speech_selvas and pansori_tedxkr: PER. The phones are
                 derived from the text by the project's G2P, sound changes inside words only.
    real         `crossval`, 5 folds of speakers of both corpora together: PER, of all and of each corpus's speakers
                 (--corpora: trained on one corpus alone).
    emotion      `crossval`, one speaker of ko_emotion_selvas out at a time: UA, of all, of the text-neutral part em*
                 and of ne*. Beside the starts: `frozen`, the encoder untouched under a learnt sum of its layers, and
                 the baselines of emotion_baselines.py on the same folds.
    l2           `run` on the 47 training speakers of both folders of speechocean762, phones and error labels by CTC,
                 judged on the 16 speakers of their validation and test files: PER, error_… and mdd_…, beside the
                 guesses that need no listening. The encoder itself was trained on the English phones of those 47,
                 too; the 16 are strangers to both starts.
    adaptation   `crossval` of ko_speech_selvas: everything trained, LoRA r=16 on all layers, the head alone: PER,
                 weights trained, seconds, size of the bundle (adapters need their base beside it).
    timing       `train` on the first fold for each way of adaptation, after all other runs and alone on the machine:
                 seconds a step, and for the training at that pace (--timed-steps measures fewer).

Counts of a speaker are summed over the seeds, so a rate is that of all seeds together (for PER and UA the mean over
seeds). Intervals are 95 %, speakers resampled, and differences are paired over the speakers, both by
soritune.metrics.bootstrap; only seeds that both sides have enter a difference.

Under `--output`: summary.json and summary.md; runs/<name>/ with scores.json, predictions/, splits, logs and record.json
(command, seconds, steps, weights trained); recipes/, data/ (manifests), logs/. Checkpoints and bundles are deleted as
soon as a run is judged (--keep-weights leaves them): most of these corpora are for research only.
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
        "--corpora", nargs="+", choices=(*CORPORA, BOTH), default=[BOTH], help="of zero-shot and real"
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument(
        "--longest-first", action="store_true", help="not seed by seed: sooner over, where all of it fits"
    )
    parser.add_argument("--deadline-s", type=float, help="no run is begun after so many seconds")
    parser.add_argument("--stop-s", type=float, help="runs under way are ended after so many seconds")
    parser.add_argument("--summary", action="store_true", help="run nothing, make the tables again")
    parser.add_argument("--keep-weights", action="store_true")
    group = parser.add_argument_group("trainings")
    group.add_argument("--folds", type=int, default=5, help="of the phone corpora")
    group.add_argument("--emotion-folds", type=int, help="one speaker out at a time by default")
    group.add_argument("--epochs", type=int, default=30)
    group.add_argument("--emotion-epochs", type=int, default=12)
    group.add_argument("--l2-epochs", type=int, default=15)
    group.add_argument("--rate", type=float, default=5e-4, help="phones: peak rate of the encoder")
    group.add_argument("--emotion-rate", type=float, default=3e-4)
    group.add_argument("--l2-rate", type=float, default=5e-4)
    group.add_argument("--lora-rate", type=float, default=2e-3)
    group.add_argument("--head-rate", type=float, default=1e-3, help="of heads, beside a trained encoder")
    group.add_argument("--frozen-head-rate", type=float, default=2e-3, help="of heads on a frozen encoder")
    group.add_argument(
        "--emotion-layer", default="last", help="what the emotion head reads: last or weighted"
    )
    group.add_argument("--schedule", default="linear", choices=["linear", "cosine", "one_cycle"])
    group.add_argument("--warmup-share", type=float, default=0.1)
    group.add_argument("--ema", type=float, default=0.99)
    group.add_argument("--dropout", type=float, default=0.1)
    group.add_argument("--padded-seconds", type=float, default=40.0, help="of a batch, phones")
    group.add_argument("--emotion-padded-seconds", type=float, default=40.0)
    group.add_argument("--l2-padded-seconds", type=float, default=40.0)
    group.add_argument("--workers", type=int, default=0, help="loader processes of a run")
    group.add_argument("--precision", default="auto")
    group.add_argument("--device", default="auto")
    group.add_argument("--max-steps", type=int, help="of every training, to try the script")
    group.add_argument("--timed-steps", type=int, help="of the timed trainings; all of them by default")
    asked = parser.parse_args()
    began = time.monotonic()
    try:
        load_bundle(asked.encoder)
    except BundleError as error:
        sys.exit(str(error))
    if Path(asked.encoder).is_dir():
        asked.encoder = str(Path(asked.encoder).resolve())
    work = asked.output.resolve()
    work.mkdir(parents=True, exist_ok=True)
    refuse_other_settings(asked, work)
    runs = runs_of(asked, work)
    queue = Queue(work, asked, began)
    if not asked.summary:
        queue.all(runs)
        if "timing" in asked.only:
            queue.timing()
    print(summarise(work, runs, queue, asked))


def refuse_other_settings(asked: argparse.Namespace, work: Path) -> None:
    """Runs of other settings are not to be mixed with those that an output folder holds."""
    free = (
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
    own = {key: value for key, value in vars(asked).items() if key not in (*free, "workers", "device")}
    file = work / "settings.json"
    begun = json.loads(file.read_text("utf-8")) if file.exists() else own
    differing = [key for key, value in own.items() if begun.get(key) != value]
    if differing:
        sys.exit(f"{work} was begun with other settings of {', '.join(differing)}; choose another --output")
    write_json(file, own)


if __name__ == "__main__":
    main()
