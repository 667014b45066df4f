"""How many recordings does `soritune check` decode and measure per second, and does its memory grow with the corpus?

    OMP_NUM_THREADS=1 python benchmarks/check_speed.py RECORDINGS [--rows 2000 8000] [--workers 2] [--vad silero energy]

Every row is one of the recordings of a folder, again and again under other ids, so that the number of rows costs no
disk. (They are copies, which the report counts.) Each check runs in a fresh process into a folder of its own. While it
runs, the memory of it and its workers is read ten times a second: the sum of their proportional sets (PSS, in which a
page that processes share counts once), and the largest resident set of one. The sum may grow by `--most-growth-mib`
between the smallest and the largest corpus, for the columns and measures of the rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil

from soritune.audio.files import find_audio
from soritune.audio.waveform import read_header
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError


def corpus(recordings: Path, folder: Path, rows: int) -> Manifest:
    clips = []
    for file in find_audio(recordings):
        with suppress(AudioError):
            clips.append((str(file.resolve()), read_header(file).duration_s))
    if not clips:
        sys.exit(f"{recordings} has no recording that can be read")
    utterances = (
        Utterance(
            id=f"{number:07d}", audio=path, duration_s=lasts, speaker=f"s{number % 1650}", text="가나다"
        )
        for number, (path, lasts) in enumerate(islice(cycle(clips), rows))
    )
    return write_manifest(folder / "manifest.parquet", utterances, root=folder)


def watched(command: list[str]) -> dict[str, float]:
    """Seconds of a command, of its processors, and the most memory of it and its workers in MiB."""
    started = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    together, largest, processor = 0.0, 0.0, {}
    while process.poll() is None:
        sizes, resident = [], [0.0]
        with suppress(psutil.Error):
            for each in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    sizes.append(each.memory_full_info().pss / 2**20)
                    resident.append(each.memory_info().rss / 2**20)
                    times = each.cpu_times()
                    processor[each.pid] = times.user + times.system
        together, largest = max(together, sum(sizes)), max(largest, *resident)
        time.sleep(0.1)
    if process.returncode not in (0, 1):
        sys.exit(process.stderr.read().decode())
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu_s": sum(processor.values()), "pss_mib": together, "largest_mib": largest}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[2000, 8000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--vad", nargs="+", default=["silero", "energy"])
    parser.add_argument("--most-growth-mib", type=float, default=32.0)
    parser.add_argument("--json", type=Path, help="write the results")
    options = parser.parse_args()
    results: list[dict[str, Any]] = []
    for vad in options.vad:
        for rows in sorted(options.rows):
            with tempfile.TemporaryDirectory() as name:
                manifest = corpus(options.recordings, Path(name), rows)
                command = [sys.executable, "-m", "soritune", "check", str(manifest.path), "-o", f"{name}/out"]
                command += ["--vad", vad, "--workers", str(options.workers)]
                result = {"vad": vad, "rows": rows, "hours": manifest.hours, **watched(command)}
            results.append(result)
            print(
                f"{vad:7} {rows:9,} rows, {result['hours']:7.2f} h: {rows / result['seconds']:7.0f} rows/s, "
                f"{3600 * result['hours'] / result['seconds']:7.0f} audio-s/s, "
                f"{1000 * result['cpu_s'] / rows:6.2f} ms of a core per row, {result['pss_mib']:6.0f} MiB together, "
                f"{result['largest_mib']:6.0f} MiB the largest process",
                flush=True,
            )
    flat = True
    for vad in options.vad:
        of_vad = [result for result in results if result["vad"] == vad]
        first, last = of_vad[0], of_vad[-1]
        if last["rows"] > first["rows"]:
            growth = last["pss_mib"] - first["pss_mib"]
            flat = flat and growth < options.most_growth_mib
            print(f"{vad}: {growth:.0f} MiB more for {last['rows'] - first['rows']:,} further rows")
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(json.dumps(results))
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
