"""How many sentences a second are scored by the segmentation-free goodness of pronunciation, on one core.

    OMP_NUM_THREADS=1 python benchmarks/gop_speed.py --seconds 3 --phones 25

The output of a recogniser is made up: a sure label per phone, blanks between, some noise; 50 frames a second, the 40
Korean phones. Each arm scores every phone against all others and against none, and every gap for insertions.

    window    as `assess` does it: each phone within 8 symbols on each side
    whole     each phone within the whole sentence
    naive     one forward pass over the whole sentence per phone and per replacement, insertions left out

`window` and `naive` are compared in the same run; the largest difference of their GOP is printed.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from soritune.assessment.alignment import log_likelihood
from soritune.assessment.gop import score_slots
from soritune.korean import KOREAN

LABELS = len(KOREAN.symbols) + 6
CANDIDATES = np.arange(1, len(KOREAN.symbols) + 1)
FRAME_RATE_HZ = 50


def sentence(frames: int, phones: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """(frames, labels) log-probabilities, and the labels of the phones."""
    ids = rng.choice(CANDIDATES, phones)
    given = np.full((frames, LABELS), 1e-3)
    given[:, 0] = 1.0
    for position, label in zip(np.linspace(1, frames - 2, phones).round().astype(int), ids, strict=True):
        given[position, 0] = 0.05
        given[position, label] = 1.0
    given += rng.random(given.shape) * 1e-3
    return np.log(given / given.sum(axis=1, keepdims=True)), ids


def naive(given: Any, ids: Any) -> Any:
    """The GOP by its definition."""
    whole = log_likelihood(given, ids, 0)
    scores = []
    for slot in range(len(ids)):
        others = [log_likelihood(given, [*ids[:slot], q, *ids[slot + 1 :]], 0) for q in CANDIDATES]
        without = log_likelihood(given, [*ids[:slot], *ids[slot + 1 :]], 0)
        scores.append(whole - np.logaddexp.reduce([*others, without]))
    return np.array(scores)


def main() -> None:
    """Runs the arms in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a sentence")
    parser.add_argument("--phones", type=int, default=25, help="phones of a sentence")
    parser.add_argument("--sentences", type=int, default=20, help="scored per round")
    parser.add_argument("--rounds", type=int, default=5, help="the fastest one counts")
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    frames = round(given.seconds * FRAME_RATE_HZ)
    made = [sentence(frames, given.phones, rng) for _ in range(given.sentences)]
    arms = {
        "window": lambda: [score_slots(lp, ids, 0, CANDIDATES) for lp, ids in made],
        "whole": lambda: [score_slots(lp, ids, 0, CANDIDATES, context=None) for lp, ids in made],
        "naive": lambda: [naive(*made[0])],
    }
    counts = {"window": len(made), "whole": len(made), "naive": 1}
    best = dict.fromkeys(arms, float("inf"))
    for _ in range(given.rounds):
        for name, run in arms.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], (time.process_time() - start) / counts[name])
    scores, ids = score_slots(*made[0], 0, CANDIDATES), made[0][1]
    difference = float(np.abs(scores.goodness(ids) - naive(*made[0])).max())
    result = {
        "sentences_per_cpu_second": {name: round(1 / seconds, 2) for name, seconds in best.items()},
        "largest_difference": difference,
        "seconds": given.seconds,
        "phones": given.phones,
        "machine": platform.processor() or platform.machine(),
    }
    for name, rate in result["sentences_per_cpu_second"].items():
        print(f"{name:8} {rate:8.2f} sentences per CPU second")
    print(f"largest difference of the GOP, window against naive: {difference:.2g}")
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
