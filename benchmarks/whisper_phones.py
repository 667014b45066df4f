"""Korean phones from the encoder of Whisper base: how much real speech, which weights, which labels.

    OMP_NUM_THREADS=1 python benchmarks/whisper_phones.py --encoder openai/whisper-base --output exp/whisper_phones
    python benchmarks/whisper_phones.py --encoder … --output exp/whisper_phones --summary     # only the tables

$SORITUNE_DATA is the folder with the corpora `ko_speech_selvas` (read speech, 10 speakers) and `pansori_tedxkr`
(talks, 12 speakers). `--encoder` is a hub name or a folder. The recipe `quickstart` with its preset `whisper-base` is
trained on five folds of the 22 speakers, without validation speakers; the last averaged weights are judged on the
held-out speakers and nothing is chosen on them. Phones are derived from the texts by the project's G2P.

    folds      the encoder not trained, convolutions above layers 4 and 6, all five folds and all seeds
    ways       on the first folds, one seed, with the same head: adapters on all layers, the upper half, all weights
    curve      on the first fold, one seed: nested sets of whole training speakers, about 2, 5, 10, 20 and 30 minutes
    labels     as `folds` with one seed, on texts that a recogniser gave (`--recognised`, from `soritune transcribe`) in
               place of the given ones; judged by the given texts, without the clips whose sentence is in training too
    silence    the models of the first seed of `folds` on clips with 0, 0.5, 2 and 30 s of silence behind them, and with
               the same silence appended by the encoder's own front end

Finished parts are not repeated. The encoder's states are computed once, under states/. Under `--output`: one folder per
training with judged.json (counts of each speaker), summary.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from judged_speakers import (
    as_counts,
    data_folder,
    difference,
    percent,
    phone_error_rate,
    points,
    prepared,
    scored,
    summed,
    write_json,
)

from soritune.audio.waveform import read_audio, write_audio
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits
from soritune.draws import seed_of
from soritune.inference.predictor import Predictor
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.run_folder import RunFolder
from soritune.stages.predict import predict_rows, select_rows
from soritune.stages.train import train_recipe
from soritune.tasks.results import Counts
from soritune.whole_file import write_text

CORPORA = {"ko_speech_selvas": "read speech", "pansori_tedxkr": "talks"}
HALF = 3
"""Layers of the lower half of Whisper base."""
WAYS: dict[str, list[str]] = {
    "frozen": [],
    "adapters": [
        "model.freeze={feature_encoder: true, encoder: true}",
        "model.lora={rank: 16, alpha: 32, dropout: 0.1}",
        "batches.encoder_states=null",
    ],
    "upper half": [
        f"model.freeze={{feature_encoder: true, layers: {HALF}}}",
        "batches.encoder_states=null",
        "train.learning_rates={encoder: 5.0e-5}",
    ],
    "all weights": [
        "model.freeze={feature_encoder: false}",
        "batches.encoder_states=null",
        "train.learning_rates={encoder: 5.0e-5}",
    ],
}
CURVE_MINUTES = (2, 5, 10, 20, 30)
SILENCES_S = (0.0, 0.5, 2.0, 30.0)
RATE_HZ = 16000


def rows_of(options: argparse.Namespace) -> Manifest:
    """The rows of both corpora; a speaker's name has its corpus before it."""
    path, longest_s = options.rows, options.longest_s
    if not path.exists():
        rows = []
        for corpus in CORPORA:
            manifest = prepared(corpus, path.parent / "data" / corpus)
            rows += [
                dataclasses.replace(
                    row,
                    id=f"{corpus}/{row.id}",
                    audio=str(manifest.audio_path(row).resolve()),
                    speaker=f"{corpus}/{row.speaker}",
                    source=corpus,
                )
                for row in manifest
                if longest_s is None or row.duration_s <= longest_s
            ]
        write_manifest(path, rows, root=data_folder())
    return load_manifest(path, root=data_folder())


def recipe_of(options: argparse.Namespace, seed: int, more: Iterable[str] = ()) -> Recipe:
    """`quickstart` with the preset `whisper-base`."""
    overrides = [
        f"model.encoder={options.encoder}",
        f"train.epochs={options.epochs}",
        f"train.seed={seed}",
        "train.device=cpu",
        "train.threads=1",
        "batches.num_workers=0",
        f"batches.encoder_states.folder={options.output.resolve() / 'states'}",
        "evaluate.checkpoint=last",
        "evaluate.audio=false",
        *options.set,
        *more,
    ]
    return load_recipe("quickstart", overrides, presets=("whisper-base",))


def folds_of(manifest: Manifest, options: argparse.Namespace) -> list[Splits]:
    """Folds of speakers without a validation part."""
    return make_folds(manifest, folds=options.folds, val_share=0.0, seed=0)


def judged(
    folder: Path, recipe: Recipe, rows: Manifest, folds: Sequence[Splits], tested: Path
) -> dict[str, Any]:
    """Trains on each fold and judges its test rows, unless that was done before.

    Args:
        folder: of the training.
        recipe: what is trained.
        rows: that are trained on.
        folds: of their ids.
        tested: manifest of the rows as they are judged.

    Returns:
        Counts of each speaker, seconds of training, steps, and the minutes and speakers trained on in the last fold.
    """
    file = folder / "judged.json"
    if file.exists():
        return dict(json.loads(file.read_text("utf-8")))
    speakers: dict[str, Any] = {}
    seconds, steps = 0.0, 0
    for number, splits in enumerate(folds, start=1):
        fold = folder / f"fold-{number}"
        began = time.monotonic()
        resume = RunFolder(fold).has_checkpoint
        if fold.exists() and not resume:
            shutil.rmtree(fold)
        result = train_recipe(recipe, rows, splits, fold, resume=resume, console=Console(quiet=True))
        seconds += time.monotonic() - began
        steps += result.steps
        speakers |= counts_of(fold, tested, fold / "splits.parquet", fold / "judged.jsonl")
        shutil.rmtree(fold / "checkpoints", ignore_errors=True)
        print(f"  {folder.name} fold {number}: {seconds:.0f} s of training so far", flush=True)
    trained = folds[-1].indices(rows, "train")
    content = {
        "speakers": speakers,
        "seconds": seconds,
        "steps": steps,
        "minutes": float(rows.durations_s[trained].sum() / 60),
        "trained_speakers": len({rows.utterance(int(row)).speaker for row in trained}),
    }
    write_json(file, content)
    return content


def counts_of(model: Path | str, tested: Path, splits: Path | None, file: Path) -> dict[str, Any]:
    """Counts of each speaker of the test rows, or of all rows without splits, as plain lists."""
    predictor = Predictor.load(model, checkpoint="last" if splits else None, device="cpu", vad="off")
    rows, data = select_rows(tested, splits, "test" if splits else "all", bundles=[], root=data_folder())
    predict_rows(predictor, rows, file, data=data)
    return scored(file)


def nested(splits: Splits, manifest: Manifest, sizes: Iterable[float]) -> list[Splits]:
    """The same fold with whole training speakers of about so many minutes; a larger set contains all smaller ones.

    The speakers are in a drawn order. A set takes each one that leaves it within 110 % of its size, until it has 95 %.
    """
    train = splits.indices(manifest, "train")
    speakers = manifest.column("speaker").to_pylist()
    minutes: dict[str, float] = {}
    for row in train:
        minutes[speakers[row]] = minutes.get(speakers[row], 0.0) + float(manifest.durations_s[row] / 60)
    kept: set[str] = set()
    sets = []
    for size in sorted(sizes):
        for speaker in sorted(minutes.keys() - kept, key=_drawn):
            total = sum(minutes[name] for name in kept)
            if total < 0.95 * size and total + minutes[speaker] <= 1.1 * size:
                kept.add(speaker)
        left_out = {manifest.utterance(int(row)).id for row in train if speakers[row] not in kept}
        sets.append(without(splits, left_out))
    return sets


def _drawn(speaker: str) -> int:
    return seed_of("curve", speaker)


def without(splits: Splits, left_out: set[str]) -> Splits:
    """The same splits without some ids."""
    names = {"train": 0, "val": 1, "test": 2, "unused": 3}
    codes = [names["unused" if name in left_out else split] for name, split in splits.assignment.items()]
    return Splits(pa.array(list(splits.assignment)), np.array(codes, np.int8), dict(splits.policy))


def repeated_sentences(folds: Sequence[Splits], manifest: Manifest) -> set[str]:
    """Ids of the test rows whose sentence is also in the training part of their fold."""
    repeated: set[str] = set()
    for splits in folds:
        known = {_sentence(manifest, row) for row in splits.indices(manifest, "train")}
        repeated |= {
            manifest.utterance(int(row)).id
            for row in splits.indices(manifest, "test")
            if _sentence(manifest, row) in known
        }
    return repeated


def _sentence(manifest: Manifest, row: np.int64) -> str:
    """The letters of a row's text."""
    return "".join(sign for sign in manifest.utterance(int(row)).text or "" if sign.isalnum())


def run_folds(options: argparse.Namespace) -> None:
    manifest = rows_of(options)
    for seed in options.seeds:
        folder = options.output / "folds" / f"seed-{seed}"
        judged(folder, recipe_of(options, seed), manifest, folds_of(manifest, options), options.rows)


def run_ways(options: argparse.Namespace) -> None:
    manifest = rows_of(options)
    for way, more in WAYS.items():
        folder = options.output / "ways" / way.replace(" ", "-")
        epochs = [f"train.epochs={options.way_epochs}"]
        recipe = recipe_of(options, options.seeds[0], [*more, *epochs])
        judged(folder, recipe, manifest, folds_of(manifest, options)[: options.way_folds], options.rows)


def run_curve(options: argparse.Namespace) -> None:
    manifest = rows_of(options)
    fold = folds_of(manifest, options)[0]
    sizes = sorted(options.minutes)
    for minutes, splits in zip(sizes, nested(fold, manifest, sizes), strict=True):
        folder = options.output / "curve" / f"{minutes}-minutes"
        # As many steps for every size, so that small sets are not seen less often.
        steps = [f"train.max_steps={options.curve_steps}", "train.epochs=100000"]
        judged(folder, recipe_of(options, options.seeds[0], steps), manifest, [splits], options.rows)


def run_labels(options: argparse.Namespace) -> None:
    if options.recognised is None:
        print(
            "labels: left out; give --recognised, the rows that `soritune transcribe` wrote of rows.parquet"
        )
        return
    manifest = rows_of(options)
    texts = {row.id: row.text for row in load_manifest(options.recognised, root=data_folder())}
    rows = [
        dataclasses.replace(row, text=texts[row.id], phones=None) for row in manifest if texts.get(row.id)
    ]
    recognised = write_manifest(options.output / "recognised.parquet", rows, root=data_folder())
    folder, folds = options.output / "labels", folds_of(manifest, options)
    repeated = repeated_sentences(folds, manifest)
    tested = folder / "tested.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(tested, [row for row in manifest if row.id not in repeated], root=data_folder())
    judged(folder / "recognised", recipe_of(options, options.seeds[0]), recognised, folds, tested)
    given: dict[str, Any] = {}
    for number in range(1, len(folds) + 1):
        fold = options.output / "folds" / f"seed-{options.seeds[0]}" / f"fold-{number}"
        given |= counts_of(fold, tested, fold / "splits.parquet", folder / f"given-{number}.jsonl")
    write_json(folder / "given.json", {"speakers": given, "left_out": len(repeated)})


def run_silence(options: argparse.Namespace) -> None:
    """Silence behind the clip in the file, and appended by the front end, in the first fold of the first seed."""
    manifest = rows_of(options)
    fold = options.output / "folds" / f"seed-{options.seeds[0]}" / "fold-1"
    chosen = manifest.select(folds_of(manifest, options)[0].indices(manifest, "test"))
    for silence in SILENCES_S:
        file = options.output / "silence" / f"file-{silence:g}.json"
        if not file.exists():
            rows = [
                _with_silence(chosen, row, silence, options.output / "silence" / "audio") for row in chosen
            ]
            padded = file.with_suffix(".parquet")
            write_manifest(padded, rows, root=data_folder())
            write_json(file, counts_of(bundle_of(fold), padded, None, file.with_suffix(".jsonl")))
        file = options.output / "silence" / f"front-{silence:g}.json"
        if not file.exists() and silence < 30:
            copy = options.output / "silence" / f"front-{silence:g}"
            changed_front(bundle_of(fold), copy, silence)
            plain = options.output / "silence" / "plain.parquet"
            write_manifest(plain, list(chosen), root=data_folder())
            write_json(file, counts_of(copy, plain, None, file.with_suffix(".jsonl")))


def bundle_of(fold: Path) -> Path:
    """The last weights of a training."""
    return RunFolder(fold).bundles / "last"


def changed_front(source: Path, target: Path, silence_s: float) -> None:
    """A copy of a bundle whose front end appends another silence."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    for name in ("config.json", "soritune.json"):
        content = json.loads((target / name).read_text("utf-8"))
        card = content.get("encoder")
        config = content if card is None else card["config"]
        config["appended_silence_s"] = silence_s
        if card is not None:
            card["geometry"]["appended_samples"] = round(silence_s * RATE_HZ)
        write_json(target / name, content)


def _with_silence(manifest: Manifest, row: Any, silence_s: float, folder: Path) -> Any:
    """The row with a file that has silence behind its samples."""
    if not silence_s:
        return row
    file = folder / f"{silence_s:g}" / f"{row.id.replace('/', '_')}.flac"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        samples = read_audio(manifest.audio_path(row), sample_rate_hz=RATE_HZ)
        write_audio(file, np.pad(samples, (0, round(silence_s * RATE_HZ))), RATE_HZ)
    return dataclasses.replace(row, audio=str(file.resolve()), duration_s=row.duration_s + silence_s)


# ── tables ──


def read_counts(file: Path) -> dict[str, Counts]:
    """Counts of each speaker in a file; {} if there is none."""
    if not file.exists():
        return {}
    content = json.loads(file.read_text("utf-8"))
    return as_counts(content.get("speakers", content))


def of_corpus(counts: Mapping[str, Counts], corpus: str) -> dict[str, Counts]:
    """The speakers of a corpus, by name."""
    return {name: counts[name] for name in sorted(counts) if name.startswith(f"{corpus}/")}


def per(counts: Mapping[str, Counts]) -> str:
    """The phone error rate with its interval over speakers."""
    return percent(phone_error_rate(counts) if counts else None)


def gap(first: Mapping[str, Counts], second: Mapping[str, Counts]) -> str:
    """The second rate minus the first, paired over speakers."""
    return points(difference(first, second)) if first and first.keys() == second.keys() else "–"


def table(title: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown."""
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return [f"## {title}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows, ""]


def summarise(options: argparse.Namespace) -> str:
    """All tables of what is finished."""
    output, names = options.output, list(CORPORA)
    lines: list[str] = []
    seeds = {
        seed: counts
        for seed in options.seeds
        if (counts := read_counts(output / "folds" / f"seed-{seed}" / "judged.json"))
    }
    columns = ["", *CORPORA.values()]
    if seeds:
        together = summed(list(seeds.values()))
        body = [
            [f"seed {seed}", *(per(of_corpus(counts, name)) for name in names)]
            for seed, counts in seeds.items()
        ]
        body.append([f"mean of {len(seeds)}", *(per(of_corpus(together, name)) for name in names)])
        lines += table("Folds", columns, body)
    for part, entries in (
        ("ways", [way.replace(" ", "-") for way in WAYS]),
        ("curve", [f"{minutes}-minutes" for minutes in options.minutes]),
    ):
        body = []
        for entry in entries:
            file = output / part / entry / "judged.json"
            if file.exists():
                content = json.loads(file.read_text("utf-8"))
                counts = read_counts(file)
                facts = [
                    f"{content['minutes']:.1f} min",
                    str(content.get("trained_speakers", "–")),
                    f"{content['seconds']:.0f} s",
                    str(content["steps"]),
                ]
                body.append([entry, *(per(of_corpus(counts, name)) for name in names), *facts])
        if body:
            lines += table(
                part.capitalize(),
                [*columns, "training speech", "its speakers", "time of training", "steps"],
                body,
            )
    weak, file = (
        read_counts(output / "labels" / "recognised" / "judged.json"),
        output / "labels" / "given.json",
    )
    if weak and file.exists():
        first, left_out = read_counts(file), json.loads(file.read_text("utf-8"))["left_out"]
        body = [
            ["given texts", *(per(of_corpus(first, name)) for name in names)],
            ["recognised texts", *(per(of_corpus(weak, name)) for name in names)],
            ["difference, paired", *(gap(of_corpus(first, name), of_corpus(weak, name)) for name in names)],
        ]
        lines += table(f"Labels, without {left_out} clips of repeated sentences", columns, body)
    body = []
    for silence in SILENCES_S:
        cells = [f"{silence:g} s"]
        for kind in ("file", "front"):
            counts = read_counts(output / "silence" / f"{kind}-{silence:g}.json")
            cells += [per(of_corpus(counts, name)) for name in names]
        body.append(cells)
    if any(cell != "–" for row in body for cell in row[1:]):
        head = [
            "silence",
            *(f"{name}, {where}" for where in ("in the file", "by the front") for name in CORPORA.values()),
        ]
        lines += table("Silence", head, body)
    text = "\n".join(lines) + "\n"
    write_text(output / "summary.md", text)
    return text


RUN = {
    "folds": run_folds,
    "ways": run_ways,
    "curve": run_curve,
    "labels": run_labels,
    "silence": run_silence,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default="openai/whisper-base")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=list(RUN), default=list(RUN))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--way-folds", type=int, default=2)
    parser.add_argument("--way-epochs", type=int, default=10)
    parser.add_argument("--minutes", nargs="+", type=int, default=list(CURVE_MINUTES))
    parser.add_argument("--curve-steps", type=int, default=600)
    parser.add_argument("--longest-s", type=float, help="leave longer clips out")
    parser.add_argument("--recognised", type=Path)
    parser.add_argument("--set", nargs="*", default=[], help="further overrides of the recipe")
    parser.add_argument("--summary", action="store_true", help="run nothing, only rebuild the tables")
    options = parser.parse_args()
    options.output = options.output.resolve()
    options.rows = options.output / "rows.parquet"
    for part in [] if options.summary else options.only:
        print(part, flush=True)
        RUN[part](options)
    print(summarise(options))


if __name__ == "__main__":
    main()
