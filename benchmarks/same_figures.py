"""Does one corpus in several layouts give the same figures?

Real speech is linked (not copied) into the layout of each source system, and `soritune run` trains and evaluates the
same recipe from every layout.

    python benchmarks/same_figures.py $SORITUNE_DATA ENCODER [--work FOLDER] [--epochs N] [--only phones|emotion]

ENCODER is a bundle to start from, for example the packaged `soritune/tiny-ko`.

- `child-phoneme` on `ko_speech_selvas` and `pansori_tedxkr`: a manifest, and a JSON label beside each WAV below
  `1.Training`, `2.Validation_split` and `3.Test`, nested under Korean keys.
- `emotion-4class` on `ko_emotion_selvas`: a manifest, folders of speakers with `script.txt`, and a CSV table.

Fails unless all figures, and the intervals over speakers, are equal to the last digit.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SPLIT_FOLDERS = {"train": "1.Training", "val": "2.Validation_split", "test": "3.Test"}
EMOTIONS = (
    "neutral",
    "happy",
    "sad",
    "angry",
)  # of the first digit of the number, as the data's README corrects it
TINY = (
    "model.architecture={}",
    "model.lora=null",
    "model.freeze={feature_encoder: false}",
    "train.device=cpu",
)
"""The recipes are for 300 M encoders; a tiny encoder trains all its weights."""


def read_rows(folder: Path) -> list[Row]:
    """The rows of a folder's manifest, with the absolute path of each file."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [{**row, "file": (folder / row["audio"]).resolve()} for row in map(json.loads, lines)]


def link(target: Path, path: Path) -> None:
    """Links `path` to the file, since part of the speech may not be changed or copied."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def write_manifest(rows: list[Row], path: Path, columns: tuple[str, ...]) -> Path:
    """Writes the rows in their order as a JSONL manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            known = {name: row[name] for name in columns if row.get(name) is not None}
            stream.write(json.dumps({**known, "audio": str(row["file"])}, ensure_ascii=False) + "\n")
    return path


def phones_layouts(data: Path, work: Path) -> dict[str, list[str]]:
    """Two layouts of the phone corpora: layout to arguments."""
    rows = [row for name in ("ko_speech_selvas", "pansori_tedxkr") for row in read_rows(data / name)]
    speakers = sorted({row["speaker"] for row in rows})
    for row in rows:
        index = speakers.index(row["speaker"])
        row["split"] = "test" if index % 6 == 5 else "val" if index % 6 == 2 else "train"
    rows.sort(key=lambda row: (SPLIT_FOLDERS[row["split"]], row["speaker"], row["id"]))
    tree = work / "아동음성"
    for row in rows:
        stem = tree / SPLIT_FOLDERS[row["split"]] / row["speaker"] / row["id"]
        link(row["file"], stem.with_name(stem.name + ".wav"))
        label = {
            "발화정보": {"stt": row["text"], "recrdTime": row["duration"]},
            "화자정보": {"화자": row["speaker"], "성별": {"f": "여", "m": "남"}[row["gender"]]},
        }
        text = json.dumps(label, ensure_ascii=False, indent=1)
        stem.with_name(stem.name + ".json").write_text(text, encoding="utf-8")
    manifest = write_manifest(rows, work / "phones.jsonl", ("id", "speaker", "text", "gender", "split"))
    fields = "{text: 발화정보.stt, speaker: 화자정보.화자, gender: 화자정보.성별}"
    return {
        "manifest": [f"data={manifest}", "data.source=manifest"],
        "json-pairs": [f"data={tree}", f"data.config.fields={fields}"],
    }


def emotion_layouts(data: Path, work: Path) -> dict[str, list[str]]:
    """Three layouts of the emotion corpus: layout to arguments."""
    rows = read_rows(data / "ko_emotion_selvas")
    for row in rows:
        row["number"] = int(row["id"].removeprefix(row["speaker"]))
        assert row["emotion"] == EMOTIONS[row["number"] // 100], row["id"]
    rows.sort(key=lambda row: (row["speaker"], row["number"]))
    tree, scripts = work / "folders", dict[str, list[str]]()
    for row in rows:
        name = f"{row['speaker']}_{row['number']:06d}"
        row["relative"] = f"{row['speaker']}/wav_48000/{name}.wav"
        link(row["file"], tree / row["relative"])
        scripts.setdefault(row["speaker"], []).append(f"{name}\t{row['text']}")
    for speaker, lines in scripts.items():
        (tree / speaker / "script.txt").write_text("\n".join(lines) + "\n", encoding="cp949")
    with (tree / "emotion.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("file_path", "emotion", "speaker", "text"))
        table.writerows((row["relative"], row["emotion"], row["speaker"], row["text"]) for row in rows)
    manifest = write_manifest(rows, work / "emotion.jsonl", ("id", "speaker", "text", "emotion"))
    ranges = {label: [[100 * code, 100 * code + 99]] for code, label in enumerate(EMOTIONS)}
    return {
        "manifest": [f"data={manifest}", "data.source=manifest"],
        "folders + script.txt": [f"data={tree}", f"data.config.labels={json.dumps(ranges)}"],
        "csv": [f"data={tree / 'emotion.csv'}", "data.source=csv"],
    }


def figures(recipe: str, arguments: list[str], output: Path) -> dict[str, Any]:
    """Runs the recipe and returns the rates of each task."""
    command = [sys.executable, "-m", "soritune", "run", recipe, *arguments, "--output", str(output)]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{process.stdout[-2000:]}{process.stderr[-4000:]}")
    scores: dict[str, Any] = json.loads((output / "scores.json").read_text(encoding="utf-8"))
    return {name: task["rates"] for name, task in scores["tasks"].items()}


def compare(recipe: str, layouts: dict[str, list[str]], settings: list[str], work: Path) -> bool:
    """Prints the figures of every layout; returns True if all are equal."""
    rates_of_layout = {}
    for name, arguments in layouts.items():
        output = work / "runs" / f"{recipe}-{name.split()[0]}"
        rates_of_layout[name] = figures(recipe, [*arguments, *settings], output)
        shown = (
            f"{rate} {value['value']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
            for rates in rates_of_layout[name].values()
            for rate, value in rates.items()
        )
        print(recipe, name, "; ".join(shown), sep="\t", flush=True)
    same = len({json.dumps(value, sort_keys=True) for value in rates_of_layout.values()}) == 1
    print(recipe, "equal to the last digit" if same else "DIFFERENT", sep="\t", flush=True)
    return same


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--only", choices=("phones", "emotion"))
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="layouts-"))
    start = [f"model.init_from={options.encoder}", f"train.epochs={options.epochs}", *TINY]
    same = []
    if options.only != "emotion":
        settings = [
            "train.phases=null",
            "train.learning_rate=3e-4",
            "train.warmup_steps=20",
            "batches.padded_seconds=16",
            "evaluate.group_by=[]",
        ]
        layouts = phones_layouts(options.data, work / "phones")
        same.append(compare("child-phoneme", layouts, [*start, *settings], work / "phones"))
    if options.only != "phones":
        settings = [
            "tasks.emotion.labels=[neutral,happy,sad,angry]",
            "train.learning_rate=5e-4",
            "train.warmup_steps=5",
            "preprocessing.max_duration_s=6",
            "split.by=[speaker]",
            "split.ratios={train: 0.6, val: 0.2, test: 0.2}",
            "evaluate.group_by=[]",
        ]
        layouts = emotion_layouts(options.data, work / "emotion")
        same.append(compare("emotion-4class", layouts, [*start, *settings], work / "emotion"))
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
