"""How long is a training step if torch's threads wait for work by default, asleep, or as `soritune` sets it?

    python benchmarks/thread_waiting.py          about 2 minutes; needs two idle cores

Runs forward and backward passes of the encoder of `bundled-encoder` on 36 s of audio with two threads. Each setting has
its own process, since GNU OpenMP reads it only once. Then repeats this beside a process that keeps one core busy.
The printed times are medians.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

from soritune.cli.main import SPIN_COUNT

SETTINGS: dict[str, dict[str, str]] = {
    "torch's default": {},
    "asleep at once (OMP_WAIT_POLICY=passive)": {"OMP_WAIT_POLICY": "passive"},
    f"soritune (GOMP_SPINCOUNT={SPIN_COUNT})": {"GOMP_SPINCOUNT": SPIN_COUNT},
}
STEPS, ROUNDS = 5, 2


def step_seconds() -> list[float]:
    """Seconds of each step except the first, in this process."""
    import torch

    from soritune.models.architecture import encoder_config, make_encoder
    from soritune.recipe import load_recipe

    torch.set_num_threads(2)
    encoder = make_encoder(encoder_config(load_recipe("bundled-encoder").model.architecture), None)
    encoder.config.apply_spec_augment = False
    waveform, seconds = torch.randn(9, 64000), []
    for _ in range(STEPS + 1):
        started = time.perf_counter()
        encoder(waveform).last_hidden_state.sum().backward()
        encoder.zero_grad()
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def main() -> None:
    if sys.argv[1:] == ["child"]:
        print(json.dumps(step_seconds()))
        return
    environment = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    for busy in (False, True):
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
        seconds_by_setting: dict[str, list[float]] = {name: [] for name in SETTINGS}
        try:
            for _ in range(ROUNDS):
                for name, setting in SETTINGS.items():
                    process = subprocess.run(
                        [sys.executable, __file__, "child"],
                        env=environment | {"OMP_NUM_THREADS": "2"} | setting,
                        stdout=subprocess.PIPE, text=True, check=True,
                    )  # fmt: skip
                    seconds_by_setting[name] += json.loads(process.stdout)
        finally:
            if neighbour is not None:
                neighbour.kill()
        ours = statistics.median(list(seconds_by_setting.values())[-1])
        print("beside a busy process" if busy else "alone")
        for name, seconds in seconds_by_setting.items():
            median = statistics.median(seconds)
            print(f"  {name:44} {median:6.2f} s per step, {median / ours:4.2f} × soritune's", flush=True)


if __name__ == "__main__":
    main()
