"""Part of `train_epoch.py`: trainings in alternation, each in its own process, one stretch of its epoch at a time.

Alternation cancels drift of a shared machine: other load, heat, clock. A stretch is timed inside the process, from its
start signal to the end of its last optimizer step, without the first step (warm-up) and without waiting for its turn.
All sides are paused by the same hook after every optimizer step, whichever trainer calls it.

The first steps of an epoch in random order are a random sample of its steps. A hook before the model counts their work
in padded seconds. The time of the epoch is their time multiplied by the padded seconds of the epoch over those
measured. The padded seconds of the epoch are exact for soritune (from its plan), and for random batches the mean over
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
    """Number of lowest transformer layers that are not trained."""
    freeze_call: bool = False
    """Only for the peer: call `freeze_feature_encoder()`."""
    without: str = ""
    """Only for soritune: the part to remove (ablation)."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Settings that all arms share."""

    corpus: str
    architecture: dict[str, Any] = field(default_factory=lambda: dict(BASE))
    utterances: int = 16
    """Utterances in a micro-batch; soritune gets the same number on average as a budget of seconds."""
    steps: int = 8
    chunks: int = 4
    threads: int = 2
    workers: int = 0
    profile: bool = False


class Turns:
    """The alternation, seen from inside an arm's process."""

    def __init__(self, connection: Connection, bench: Bench) -> None:
        self.connection, self.bench = connection, bench
        self.steps, self.chunk = -1, 0
        self.padded_samples = 0
        self.started_s = self.cpu = 0.0

    def watch(self, model: Any) -> None:
        """Waits for the first start signal when `model` is first called, and counts its input samples."""

        def before(_: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
            if self.started_s == 0.0:
                self._await()
            self.padded_samples += (
                positional[0] if positional else named.get("waveform", named.get("input_values"))
            ).numel()

        model.register_forward_pre_hook(before, with_kwargs=True)

    def after_step(self) -> None:
        """Ends a stretch after its last step and waits for the next. The first step is warm-up and in no stretch."""
        self.steps += 1
        if self.steps == 0:
            return_memory()
            self.connection.send({})
            self._await()
        elif (
            self.chunk < self.bench.chunks
            and self.steps >= self.bench.steps * (self.chunk + 1) / self.bench.chunks
        ):
            self.chunk += 1
            elapsed = time.perf_counter() - self.started_s, time.process_time() - self.cpu
            padded_s = self.padded_samples / 16000
            return_memory()
            self.connection.send(
                {"seconds": elapsed[0], "cpu_s": elapsed[1], "steps": self.steps, "padded_s": padded_s}
            )
            if self.chunk < self.bench.chunks:
                self._await()

    def _await(self) -> None:
        self.connection.recv()
        self.padded_samples = 0
        self.started_s, self.cpu = time.perf_counter(), time.process_time()


def run_arms(arms: list[Arm], bench: Bench, report: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Runs the arms in alternation; returns the stretches, the epoch's seconds and the arm's own facts by name."""
    processes: dict[str, tuple[Any, Connection]] = {}
    try:
        return _alternate(arms, bench, processes, report)
    finally:
        for process, _ in processes.values():
            if process.is_alive():  # another arm failed
                process.terminate()


def _alternate(
    arms: list[Arm], bench: Bench, processes: dict[str, tuple[Any, Connection]], report: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    context = get_context("spawn")
    for arm in arms:
        parent_end, child_end = context.Pipe()
        process = context.Process(target=_arm, args=(child_end, arm, bench), daemon=False)
        process.start()
        child_end.close()
        processes[arm.name] = (process, parent_end)
    for arm in arms:
        _receive(arm.name, processes[arm.name][1])  # built
    for arm in arms:  # one after the other: in parallel the peaks of memory would add up
        processes[arm.name][1].send("go")
        _receive(arm.name, processes[arm.name][1])  # warm
    results: dict[str, dict[str, Any]] = {arm.name: {"arm": asdict(arm), "stretches": []} for arm in arms}
    for chunk in range(bench.chunks):
        for arm in arms if chunk % 2 == 0 else arms[::-1]:
            processes[arm.name][1].send("go")
            stretch = _receive(arm.name, processes[arm.name][1])
            results[arm.name]["stretches"].append(stretch)
            report(
                f"stretch {chunk + 1}/{bench.chunks}  {arm.name}: {stretch['seconds']:.1f} s, "
                f"{stretch['cpu_s']:.1f} cpu-s"
            )
    for arm in arms:
        process, connection = processes[arm.name]
        result = results[arm.name]
        result |= _receive(arm.name, connection)
        process.join()
        measured = {
            key: sum(part[key] for part in result["stretches"]) for key in ("seconds", "cpu_s", "padded_s")
        }
        result["measured"] = measured
        for key in ("seconds", "cpu_s"):
            result[key] = measured[key] * result["epoch_padded_s"] / measured["padded_s"]
        for part in result["stretches"]:
            part["epoch_seconds"] = part["seconds"] * result["epoch_padded_s"] / part["padded_s"]
    return results


def _receive(name: str, connection: Connection) -> dict[str, Any]:
    try:
        return dict(connection.recv())
    except EOFError:
        raise SystemExit(f"the process of '{name}' ended early; its messages are above") from None


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
    """The recipe of a soritune arm."""
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
    """Removes one optimisation for the ablation."""
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

        def with_graph(*positional: Any, **named: Any) -> Any:
            table = freeze(*positional, **named)
            model.evaluated = ()
            model.encoder.set_front_graph(True)
            return table

        phase_start.apply_freezing = with_graph
    elif part == "fused optimizer":
        from soritune.training import optimizer

        class Unfused(torch.optim.AdamW):
            # Only the fused kernel supports this flag, which skips a step.
            found_inf = property(lambda self: None, lambda self, value: None)

            def __init__(self, *positional: Any, **named: Any) -> None:
                super().__init__(*positional, **(named | {"fused": False, "foreach": False}))

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
    from soritune.tasks.task import make_task

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


def return_memory() -> None:
    """Returns freed memory to the system, since several trainings wait at the same time and glibc would keep it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def random_padded_s(durations_s: Any, size: int, orders: int = 20) -> float:
    """Padded seconds of an epoch of random batches, averaged over drawn orders."""
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
