"""How fast recordings are read, decoded and fed to training, loose and packed, beside the disk, the decoder and peers.

    OMP_NUM_THREADS=1 python benchmarks/packed_corpus.py RECORDINGS [--hours 20] [--work FOLDER]

The recordings of a folder are repeated, each time as files of their own, until they last `--hours`: the size of the
store is real, its variety is not. A temporary folder, or `FOLDER`, gets them as FLAC at 16 kHz, as WAV at 48 kHz
(`--wav-hours`, 346 MB per hour), and packed by `soritune pack`; a second run uses what is in `FOLDER`. Every figure is
that of a process of its own, and the median of `--rounds`.

    limits    the disk (the shards in sequence, not in the page cache) and the decoder (FLAC bytes in memory, one core)
    reads     the bytes of random rows, without decoding, from the page cache and (cold) from the disk
    samples   random rows as 16 kHz float32 by `read_audio`, one process
    feed      micro-batches of training by `load_batches`: seconds of audio per second, and per second of a core; the
              figure of the cores includes the workers
    peers     `librosa.load` in an IterableDataset, and `datasets` of Hugging Face on the shards, both in torch's
              DataLoader, without padding (extra `peers`; left out where they are not installed)
    memory    growth of the resident set of a process that reads every row, per epoch; and the highest sum of the
              proportional sets of a feed and its workers in each of five epochs

A cold figure drops the files from the page cache by posix_fadvise before the process starts; the cache of a virtual
disk's host is out of reach.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from soritune.audio.audio_store import STORE
from soritune.audio.files import find_audio
from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.packed.pack import pack
from soritune.corpus.packed.shard_writer import int16_samples
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError
from soritune.training.batches.config import BatchSettings
from soritune.training.batches.plan import EpochPlan, plan_epoch

RATE = 16000
KINDS = ("wav48", "flac", "packed")
EPOCHS = 5
"""Epochs over which the memory of the feed is compared."""
NUM_CLIPS = 400
"""Clips in memory for the limit of the decoder."""


def manifest_of(work: Path, kind: str) -> Manifest:
    return load_manifest(work / kind / "manifest.parquet")


def make_corpus(recordings: Path, work: Path, hours: float, wav_hours: float) -> None:
    """The loose files and the shards, as far as they are not there."""
    clips = []
    for file in find_audio(recordings):
        try:
            clips.append(int16_samples(read_audio(file, sample_rate_hz=RATE))[0])
        except AudioError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not clips:
        sys.exit(f"{recordings} has no recording that can be read")
    minutes = sum(map(len, clips)) / RATE / 60
    print(f"{len(clips)} recordings, {minutes:.1f} minutes, repeated to {hours:g} h")
    for kind, lasts in (("flac", hours), ("wav48", wav_hours)):
        target = work / kind / "manifest.parquet"
        if not target.is_file():
            write_manifest(target, files_of(work / kind, clips, kind, lasts), root=work / kind)
    started = time.perf_counter()
    packed = pack(manifest_of(work, "flac"), work / "packed")
    if packed.num_new:
        seconds = time.perf_counter() - started
        print(
            f"packed {packed.seconds / 3600:.1f} h in {seconds:.0f} s: {packed.seconds / seconds:,.0f} audio-s/s"
        )


def files_of(folder: Path, clips: list[Any], kind: str, hours: float) -> Iterator[Utterance]:
    total, number = 0.0, 0
    while total < hours * 3600:
        samples = clips[number % len(clips)]
        name = f"{number // 1000:03d}/{number % 1000:03d}.{'wav' if kind == 'wav48' else 'flac'}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if kind == "wav48":
            soundfile.write(folder / name, soxr.resample(samples, RATE, 48000), 48000, subtype="PCM_16")
        else:
            soundfile.write(folder / name, samples, RATE, subtype="PCM_16")
        yield Utterance(id=f"{kind}-{number}", audio=name, duration_s=len(samples) / RATE, text="가")
        total, number = total + len(samples) / RATE, number + 1


def files_behind(work: Path, kind: str) -> list[Path]:
    manifest = manifest_of(work, kind)
    if kind == "packed":
        return sorted((work / kind / "shards").glob("*.arrow"))
    return [manifest.root / name for name in manifest.column("audio").to_pylist()]


def drop_from_cache(files: list[Path]) -> None:
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def rows_in_random_order(manifest: Manifest, count: int, seed: int) -> list[Utterance]:
    order = np.random.default_rng(seed).permutation(len(manifest))[:count]
    return list(manifest.utterances(order))


def cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def disk(work: Path, rows: int, seed: int) -> dict[str, float]:
    started, size = time.perf_counter(), 0
    for file in files_behind(work, "packed"):
        with file.open("rb", buffering=0) as stream:
            while block := stream.read(8 << 20):
                size += len(block)
    return {"MB/s": size / 1e6 / (time.perf_counter() - started)}


def decoder(work: Path, rows: int, seed: int) -> dict[str, float]:
    manifest = manifest_of(work, "packed")
    chosen = rows_in_random_order(manifest, min(rows, NUM_CLIPS), seed)
    contents = [content_of(manifest, row) for row in chosen]
    before = time.process_time()
    seconds = sum(len(soundfile.read(io.BytesIO(content), dtype="float32")[0]) for content in contents) / RATE
    lasts = time.process_time() - before
    return {"clips/s per core": len(contents) / lasts, "audio-s/s per core": seconds / lasts}


def content_of(manifest: Manifest, row: Utterance) -> bytes:
    path = manifest.root / row.audio
    if path.is_file():
        return path.read_bytes()
    found = STORE.find(path)
    content = None if found is None else found.content
    assert content is not None, path
    return content


def reads(work: Path, rows: int, seed: int, *, kind: str) -> dict[str, float]:
    manifest = manifest_of(work, kind)
    chosen = rows_in_random_order(manifest, rows, seed)
    started, before, size = time.perf_counter(), time.process_time(), 0
    for row in chosen:
        size += len(content_of(manifest, row))
    wall, cpu = time.perf_counter() - started, time.process_time() - before
    return {"reads/s": len(chosen) / wall, "reads/s per core": len(chosen) / cpu, "MB/s": size / 1e6 / wall}


def samples(work: Path, rows: int, seed: int, *, kind: str) -> dict[str, float]:
    manifest = manifest_of(work, kind)
    chosen = rows_in_random_order(manifest, rows, seed)
    started, before, count = time.perf_counter(), time.process_time(), 0
    for row in chosen:
        count += len(read_audio(manifest.audio_path(row)))
    wall, cpu = time.perf_counter() - started, time.process_time() - before
    return {
        "audio-s/s": count / RATE / wall,
        "audio-s/s per core": count / RATE / cpu,
        "clips/s": len(chosen) / wall,
    }


def feed(
    work: Path, rows: int, seed: int, *, kind: str, workers: int, order: str = "random"
) -> dict[str, float]:
    plan, manifest, indices = planned(work, rows, seed, kind, order)
    seconds = float(sum(manifest.durations_s[plan.micro_batch(index)].sum() for index in indices))
    return timed(lambda: iter(batches_of(work, rows, seed, workers, order, kind=kind)), seconds)


def planned(
    work: Path, rows: int, seed: int, kind: str, order: str, epoch: int = 0
) -> tuple[EpochPlan, Manifest, list[int]]:
    """An epoch, and the micro-batches of it that have about `rows` rows."""
    from soritune.training.epochs import shards_of

    manifest = manifest_of(work, kind)
    settings = BatchSettings.model_validate({"padded_seconds": 160.0, "order": order})
    shards = shards_of(manifest) if order == "shard_window" else None
    everyone = np.arange(len(manifest))
    plan = plan_epoch(everyone, manifest.durations_s, settings, seed=seed, epoch=epoch, shards=shards)
    counts = np.cumsum([len(plan.micro_batch(index)) for index in range(plan.num_micro_batches)])
    return plan, manifest, list(range(int(np.searchsorted(counts, rows)) + 1))[: plan.num_micro_batches]


def batches_of(
    work: Path, rows: int, seed: int, workers: int, order: str, epoch: int = 0, *, kind: str = "packed"
) -> Iterator[Any]:
    """Batches of training, as its loader makes them."""
    from soritune.audio.preprocessing import Preprocessing
    from soritune.draws import Draws
    from soritune.geometry import frames_of
    from soritune.tasks.task import make_task
    from soritune.training.batches.collate import Collator
    from soritune.training.batches.loader import load_batches

    plan, manifest, indices = planned(work, rows, seed, kind, order, epoch)
    frames = partial(frames_of, kernels=(10,), strides=(320,))
    collator = Collator(
        manifest, (make_task("phoneme", {}),), Preprocessing(), num_frames=frames, hidden_size=8
    )
    return load_batches(plan, collator, Draws(seed, 0, epoch), indices, num_workers=workers)


def timed(make: Callable[[], Iterator[Any]], seconds: float) -> dict[str, float]:
    """Audio seconds per second of an iterator; its workers have ended before their time is read."""
    started, before = time.perf_counter(), cpu_seconds()
    for _ in make():
        pass
    wall = time.perf_counter() - started
    return {"audio-s/s": seconds / wall, "audio-s/s per core": seconds / (cpu_seconds() - before)}


def librosa_peer(work: Path, rows: int, seed: int, *, kind: str, workers: int) -> dict[str, float]:
    import librosa
    import torch

    manifest = manifest_of(work, kind)
    chosen = rows_in_random_order(manifest, rows, seed)
    paths = [str(manifest.root / row.audio) for row in chosen]

    class Files(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[Any]:
            info = torch.utils.data.get_worker_info()
            for path in paths[info.id :: info.num_workers] if info else paths:
                yield torch.from_numpy(librosa.load(path, sr=RATE)[0])

    librosa.load(paths[0], sr=RATE)  # compiles; processes that fork have the result
    seconds = sum(row.duration_s for row in chosen)
    return timed(
        lambda: iter(torch.utils.data.DataLoader(Files(), batch_size=None, num_workers=workers)), seconds
    )


def datasets_peer(work: Path, rows: int, seed: int, *, workers: int) -> dict[str, float]:
    import datasets
    import torch

    parts = [datasets.Dataset.from_file(str(file)) for file in files_behind(work, "packed")]
    corpus = datasets.concatenate_datasets(parts)
    order = np.random.default_rng(seed).permutation(len(corpus))[:rows].tolist()

    class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(order)

        def __getitem__(self, index: int) -> Any:
            return torch.from_numpy(
                soundfile.read(io.BytesIO(corpus[order[index]]["audio"]), dtype="float32")[0]
            )

    seconds = float(np.asarray(corpus.with_format("numpy")["duration_s"][:])[order].sum())
    return timed(
        lambda: iter(torch.utils.data.DataLoader(Rows(), batch_size=None, num_workers=workers)), seconds
    )


def memory(work: Path, rows: int, seed: int) -> dict[str, float]:
    import psutil

    manifest = manifest_of(work, "packed")
    chosen = rows_in_random_order(manifest, len(manifest), seed)
    sizes = []
    for _ in range(4):
        for row in chosen:
            content_of(manifest, row)
        sizes.append(psutil.Process().memory_info().rss / 2**20)
    return {"MiB after epoch 1": sizes[0], "MiB more per further epoch": (sizes[3] - sizes[0]) / 3}


def feed_memory(work: Path, rows: int, seed: int, *, workers: int, order: str) -> dict[str, float]:
    """Memory of this process and its workers at the end of each epoch; a page that they share counts once."""
    import psutil

    sizes: list[float] = []

    def together() -> float:
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        return sum(float(each.memory_full_info().pss) for each in family) / 2**20

    for epoch in range(EPOCHS):
        largest = 0.0
        for number, _ in enumerate(batches_of(work, rows, seed, workers, order, epoch)):
            if number % 20 == 0:
                largest = max(largest, together())
        sizes.append(largest)
    return {f"MiB in epoch {epoch + 1}": size for epoch, size in enumerate(sizes)}


def arms(workers: list[int]) -> dict[str, tuple[Callable[..., dict[str, float]], str, bool]]:
    """Name → function, the files that it reads, whether they are dropped from the page cache."""
    made: dict[str, tuple[Callable[..., dict[str, float]], str, bool]] = {
        "limit: disk, cold": (disk, "packed", True),
        "limit: decoder": (decoder, "packed", False),
    }
    for kind in ("flac", "packed"):
        made[f"reads: {kind}"] = (partial(reads, kind=kind), kind, False)
        made[f"reads: {kind}, cold"] = (partial(reads, kind=kind), kind, True)
    for kind in KINDS:
        made[f"samples: {kind}"] = (partial(samples, kind=kind), kind, False)
    for number in workers:
        for kind in KINDS:
            made[f"feed: {kind}, {number} workers"] = (partial(feed, kind=kind, workers=number), kind, False)
        for kind in ("wav48", "flac"):
            made[f"peer: librosa.load, {kind}, {number} workers"] = (
                partial(librosa_peer, kind=kind, workers=number),
                kind,
                False,
            )
        made[f"peer: datasets, packed, {number} workers"] = (
            partial(datasets_peer, workers=number),
            "packed",
            False,
        )
    most = max(workers)
    for order in ("random", "shard_window"):
        made[f"feed: packed, {most} workers, {order}, cold"] = (
            partial(feed, kind="packed", workers=most, order=order),
            "packed",
            True,
        )
    made["memory: reads"] = (memory, "packed", False)
    for number in workers:
        for order in ("random", "shard_window"):
            made[f"memory: feed, {number} workers, {order}"] = (
                partial(feed_memory, workers=number, order=order),
                "packed",
                False,
            )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, help="folder with recordings")
    parser.add_argument(
        "--work", type=Path, help="folder for the corpus, kept between runs; default: a temporary one"
    )
    parser.add_argument(
        "--hours", type=float, default=20.0, help="of the packed corpus and of the FLAC files"
    )
    parser.add_argument("--wav-hours", type=float, default=2.0, help="of the 48 kHz WAV files")
    parser.add_argument("--rows", type=int, default=3000, help="rows of a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--only", default="", help="arms whose name contains this")
    parser.add_argument("--json", type=Path, help="write the results")
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.arm is not None:
        print(json.dumps(arms(given.workers)[given.arm][0](given.work, given.rows, given.seed)))
        return
    if given.work is not None:
        measure(given, given.work)
        return
    with tempfile.TemporaryDirectory() as name:
        measure(given, Path(name))


def measure(given: argparse.Namespace, work: Path) -> None:
    """Prints every arm."""
    make_corpus(given.recordings, work, given.hours, given.wav_hours)
    results: dict[str, dict[str, float]] = {}
    for name, (_, kind, is_cold) in arms(given.workers).items():
        if given.only not in name:
            continue
        rounds = []
        for number in range(given.rounds):
            if is_cold:
                drop_from_cache(files_behind(work, kind))
            elif number == 0:
                for file in files_behind(work, kind):
                    file.read_bytes()
            words = [
                sys.executable,
                "-W",
                "ignore",
                __file__,
                *sys.argv[1:],
                "--work",
                str(work),
                "--arm",
                name,
                "--seed",
                str(number),
            ]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                reason = (done.stderr.strip() or "no message").splitlines()[-1]
                print(f"{name}: left out ({reason})")
                break
            rounds.append(json.loads(done.stdout.splitlines()[-1]))
        else:
            results[name] = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
            print(f"{name:45}" + "   ".join(f"{value:10,.1f} {key}" for key, value in results[name].items()))
    if given.json is not None:
        given.json.write_text(json.dumps(results))
        print(json.dumps(results))


if __name__ == "__main__":
    main()
