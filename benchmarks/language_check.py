"""The language check of `soritune assess --asr-model`: real Korean and real English recordings with Korean texts.

    python benchmarks/language_check.py --asr-model FOLDER --data $SORITUNE_DATA --output exp/language

Korean clips, of `ko_speech_selvas` (read) and `pansori_tedxkr` (talks), have their own texts. English clips, of
`speechocean762` (read by learners whose first language is Chinese), get the text of the Korean clip whose duration is
nearest. `--clips` of each language, those of Korean half from each corpus, taken from all speakers in turn. One run of
`assess` gives both columns: the answer has the fit of the text (`relatedness`) whatever language was detected.

Under `--output`: answers.jsonl, to which clips are added one by one, so that the same command resumes, and summary.md.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from soritune.inference.predictor import Predictor
from soritune.inference.recognition.ctranslate2 import CTranslate2Recogniser
from soritune.stages.assess import assess_clips

KOREAN = ("ko_speech_selvas", "pansori_tedxkr")
ENGLISH = "speechocean762"


def in_turn(rows: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The first rows of each speaker, then the second ones, and so on; `number` of them."""
    by_speaker: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_speaker[row["speaker"]].append(row)
    rounds = zip_longest(*(by_speaker[name] for name in sorted(by_speaker)))
    return [row for row in chain.from_iterable(rounds) if row is not None][:number]


def requests(data: Path, clips: int) -> list[dict[str, Any]]:
    """Requests of `assess` with `corpus`: Korean clips with their texts, English ones with texts of Korean clips."""
    halves = [
        in_turn([row for row in _rows(data / corpus) if row.get("text")], clips // 2) for corpus in KOREAN
    ]
    korean = list(chain.from_iterable(zip(*halves, strict=True)))
    english = in_turn(_rows(data / ENGLISH), clips)
    texts = sorted((row["duration"], row["text"]) for row in korean)
    for row in english:
        row["text"] = min(texts, key=lambda text: abs(text[0] - row["duration"]))[1]
    # In turn, so that a run that was stopped has some of each.
    return [row for pair in zip_longest(korean, english) for row in pair if row is not None]


def _rows(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        row | {"corpus": folder.name, "audio": str(folder / row["audio"])}
        for row in map(json.loads, lines)
        if row
    ]


def outcome_without_detector(answer: dict[str, Any]) -> str:
    """What the answer would be without a recogniser: the fit of the text decides."""
    if answer["outcome"] != "other-language":
        return str(answer["outcome"])
    fit, limits = answer["relatedness"], answer["thresholds"]
    if fit is None or (
        fit["margin"] >= limits["least_margin"] and fit["deviation"] >= limits["least_deviation"]
    ):
        return "assessed"
    return "unrelated-speech"


def summary(answers: Sequence[dict[str, Any]]) -> str:
    """A table in Markdown."""
    lines = [
        "| recordings | clips, speakers | detected as ko | as another language, sure | as another, not sure | refused "
        "by the language | refused, no recogniser | refused, with it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for corpus in (*KOREAN, ENGLISH):
        chosen = [answer for answer in answers if answer["corpus"] == corpus]
        if not chosen:
            continue
        codes = [answer["language"] for answer in chosen if answer["language"] is not None]
        limit = chosen[0]["thresholds"]["least_language_probability"]
        others = [each for each in codes if each["code"] != "ko"]
        sure = [each for each in others if each["probability"] >= limit]
        cells = [
            corpus,
            f"{len(chosen)}, {len({answer['speaker_of_clip'] for answer in chosen})}",
            len(codes) - len(others),
            _counted(sure),
            _counted([each for each in others if each["probability"] < limit]),
            sum(answer["outcome"] == "other-language" for answer in chosen),
            _refused(outcome_without_detector(answer) for answer in chosen),
            _refused(answer["outcome"] for answer in chosen),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _counted(detected: Sequence[dict[str, Any]]) -> str:
    counts = Counter(each["code"] for each in detected)
    return f"{len(detected)}" + (
        f" ({', '.join(f'{code} {n}' for code, n in counts.most_common())})" if counts else ""
    )


def _refused(outcomes: Any) -> str:
    counts = Counter(outcome for outcome in outcomes if outcome != "assessed")
    return f"{sum(counts.values())}" + (
        f" ({', '.join(f'{name} {n}' for name, n in counts.most_common())})" if counts else ""
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="soritune/ko-base")
    parser.add_argument(
        "--asr-model", required=True, help="CTranslate2 folder or hub name of a multilingual Whisper"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=60, help="of each language")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "answers.jsonl"
    known = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )
    done = {(answer["corpus"], answer["clip"]) for answer in known}
    missing = [row for row in requests(options.data, options.clips) if (row["corpus"], row["id"]) not in done]
    if missing:
        predictor = Predictor.load(options.model, vad="off")
        detector = CTranslate2Recogniser.load(options.asr_model)
        items = [{"audio": row["audio"], "text": row["text"]} for row in missing]
        answers = assess_clips(predictor, items, detector=detector, vad="energy")
        with path.open("a", encoding="utf-8") as stream:
            for row, answer in zip(missing, answers, strict=True):
                kept = {key: answer[key] for key in ("outcome", "language", "relatedness", "thresholds")}
                facts = {"corpus": row["corpus"], "clip": row["id"], "speaker_of_clip": row["speaker"]}
                known.append(facts | kept)
                stream.write(json.dumps(known[-1], ensure_ascii=False) + "\n")
                stream.flush()
    table = summary(known)
    (options.output / "summary.md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
