"""The thresholds of a model for an assessment: found, or chosen on rows. Next: `assessment/threshold_choice.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from soritune.assessment.threshold_choice import Measured, Spoken, choose_thresholds, figures, measure
from soritune.assessment.thresholds import FILE_NAME, Thresholds, load_thresholds, packaged_thresholds
from soritune.bundles.packaged import PACKAGED, packaged_name, resolve_model_folder
from soritune.corpus.manifest import Manifest
from soritune.errors import TaskError
from soritune.inference.predictor import Predictor
from soritune.stages.align import phone_spec


def thresholds_of_model(model: str | Path) -> Thresholds:
    """The thresholds of a model: `thresholds.yaml` beside its card, else those of the package for its name.

    Raises:
        TaskError: there are no thresholds.
    """
    folder = resolve_model_folder(model)
    if (folder / FILE_NAME).is_file():
        return load_thresholds(folder / FILE_NAME)
    name = packaged_name(folder)
    chosen = None if name is None else packaged_thresholds(name.removeprefix(PACKAGED))
    if chosen is not None:
        return chosen
    raise TaskError(
        f"{name or folder} has no thresholds for an assessment, and those of another model do not fit it; name a file "
        f"with --thresholds, or choose them on validation speakers: soritune assess --manifest rows.jsonl --bundle "
        f"{name or folder} --choose-thresholds {folder / FILE_NAME}"
    )


def thresholds_of_predictor(predictor: Predictor) -> Thresholds:
    """The thresholds of a loaded model.

    Raises:
        TaskError: there are no thresholds, or several models are averaged.
    """
    if len(predictor.members) > 1:
        raise TaskError(
            f"{len(predictor.members)} models are averaged, and thresholds belong to one model; give `thresholds`"
        )
    member = predictor.members[0]
    return thresholds_of_model(member.name if member.path is None else member.path)


def choose_on_rows(
    predictor: Predictor,
    rows: Manifest,
    name: str,
    *,
    progress: Callable[[float], None] | None = None,
) -> tuple[Thresholds, dict[str, Any]]:
    """Chooses thresholds on rows with `speaker` and `text`, of speakers whose pronunciation counts as right.

    Returns:
        The thresholds, and what they do with the same rows (`threshold_choice.figures`).

    Raises:
        TaskError: no phones, or too few rows.
    """
    spec, blank = phone_spec(predictor)
    texts = [row.text for row in rows.utterances() if row.text]
    measured: list[Measured] = []
    for done in predictor.posteriors(rows, progress=progress):
        row = done.utterance
        if done.error is not None or not row.text or row.speaker is None:
            continue
        clip = Spoken(done.id, row.speaker, row.text, done.outputs[spec.name])
        result = measure(clip, texts, spec.labels, blank)
        if result is not None:
            measured.append(result)
    models = ", ".join(member.name for member in predictor.members)
    chosen = choose_thresholds(measured, name, f"For {models}.")
    return chosen, figures(measured, chosen)
