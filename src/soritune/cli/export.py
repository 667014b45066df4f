"""`soritune export`: a bundle in the format of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from soritune import progress
from soritune.cli.given_options import is_given
from soritune.cli.terminal import AsJson, print_json, print_line

app = typer.Typer(
    name="export",
    help="Write a bundle in the format of another program: onnx, sherpa, sagemaker, hub.",
    no_args_is_help=True,
)

Source = Annotated[
    str, typer.Argument(help="Bundle folder, run folder, or the name of a model of the package.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The folder to make.")]
Checkpoint = Annotated[str | None, typer.Option(help="Bundle of the run: best, last, best_loss, …")]
Older = Annotated[bool, typer.Option("--older", help="Use PyTorch's older ONNX exporter at once.")]
Tolerance = Annotated[float, typer.Option(help="Allowed difference of log-probabilities from PyTorch's.")]
BaseModel = Annotated[
    str | None, typer.Option(help="Folder or hub name of an adapter bundle's base, where it has moved.")
]


@app.command("onnx")
def onnx(
    context: typer.Context,
    source: Source,
    output: Output,
    checkpoint: Checkpoint = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights of matrix products as int8; needs --data or --force.")
    ] = False,
    keep_float32: Annotated[
        list[str] | None,
        typer.Option(help="With --int8, part of the name of modules that stay in float32; may be repeated."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Manifest with references, on which float32 and int8 are scored.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Where relative audio paths of --data start.")] = None,
    max_loss: Annotated[
        float, typer.Option(help="Points of a task's primary rate that int8 may lose on --data.")
    ] = 0.3,
    force: Annotated[
        bool, typer.Option("--force", help="Write int8 although it was not scored, or loses more.")
    ] = False,
    target: Annotated[
        Literal["any", "tensorrt"],
        typer.Option("--for", help="tensorrt also writes a shape profile and a command line."),
    ] = "any",
    frames: Annotated[
        bool, typer.Option("--frames", help="The graphs also give the encoder's last states.")
    ] = False,
    padded: Annotated[
        bool, typer.Option("--padded/--no-padded", help="Also write the graph for padded batches.")
    ] = True,
    older: Older = False,
    tolerance: Tolerance = 1e-3,
    base: BaseModel = None,
    as_json: AsJson = False,
) -> None:
    """ONNX Runtime: raw audio in, log-probabilities out; the folder is a bundle that needs no torch."""
    settings = {
        "int8": int8, "keep_float32": keep_float32 or [], "data": data, "root": root, "max_loss": max_loss,
        "force": force, "target": target, "frames": frames, "padded": padded, "older": older,
        "tolerance": tolerance, "base": base,
    }  # fmt: skip
    _run("onnx", context, source, output, settings, checkpoint, as_json)


@app.command("sherpa")
def sherpa(
    context: typer.Context,
    source: Source,
    output: Output,
    checkpoint: Checkpoint = None,
    name: Annotated[
        str | None, typer.Option("--ctc-output", help="The CTC output of a model with several.")
    ] = None,
    onnx_asr: Annotated[
        bool, typer.Option("--onnx-asr", help="Also write the folder onnx-asr, for the library onnx-asr.")
    ] = False,
    older: Older = False,
    tolerance: Tolerance = 1e-3,
    base: BaseModel = None,
    as_json: AsJson = False,
) -> None:
    """sherpa-onnx: model.onnx and tokens.txt, for its C#, Android, C and other interfaces."""
    settings = {
        "output": name, "onnx_asr": onnx_asr, "older": older, "tolerance": tolerance, "base": base
    }  # fmt: skip
    _run("sherpa", context, source, output, settings, checkpoint, as_json)


@app.command("sagemaker")
def sagemaker(
    context: typer.Context,
    source: Source,
    output: Output,
    checkpoint: Checkpoint = None,
    wheel: Annotated[
        Path | None,
        typer.Option(
            help="A wheel of soritune for the archive and the image; without it the released version."
        ),
    ] = None,
    enable_emotion: Annotated[
        bool,
        typer.Option(
            "--enable-emotion", help="Answer for emotions; read docs/serving.md about the law first."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Amazon SageMaker: model.tar.gz, a Dockerfile, and deploy.py for three kinds of endpoints."""
    settings = {"wheel": wheel, "enable_emotion": enable_emotion}
    _run("sagemaker", context, source, output, settings, checkpoint, as_json)


def _run(
    format: str,
    context: typer.Context,
    source: str,
    output: Path,
    settings: dict[str, Any],
    checkpoint: str | None,
    as_json: bool,
) -> None:
    """Exports with the settings that were given on the command line, and prints what was written."""
    from soritune.stages.export import export

    parameters = {"output": "name"} if format == "sherpa" else {}
    given = {key: value for key, value in settings.items() if is_given(context, parameters.get(key, key))}
    result = export(
        format, source, output, given, checkpoint=checkpoint, console=progress.Console(quiet=as_json)
    )
    if as_json:
        print_json({"folder": str(result.folder), **result.exported.facts})
        return
    for line in result.exported.lines:
        print_line(line)
    print_line(str(result.folder))
