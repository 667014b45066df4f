"""`soritune synthesize`: a labelled Korean corpus spoken by espeak-ng."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from soritune import progress
from soritune.cli.given_options import refuse_idle
from soritune.cli.source_options import settings_of
from soritune.cli.terminal import AsJson, escape, print_json
from soritune.cli.terminal import output as terminal
from soritune.errors import RecipeError


def synthesize(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Folder of the corpus; the same command resumes it.")],
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
    as_json: AsJson = False,
) -> None:
    """Make synthetic Korean speech with its phones: any hours, from a seed, resumable.

    Voices, rooms, microphones and noise are drawn for every voice and utterance (docs/synthetic-speech.md).
    A result on this speech has to be confirmed on people.
    """
    from pydantic import ValidationError

    from soritune.corpus.file_names import MANIFEST_FILE, SPLITS_FILE
    from soritune.corpus.synthetic.factory import synthesize as run
    from soritune.corpus.synthetic.settings import SynthesisSettings
    from soritune.settings import faults_of

    given = {"hours": hours, "val_hours": val_hours, "test_hours": test_hours, "seed": seed}
    more = settings_of(settings)
    refuse_idle(context, {name: f"beside --set {name}=…" if name in more else None for name in given})
    try:
        chosen = SynthesisSettings(**{**given, **more})
    except ValidationError as error:
        raise RecipeError("synthesize", faults_of(error, SynthesisSettings)) from None
    with progress.Console(quiet=as_json).bar("synthesize", counted=False) as bar:
        manifest = run(
            out,
            chosen,
            workers=workers,
            progress=lambda done, total: bar.update(done, total, f"{done:.2f} of {total:g} h"),
        )
    voices = len(manifest.column("speaker").unique())
    result: dict[str, Any] = {
        "synthetic": True,
        "utterances": len(manifest),
        "hours": manifest.hours,
        "voices": voices,
        "manifest": str(out / MANIFEST_FILE),
    }
    if (out / SPLITS_FILE).exists():
        result["splits"] = str(out / SPLITS_FILE)
    if as_json:
        print_json(result)
        return
    terminal(wrap=False).print(
        f"synthetic speech: {len(manifest):,} utterances, {manifest.hours:.2f} h, {voices:,} voices "
        f"→ {escape(result['manifest'])}",
        highlight=False,
    )
