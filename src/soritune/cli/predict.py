"""`soritune predict`: audio in, labels or phones out."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from soritune import progress
from soritune.cli.decoder_options import DecoderName, DecoderValues, chosen_decoder

if TYPE_CHECKING:
    from soritune.inference.predictions import Row
    from soritune.inference.predictor import Predictor
    from soritune.tasks.task import Column, Task

RECOGNISER = "soritune/tiny-ko"
"""Predicts where no bundle is named."""
PURPOSE = "for trying things out and as a start for fine-tuning, not for judging anybody's pronunciation"
SHOWN = 100
"""Rows of the table on the terminal."""


@dataclass(slots=True)
class _Seen:
    """What is kept of a run of predictions: the first rows, and labels with their confidence of all."""

    keep_all: bool
    labelling: frozenset[str]
    """Names of the tasks whose predictions are one label."""
    rows: list[Row] = field(default_factory=list)
    labels: dict[str, list[Row]] = field(default_factory=dict)
    predicted: int = 0
    failed: int = 0

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows as they come."""
        for row in rows:
            self.failed, self.predicted = (
                self.failed + ("error" in row),
                self.predicted + ("error" not in row),
            )
            if self.keep_all or len(self.rows) < SHOWN or "error" in row:
                self.rows.append(row)
            for name, found in row.get("tasks", {}).items():
                prediction = found["prediction"]
                if name in self.labelling:
                    light = {"label": prediction["label"], "confidence": prediction["confidence"]}
                    self.labels.setdefault(name, []).append({"tasks": {name: {"prediction": light}}})
            yield row


def predict(
    audio: Annotated[list[Path] | None, typer.Argument(help="Audio files, or folders of them.")] = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option(
            "--bundle",
            "-b",
            help="Model folder (a bundle or a run), or soritune/tiny-ko; several are averaged. Without it, "
            "soritune/tiny-ko.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Predict the rows of a manifest instead of files.")
    ] = None,
    splits: Annotated[
        Path | None, typer.Option(help="Splits file, to take one split of the manifest.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to take when --splits is given.")] = "test",
    root: Annotated[Path | None, typer.Option(help="Where the manifest's audio paths start.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write predictions.jsonl here.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Bundle of a run folder: best, last, best_loss, …")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    backend: Annotated[str, typer.Option(help="What runs the model.")] = "pytorch",
    base: Annotated[
        str | None,
        typer.Option(help="Folder or hub name of an adapter bundle's base, where it has moved."),
    ] = None,
    decoder: DecoderName = "greedy",
    decoder_set: DecoderValues = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="FIELD=VALUE of another input of the model, for every file; the value is YAML; may be repeated.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Predict files, folders or a manifest. Long files go by windows; a bad file stops nothing."""
    from soritune.cli.source_options import settings_of
    from soritune.errors import SorituneError
    from soritune.inference.predictor import Predictor
    from soritune.run_folder import choose_bundle, rows_seen
    from soritune.tasks.inputs.input import values_in_request

    if bool(audio) == (manifest is not None):
        raise SorituneError("give either audio files (or folders) or --manifest")
    if given and manifest is not None:
        raise SorituneError("--input is for files; the rows of a manifest have their inputs in their columns")
    items, data, many = _items(audio or [], manifest, splits, split, root)
    request: dict[str, Any] = {}
    if given:
        request = settings_of(given, {"text": str}, "--input")
        reserved = sorted({"audio", "id"} & set(request))
        if reserved:
            raise SorituneError(
                f"--input {reserved[0]}=… is no input of a model; files are given as arguments"
            )
        items = [{**request, "audio": path} for path in items]
    # A model takes seconds to load; what is wrong with the arguments is said before that.
    folders = [choose_bundle(path, checkpoint) for path in bundle or [_packaged_model()]]
    reader = chosen_decoder(decoder, decoder_set)
    predictor = Predictor.load(folders, backend=backend, device=device, base=base, decoder=reader)
    values_in_request(predictor.inputs, request)  # a wrong name is reported before the first file is read
    seen_before = rows_seen(folders, items) if manifest is not None else None
    if seen_before is not None:
        data["seen"] = seen_before
    seen = _predict(predictor, items, data, output, quiet=as_json)
    distributions = _distributions(predictor.tasks, seen) if many else {}
    if as_json:
        _print_json(seen, distributions, output)
    else:
        _print_tables(predictor.tasks, seen, distributions, output)
    if seen.failed:
        raise typer.Exit(1)


def _packaged_model() -> str:
    """The model of the package that is taken where none was named; says so on standard error."""
    from soritune.bundles.packaged import packaged_models
    from soritune.errors import BundleError

    if RECOGNISER not in packaged_models():
        raise BundleError("no model was given; name a bundle or run folder with --bundle")
    told = (
        f"{RECOGNISER}: Korean phones, trained on synthetic speech; {PURPOSE}; --bundle names another model"
    )
    Console(stderr=True, soft_wrap=True).print(told, style="dim", markup=False, highlight=False)
    return RECOGNISER


def _items(
    audio: list[Path], manifest: Path | None, splits: Path | None, split: str, root: Path | None
) -> tuple[Any, dict[str, Any], bool]:
    """What to predict, what the header says about it, and whether it is a collection."""
    if manifest is None:
        files, has_folder = _files(audio)
        return files, {}, has_folder
    import pyarrow.compute as pc

    from soritune.corpus.manifest import load_manifest
    from soritune.corpus.splitting.splits import load_splits
    from soritune.errors import SplitError

    rows = load_manifest(manifest, root=root)
    data: dict[str, Any] = {"manifest_hash": rows.hash, "split": "all", "root": str(rows.root.resolve())}
    if splits is not None:
        decided = load_splits(splits)
        rows = rows.select(decided.indices(rows, split))
        data |= {"split": split, "policy": dict(decided.policy)}
    if not len(rows):
        raise SplitError(f"{manifest} has no utterance in the split '{split}'; choose another with --split")
    data["synthetic"] = bool(pc.any(pc.equal(rows.column("source"), "synthetic")).as_py())
    return rows, data, True


def _files(paths: list[Path]) -> tuple[list[Path], bool]:
    from soritune.audio.files import find_audio
    from soritune.errors import AudioError

    if not any(path.exists() for path in paths):
        raise AudioError(paths[0], "is not there; give audio files or folders that exist")
    files: list[Path] = []
    for path in paths:
        if path.suffix.lower() in (".jsonl", ".parquet") and path.is_file():
            raise AudioError(path, f"is not audio; if it is a manifest, give it as --manifest {path}")
        files.extend(find_audio(path) if path.is_dir() else [path])
    if not files:
        raise AudioError(
            paths[0], "holds no audio file; wav, flac, mp3, ogg, opus, m4a, aac and webm are looked for"
        )
    return files, any(path.is_dir() for path in paths)


def _predict(
    predictor: Predictor, items: Any, data: dict[str, Any], output: Path | None, *, quiet: bool
) -> _Seen:
    from soritune.inference.origin import make_header
    from soritune.inference.predictions import write_predictions

    labelling = frozenset(task.name for task in predictor.tasks if task.single_label)
    seen = _Seen(keep_all=quiet and output is None, labelling=labelling)
    groups = {"split": data["split"]} if "split" in data else None
    with progress.Console(quiet=quiet or len(items) < 10).bar("predict", len(items)) as bar:
        rows = seen.watch(predictor.predict(items, groups=groups, progress=bar.advance))
        if output is not None:
            write_predictions(output, make_header(predictor, data), rows)
        else:
            for _ in rows:
                pass
    return seen


def _distributions(tasks: Iterable[Task], seen: _Seen) -> dict[str, Any]:
    from soritune.inference.distribution import label_distribution

    return {
        task.name: label_distribution(seen.labels[task.name], task=task.name, labels=task.outputs[0].labels)
        for task in tasks
        if task.name in seen.labels
    }


def _print_json(seen: _Seen, distributions: dict[str, Any], output: Path | None) -> None:
    from soritune.inference.json_values import without_nan

    content: dict[str, Any] = {"predicted": seen.predicted, "failed": seen.failed}
    if output is None:
        content["predictions"] = seen.rows
    else:
        content["output"] = str(output)
        content["errors"] = [row for row in seen.rows if "error" in row]
    if distributions:
        content["distribution"] = {name: found.to_json() for name, found in distributions.items()}
    sys.stdout.write(json.dumps(without_nan(content), ensure_ascii=False) + "\n")


def _print_tables(
    tasks: tuple[Task, ...], seen: _Seen, distributions: dict[str, Any], output: Path | None
) -> None:
    console = _wide_console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("file", overflow="fold")
    names = _short_names([str(row["id"]) for row in seen.rows[:SHOWN]])
    fields = _columns(tasks, seen.rows)
    for _, column in fields:
        table.add_column(column.title, justify="left" if column.kind == "text" else "right", overflow="fold")
    for row, name in zip(seen.rows[:SHOWN], names, strict=True):
        shown = Text(name)
        if "error" in row:
            table.add_row(shown, Text(row["error"], style="red"), *[""] * (len(fields) - 1))
            continue
        table.add_row(shown, *(Text(_cell(row, task, column)) for task, column in fields))
    console.print(table)
    total = seen.predicted + seen.failed
    if total > SHOWN:
        console.print(f"… {total - SHOWN} more; --output or --json has all of them", style="dim")
    for task, found in distributions.items():
        _print_distribution(console, task, found)
    if output is not None:
        console.print(
            f"{seen.predicted} predictions in {output}", markup=False, highlight=False, soft_wrap=True
        )
    if seen.failed:
        Console(stderr=True).print(
            f"{seen.failed} of {total} files could not be predicted", style="red", highlight=False
        )


def _wide_console() -> Console:
    """As wide as the terminal; into a file or a pipe wide enough for a line of phones."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def _short_names(ids: list[str]) -> list[str]:
    """File names without their folders where that still tells rows apart, else ids as they are."""
    names = [Path(name).name for name in ids]
    return names if len(set(names)) == len(set(ids)) else ids


def _columns(tasks: tuple[Task, ...], rows: list[Row]) -> list[tuple[str, Column]]:
    """Task and column of each column after the file's name, as the tasks name them for the first prediction."""
    from soritune.tasks.task import Column, Prediction

    first: Row = next((row for row in rows if "error" not in row), {"tasks": {}})
    columns = [
        (task.name, column)
        for task in tasks
        if task.name in first["tasks"]
        for column in task.columns(Prediction.from_json(first["tasks"][task.name]["prediction"]))
    ]
    return columns or [("", Column("", ""))]


def _cell(row: Row, task: str, column: Column) -> str:
    value = row["tasks"].get(task, {}).get("prediction", {}).get(column.field)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if column.kind == "share":
        return f"{100 * value:.1f} %"
    return " ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _print_distribution(console: Console, name: str, found: Any) -> None:
    table = Table(title=f"{name}: {found.total} clips", title_justify="left", box=None, pad_edge=False)
    table.title_style, table.header_style = "bold", "dim"
    table.add_column("label")
    for title in ("clips", "share", "mean probability"):
        table.add_column(title, justify="right")
    for row in found.labels:
        sure = "–" if row.mean_confidence is None else f"{100 * row.mean_confidence:.1f} %"
        table.add_row(Text(row.label), str(row.count), f"{100 * row.share:.1f} %", sure)
    console.print()
    console.print(table)
