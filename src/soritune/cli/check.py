"""`soritune check`: every recording is decoded and measured, and every row is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from soritune import progress
from soritune.cli.engine_options import Actors, Engine, RayAddress, chosen_engine
from soritune.cli.given_options import refuse_idle
from soritune.cli.manifest_options import (
    ConstantOption,
    FieldOption,
    RootOption,
    StrictOption,
    counts_text,
    label_fields,
    loaded_manifest,
    manifest_counts,
    print_quarantined,
    print_table,
)
from soritune.cli.source_options import settings_of
from soritune.cli.terminal import AsJson, escape, print_json, print_markup
from soritune.errors import SorituneError, TaskError

if TYPE_CHECKING:
    from soritune.corpus.checks import CheckResult
    from soritune.tasks.task import Task


def check(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet or .jsonl")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for checked.parquet (the clean rows), quarantine.jsonl and the report.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="Also list rows this task cannot use; may be given again."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="TASK.KEY=VALUE, e.g. emotion.labels=[Anxious,Kind,Dry]")
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="With --task: also list rows whose labels the frames of this model cannot spell."),
    ] = None,
    splits: Annotated[
        Path | None, typer.Option(help="splits.parquet: report what its splits have in common.")
    ] = None,
    field: FieldOption = None,
    constant: ConstantOption = None,
    root: RootOption = None,
    decode: Annotated[bool, typer.Option(help="Decode every file.")] = True,
    min_duration_s: Annotated[float, typer.Option(help="Shorter utterances are quarantined.")] = 0.1,
    max_marked_share: Annotated[
        float | None,
        typer.Option(
            help="Refuse a manifest of which more texts have transcript marks such as b/; default: as for sources.",
            min=0,
            max=1,
        ),
    ] = None,
    vad: Annotated[
        Literal["auto", "silero", "energy", "off"],
        typer.Option(help="What finds speech: silero if it is installed, else the energy gate."),
    ] = "auto",
    vad_rows: Annotated[
        str, typer.Option(help="About how many rows are searched for speech, drawn by their number; or all.")
    ] = "2000",
    report: Annotated[bool, typer.Option(help="Write check.json, check.html and measures.parquet.")] = True,
    workers: Annotated[
        int | None, typer.Option(help="Processes; default: one per core. Changes no result.", min=1)
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="I/N: check the I-th share of N, on one of N machines with the same --out; then once without."
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Check everything again instead of resuming.")
    ] = False,
    strict: StrictOption = False,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    actors: Actors = None,
    as_json: AsJson = False,
) -> None:
    """Decode every file and check every row. Faulty rows go to quarantine.jsonl, the others to checked.parquet."""
    from soritune.audio.voice_activity import voice_activity
    from soritune.corpus.reading.source_config import MAX_MARKED_SHARE
    from soritune.corpus.splitting.splits import load_splits
    from soritune.corpus.unread_text import text_to_pronounce
    from soritune.stages.check import check_rows, check_shard
    from soritune.stages.check_report import CheckReport
    from soritune.stages.label_columns import with_labels
    from soritune.stages.row_problems import geometry_of_encoder, pronounced_text, task_problem

    _refuse_idle(context, task, out, decode, vad, shard, engine)
    cluster = chosen_engine(context, engine, ray_address, actors)
    if cluster is not None and out is None:
        raise SorituneError(
            "--engine ray needs --out, a folder that all machines see, for the parts that they check"
        )
    tasks = _tasks(task, settings)
    rows = loaded_manifest(manifest, root, field, constant)
    detector = voice_activity(vad) if decode else None
    geometry = None if encoder is None else geometry_of_encoder(encoder)
    problems = [task_problem(each, geometry) for each in tasks]
    given = [[each.name, each.config.model_dump(mode="json")] for each in tasks]
    console = progress.Console(quiet=as_json)
    how: dict[str, Any] = {
        "decode": decode,
        "min_duration_s": min_duration_s,
        "text_of": pronounced_text(tasks) if tasks else text_to_pronounce,
        "measures": True,
        "vad": "off" if detector is None else detector.name,
        "vad_share": _share(vad_rows, len(rows)),
        "resumes": json.dumps([given, None if geometry is None else repr(geometry)], sort_keys=True),
        "workers": workers,
        "console": console,
    }
    if shard is not None and out is not None:
        done, total = check_shard(with_labels(tasks, rows), out, problems, shard, **how)
        _print_shard(done, total, out, as_json)
        return
    reports = CheckReport(
        None if detector is None else detector.name,
        out if report else None,
        title=str(manifest.resolve().parent.name or manifest.name),
        splits=None if splits is None else load_splits(splits),
    )
    result = check_rows(
        with_labels(tasks, rows),
        out,
        problems,
        label_fields=label_fields(),
        max_marked_share=MAX_MARKED_SHARE if max_marked_share is None else max_marked_share,
        anew=restart,
        reports=reports,
        engine=cluster,
        **how,
    )
    lost = _print(result, reports, out, as_json)
    if strict and lost:
        raise typer.Exit(1)


def _refuse_idle(
    context: typer.Context,
    task: list[str] | None,
    out: Path | None,
    decode: bool,
    vad: str,
    shard: str | None,
    engine: str,
) -> None:
    no_folder = "without --out" if out is None else None
    in_shard = None if shard is None else "with --shard; give it when the shards are joined, without --shard"
    refuse_idle(
        context,
        {
            "encoder": None if task else "without --task",
            "report": no_folder or in_shard,
            "shard": no_folder or ("with --engine ray, which divides the work" if engine == "ray" else None),
            "restart": no_folder or ("with --shard; delete the folder with the parts" if shard else None),
            "splits": in_shard,
            "strict": in_shard,
            "max_marked_share": in_shard,
            "vad": None if decode else "with --no-decode",
            "vad_rows": "with --no-decode" if not decode else "with --vad off" if vad == "off" else None,
        },
    )


def _tasks(names: list[str] | None, settings: list[str] | None) -> list[Task]:
    from soritune.tasks.task import make_task

    task_settings = settings_of(settings)
    stray = sorted(set(task_settings) - set(names or ()))
    if stray:
        known = f"the tasks that are checked are: {', '.join(names)}" if names else "no task is checked"
        raise TaskError(f"--set {stray[0]}.… has no effect, because {known}; add --task {stray[0]}")
    return [make_task(name, task_settings.get(name, {})) for name in names or ()]


def _share(text: str, total: int) -> float:
    if text == "all":
        return 1.0
    if not text.isdecimal():
        raise SorituneError(f"--vad-rows expects a number of rows or all; got '{text}'")
    return min(1.0, int(text) / max(total, 1))


def _print_shard(done: int, total: int, out: Path, as_json: bool) -> None:
    if as_json:
        print_json({"parts_done": done, "parts": total, "out": str(out)})
        return
    rest = (
        "run the same command without --shard to join them"
        if done == total
        else "the others are not done yet"
    )
    print_markup(f"{done:,} of {total:,} parts are done in {escape(str(out))}; {rest}")


def _print(result: CheckResult, reports: Any, out: Path | None, as_json: bool) -> bool:
    """Prints what a check found; whether rows were lost."""
    from soritune.corpus.file_names import QUARANTINE_FILE
    from soritune.stages.check import by_purpose

    counts = manifest_counts(result.clean)
    lost, on_purpose = by_purpose(result.quarantined)
    if as_json:
        quarantined = [{"id": q.id, "reason": q.reason, "stage": q.stage} for q in lost]
        marked = {"texts": result.marks.marked, "marks": dict(result.marks.marks.most_common(20))}
        more = {"tables": result.tables, "levels": result.levels, "notes": result.notes}
        print_json(
            {
                **counts,
                "quarantined": quarantined,
                "left_out": len(on_purpose),
                **more,
                "transcript_marks": marked,
                "suspicious": reports.remarks,
                "overlap": reports.overlap,
                "report": None if reports.page is None else str(reports.page),
            }
        )
        return bool(lost)
    print_markup(f"{counts_text(counts)} clean")
    for column, table in result.tables.items():
        print_table(column, table)
    if result.levels:
        print_markup("levels: " + ", ".join(f"{name} {value:.3g}" for name, value in result.levels.items()))
    for remark, count in result.notes.items():
        print_markup(f"[yellow]{count:,} noted[/yellow]: {escape(remark)}")
    for remark, count in reports.remarks.items():
        print_markup(f"[yellow]{count:,} suspicious[/yellow]: {escape(remark)}")
    for split, shares in (reports.overlap or {}).items():
        shared = ", ".join(f"{kind} {share:.1%}" for kind, share in shares.items())
        print_markup(f"overlap of {escape(split)} in hours: {escape(shared)}")
    if on_purpose:
        print_markup(f"{len(on_purpose):,} left out on purpose: {escape(on_purpose[0].reason)}")
    print_quarantined(lost, None if out is None else out / QUARANTINE_FILE)
    if reports.page is not None:
        print_markup(f"→ {escape(str(reports.page))}")
    return bool(lost)
