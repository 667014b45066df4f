"""A corpus of 1.77 million rows is planned, resumed inside an epoch and split: how long does it take, and how well?

    OMP_NUM_THREADS=1 python benchmarks/full_size_rows.py [--rows 1771800] [--only plan] [--rounds 3]

The rows are those of `subset.py`, with texts; their audio is a stretch of one file of noise. Every figure is that of a
process of its own, after its imports. Memory is what the process needs more than before, at its highest point.

    plan          reads the lengths and plans an epoch with 160 padded seconds per micro-batch
    restore       the same in a fresh process for the state (epoch, step); gives the next 50 micro-batches
    uninterrupted all micro-batches of the epoch up to there and the next 50, which must be those of `restore`
    split         `soritune split`, whole speakers, by age, SNR, length, gender, beside the best of --draws random ones
    first_step    `soritune train` on a toy encoder until the first step is logged: everything that a training reads
    first_batch   with --packed: a fresh process until its first micro-batch of 160 padded seconds is there as tensors:
                  it imports, opens a manifest of --rows rows, plans an epoch, reads and decodes real clips. The
                  folder is one of `soritune pack`, whose rows are repeated; its shards leave the page cache before
    lhotse        (peer) the same rows as lazy cuts, DynamicBucketingSampler with 50 buckets, all of an epoch
    group_by_length (peer) lengths as a list, and the order of Hugging Face's length-grouped sampler

Peers that are not installed are left out. `--peer-python` is an interpreter that has lhotse.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import soundfile
import yaml
from packed_corpus import drop_from_cache
from subset import FIELDS, population

from soritune.corpus.manifest import SCHEMA, Manifest, copy_manifest, load_manifest
from soritune.corpus.splitting.speaker_subset import Population
from soritune.corpus.splitting.splits import SPLITS, load_splits
from soritune.testing import tiny_config
from soritune.training.batches.config import BatchSettings
from soritune.training.batches.plan import EpochPlan, plan_epoch

SECONDS = 160.0
RATIOS = {"train": 0.9, "val": 0.05, "test": 0.05}
STATE = {"epoch": 1, "share": 0.4}
"""A training was interrupted here: in the second epoch, after this share of its micro-batches."""
NEXT = 50
SENTENCES = 20_000
AUDIO_S = 20.0


def make_corpus(folder: Path, rows: int, speakers: int, seed: int) -> Manifest:
    """The manifest on disk, with one recording."""
    rng = np.random.default_rng(seed)
    soundfile.write(folder / "noise.flac", 0.1 * rng.standard_normal(int(AUDIO_S * 16000)), 16000)
    letters = np.array(list("가나다라마바사아자차카타파하고노도로모보소오조"))
    sentences = ["".join(rng.choice(letters, length)) for length in rng.integers(3, 15, SENTENCES)]
    table = population(rows, speakers, seed).table()
    given = {
        "audio": pa.array(["noise.flac"]).take(pa.array(np.zeros(rows, dtype=np.int64))),
        "start_s": pa.array(np.zeros(rows)),
        "sample_rate_hz": pa.array(np.full(rows, 16000, dtype=np.int32)),
        "text": pa.array(sentences).take(pa.array(rng.integers(0, SENTENCES, rows))),
    }
    columns = [given[name] if name in given else table.column(name) for name in SCHEMA.names]
    corpus = Manifest(None, folder, table=pa.table(columns, schema=SCHEMA))
    return copy_manifest(folder / "corpus.parquet", corpus)


@contextmanager
def added_memory(result: dict[str, float]) -> Iterator[None]:
    """Puts the seconds (also of the processor), and the MiB between the memory now and the highest point inside, into
    `result`."""
    Path("/proc/self/clear_refs").write_text("5")  # the highest point so far is forgotten
    before, started, processor = _status("VmRSS"), time.perf_counter(), time.process_time()
    yield
    result["seconds"], result["cpu_s"] = time.perf_counter() - started, time.process_time() - processor
    result["added_mib"] = (_status("VmHWM") - before) / 1024


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {name}")


def planned(corpus: Path, epoch: int) -> EpochPlan:
    durations_s = load_manifest(corpus).durations_s
    settings = BatchSettings(padded_seconds=SECONDS, micro_batches_per_step=2)
    return plan_epoch(np.arange(len(durations_s)), durations_s, settings, seed=7, epoch=epoch)


def digest(batches: list[Any]) -> str:
    return hashlib.sha256(b"".join(rows.astype("<i8").tobytes() + b"|" for rows in batches)).hexdigest()[:16]


def plan(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with added_memory(result):
        load_started = time.perf_counter()
        durations_s = load_manifest(folder / "corpus.parquet").durations_s
        result["reading_s"] = time.perf_counter() - load_started
        settings = BatchSettings(padded_seconds=SECONDS, micro_batches_per_step=2)
        epoch = plan_epoch(np.arange(len(durations_s)), durations_s, settings, seed=7)
    result["planning_s"] = result["seconds"] - result["reading_s"]
    return {**result, "padding": 100 * epoch.padding_share, "micro_batches": epoch.num_micro_batches}


def restore(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with added_memory(result):
        epoch = planned(folder / "corpus.parquet", STATE["epoch"])
        first = int(STATE["share"] * epoch.num_micro_batches)
        batches = [epoch.micro_batch(first + number) for number in range(NEXT)]
    return {**result, "next": digest(batches)}


def uninterrupted(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with added_memory(result):
        epoch = planned(folder / "corpus.parquet", STATE["epoch"])
        first = int(STATE["share"] * epoch.num_micro_batches)
        batches = [epoch.micro_batch(number) for number in range(first + NEXT)]
    return {**result, "next": digest(batches[first:])}


def split(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    ratios = ",".join(str(RATIOS[name]) for name in SPLITS)
    command = [sys.executable, "-m", "soritune", "split", folder / "corpus.parquet", "--by", "speaker"]
    command += ["--stratify", ",".join(FIELDS), "--ratios", ratios, "--out", folder / "splits.parquet"]
    started = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stderr)
    manifest = load_manifest(folder / "corpus.parquet")
    codes = [load_splits(folder / "splits.parquet").indices(manifest, name) for name in SPLITS]
    everyone = Population.of(manifest, FIELDS)
    masks = []
    for rows in codes:
        inside = np.zeros(len(everyone.speakers), dtype=bool)
        inside[np.unique(everyone.speakers.codes[rows])] = True
        masks.append(inside)
    shared = sum(int((a & b).sum()) for n, a in enumerate(masks) for b in masks[n + 1 :])
    rng, best, nearest_hours = np.random.default_rng(options.seed), np.inf, np.inf
    edges = np.cumsum([RATIOS[name] for name in SPLITS])[:-1]
    for _ in range(options.draws):
        order = rng.permutation(len(everyone.speakers))
        part = np.searchsorted(edges, np.cumsum(everyone.units[order, 0]) / everyone.units[:, 0].sum())
        drawn = [np.isin(np.arange(len(order)), order[part == number]) for number in range(3)]
        best = min(best, distance(everyone, drawn))
        nearest_hours = min(nearest_hours, hours_off(everyone, drawn))
    return {
        "seconds": seconds,
        "speakers_in_two_splits": shared,
        "hours_off_percent": hours_off(everyone, masks),
        "strata_off_points": max(strata_off(everyone, inside) for inside in masks),
        "distance": distance(everyone, masks),
        "best_of_random": best,
        "best_hours_of_random_percent": nearest_hours,
        "draws": options.draws,
    }


def distance(everyone: Population, masks: list[Any]) -> float:
    """Total variation distance from the corpus, averaged over fields and splits."""
    return float(np.mean([value for inside in masks for value in everyone.distances(inside).values()]))


def hours_off(everyone: Population, masks: list[Any]) -> float:
    """Largest difference of a split's hours from its share, in percent of that share."""
    hours = np.array([everyone.units[inside, 0].sum() for inside in masks]) / everyone.hours
    wanted = np.array([RATIOS[name] for name in SPLITS])
    return float(100 * np.abs(hours / wanted - 1).max())


def strata_off(everyone: Population, inside: Any) -> float:
    """Largest difference between a split's share of a stratum and the corpus's, in points."""
    sums = everyone.units[inside].sum(axis=0)
    return float(100 * np.abs(sums[1:] / sums[0] - everyone.shares).max())


def first_step(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds from the start of the process to its first step, and the sections of its log until then."""
    run = folder / "run"
    if not run.exists():
        run.mkdir()
        manifest = load_manifest(folder / "corpus.parquet")
        copy_manifest(run / "checked.parquet", manifest)
        if not (folder / "splits.parquet").exists():
            split(folder, options)
    recipe = {
        "name": "full-size",
        "data": {"root": str(folder / "corpus.parquet"), "source": "manifest"},
        "tasks": {"phoneme": {}},
        "model": {"encoder": "none", "random_weights": True, "architecture": tiny_config(norm="layer")},
        "batches": {"padded_seconds": SECONDS, "num_workers": 2},
        "augment": {"speed": {}, "spec_augment": {}},
        "train": {
            "device": "cpu", "epochs": 3, "learning_rate": 1e-4, "validation_sample": 20,
            "evaluate_every_steps": 100_000, "log_every_steps": 1, "tensorboard": False,
        },
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "soritune", "train", str(folder / "recipe.yaml"), "--output", str(run)]
    command += ["--manifest", str(run / "checked.parquet"), "--splits", str(folder / "splits.parquet")]
    log = run / "train.jsonl"
    log.unlink(missing_ok=True)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    started = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds, processor = None, 0.0
    while process.poll() is None and seconds is None:
        time.sleep(0.05)
        if log.exists() and '"event": "step"' in log.read_text(encoding="utf-8"):
            seconds = time.perf_counter() - started
            for each in (process, *process.children(recursive=True)):
                processor += sum(each.cpu_times()[:2])
    process.kill()
    _, errors = process.communicate()
    if seconds is None:
        sys.exit(errors.decode() or "the training ended before its first step")
    return {"seconds": seconds, "cpu_s": processor}


_FIRST_BATCH = """
import json, sys, time
from functools import partial
import numpy as np
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import load_manifest
from soritune.draws import Draws
from soritune.geometry import frames_of
from soritune.tasks.task import make_task
from soritune.training.batches.collate import Collator
from soritune.training.batches.config import BatchSettings
from soritune.training.batches.loader import load_batches
from soritune.training.batches.plan import plan_epoch
imported = time.process_time()
manifest = load_manifest(sys.argv[1])
settings = BatchSettings(padded_seconds=float(sys.argv[2]), micro_batches_per_step=2)
plan = plan_epoch(np.arange(len(manifest)), manifest.durations_s, settings, seed=7)
frames = partial(frames_of, kernels=(10,), strides=(320,))
collator = Collator(manifest, (make_task("phoneme", {}),), Preprocessing(), num_frames=frames, hidden_size=8)
batch = next(iter(load_batches(plan, collator, Draws(7, 0, 0), range(plan.num_micro_batches), num_workers=0)))
clips, samples = batch.inputs["waveform"].shape
print(json.dumps({"cpu_s": time.process_time(), "imports_cpu_s": imported, "rows": len(manifest), "clips": clips,
                  "padded_audio_s": clips * samples / 16000}), flush=True)
"""


def first_batch(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds from the start of the process to its first batch of real clips."""
    if options.packed is None:
        sys.exit("give --packed, a folder of `soritune pack`, whose rows are repeated")
    store = folder / "packed.parquet"
    if not store.exists():
        packed = load_manifest(options.packed / "manifest.parquet")
        again = pa.array(np.arange(options.rows) % len(packed))
        given = {"id": pa.array([f"row-{number}" for number in range(options.rows)])}
        columns = [given[name] if name in given else packed.column(name).take(again) for name in SCHEMA.names]
        copy_manifest(store, Manifest(None, packed.root, table=pa.table(columns, schema=SCHEMA)))
    drop_from_cache(sorted((options.packed / "shards").glob("*.arrow")))
    command = [sys.executable, "-W", "ignore", "-c", _FIRST_BATCH, str(store), str(SECONDS)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    seconds = time.perf_counter() - started
    _, errors = process.communicate()
    if not line:
        sys.exit(errors or "the process ended before its first batch")
    return {"seconds": seconds, **json.loads(line)}


def write_cuts(folder: Path) -> Path:
    path = folder / "cuts.jsonl.gz"
    if not path.exists():
        with gzip.open(path, "wt", compresslevel=1) as stream:
            for number, seconds in enumerate(load_manifest(folder / "corpus.parquet").durations_s.tolist()):
                cut = {"id": str(number), "start": 0, "duration": seconds, "channel": 0, "type": "MonoCut"}
                stream.write(json.dumps(cut) + "\n")
    return path


_LHOTSE = """
import json, sys, time
from lhotse import CutSet
from lhotse.dataset import DynamicBucketingSampler
def sampler():
    cuts = CutSet.from_jsonl_lazy(sys.argv[1])
    return DynamicBucketingSampler(cuts, max_duration=float(sys.argv[2]), num_buckets=50, shuffle=True, drop_last=False)
started = time.perf_counter()
count = cuts = 0
speech = padded = 0.0
state = None
for batch in (made := sampler()):
    count += 1
    cuts += len(batch)
    lengths = [cut.duration for cut in batch]
    speech, padded = speech + sum(lengths), padded + max(lengths) * len(lengths)
seconds = time.perf_counter() - started
cpu_s = time.process_time()
result = {"seconds": seconds, "cpu_s": cpu_s, "micro_batches": count, "rows": cuts}
print(json.dumps({**result, "padding": 100 * (1 - speech / padded)}))
"""


def lhotse(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    words = [options.peer_python, "-W", "ignore", "-c", _LHOTSE, str(write_cuts(folder)), str(SECONDS)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def group_by_length(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    from transformers.trainer_pt_utils import LengthGroupedSampler

    result: dict[str, Any] = {}
    with added_memory(result):
        lengths = load_manifest(folder / "corpus.parquet").column("duration_s").to_pylist()
        order = list(LengthGroupedSampler(22, lengths=lengths))
    sizes = np.asarray(lengths)[np.asarray(order)[: len(order) // 22 * 22]].reshape(-1, 22)
    result["padding"] = 100 * (1 - sizes.sum() / (22 * sizes.max(axis=1).sum()))
    return result


ARMS: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "plan": plan,
    "restore": restore,
    "uninterrupted": uninterrupted,
    "split": split,
    "first_step": first_step,
    "first_batch": first_batch,
    "lhotse": lhotse,
    "group_by_length": group_by_length,
}
ONCE = ("uninterrupted", "lhotse")


def measure(folder: Path, options: argparse.Namespace, names: list[str]) -> dict[str, Any]:
    """Medians over the rounds; the arms take turns."""
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    missing: set[str] = set()
    for number in range(options.rounds):
        for name in names:
            if name in missing or (number and name in ONCE):
                continue
            words = [
                sys.executable,
                "-W",
                "ignore",
                __file__,
                *sys.argv[1:],
                "--arm",
                name,
                "--folder",
                str(folder),
            ]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                missing.add(name)
                print(
                    f"{name}: left out ({(done.stderr.strip() or 'no message').splitlines()[-1]})", flush=True
                )
                continue
            rounds[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{name}, round {number + 1}: {json.dumps(rounds[name][-1])}", flush=True)
    results = {}
    for name, values in rounds.items():
        if values:
            results[name] = {
                key: statistics.median(each[key] for each in values) if isinstance(value, float) else value
                for key, value in values[0].items()
            }
            print(
                name,
                json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in results[name].items()}),
            )
    return results


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_771_800)
    parser.add_argument("--speakers", type=int, default=1650)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=ARMS, nargs="+", default=list(ARMS))
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has lhotse")
    parser.add_argument(
        "--packed", type=Path, help="folder of `soritune pack` with real clips, for first_batch"
    )
    parser.add_argument("--json", type=Path, help="write the results")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm is not None:
        print(json.dumps(ARMS[options.arm](options.folder, options)))
        return 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as name:
        manifest = make_corpus(Path(name), options.rows, options.speakers, options.seed)
        print(f"{len(manifest):,} rows, {manifest.hours:,.0f} h, {options.speakers:,} speakers", flush=True)
        results = measure(Path(name), options, options.only)
    if "restore" in results and "uninterrupted" in results:
        same = results["restore"]["next"] == results["uninterrupted"]["next"]
        print(f"the next {NEXT} micro-batches after restoring are {'the same' if same else 'OTHERS'}")
    if "lhotse" in results and "plan" in results:
        print(
            f"planning: {results['lhotse']['seconds'] / results['plan']['seconds']:.0f} x faster than lhotse"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
