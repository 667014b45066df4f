"""One model's log-probabilities of a batch of clips, from whole clips and windows; and their mean over several models.

Next: `inference/posteriors.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.errors import BundleError
from soritune.inference.backends.backend import Arrays, PoolingBackend
from soritune.inference.clip_outputs import Outputs, WindowOutputs
from soritune.inference.clip_reading import EncodedInputs, ReadClip, is_beyond_training, preprocessing_key
from soritune.inference.ensemble import Member, label_orders
from soritune.inference.posteriors import mean_of, readable, tempered
from soritune.inference.speaker_norm import Features, SpeakerNorm
from soritune.inference.windows import Window, WindowSettings, plan_windows, stitch_frames
from soritune.tasks.inputs.input import blind_outputs, cut_inputs, pad_inputs
from soritune.tasks.specs import OutputSpec


class ClipOutputs(NamedTuple):
    """The outputs of one clip."""

    whole: Outputs
    windows: tuple[WindowOutputs, ...] = ()
    """All outputs of each window; empty for a clip that was not cut."""


class _Piece(NamedTuple):
    """A whole clip or a window of it, ready for the model."""

    clip: int
    """Position of the clip in the batch."""
    waveform: NDArray[np.float32]
    inputs: EncodedInputs
    speaker: str | None


class MemberRunner:
    """Runs one model.

    Args:
        member: the model.
        index: its position among the models, for its part of `ReadClip.inputs`.
        specs: the joint outputs, whose order of labels the results have.
        windows: how long files are cut; shorter than that where training used shorter clips.
        padded_seconds: budget of a batch: pieces × longest of them, in seconds.
        norm: how features are normalised per speaker; None leaves them as they are.
    """

    def __init__(
        self,
        member: Member,
        index: int,
        specs: Mapping[str, OutputSpec],
        windows: WindowSettings,
        padded_seconds: float,
        norm: SpeakerNorm | None = None,
    ) -> None:
        self.member, self.index, self.norm = member, index, norm
        self.rate = member.preprocessing.sample_rate_hz
        longest_s = member.geometry.longest_samples / member.geometry.sample_rate_hz
        self.windows = windows.limited(member.preprocessing.max_duration_s).limited(longest_s)
        self.limit = padded_seconds * self.rate
        self._orders = label_orders(member, specs)
        self._key = preprocessing_key(member)

    def outputs(self, clips: Sequence[ReadClip]) -> list[ClipOutputs]:
        """The outputs of each clip, from a batch of whole clips and batches of windows."""
        plans = [self._plan(clip) for clip in clips]
        pieces = self._pieces(clips, plans)
        parts: list[list[Outputs]] = [[] for _ in clips]
        for batch in self._batches(pieces):
            for piece, outputs in zip(batch, self._run(batch), strict=True):
                parts[piece.clip].append(outputs)
        return [
            self._calibrated(self._joined(clip, outputs, plan))
            for clip, outputs, plan in zip(clips, parts, plans, strict=True)
        ]

    def features(self, clips: Sequence[ReadClip]) -> list[Features]:
        """The pooled features of each clip, (pieces, channels) per output, not normalised."""
        assert isinstance(self.member.backend, PoolingBackend)
        pieces = self._pieces(clips, [self._plan(clip) for clip in clips])
        parts: list[list[Features]] = [[] for _ in clips]
        for batch in self._batches(pieces):
            _, pooled = self.member.backend.run_pooled(self._given(batch))
            for position, piece in enumerate(batch):
                parts[piece.clip].append({name: values[position] for name, values in pooled.items()})
        return [{name: np.stack([part[name] for part in clip]) for name in clip[0]} for clip in parts]

    def _pieces(self, clips: Sequence[ReadClip], plans: Sequence[Sequence[Window]]) -> list[_Piece]:
        return [
            self._piece(position, clip, window)
            for position, (clip, plan) in enumerate(zip(clips, plans, strict=True))
            for window in plan
        ]

    def _plan(self, clip: ReadClip) -> list[Window]:
        samples = len(clip.waveforms[self._key])
        is_short = samples <= self.windows.longest_s * self.rate
        size = samples if is_short else round(self.windows.window_s * self.rate)
        overlap = round(self.windows.overlap_s * self.rate)
        return plan_windows(samples, size, overlap, self.member.geometry.samples_per_frame)

    def _piece(self, position: int, clip: ReadClip, window: Window) -> _Piece:
        preprocessing, waveform = self.member.preprocessing, clip.waveforms[self._key]
        stretch = waveform[window.start : window.stop]
        if is_beyond_training(preprocessing, waveform):
            stretch = preprocessing.finish(stretch)
        return _Piece(position, stretch, self._inputs(clip, window), clip.speaker)

    def _inputs(self, clip: ReadClip, window: Window) -> EncodedInputs:
        """A clip's other inputs for one of its windows."""
        specs, geometry = self.member.inputs, self.member.geometry
        if not specs:
            return {}
        samples = len(clip.waveforms[self._key])
        if (window.start, window.stop) == (0, samples):
            return clip.inputs[self.index]
        first, total = window.start // geometry.samples_per_frame, geometry.num_frames(samples)
        count = min(geometry.num_frames(window.stop - window.start), total - first)
        return cut_inputs(specs, clip.inputs[self.index], first, count, total)

    def _batches(self, pieces: Sequence[_Piece]) -> Iterator[Sequence[_Piece]]:
        """The pieces in their order, cut where pieces × longest would pass the budget."""
        start = 0
        while start < len(pieces):
            stop, longest = start + 1, len(pieces[start].waveform)
            while stop < len(pieces):
                longest = max(longest, len(pieces[stop].waveform))
                if longest * (stop + 1 - start) > self.limit:
                    break
                stop += 1
            yield pieces[start:stop]
            start = stop

    def _run(self, batch: Sequence[_Piece]) -> list[Outputs]:
        """What tasks decode, per piece, without padding."""
        given, backend = self._given(batch), self.member.backend
        if self.norm is None:
            arrays = backend.run(given)
        else:
            assert isinstance(backend, PoolingBackend)
            arrays, pooled = backend.run_pooled(given)
            arrays |= backend.classify(
                {name: self._normalised(name, pooled[name], batch) for name in self.norm.training.outputs}
            )
        return [self._readable(arrays, position, piece) for position, piece in enumerate(batch)]

    def _normalised(
        self, name: str, features: NDArray[np.float32], batch: Sequence[_Piece]
    ) -> NDArray[np.float32]:
        assert self.norm is not None
        moved = [
            self.norm.mapped(name, row, piece.speaker) for row, piece in zip(features, batch, strict=True)
        ]
        return np.stack(moved)

    def _given(self, batch: Sequence[_Piece]) -> Arrays:
        """The input of the backend."""
        member = self.member
        lengths = np.array([len(piece.waveform) for piece in batch], dtype=np.int64)
        padded = np.zeros((len(batch), int(lengths.max())), dtype=np.float32)
        for line, piece in zip(padded, batch, strict=True):
            line[: len(piece.waveform)] = piece.waveform
        given: Arrays = {"waveform": padded, "num_samples": lengths}
        if member.inputs:
            inputs = [piece.inputs for piece in batch]
            given |= pad_inputs(member.inputs, inputs, member.geometry.num_frames(lengths))
        return given

    def _readable(self, arrays: Arrays, position: int, piece: _Piece) -> Outputs:
        """What tasks decode; outputs that read inputs alone are left out if the clip lacks these."""
        outputs: Outputs = {}
        blind = blind_outputs(self.member.outputs.values(), piece.inputs)
        for name, spec in self.member.outputs.items():
            if name in blind:
                continue
            logits = arrays[name][position]
            if spec.per_frame:
                logits = logits[: int(arrays["num_frames"][position])]
            order = self._orders.get(name)
            outputs[name] = readable(spec, logits if order is None else logits[..., order])
        return outputs

    def _joined(self, clip: ReadClip, parts: Sequence[Outputs], plan: Sequence[Window]) -> ClipOutputs:
        """The outputs of a clip's windows as those of the clip. Of outputs without frames, windows without speech have
        no share, unless no window has speech."""
        if len(parts) == 1:
            return ClipOutputs(parts[0])
        spans = [(window.keep_start / self.rate, window.keep_stop / self.rate) for window in plan]
        has_speech = [clip.has_speech(*span) for span in spans]
        is_used = has_speech if any(has_speech) else [True] * len(plan)
        weights = [
            float(window.keep_stop - window.keep_start) * used
            for window, used in zip(plan, is_used, strict=True)
        ]
        whole: Outputs = {}
        for name, spec in self.member.outputs.items():
            values = [part[name] for part in parts if name in part]
            if not values:
                continue
            if spec.per_frame:
                whole[name] = stitch_frames(values, plan, self.member.geometry.samples_per_frame)
            else:
                whole[name] = mean_of(spec, values, weights)
        windows = (
            WindowOutputs(round(start, 3), round(end, 3), part, speech, speech_s=clip.speech_s(start, end))
            for (start, end), part, speech in zip(spans, parts, has_speech, strict=True)
        )
        return ClipOutputs(whole, tuple(windows))

    def _calibrated(self, clip: ClipOutputs) -> ClipOutputs:
        """A clip at the temperatures of the model's outputs, which are fitted on whole clips. It comes after the mean
        over windows, whose most probable label it therefore keeps."""
        if self.member.calibration is None:
            return clip
        windows = (replace(window, outputs=self._tempered(window.outputs)) for window in clip.windows)
        return ClipOutputs(self._tempered(clip.whole), tuple(windows))

    def _tempered(self, outputs: Outputs) -> Outputs:
        temperatures = {} if self.member.calibration is None else self.member.calibration.temperatures
        return {
            name: tempered(values, temperatures[name]) if name in temperatures else values
            for name, values in outputs.items()
        }


def mean_outputs(specs: Mapping[str, OutputSpec], models: Sequence[ClipOutputs]) -> ClipOutputs:
    """One clip's outputs, averaged over the models; without windows if the models cut the clip differently.

    Raises:
        BundleError: models that give an output in different numbers of frames.
    """
    whole = _mean(specs, [model.whole for model in models])
    if len(models) == 1:
        return ClipOutputs(whole, models[0].windows)
    cuts = {tuple((window.start_s, window.end_s) for window in model.windows) for model in models}
    if len(cuts) > 1:
        return ClipOutputs(whole)
    windows = (
        replace(same[0], outputs=_mean(specs, [part.outputs for part in same]))
        for same in zip(*(model.windows for model in models), strict=True)
    )
    return ClipOutputs(whole, tuple(windows))


def _mean(specs: Mapping[str, OutputSpec], models: Sequence[Outputs]) -> Outputs:
    mean: Outputs = {}
    for name, spec in specs.items():
        parts = [outputs[name] for outputs in models if name in outputs]
        if not parts:
            continue
        if len({part.shape for part in parts}) > 1:
            lengths = ", ".join(str(len(part)) for part in parts)
            raise BundleError(
                f"the bundles give '{name}' in different numbers of frames ({lengths}); use one of them"
            )
        mean[name] = mean_of(spec, parts)
    return mean
