"""Thresholds of `soritune assess` for a model, chosen on half of the native speakers and judged on the other half.

    python benchmarks/assessment_thresholds.py --model soritune/ko-base --data $SORITUNE_DATA --cache cache/ko-base \
        --name ko-base-1 --write ko-base.yaml

The speakers are those of `ko_speech_selvas` (read, CC BY-NC-SA) and `pansori_tedxkr` (talks, CC BY-NC-ND), sorted
within each corpus; every second one is for the choice. At most `--clips` clips per speaker, the first ones of the
manifest. Log-probabilities are computed once and kept in `--cache`. `--thresholds` judges a given file instead of
choosing one.

An exchange takes a text and replaces one expected phone with a confusable one, so that the recording has an error
there; one of the same letter, as R for L, is no error. `--synthetic` does the same with clips of a manifest of
synthetic voices that the model has not heard.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from soritune.assessment.alignment import viterbi
from soritune.assessment.confusable import confusable
from soritune.assessment.expected import Expected, expected_of_text
from soritune.assessment.threshold_choice import Measured, Spoken, choose_thresholds, figures, measure
from soritune.assessment.thresholds import Thresholds, load_thresholds, write_thresholds
from soritune.assessment.verdicts import ERRORS, PhoneVerdict, is_same_letter, verdicts
from soritune.corpus.manifest import load_manifest
from soritune.errors import TaskError, TextError
from soritune.inference.assessor import phone_spec
from soritune.inference.predictor import Predictor

CORPORA = ("ko_speech_selvas", "pansori_tedxkr")
NEIGHBOURS = 3
"""Phones on each side whose verdicts should not change."""


def rows_of(data: Path, clips: int) -> list[dict[str, Any]]:
    """At most so many clips per speaker, with `corpus` and `chosen_on`."""
    rows: list[dict[str, Any]] = []
    for corpus in CORPORA:
        lines = (data / corpus / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        given = [row for row in map(json.loads, lines) if row.get("text")]
        speakers = sorted({row["speaker"] for row in given})
        seen: Counter[str] = Counter()
        for row in given:
            seen[row["speaker"]] += 1
            if seen[row["speaker"]] <= clips:
                path = data / corpus / row["audio"]
                chosen_on = speakers.index(row["speaker"]) % 2 == 0
                rows.append(row | {"path": path, "corpus": corpus, "chosen_on": chosen_on})
    return rows


def outputs(predictor: Predictor, rows: list[dict[str, Any]], cache: Path) -> dict[str, Any]:
    """(frames, labels) log-probabilities by id, from the cache where it has them."""
    spec, _ = phone_spec(predictor)
    cache.mkdir(parents=True, exist_ok=True)
    missing = [row for row in rows if not (cache / f"{row['id']}.npz").is_file()]
    for row, done in zip(missing, predictor.posteriors([row["path"] for row in missing]), strict=True):
        if done.error is None:
            np.savez(cache / f"{row['id']}.npz", lp=done.outputs[spec.name])
    found = [row["id"] for row in rows if (cache / f"{row['id']}.npz").is_file()]
    return {name: np.load(cache / f"{name}.npz")["lp"].astype(float) for name in found}


def exchanges(
    items: list[tuple[str, Any]], labels: list[str], blank: int, thresholds: Thresholds, per_clip: int
) -> dict[str, Any]:
    """Shares of exchanged phones that are detected, of these named right, and of unchanged neighbours."""
    rng = random.Random(0)
    detected: list[bool] = []
    named: list[bool] = []
    unclear: list[bool] = []
    unchanged: list[bool] = []
    called_wrong: list[bool] = []
    for text, output in items:

        def judged(expected: Expected, output: Any = output) -> list[PhoneVerdict]:
            path = viterbi(output, expected.ids(labels), blank)
            return verdicts(expected, output, labels, blank, path, thresholds)[0]

        try:
            expected = expected_of_text(text, output, labels, blank)
            before = judged(expected)
        except (TaskError, TextError):
            continue
        called_wrong += [verdict.kind in ERRORS for verdict in before]
        for _ in range(per_clip):
            number = rng.randrange(len(expected.phones))
            phone = expected.phones[number]
            others = {other for other in confusable(phone.symbol) if not is_same_letter(phone.symbol, other)}
            new = rng.choice(sorted(others - {phone.symbol}) or ["S"])
            symbols = list(expected.symbols)
            symbols[phone.at] = new
            phones = list(expected.phones)
            phones[number] = replace(phone, symbol=new)
            after = judged(replace(expected, symbols=tuple(symbols), phones=tuple(phones)))
            detected.append(after[number].kind in ERRORS)
            unclear.append(after[number].kind == "unclear")
            if detected[-1]:
                named.append(after[number].recognised == phone.symbol)
            unchanged.append(
                all(
                    before[other].kind == after[other].kind
                    for other in range(max(0, number - NEIGHBOURS), min(len(phones), number + NEIGHBOURS + 1))
                    if other != number
                )
            )
    shares = {
        "right_called_wrong": called_wrong,
        "detected": detected,
        "unclear": unclear,
        "named_right": named,
        "neighbours_unchanged": unchanged,
    }
    return {"exchanges": len(detected)} | {
        name: round(float(np.mean(values)), 4) if values else None for name, values in shares.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="soritune/ko-base")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=14)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--thresholds", type=Path)
    parser.add_argument("--name", default="chosen")
    parser.add_argument("--write", type=Path, help="write the chosen thresholds here")
    parser.add_argument(
        "--synthetic", type=Path, help="manifest of synthetic voices that the model has not heard"
    )
    options = parser.parse_args()
    predictor = Predictor.load(options.model, vad="off")
    spec, blank = phone_spec(predictor)
    labels = list(spec.labels)
    rows = rows_of(options.data, options.clips)
    given = outputs(predictor, rows, options.cache)
    rows = [row for row in rows if row["id"] in given]
    texts = [row["text"] for row in rows]
    clips = [Spoken(row["id"], row["speaker"], row["text"], given[row["id"]]) for row in rows]
    with ProcessPoolExecutor(options.workers) as pool:
        results = pool.map(partial(measure, texts=texts, labels=labels, blank=blank), clips, chunksize=4)
        measured: dict[str, Measured | None] = dict(zip((clip.id for clip in clips), results, strict=True))

    def part(chosen_on: bool, corpus: str | None = None) -> list[Measured]:
        picked = (
            measured[row["id"]]
            for row in rows
            if row["chosen_on"] == chosen_on and corpus in (None, row["corpus"])
        )
        return [each for each in picked if each is not None]

    origin = (
        f"For {options.model}. Native speakers: every second one of ko_speech_selvas, read, CC BY-NC-SA, and "
        f"pansori_tedxkr, talks, CC BY-NC-ND; at most {options.clips} clips per speaker."
    )
    if options.thresholds is None:
        thresholds = choose_thresholds(part(True), options.name, origin)
    else:
        thresholds = load_thresholds(options.thresholds)
    if options.write is not None:
        write_thresholds(options.write, thresholds)
    result: dict[str, Any] = {
        "thresholds": thresholds.to_json(),
        "chosen_on": figures(part(True), thresholds),
    }
    result["judged_on"] = figures(part(False), thresholds)
    for corpus in CORPORA:
        result[f"judged_on {corpus}"] = figures(part(False, corpus), thresholds)
    read = [
        (row["text"], given[row["id"]])
        for row in rows
        if row["corpus"] == CORPORA[0] and not row["chosen_on"]
    ]
    result["exchanged, read speech"] = exchanges(read[:40], labels, blank, thresholds, 3)
    if options.synthetic is not None:
        manifest = load_manifest(options.synthetic)
        pairs = [
            (row.text or "", done.outputs[spec.name].astype(float))
            for row, done in zip(manifest.utterances(), predictor.posteriors(manifest), strict=True)
        ]
        result["exchanged, synthetic"] = exchanges(pairs, labels, blank, thresholds, 6)
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
