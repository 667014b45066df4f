"""Training batches from a packed corpus: the same as from loose files, on any processes, after any interruption."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.training.parts import phases_of

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.packed.pack import pack
from soritune.corpus.utterance import Utterance
from soritune.errors import TrainingError
from soritune.training.devices import make_accelerator
from soritune.training.epochs import Epochs, shards_of
from soritune.training.run import TrainingRun

ROWS, EPOCHS = 120, 3


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(ROWS):
        seconds = float(rng.uniform(0.15, 0.6))
        samples = rng.integers(-9000, 9000, round(seconds * 16000), dtype=np.int16)
        soundfile.write(folder / f"{number}.wav", samples, 16000)
        rows.append(
            Utterance(id=str(number), audio=f"{number}.wav", duration_s=len(samples) / 16000, text="가나다")
        )
    loose = write_manifest(folder / "manifest.parquet", rows, root=folder)
    return pack(loose, folder / "packed", rows_per_shard=10, workers=1).manifest


FEEDER = """
import json, os, sys
from functools import partial
from pathlib import Path
import numpy as np
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import load_manifest
from soritune.draws import Draws
from soritune.geometry import frames_of
from soritune.recipe import make_task
from soritune.training.batches.collate import Collator
from soritune.training.batches.config import BatchSettings
from soritune.training.batches.loader import load_batches
from soritune.training.batches.plan import plan_epoch
from soritune.training.epochs import shards_of

PER_STEP, EPOCHS = 4, 3
manifest, folder = load_manifest(sys.argv[1]), Path(sys.argv[2])
settings = BatchSettings(padded_seconds=1.5, micro_batches_per_step=PER_STEP, order="shard_window", window_shards=3)
frames = partial(frames_of, kernels=(10,), strides=(320,))
collator = Collator(manifest, (make_task("phoneme", {}),), Preprocessing(), num_frames=frames, hidden_size=8)
shards = shards_of(manifest)


def plan(epoch):
    return plan_epoch(
        np.arange(len(manifest)), manifest.durations_s, settings, seed=7, epoch=epoch, shards=shards
    )


def feed(ranks, workers):
    log = folder / f"{ranks}-{workers}.jsonl"
    done = [json.loads(line)[:2] for line in log.read_text().splitlines() if line.endswith("]")] if log.exists() else []
    first_epoch, first_step = (done[-1][0], done[-1][1] + 1) if done else (0, 0)
    with log.open("a") as stream:
        for epoch in range(first_epoch, EPOCHS):
            current, first = plan(epoch), first_step if epoch == first_epoch else 0
            steps = range(first, current.num_steps)
            loaders = [
                load_batches(
                    current,
                    collator,
                    Draws(7, 0, epoch),
                    [step * PER_STEP + j for step in steps for j in range(rank, PER_STEP, ranks)],
                    num_workers=workers,
                )
                for rank in range(ranks)
            ]
            for step in steps:
                of_ranks = []
                for loader in loaders:
                    batches = [next(loader) for _ in range(PER_STEP // ranks)]
                    assert not any(batch.failed for batch in batches)
                    of_ranks.append([int(row) for batch in batches for row in batch.rows])
                stream.write(json.dumps([epoch, step, of_ranks]) + "\\n")
                stream.flush()
            assert all(next(loader, None) is None for loader in loaders)  # equal steps


if __name__ == "__main__":
    for ranks in (1, 2, 4):
        for workers in (0, 2):
            feed(ranks, workers)
    print("done")
"""


def lines_in(folder: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in folder.glob("*.jsonl"))


@pytest.mark.slow(seconds=45)
@pytest.mark.skipif(sys.platform != "linux", reason="kills processes")
def test_processes_share_every_epoch_exactly_with_kills_in_between(packed: Manifest, tmp_path: Path) -> None:
    script = tmp_path / "feeder.py"
    script.write_text(FEEDER, encoding="utf-8")
    logs = tmp_path / "logs"
    logs.mkdir()
    rng = random.Random(1)
    kills = 0
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, str(script), str(packed.path), str(logs)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        if kills == 3:
            printed, _ = process.communicate(timeout=240)
            assert printed == "done\n"
            break
        goal = lines_in(logs) + rng.randint(5, 60)
        began = time.monotonic()
        while process.poll() is None and lines_in(logs) < goal and time.monotonic() - began < 120:
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills == 3
    for ranks in (1, 2, 4):
        orders = []
        for workers in (0, 2):
            lines = [
                json.loads(line) for line in (logs / f"{ranks}-{workers}.jsonl").read_text().splitlines()
            ]
            steps: dict[int, list[int]] = defaultdict(list)
            seen: dict[int, list[int]] = defaultdict(list)
            for epoch, step, of_ranks in lines:
                assert len(of_ranks) == ranks
                steps[epoch].append(step)
                seen[epoch] += [row for rows in of_ranks for row in rows]
            assert sorted(steps) == list(range(EPOCHS))
            for epoch in range(EPOCHS):
                assert steps[epoch] == list(range(len(steps[epoch])))  # none twice, none left out
                assert sorted(seen[epoch]) == list(range(ROWS))  # complete, and no row for two processes
            orders.append(lines)
        assert orders[0] == orders[1]
    rows_of_steps = []
    for ranks in (1, 2, 4):
        lines = [json.loads(line) for line in (logs / f"{ranks}-0.jsonl").read_text().splitlines()]
        rows_of_steps.append([sorted(row for rows in of_ranks for row in rows) for _, _, of_ranks in lines])
    # A step has the same rows on any number of processes.
    assert rows_of_steps[0] == rows_of_steps[1] == rows_of_steps[2]


def test_batches_are_those_of_the_loose_files(packed: Manifest, make_run: Callable[..., TrainingRun]) -> None:
    assert packed.path is not None
    folder = packed.path.parent.parent
    rows = [replace(row, audio=f"{row.id}.wav") for row in packed]
    loose = write_manifest(folder / "loose.parquet", rows, root=folder)
    batches = {}
    for name, manifest in (("loose", loose), ("packed", packed)):
        run = make_run(name, manifest=manifest, batches={"padded_seconds": 2.0, "num_workers": 0})
        epochs = Epochs(run, phases_of(run)[0])
        batches[name] = [
            batch for micro in epochs.load(0, 0, make_accelerator(run.settings)) for batch in micro
        ]
    assert len(batches["loose"]) > 4
    for one, other in zip(batches["loose"], batches["packed"], strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert all(np.array_equal(one.inputs[key], other.inputs[key]) for key in one.inputs)


def test_loose_files_have_no_windows(packed: Manifest, tones: Manifest) -> None:
    assert shards_of(packed).tolist() == [row // 10 for row in range(ROWS)]
    with pytest.raises(
        TrainingError, match="order=shard_window needs a packed corpus, but the audio of a row is"
    ):
        shards_of(tones)
