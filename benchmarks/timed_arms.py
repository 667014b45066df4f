"""Trainings that run in turns, for `train_epoch.py`: each in a process of its own, a stretch of its epoch at a time.

Taking turns cancels drift of a shared machine: other load, heat, clock. A stretch is timed inside the process, from the
"go" to the end of its last optimizer step; a first step to warm up and waiting for the turn are not counted. All sides
are stopped by the same hook, behind every optimizer step, whatever trainer calls it.

The first steps of an epoch in random order are a random sample of its steps. How much work they were is counted in
padded seconds, by a hook before the model; the epoch's time is theirs times the padded seconds of the whole epoch over
those measured. Those of the whole epoch are exact for ours (the plan is known) and for random batches the mean over
drawn orders.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

LORA = {"rank": 16, "alpha": 32, "dropout": 0.1, "targets": ["q_proj", "k_proj", "v_proj"]}
BASE = {"model_type": "wav2vec2"}
"""wav2vec2-base: the defaults of transformers' configuration, with a group norm in the feature encoder."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One training."""

    name: str
    kind: str
    """"ours" or "peer"."""
    frozen_layers: int = 0
    """Lowest transformer layers that are not trained."""
    freeze_call: bool = False
    """Peer: calls `freeze_feature_encoder()`."""
    without: str = ""
    """Ours: the part that is left out (ablation)."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all arms share."""

    corpus: str
    architecture: dict[str, Any] = field(default_factory=lambda: dict(BASE))
    utterances: int = 16
    """In a micro-batch; ours gets the same on the average, as a budget of seconds."""
    steps: int = 8
    chunks: int = 4
    threads: int = 2
    workers: int = 0
    profile: bool = False


class Turns:
    """One side of the turn-taking, inside an arm's process."""

    def __init__(self, connection: Connection, bench: Bench) -> None:
        self.connection, self.bench = connection, bench
        self.steps, self.chunk = -1, 0
        self.padded_samples = 0
        self.began = self.cpu = 0.0

    def watch(self, model: Any) -> None:
        """Waits for the first go where `model` is first called, and counts what it is given."""

        def before(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            if self.began == 0.0:
                self._await()
            self.padded_samples += (
                given[0] if given else named.get("waveform", named.get("input_values"))
            ).numel()

        model.register_forward_pre_hook(before, with_kwargs=True)

    def after_step(self) -> None:
        """Ends a stretch where one is over, and waits for the next. The first step is a warm-up and belongs to none."""
        self.steps += 1
        if self.steps == 0:
            give_memory_back()
            self.connection.send({})
            self._await()
        elif (
            self.chunk < self.bench.chunks
            and self.steps >= self.bench.steps * (self.chunk + 1) / self.bench.chunks
        ):
            self.chunk += 1
            took = time.perf_counter() - self.began, time.process_time() - self.cpu
            padded_s = self.padded_samples / 16000
            give_memory_back()
            self.connection.send(
                {"seconds": took[0], "cpu_s": took[1], "steps": self.steps, "padded_s": padded_s}
            )
            if self.chunk < self.bench.chunks:
                self._await()

    def _await(self) -> None:
        self.connection.recv()
        self.padded_samples = 0
        self.began, self.cpu = time.perf_counter(), time.process_time()


def run_arms(arms: list[Arm], bench: Bench, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Runs each, in turns; gives stretches, the epoch's seconds and what each arm says of itself, by name."""
    lines: dict[str, tuple[Any, Connection]] = {}
    try:
        return _in_turns(arms, bench, lines, say)
    finally:
        for process, _ in lines.values():
            if process.is_alive():  # one of the others failed
                process.terminate()


def _in_turns(
    arms: list[Arm], bench: Bench, lines: dict[str, tuple[Any, Connection]], say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    context = get_context("spawn")
    for arm in arms:
        here, there = context.Pipe()
        process = context.Process(target=_arm, args=(there, arm, bench), daemon=False)
        process.start()
        there.close()
        lines[arm.name] = (process, here)
    for arm in arms:
        _receive(arm.name, lines[arm.name][1])  # built
    for arm in arms:  # one after the other: all at once would need the memory of all
        lines[arm.name][1].send("go")
        _receive(arm.name, lines[arm.name][1])  # warm
    found: dict[str, dict[str, Any]] = {arm.name: {"arm": asdict(arm), "stretches": []} for arm in arms}
    for chunk in range(bench.chunks):
        for arm in arms if chunk % 2 == 0 else arms[::-1]:
            lines[arm.name][1].send("go")
            stretch = _receive(arm.name, lines[arm.name][1])
            found[arm.name]["stretches"].append(stretch)
            say(
                f"stretch {chunk + 1}/{bench.chunks}  {arm.name}: {stretch['seconds']:.1f} s, "
                f"{stretch['cpu_s']:.1f} cpu-s"
            )
    for arm in arms:
        process, connection = lines[arm.name]
        own = found[arm.name]
        own |= _receive(arm.name, connection)
        process.join()
        measured = {
            key: sum(part[key] for part in own["stretches"]) for key in ("seconds", "cpu_s", "padded_s")
        }
        own["measured"] = measured
        for key in ("seconds", "cpu_s"):
            own[key] = measured[key] * own["epoch_padded_s"] / measured["padded_s"]
        for part in own["stretches"]:
            part["epoch_seconds"] = part["seconds"] * own["epoch_padded_s"] / part["padded_s"]
    return found


def _receive(name: str, connection: Connection) -> dict[str, Any]:
    try:
        return dict(connection.recv())
    except EOFError:
        raise SystemExit(f"the process of '{name}' ended early; what it said is above") from None


def _arm(connection: Connection, arm: Arm, bench: Bench) -> None:
    os.environ["OMP_NUM_THREADS"] = str(bench.threads)
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    torch.set_num_threads(bench.threads)
    turns = Turns(connection, bench)
    register_optimizer_step_post_hook(lambda *_: turns.after_step())
    with tempfile.TemporaryDirectory(prefix="soritune-benchmark-") as folder:
        start = (_ours if arm.kind == "ours" else _peer)(arm, bench, Path(folder), turns)
        connection.send({})
        connection.send(start())
    connection.close()


def recipe_for(bench: Bench, arm: Arm, padded_seconds: float) -> Any:
    """Ours as a recipe."""
    from soritune.recipe import check_recipe

    batches: dict[str, Any] = {"padded_seconds": padded_seconds, "num_workers": bench.workers}
    if arm.without == "padded-seconds budget":
        batches |= {"padded_seconds": None, "batch_size": bench.utterances}
    if arm.without == "loader process":
        batches["num_workers"] = 0
    return check_recipe(
        "benchmark",
        {
            "name": "benchmark",
            "tasks": {"phoneme": {"source": "phones"}},
            "split": {"by": ["random"], "ratios": {"train": 1.0}},
            "model": {
                "encoder": "none",
                "random_weights": True,
                "architecture": bench.architecture,
                "lora": LORA,
                "freeze": {"feature_encoder": True, "encoder": True, "layers": arm.frozen_layers},
            },
            "batches": batches,
            "augment": {"spec_augment": {"probability": 1.0}},
            "train": {
                "epochs": 1,
                "max_steps": bench.steps + 1,
                "learning_rate": 3e-4,
                "device": "cpu",
                "precision": "fp32",
                "threads": bench.threads,
                "log_every_steps": 50,
            },
        },
    )


def _ours(arm: Arm, bench: Bench, folder: Path, turns: Turns) -> Callable[[], dict[str, Any]]:
    import torch

    from soritune.corpus.manifest import load_manifest
    from soritune.corpus.splitting.splits import make_splits
    from soritune.stages.train import build_run
    from soritune.training.log import read_events
    from soritune.training.loop import train

    manifest = load_manifest(Path(bench.corpus) / "manifest.parquet")
    budget = bench.utterances * float(manifest.durations_s.mean())
    recipe = recipe_for(bench, arm, max(budget, float(manifest.durations_s.max())))
    run = build_run(recipe, manifest, make_splits(manifest, recipe.split), folder)
    _leave_out(arm.without, run.model, bench)
    warm = torch.randn(2, 24000)
    run.model.train()
    warmed = run.model(warm, torch.full((2,), 24000)).logits["phoneme"]
    warmed.sum().backward()
    run.model.zero_grad(set_to_none=True)

    turns.watch(run.model)

    def start() -> dict[str, Any]:
        if bench.profile:
            from torch.profiler import profile

            with profile() as profiler:
                train(run)
            table = profiler.key_averages()
        else:
            train(run)
            table = []
        event = next(e for e in read_events(folder) if e["event"] == "start")
        share = event["padding_share"]
        return {
            "padding_share": share,
            "epoch_padded_s": event["train_hours"] * 3600 / (1.0 - share),
            "trainable": sum(p.numel() for p in run.model.parameters() if p.requires_grad),
            "peak_gb": peak_gb(),
            "most_expensive": _most_expensive(table),
        }

    return start


def _leave_out(part: str, model: Any, bench: Bench) -> None:
    """Takes one part of the speed out, for the ablation."""
    import torch

    if part == "bucketing by length":
        from soritune.training.batches import plan

        def random_batches(sorted_s: Any, settings: Any, rng: Any) -> tuple[Any, Any]:
            count, size = len(sorted_s), bench.utterances
            sizes = [size] * (count // size) + ([count % size] if count % size else [])
            return np.asarray(sizes, dtype=np.int64), rng.permutation(count)

        plan._cut = random_batches  # type: ignore[assignment]
    elif part == "frozen part without graph":
        from soritune.training import phase_start

        freeze = phase_start.apply_freezing

        def with_graph(*given: Any, **more: Any) -> Any:
            table = freeze(*given, **more)
            model.evaluated = ()
            model.encoder.set_front_graph(True)
            return table

        phase_start.apply_freezing = with_graph
    elif part == "fused optimizer":
        from soritune.training import optimizer

        class Unfused(torch.optim.AdamW):
            # The flag by which the fused kernel skips a step is not understood by the others.
            found_inf = property(lambda self: None, lambda self, value: None)

            def __init__(self, *given: Any, **more: Any) -> None:
                super().__init__(*given, **(more | {"fused": False, "foreach": False}))

        optimizer.AdamW = Unfused  # type: ignore[misc]
    elif part == "SDPA attention":
        model.encoder.hf.set_attn_implementation("eager")
    elif part == "layer drop 0":
        model.encoder.config.layerdrop = 0.1
    elif part == "quick dropout":
        from soritune.models.quick_dropout import QuickDropout

        QuickDropout.forward = torch.nn.Dropout.forward  # type: ignore[method-assign]
    elif part == "group norm by rows":
        from soritune.models.encoders.wav2vec2.group_norm import MaskedGroupNorm

        MaskedGroupNorm._by_row = lambda self, hidden: False  # type: ignore[method-assign]


def _most_expensive(table: Any) -> list[dict[str, Any]]:
    rows = sorted(table, key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows) or 1.0
    return [
        {"what": row.key, "share": row.self_cpu_time_total / total, "calls": row.count} for row in rows[:12]
    ]


def _peer(arm: Arm, bench: Bench, folder: Path, turns: Turns) -> Callable[[], dict[str, Any]]:
    import torch
    from naive_peer import Clips, extractor_for, make_model, make_trainer

    from soritune.corpus.manifest import load_manifest
    from soritune.recipe import make_task

    manifest = load_manifest(Path(bench.corpus) / "manifest.parquet")
    task = make_task("phoneme", {"source": "phones"})
    rows = list(manifest)
    labels = [np.asarray(task.targets(row)["phoneme"]).tolist() for row in rows]
    extractor = extractor_for(bench.architecture)
    model = make_model(
        bench.architecture,
        len(task.outputs[0].labels),
        lora=LORA,
        freeze_call=arm.freeze_call,
        frozen_layers=arm.frozen_layers,
        seed=0,
    )
    clips = Clips([manifest.audio_path(row) for row in rows], labels, extractor)
    trainer = make_trainer(
        model, clips, folder, batch_size=bench.utterances, max_steps=bench.steps + 1, learning_rate=3e-4
    )
    model.train()
    warm = {"input_values": torch.randn(2, 24000), "labels": torch.ones(2, 3, dtype=torch.long)}
    model(**warm).loss.backward()
    model.zero_grad(set_to_none=True)
    turns.watch(model)
    padded_s = random_padded_s(manifest.durations_s, bench.utterances)

    def start() -> dict[str, Any]:
        trainer.train()
        return {
            "padding_share": 1.0 - float(manifest.durations_s.sum()) / padded_s,
            "epoch_padded_s": padded_s,
            "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "peak_gb": peak_gb(),
        }

    return start


def give_memory_back() -> None:
    """Asks glibc to: several trainings wait at once, and what they freed would stay theirs."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def random_padded_s(durations_s: Any, size: int, orders: int = 20) -> float:
    """Padded seconds of an epoch of random batches, in the mean over drawn orders."""
    rng = np.random.default_rng(0)
    total = 0.0
    for _ in range(orders):
        drawn = rng.permutation(durations_s)
        parts = [drawn[i : i + size] for i in range(0, len(drawn), size)]
        total += sum(len(part) * float(part.max()) for part in parts)
    return total / orders


def peak_gb() -> float:
    """Highest resident memory of this process so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
