"""`child-phoneme-full` on a packed corpus, by two processes that are killed inside an epoch and started again."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import write_tones
from tests.training.launching import Toy, events, rows_seen, state_of

from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.packed.pack import pack
from soritune.corpus.splitting.splits import load_splits
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow(seconds=60)
KILLED_AT = 10
THIN = [
    "data.source=manifest",
    "split.given=null",
    "split.stratify=[]",
    "split.ratios={train: 0.6, val: 0.2, test: 0.2}",
    "model.encoder=none",
    "model.random_weights=true",
    "batches.batch_size=2",
    "batches.num_workers=2",
    "train.device=cpu",
    "train.threads=1",
    "train.warmup_steps=2",
    "train.evaluate_every_steps=4",
    "train.validation_sample=4",
    "train.save_every_steps=3",
    "evaluate.resamples=100",
]
"""An encoder of as many layers as the recipe's adapters name, and the numbers of steps that a small corpus needs."""


def test_two_killed_processes_resume_the_full_recipe_inside_an_epoch(tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()
    rows = write_tones(tmp_path / "loose")
    loose = write_manifest(tmp_path / "loose" / "manifest.parquet", rows, root=tmp_path / "loose")
    packed = pack(loose, tmp_path / "packed", rows_per_shard=10, workers=1)
    assert packed.num_shards == 4
    architecture = tiny_config(norm="layer", layers=24)
    toy = Toy(tmp_path, {})
    words = ["run", "child-phoneme-full", f"data={tmp_path / 'packed' / 'manifest.parquet'}", "-o", "full"]
    words += [*THIN, *(f"model.architecture.{name}={value}" for name, value in architecture.items())]

    killed = toy.run(
        words,
        2,
        seen="before",
        sabotage={"rank": "all", "what": "at_step", "done": KILLED_AT, "signal_number": 9},
    )
    assert killed.code != 0
    run = toy.folder / "full"
    assert (run / "checkpoints").exists(), killed.err
    saved = state_of(run)["step"]
    assert saved == 9
    resumed = toy.run([*words, "--resume"], 2, seen="after")
    assert resumed.code == 0, resumed.err

    manifest = load_manifest(run / "checked.parquet")
    splits = load_splits(run / "splits.parquet")
    train = splits.indices(manifest, "train").tolist()
    before, after = (rows_seen(toy.folder / name, 2) for name in ("before", "after"))
    steps = {step: rows for (_, step), rows in before.items() if step < saved}
    assert sorted(step for _, step in after) == list(range(saved, len(steps) + len(after)))
    steps |= {step: rows for (_, step), rows in after.items()}
    per_epoch = len(steps) // 3
    assert per_epoch * 3 == len(steps) and saved % per_epoch and KILLED_AT % per_epoch  # inside an epoch
    for epoch in range(3):
        visited = [
            row
            for step in range(epoch * per_epoch, (epoch + 1) * per_epoch)
            for rows in steps[step]
            for row in rows
        ]
        assert sorted(visited) == train
    assert {event["rows"] for event in events(run, "evaluate")} == {4}  # the sample
    assert [event["rows"] for event in events(run, "evaluate_all")] == [len(splits.indices(manifest, "val"))]
    assert len(splits.indices(manifest, "val")) > 4
    assert all(path.startswith("shards/shard-0") for path in manifest.column("audio").to_pylist())
    assert (run / "scores.json").is_file()
