"""Speed and accuracy of the Korean pronunciation converter, compared with the installed peers.

    python benchmarks/korean_g2p.py DATA_FOLDER [--repeat N]

DATA_FOLDER holds `korean_g2p/examples.tsv` and `pansori_tedxkr/manifest.jsonl`. All converters run in one process. Each
is created anew and warmed up with a sentence that is not in the timed text, so no cache contains the text. The median
of the repetitions is printed with the processor and its load, since other load changes the figures. Peers that are
missing, or that fail to start without a network, are reported and skipped.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

Convert = Callable[[str], str]
WARM_UP = "신을 신고 산책을 갑니다"


def ours(tagger: str) -> Convert:
    from soritune.korean.g2p import Pronouncer

    return Pronouncer(tagger).pronounce  # type: ignore[arg-type]


def g2pkk() -> Convert:
    from g2pkk import G2p  # type: ignore[import-not-found]

    return G2p()


def ko_pron() -> Convert:
    from ko_pron import romanise  # type: ignore[import-not-found]

    return lambda text: str(romanise(text, "ph")).split("/")[0].split("[")[0]


def kokorog2p() -> Convert:
    from kokorog2p.ko import KoreanG2P  # type: ignore[import-not-found]

    convert = KoreanG2P(version="1.1")
    return lambda text: str(convert(text))


def kornorm() -> Convert:
    from kornorm import KorNorm  # type: ignore[import-not-found]

    return KorNorm().pronounce


CONVERTERS: dict[str, Callable[[], Convert]] = {
    "soritune core": lambda: ours("none"),
    "soritune + kiwipiepy": lambda: ours("kiwi"),
    "g2pkk": g2pkk,
    "ko_pron": ko_pron,
    "kokorog2p (IPA: speed only)": kokorog2p,
    "KorNorm": kornorm,
}


def read_examples(path: Path) -> list[tuple[str, set[str]]]:
    with path.open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines, delimiter="\t"))[1:]
    return [(row[0], {form.replace(" ", "") for form in row[1].split("/")}) for row in rows]


def accuracy(convert: Convert, examples: list[tuple[str, set[str]]]) -> float:
    right = 0
    for text, accepted in examples:
        try:
            right += convert(text).replace(" ", "") in accepted
        except Exception as error:  # a peer's crash on one word counts as a wrong result
            print(f"  failed on {text}: {error!r}")
    return right / len(examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    examples = read_examples(arguments.data / "korean_g2p" / "examples.tsv")
    manifest = (arguments.data / "pansori_tedxkr" / "manifest.jsonl").read_text(encoding="utf-8")
    sentences = [json.loads(line)["text"] for line in manifest.splitlines()]
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{len(examples)} examples, {len(sentences)} sentences, median of {arguments.repeat}")
    print(f"{'converter':30} {'accuracy':>9} {'sentences/s':>12} {'CPU only':>9}")
    for name, make in CONVERTERS.items():
        speeds, cpu_speeds = [], []
        try:
            for _ in range(arguments.repeat):
                convert = make()
                convert(WARM_UP)
                start, cpu_start = time.perf_counter(), time.process_time()
                for sentence in sentences:
                    convert(sentence)
                speeds.append(len(sentences) / (time.perf_counter() - start))
                cpu_speeds.append(len(sentences) / (time.process_time() - cpu_start))
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), "no reason given")
            print(f"{name:30} skipped: {type(error).__name__}: {reason}")
            continue
        share = "      -" if "speed only" in name else f"{100 * accuracy(convert, examples):8.1f}%"
        wall, cpu = statistics.median(speeds), statistics.median(cpu_speeds)
        print(f"{name:30} {share:>9} {wall:12.0f} {cpu:9.0f}")


if __name__ == "__main__":
    main()
