"""Options of the verbs that run a model: --checkpoint, --device, --backend, --base, --withhold, --coverage."""

from __future__ import annotations

from typing import Annotated

import typer

Checkpoint = Annotated[str | None, typer.Option(help="Bundle of a run folder: best, last, best_loss, …")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Backend = Annotated[
    str, typer.Option(help="What runs the model: pytorch or onnx-runtime; auto is what the folder is for.")
]
Base = Annotated[
    str | None, typer.Option(help="Folder or hub name of an adapter bundle's base, where it has moved.")
]
Withheld = Annotated[
    list[str] | None,
    typer.Option(
        help="An input beside the audio, such as text, that the model goes without on all rows; may be repeated."
    ),
]
Coverage = Annotated[
    float | None,
    typer.Option(
        help="Instead of --min-confidence: the share (0.01 to 1) of validation clips that keep their label."
    ),
]
