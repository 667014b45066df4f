"""A trained model on disk as its card describes it: tasks, outputs, labels, origin. Next: `bundles/read.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import load_file

from soritune.bundles.calibration import KEY as CALIBRATION
from soritune.bundles.calibration import BundleCalibration
from soritune.bundles.int8_weights import from_int8
from soritune.bundles.measured import KEY as MEASURED
from soritune.bundles.measured import Measured, measured_from_json
from soritune.bundles.notice import KEY as NOTICE
from soritune.bundles.onnx_graph import KEY as ONNX_KEY
from soritune.bundles.onnx_graph import ONNX, ONNX_FILE, OnnxGraph
from soritune.bundles.speaker_norm import KEY as SPEAKER_NORM
from soritune.bundles.speaker_norm import TrainingFeatures
from soritune.errors import BundleError, OutsideFolderError, TaskError, UnknownNameError, reason_of
from soritune.geometry import Geometry
from soritune.inside_folder import path_inside
from soritune.settings import first_fault
from soritune.tasks.objectives.objective import check_output
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.tasks.task import Task, make_task

SCHEMA, FIRST_SCHEMA = "soritune.bundle/2", "soritune.bundle/1"
"""Of the cards written now, and of older ones, which are converted when they are opened."""
CARD_FILE = "soritune.json"
WEIGHTS_FILE = "model.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
INT8_FILE = "model.int8.safetensors"
"""Weights as `int8_weights.py` stores them. transformers does not open a file of this name."""
WEIGHTS_FORMAT, INT8 = "weights_format", "int8"
"""The card's key for weights that are not safetensors of transformers' names, and one of its values; the other one is
that of `onnx_graph.py`."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk, opened for reading. `print(bundle)` describes it."""

    path: Path
    card: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name in the card, or else that of the folder."""
        return str(self.card.get("name") or self.path.name)

    @property
    def is_adapter(self) -> bool:
        """True if it holds only adapters and heads, and needs its base model."""
        return bool(self.card["kind"] == "adapter")

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """The model's outputs, the primary one first.

        Raises:
            BundleError: the card's `outputs` are faulty, or name an objective that is not installed here.
        """
        try:
            outputs = tuple(OutputSpec.from_json(output) for output in self.card["outputs"])
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged("outputs", first_fault(error)) from error
        for output in outputs:
            try:
                check_output(output)
            except UnknownNameError as error:
                raise BundleError(
                    f"{self.path / CARD_FILE}: {error}; install the package that brings this objective"
                ) from error
            except TaskError as error:
                raise self.damaged("outputs", str(error)) from error
        return outputs

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What the model reads beside the waveform.

        Raises:
            BundleError: the card's `inputs` are faulty.
        """
        try:
            specs = tuple(InputSpec.from_json(spec) for spec in self.card.get("inputs") or ())
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged("inputs", first_fault(error)) from error
        return tuple(replace(spec, folder=self.path) for spec in specs)

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Labels by output name."""
        return {output.name: output.labels for output in self.outputs}

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, rebuilt from their stored settings.

        Raises:
            BundleError: the card's `tasks` are faulty.
            UnknownNameError: a task that is not installed here.
        """
        try:
            return tuple(make_task(task["name"], task["config"]) for task in self.card["tasks"])
        except UnknownNameError:
            raise
        except (KeyError, TypeError, ValueError, TaskError) as error:
            raise self.damaged("tasks", first_fault(error)) from error

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Settings of the steps from audio to the model's input (`Preprocessing(**…)`)."""
        return dict(self.card["preprocessing"])

    @property
    def is_int8(self) -> bool:
        """Whether its weights are stored as int8."""
        return self.card.get(WEIGHTS_FORMAT) == INT8

    @property
    def is_onnx(self) -> bool:
        """Whether it is an ONNX folder: graphs for ONNX Runtime in place of weights."""
        return self.card.get(WEIGHTS_FORMAT) == ONNX

    @property
    def onnx_graph(self) -> OnnxGraph:
        """What the graphs of an ONNX folder take and give.

        Raises:
            BundleError: the card does not have it, or a faulty one.
        """
        try:
            return OnnxGraph.from_json(self.card.get(ONNX_KEY))
        except ValueError as error:
            raise self.damaged(ONNX_KEY, str(error)) from error

    @property
    def weights_path(self) -> Path:
        """The file with the weights."""
        return self.path / weights_file(self.card)

    @property
    def geometry(self) -> Geometry:
        """How samples become frames.

        Raises:
            BundleError: the card has no geometry, or a faulty one.
        """
        try:
            return Geometry.from_json(self.card["encoder"]["geometry"])
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged("encoder", f"geometry: {first_fault(error)}") from error

    @property
    def architecture(self) -> dict[str, Any]:
        """The encoder's config.json.

        Raises:
            BundleError: the card does not have it.
        """
        try:
            return dict(self.card["encoder"]["config"])
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged("encoder", first_fault(error)) from error

    @property
    def calibration(self) -> BundleCalibration | None:
        """Temperatures and thresholds of its probabilities; None if none were fitted.

        Raises:
            BundleError: the card's `calibration` is faulty.
        """
        content = self.card.get(CALIBRATION)
        try:
            return None if content is None else BundleCalibration.from_json(content)
        except ValueError as error:
            raise self.damaged(CALIBRATION, str(error)) from error

    @property
    def training_features(self) -> TrainingFeatures | None:
        """Statistics for normalisation per speaker; None if none were computed.

        Raises:
            BundleError: the card's `speaker_norm` is faulty.
        """
        content = self.card.get(SPEAKER_NORM)
        try:
            return None if content is None else TrainingFeatures.from_json(content)
        except ValueError as error:
            raise self.damaged(SPEAKER_NORM, str(error)) from error

    def damaged(self, key: str, fault: str) -> BundleError:
        """The error to raise if the card's `key` cannot be used."""
        return BundleError(f"{self.path / CARD_FILE}: '{key}' is faulty ({fault}); copy the bundle again")

    @property
    def notice(self) -> str | None:
        """The notice of the weights that it derives from; None without a notice.

        Raises:
            BundleError: it is not a text.
        """
        notice = self.card.get(NOTICE)
        if notice is not None and not isinstance(notice, str):
            raise self.damaged(NOTICE, f"is {notice!r}, not a text")
        return notice

    @property
    def measured(self) -> tuple[Measured, ...]:
        """Error rates that were measured with it; empty if the card lists no rate.

        Raises:
            BundleError: the card's `measured` is faulty.
        """
        try:
            return measured_from_json(self.card.get(MEASURED) or [])
        except ValueError as error:
            raise self.damaged(MEASURED, str(error)) from error

    def weights(self) -> dict[str, NDArray[Any]]:
        """Name in the file to weights; those stored as int8 in float32.

        Raises:
            BundleError: the file is damaged, or the bundle is an ONNX folder.
        """
        if self.is_onnx:
            raise BundleError(
                f"{self.path} is an ONNX folder, which has a graph in place of weights; give the bundle that it was "
                "exported from"
            )
        try:
            stored = dict(load_file(str(self.weights_path)))
        except Exception as error:
            raise BundleError(
                f"{self.weights_path} cannot be read as safetensors ({reason_of(error)}); copy it again"
            ) from error
        try:
            return from_int8(stored) if self.is_int8 else stored
        except ValueError as error:
            raise BundleError(f"{self.weights_path} is damaged: {error}; copy it again") from error

    def check_files(self) -> None:
        """Compares every file with the checksum in the card.

        Raises:
            BundleError: a file is missing or differs.
        """
        for name, expected in self.card.get("files", {}).items():
            try:
                file = path_inside(self.path, name, links=True)
            except OutsideFolderError as error:
                raise self.damaged("files", str(error)) from error
            if not file.is_file():
                raise BundleError(f"{self.path} lacks {name}, which its card lists; copy the whole folder")
            if file_sha256(file) != expected:
                raise BundleError(
                    f"{file} is not the file the card describes (its sha256 differs); copy it again"
                )

    def __str__(self) -> str:
        lines = [f"{self.name} ({self.card['kind']} bundle, {self.card['encoder']['model_type']})"]
        for output in self.outputs:
            shape = "(frames, labels)" if output.per_frame else "(labels,)"
            shown = " ".join(output.labels[:12]) + (" …" if len(output.labels) > 12 else "")
            lines.append(
                f"  {output.name}: {output.objective}, {shape}, {len(output.labels)} labels: {shown}"
            )
        return "\n".join(lines)


def weights_file(card: Mapping[str, Any]) -> str:
    """Name of the file with the weights of a bundle with this card."""
    if card.get("kind") == "adapter":
        return ADAPTER_FILE
    stored = card.get(WEIGHTS_FORMAT)
    return ONNX_FILE if stored == ONNX else INT8_FILE if stored == INT8 else WEIGHTS_FILE


def file_sha256(path: Path | str) -> str:
    """sha256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
