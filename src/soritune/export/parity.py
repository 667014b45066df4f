"""Whether exported graphs give the results of the model: on clips of several lengths, alone and in padded batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.onnx_graph import LENGTHS_FILE, ONNX_FILE, OnnxGraph
from soritune.errors import ModelError
from soritune.geometry import Geometry
from soritune.models.model import SpeechModel
from soritune.tasks.inputs.input import example_inputs, pad_inputs
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import OutputSpec

Array = NDArray[Any]
CLIPS, LONGEST_S, ROWS = 20, 4.0, 4
"""Number of clips, length of the longest one, and clips of a padded batch."""
LARGEST_DIFFERENCE = 1e-3
"""Of log-probabilities."""
LEAST_EQUAL = 0.995
"""Share of frames, or of clips for outputs without frames, with the same most probable label."""


@dataclass(slots=True)
class Parity:
    """The largest differences between the graphs and the model."""

    difference: float = 0.0
    """Of log-probabilities."""
    decisions: int = 0
    equal: int = 0
    """Decisions (the most probable label of a frame or clip), and those that are the same."""
    clips: int = CLIPS
    graphs: list[str] = field(default_factory=list)

    def add(self, expected: Array, given: Array, *, is_choice: bool) -> None:
        """One output of one clip: (frames, labels) or (labels,)."""
        if expected.shape != given.shape:
            raise ModelError(
                f"the exported graph gives {given.shape} values and the model {expected.shape}; it is not written"
            )
        if not expected.size:
            return
        difference = float(np.abs(expected - given).max())
        self.difference = difference if np.isnan(difference) else max(self.difference, difference)
        if is_choice:
            same = expected.argmax(-1) == given.argmax(-1)
            self.decisions += same.size
            self.equal += int(same.sum())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for the card."""
        return {
            "clips": self.clips,
            "largest_difference": self.difference,
            "decisions": self.decisions,
            "equal_decisions": self.equal,
            "graphs": self.graphs,
        }

    def check(self, tolerance: float = LARGEST_DIFFERENCE, on: str = "the same audio") -> None:
        """
        Args:
            tolerance: allowed difference of log-probabilities.
            on: what the graph was given, as part of a sentence.

        Raises:
            ModelError: a threshold is missed.
        """
        share = self.equal / self.decisions if self.decisions else 1.0
        if not (self.difference <= tolerance and share >= LEAST_EQUAL):
            raise ModelError(
                f"the exported graph does not give the results of the model on {on}: log-probabilities differ by up to "
                f"{self.difference:.2g} (allowed: {tolerance:g}) and {share:.1%} of the decisions are equal (needed: "
                f"{LEAST_EQUAL:.1%}); nothing was written"
            )


@dataclass(frozen=True, slots=True)
class TriedClip:
    """A clip and the results of the model for it."""

    waveform: NDArray[np.float32]
    """Raw."""
    finished: NDArray[np.float32]
    """As the preprocessing of the bundle gives it."""
    inputs: Mapping[str, Array]
    """Arrays of the other inputs; empty for a clip without them."""
    outputs: Mapping[str, Array]
    """Log-probabilities by output, (frames, labels) or (labels,)."""


def tried_clips(model: SpeechModel, preprocessing: Preprocessing) -> list[TriedClip]:
    """Clips of noise with the rhythm of speech, and the model's results. Half of them have the other inputs."""
    rate, least = model.geometry.sample_rate_hz, model.geometry.least_samples
    shortest = max(least, round(preprocessing.min_duration_s * rate)) + 1
    longest = min(LONGEST_S * rate, model.geometry.longest_samples)
    lengths = np.geomspace(shortest, max(longest, shortest), CLIPS).round().astype(int)
    settings = preprocessing.model_copy(update={"noise_reduction": None})
    specs = model.input_specs
    clips = []
    for index, length in enumerate(lengths.tolist()):
        waveform = _noise(length, index)
        finished = settings.finish(waveform)
        inputs = example_inputs(specs) if index % 2 else {}
        arrays = _arrays(specs, [inputs], [length], model)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        with torch.inference_mode():
            output = model(torch.from_numpy(finished[None]), torch.tensor([length]), **tensors)
        frames = int(output.num_frames[0])
        results: dict[str, Array] = {}
        for spec in model.outputs:
            logits = output.logits[spec.name][0].float().numpy()
            results[spec.name] = objective_of(spec).log_probabilities(
                spec, logits[:frames] if spec.per_frame else logits
            )
        clips.append(TriedClip(waveform, finished, inputs, results))
    return clips


def compare(model: SpeechModel, graph: OnnxGraph, clips: Sequence[TriedClip], folder: Path) -> Parity:
    """Runs the graphs in `folder` on the clips, as they are and as the preprocessing gives them."""
    parity = Parity(clips=len(clips))
    for name, padded, rows in ((ONNX_FILE, False, 1), (LENGTHS_FILE, True, 1), (LENGTHS_FILE, True, ROWS)):
        if not (folder / name).is_file():
            continue
        session = _session(folder / name)
        # Clips of very different lengths are together in a batch.
        batches = [clips[first :: len(clips) // rows] for first in range(len(clips) // rows)]
        for normalises in (True, False) if graph.normalizes else (False,):
            for batch in batches:
                _compare_batch(session, model, graph, batch, parity, padded=padded, normalises=normalises)
        parity.graphs.append(f"{name}, {'alone' if rows == 1 else f'{rows} in a padded batch'}")
    return parity


def compare_scaled(
    clips: Sequence[TriedClip], graph: OnnxGraph, spec: OutputSpec, geometry: Geometry, file: Path
) -> Parity:
    """Runs a graph for equal lengths that does not normalise on clips of zero mean and unit variance."""
    session = _session(file)
    parity = Parity(clips=len(clips))
    for clip in clips:
        scaled = Preprocessing(normalize=True).finish(clip.waveform)
        (values,) = session.run([graph.graph_name(spec.name)], {graph.waveform: scaled[None]})
        result = _in_order(graph, spec, values[0])[: geometry.num_frames(len(scaled))]
        parity.add(clip.outputs[spec.name], result, is_choice=True)
    return parity


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _in_order(graph: OnnxGraph, spec: OutputSpec, values: Array) -> Array:
    """Columns of the graph in the order of the model's labels."""
    order = graph.order_of(spec)
    return values if order is None else values[..., np.argsort(order)]


def _compare_batch(
    session: Any,
    model: SpeechModel,
    graph: OnnxGraph,
    batch: Sequence[TriedClip],
    parity: Parity,
    *,
    padded: bool,
    normalises: bool,
) -> None:
    lengths = [len(clip.waveform) for clip in batch]
    waveform = np.zeros((len(batch), max(lengths)), dtype=np.float32)
    for line, clip, length in zip(waveform, batch, lengths, strict=True):
        line[:length] = clip.waveform if normalises else clip.finished
    given: dict[str, Array] = {graph.waveform: waveform}
    if padded:
        given[graph.lengths] = np.array(lengths, dtype=np.int64)
    if graph.normalizes and not normalises:
        given[graph.switch] = np.array(False)
    given |= _arrays(model.input_specs, [clip.inputs for clip in batch], lengths, model)
    values = dict(zip(graph.output_names(), session.run(graph.output_names(), given), strict=True))
    for row, (clip, length) in enumerate(zip(batch, lengths, strict=True)):
        frames = model.geometry.num_frames(length)
        for spec in (spec for spec in model.outputs if spec.name in graph.outputs):
            result = _in_order(graph, spec, values[graph.graph_name(spec.name)][row])
            parity.add(
                clip.outputs[spec.name],
                result[:frames] if spec.per_frame else result,
                is_choice=objective_of(spec).needs_decoder or objective_of(spec).is_choice(spec),
            )


def _arrays(
    specs: Sequence[Any], rows: Sequence[Mapping[str, Array]], lengths: Sequence[int], model: SpeechModel
) -> dict[str, Array]:
    frames = np.asarray(model.geometry.num_frames(np.array(lengths)), dtype=np.int64)
    return pad_inputs(specs, rows, frames)


def _noise(length: int, index: int) -> NDArray[np.float32]:
    """Noise that swells four times a second, quieter in every second clip."""
    rng = np.random.default_rng((17, index))
    noise = rng.standard_normal(length)
    smooth = np.convolve(noise, np.hanning(9), mode="same")
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(length) / 16000 + index)
    loud = smooth * envelope
    peak = 0.5 if index % 2 else 0.02
    return (peak * loud / max(float(np.abs(loud).max()), 1e-9)).astype(np.float32)
