"""Where the numbers of a report come from: model, split, training, versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soritune.bundles.calibration import BundleCalibration
from soritune.inference.header import Header
from soritune.reports.scores import Scores
from soritune.terminal_text import counted


def provenance(scores: Scores) -> list[tuple[str, str]]:
    """Name and value of everything known about where the numbers come from; unknown ones are left out."""
    header = scores.header
    model, data = header.model, header.data
    trained = model.data
    policy = data.policy or trained.get("split") or {}
    split = " and ".join(policy.get("by", []))
    names = [str(member.name) for member in header.models]
    rows = [
        ("Model", model.name),
        ("Checkpoint", model.folder if model.folder != model.name else None),
        ("Models averaged", ", ".join(names) if len(names) > 1 and not data.pooled else None),
        ("Folds pooled", data.pooled),
        ("Decoder", header.decoder_text if header.decoder else None),
        ("Temperature", _temperatures(model.calibration) if len(names) == 1 else None),
        ("Weights (sha256)", model.sha256),
        (
            "Encoder",
            " · ".join(str(part) for part in map(model.encoder.get, ("model_type", "source")) if part),
        ),
        ("Recipe", model.recipe_name),
        ("Trained", _training_text(model.training, model.created)),
        ("Seed", model.seed),
        ("Split judged", data.split),
        (
            "Split rule",
            f"disjoint by {split}" if split and split != "random" else "random" if split else None,
        ),
        ("Test manifest (sha256)", data.manifest_hash),
        ("Training manifest (sha256)", trained.get("manifest_hash")),
        ("Corpora", ", ".join(trained.get("sources") or [])),
        ("Training speech", "synthetic, at least in part" if header.trained_on_synthetic else None),
        ("Labels from recognised text", _recognised(header)),
        ("Recogniser", header.recogniser_text),
        ("Speech judged", "synthetic, at least in part" if data.synthetic else None),
        ("Licence of the model", model.licence),
        ("Code revision", model.git_revision),
        ("Versions", ", ".join(f"{name} {version}" for name, version in header.versions.items())),
        ("Predicted", header.created),
        ("Scored", f"{scores.created}, {scores.resamples} resamples, seed {scores.seed}"),
    ]
    return [(name, str(value)) for name, value in rows if value not in (None, "")]


def _recognised(header: Header) -> str | None:
    """`120 of 132 training and validation rows`."""
    counts = header.trained_on_recognised
    return None if counts is None else f"{counts[0]} of {counts[1]} training and validation rows"


def _training_text(training: Mapping[str, Any], created: str | None) -> str | None:
    if not training:
        return created
    epoch = training.get(
        "epochs_done"
    )  # cards of before have `epoch`, in which the one in progress did not count
    parts = [f"step {training.get('step')}", f"epoch {epoch:.4g}" if isinstance(epoch, int | float) else ""]
    parts += [f"{training['weights']} weights" if training.get("weights") else "", created or ""]
    return ", ".join(part for part in parts if part)


def _temperatures(calibration: BundleCalibration | None) -> str | None:
    """`emotion 1.83, fitted on 120 validation clips of 6 speakers`."""
    if calibration is None:
        return None
    return "; ".join(
        f"{name} {output.temperature:.2f}, fitted on {counted(output.rows, 'validation clip')} of "
        f"{counted(output.speakers, 'speaker')}"
        for name, output in calibration.outputs.items()
    )
