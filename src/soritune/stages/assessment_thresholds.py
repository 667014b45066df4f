"""The thresholds of a model for an assessment, chosen on rows. Next: `assessment/threshold_choice.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from soritune.assessment.threshold_choice import Measured, Spoken, choose_thresholds, figures, measure
from soritune.assessment.thresholds import Thresholds
from soritune.corpus.manifest import Manifest
from soritune.inference.assessor import phone_spec
from soritune.inference.predictor import Predictor


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
