"""`soritune calibrate`: temperatures and thresholds of coverage for a bundle, from its run's validation rows."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from soritune import progress
from soritune.cli.file_options import Root
from soritune.cli.model_options import Backend, Base, Device
from soritune.cli.terminal import AsJson, announce, print_json, print_line
from soritune.cli.terminal import output as terminal

if TYPE_CHECKING:
    from soritune.bundles.calibration import BundleCalibration

SHOWN = (0.9, 0.8, 0.7, 0.5)
"""Coverages whose thresholds are printed."""


def calibrate(
    target: Annotated[str, typer.Argument(help="Run folder, or a bundle in one.")],
    checkpoint: Annotated[
        str | None, typer.Option(help="Bundle of the run: best, last, best_loss, …")
    ] = None,
    root: Root = None,
    device: Device = "auto",
    backend: Backend = "auto",
    base: Base = None,
    speaker_norm: Annotated[
        bool,
        typer.Option(
            "--speaker-norm", help="Also store what normalisation per speaker needs, from training rows."
        ),
    ] = False,
    errors: Annotated[
        bool,
        typer.Option(
            "--errors", help="Choose the thresholds of error labels by phone instead, for mispronunciation."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fit temperatures and thresholds of coverage on a run's validation rows, and store them in its bundle."""
    announce("loading the libraries and the model", quiet=as_json)
    from soritune.stages.calibrate import calibrate as fit

    if errors:
        _choose(target, checkpoint, root, device, backend, base, speaker_norm, as_json)
        return
    fitted = fit(
        target,
        checkpoint=checkpoint,
        device=device,
        backend=backend,
        base=base,
        root=root,
        speaker_norm=speaker_norm,
        console=progress.Console(quiet=as_json),
    )
    if as_json:
        print_json(fitted.to_json())
    else:
        _print(fitted)
        if fitted.outputs:
            options = {"--checkpoint": checkpoint, "--root": root}
            given = "".join(
                f" {name} {quote(str(value))}" for name, value in options.items() if value is not None
            )
            print_line(
                "scores and reports made before have the old probabilities; make new ones: soritune evaluate "
                f"{quote(target)}{given}"
            )


def _choose(
    target: str,
    checkpoint: str | None,
    root: Path | None,
    device: str,
    backend: str,
    base: str | None,
    speaker_norm: bool,
    as_json: bool,
) -> None:
    from soritune.errors import SorituneError
    from soritune.stages.error_thresholds import choose_error_thresholds

    if speaker_norm:
        raise SorituneError("--speaker-norm has no effect with --errors; call calibrate once for each")
    chosen = choose_error_thresholds(
        target,
        checkpoint=checkpoint,
        device=device,
        backend=backend,
        base=base,
        root=root,
        console=progress.Console(quiet=as_json),
    )
    if as_json:
        print_json(chosen)
        return
    for task, parts in chosen.items():
        for part, values in parts.items():
            best, low = values["best_f1"], values["low_rejection"]
            print_line(
                f"{task}, {part}: wrong from {best:g} (best F1), from {low:g} (at most 5 % of the correct phones "
                f"called wrong); {values['speakers']} speakers, {values['phones']} phones"
            )


def _print(fitted: BundleCalibration) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("output")
    for title in ("temperature", "clips", "speakers", "NLL before", "after", "ECE before", "after"):
        table.add_column(title, justify="right")
    for name, output in fitted.outputs.items():
        numbers = (output.nll_before, output.nll_after, output.ece_before, output.ece_after)
        table.add_row(
            Text(name),
            f"{output.temperature:.3f}",
            str(output.rows),
            str(output.speakers),
            *(f"{number:.4f}" for number in numbers),
        )
    if fitted.outputs:
        terminal().print(table)
    for task, thresholds in fitted.thresholds.items():
        shown = ", ".join(f"{share:.0%} at {thresholds[round(100 * share) - 1]:.3f}" for share in SHOWN)
        print_line(f"{task}: validation clips that keep their label: {shown}")
