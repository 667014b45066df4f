"""The thresholds of an assessment that belong to a model: where they are, and how a copy of the model gets them."""

from __future__ import annotations

from pathlib import Path

from soritune.assessment.thresholds import (
    FILE_NAME,
    Thresholds,
    load_thresholds,
    packaged_thresholds,
    write_thresholds,
)
from soritune.bundles.packaged import PACKAGED, packaged_name, resolve_model_folder
from soritune.errors import TaskError
from soritune.inference.predictor import Predictor


def known_thresholds(model: str | Path) -> Thresholds | None:
    """The thresholds of a model: `thresholds.yaml` beside its card, else those of the package for its name, else None.

    Raises:
        TaskError: the file is faulty.
    """
    folder = resolve_model_folder(model)
    if (folder / FILE_NAME).is_file():
        return load_thresholds(folder / FILE_NAME)
    name = packaged_name(folder)
    return None if name is None else packaged_thresholds(name.removeprefix(PACKAGED))


def thresholds_of_model(model: str | Path) -> Thresholds:
    """The thresholds of a model (`known_thresholds`).

    Raises:
        TaskError: there are no thresholds.
    """
    chosen = known_thresholds(model)
    if chosen is not None:
        return chosen
    folder = resolve_model_folder(model)
    name = packaged_name(folder) or folder
    raise TaskError(
        f"{name} has no thresholds for an assessment, and those of another model do not fit it; name a file "
        f"with --thresholds, or choose them on validation speakers: soritune assess --manifest rows.jsonl --bundle "
        f"{name} --choose-thresholds {folder / FILE_NAME}"
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


def copy_thresholds(model: str | Path, folder: Path) -> Thresholds | None:
    """Writes the thresholds of a model beside the card of a copy that gives the same log-probabilities.

    Returns:
        The thresholds; None for a model without thresholds.

    Raises:
        TaskError: the file of the model is faulty.
        OutputError: the copy cannot be written.
    """
    chosen = known_thresholds(model)
    if chosen is not None:
        write_thresholds(folder / FILE_NAME, chosen)
    return chosen
