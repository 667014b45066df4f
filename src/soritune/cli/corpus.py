"""`soritune prepare`, `check`, `split`, `folds`: from a corpus folder to a manifest and splits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from soritune import progress
from soritune.cli.given_options import refuse_idle
from soritune.cli.source_options import constants, pairs, settings_of, source_settings
from soritune.cli.terminal import escape, print_json, print_markup
from soritune.cli.terminal import output as terminal
from soritune.errors import OutputError, SplitError, TaskError

if TYPE_CHECKING:
    from soritune.corpus.checks import Quarantined
    from soritune.corpus.manifest import Manifest
    from soritune.corpus.splitting.splits import Splits, SplitSettings

logger = logging.getLogger(__name__)
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
RootOption = Annotated[
    Path | None, typer.Option(help="Where relative audio paths start; default: as stored.")
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option("--field", help="FIELD=NAME: read an utterance field from the file's NAME."),
]
ConstantOption = Annotated[
    list[str] | None,
    typer.Option("--constant", help="FIELD=VALUE for every row without a value in this field."),
]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE of the source's settings; the value is YAML.")
]
CopiesOption = Annotated[
    Literal["apart", "allow", "ignore"],
    typer.Option(
        help="Rows with the same audio: keep them in one split, allow them in several, or compare no audio."
    ),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 when anything is quarantined.")]
PrefixOption = Annotated[
    bool, typer.Option("--prefix", help="Put each manifest's folder name before its ids.")
]


def prepare(
    source: Annotated[str, typer.Argument(help="Layout of the corpus; `soritune sources` lists them.")],
    paths: Annotated[
        list[Path], typer.Argument(help="The corpus: a folder, or one or several manifest files.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for manifest.parquet and quarantine.jsonl.")
    ],
    field: FieldOption = None,
    constant: ConstantOption = None,
    settings: SettingsOption = None,
    prefix: PrefixOption = False,
    strict: StrictOption = False,
    as_json: Json = False,
) -> None:
    """Turn a corpus into a manifest. What cannot be used goes to quarantine.jsonl with its reason."""
    from soritune.corpus.file_names import MANIFEST_FILE, QUARANTINE_FILE
    from soritune.corpus.prepare import prepare as run

    root, config = source_settings(source, paths, settings, field, constant, prefix)
    with progress.Console(quiet=as_json).bar("prepare") as bar:
        made = run(source, root, config, out, progress=bar.update)
    counts = _manifest_json(made.manifest)
    if as_json:
        print_json(
            {
                **counts,
                "quarantined": len(made.quarantined),
                "skipped": made.skipped,
                "notes": made.notes,
                "out": str(out / MANIFEST_FILE),
            }
        )
    else:
        print_markup(f"{_counts(counts)} → {escape(str(out / MANIFEST_FILE))}")
        for title, reasons in (("skipped", made.skipped), ("noted", made.notes)):
            for reason, count in reasons.items():
                print_markup(f"{count:,} {title}: {escape(reason)}")
        _print_quarantined(made.quarantined, out / QUARANTINE_FILE)
    if strict and made.quarantined:
        raise typer.Exit(1)


def check(
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet or .jsonl")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for checked.parquet (the clean rows) and quarantine.jsonl."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="Also list rows this task cannot use; may be given again."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="TASK.KEY=VALUE, e.g. emotion.labels=[Anxious,Kind,Dry]")
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
    strict: StrictOption = False,
    as_json: Json = False,
) -> None:
    """Decode every file and check every row. Faulty rows go to quarantine.jsonl, the others to checked.parquet."""
    from soritune.corpus.file_names import QUARANTINE_FILE
    from soritune.corpus.reading.source_config import MAX_MARKED_SHARE
    from soritune.corpus.unread_text import text_to_pronounce
    from soritune.stages.check import by_purpose, check_rows, pronounced_text, task_problem
    from soritune.stages.label_columns import with_labels
    from soritune.tasks.task import make_task

    task_settings = settings_of(settings)
    stray = sorted(set(task_settings) - set(task or ()))
    if stray:
        known = f"the tasks that are checked are: {', '.join(task)}" if task else "no task is checked"
        raise TaskError(f"--set {stray[0]}.… has no effect, because {known}; add --task {stray[0]}")
    tasks = [make_task(name, task_settings.get(name, {})) for name in task or ()]
    rows = _loaded(manifest, root, field, constant)
    result = check_rows(
        with_labels(tasks, rows),
        out,
        [task_problem(each) for each in tasks],
        decode=decode,
        min_duration_s=min_duration_s,
        label_fields=_label_fields(),
        max_marked_share=MAX_MARKED_SHARE if max_marked_share is None else max_marked_share,
        text_of=pronounced_text(tasks) if tasks else text_to_pronounce,
        console=progress.Console(quiet=as_json),
    )
    counts = _manifest_json(result.clean)
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
            }
        )
    else:
        print_markup(f"{_counts(counts)} clean")
        for column, table in result.tables.items():
            _print_table(column, table)
        if result.levels:
            print_markup(
                "levels: " + ", ".join(f"{name} {value:.3g}" for name, value in result.levels.items())
            )
        for remark, count in result.notes.items():
            print_markup(f"[yellow]{count:,} noted[/yellow]: {escape(remark)}")
        if on_purpose:
            print_markup(f"{len(on_purpose):,} left out on purpose: {escape(on_purpose[0].reason)}")
        _print_quarantined(lost, None if out is None else out / QUARANTINE_FILE)
    if strict and lost:
        raise typer.Exit(1)


def split(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet or .jsonl")],
    out: Annotated[Path, typer.Option("--out", "-o", help="splits.parquet to write.")],
    by: Annotated[
        str, typer.Option(help="What splits may not share: speaker, script, or speaker,script.")
    ] = "speaker,script",
    ratios: Annotated[str, typer.Option(help="Shares of the hours for train,val,test.")] = "0.8,0.1,0.1",
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    stratify: Annotated[
        str, typer.Option(help="Columns whose shares should be alike, e.g. emotion,gender.")
    ] = "",
    given: Annotated[str | None, typer.Option(help="Column that already holds the split.")] = None,
    random: Annotated[
        bool,
        typer.Option(
            "--random", help="Ignore speakers and scripts. Scores are then too good, and are marked."
        ),
    ] = False,
    copies: CopiesOption = "apart",
    field: FieldOption = None,
    constant: ConstantOption = None,
    root: RootOption = None,
    as_json: Json = False,
) -> None:
    """Put utterances into train, val and test so that no speaker, and no known script, is in two of them."""
    from soritune.corpus.splitting.splits import make_splits
    from soritune.stages.compared_audio import compare_audio

    if out.suffix != ".parquet":
        raise OutputError(
            f"{out}: splits are written as .parquet; name the file so, as in --out splits.parquet"
        )
    shares = _shares(ratios)
    ready = None if given is None else "with --given, which takes a ready split"
    refuse_idle(
        context,
        {
            "random": ready,
            "seed": ready,
            "by": ready or ("with --random" if random else None),
            "stratify": ready or ("with --random" if random else None),
            # A share of 0 still states that the given split need not have this part.
            "ratios": ready if 0 not in shares.values() else None,
        },
    )
    settings = _split_settings(
        by=("random",) if random else _names(by),
        ratios=shares,
        seed=seed,
        stratify=_names(stratify),
        given=given,
        copies=copies,
    )
    loaded = _loaded(manifest, root, field, constant)
    audio = compare_audio(loaded, copies, console=progress.Console(quiet=as_json))
    splits = make_splits(loaded, settings, label_fields=_label_fields(), audio_hashes=audio.hashes)
    audio.warn(splits, loaded)
    splits.save(out)
    _print_splits([splits], loaded, [out], as_json)


def folds(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet or .jsonl")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for fold-01.parquet, fold-02.parquet …")],
    by: Annotated[str, typer.Option(help="speaker, or speaker,script.")] = "speaker",
    number: Annotated[
        int | None, typer.Option("--folds", "-k", help="Speaker groups; default: leave one speaker out.")
    ] = None,
    val_share: Annotated[
        float, typer.Option(help="Share of the other hours that validates.", min=0, max=0.9)
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Another seed gives other groups.")] = 0,
    stratify: Annotated[str, typer.Option(help="Columns whose shares should be alike, e.g. emotion.")] = "",
    script_blocks: Annotated[
        int | None, typer.Option(help="Blocks of scripts; default: chosen by what is lost.")
    ] = None,
    copies: CopiesOption = "apart",
    field: FieldOption = None,
    constant: ConstantOption = None,
    root: RootOption = None,
    as_json: Json = False,
) -> None:
    """Make several splits that together test every speaker once."""
    from soritune.corpus.splitting.folds import make_folds
    from soritune.stages.compared_audio import compare_audio

    by_script = "script" in _names(by)
    refuse_idle(context, {"script_blocks": None if by_script else "without script in --by"})
    loaded = _loaded(manifest, root, field, constant)
    audio = compare_audio(loaded, copies, console=progress.Console(quiet=as_json))
    made = make_folds(
        loaded,
        group_by=_names(by),
        folds=number,
        val_share=val_share,
        seed=seed,
        stratify=_names(stratify),
        script_blocks=script_blocks,
        label_fields=_label_fields(),
        audio_hashes=audio.hashes,
        copies=copies,
    )
    for splits in made:
        audio.warn(splits, loaded)
    files = [out / f"fold-{index:0{len(str(len(made)))}d}.parquet" for index in range(1, len(made) + 1)]
    for splits, file in zip(made, files, strict=True):
        splits.save(file)
    _print_splits(made, loaded, files, as_json)


def _loaded(
    manifest: Path, root: Path | None, field: list[str] | None, constant: list[str] | None
) -> Manifest:
    """The manifest as the options state that it is read; a constant that no row takes is a warning."""
    from soritune.corpus.manifest import load_manifest
    from soritune.corpus.reading.field_mapping import convert

    given = constants(constant)
    rows = load_manifest(manifest, root=root, fields=pairs(field, "--field"), constants=given)
    for name, value in given.items():
        wanted = convert(name, value)
        values = (tuple(v) if isinstance(v, list) else v for v in rows.column(name).unique().to_pylist())
        if wanted not in values:
            logger.warning(
                "--constant %s=%s is used in no row, because every row has another value", name, value
            )
    return rows


def _label_fields() -> tuple[str, ...]:
    """The manifest columns with labels of any task that is installed; these verbs have no recipe."""
    from soritune.registry import members
    from soritune.tasks.task import is_task, label_fields

    return label_fields(members("soritune.tasks", "TASK", is_task).values())


def _shares(ratios: str) -> dict[str, float]:
    from soritune.corpus.splitting.splits import SPLITS

    return dict(zip(SPLITS, _numbers(ratios, "--ratios", len(SPLITS)), strict=True))


def _split_settings(**values: Any) -> SplitSettings:
    from pydantic import ValidationError

    from soritune.corpus.splitting.splits import SplitSettings
    from soritune.settings import faults_of

    try:
        return SplitSettings(**values)
    except ValidationError as error:
        raise SplitError("; ".join(faults_of(error, SplitSettings))) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.replace("+", ",").split(",") if part.strip())


def _numbers(text: str, option: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.replace("/", ",").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise SplitError(f"{option} expects {count} numbers with commas, such as 0.8,0.1,0.1; got '{text}'")
    return numbers


def _manifest_json(manifest: Manifest) -> dict[str, Any]:
    from soritune.corpus.splitting.grouping import speakers_of

    return {
        "utterances": len(manifest),
        "hours": manifest.hours,
        "speakers": len(speakers_of(manifest)),
        "root": str(manifest.root),
    }


def _counts(counts: dict[str, Any]) -> str:
    return f"{counts['utterances']:,} utterances, {counts['hours']:.2f} h, {counts['speakers']:,} speakers"


def _print_table(column: str, rows: dict[str, dict[str, Any]]) -> None:
    table = Table(column)
    for heading in ("utterances", "hours", "speakers"):
        table.add_column(heading, justify="right")
    for value, row in rows.items():
        table.add_row(escape(value), f"{row['utterances']:,}", f"{row['hours']:.2f}", f"{row['speakers']:,}")
    terminal(wrap=False).print(table)


def _print_quarantined(rows: Sequence[Quarantined], file: Path | None) -> None:
    if not rows:
        return
    arrow = "" if file is None else f" → {escape(str(file))}"
    print_markup(f"[yellow]{len(rows):,} quarantined[/yellow]{arrow}")
    for row in rows[:5]:
        print_markup(f"  {escape(row.id or row.audio)}: {escape(row.reason)} ({row.stage})")
    if len(rows) > 5:
        print_markup(f"  … and {len(rows) - 5:,} more")


def _print_splits(made: Sequence[Splits], manifest: Manifest, files: Sequence[Path], as_json: bool) -> None:
    summaries = [splits.summary(manifest, _label_fields()) for splits in made]
    if as_json:
        results = [
            {"out": str(file), "splits": summary, "policy": splits.policy}
            for file, summary, splits in zip(files, summaries, made, strict=True)
        ]
        print_json(results[0] if len(results) == 1 else {"folds": results})
        return
    fields = list(dict.fromkeys(name for row in summaries[0].values() for name in row.get("labels", {})))
    table = Table(*(("fold",) if len(made) > 1 else ()), "split", "utterances", "hours", "speakers", *fields)
    for file, summary in zip(files, summaries, strict=True):
        for name, row in summary.items():
            labels = [
                ", ".join(f"{label} {count}" for label, count in row["labels"][field].items())
                for field in fields
            ]
            cells = [
                name,
                f"{row['utterances']:,}",
                f"{row['hours']:.3f}",
                f"{row['speakers']:,}",
                *map(escape, labels),
            ]
            table.add_row(*((file.stem,) if len(made) > 1 else ()), *cells)
    terminal(wrap=False).print(table)
    for warning in dict.fromkeys(warning for splits in made for warning in splits.policy["warnings"]):
        print_markup(f"[yellow]note:[/yellow] {escape(warning)}")
    print_markup(f"→ {escape(str(files[0] if len(files) == 1 else files[0].parent))}")
