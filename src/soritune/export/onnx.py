"""ONNX: a folder that ONNX Runtime runs, and that is itself a bundle for `soritune predict` and everything above it."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from soritune.bundles.card import WEIGHTS_FORMAT, Bundle
from soritune.bundles.notice import notice_section
from soritune.bundles.onnx_graph import KEY, LENGTHS_FILE, ONNX, ONNX_FILE, THRESHOLDS
from soritune.bundles.versions import versions
from soritune.bundles.write import write_card
from soritune.corpus.manifest import load_manifest
from soritune.errors import BundleError, ManifestError, ModelError
from soritune.export import tensorrt
from soritune.export.exporter import Exported, longest_clip
from soritune.export.int8 import quantise
from soritune.export.judged_int8 import Cost, costs
from soritune.export.parity import LARGEST_DIFFERENCE
from soritune.export.tokens import TOKENS_FILE, write_tokens
from soritune.export.traced_model import TracedModel, traced
from soritune.inference.model_thresholds import copy_thresholds, known_thresholds
from soritune.progress import Console
from soritune.settings import Settings
from soritune.tasks.objectives.objective import objective_of

_FLOAT32 = ".float32"
_SCORED = ".scored"


class OnnxSettings(Settings):
    """How a bundle is exported."""

    int8: bool = False
    """Weights of matrix products as int8: about a third of the size, and faster on a CPU."""
    keep_float32: list[str] = Field(default_factory=list)
    """Parts of names of modules whose weights stay in float32 with `int8`, such as "layers.0."."""
    data: Path | None = None
    """Manifest with references, on which float32 and int8 are scored."""
    root: Path | None = None
    """Where relative audio paths of `data` start, instead of what it states."""
    max_loss: float = Field(0.3, ge=0)
    """Points of the primary rate of any task that int8 may lose on `data`."""
    force: bool = False
    """Write int8 although it was not scored, or loses more."""
    target: Literal["any", "tensorrt"] = "any"
    """"tensorrt" also writes a shape profile and a command line."""
    frames: bool = False
    """The graphs also give the encoder's last states, `frames` (batch, frames, hidden)."""
    padded: bool = True
    """Also write model.lengths.onnx, for padded batches."""
    older: bool = False
    """Use the older exporter of PyTorch at once, not only where the newer one fails."""
    tolerance: float = Field(LARGEST_DIFFERENCE, gt=0)
    """Allowed difference of log-probabilities from PyTorch's, without int8."""
    base: str | None = None
    """Folder or hub name of an adapter bundle's base, where it has moved."""

    @model_validator(mode="after")
    def _acting(self) -> OnnxSettings:
        if not self.int8:
            idle = [name for name in ("keep_float32", "data", "root", "force") if getattr(self, name)]
            if "max_loss" in self.model_fields_set:
                idle.append("max_loss")
            if idle:
                raise ValueError(f"{idle[0]} has no effect without int8; leave it out")
        elif self.data is None:
            if not self.force:
                raise ValueError(
                    "int8 changes the results of a model; give data, a manifest with references on which it is scored, "
                    "or force to write it without"
                )
            if self.root is not None or "max_loss" in self.model_fields_set:
                raise ValueError("root and max_loss have no effect without data; leave them out")
        return self


class OnnxExporter:
    """See `Exporter`."""

    settings = OnnxSettings

    def write(self, bundle: Bundle, folder: Path, settings: OnnxSettings, console: Console) -> Exported:
        """See `Exporter.write`."""
        if bundle.is_onnx:
            raise BundleError(
                f"{bundle.path} is an ONNX folder already; give the bundle that it was exported from"
            )
        if settings.target == "tensorrt" and bundle.inputs:
            raise BundleError(
                f"{bundle.path} has inputs beside the audio ({bundle.inputs[0].name}), for which there is no shape "
                "profile; leave --for out"
            )
        rows = None if settings.data is None else load_manifest(settings.data, root=settings.root)
        model = traced(
            bundle,
            folder,
            padded=settings.padded,
            frames=settings.frames,
            older=settings.older,
            tolerance=settings.tolerance,
            base=settings.base,
            console=console,
        )
        primary = bundle.outputs[0]
        if objective_of(primary).needs_decoder:
            write_tokens(folder / TOKENS_FILE, model.graph.outputs[primary.name])
        for file in _carried(bundle):
            target = folder / file.relative_to(bundle.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        facts = _facts(model)
        if settings.target == "tensorrt":
            page = tensorrt.page(model.graph, bundle.geometry, padded=settings.padded)
            (folder / tensorrt.FILE).write_text(page, encoding="utf-8")
            facts["tensorrt"] = tensorrt.record(model.graph, bundle.geometry, padded=settings.padded)
        lines = [
            f"{model.parity.clips} clips: log-probabilities within {model.parity.difference:.1e} of PyTorch's, "
            f"{model.parity.equal} of {model.parity.decisions} decisions equal"
        ]
        # They fit a graph with the same log-probabilities: not one of int8, or of a larger tolerance.
        is_same = not settings.int8 and model.parity.difference <= LARGEST_DIFFERENCE
        chosen = copy_thresholds(bundle.path, folder) if is_same else None
        if chosen is not None:
            facts[THRESHOLDS] = chosen.name
            lines.append(f"thresholds of `soritune assess`: {chosen.name}, those of the bundle")
        _write_card(bundle, folder, model, facts)
        if settings.int8:
            measured = _to_int8(bundle, folder, model, facts, settings, rows, console)
            lines += [str(cost) for cost in measured] or ["int8 was not scored on any data"]
        lines += [f"{file.name} {file.stat().st_size / 1e6:.1f} MB" for file in sorted(folder.glob("*.onnx"))]
        if settings.target == "tensorrt":
            lines.append(f"{tensorrt.FILE} has the command for TensorRT, which was not run")
        return Exported(facts, tuple(lines))


def _facts(model: TracedModel) -> dict[str, Any]:
    """The section of the card."""
    return {
        **model.graph.to_json(),
        "exporter": model.exporter,
        "opset": model.opset,
        "parity": model.parity.to_json(),
        "versions": versions(),
    }


def _carried(bundle: Bundle) -> list[Path]:
    """Files of the bundle's inputs, such as a tokenizer; links are left out, which could point anywhere."""
    folders = [spec.stored_at for spec in bundle.inputs if spec.stored_at is not None]
    return [
        file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.is_symlink()
    ]


def _write_card(bundle: Bundle, folder: Path, model: TracedModel, facts: dict[str, Any]) -> None:
    card = {**bundle.card, "kind": "full", "base": None, "adapter": None, WEIGHTS_FORMAT: ONNX, KEY: facts}
    card.pop("files", None)
    write_card(
        folder,
        card,
        name=bundle.name,
        readme=_readme(
            bundle, model, has_tokens=(folder / TOKENS_FILE).is_file(), thresholds=facts.get(THRESHOLDS)
        ),
    )


def _to_int8(
    bundle: Bundle,
    folder: Path,
    model: TracedModel,
    facts: dict[str, Any],
    settings: OnnxSettings,
    rows: Any,
    console: Console,
) -> list[Cost]:
    """Replaces the graphs of the folder by int8 ones, and scores them.

    Raises:
        ModelError: they lose more than is allowed, or a task was not scored.
    """
    names = [name for name in (ONNX_FILE, LENGTHS_FILE) if (folder / name).is_file()]
    if rows is not None:
        shutil.copytree(folder, folder.with_name(folder.name + _FLOAT32))
    float32, work = folder.with_name(folder.name + _FLOAT32), folder.with_name(folder.name + _SCORED)
    try:
        changed = 0
        for name in names:
            console.message(f"{name} as int8 …")
            changed = quantise(folder / name, settings.keep_float32)
        facts["int8"] = {"weights": changed, "kept_float32": list(settings.keep_float32), "scores": []}
        _write_card(bundle, folder, model, facts)
        if rows is None:
            return []
        work.mkdir()
        try:
            measured = list(costs(float32, folder, rows, work, console))
        except ManifestError as error:  # it names a file of predictions, which is removed
            raise ModelError(
                f"int8 cannot be scored on {settings.data}: no row has a reference for the tasks of the model; give a "
                "manifest with references, or leave --data out and force"
            ) from error
        facts["int8"] |= {"scores": [cost.to_json() for cost in measured], "data": str(settings.data)}
        # A rate that is not a number counts as the worst.
        worst = max(measured, key=lambda cost: math.inf if math.isnan(cost.loss) else cost.loss, default=None)
        if worst is not None and not worst.loss <= settings.max_loss and not settings.force:
            raise ModelError(
                f"int8 loses {worst.loss:.2f} points of {worst.task}/{worst.rate} on {settings.data} "
                f"({worst.float32:.4f} → {worst.int8:.4f}), more than the {settings.max_loss:g} allowed; keep some "
                "layers in float32 (--keep-float32), allow more (--max-loss), or write it anyway (--force)"
            )
        unscored = [task.name for task in bundle.tasks if task.name not in {cost.task for cost in measured}]
        if unscored and not settings.force:
            raise ModelError(
                f"{settings.data} has no references of {', '.join(unscored)}, so int8 was not scored on it; give data "
                "with references of every task, or write it anyway (--force)"
            )
        _write_card(bundle, folder, model, facts)
        return measured
    finally:
        shutil.rmtree(float32, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


def _readme(bundle: Bundle, model: TracedModel, *, has_tokens: bool, thresholds: str | None) -> str:
    graph = model.graph
    tasks = ", ".join(task["name"] for task in bundle.card["tasks"])
    outputs = "\n".join(
        f"- `{graph.graph_name(name)}`: log-probabilities of {name}, {len(labels)} labels"
        for name, labels in graph.outputs.items()
    )
    text = (
        f'# {bundle.name} for ONNX Runtime\n\nTasks: {tasks}.\n\n    pip install "soritune[onnx]"\n'
        f"    soritune predict --bundle . clip.wav\n\nOther programs give `{graph.waveform}` (batch, samples), float32 "
        f"at {bundle.geometry.sample_rate_hz} Hz in [-1, 1], and get:\n\n{outputs}\n\nLabels are in the metadata of "
        "the file and in soritune.json"
    )
    text += ", those of the first output in tokens.txt too.\n" if has_tokens else ".\n"
    text += longest_clip(bundle.geometry)
    if thresholds is not None:
        text += (
            f"\n`soritune assess --bundle .` uses the thresholds {thresholds} of the bundle, in thresholds.yaml. They "
            f"fit, because the graphs give its log-probabilities (within {model.parity.difference:.1e} on "
            f"{model.parity.clips} clips).\n"
        )
    elif known_thresholds(bundle.path) is not None:
        text += (
            "\nThe thresholds of `soritune assess` that the bundle has are not here, because the graphs give other "
            "log-probabilities; choose them with --choose-thresholds.\n"
        )
    notice = notice_section(bundle.card)
    return text + (f"\n{notice}\n" if notice else "")


EXPORTER = OnnxExporter()
