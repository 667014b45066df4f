"""`soritune synthesize`: a labelled Korean corpus spoken by espeak-ng."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from soritune import progress
from soritune.cli.corpus import Json, print_json
from soritune.cli.source_options import settings_of
from soritune.errors import RecipeError


def synthesize(
    out: Annotated[Path, typer.Argument(help="Folder of the corpus; the same again goes on with it.")],
    hours: Annotated[float, typer.Option(help="Hours to train on.", min=0)] = 1.0,
    val_hours: Annotated[
        float, typer.Option(help="Hours of other voices and sentences to validate on.", min=0)
    ] = 0.0,
    test_hours: Annotated[float, typer.Option(help="Hours of yet others to test on.", min=0)] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed gives another corpus.", min=0)] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Processes; default: one per core. Does not change the result.", min=1)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE, e.g. voices.children=0.5 or recording.telephone=0"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make synthetic Korean speech with its phones: any hours, from a seed, resumable.

    Voices, rooms, microphones and noise are drawn for every voice and utterance; docs/synthetic-speech.md tells how.
    What it says about people has to be shown on people.
    """
    from soritune.corpus.synthetic.factory import synthesize as run
    from soritune.corpus.synthetic.settings import SynthesisSettings
    from soritune.settings import faults_of

    given = {"hours": hours, "val_hours": val_hours, "test_hours": test_hours, "seed": seed}
    try:
        made = SynthesisSettings(**{**given, **settings_of(settings)})
    except ValidationError as error:
        raise RecipeError("synthesize", faults_of(error, SynthesisSettings)) from None
    with progress.Console(quiet=as_json).bar("synthesize") as bar:
        manifest = run(
            out,
            made,
            workers=workers,
            progress=lambda done, total: bar.update(done, total, f"{done:.2f} of {total:g} h"),
        )
    speakers = len(manifest.column("speaker").unique())
    found: dict[str, Any] = {
        "synthetic": True,
        "utterances": len(manifest),
        "hours": manifest.hours,
        "voices": speakers,
        "manifest": str(out / "manifest.parquet"),
    }
    if (out / "splits.parquet").exists():
        found["splits"] = str(out / "splits.parquet")
    if as_json:
        print_json(found)
        return
    Console(soft_wrap=True).print(
        f"synthetic speech: {len(manifest):,} utterances, {manifest.hours:.2f} h, {speakers:,} voices "
        f"→ {escape(found['manifest'])}",
        highlight=False,
    )
