"""Part of `two_checkouts.py`: runs `python -m soritune …` and records every optimizer step.

    python two_checkouts_recorder.py RECORD gradients ARGUMENTS…      the gradients that each step uses
    python two_checkouts_recorder.py RECORD STEPS ARGUMENTS…          seconds after each step; ends after STEPS steps

ARGUMENTS are those of the command line of soritune. Only `python -m soritune` is used, so checkouts with different
internals can be recorded: torch calls the hooks of every optimizer.
"""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

SETTINGS = ("lr", "betas", "eps", "weight_decay")
"""Settings of a parameter group that change a step."""


def describe(gradient: torch.Tensor | None) -> str:
    """Shape, sum in float64 and SHA-256 of the bytes of a gradient."""
    if gradient is None:
        return "no gradient"
    values = gradient.detach().cpu().contiguous()
    digest = hashlib.sha256(values.reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
    return f"{tuple(values.shape)} sum {values.double().sum().item()!r} sha256 {digest}"


class Gradients:
    """Records the gradients of all parameters, in the optimizer's order."""

    def __init__(self) -> None:
        self.steps = 0
        self.values: dict[str, Any] = {}

    def before_step(self, optimizer: Optimizer, *_: Any) -> None:
        """The hook before a step."""
        self.steps += 1
        number = 0
        for index, group in enumerate(optimizer.param_groups):
            settings = {name: group[name] for name in SETTINGS if name in group}
            self.values[f"step {self.steps} group {index}"] = json.dumps(settings)
            for parameter in group["params"]:
                self.values[f"step {self.steps} tensor {number}"] = describe(parameter.grad)
                number += 1


class Times:
    """Records the wall clock and the CPU time of this process after each step."""

    def __init__(self, record: Path, steps: int) -> None:
        self.record, self.steps = record, steps
        self.values: list[tuple[float, float]] = []

    def after_step(self, *_: Any) -> None:
        """The hook after a step; ends the process after the last step, since only steps are timed."""
        self.values.append((time.perf_counter(), time.process_time()))
        if len(self.values) == self.steps:
            self.record.write_text(json.dumps(self.values), encoding="utf-8")
            os._exit(0)


def main() -> None:
    record, mode = Path(sys.argv[1]), sys.argv[2]
    sys.argv = ["soritune", *sys.argv[3:]]
    if mode == "gradients":
        gradients = Gradients()
        register_optimizer_step_pre_hook(gradients.before_step)
        try:
            runpy.run_module("soritune", run_name="__main__")
        finally:
            record.write_text(json.dumps(gradients.values, indent=0), encoding="utf-8")
    else:
        register_optimizer_step_post_hook(Times(record, int(mode)).after_step)
        runpy.run_module("soritune", run_name="__main__")


if __name__ == "__main__":
    main()
