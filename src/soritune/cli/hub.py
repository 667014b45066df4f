"""`soritune export hub` and `soritune push-to-hub`: a bundle as a folder for the Hugging Face hub, and its upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soritune import progress
from soritune.cli.export import Checkpoint, Output, Source
from soritune.cli.terminal import AsJson, print_json, print_line


def export_hub(
    source: Source,
    output: Output,
    checkpoint: Checkpoint = None,
    repo: Annotated[str | None, typer.Option(help="OWNER/NAME, for the commands in the card.")] = None,
    title: Annotated[str | None, typer.Option(help="Of the card; else the bundle's name.")] = None,
    licence: Annotated[
        str | None, typer.Option(help="Of the weights, as the hub calls it: mit, cc-by-4.0, …")
    ] = None,
    licence_link: Annotated[str | None, typer.Option(help="Address of its text.")] = None,
    data_licence: Annotated[
        str | None, typer.Option(help="Of training data for which the bundle states no licence.")
    ] = None,
    allow_nc_nd: Annotated[
        bool,
        typer.Option(
            "--allow-nc-nd", help="Although training data must not be used commercially, or not changed."
        ),
    ] = False,
    base_model: Annotated[
        str | None, typer.Option(help="Name on the hub of the weights that training started from.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Name on the hub of a data set it was trained on; repeatable.")
    ] = None,
    intended_use: Annotated[str | None, typer.Option(help="In place of a general sentence.")] = None,
    scores: Annotated[
        list[Path] | None, typer.Option(help="Scores of this bundle that are not in its run; repeatable.")
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option(help="Folder of `soritune export onnx`, which goes to onnx/.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A folder for the Hugging Face hub: files that transformers and peft open, and a full model card."""
    from soritune.stages.export import export

    settings = {
        "repo": repo,
        "title": title,
        "licence": licence,
        "licence_link": licence_link,
        "data_licence": data_licence,
        "allow_nc_nd": allow_nc_nd,
        "base_model": base_model,
        "datasets": tuple(dataset or ()),
        "intended_use": intended_use,
        "scores": tuple(scores or ()),
        "onnx": onnx,
    }
    console = progress.Console(quiet=as_json)
    result = export("hub", source, output, settings, checkpoint=checkpoint, console=console)
    if as_json:
        print_json({"folder": str(result.folder), **result.exported.facts})
        return
    for line in result.exported.lines:
        print_line(line)
    print_line(str(result.folder))


def push_to_hub(
    folder: Annotated[Path, typer.Argument(help="Folder of `soritune export hub`.")],
    repo: Annotated[str, typer.Option(help="OWNER/NAME on the hub; made if it does not exist.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make the repository public; it is private otherwise.")
    ] = False,
    revision: Annotated[str | None, typer.Option(help="Branch; made if it does not exist.")] = None,
    message: Annotated[str | None, typer.Option(help="Of the commit.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the folder and list its files; nothing is sent.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a folder of `export hub` to the Hugging Face hub. The token is that of `hf auth login` or HF_TOKEN."""
    from soritune.stages.push_to_hub import push_to_hub as push

    result = push(
        folder,
        repo,
        private=not public,
        revision=revision,
        message=message,
        dry_run=dry_run,
        console=progress.Console(quiet=as_json),
    )
    if as_json:
        print_json(result.to_json())
        return
    if result.url is None:
        for name, size in result.files.items():
            print_line(f"{size:>14,}  {name}")
        print_line(f"{result.num_bytes:>14,}  bytes for {result.repo}; nothing was sent")
    else:
        print_line(result.url)
