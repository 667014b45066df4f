"""`soritune prepare`, `split`, `folds`: from a corpus folder to a manifest and splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from soritune import progress
from soritune.cli.engine_options import Actors, Engine, RayAddress, chosen_engine
from soritune.cli.given_options import refuse_idle
from soritune.cli.manifest_options import (
    ConstantOption,
    FieldOption,
    PrefixOption,
    RootOption,
    SettingsOption,
    StrictOption,
    counts_text,
    label_fields,
    loaded_manifest,
    manifest_counts,
    print_quarantined,
)
from soritune.cli.source_options import source_settings
from soritune.cli.terminal import AsJson, escape, print_json, print_markup
from soritune.cli.terminal import output as terminal
from soritune.errors import OutputError, SplitError

if TYPE_CHECKING:
    from soritune.corpus.manifest import Manifest
    from soritune.corpus.splitting.splits import Splits, SplitSettings

CopiesOption = Annotated[
    Literal["apart", "allow", "ignore"],
    typer.Option(
        help="Rows with the same audio: keep them in one split, allow them in several, or compare no audio."
    ),
]


def prepare(
    context: typer.Context,
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
    engine: Engine = "local",
    ray_address: RayAddress = None,
    actors: Actors = None,
    as_json: AsJson = False,
) -> None:
    """Turn a corpus into a manifest. What cannot be used goes to quarantine.jsonl with its reason."""
    from soritune.corpus.file_names import MANIFEST_FILE, QUARANTINE_FILE
    from soritune.corpus.prepare import prepare as run

    cluster = chosen_engine(context, engine, ray_address, actors)
    root, config = source_settings(source, paths, settings, field, constant, prefix)
    with progress.Console(quiet=as_json).bar("prepare") as bar:
        made = run(source, root, config, out, progress=bar.update, engine=cluster)
    counts = manifest_counts(made.manifest)
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
        print_markup(f"{counts_text(counts)} → {escape(str(out / MANIFEST_FILE))}")
        for title, reasons in (("skipped", made.skipped), ("noted", made.notes)):
            for reason, count in reasons.items():
                print_markup(f"{count:,} {title}: {escape(reason)}")
        print_quarantined(made.quarantined, out / QUARANTINE_FILE)
    if strict and made.quarantined:
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
    as_json: AsJson = False,
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
    loaded = loaded_manifest(manifest, root, field, constant)
    audio = compare_audio(loaded, copies, console=progress.Console(quiet=as_json))
    splits = make_splits(loaded, settings, label_fields=label_fields(), audio_hashes=audio.hashes)
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
    as_json: AsJson = False,
) -> None:
    """Make several splits that together test every speaker once."""
    from soritune.corpus.splitting.folds import make_folds
    from soritune.stages.compared_audio import compare_audio

    by_script = "script" in _names(by)
    refuse_idle(context, {"script_blocks": None if by_script else "without script in --by"})
    loaded = loaded_manifest(manifest, root, field, constant)
    audio = compare_audio(loaded, copies, console=progress.Console(quiet=as_json))
    made = make_folds(
        loaded,
        group_by=_names(by),
        folds=number,
        val_share=val_share,
        seed=seed,
        stratify=_names(stratify),
        script_blocks=script_blocks,
        label_fields=label_fields(),
        audio_hashes=audio.hashes,
        copies=copies,
    )
    for splits in made:
        audio.warn(splits, loaded)
    files = [out / f"fold-{index:0{len(str(len(made)))}d}.parquet" for index in range(1, len(made) + 1)]
    for splits, file in zip(made, files, strict=True):
        splits.save(file)
    _print_splits(made, loaded, files, as_json)


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


def _print_splits(made: Sequence[Splits], manifest: Manifest, files: Sequence[Path], as_json: bool) -> None:
    summaries = [splits.summary(manifest, label_fields()) for splits in made]
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
