"""What a reader of scores must know before any number, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soritune.inference.header import Header
from soritune.inference.predictions import Predictions
from soritune.metrics.bootstrap import RELIABLE_SPEAKERS

VAD_TITLES = {
    "silero": "Silero",
    "energy": "an energy gate (pip install 'soritune[vad]' for a detector of speech)",
}
"""What looked for speech, as part of a sentence."""
CROSSVAL_ADVICE = " `soritune crossval` tests every speaker of the corpus once."
FROM_TEXT_WARNING = (
    "The phones are those of recognised words, by the G2P, and nothing was trained: a recogniser hears words, so it "
    "hides mispronunciations."
)


def warnings_of(predictions: Predictions, num_speakers: int) -> list[str]:
    """Warnings about the rows, the split, the speakers and the model."""
    header, data = predictions.header, predictions.header.data
    trained = header.model.data
    is_same = bool(data.manifest_hash) and data.manifest_hash == trained.get("manifest_hash")
    if data.seen is None:  # rows are not known one by one, so the split's name decides
        in_training = is_same and data.split in (None, "all", "train")
        in_validation = is_same and data.split == "val"
    else:
        in_training = data.seen["train"] > 0
        in_validation = data.seen["val"] > 0 and not in_training
    policy = data.policy or (trained.get("split") if is_same else None) or {}
    known, failed, total = num_speakers or "No", len(predictions.failed), len(predictions.rows)
    plural = "" if num_speakers == 1 else "s"
    unsure = _unsure(predictions)
    is_own_test = data.split == "test" and is_same and not data.pooled
    num_models = len(header.models)
    num_calibrated = sum(model.calibration is not None for model in header.models)
    is_calibrated = num_calibrated > 0
    silent = sum(bool(row.get("no_speech")) for row in predictions.good)
    warnings = [
        (header.synthetic, _synthetic_warning(header)),
        (header.is_from_text, FROM_TEXT_WARNING),
        (header.trained_on_recognised is not None, _recognised_warning(header)),
        (bool(_untrained(header)), _untrained_warning(header)),
        (
            list(policy.get("by", [])) == ["random"],
            "Random split: speakers of the test set were also heard in training; that flatters every number.",
        ),
        (
            in_training,
            "These rows include the ones the model was trained on; the numbers say little about new speech.",
        ),
        (
            in_validation,
            "These rows chose between models (validation split); a test split is the honest judge.",
        ),
        (
            in_validation and is_calibrated,
            "Temperature and thresholds were fitted on these rows, so the calibration looks better than it is.",
        ),
        (
            num_speakers < RELIABLE_SPEAKERS,
            f"{known} known speaker{plural}: with fewer than {RELIABLE_SPEAKERS} no interval is reliable."
            + (CROSSVAL_ADVICE if is_own_test and 0 < num_speakers < 3 else ""),
        ),
        (
            unsure > 0,
            f"{unsure} of {total} predictions have no probability: the model gave no number for them.",
        ),
        (
            bool(header.withheld),
            f"The model was judged without its input {' and '.join(header.withheld)}, withheld from all rows.",
        ),
        (
            0 < num_calibrated < num_models,
            f"{num_calibrated} of {num_models} models have a temperature; the probabilities of the others are as "
            "trained, so confidence and loss are of both kinds.",
        ),
        (
            bool(header.withheld) and is_calibrated,
            "Temperature and thresholds were fitted with these inputs, so confidence and coverage may be far off "
            "without them.",
        ),
        (
            header.label_windows is not None,
            f"Every clip was cut into windows{_window_text(header)}; its label is the mean of those with speech.",
        ),
        (
            header.label_windows is not None and is_calibrated,
            "Temperature and thresholds were fitted on whole clips, so confidence and coverage may be far off for "
            "windows.",
        ),
        (
            silent > 0,
            f"{silent} of {total} clips hold no speech, as found by {VAD_TITLES.get(header.vad or '', 'a detector')}; "
            "they are scored anyway.",
        ),
        (failed > 0, f"{failed} of {total} clips could not be read and are not scored."),
    ]
    of_policy = [str(text) for text in policy.get("warnings", [])]
    return [*(text for holds, text in warnings if holds), *data.warnings, *of_policy]


def unlabelled(missing: Mapping[str, int], total: int) -> list[str]:
    """A warning for each task without a reference for some of the `total` utterances; `missing` counts them."""
    return [
        f"{count} of {total} clips have no label for the task '{name}' and are not scored by it."
        for name, count in missing.items()
        if count
    ]


def absent_groups(predictions: Predictions, group_by: Sequence[str]) -> list[str]:
    """A warning if no row has some of the fields that scores are grouped by."""
    known = {name for row in predictions.good for name in row["groups"]}
    absent = [name for name in group_by if name not in known and name != "speaker"]
    return [f"Not grouped by {', '.join(absent)}: no row has it."] if absent else []


def _untrained(header: Header) -> tuple[str, ...]:
    """Heads and inputs with new weights of a model that was not trained."""
    return header.new_parts if header.model.training.get("step") == 0 else ()


def _untrained_warning(header: Header) -> str:
    return f"Not trained yet, so what depends on it is chance: {', '.join(_untrained(header))}."


def _synthetic_warning(header: Header) -> str:
    """Whether the training speech, the judged speech or both are synthetic; they are known one by one."""
    if header.trained_on_synthetic and header.data.synthetic:
        return "Trained and judged on synthetic speech, at least in part; the numbers say little about people's voices."
    if not header.trained_on_synthetic:
        return "Judged on synthetic speech, at least in part; the numbers say little about people's voices."
    judged = (
        ""
        if header.data.synthetic is None
        else "; the speech that it is judged on is not marked as synthetic"
    )
    return f"Trained on synthetic speech, at least in part{judged}."


def _recognised_warning(header: Header) -> str:
    rows, total = header.trained_on_recognised or (0, 0)
    return (
        f"Trained on labels from recognised text: {rows} of {total} training and validation rows; what the recogniser "
        "got wrong was learnt too."
    )


def _window_text(header: Header) -> str:
    """` of 5 s every 2.5 s`."""
    windows = header.label_windows or {}
    return f" of {windows['window_s']:g} s every {windows['hop_s']:g} s" if "hop_s" in windows else ""


def _unsure(predictions: Predictions) -> int:
    """Predictions whose confidence is null."""
    return sum(
        any(answer["prediction"].get("confidence", 0.0) is None for answer in row["tasks"].values())
        for row in predictions.good
    )
