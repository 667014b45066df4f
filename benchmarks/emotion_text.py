"""Does a text beside the audio help emotion, and what is left where the text is missing?

    python benchmarks/emotion_text.py $SORITUNE_DATA/ko_emotion_selvas/manifest.jsonl --work FOLDER
    python benchmarks/emotion_text.py styles --work FOLDER

The recipe `emotion-4class-text` with data, labels and both encoders replaced is trained on the same folds as three
arms: audio alone, text alone, and both. The arm with both is judged with the texts as they are (gold) and without any
(none). The speech encoder is frozen. The text encoder is a small one with random weights, trained on the folds.
`styles` is synthetic speech whose sentences fit every style.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.splitting.splits import load_splits
from soritune.corpus.utterance import Utterance
from soritune.inference.predictor import Predictor
from soritune.metrics.bootstrap import Interval, speaker_intervals
from soritune.metrics.classification import confusion_rates
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.stages.crossval import crossval
from soritune.testing import tiny_text_encoder

ARMS = {"audio": None, "text": "text_only", "fused": "concat"}
"""Name of an arm to the fusion of its text."""
TEXT_CHANNELS = 64
Answer = tuple[str, str, str, str]
"""Speaker, group, reference and predicted label of an utterance."""


def corpus_of(options: argparse.Namespace) -> Manifest:
    """The rows, written to `work`/corpus; texts are gold."""
    folder = options.work / "corpus"
    if options.corpus == "styles":
        config: dict[str, Any] = {"minutes": options.minutes, "speakers": options.speakers, "seed": 1}
        manifest = prepare("synthetic", options.work / "speech", config, folder).manifest
    else:
        path = Path(options.corpus)
        config = {"files": [path.name]}
        if "duration_s" not in json.loads(path.read_text(encoding="utf-8").splitlines()[0]):
            config["fields"] = {"duration_s": "duration"}
        manifest = prepare("manifest", path.parent, config, folder).manifest
    rows = [replace(row, text_source="gold" if row.text else "none") for row in manifest.utterances()]
    return write_manifest(folder / "labelled.parquet", rows, root=manifest.root)


def recipe_of(arm: str, options: argparse.Namespace, manifest: Manifest, encoder: Path, seed: int) -> Recipe:
    """The recipe of an arm."""
    labels = sorted({str(name) for name in manifest.column("emotion").to_pylist() if name is not None})
    overrides = [
        f"data={manifest.path}",
        "data.source=manifest",
        "split.by=[speaker]",
        f"tasks.emotion.labels={json.dumps(labels, ensure_ascii=False)}",
        f"model.encoder={options.encoder}",
        "model.architecture={}",
        "model.freeze.encoder=true",
        "tasks.emotion.layer=weighted",
        "batches.batch_size=16",
        "batches.micro_batches_per_step=1",
        f"batches.num_workers={options.workers}",
        f"train.epochs={options.epochs}",
        "train.learning_rate=1e-3",
        "train.warmup_steps=0",
        "train.schedule=cosine",
        "train.early_stopping=null",
        "train.device=cpu",
        f"train.seed={seed}",
        "evaluate.audio=false",
    ]
    if ARMS[arm] is None:
        overrides += ["tasks.emotion.text=null", "train.learning_rates={}"]
    else:
        overrides += [
            f"tasks.emotion.text.encoder={encoder}",
            f"tasks.emotion.text.fusion={ARMS[arm]}",
            "tasks.emotion.text.tune=full",
            "tasks.emotion.text.width=64",
        ]
    if arm == "text":
        overrides += ["tasks.emotion.text.dropout=0", "tasks.emotion.text.audio_weight=0"]
    return load_recipe("emotion-4class-text", overrides)


def answers_of(folder: Path, group: str, *, with_text: bool) -> list[Answer]:
    """The predictions of a cross-validation for the test rows of its folds."""
    manifest = load_manifest(folder / "checked.parquet")
    answers = []
    for fold in sorted(folder.glob("fold-*")):
        rows = load_splits(fold / "splits.parquet").indices(manifest, "test").tolist()
        utterances = [manifest.utterance(row) for row in rows]
        if not with_text:
            utterances = [replace(row, text=None, text_source="none") for row in utterances]
        predictor = Predictor.load(fold, device="cpu", vad="off")
        for utterance, row in zip(utterances, predictor.predict(_Rows(utterances, manifest)), strict=True):
            answer = row["tasks"]["emotion"]
            answers.append(
                (
                    str(utterance.speaker),
                    str(utterance.extra.get(group, "all")),
                    answer["reference"]["label"],
                    answer["prediction"]["label"],
                )
            )
    return answers


class _Rows:
    """Utterances with the files of a manifest."""

    def __init__(self, rows: list[Utterance], manifest: Manifest) -> None:
        self.rows, self.audio_path = rows, manifest.audio_path

    def utterances(self) -> Iterable[Utterance]:
        return iter(self.rows)


def recall_of(answers: Iterable[Answer], labels: list[str]) -> Interval:
    """Mean recall with its interval over speakers."""
    counts: Mapping[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros((len(labels), len(labels))))
    for speaker, _, reference, label in answers:
        counts[speaker][labels.index(reference), labels.index(label)] += 1
    return speaker_intervals([{"c": table} for table in counts.values()], lambda c: confusion_rates(c["c"]))[
        "ua"
    ]


def report(name: str, answers: list[Answer]) -> dict[str, Any]:
    """Prints and returns the mean recall in total and by group."""
    labels = sorted({answer[2] for answer in answers})
    groups = sorted({answer[1] for answer in answers})
    result = {}
    for group in ["all", *groups] if len(groups) > 1 else ["all"]:
        chosen = [answer for answer in answers if group in ("all", answer[1])]
        recall = recall_of(chosen, labels)
        speakers = len({answer[0] for answer in chosen})
        print(
            f"{name:14} {group:24} UA {100 * recall.value:5.1f} %  [{100 * recall.low:.1f}, {100 * recall.high:.1f}]  "
            f"{len(chosen)} utterances, {speakers} speakers"
        )
        result[group] = {"ua": recall.value, "low": recall.low, "high": recall.high, "speakers": speakers}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", help="a manifest with emotion, speaker and text, or: styles")
    parser.add_argument("--work", type=Path, default=Path("exp/emotion_text"))
    parser.add_argument("--encoder", default="soritune/tiny-ko")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--folds", type=int, help="without it one speaker is left out at a time")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--group", default="script_type", help="a field by which the figures are given apart")
    parser.add_argument("--minutes", type=float, default=54, help="of synthetic speech")
    parser.add_argument("--speakers", type=int, default=18, help="of synthetic speech")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    manifest = corpus_of(options)
    texts = [str(text) for text in manifest.column("text").to_pylist() if text]
    encoder = tiny_text_encoder(options.work / "text-encoder", texts, hidden_size=TEXT_CHANNELS)
    pooled: dict[str, list[Answer]] = defaultdict(list)
    for seed in options.seeds:
        for arm in options.arms:
            folder = options.work / f"{arm}-{seed}"
            recipe = recipe_of(arm, options, manifest, encoder.absolute(), seed)
            crossval(recipe, folder, folds=options.folds, console=Console(quiet=True))
            pooled[arm if arm != "fused" else "fused, gold"] += answers_of(
                folder, options.group, with_text=True
            )
            if arm == "fused":
                pooled["fused, none"] += answers_of(folder, options.group, with_text=False)
    results = {name: report(name, answers) for name, answers in pooled.items()}
    print(json.dumps(results))
    if options.json:
        options.json.write_text(json.dumps(results) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
