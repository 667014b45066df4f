"""The header of a predictions file: which models, tasks and rows the predictions are of.

The first line of predictions.jsonl holds it, and scores.json repeats it. Next: `inference/predictions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from soritune.bundles.calibration import KEY as CALIBRATION
from soritune.bundles.calibration import BundleCalibration
from soritune.inference.json_values import JsonObject
from soritune.tasks.decoding.decoder import decoder_text
from soritune.tasks.task import Task, make_task

SCHEMA = "soritune.predictions/1"
FROM_TEXT = "from_text"
"""Key of a header whose phones are those of recognised words, by the G2P."""


RECOGNISED_LABELS = "recognised_labels"
"""Key of a card's data: training and validation rows whose labels come from recognised text, and all of them."""
_OBJECTS = ("decoder", "versions", "thresholds", "speaker_norm", "label_windows", "recogniser")


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One model, as far as its card goes with its predictions; what the card lacks is None or empty."""

    name: str | None = None
    folder: str | None = None
    """Name of the bundle's folder."""
    sha256: str | None = None
    """Checksum of the weights."""
    created: str | None = None
    recipe_name: str | None = None
    recipe: Mapping[str, Any] | None = None
    """The resolved recipe."""
    licence: str | None = None
    seed: int | None = None
    git_revision: str | None = None
    encoder: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    """What it was trained on; these three are parts of the card."""
    calibration: BundleCalibration | None = None
    """The temperatures that were applied to its outputs."""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> ModelRecord:
        """Reads a part `bundle` of a header."""
        values: dict[str, Any] = {name: content.get(name) for name in cls.__dataclass_fields__}
        for part in ("encoder", "training", "data"):
            values[part] = values[part] or {}
        if values[CALIBRATION] is not None:
            values[CALIBRATION] = BundleCalibration.from_json(values[CALIBRATION])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """The rows that were predicted; None or empty where the file does not state it."""

    split: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    """How the splits were made: `by`, `seed`, `warnings`."""
    manifest_hash: str | None = None
    root: str | None = None
    """Where relative audio paths start."""
    seen: Mapping[str, int] | None = None
    """Number of rows that the models were trained on ("train") or chosen by ("val")."""
    synthetic: bool | None = None
    """Whether some of the rows are synthetic speech."""
    warnings: tuple[str, ...] = ()
    """What a reader of scores must know about the rows, as sentences."""
    pooled: int | None = None
    """Number of predictions files that were joined."""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> JudgedRows:
        """Reads the part `data` of a header."""
        values: dict[str, Any] = {name: content.get(name) for name in cls.__dataclass_fields__}
        warnings = tuple(map(str, values["warnings"] or ()))
        return cls(**{**values, "policy": values["policy"] or {}, "warnings": warnings})


@dataclass(frozen=True, slots=True)
class Header:
    """A header. `content` is the JSON that was read, which scores repeat unchanged."""

    content: Mapping[str, Any]

    @classmethod
    def read(cls, content: JsonObject) -> Header:
        """Checks a header of a file.

        Raises:
            ManifestError: no tasks, or a part of another type.
        """
        for task in content.listed("tasks"):
            task.text("name")
            task.object("config")
        for key in (*_OBJECTS, "bundle", "data"):
            if content.values.get(key) is not None:
                content.object(key)
        for bundle in (content.values.get("bundle"), *(content.values.get("bundles") or ())):
            try:
                ModelRecord.of(bundle if isinstance(bundle, Mapping) else {})
            except ValueError as error:
                raise content.fault(f"'bundle.{CALIBRATION}' is faulty ({error})") from error
        return cls(content.values)

    def to_json(self) -> dict[str, Any]:
        """The content."""
        return dict(self.content)

    @property
    def task_names(self) -> list[str]:
        """Names of the tasks, in order."""
        return [task["name"] for task in self.content["tasks"]]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, rebuilt with their settings.

        Raises:
            UnknownNameError: a task that is not installed.
            TaskSettingsError: settings that the task does not take.
        """
        return tasks_of(self.content)

    @property
    def tasks_by_name(self) -> dict[str, Task]:
        """Name to task; errors as for `tasks`."""
        return {task.name: task for task in self.tasks}

    @property
    def model(self) -> ModelRecord:
        """The first model."""
        return ModelRecord.of(self.content.get("bundle", {}))

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """All models."""
        return tuple(ModelRecord.of(content) for content in self.content.get("bundles", []))

    @property
    def data(self) -> JudgedRows:
        """The rows."""
        return JudgedRows.of(self.content.get("data", {}))

    @property
    def synthetic(self) -> bool:
        """Whether synthetic speech was trained on or predicted."""
        return bool(self.content.get("synthetic"))

    @property
    def trained_on_synthetic(self) -> bool:
        """Whether a model was trained on synthetic speech, at least in part."""
        return any(model.data.get("synthetic") for model in (self.model, *self.models))

    @property
    def recogniser(self) -> Mapping[str, Any] | None:
        """Name and settings of the recogniser whose text is in the rows; None without one."""
        recogniser: Mapping[str, Any] | None = self.content.get("recogniser")
        return recogniser

    @property
    def recogniser_text(self) -> str | None:
        """The recogniser as people read it: `base (faster-whisper, ko, beam 1, int8)`."""
        record = self.recogniser
        if record is None:
            return None
        facts = [
            record.get("library"),
            record.get("language"),
            f"beam {record.get('beam_size')}",
            record.get("compute_type"),
        ]
        return f"{record.get('name')} ({', '.join(str(fact) for fact in facts if fact)})"

    @property
    def is_from_text(self) -> bool:
        """Whether the phones are those of recognised words, by the G2P, and not of a phone model."""
        return bool(self.content.get(FROM_TEXT))

    @property
    def trained_on_recognised(self) -> tuple[int, int] | None:
        """Training and validation rows whose labels come from recognised text, and all of them, of the first model that
        has any; None without."""
        for model in (self.model, *self.models):
            counts = model.data.get(RECOGNISED_LABELS)
            if counts:
                return int(counts["rows"]), int(counts["of"])
        return None

    @property
    def new_parts(self) -> tuple[str, ...]:
        """Heads and inputs of the first model that had new weights before it was trained: `head <output>`."""
        return tuple(map(str, self.model.training.get("new_parts") or ()))

    @property
    def decoder(self) -> Mapping[str, Any] | None:
        """Name and settings of the decoder; None for the greedy one."""
        decoder: Mapping[str, Any] | None = self.content.get("decoder")
        return decoder

    @property
    def decoder_text(self) -> str:
        """The decoder as people read it: `beam (width 8)`."""
        return decoder_text(self.decoder)

    @property
    def vad(self) -> str | None:
        """What looked for speech in the clips: silero or energy; None if nothing did."""
        vad: str | None = self.content.get("vad")
        return vad

    @property
    def min_confidence(self) -> float | None:
        """The lowest probability of a label that is not marked as uncertain; None if none is."""
        minimum: float | None = self.content.get("min_confidence")
        return minimum

    @property
    def coverage(self) -> float | None:
        """The stated share of clips that keep their label; None if none was stated."""
        coverage: float | None = self.content.get("coverage")
        return coverage

    @property
    def label_windows(self) -> Mapping[str, float] | None:
        """`window_s` and `hop_s` of the windows that every clip was cut into; None if only long clips were cut."""
        windows: Mapping[str, float] | None = self.content.get("label_windows")
        return windows

    def threshold(self, task: str) -> float | None:
        """The least probability of a label of a task that is not uncertain; None if no label is."""
        threshold: float | None = (self.content.get("thresholds") or {}).get(task, self.min_confidence)
        return threshold

    @property
    def speaker_norm(self) -> str | None:
        """`normalisation per speaker from 5 enrolment clips`; None without it."""
        record = self.content.get("speaker_norm")
        if record is None:
            return None
        least, most = record.get("clips", (None, None))
        return f"normalisation per speaker from {least if least == most else f'{least} to {most}'} enrolment clips"

    @property
    def withheld(self) -> tuple[str, ...]:
        """Names of the inputs that the models went without, although rows may have them."""
        return tuple(map(str, self.content.get("withheld") or ()))

    @property
    def created(self) -> str | None:
        """When the predictions were made, in ISO 8601."""
        created: str | None = self.content.get("created")
        return created

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the libraries that predicted."""
        versions: Mapping[str, str] = self.content.get("versions", {})
        return versions


def tasks_of(content: Mapping[str, Any]) -> tuple[Task, ...]:
    """The tasks that a header or a bundle's card names, rebuilt with their settings; errors as for `Header.tasks`."""
    return tuple(make_task(task["name"], task["config"]) for task in content["tasks"])
