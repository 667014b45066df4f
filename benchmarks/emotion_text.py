"""Does a text beside the audio help emotion, and what is left where the text is missing?

    python benchmarks/emotion_text.py $SORITUNE_DATA/ko_emotion_selvas/manifest.jsonl --work FOLDER
    python benchmarks/emotion_text.py $SORITUNE_DATA/ko_emotion_selvas/manifest.jsonl --work FOLDER --recognised FILE
    python benchmarks/emotion_text.py styles --work FOLDER

The recipe `emotion-4class-text` with data, labels and both encoders replaced is trained on the same folds of speakers
as three arms: audio alone, text alone, and both. The arm with both is judged with the texts as they are (gold) and
without any (none), by the same bundles, and by its further outputs that read the audio or the text alone. The last
weights are judged, and nothing is chosen. The speech encoder is frozen, so its states are computed once for all
trainings. The text encoder is a small one with random weights, trained on the folds. With `--recognised`, the arms that
read a text are also judged with the words of a recogniser (asr), a manifest that `soritune transcribe` wrote; a row
that it set aside has no text. `styles` is synthetic speech whose sentences fit every style. Finished trainings are not
repeated.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.splitting.splits import load_splits
from soritune.corpus.utterance import Utterance
from soritune.inference.predictor import Predictor
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.metrics.classification import confusion_rates
from soritune.models.model import SpeechModel
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.stages.crossval import crossval
from soritune.testing import tiny_text_encoder
from soritune.whole_file import write_text

ARMS = {"audio": None, "text": "text_only", "fused": "concat"}
"""Name of an arm to the fusion of its text."""
TEXT_CHANNELS = 64
JUDGED = (
    "audio",
    "text",
    "text, asr",
    "fused, gold",
    "fused, asr",
    "fused, none",
    "fused, audio alone",
    "fused, text alone",
)
DIFFERENCES = (
    ("fused, gold", "audio"),
    ("fused, gold", "text"),
    ("fused, asr", "audio"),
    ("fused, asr", "text, asr"),
    ("fused, gold", "fused, asr"),
    ("fused, none", "audio"),
    ("fused, gold", "fused, none"),
)
Answer = tuple[str, str, str, str]
"""Speaker, group, reference and predicted label of an utterance."""
Counts = Mapping[str, NDArray[np.float64]]


def corpus_of(options: argparse.Namespace) -> Manifest:
    """The rows, written to `work`/corpus; texts are gold."""
    folder = options.work / "corpus"
    if (folder / "labelled.parquet").exists():
        return load_manifest(folder / "labelled.parquet")
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
        "batches.num_workers=0",
        f"train.epochs={options.epochs}",
        f"train.learning_rate={options.rate}",
        f"train.learning_rates.inputs={options.rate}",
        "train.warmup_steps=0",
        "train.schedule=cosine",
        "train.early_stopping=null",
        "train.device=cpu",
        "train.threads=1",
        f"train.save_every_steps={NEVER}",
        f"train.seed={seed}",
        "evaluate.checkpoint=last",
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
    return load_recipe("emotion-4class-text", [*overrides, *options.set])


NEVER = 1_000_000


@contextmanager
def cached_states() -> Iterator[None]:
    """Computes the states of each waveform once. Only for an encoder that is frozen and the same in all models.

    A clip has the same states alone and in a batch, so the states of its own frames are kept.
    """
    encode = SpeechModel.encode
    kept: dict[bytes, tuple[Tensor, dict[int, Tensor]]] = {}

    def encoded(
        model: SpeechModel, waveform: Tensor, num_samples: Tensor, *masks: Tensor | None
    ) -> tuple[Tensor, dict[int, Tensor], Tensor]:
        if any(mask is not None for mask in masks) or any(
            p.requires_grad for p in model.encoder.parameters()
        ):
            raise RuntimeError("states can be kept for a frozen encoder without masks only")
        layers = str(sorted(model._kept_layers)).encode()
        keys = [
            hashlib.sha256(row[:size].numpy().tobytes() + layers).digest()
            for row, size in zip(waveform, num_samples.tolist(), strict=True)
        ]
        frames = model.geometry.num_frames(num_samples).clamp(min=1).tolist()
        if any(key not in kept for key in keys):
            with torch.no_grad():
                last, states, _ = encode(model, waveform, num_samples)
            for row, (key, size) in enumerate(zip(keys, frames, strict=True)):
                kept[key] = (
                    last[row, :size].clone(),
                    {layer: state[row, :size].clone() for layer, state in states.items()},
                )
        read = [kept[key] for key in keys]
        pad = torch.nn.utils.rnn.pad_sequence
        last = pad([row[0] for row in read], batch_first=True)
        states = {layer: pad([row[1][layer] for row in read], batch_first=True) for layer in read[0][1]}
        return last, states, torch.arange(max(frames)) < torch.tensor(frames)[:, None]

    SpeechModel.encode = encoded  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        SpeechModel.encode = encode  # type: ignore[method-assign]


def recognised_texts(path: Path | None) -> dict[str, str] | None:
    """The text that a recogniser gave for each row, by the row's id; None without a file."""
    if path is None:
        return None
    return {row.id: row.text for row in load_manifest(path).utterances() if row.text}


def texts_of(
    arm: str, gold: Sequence[Utterance], recognised: Mapping[str, str] | None
) -> Iterator[tuple[str, list[Utterance]]]:
    """The rows with the texts that an arm is judged with, and the name of these texts ("" for the only ones)."""
    yield ("gold" if arm == "fused" else ""), list(gold)
    if recognised is not None and arm != "audio":
        yield (
            "asr",
            [
                replace(row, text=text, text_source="asr" if text else "none")
                for row, text in ((row, recognised.get(row.id)) for row in gold)
            ],
        )
    if arm == "fused":  # the last one: requests without a text are compared with it
        yield "none", [replace(row, text=None, text_source="none") for row in gold]


def answers_of(
    folder: Path, arm: str, group: str, recognised: Mapping[str, str] | None
) -> dict[str, list[Answer]]:
    """The predictions of a cross-validation for the test rows of its folds, by name of `JUDGED`."""
    manifest = load_manifest(folder / "checked.parquet")
    answers: dict[str, list[Answer]] = defaultdict(list)
    for fold in sorted(folder.glob("fold-*")):
        rows = load_splits(fold / "splits.parquet").indices(manifest, "test").tolist()
        gold = [manifest.utterance(row) for row in rows]
        predictor = Predictor.load(fold, checkpoint="last", device="cpu", vad="off")
        for name, utterances in texts_of(arm, gold, recognised):
            predicted = list(predictor.predict(_Rows(utterances, manifest)))
            for utterance, row in zip(utterances, predicted, strict=True):
                answer = row["tasks"]["emotion"]
                labels = {f"{arm}, {name}" if name else arm: answer["prediction"]["label"]}
                if name == "gold":
                    alone = answer["prediction"]["alone"]
                    labels |= {f"fused, {what} alone": alone[what] for what in ("audio", "text")}
                for judged, label in labels.items():
                    extra = str(utterance.extra.get(group, "all"))
                    answers[judged].append(
                        (str(utterance.speaker), extra, answer["reference"]["label"], label)
                    )
        if arm == "fused":
            _check_requests(predictor, [str(manifest.audio_path(row)) for row in gold], predicted)
    return answers


def _check_requests(predictor: Predictor, paths: Sequence[str], without: Sequence[Mapping[str, Any]]) -> None:
    """Requests without a text must get the answers of rows without one, from the same model."""
    for row, reference in zip(predictor.predict([{"audio": path} for path in paths]), without, strict=True):
        given = row["tasks"]["emotion"]["prediction"]["probabilities"]
        expected = reference["tasks"]["emotion"]["prediction"]["probabilities"]
        if any(abs(given[label] - expected[label]) > 1e-3 for label in expected):
            sys.exit(f"{row['audio']}: a request without a text gives {given}, a row without one {expected}")


class _Rows:
    """Utterances with the files of a manifest."""

    def __init__(self, rows: list[Utterance], manifest: Manifest) -> None:
        self.rows, self.audio_path = rows, manifest.audio_path

    def utterances(self) -> Iterable[Utterance]:
        return iter(self.rows)


def counts_of(answers: Iterable[Answer], labels: list[str]) -> dict[str, Counts]:
    """The confusions of each speaker."""
    tables: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros((len(labels), len(labels))))
    for speaker, _, reference, label in answers:
        tables[speaker][labels.index(reference), labels.index(label)] += 1
    return {speaker: {"c": tables[speaker]} for speaker in sorted(tables)}


def _rates(counts: Counts) -> Mapping[str, float]:
    return confusion_rates(counts["c"])


def report(pooled: Mapping[str, list[Answer]]) -> dict[str, Any]:
    """Prints and returns mean recalls and their differences, in total, by group, and by speaker."""
    every = next(iter(pooled.values()))
    labels = sorted({answer[2] for answer in every})
    groups = sorted({answer[1] for answer in every})
    result: dict[str, Any] = {}
    for group in ["all", *groups] if len(groups) > 1 else ["all"]:
        counts = {
            name: counts_of([answer for answer in answers if group in ("all", answer[1])], labels)
            for name, answers in pooled.items()
        }
        for name, speakers in counts.items():
            recall = speaker_intervals(list(speakers.values()), _rates)["ua"]
            print(f"{group:24} {name:34} UA {_shown(recall)}")
            each = {speaker: _rates(table)["ua"] for speaker, table in speakers.items()}
            result.setdefault(group, {})[name] = recall.to_json() | {"by_speaker": each}
        for second, first in DIFFERENCES:
            if first in counts and second in counts:
                gap = paired_difference(list(counts[first].values()), list(counts[second].values()), _rates)
                print(f"{group:24} {f'{second} - {first}':34} UA {_shown(gap['ua'])}")
                result[group][f"{second} - {first}"] = gap["ua"].to_json()
    return result


def _shown(rate: Interval) -> str:
    return f"{100 * rate.value:6.1f}  [{100 * rate.low:.1f}, {100 * rate.high:.1f}]  {rate.num_speakers} speakers"


def judged_arm(
    arm: str, seed: int, options: argparse.Namespace, manifest: Manifest, encoder: Path
) -> dict[str, list[Answer]]:
    """The answers of an arm; it is trained if it is not stored."""
    folder = options.work / f"{arm}-{seed}"
    file = folder / "answers.json"
    if not file.exists():
        started = time.monotonic()
        recipe = recipe_of(arm, options, manifest, encoder, seed)
        crossval(recipe, folder, folds=options.folds, val_share=0.0, console=Console(quiet=True))
        answers = answers_of(folder, arm, options.group, recognised_texts(options.recognised))
        write_text(file, json.dumps(answers, ensure_ascii=False) + "\n")
        for part in (*folder.glob("fold-*/checkpoints"), *folder.glob("fold-*/bundles")):
            shutil.rmtree(part)
        print(f"{folder.name}: {time.monotonic() - started:.0f} s", flush=True)
    stored: dict[str, list[Any]] = json.loads(file.read_text(encoding="utf-8"))
    return {name: [tuple(answer) for answer in answers] for name, answers in stored.items()}


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
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--group", default="script_type", help="a field by which the figures are given apart")
    parser.add_argument("--minutes", type=float, default=54, help="of synthetic speech")
    parser.add_argument("--speakers", type=int, default=18, help="of synthetic speech")
    parser.add_argument("--set", nargs="+", default=[], help="further overrides of the recipe, KEY=VALUE")
    parser.add_argument("--recognised", type=Path, help="the same rows with the words of a recogniser")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    manifest = corpus_of(options)
    texts = [str(text) for text in manifest.column("text").to_pylist() if text]
    encoder = tiny_text_encoder(options.work / "text-encoder", texts, hidden_size=TEXT_CHANNELS)
    pooled: dict[str, list[Answer]] = defaultdict(list)
    with cached_states():
        for seed in options.seeds:
            for arm in options.arms:
                for name, answers in judged_arm(arm, seed, options, manifest, encoder.absolute()).items():
                    pooled[name] += answers
    results = report({name: pooled[name] for name in JUDGED if name in pooled})
    if options.json:
        write_text(options.json, json.dumps(results, indent=1) + "\n")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
