"""`soritune predict`: audio in, labels or phones out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from soritune import progress
from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.cli.decoder_options import DecoderName, DecoderValues, chosen_decoder
from soritune.cli.engine_options import Actors, Engine, GpusPerActor, RayAddress, chosen_engine
from soritune.cli.file_options import Pcm, Root, Split, Splits, check_files_or_rows
from soritune.cli.given_options import refuse_idle
from soritune.cli.kept_rows import KeptRows, added
from soritune.cli.model_options import Backend, Base, Checkpoint, Coverage, Device, Withheld
from soritune.cli.prediction_tables import print_predictions, wide_console
from soritune.cli.recognition_options import AsrModel, open_recogniser
from soritune.cli.resumption import Resumption, print_kept
from soritune.cli.terminal import AsJson, announce, print_error, print_json, print_line
from soritune.cli.time_options import (
    Ctm,
    Srt,
    TextGrids,
    Tier,
    TimesCsv,
    Vtt,
    idle_tier,
    print_time_files,
    time_outputs,
    watch_times,
)
from soritune.cli.timeline import (
    ChannelNames,
    HopSeconds,
    MinSpeechSeconds,
    PageLanguage,
    TimelineFiles,
    TimelineRecorder,
    WindowSeconds,
    check_timelines,
    names_of_channels,
    print_timelines,
)
from soritune.terminal_text import counted

if TYPE_CHECKING:
    from soritune.inference.distribution import Distribution
    from soritune.inference.predictions import Row
    from soritune.inference.predictor import Predictor
    from soritune.tasks.task import Task

PURPOSE = "for trying things out and as a start for fine-tuning, not for judging a person's pronunciation"


def predict(
    context: typer.Context,
    audio: Annotated[list[Path] | None, typer.Argument(help="Audio files, or folders of them.")] = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option(
            "--bundle",
            "-b",
            help=f"Model folder (a bundle or a run), or a model of the package; several are averaged. Without it, "
            f"{DEFAULT_MODEL}.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Predict the rows of a manifest instead of files.")
    ] = None,
    splits: Splits = None,
    split: Split = "test",
    root: Root = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the predictions here: a line per clip as .csv or .jsonl."),
    ] = None,
    header: Annotated[
        Literal["beside", "first"],
        typer.Option(
            help="Where a .jsonl has the facts about model and data: beside it in NAME.header.json, or first."
        ),
    ] = "beside",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Keep the rows of --output, and predict only files that are new or changed."
        ),
    ] = False,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    backend: Backend = "auto",
    base: Base = None,
    decoder: DecoderName = "greedy",
    decoder_set: DecoderValues = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="FIELD=VALUE of another input of the model, for every file; the value is YAML; may be repeated.",
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel of every file: left, right or a number from 0; each predicts every channel by itself. "
            "Without it the mean of all."
        ),
    ] = None,
    pcm: Pcm = None,
    vad: Annotated[
        Literal["auto", "silero", "energy", "off"],
        typer.Option(
            help="What finds speech: auto, silero, energy or off. Clips and windows without speech are marked."
        ),
    ] = "auto",
    min_confidence: Annotated[
        float | None, typer.Option(help="Labels with a lower probability (0 to 1) are uncertain.")
    ] = None,
    withhold: Withheld = None,
    coverage: Coverage = None,
    speaker_norm: Annotated[
        int | None,
        typer.Option(help="Normalise features per speaker by this number of the manifest's clips of each."),
    ] = None,
    enrol: Annotated[
        Path | None,
        typer.Option(help="Folder with clips of the one speaker of the files, to normalise features by."),
    ] = None,
    window_s: WindowSeconds = None,
    hop_s: HopSeconds = None,
    min_speech_s: MinSpeechSeconds = None,
    timeline: TimelineFiles = None,
    channel_names: ChannelNames = None,
    language: PageLanguage = "en",
    times: Annotated[
        bool, typer.Option("--times", help="Give the times of phones, syllables and words in predictions.")
    ] = False,
    textgrid: TextGrids = None,
    ctm: Ctm = None,
    srt: Srt = None,
    vtt: Vtt = None,
    times_csv: TimesCsv = None,
    tier: Tier = "words",
    text: Annotated[
        bool, typer.Option("--text", help="Also recognise the words; inputs that read a text get them.")
    ] = False,
    asr_model: AsrModel = None,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    actors: Actors = None,
    gpus_per_actor: GpusPerActor = None,
    as_json: AsJson = False,
) -> None:
    """Predict files, folders or a manifest. Long files are predicted in windows; a faulty file stops nothing."""
    announce("loading the libraries and the model", quiet=as_json)
    from soritune.audio.voice_activity import voice_activity
    from soritune.bundles.read import load_bundle
    from soritune.errors import SorituneError
    from soritune.inference.certainty import checked_coverage
    from soritune.inference.label_windows import label_windows
    from soritune.inference.origin import make_header
    from soritune.inference.predictor import Predictor
    from soritune.reports.csv_tables import is_csv, predictions_csv
    from soritune.reports.timeline_files import TimelineLook
    from soritune.run_folder import choose_bundle
    from soritune.stages.cluster_prediction import ClusterPrediction
    from soritune.stages.earlier_predictions import known_settings, new_files
    from soritune.stages.enrolment import checked_clips, split_enrolment
    from soritune.stages.predict import (
        default_model,
        facts_of_rows,
        find_files,
        predict_rows,
        reading_of,
        select_rows,
    )
    from soritune.tasks.inputs.input import values_in_request

    # A model takes seconds to load; faulty arguments are reported before that.
    check_files_or_rows(audio, manifest, splits, root)
    if text and asr_model is None:
        raise SorituneError(
            "--text needs --asr-model, a recogniser: a CTranslate2 folder, or a name on the hub"
        )
    refuse_idle(
        context,
        {
            "split": "without --splits" if splits is None else None,
            "hop_s": "without --window-s" if window_s is None else None,
            "speaker_norm": "without --manifest; --enrol is for files" if manifest is None else None,
            "enrol": _idle_enrolment(manifest, channel),
            "withhold": "without --manifest" if manifest is None else None,
            "asr_model": None if text else "without --text",
            "min_speech_s": "without --window-s" if window_s is None else None,
            "channel_names": None
            if channel == "each" and (timeline or window_s is not None)
            else "without --channel each and --timeline or --window-s",
            "language": None
            if any(path.suffix.lower() == ".html" for path in timeline or [])
            else "without --timeline FILE.html",
            "times": None
            if as_json or (output and not is_csv(output)) or textgrid or ctm or srt or vtt or times_csv
            else "without --json, --output FILE.jsonl or a file of times, such as --times-csv FILE.csv",
            "tier": idle_tier(ctm, srt, vtt),
            "resume": _idle_resume(manifest, output),
            "header": None if output and not is_csv(output) else "without --output FILE.jsonl",
            "checkpoint": "without a run folder as --bundle" if all(map(_is_bundle, bundle or ())) else None,
        },
    )
    ray = chosen_engine(context, engine, ray_address, actors, gpus_per_actor, device=device)
    if ray is not None and (output is None or is_csv(output)):
        raise SorituneError(
            "--engine ray needs --output FILE.jsonl, beside which all machines write their parts"
        )
    check_timelines(timeline or [])
    files_of_times = time_outputs(textgrid, ctm, srt, vtt, tier, times_csv)
    look = TimelineLook(names_of_channels(channel_names), language)
    detector = voice_activity(vad)
    windows = label_windows(window_s, hop_s, min_speech_s, finds_speech=detector is not None)
    checked_coverage(coverage, min_confidence)
    checked_clips(speaker_norm)
    clips_of_speaker = None if enrol is None else find_files([enrol])
    request = _request(given, manifest)
    reading = reading_of(channel, pcm, manifest)
    folders = [choose_bundle(path, checkpoint) for path in bundle or [default_model()]]
    same = next((folder for n, folder in enumerate(folders) if _is_among(folder, folders[:n])), None)
    if same is not None:
        raise SorituneError(f"the model {same} is given twice, which averages it with itself; name it once")
    items: Any
    files: list[Path] = []
    data: dict[str, Any] = {}
    if manifest is not None:
        items, data = select_rows(manifest, splits, split, bundles=folders, root=root)
        if splits is not None and not as_json:
            print_error(_split_text(split, len(items), data["of_rows"]), style="dim")
    else:
        files = without_repeats(find_files(audio or []))
        items = [{**request, **reading, "audio": path} for path in files] if request or reading else files
    resumption = None
    if resume and output is not None:
        known = known_settings(
            map(load_bundle, folders),
            vad=None if detector is None else detector.name,
            min_confidence=min_confidence,
            coverage=coverage,
            windows=windows,
            withheld=withhold or (),
        )
        resumption = Resumption(context, output, [*(timeline or []), ctm, times_csv], known)
    _print_models(folders, is_default=not bundle)
    reader = chosen_decoder(decoder, decoder_set)
    # With a cluster, the models are opened here to check the arguments and to write the header, which need no GPU.
    here = device if ray is None else "cpu"
    recogniser = None if asr_model is None else open_recogniser(asr_model, device=here)
    load = partial(
        Predictor.load,
        folders,
        backend=backend,
        base=base,
        decoder=reader,
        vad=vad,
        min_confidence=min_confidence,
        window_s=window_s,
        hop_s=hop_s,
        min_speech_s=min_speech_s,
        coverage=coverage,
        withhold=withhold or (),
        times=times or files_of_times.any,
    )
    predictor = load(device=here)
    if coverage is not None:
        _warn_of_other_clips(predictor)
    values_in_request(predictor.inputs, request)  # a wrong name is reported before the first file is read
    _refuse_unread_prompt(predictor, request)
    enrolled: Any = None
    if speaker_norm is not None:
        enrolled, items = split_enrolment(items, speaker_norm)
    elif clips_of_speaker is not None:
        enrolled = [{**request, **reading, "audio": path} for path in clips_of_speaker]
    if enrolled is not None:
        predictor.enrol(enrolled)
    earlier: list[Row] = []
    if resumption is not None:
        earlier = resumption.rows(make_header(predictor, data, recogniser))
        files = new_files(files, earlier)
        items = [{**request, **reading, "audio": path} for path in files] if request or reading else files
        print_kept(resumption.output, earlier, files)
    single_label_tasks = frozenset(task.name for task in predictor.tasks if task.single_label)
    kept = KeptRows(
        keep_all=as_json and output is None, single_label_tasks=single_label_tasks, skipped=len(earlier)
    )
    console = progress.Console(quiet=as_json)
    is_timed = window_s is not None or bool(timeline)
    cluster = None
    if ray is not None:
        cluster = ClusterPrediction(
            ray,
            partial(load, device=device),
            None if asr_model is None else partial(open_recogniser, asr_model, device=device),
            enrolled,
            reads=[*folders, *(audio or [items.root])],
            uses_gpu=device != "cpu",
        )
    recorder = TimelineRecorder(
        timeline or [],
        predictor.tasks,
        is_shown=is_timed and not as_json,
        look=look._replace(header=make_header(predictor, data, recogniser)),
        skipped=len(earlier),
    )
    facts = facts_of_rows(items, data) if manifest is not None and is_csv(output) else None
    with (
        predictions_csv(output, predictor.tasks, facts) if output and is_csv(output) else nullcontext()
    ) as add_line:
        predict_rows(
            predictor,
            items,
            None if is_csv(output) else output,
            data=data,
            earlier=earlier,
            finished=None if resumption is None else resumption.finished,
            watch=lambda rows: kept.watch(recorder.watch(watch_times(added(rows, add_line), files_of_times))),
            recogniser=recogniser,
            cluster=cluster,
            header_beside=header == "beside",
            console=console,
        )
    is_collection = manifest is not None or any(path.is_dir() for path in audio or [])
    distributions = _distributions(predictor.tasks, kept) if is_collection else {}
    if as_json:
        _print_json(kept, distributions, output, earlier)
    else:
        total = kept.predicted + kept.failed
        print_predictions(predictor.tasks, kept.rows, distributions, total=total)
        if is_timed:
            print_timelines(wide_console(), recorder)
        if output is not None:
            new = counted(kept.predicted, "new prediction" if earlier else "prediction")
            print_line(f"{new}{f', {len(earlier) + kept.predicted} in all,' if earlier else ''} in {output}")
        for path in timeline or []:
            print_line(f"timeline in {path}")
        print_time_files(files_of_times)
        if kept.failed:
            print_error(_failed_text(kept, files))
    if channel == "each" and kept.single_channel:
        verb = "has" if kept.single_channel == 1 else "have"
        print_error(f"{kept.single_channel} of the files {verb} one channel, which is predicted", style="dim")
    if kept.without_speech and predictor.vad is not None:
        _print_without_speech(kept, predictor.vad.name)
    if kept.failed:
        raise typer.Exit(1)


def _idle_resume(manifest: Path | None, output: Path | None) -> str | None:
    """Why `--resume` cannot act."""
    if manifest is not None:
        return "with --manifest; it is for files and folders"
    return None if output is not None and output.suffix.lower() != ".csv" else "without --output FILE.jsonl"


def _idle_enrolment(manifest: Path | None, channel: str | None) -> str | None:
    """Why `--enrol` cannot act."""
    if manifest is not None:
        return "with --manifest; --speaker-norm is for its rows"
    if channel == "each":
        return "with --channel each, whose channels are different speakers; predict one --channel at a time"
    return None


def _is_bundle(model: str) -> bool:
    from soritune.bundles.packaged import resolve_model_folder
    from soritune.bundles.read import is_bundle

    return is_bundle(resolve_model_folder(model))


def _is_among(path: Path, others: Iterable[Path]) -> bool:
    return path.resolve() in {other.resolve() for other in others}


def without_repeats(files: Sequence[Path]) -> list[Path]:
    """The files, each once, as a file may also be in a folder that is given."""
    kept = list({file.absolute(): file for file in reversed(files)}.values())[::-1]
    if len(kept) < len(files):
        repeats = len(files) - len(kept)
        print_error(f"{repeats} of the files are given more than once and predicted once", style="yellow")
    return kept


def _request(given: list[str] | None, manifest: Path | None) -> dict[str, Any]:
    """Values of further inputs of the model, from `--input`."""
    from soritune.cli.source_options import settings_of
    from soritune.errors import SorituneError

    if given and manifest is not None:
        raise SorituneError("--input is for files; the rows of a manifest have their inputs in their columns")
    request = settings_of(given, {"text": str}, "--input")
    reserved = sorted({"audio", "channel", "id", "pcm"} & set(request))
    if reserved:
        raise SorituneError(
            f"--input {reserved[0]}=… is not an input of a model; files are given as arguments, their "
            "channel and format by --channel and --pcm"
        )
    return request


def _refuse_unread_prompt(predictor: Predictor, request: dict[str, Any]) -> None:
    """Refuses `--input text=…` if neither a task nor an input of the model reads it.

    Raises:
        TaskError: the text would be ignored.
    """
    from soritune.errors import TaskError
    from soritune.tasks.inputs.input import PROMPT

    reads = any(spec.request_field == PROMPT for spec in predictor.inputs)
    if PROMPT in request and not reads and not any(task.reads_prompt for task in predictor.tasks):
        names = ", ".join(task.name for task in predictor.tasks)
        raise TaskError(
            f"--input {PROMPT}=… has no effect, because no task of the model ({names}) reads a prompt"
        )


def _warn_of_other_clips(predictor: Predictor) -> None:
    """Reports that a coverage was fitted on other clips than those that are predicted."""
    fitted = []
    if predictor.label_windows is not None:
        fitted.append("on whole clips, not on windows")
    if predictor.withheld:
        fitted.append(f"with the input {' and '.join(predictor.withheld)}")
    if fitted:
        print_error(
            f"the thresholds of --coverage were fitted {' and '.join(fitted)}; the share of labels that are kept may "
            "be far from it",
            style="yellow",
        )


def _print_models(folders: Sequence[Path], *, is_default: bool) -> None:
    """Reports on standard error which model is used when none is named, and the error rates that cards have."""
    from soritune.bundles.measured import measured_text
    from soritune.bundles.read import load_bundle

    for bundle in map(load_bundle, folders):
        if is_default:
            synthetic = (
                ", trained on synthetic speech" if (bundle.card.get("data") or {}).get("synthetic") else ""
            )
            print_error(
                f"{bundle.name}: Korean phones{synthetic}; {PURPOSE}; --bundle names another model",
                style="dim",
            )
        if bundle.measured:
            text = measured_text(bundle.measured, bundle.tasks)
            print_error(f"{bundle.name}, measured: {text}", style="dim")


def _distributions(tasks: Iterable[Task], kept: KeptRows) -> dict[str, Distribution]:
    from soritune.inference.distribution import label_distribution

    return {
        task.name: label_distribution(kept.labels[task.name], task=task.name, labels=task.outputs[0].labels)
        for task in tasks
        if task.name in kept.labels
    }


def _split_text(split: str, count: int, total: int) -> str:
    """Which rows of the manifest are predicted."""
    every = "" if split == "all" else "; --split all takes every row"
    return f"{count:,} of {counted(total, 'row')}: the split '{split}'{every}"


def _failed_text(kept: KeptRows, files: Sequence[Path]) -> str:
    """How many files failed, or rows of a manifest."""
    if files:
        return f"{len(kept.failed_files)} of {counted(len(files), 'file')} could not be predicted"
    return f"{kept.failed} of {counted(kept.predicted + kept.failed, 'row')} could not be predicted"


def _print_json(
    kept: KeptRows, distributions: dict[str, Distribution], output: Path | None, earlier: Sequence[Row]
) -> None:
    from soritune.inference.json_values import without_nan

    content: dict[str, Any] = {"predicted": kept.predicted, "failed": kept.failed}
    if earlier:
        content["kept"] = len(earlier)
    if kept.without_speech:
        content["without_speech"] = kept.without_speech
    if output is None:
        content["predictions"] = kept.rows
    else:
        content["output"] = str(output)
        content["errors"] = [row for row in kept.rows if "error" in row]
    if distributions:
        content["distribution"] = {name: shares.to_json() for name, shares in distributions.items()}
    print_json(without_nan(content))


def _print_without_speech(kept: KeptRows, vad: str) -> None:
    """Reports on standard error the clips in which no speech was found, and how it was looked for."""
    from soritune.reports.score_warnings import VAD_TITLES

    print_error(
        f"no speech in {kept.without_speech} of {counted(kept.predicted, 'clip')}, as found by {VAD_TITLES[vad]}; such "
        "predictions mean nothing and are in no share",
        style="yellow",
    )
