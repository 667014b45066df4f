"""predict + score + report in one call, for a run folder or a bundle."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soritune.audio.voice_activity import VadName
from soritune.bundles.read import load_bundle
from soritune.corpus.lists import make_manifest
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import Copies
from soritune.inference.certainty import checked_confidence, checked_coverage
from soritune.inference.predictor import Predictor
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.reports.before import with_before
from soritune.reports.evaluation import Evaluation
from soritune.reports.model_card import write_model_card
from soritune.reports.phone_notation import check_notation
from soritune.reports.report import write_report
from soritune.reports.score import score_predictions
from soritune.reports.words import Language
from soritune.run_folder import START, bundle_names
from soritune.stages.enrolment import checked_clips, split_enrolment
from soritune.stages.judged import Judged, JudgedModel, judge_data, judge_manifest, judge_run
from soritune.stages.judged_audio import report_leaks
from soritune.stages.judged_data import refuse_stray_options, refuse_unknown_labels, refuse_unlabelled
from soritune.stages.predict import predict_rows
from soritune.stages.prepare import root_of
from soritune.tasks.decoding.decoder import GREEDY, Decoder, make_decoder
from soritune.tasks.inputs.input import inputs_of, refuse_withholding
from soritune.tasks.notation import Notation

logger = logging.getLogger(__name__)


# Longer than other functions, because every option of `soritune evaluate` is an argument.
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
    group_by: Sequence[str] | None = None,
    resamples: int = 1000,
    audio: bool = True,
    language: Language = "en",
    phones: Notation | None = None,
    device: str = "auto",
    backend: str = "auto",
    base: str | None = None,
    decoder: str | Mapping[str, Any] | Decoder = GREEDY,
    vad: VadName = "auto",
    min_confidence: float | None = None,
    coverage: float | None = None,
    speaker_norm: int | None = None,
    withhold: Sequence[str] = (),
    copies: Copies = "apart",
    console: Console = SILENT,
) -> Evaluation:
    """Judges a model on a split and writes predictions, scores and report.

    A run folder brings its manifest and splits, and results go into it as `predictions/<split>.jsonl`, `scores.json`,
    `report.html` and `report.txt`. The names get a suffix for a split other than test, and for a bundle or decoder
    other than the run's own choice (the best and the greedy one, or the recipe's `evaluate.checkpoint` and
    `evaluate.decoder`), and for withheld inputs: `scores-val.json`, `report-last.html`, `predictions/val-last.jsonl`,
    `scores-without-text.json`. A bundle elsewhere needs `manifest`; without `splits` all its rows are judged, as the
    split "all". Other speech is given as `data`, or as lists.

    Args:
        target: run folder, bundle folder, or the name of a model of the package.
        split: train, val, test or all.
        checkpoint: bundle of the run; None or "best" is the best by the first task's primary metric.
        manifest, splits: instead of the run's own.
        data: judge on this instead: a corpus folder or file, or a `Manifest`. A corpus is read here;
            manifest.parquet and quarantine.jsonl are kept in `output`, and what cannot be read counts as failed.
        source, settings: how `data` is read, as for `prepare`; by default as the model's own recipe reads its corpus.
        audio_paths, labels, speakers, texts: lists instead of `data`, as for `make_manifest`; the labels are those of
            the model's first task that has one label for an utterance.
        output: folder for the results, where no checkpoint or decoder is added to their names; default: the run folder,
            `evaluation/<manifest or data>` in it when one is given, or `evaluation/<bundle>` for a bundle.
        root: where relative audio paths start, instead of what the manifest states.
        group_by: fields rates are also given for, as for `score_predictions`.
        resamples: bootstrap draws of speakers.
        audio: put players into the report.
        language, phones: of the report, as for `write_report`.
        device, backend, base, decoder, vad: as for `Predictor.load`. Clips without speech are marked and reported.
        min_confidence: labels with a lower probability are uncertain. All clips are scored; beside these scores are
            those of the clips with speech and a certain label, and the share of such clips.
        coverage: instead of it, the share of validation clips that keep their label, as for `Predictor`.
        speaker_norm: normalise features per speaker by this number of clips of each speaker, which are not judged
            (`stages/enrolment.py`). The names of the results state it, and they are never compared with others.
        withhold: names of inputs beside the audio, such as "text", that the model goes without on all rows.
        copies: rows with the audio of rows that the model was trained on. "apart" refuses them, "allow" judges them
            with a warning in the scores, "ignore" compares no audio. The split train or all of the own run is not
            compared.
        console: where the progress bar is shown, as `soritune.Console()`; nothing is shown by default.

    Returns:
        The content of scores.json, the paths of predictions, scores and report under "files", and methods that draw.

    Raises:
        BundleError: no model there, a bundle without a manifest, or a coverage for a bundle without thresholds.
        SplitError: no such split, nothing in it, or rows with the audio of training rows.
        ManifestError: no row has a reference, or a value of an input to withhold; lists of different lengths; or an
            option without what it goes with, as `labels` without `audio_paths`.
        TaskError: labels for a model without such a task, labels that the model does not have (all of them are
            named), a decoder that does not fit it, or an input to withhold that it does not read or cannot do without.
    """
    decoder = make_decoder(decoder)
    checked_confidence(min_confidence)
    checked_coverage(coverage, min_confidence)
    checked_clips(speaker_norm)
    refuse_stray_options(
        data,
        audio_paths,
        lists={"labels": labels, "speakers": speakers, "texts": texts},
        reading={"source": source, "settings": settings},
        files={"manifest": manifest, "splits": splits},
        of_manifests={"root": root, "split": None if split in ("test", "all") else split},
    )
    withhold = tuple(dict.fromkeys(withhold))
    model = JudgedModel.find(target, checkpoint)
    refuse_withholding(inputs_of(load_bundle(model.bundle).tasks), withhold)
    if audio_paths is not None:
        field = None if labels is None else model.label_field()
        data = make_manifest(audio_paths, labels, label_field=field, speakers=speakers, texts=texts)
    folder = None if output is None else Path(output)
    if data is not None:
        judged = judge_data(
            model, data, source=source, settings=settings, output=folder, decoder=decoder, withhold=withhold
        )
    else:
        splits = None if splits is None else Path(splits)
        if manifest is not None:
            judged = judge_manifest(
                model, Path(manifest), split, splits=splits, output=folder, root=root, decoder=decoder,
                withhold=withhold,
            )  # fmt: skip
        else:
            judged = judge_run(
                model, split, splits=splits, output=folder, root=root, decoder=decoder, withhold=withhold
            )
    check_notation(load_bundle(model.bundle).tasks, phones)
    report_leaks(judged, None if data is not None or manifest or splits else split, copies, console=console)
    predictor = Predictor.load(
        model.bundle,
        backend=backend,
        device=device,
        base=base,
        decoder=decoder,
        vad=vad,
        min_confidence=min_confidence,
        coverage=coverage,
        withhold=withhold,
    )
    if speaker_norm is not None:
        enrolled, left = split_enrolment(judged.rows, speaker_norm)
        judged = judged.normalised(left, speaker_norm)
        predictor.enrol(enrolled)
    _predict(predictor, judged, console)
    return _score_and_report(judged, group_by, resamples, audio, language, phones)


def evaluate_run(
    recipe: Recipe,
    folder: Path,
    *,
    split: str = "test",
    checkpoint: str | None = None,
    console: Console = SILENT,
) -> Evaluation:
    """Judges one split of a run as its recipe states."""
    chosen = checkpoint or recipe.evaluate.checkpoint
    return evaluate(
        folder,
        split=split,
        checkpoint=None if chosen == "best" else chosen,
        group_by=recipe.evaluate.requested_groups,
        resamples=recipe.evaluate.resamples,
        audio=recipe.evaluate.audio,
        language=recipe.evaluate.language,
        phones=recipe.evaluate.phones,
        device=recipe.train.device,
        decoder=recipe.evaluate.decoder,
        root=root_of(recipe),
        console=console,
    )


def evaluate_after_training(recipe: Recipe, folder: Path, *, console: Console = SILENT) -> Evaluation:
    """Judges the test split of a run as its recipe states; the weights that the run was given are judged first, so that
    the scores have them beside those of the result."""
    has_start = START in bundle_names(folder)
    if recipe.evaluate.before and has_start and recipe.evaluate.checkpoint != START:
        evaluate_run(recipe, folder, checkpoint=START, console=console)
    return evaluate_run(recipe, folder, console=console)


def _predict(predictor: Predictor, judged: Judged, console: Console) -> None:
    rows = judged.rows
    refuse_unlabelled(predictor.tasks, rows)
    refuse_unknown_labels(predictor.tasks, rows)
    logger.info("judging %s on %d rows of split %s", judged.model.bundle, len(rows), judged.data["split"])
    predict_rows(
        predictor,
        rows,
        judged.files.predictions,
        data=judged.data,
        unusable=judged.unusable,
        console=console,
    )


def _score_and_report(
    judged: Judged,
    group_by: Sequence[str] | None,
    resamples: int,
    audio: bool,
    language: Language,
    phones: Notation | None,
) -> Evaluation:
    files = judged.files
    scores = score_predictions(files.predictions, group_by=group_by, resamples=resamples)
    scores = with_before(scores, judged.before)
    scores.save(files.scores)
    write_report(
        files.folder,
        scores_path=files.scores,
        predictions_path=files.predictions,
        output=files.report,
        audio=audio,
        language=language,
        phones=phones,
    )
    if judged.updates_card:
        write_model_card(judged.model.bundle, scores)
    evaluation = Evaluation(scores, files=files.to_json())
    evaluation.write_report(files.text_report)
    return evaluation
