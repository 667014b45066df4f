"""`soritune augment`: what augmentations do to a clip, and what a recipe draws for the rows of a manifest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from soritune.cli.given_options import refuse_idle
from soritune.cli.source_options import settings_of
from soritune.cli.terminal import AsJson, escape, print_json, print_line
from soritune.cli.terminal import output as terminal
from soritune.errors import AugmentationError

if TYPE_CHECKING:
    from soritune.recipe import Recipe
    from soritune.stages.augment import DrawnRow


def augment(
    context: typer.Context,
    clips: Annotated[
        list[Path] | None,
        typer.Argument(help="The clip to change, and optionally another one that is mixed with it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for sounds, pictures and index.html.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Only the augmentations of this recipe, with its settings (name or YAML file)."),
    ] = None,
    preset: Annotated[
        list[str] | None, typer.Option("--preset", help="A preset of the recipe; may be given again.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="KEY=VALUE, e.g. pitch.semitones='[2, 2]'; with --recipe a setting of the recipe."
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="With --recipe: show what is drawn for the rows of this manifest, in a table."),
    ] = None,
    rows: Annotated[int, typer.Option(help="With --manifest: number of rows, from the first.", min=1)] = 10,
    epochs: Annotated[int, typer.Option(help="With --manifest: number of epochs.", min=1)] = 2,
    seed: Annotated[int, typer.Option(help="Another seed draws other examples.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Hear and see what augmentations do to a clip, or list what a recipe draws for the rows of a manifest."""
    with_rows, of_recipe = "with --manifest", "without --recipe"
    refuse_idle(
        context,
        {
            "out": with_rows if manifest is not None else None,
            "seed": f"{with_rows}, because the recipe's train.seed is used" if manifest is not None else None,
            "rows": "without --manifest" if manifest is None else None,
            "epochs": "without --manifest" if manifest is None else None,
            "preset": of_recipe if recipe is None else None,
        },
    )
    from soritune.corpus.manifest import load_manifest
    from soritune.recipe import load_recipe
    from soritune.stages.augment import drawn_rows, every_member, examples_of, settings_members

    chosen = None if recipe is None else load_recipe(recipe, settings or (), presets=preset or ())
    if manifest is not None:
        if chosen is None or clips:
            raise AugmentationError(
                "--manifest needs --recipe, and no clip: it shows what the recipe draws for rows"
            )
        drawn = drawn_rows(chosen, load_manifest(manifest), rows=rows, epochs=epochs)
        _show_rows(drawn, chosen, as_json)
        return
    if not clips or out is None or len(clips) > 2:
        raise AugmentationError(
            "give a clip (and at most another one to mix it with) and --out DIR, or --recipe and --manifest"
        )
    left_out: dict[str, str] = {}
    if chosen is not None:
        members = settings_members(chosen.augment)
    else:
        members, left_out = every_member(settings_of(settings))
    examples, left_out = examples_of(clips, members, out, seed=seed, left_out=left_out)
    page = out / "index.html"
    if as_json:
        print_json(
            {"page": str(page), "examples": [asdict(example) for example in examples], "left_out": left_out}
        )
        return
    for example in examples:
        values = ", ".join(f"{name} {value}" for name, value in example.drawn.items())
        print_line(f"{example.name:16} {values}")
    for name, reason in left_out.items():
        print_line(f"{name:16} {reason}", style="dim")
    print_line(f"→ {page}")


def _show_rows(drawn: list[DrawnRow], recipe: Recipe, as_json: bool) -> None:
    if as_json:
        print_json({"recipe": recipe.name, "seed": recipe.train.seed, "rows": [asdict(row) for row in drawn]})
        return
    phased = len({row.phase for row in drawn}) > 1
    table = Table("row", "id", *(["phase"] if phased else []), "epoch", "augmentations drawn")
    for row in drawn:
        phase = [str(row.phase)] if phased else []
        table.add_row(
            str(row.row), escape(row.id), *phase, str(row.epoch), escape(_augmentations(row.augmentations))
        )
    terminal().print(table)


def _augmentations(changes: dict[str, dict[str, Any]]) -> str:
    """`stretch (factor 0.93); pitch (semitones 1.2)`; a dash where nothing is changed."""
    parts = []
    for key, values in changes.items():
        inside = ", ".join(f"{name} {value}" for name, value in values.items())
        parts.append(f"{key.rpartition('.')[2]} ({inside})" if inside else key.rpartition(".")[2])
    return "; ".join(parts) or "–"
