"""`soritune …` that records its steps and, on request, has a fault in one process: `torchrun observed.py run …`.

Environment: OBSERVE names a folder for the records, SABOTAGE is JSON: {"rank": 1, "what": a function below, …}, where
the rank may be "all". A signal is sent by the process itself, or while the process waits at a point it has announced.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import save_file

from soritune.errors import AudioError
from soritune.training import checkpoint, loop, losses, phase_checkpoints, step
from soritune.training.batches import sample
from soritune.training.process_group import TIMEOUT, ProcessGroup

RANK = int(os.environ.get("RANK", "0"))
GRADIENTS_OF = 3


def observe(folder: Path) -> None:
    """Writes rows-<rank>.jsonl, one line per step, and gradients-<step>-<rank> and weights-<rank> as safetensors.

    threads-<rank>.json holds the names of the threads while the process trains and as the interpreter ends.
    """
    atexit.register(lambda: note_threads("end"))  # registered first, called last
    names: dict[str, list[str]] = {}

    def note_threads(when: str) -> None:
        names[when] = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
        (folder / f"threads-{RANK}.json").write_text(json.dumps(names))

    real_step, real_clip = step.Stepper.step, torch.nn.utils.clip_grad_norm_
    real_begin, real_train = loop.begin_phase, loop._train_phases
    taken = 0
    phase_index = -1

    def noted_begin(run: Any, phases: Any, phase: Any, **more: Any) -> Any:
        nonlocal phase_index
        phase_index = phase.index
        return real_begin(run, phases, phase, **more)

    def noted_step(self: Any, micro: Any, counts: Any, **more: Any) -> None:
        with (folder / f"rows-{RANK}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps([phase_index, more["done"], [b.rows.tolist() for b in micro]]) + "\n")
        real_step(self, micro, counts, **more)
        note_threads("training")

    def noted_clip(parameters: Any, *rest: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken <= GRADIENTS_OF:
            gradients = {
                f"{i:04d}": torch.zeros_like(p) if p.grad is None else p.grad.clone()
                for i, p in enumerate(parameters)
            }
            save_file(gradients, folder / f"gradients-{taken}-{RANK}.safetensors")
        return real_clip(parameters, *rest)

    def noted_train(run: Any, *rest: Any) -> Any:
        result = None
        try:
            result = real_train(run, *rest)
        finally:
            weights = {n: p.detach().clone() for n, p in run.model.named_parameters() if p.requires_grad}
            save_file(weights, folder / f"weights-{RANK}.safetensors")
        return result

    step.Stepper.step = noted_step  # type: ignore[method-assign]
    torch.nn.utils.clip_grad_norm_ = noted_clip
    loop.begin_phase = noted_begin
    loop._train_phases = noted_train


def unreadable(row: int | str, **_: Any) -> None:
    real = sample.SampleReader._read

    def read(self: Any, requested: int, *rest: Any) -> Any:
        if row in (requested, "all"):
            raise AudioError("a.flac", "cannot be read on this machine")
        return real(self, requested, *rest)

    sample.SampleReader._read = read  # type: ignore[method-assign]


def not_finite(steps: list[int], **_: Any) -> None:
    real_loss, real_step = losses.loss_sum, step.Stepper.step
    now = -1

    def noted_step(self: Any, micro: Any, counts: Any, **more: Any) -> None:
        nonlocal now
        now = more["done"]
        real_step(self, micro, counts, **more)

    def loss(*arguments: Any) -> Any:
        real_sum = real_loss(*arguments)
        return real_sum._replace(total=real_sum.total * torch.inf) if now in steps else real_sum

    step.Stepper.step = noted_step  # type: ignore[method-assign]
    losses.loss_sum = loss  # type: ignore[assignment]


def at_step(done: int, signal_number: int | None = None, **_: Any) -> None:
    """Sends a signal to this process, or fails, as it begins a step."""
    real = step.Stepper.step

    def hit(self: Any, micro: Any, counts: Any, **more: Any) -> None:
        if more["done"] == done:
            if signal_number is None:
                raise OSError(5, "Input/output error")
            os.kill(os.getpid(), signal_number)
        real(self, micro, counts, **more)

    step.Stepper.step = hit  # type: ignore[method-assign]


def after_step(
    done: int, timeout_s: float, freeze_rank: int | None = None, folder: str = "", **_: Any
) -> None:
    """After a step, waits no longer than `timeout_s` for the others, which start without such a limit.

    Args:
        done: steps before that one.
        timeout_s: of the exchanges after it.
        freeze_rank: process that stops there with SIGSTOP.
        folder: if given, each process announces itself in it (`waiting-<rank>`) and waits for its file `continue`.
    """
    real = step.Stepper.step

    def stepping(self: Any, micro: Any, counts: Any, **more: Any) -> None:
        real(self, micro, counts, **more)
        if more["done"] != done:
            return
        os.environ[TIMEOUT] = str(timeout_s)
        if freeze_rank == RANK:
            os.kill(os.getpid(), signal.SIGSTOP)
        if folder:
            (Path(folder) / f"waiting-{RANK}").touch()
            while not (Path(folder) / "continue").exists():
                time.sleep(0.05)

    step.Stepper.step = stepping  # type: ignore[method-assign]


def full_disk(step_of_run: int, **_: Any) -> None:
    real = checkpoint._save_tensors
    before = phase_checkpoints.save_checkpoint

    def save(folder: Any, **more: Any) -> Any:
        if more["progress"].step == step_of_run:
            checkpoint._save_tensors = _no_space
        try:
            return before(folder, **more)
        finally:
            checkpoint._save_tensors = real

    phase_checkpoints.save_checkpoint = save


def _no_space(path: Any, tensors: Any) -> None:
    raise OSError(28, "No space left on device")


def slow_prepare(seconds: float, fail: bool = False, timeout_s: float | None = None, **_: Any) -> None:
    """Preparing takes this long; the other processes wait for it with the timeout `timeout_s`."""
    from soritune.errors import ManifestError
    from soritune.stages import split

    real = split.prepare_corpus

    def prepare(*arguments: Any, **more: Any) -> Any:
        time.sleep(seconds)
        if fail:
            raise ManifestError("the corpus disappeared while it was read")
        return real(*arguments, **more)

    split.prepare_corpus = prepare  # type: ignore[attr-defined]
    if timeout_s is None or RANK == 0:
        return
    real_wait = ProcessGroup.on_main

    def wait(self: Any, action: Any) -> Any:
        with mock.patch.dict(os.environ, {TIMEOUT: str(timeout_s)}):
            return real_wait(self, action)

    ProcessGroup.on_main = wait  # type: ignore[method-assign]


def missing_recipe(**_: Any) -> None:
    """The recipe is not on this machine."""
    from soritune import recipe

    real = recipe.load_recipe
    recipe.load_recipe = lambda name, *more, **named: real("elsewhere/" + name, *more, **named)


def other_seed(**_: Any) -> None:
    """This process has another seed than the others."""
    from soritune import recipe

    real = recipe.load_recipe
    recipe.load_recipe = lambda name, given, **named: real(name, [*given, "train.seed=9"], **named)


def killed_at_start(**_: Any) -> None:
    """Ends before it connects to the others."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    if "OBSERVE" in os.environ:
        observe(Path(os.environ["OBSERVE"]))
    fault = json.loads(os.environ.get("SABOTAGE", "{}"))
    if fault and fault.pop("rank") in (RANK, "all"):
        globals()[fault.pop("what")](**fault)
    from soritune.cli.main import main as soritune

    soritune()


if __name__ == "__main__":
    sys.exit(main())
