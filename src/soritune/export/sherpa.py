"""sherpa-onnx: a graph and tokens that its recogniser for raw audio loads as they are, also on phones and from C#.

`OfflineRecognizer.from_omnilingual_asr_ctc` takes a graph from raw 16 kHz audio to log-probabilities with blank 0; it
scales each clip to zero mean and unit variance itself.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from soritune.bundles.card import Bundle
from soritune.bundles.notice import notice_section
from soritune.bundles.onnx_graph import LENGTHS_FILE, ONNX_FILE
from soritune.errors import BundleError
from soritune.export.exporter import Exported, longest_clip
from soritune.export.parity import LARGEST_DIFFERENCE, compare_scaled
from soritune.export.tokens import TOKENS_FILE, write_tokens, write_vocabulary
from soritune.export.traced_model import traced
from soritune.progress import Console
from soritune.settings import Settings
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import OutputSpec

RATE_HZ = 16000


class SherpaSettings(Settings):
    """How a bundle is exported."""

    output: str | None = None
    """The CTC output, of a model with several; None takes the first."""
    older: bool = False
    """Use the older exporter of PyTorch at once."""
    tolerance: float = Field(LARGEST_DIFFERENCE, gt=0)
    """Allowed difference of log-probabilities from PyTorch's."""
    onnx_asr: bool = False
    """Also write the folder onnx-asr, for the library onnx-asr: the graph that takes lengths, and its files."""
    base: str | None = None
    """Folder or hub name of an adapter bundle's base, where it has moved."""


class SherpaExporter:
    """See `Exporter`. An ONNX folder, such as one with int8 weights, is copied; any other bundle is traced."""

    settings = SherpaSettings

    def write(self, bundle: Bundle, folder: Path, settings: SherpaSettings, console: Console) -> Exported:
        """See `Exporter.write`."""
        spec = _ctc_output(bundle, settings.output)
        if bundle.is_onnx:
            facts = _copied(bundle, folder, spec, settings)
            labels = bundle.onnx_graph.outputs[spec.name]
        else:
            model = traced(
                bundle,
                folder,
                outputs=[spec],
                padded=settings.onnx_asr,
                older=settings.older,
                tolerance=settings.tolerance,
                base=settings.base,
                console=console,
            )
            labels = model.graph.outputs[spec.name]
            if not model.graph.normalizes:
                compare_scaled(model.clips, model.graph, spec, bundle.geometry, folder / ONNX_FILE).check(
                    settings.tolerance, "audio at the level that sherpa-onnx gives it"
                )
            facts = {"exporter": model.exporter, "opset": model.opset, "parity": model.parity.to_json()}
        write_tokens(folder / TOKENS_FILE, labels)
        if settings.onnx_asr:
            _write_onnx_asr(bundle, folder / "onnx-asr", labels)
        (folder / "README.md").write_text(_readme(bundle, spec), encoding="utf-8")
        size = (folder / ONNX_FILE).stat().st_size
        lines = [f"{ONNX_FILE} {size / 1e6:.1f} MB, {TOKENS_FILE} {len(labels)} symbols of {spec.name}"]
        return Exported({"output": spec.name, "labels": len(labels), "bytes": size, **facts}, tuple(lines))


def _ctc_output(bundle: Bundle, name: str | None) -> OutputSpec:
    """The output that sherpa-onnx reads.

    Raises:
        BundleError: the model has no such output, or needs more than audio at 16 kHz.
    """
    outputs = {spec.name: spec for spec in bundle.outputs if objective_of(spec).needs_decoder}
    if not outputs:
        raise BundleError(
            f"{bundle.path} has no CTC output, and sherpa-onnx reads symbols along time; use `soritune export onnx`"
        )
    if name is not None and name not in outputs:
        raise BundleError(f"{bundle.path} has no CTC output '{name}'; it has: {', '.join(outputs)}")
    spec = outputs[name] if name is not None else next(iter(outputs.values()))
    rate = bundle.geometry.sample_rate_hz
    if bundle.inputs:
        raise BundleError(
            f"{bundle.path} reads {bundle.inputs[0].name} beside the audio, which sherpa-onnx does not give"
        )
    if rate != RATE_HZ:
        raise BundleError(f"{bundle.path} takes {rate} Hz, and sherpa-onnx gives {RATE_HZ} Hz")
    if bundle.preprocessing.get("noise_reduction"):
        raise BundleError(
            f"{bundle.path} was trained on audio with reduced noise, and sherpa-onnx gives it unchanged"
        )
    return spec


def _copied(bundle: Bundle, folder: Path, spec: OutputSpec, settings: SherpaSettings) -> dict[str, Any]:
    """
    Raises:
        BundleError: the first output of the folder is another one, or its graph does not normalise.
    """
    if settings.model_fields_set - {"output"}:
        idle = sorted(settings.model_fields_set - {"output"})[0]
        raise BundleError(f"{idle} has no effect on an ONNX folder, whose graph is copied; leave it out")
    graph = bundle.onnx_graph
    if next(iter(graph.outputs)) != spec.name or not graph.normalizes:
        raise BundleError(
            f"the graph of {bundle.path} cannot be used by sherpa-onnx, which takes its first output and audio of any "
            "level; give the bundle that it was exported from"
        )
    shutil.copyfile(bundle.path / ONNX_FILE, folder / ONNX_FILE)
    return {"copied": True}


def _write_onnx_asr(bundle: Bundle, folder: Path, labels: Sequence[str]) -> None:
    """What onnx-asr reads for models of raw audio. Its graph takes the lengths of the rows."""
    folder.mkdir()
    os.replace(folder.parent / LENGTHS_FILE, folder / ONNX_FILE)
    config = {"model_type": "wav2vec2-ctc", "subsampling_factor": bundle.geometry.samples_per_frame}
    (folder / "config.json").write_text(json.dumps(config) + "\n", encoding="utf-8")
    write_vocabulary(folder / "vocab.txt", labels)


def _readme(bundle: Bundle, spec: OutputSpec) -> str:
    text = (
        f"# {bundle.name} for sherpa-onnx\n\n{spec.name}: {len(spec.labels)} symbols.\n\n"
        "    import sherpa_onnx\n"
        f'    recognizer = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(\n        model="{ONNX_FILE}", '
        f'tokens="{TOKENS_FILE}")\n    stream = recognizer.create_stream()\n'
        f"    stream.accept_waveform({RATE_HZ}, samples)  # float32 in [-1, 1]\n"
        "    recognizer.decode_stream(stream)\n    print(stream.result.tokens, stream.result.timestamps)\n"
    )
    text += longest_clip(bundle.geometry)
    notice = notice_section(bundle.card)
    return text + (f"\n{notice}\n" if notice else "")


EXPORTER = SherpaExporter()
