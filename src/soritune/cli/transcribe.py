"""`soritune transcribe`: audio in, a manifest with recognised words out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soritune import progress
from soritune.cli.engine_options import Actors, Engine, GpusPerActor, RayAddress, chosen_engine
from soritune.cli.file_options import Pcm, Root, Split, Splits, check_files_or_rows
from soritune.cli.given_options import refuse_idle
from soritune.cli.model_options import Device
from soritune.cli.predict import without_repeats
from soritune.cli.recognition_options import MODEL_HELP, BeamSize, ComputeType, Language, open_recogniser
from soritune.cli.terminal import AsJson, announce, print_error, print_json, print_line

if TYPE_CHECKING:
    from soritune.stages.transcribe import Transcription

TITLES = {
    "asr-no-words": "without words",
    "asr-no-speech": "with words that may be invented",
    "asr-repetition": "with text that repeats itself",
    "asr-low-confidence": "below the minimum confidence",
}
"""Kind of a reason → what is counted."""


def transcribe(
    context: typer.Context,
    model: Annotated[str, typer.Option("--model", "-m", help=MODEL_HELP)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Manifest that is written, .jsonl or .parquet.")
    ],
    audio: Annotated[list[Path] | None, typer.Argument(help="Audio files, or folders of them.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Transcribe the rows of a manifest instead of files.")
    ] = None,
    splits: Splits = None,
    split: Split = "test",
    root: Root = None,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel of every file: left, right or a number from 0; each takes all, one by one."
        ),
    ] = None,
    pcm: Pcm = None,
    language: Language = "ko",
    beam_size: BeamSize = 1,
    min_confidence: Annotated[
        float, typer.Option(help="Clips whose words have a lower mean confidence (0 to 1) are set aside.")
    ] = 0.6,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Also write the texts of all clips as phones, by the G2P, as predictions to score."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the texts that an earlier call recognised.")
    ] = False,
    device: Device = "auto",
    compute_type: ComputeType = "int8",
    engine: Engine = "local",
    ray_address: RayAddress = None,
    actors: Actors = None,
    gpus_per_actor: GpusPerActor = None,
    as_json: AsJson = False,
) -> None:
    """Recognise the words of files, folders or a manifest, and write a manifest that can be trained on.

    Clips with doubtful text are set aside in a quarantine file beside the output. A recogniser hears words, so it hides
    mispronunciations.
    """
    announce("loading the libraries and the model", quiet=as_json)
    from soritune.inference.recognition.acceptance import checked_min_confidence
    from soritune.stages.cluster_transcription import ClusterTranscription
    from soritune.stages.predict import find_files, reading_of, select_rows
    from soritune.stages.transcribe import transcribe as run_transcription

    check_files_or_rows(audio, manifest, splits, root)
    refuse_idle(context, {"split": "without --splits" if splits is None else None})
    checked_min_confidence(min_confidence)
    ray = chosen_engine(context, engine, ray_address, actors, gpus_per_actor, device=device)
    reading = reading_of(channel, pcm, manifest)
    items: Any
    data: dict[str, Any] = {}
    if manifest is not None:
        items, data = select_rows(manifest, splits, split, bundles=[], root=root)
    else:
        items = [{**reading, "audio": path} for path in without_repeats(find_files(audio or []))]
    load = partial(open_recogniser, model, language=language, beam_size=beam_size)
    cluster = None
    if ray is None:
        recogniser = load(device=device, compute_type=compute_type)
    else:
        # It only states its settings here, where the arithmetic of the actors may not be available.
        recogniser = load(device="cpu", compute_type="default")
        recogniser.compute_type = compute_type
        folder = [Path(model)] if Path(model).is_dir() else []
        cluster = ClusterTranscription(
            ray,
            partial(load, device=device, compute_type=compute_type),
            reads=[*folder, *(audio or [items.root])],
            uses_gpu=device != "cpu",
        )
    result = run_transcription(
        items,
        recogniser,
        output,
        min_confidence=min_confidence,
        resume=resume,
        predictions=predictions,
        data=data,
        cluster=cluster,
        console=progress.Console(quiet=as_json),
    )
    if as_json:
        print_json(result.to_json() | ({} if predictions is None else {"predictions": str(predictions)}))
    else:
        _print(result, predictions)
    if result.failed or result.manifest is None:
        raise typer.Exit(1)


def _print(result: Transcription, predictions: Path | None) -> None:
    """What was made, and why clips were set aside."""
    from soritune.terminal_text import counted

    kept = 0 if result.manifest is None else len(result.manifest)
    if kept:
        print_line(f"{counted(kept, 'row')} with recognised text in {result.output}")
    if result.resumed:
        print_line(f"recognised by an earlier call: {counted(result.resumed, 'clip')}", style="dim")
    if result.given_texts:
        print_line(f"texts that rows had before, kept as given_text: {result.given_texts}", style="dim")
    for kind, title in TITLES.items():
        if result.reasons[kind]:
            print_error(
                f"{counted(result.reasons[kind], 'clip')} {title}, such as {result.examples[kind]}",
                style="yellow",
            )
    if result.failed:
        print_error(
            f"{counted(result.failed, 'clip')} could not be read, such as {result.examples['asr-unreadable']}"
        )
    if result.reasons:
        print_line(f"set aside: {result.quarantine}")
    if predictions is not None:
        print_line(f"phones of all texts in {predictions}; `soritune score {predictions}` judges them")
    if not kept:
        print_error("no clip has a text that can be a label, so no manifest was written")
