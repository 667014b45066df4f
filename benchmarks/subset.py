"""How near to a corpus of 1.77 million rows is a subset of 100 hours, and how long does choosing it take?

    OMP_NUM_THREADS=1 python benchmarks/subset.py [--rows 1771800] [--speakers 1650] [--hours 100]

A synthetic population of the size of the children's corpus is written as a manifest: speakers of 3 to 10 years with
unequal hours, a noise level of their own, lengths of 0.5 to 20 s around 7 s. `soritune subset` then chooses whole
speakers in a fresh process, stratified by age, SNR, length and gender, with nested shares of 10, 30 and 100 %. Beside
it stands the best of 1,000 random draws: speakers in random order until the hours are reached. The distance is the
total variation distance by hours, averaged over the four fields.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from soritune.corpus.manifest import SCHEMA, Manifest, copy_manifest, load_manifest
from soritune.corpus.splitting.speaker_subset import Population

FIELDS = ("age", "snr_db", "duration_s", "gender")
SHARES = "10,30,100"


def population(rows: int, speakers: int, seed: int) -> Manifest:
    """A manifest in memory; values of a speaker's rows depend on the speaker, as in a real corpus."""
    rng = np.random.default_rng(seed)
    who = rng.choice(speakers, rows, p=rng.dirichlet(np.full(speakers, 3.0)))
    age = rng.choice(np.arange(3, 11), speakers, p=np.array([2, 4, 8, 14, 20, 22, 18, 12]) / 100)
    snr = rng.normal(20, 5, speakers)[who] + rng.normal(0, 4, rows)
    pace = rng.normal(0, 0.15, speakers)[who] - 0.02 * (age[who] - 7)
    names = pa.array(np.arange(rows)).cast(pa.string())
    given = {
        "id": names,
        "audio": names,
        "duration_s": pa.array(np.clip(np.exp(1.84 + pace + rng.normal(0, 0.45, rows)), 0.5, 20)),
        "speaker": pa.array(who).cast(pa.string()),
        "age": pa.array(age[who].astype(np.float64)),
        "gender": pa.array(np.array(["f", "m"])[rng.integers(0, 2, speakers)][who]),
        "snr_db": pa.array(np.clip(snr, 0, 50)),
    }
    columns = [given.get(field.name, pa.nulls(rows, field.type)) for field in SCHEMA]
    return Manifest(None, Path.cwd(), table=pa.table(columns, schema=SCHEMA))


def random_draws(manifest: Manifest, hours: float, draws: int, seed: int) -> float:
    """The smallest mean distance of random choices of whole speakers with at least `hours`."""
    everyone, rng = Population.of(manifest, FIELDS), np.random.default_rng(seed)
    best = np.inf
    for _ in range(draws):
        order = rng.permutation(len(everyone.speakers))
        count = int(np.searchsorted(np.cumsum(everyone.units[order, 0]), hours)) + 1
        inside = np.zeros(len(order), dtype=bool)
        inside[order[:count]] = True
        best = min(best, float(np.mean(list(everyone.distances(inside).values()))))
    return best


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Distances, seconds and memory."""
    corpus = folder / "corpus.parquet"
    copy_manifest(corpus, population(arguments.rows, arguments.speakers, arguments.seed))
    command = [sys.executable, "-m", "soritune", "subset", corpus, "--hours", str(arguments.hours), "--json"]
    command += ["--stratify", ",".join(FIELDS), "--shares", SHARES, "-o", folder / "pilot.parquet"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    subsets = json.loads(done.stdout)["subsets"]
    for part in subsets:
        part["distance"] = float(np.mean(list(part["distances"].values())))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    manifest = load_manifest(corpus)
    return {
        "rows": len(manifest),
        "hours": manifest.hours,
        "speakers": arguments.speakers,
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
        "subsets": subsets,
        "best_of_random": random_draws(manifest, arguments.hours, arguments.draws, arguments.seed),
        "draws": arguments.draws,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_771_800)
    parser.add_argument("--speakers", type=int, default=1650)
    parser.add_argument("--hours", type=float, default=100.0)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments, Path(folder))
    print(f"{result['rows']:,} rows, {result['hours']:,.0f} h, {result['speakers']:,} speakers")
    for part in result["subsets"]:
        print(
            f"{100 * part['share']:3g} %: {part['hours']:.2f} h, {part['utterances']:,} rows, {part['speakers']} "
            f"speakers, mean distance {part['distance']:.4f}"
        )
    print(f"best of {result['draws']:,} random draws: mean distance {result['best_of_random']:.4f}")
    print(
        f"soritune subset in a fresh process: {result['seconds']:.1f} s, {result['cpu_seconds']:.1f} s of CPU time, "
        f"peak {result['peak_mib']:.0f} MiB"
    )
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
