"""Verbs that judge: `evaluate`, `score`, `report`, `compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from soritune import progress
from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.cli.decoder_options import DecoderName, DecoderValues, chosen_decoder
from soritune.cli.file_options import Root
from soritune.cli.given_options import refuse_idle
from soritune.cli.model_options import Backend, Base, Coverage, Device, Withheld
from soritune.cli.source_options import settings_of
from soritune.cli.terminal import AsJson, announce, print_json, print_line
from soritune.cli.terminal import output as terminal

if TYPE_CHECKING:
    from soritune.reports.compare import Comparison, TaskComparison
    from soritune.reports.scores import Scores

GroupBy = Annotated[
    list[str] | None,
    typer.Option(
        "--group-by", "-g", help="Field to break scores down by (gender, age, snr_db …); may be repeated."
    ),
]
Resamples = Annotated[int, typer.Option(help="Bootstrap draws of speakers behind every interval.")]
Language = Annotated[Literal["en", "ko"], typer.Option(help="Language of the report: en or ko.")]
Phones = Annotated[
    Literal["jamo", "ipa", "codes"] | None,
    typer.Option(help="How the report writes phones: jamo, ipa or codes (default: jamo for Korean phones)."),
]
Audio = Annotated[bool, typer.Option("--audio/--no-audio", help="Put audio players into the report.")]


def evaluate(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help=f"Run folder, bundle folder, or {DEFAULT_MODEL}.")],
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "test",
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="Bundle of the run: best, best_loss, best_<task>_<metric>, epoch_<N>, last, start."
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Judge on this manifest instead of the run's own.")
    ] = None,
    splits: Annotated[Path | None, typer.Option(help="Splits file of the manifest.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Judge on this corpus instead: a folder, or a JSONL, Parquet or CSV file."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Layout of --data (`soritune sources` lists them); default: that of the model's own corpus."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of the source's settings; the value is YAML."),
    ] = None,
    root: Root = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the results.")] = None,
    plots: Annotated[
        Literal["svg", "png"] | None,
        typer.Option(help="Also write confusion_matrix and class_metrics as files of this kind."),
    ] = None,
    group_by: GroupBy = None,
    resamples: Resamples = 1000,
    audio: Audio = True,
    language: Language = "en",
    phones: Phones = None,
    device: Device = "auto",
    backend: Backend = "auto",
    base: Base = None,
    decoder: DecoderName = "greedy",
    decoder_set: DecoderValues = None,
    vad: Annotated[
        Literal["auto", "silero", "energy", "off"],
        typer.Option(help="What finds clips without speech: auto, silero, energy or off."),
    ] = "auto",
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Labels with a lower probability (0 to 1) are uncertain; the others are scored apart too."
        ),
    ] = None,
    withhold: Withheld = None,
    coverage: Coverage = None,
    speaker_norm: Annotated[
        int | None,
        typer.Option(
            help="Normalise features per speaker by this number of clips of each, which are not judged."
        ),
    ] = None,
    copies: Annotated[
        Literal["apart", "allow", "ignore"],
        typer.Option(
            help="Rows with the audio of training rows: refuse them, judge them, or compare no audio."
        ),
    ] = "apart",
    as_json: AsJson = False,
) -> None:
    """Predict, score and report in one go: a split of a run, a manifest, or any labelled corpus (--data)."""
    announce("loading the libraries and the model", quiet=as_json)
    from soritune.bundles.packaged import resolve_model_folder
    from soritune.bundles.read import is_bundle
    from soritune.errors import ManifestError
    from soritune.stages.evaluate import evaluate as run_evaluation

    if data is None and (source is not None or settings):
        raise ManifestError("--source and --set describe how --data is read; give --data too")
    no_splits = "with --manifest and without --splits" if manifest is not None and splits is None else None
    with_data = None if data is None else "with --data"
    refuse_idle(
        context,
        {
            "split": with_data or (None if split == "all" else no_splits),
            "root": with_data,
            "checkpoint": "for a single bundle" if is_bundle(resolve_model_folder(target)) else None,
        },
    )
    scores = run_evaluation(
        target,
        split=split,
        checkpoint=checkpoint,
        manifest=manifest,
        splits=splits,
        data=data,
        source=source,
        settings=settings_of(settings),
        output=output,
        root=root,
        group_by=group_by or None,
        resamples=resamples,
        audio=audio,
        language=language,
        phones=phones,
        device=device,
        backend=backend,
        base=base,
        decoder=chosen_decoder(decoder, decoder_set),
        vad=vad,
        min_confidence=min_confidence,
        coverage=coverage,
        speaker_norm=speaker_norm,
        withhold=withhold or (),
        copies=copies,
        console=progress.Console(quiet=as_json),
    )
    if plots is not None:
        folder = Path(scores["files"]["scores"]).parent
        scores["files"]["plots"] = [
            str(scores.plot_confusion_matrix(folder / f"confusion_matrix.{plots}")),
            str(scores.plot_class_metrics(folder / f"class_metrics.{plots}")),
        ]
    if as_json:
        print_json(scores)
    else:
        show_scores(scores.all_scores)
        print_line(f"report: {scores['files']['report']}")
    if scores["num_failed"]:
        raise typer.Exit(1)


def score(
    predictions: Annotated[Path, typer.Argument(help="A predictions.jsonl with references.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A .json or .csv; scores.json beside the predictions by default."
        ),
    ] = None,
    group_by: GroupBy = None,
    resamples: Resamples = 1000,
    as_json: AsJson = False,
) -> None:
    """Score predictions: rates with intervals over speakers, by group, beside a baseline."""
    from soritune.reports.before import scores_before, with_before
    from soritune.reports.csv_tables import is_csv, write_scores_csv
    from soritune.reports.score import score_predictions
    from soritune.run_folder import RunFolder

    scores = score_predictions(predictions, group_by=group_by or None, resamples=resamples)
    scores = with_before(scores, scores_before(predictions, scores))
    if output is not None and is_csv(output):
        path = write_scores_csv(output, scores)
    else:
        path = scores.save(output or RunFolder(predictions.parent).scores())
    if as_json:
        print_json(scores.to_json())
    else:
        show_scores(scores)
        print_line(f"written to {path}")


def report(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Run folder, or a folder with scores.json and predictions.")],
    scores: Annotated[Path | None, typer.Option(help="scores.json of another folder.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="predictions.jsonl of another folder.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="report.html in the folder by default.")
    ] = None,
    audio: Audio = True,
    language: Language = "en",
    phones: Phones = None,
    audio_root: Annotated[
        Path | None, typer.Option(help="Where the clips are now, if they were moved.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the report as one HTML file that needs no network and no other file."""
    from soritune.reports.report import write_report

    refuse_idle(context, {"audio_root": None if audio else "with --no-audio"})
    path = write_report(
        folder,
        scores_path=scores,
        predictions_path=predictions,
        output=output,
        audio=audio,
        audio_root=audio_root,
        language=language,
        phones=phones,
    )
    if as_json:
        print_json({"report": str(path), "bytes": path.stat().st_size})
    else:
        print_line(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


def compare(
    context: typer.Context,
    scores: Annotated[
        list[Path], typer.Argument(help="scores.json files or folders with one; the first is compared to.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the comparison here, as .json or .csv.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a JSON per model, summary.json and comparison.html: groups with their gaps, phones, "
            "examples with players. Also for a single model."
        ),
    ] = None,
    audio: Audio = True,
    audio_root: Annotated[
        Path | None, typer.Option(help="Where the clips are now, if they were moved.")
    ] = None,
    resamples: Resamples = 1000,
    as_json: AsJson = False,
) -> None:
    """Compare models: rates beside each other, differences paired over common speakers."""
    from soritune.reports.compare import compare as run_comparison
    from soritune.reports.csv_tables import is_csv, write_comparison_csv
    from soritune.whole_file import write_text

    no_page = "without --report" if report is None else None
    refuse_idle(context, {"audio": no_page, "audio_root": no_page or (None if audio else "with --no-audio")})
    alone = len(scores) == 1 and report is not None and output is None
    comparison = None if alone else run_comparison(scores, resamples=resamples)
    content = {} if comparison is None else comparison.to_json()
    if output is not None and comparison is not None and is_csv(output):
        write_comparison_csv(output, comparison)
    elif output is not None:
        write_text(output, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    if report is not None:
        files = _write_comparison(report, scores, comparison, resamples, audio, audio_root)
        content["files"] = [str(file) for file in files]
    if as_json:
        print_json(content)
        return
    if comparison is not None:
        for task in comparison.tasks:
            _print_comparison(comparison.names, task)
    if report is not None:
        print_line(f"report: {content['files'][-1]}")


def _write_comparison(
    folder: Path,
    paths: list[Path],
    comparison: Comparison | None,
    resamples: int,
    audio: bool,
    audio_root: Path | None,
) -> list[Path]:
    """The files of `compare --report`."""
    from soritune.reports.compare import model_names
    from soritune.reports.comparison_page import write_comparison
    from soritune.reports.model_analysis import ModelAnalysis

    models = [
        ModelAnalysis.of(name, path, resamples=resamples)
        for name, path in zip(model_names(paths), paths, strict=True)
    ]
    return write_comparison(folder, models, comparison, audio=audio, audio_root=audio_root)


def show_scores(scores: Scores) -> None:
    """Prints scores: warnings first, then tables per task."""
    from soritune.reports.text_report import score_tables

    console = terminal()
    for part in score_tables(scores):
        console.print(part, soft_wrap=isinstance(part, Text))


def _print_comparison(names: Sequence[str], task: TaskComparison) -> None:
    from soritune.reports.compare import verdict
    from soritune.reports.numbers import rate_range_text, rate_text
    from soritune.tasks.headline import is_share
    from soritune.terminal_text import counted

    console = terminal()
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left", title_style="bold")
    table.title = f"{task.name} ({task.primary}: {'higher' if task.higher_is_better else 'lower'} is better)"
    table.add_column("rate")
    for name in names:
        table.add_column(Text(name), justify="right", overflow="fold")
    for rate, row in task.rates.items():
        cells = ["–" if interval is None else rate_text(task.task, rate, interval.value) for interval in row]
        table.add_row(rate, *cells, style="bold" if rate == task.primary else "")
    console.print(table)
    shares = is_share(task.task, task.primary)
    for name, difference in zip(names, task.differences, strict=True):
        if difference is None or task.primary not in difference:
            continue
        gap = difference[task.primary]
        doubt = "" if gap.reliable else f"; unreliable, {counted(gap.num_speakers, 'speaker')}"
        size = f"{100 * gap.value:+.1f} points of" if shares else f"{gap.value:+.4f} of"
        interval = rate_range_text(task.task, task.primary, gap)
        print_line(
            f"{name} − {names[0]}: {size} {task.primary} (95 % interval {interval}: "
            f"{verdict(gap, task.higher_is_better)}{doubt})"
        )
    for note in task.notes:
        console.print(Text(note, style="dim"))
    console.print()
