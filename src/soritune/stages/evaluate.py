"""predict + score + report in one call, for a run folder or a bundle."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pydantic import ValidationError

from soritune.bundles.packaged import resolve_model_folder
from soritune.bundles.read import load_bundle
from soritune.corpus.lists import make_manifest
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.errors import BundleError, ManifestError, OutputError, SplitError, TaskError
from soritune.inference.origin import make_header
from soritune.inference.predictions import Row, write_predictions
from soritune.inference.predictor import Predictor
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.reports.evaluation import Evaluation
from soritune.reports.model_card import write_model_card
from soritune.reports.report import write_report
from soritune.reports.score import score_predictions
from soritune.run_folder import (
    bundle_names,
    choose_bundle,
    is_run,
    read_card,
    rows_seen,
    run_of,
)
from soritune.stages.judged_data import (
    prepared_rows,
    refuse_stray_options,
    refuse_unknown_labels,
    refuse_unlabelled,
    unusable_rows,
)
from soritune.stages.prepare import root_of
from soritune.tasks.decoding.decoder import GREEDY, Decoder, make_decoder
from soritune.tasks.task import label_fields

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """What is judged on what, and where the results go."""

    bundle: Path
    run: Path | None
    manifest: Path
    splits: Path | None
    output: Path
    suffix: str
    """Of a split other than test."""
    checkpoint: str
    """Of a bundle other than the run's own choice, so that its results replace no others."""
    decoder: str
    """Of a decoder other than the one the run is judged with, for the same reason."""


def evaluate(
    target: Path | str,
    *,
    split: str = "test",
    checkpoint: str | None = None,
    manifest: Path | str | None = None,
    splits: Path | str | None = None,
    data: Manifest | Path | str | None = None,
    source: str | None = None,
    settings: Mapping[str, Any] | None = None,
    audio_paths: Sequence[Path | str] | None = None,
    labels: Sequence[str | None] | None = None,
    speakers: Sequence[str | None] | None = None,
    texts: Sequence[str | None] | None = None,
    output: Path | str | None = None,
    root: Path | str | None = None,
    group_by: Sequence[str] = ("gender",),
    resamples: int = 1000,
    audio: bool = True,
    device: str = "auto",
    backend: str = "pytorch",
    base: str | None = None,
    decoder: str | Mapping[str, Any] | Decoder = GREEDY,
    console: Console = SILENT,
) -> Evaluation:
    """Judges a model on a split and writes predictions, scores and report.

    A run folder brings its manifest and splits; results go into it as `predictions/<split>.jsonl`, `scores.json`,
    `report.html` and `report.txt`. Another split than test, and another bundle or decoder than the run's own choice
    (the best and the greedy one, or the recipe's `evaluate.checkpoint` and `evaluate.decoder`), is added to the
    names: `scores-val.json`, `report-last.html`, `predictions/val-last.jsonl`. A bundle elsewhere needs `manifest`;
    without `splits` all its rows are judged, as the split "all". Speech of any other kind is given as `data`, or as
    lists.

    Args:
        target: run folder, bundle folder, or the name of a model of the package.
        split: train, val, test or all.
        checkpoint: bundle of the run; None or "best" is the best by the first task's primary metric.
        manifest, splits: instead of the run's own.
        data: judge on this instead: a corpus folder or file, or a `Manifest`. Of a corpus that is read here,
            manifest.parquet and quarantine.jsonl are kept in `output`; what cannot be read counts as failed.
        source, settings: how `data` is read, as for `prepare`; by default as the model's own recipe reads its corpus.
        audio_paths, labels, speakers, texts: lists instead of `data`, as for `make_manifest`; the labels are those of
            the model's first task that has one label for an utterance.
        output: folder for the results, where no checkpoint or decoder is added to their names; default: the run folder,
            `evaluation/<manifest or data>` in it when one is given, or `evaluation/<bundle>` for a bundle.
        root: where relative audio paths start, instead of what the manifest says.
        group_by: fields rates are also given for.
        resamples: bootstrap draws of speakers.
        audio: put players into the report.
        device, backend, base, decoder: as `Predictor.load`.
        console: where the progress bar is shown; nothing is shown by default.

    Returns:
        The content of scores.json, under "files" where predictions, scores and report lie, and what can be drawn.

    Raises:
        BundleError: no model there, or a bundle without a manifest.
        SplitError: no such split, or nothing in it.
        ManifestError: no row has a reference, lists that do not fit together, or lists, a source or settings of
            nothing, as `labels` without `audio_paths`.
        TaskError: labels for a model without such a task, labels that the model does not know (all of them are
            named), or a decoder that does not fit it.
    """
    decoder = make_decoder(decoder)
    refuse_stray_options(
        data,
        audio_paths,
        lists={"labels": labels, "speakers": speakers, "texts": texts},
        reading={"source": source, "settings": settings},
    )
    if audio_paths is not None:
        if data is not None:
            raise ManifestError("data and audio_paths are two data sets; give one of them")
        field = (
            None if labels is None else _label_field(choose_bundle(resolve_model_folder(target), checkpoint))
        )
        data = make_manifest(audio_paths, labels, label_field=field, speakers=speakers, texts=texts)
    unusable: list[Row] = []
    if data is None:
        place = _place(resolve_model_folder(target), split, checkpoint, manifest, splits, output, decoder)
        rows, about = _rows(place, split, root)
    else:
        if manifest is not None or splits is not None:
            raise ManifestError("data and manifest are two data sets; give one of them")
        place = _place_of_data(resolve_model_folder(target), checkpoint, data, output, decoder)
        if not isinstance(data, Manifest):
            card = read_card(place.bundle)
            data, quarantined = prepared_rows(data, place.output, card, source=source, settings=settings)
            unusable = unusable_rows(quarantined)
        rows, about = data, _about(place, data, data)
    predictor = Predictor.load(place.bundle, backend=backend, device=device, base=base, decoder=decoder)
    refuse_unlabelled(predictor.tasks, rows)
    refuse_unknown_labels(predictor.tasks, rows)
    logger.info("judging %s on %d rows of split %s", place.bundle, len(rows), about["split"])
    header = make_header(predictor, about)
    path = place.output / "predictions" / f"{about['split']}{place.checkpoint}{place.decoder}.jsonl"
    with console.bar("predict", len(rows)) as bar:
        found = predictor.predict(rows, groups={"split": about["split"]}, progress=bar.advance)
        write_predictions(path, header, chain(found, unusable))
    scores = score_predictions(path, group_by=group_by, resamples=resamples)
    suffix = place.suffix + place.checkpoint + place.decoder
    scores_path = scores.save(place.output / f"scores{suffix}.json")
    report = place.output / f"report{suffix}.html"
    write_report(place.output, scores_path=scores_path, predictions_path=path, output=report, audio=audio)
    if place.run is not None and not place.suffix and not place.decoder:
        write_model_card(place.bundle, scores)
    text = report.with_suffix(".txt")
    places = {"predictions": str(path), "scores": str(scores_path), "report": str(report), "text": str(text)}
    evaluation = Evaluation(scores, files=places)
    evaluation.write_report(text)
    return evaluation


def _place(
    target: Path,
    split: str,
    checkpoint: str | None,
    manifest: Path | str | None,
    splits: Path | str | None,
    output: Path | str | None,
    decoder: Decoder,
) -> _Place:
    bundle = choose_bundle(target, checkpoint)
    run = target if is_run(target) else run_of(bundle)
    suffix = "" if split == "test" else f"-{split}"
    if manifest is not None:
        rows = Path(manifest)
        default = (run or Path()) / "evaluation" / (rows.stem if run else bundle.name)
        own = None if splits is None else Path(splits)
        named = _other_checkpoint(run, bundle) if run is not None and output is None else ""
        other = _other_decoder(bundle, decoder) if output is None else ""
        split_name = "" if own is None else suffix
        return _Place(bundle, None, rows, own, Path(output or default), split_name, named, other)
    if run is None:
        raise BundleError(
            f"{bundle} lies in no run folder, so there is nothing to judge it on; give --manifest"
        )
    checked = run / "checked.parquet"
    rows = checked if checked.exists() else run / "manifest.parquet"
    own = Path(splits) if splits is not None else run / "splits.parquet"
    home = run if output is None or Path(output).resolve() == run.resolve() else None
    named, other = (
        ("", "") if home is None else (_other_checkpoint(run, bundle), _other_decoder(bundle, decoder))
    )
    kept = None if split == "all" else own
    return _Place(bundle, home, rows, kept, Path(output or run), suffix, named, other)


def _place_of_data(
    target: Path,
    checkpoint: str | None,
    data: Manifest | Path | str,
    output: Path | str | None,
    decoder: Decoder,
) -> _Place:
    bundle = choose_bundle(target, checkpoint)
    run = target if is_run(target) else run_of(bundle)
    if output is not None and is_run(output):
        raise OutputError(f"{output} is a run, whose own manifest would be replaced; choose another --output")
    name = "lists" if isinstance(data, Manifest) else Path(data).resolve().stem
    folder = Path(output) if output is not None else (run or Path()) / "evaluation" / name
    named = _other_checkpoint(run, bundle) if run is not None and output is None else ""
    other = _other_decoder(bundle, decoder) if output is None else ""
    return _Place(bundle, None, folder / "manifest.parquet", None, folder, "", named, other)


def _other_checkpoint(run: Path, bundle: Path) -> str:
    """`-<bundle>` unless it is the one that the run is judged by: the best, or what its recipe names."""
    wanted = _judged_by(bundle).get("checkpoint", "best")
    own = run / "bundles" / wanted if wanted in bundle_names(run) else choose_bundle(run)
    return "" if bundle.samefile(own) else f"-{bundle.resolve().name}"


def _other_decoder(bundle: Path, decoder: Decoder) -> str:
    """`-<decoder>` unless it is the one that the model's recipe names, with the same settings."""
    wanted = _judged_by(bundle).get("decoder", GREEDY)
    settings = dict(wanted) if isinstance(wanted, Mapping) else {"name": wanted}
    if settings.pop("name", None) == decoder.name:
        try:
            if decoder.Settings.model_validate(settings) == decoder.settings:
                return ""
        except ValidationError:  # settings of another version
            pass
    return f"-{decoder.name}"


def _label_field(bundle: Path) -> str:
    """The manifest column that lists of labels are of.

    Raises:
        TaskError: no task of the model has one label for an utterance.
    """
    tasks = load_bundle(bundle).tasks
    fields = label_fields(tasks)
    if not fields:
        names = ", ".join(task.name for task in tasks)
        raise TaskError(
            f"labels would be left unused: no task of the model has one label for an utterance (tasks: {names}); give "
            "texts, or a Manifest with what the tasks need as data"
        )
    return fields[0]


def _judged_by(bundle: Path) -> Mapping[str, Any]:
    """The part `evaluate` of the recipe that a model was trained with; empty where the card has none."""
    return (read_card(bundle).get("recipe") or {}).get("evaluate") or {}


def _rows(place: _Place, split: str, root: Path | str | None) -> tuple[Manifest, dict[str, Any]]:
    """The rows to judge and what the predictions file says about them."""
    manifest = load_manifest(place.manifest, root=root)
    chosen, known = manifest, {}
    if place.splits is not None:
        decided = load_splits(place.splits)
        chosen = manifest.select(decided.indices(manifest, split))
        known = {"split": split, "policy": dict(decided.policy)}
    elif split not in ("test", "all"):
        raise SplitError(f"'{split}' of {place.manifest} is unknown; name its splits file with --splits")
    if not len(chosen):
        raise SplitError(
            f"the split '{split}' of {place.manifest} has no utterance; choose another with --split"
        )
    return chosen, _about(place, manifest, chosen) | known


def _about(place: _Place, manifest: Manifest, chosen: Manifest) -> dict[str, Any]:
    """What a predictions file says of the rows `chosen` of a manifest."""
    data: dict[str, Any] = {
        "manifest_hash": manifest.hash,
        "split": "all",
        "root": str(manifest.root.resolve()),
        "synthetic": bool(pc.any(pc.equal(chosen.column("source"), "synthetic")).as_py()),
    }
    seen = rows_seen([place.bundle], chosen)
    return data if seen is None else data | {"seen": seen}


def evaluate_run(
    recipe: Recipe,
    folder: Path,
    *,
    split: str = "test",
    checkpoint: str | None = None,
    console: Console = SILENT,
) -> Evaluation:
    """Predicts, scores and reports one split of a run."""
    chosen = checkpoint or recipe.evaluate.checkpoint
    return evaluate(
        folder,
        split=split,
        checkpoint=None if chosen == "best" else chosen,
        group_by=recipe.evaluate.group_by,
        resamples=recipe.evaluate.resamples,
        audio=recipe.evaluate.audio,
        device=recipe.train.device,
        decoder=recipe.evaluate.decoder,
        root=root_of(recipe),
        console=console,
    )
