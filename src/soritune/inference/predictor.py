"""Audio in, posteriors or task predictions out, with one model or several. Next: `inference/rows.py`.

Clips are sorted by length into padded batches and come out in the order they went in; alone or in a batch a
clip gets the same prediction. A file that cannot be read becomes a row with an `error` and stops nothing.
"""

from __future__ import annotations

import logging
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from soritune.bundles.read import load_bundle
from soritune.errors import AudioError, BundleError, TaskError
from soritune.inference.backends.backend import Arrays, OpenBackend
from soritune.inference.clip_outputs import Outputs, Posteriors, WindowOutputs
from soritune.inference.clips import Clip, Item, Rows, clips_of
from soritune.inference.distribution import Distribution, label_distribution
from soritune.inference.ensemble import Member, frame_rates, joint_inputs, joint_tasks, label_orders
from soritune.inference.posteriors import mean_of, readable
from soritune.inference.predictions import Row
from soritune.inference.rows import row_of
from soritune.inference.windows import Window, WindowSettings, plan_windows, stitch_frames
from soritune.registry import load_member
from soritune.run_folder import choose_bundle
from soritune.tasks.decoding.decoder import GREEDY, Decoder, make_decoder
from soritune.tasks.inputs.input import (
    cut_inputs,
    encode_inputs,
    missing_inputs,
    pad_inputs,
    values_in_request,
    values_in_row,
)
from soritune.tasks.objectives.objective import refuse_idle_decoder
from soritune.tasks.task import Task

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
_BLOCK = 2048
"""Clips sorted together: enough for little padding, few enough that results come while the rest is read."""
_POSTERIOR_BLOCK = 256
"""The same where log-probabilities are kept until all clips of a block are done: 256 clips of 10 s with 1,000 labels
are half a gigabyte."""


@dataclass(slots=True)
class _Read:
    """A clip's samples as each distinct preprocessing makes them, or why there are none."""

    waveforms: dict[str, NDArray[np.float32]]
    duration_s: float
    inputs: tuple[Mapping[str, NDArray[Any]], ...] = ()
    """Per model its other inputs as arrays, by name."""
    left_out: tuple[str, ...] = ()
    """Tasks that lack an input they cannot do without."""
    error: str | None = None


class Predictor:
    """Runs one or several bundles. `Predictor.load` opens them from disk.

    Several bundles: an output that more than one of them has is averaged (probabilities for classification,
    log-probabilities for CTC); its labels must be the same set everywhere. A task of only one bundle comes
    from it.

    Args:
        members: the models.
        padded_seconds: budget of a batch: clips × longest of them, in seconds; None takes the backends' own.
        windows: how long files are cut; a bundle's own `max_duration_s` is respected by shorter windows.
        decoder: what reads the CTC outputs: a name, `{"name": …}` with settings beside it, or a `Decoder`.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        padded_seconds: float | None = None,
        windows: WindowSettings | None = None,
        decoder: str | Mapping[str, Any] | Decoder = GREEDY,
    ) -> None:
        if not members:
            raise BundleError("no model was given; name at least one bundle")
        self.members = tuple(members)
        self.tasks = joint_tasks(self.members)
        self.padded_seconds = padded_seconds or min(member.backend.padded_seconds for member in members)
        self.windows = windows or WindowSettings()
        self.decoder = make_decoder(decoder)
        refuse_idle_decoder(self.decoder, self.tasks)
        self.outputs = {spec.name: spec for task in self.tasks for spec in task.outputs}
        """The outputs by name, with labels, objective and resolution."""
        self._labels = {name: spec.labels for name, spec in self.outputs.items()}
        self._frame_rates_hz = frame_rates(self.members, self.outputs)
        self._orders = [label_orders(member, self.outputs) for member in self.members]
        self.inputs = joint_inputs(self.members)
        """What the models read beside the waveform."""

    @classmethod
    def load(
        cls,
        paths: str | Path | Sequence[str | Path],
        *,
        checkpoint: str | None = None,
        backend: str = "pytorch",
        device: str = "auto",
        base: str | None = None,
        padded_seconds: float | None = None,
        windows: WindowSettings | None = None,
        decoder: str | Mapping[str, Any] | Decoder = GREEDY,
    ) -> Predictor:
        """Opens one or several models.

        Args:
            paths: bundle folders, run folders, of which the best bundle is taken, or names of models of the package
                (`soritune/tiny-ko`).
            checkpoint: another bundle of the run folders, such as "last".
            backend: what runs the models.
            device: auto, cpu, cuda or cuda:1.
            base: folder or hub name of the adapter bundles' base, where it has moved.
            padded_seconds, windows, decoder: as for the class.

        Raises:
            BundleError: a folder that is no model, bundles whose labels differ, or a base for none of them.
            TaskError: settings that the decoder does not take, or a decoder for bundles without a CTC output.
            UnknownNameError: no such backend, checkpoint or decoder.
        """
        decoder = make_decoder(decoder)  # a wrong name is reported before the weights are read
        folders = [paths] if isinstance(paths, str | Path) else list(paths)
        bundles = [load_bundle(choose_bundle(folder, checkpoint)) for folder in folders]
        opener: OpenBackend = load_member("soritune.inference.backends", "BACKEND", backend, "backend")
        if base is not None and not any(bundle.is_adapter for bundle in bundles):
            raise BundleError(f"{bundles[0].path} is a full bundle and needs no base; leave --base out")
        members = []
        for bundle in bundles:
            own = {"base": base} if base is not None and bundle.is_adapter else {}
            members.append(Member.of(bundle, opener(bundle.path, device=device, **own)))
        return cls(members, padded_seconds=padded_seconds, windows=windows, decoder=decoder)

    def predict(
        self,
        items: Iterable[Item] | Rows,
        *,
        groups: Mapping[str, Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Row]:
        """Predicts files, folders, `(waveform, sample rate)` pairs, requests, or the rows of a `Manifest`, in order.

        Rows come as they are done; `list(…)` takes them all. A file that cannot be read is a row with an `error`.

        Args:
            items: what to predict, or a single one. A folder stands for the audio files in it and below, sorted. A
                request is a mapping with the key `audio`, a path or pair, and the fields of the model's other inputs.
            groups: added to the groups of manifest rows (e.g. `{"split": "test"}`).
            progress: called with how many more clips are done.

        Raises:
            AudioError: a folder without audio files, or something that is none of these.
        """
        return self.predict_clips(clips_of(items, groups), progress=progress)

    def posteriors(
        self,
        items: Iterable[Item] | Rows,
        *,
        groups: Mapping[str, Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Posteriors]:
        """The log-probabilities that `predict` decodes, in the same order, for the same items and arguments.

        They come as they are done. A file that cannot be read has an `error` and no outputs.

        Raises:
            AudioError: a folder without audio files, or something that cannot be predicted.
        """
        clips = clips_of(items, groups)
        return self._through(clips, lambda done: done, progress=progress, block_size=_POSTERIOR_BLOCK)

    def distribution(self, rows: Iterable[Row], *, task: str | None = None) -> Distribution:
        """How the labels of a classification task are spread over rows that `predict` gave; rows with an `error`
        do not count.

        Args:
            task: whose labels; None takes the first task that gives one.

        Raises:
            TaskError: no such task, none that gives a label, or rows that `predict` did not give.
        """
        labelling = [each for each in self.tasks if each.single_label]
        chosen = next((each for each in labelling if task in (None, each.name)), None)
        if chosen is None:
            known = ", ".join(each.name for each in labelling) or "none"
            raise TaskError(f"no task {f'{task!r} ' if task else ''}that gives a label; there is: {known}")
        return label_distribution(rows, task=chosen.name, labels=chosen.outputs[0].labels)

    def predict_clips(
        self, clips: Iterable[Clip], *, progress: Callable[[int], None] | None = None
    ) -> Iterator[Row]:
        """As `predict`, for clips made elsewhere."""
        return self._through(
            clips, lambda done: row_of(done, self.tasks, self.decoder), progress=progress, block_size=_BLOCK
        )

    def _through(
        self,
        clips: Iterable[Clip],
        finish: Callable[[Posteriors], Result],
        *,
        progress: Callable[[int], None] | None,
        block_size: int,
    ) -> Iterator[Result]:
        """What `finish` makes of each clip's posteriors, in the order of the clips. It is called as soon as the clip's
        batch is done, so that a block holds its results and not all log-probabilities."""
        waiting = iter(clips)
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            while block := list(islice(waiting, block_size)):
                results: dict[int, Result] = {}
                batches = _batches(block, self.padded_seconds)
                following = iter(batches)
                reading: deque[tuple[list[int], list[Future[_Read]]]] = deque()
                for batch in islice(following, 3):
                    reading.append((batch, [pool.submit(self._read, block[i]) for i in batch]))
                while reading:
                    batch, futures = reading.popleft()
                    for ahead in islice(following, 1):
                        reading.append((ahead, [pool.submit(self._read, block[i]) for i in ahead]))
                    seconds = sum(block[i].duration_s for i in batch)
                    logger.debug("batch of %d clips, %.1f s", len(batch), seconds)
                    done = self._posteriors(
                        [block[i] for i in batch], [future.result() for future in futures]
                    )
                    results.update((i, finish(each)) for i, each in zip(batch, done, strict=True))
                    if progress is not None:
                        progress(len(batch))
                yield from (results[index] for index in range(len(block)))

    def _read(self, clip: Clip) -> _Read:
        """Decodes a clip once per distinct preprocessing. Files beyond a model's `max_duration_s` are read whole
        and left unfinished: their windows are finished one by one, as the crops of training were."""
        waveforms: dict[str, NDArray[np.float32]] = {}
        duration = clip.duration_s
        if clip.fault is not None:
            return _Read({}, 0.0, error=clip.fault)
        try:
            inputs, left_out = self._encoded_inputs(clip)
        except TaskError as error:
            return _Read({}, 0.0, error=str(error))
        for member in self.members:
            key = member.preprocessing.model_dump_json()
            if key in waveforms:
                continue
            whole = member.preprocessing.model_copy(update={"max_duration_s": None})
            try:
                if clip.samples is not None:
                    waveform = whole.read_samples(*clip.samples)
                else:
                    assert clip.path is not None
                    length = clip.duration_s if clip.start_s is not None else None
                    waveform = whole.read(clip.path, clip.start_s, length, clip.channel)
                is_beyond = len(waveform) > _longest(member)
                waveforms[key] = waveform if is_beyond else whole.finish(waveform)
            except AudioError as error:
                logger.debug("%s cannot be used: %s", clip.id, error.reason)
                return _Read({}, 0.0, error=error.reason)
            duration = len(waveforms[key]) / whole.sample_rate_hz
        return _Read(waveforms, duration, inputs, left_out)

    def _encoded_inputs(self, clip: Clip) -> tuple[tuple[Mapping[str, NDArray[Any]], ...], tuple[str, ...]]:
        """The clip's other inputs as arrays, per model, and the tasks that lack one.

        Raises:
            TaskError: every task lacks one, one cannot be read, or a request has a field that no model reads.
        """
        if not self.inputs and not clip.request:
            return tuple({} for _ in self.members), ()
        if clip.utterance is not None:
            values = values_in_row(self.inputs, clip.utterance)
        else:
            values = values_in_request(self.inputs, clip.request)
        lacking = {task.name: missing_inputs(task, values) for task in self.tasks}
        left_out = tuple(name for name, missing in lacking.items() if missing)
        if len(left_out) == len(self.tasks):
            name = lacking[left_out[0]][0]
            spec = next(spec for spec in self.inputs if spec.name == name)
            place = (
                f"column '{spec.column}'" if clip.utterance is not None else f"field '{spec.request_field}'"
            )
            raise TaskError(f"the input '{spec.name}' is missing; give it as the {place}")
        return tuple(encode_inputs(member.inputs, values) for member in self.members), left_out

    def _posteriors(self, clips: Sequence[Clip], read: Sequence[_Read]) -> Iterator[Posteriors]:
        """One batch through all models."""
        good = [index for index, each in enumerate(read) if each.error is None]
        outputs = dict(zip(good, self._outputs([read[index] for index in good]), strict=True)) if good else {}
        for index, (clip, each) in enumerate(zip(clips, read, strict=True)):
            whole, parts = outputs.get(index, ({}, []))
            for task in self.tasks:
                if task.name in each.left_out:
                    whole = {name: value for name, value in whole.items() if name not in _names_of(task)}
            yield Posteriors(
                id=clip.id,
                audio=clip.audio,
                duration_s=each.duration_s,
                outputs=whole,
                left_out=each.left_out,
                labels=self._labels,
                frame_rates_hz=self._frame_rates_hz,
                error=each.error,
                windows=tuple(WindowOutputs(start, end, self._timed(part)) for start, end, part in parts),
                groups=dict(clip.groups),
                utterance=clip.utterance,
                prompt=_prompt(clip),
                start_s=clip.start_s,
                channel=clip.channel,
            )

    def _timed(self, outputs: Outputs) -> Outputs:
        """Those of resolution "utterance", which have no times but those of their window."""
        return {name: value for name, value in outputs.items() if not self.outputs[name].per_frame}

    def _outputs(self, read: Sequence[_Read]) -> list[tuple[Outputs, list[tuple[float, float, Outputs]]]]:
        """Per clip: its outputs, averaged over the models, and those of its windows with their times."""
        by_member = [self._member_outputs(index, read) for index in range(len(self.members))]
        joined = []
        for position in range(len(read)):
            own = [member[position] for member in by_member]
            whole = self._mean([outputs for outputs, _ in own])
            joined.append(
                (whole, own[0][1] if len(own) == 1 else self._mean_windows([parts for _, parts in own]))
            )
        return joined

    def _mean_windows(
        self, parts: Sequence[list[tuple[float, float, Outputs]]]
    ) -> list[tuple[float, float, Outputs]]:
        """Windows averaged over models where all cut alike; none where they cut differently."""
        if len({tuple((start, end) for start, end, _ in own) for own in parts}) > 1:
            return []
        return [
            (same[0][0], same[0][1], self._mean([outputs for _, _, outputs in same]))
            for same in zip(*parts, strict=True)
        ]

    def _mean(self, outputs: Sequence[Outputs]) -> Outputs:
        mean: Outputs = {}
        for name, spec in self.outputs.items():
            parts = [one[name] for one in outputs if name in one]
            if not parts:
                continue
            if len({part.shape for part in parts}) > 1:
                lengths = ", ".join(str(len(part)) for part in parts)
                raise BundleError(
                    f"the bundles give '{name}' in different numbers of frames ({lengths}); use one of them"
                )
            mean[name] = mean_of(spec, parts)
        return mean

    def _member_outputs(
        self, index: int, read: Sequence[_Read]
    ) -> list[tuple[Outputs, list[tuple[float, float, Outputs]]]]:
        """One model's outputs of each clip, from a batch of whole clips and batches of windows."""
        member, settings = (
            self.members[index],
            self.windows.limited(self.members[index].preprocessing.max_duration_s),
        )
        key, rate = member.preprocessing.model_dump_json(), member.preprocessing.sample_rate_hz
        waveforms = [one.waveforms[key] for one in read]
        plans: list[list[Window]] = []
        for waveform in waveforms:
            size = (
                len(waveform)
                if len(waveform) <= settings.longest_s * rate
                else round(settings.window_s * rate)
            )
            overlap = round(settings.overlap_s * rate)
            plans.append(plan_windows(len(waveform), size, overlap, member.geometry.samples_per_frame))
        pieces = [
            (
                _finished(member, waveform, window),
                position,
                self._piece_inputs(index, read[position], window),
            )
            for position, (waveform, plan) in enumerate(zip(waveforms, plans, strict=True))
            for window in plan
        ]
        found: list[list[Outputs]] = [[] for _ in read]
        limit = self.padded_seconds * rate
        while pieces:
            count = 1
            while count < len(pieces) and max(len(p[0]) for p in pieces[: count + 1]) * (count + 1) <= limit:
                count += 1
            batch = self._run(
                index, [piece[0] for piece in pieces[:count]], [piece[2] for piece in pieces[:count]]
            )
            for (_, position, _), outputs in zip(pieces[:count], batch, strict=True):
                found[position].append(outputs)
            del pieces[:count]
        return [self._joined(member, own, plan, rate) for own, plan in zip(found, plans, strict=True)]

    def _piece_inputs(self, index: int, read: _Read, window: Window) -> Mapping[str, NDArray[Any]]:
        """A clip's other inputs for one of its windows."""
        member = self.members[index]
        specs, geometry = member.inputs, member.geometry
        if not specs:
            return {}
        samples = len(read.waveforms[member.preprocessing.model_dump_json()])
        if (window.start, window.stop) == (0, samples):
            return read.inputs[index]
        first, total = window.start // geometry.samples_per_frame, geometry.num_frames(samples)
        count = min(geometry.num_frames(window.stop - window.start), total - first)
        return cut_inputs(specs, read.inputs[index], first, count, total)

    def _joined(
        self, member: Member, parts: Sequence[Outputs], plan: Sequence[Window], rate: int
    ) -> tuple[Outputs, list[tuple[float, float, Outputs]]]:
        if len(parts) == 1:
            return parts[0], []
        weights = [float(window.keep_stop - window.keep_start) for window in plan]
        whole: Outputs = {}
        for name, spec in member.outputs.items():
            own = [part[name] for part in parts]
            if spec.per_frame:
                whole[name] = stitch_frames(own, plan, member.geometry.samples_per_frame)
            else:
                whole[name] = mean_of(spec, own, weights)
        times = [(round(window.keep_start / rate, 3), round(window.keep_stop / rate, 3)) for window in plan]
        return whole, [(*time, part) for time, part in zip(times, parts, strict=True)]

    def _run(
        self,
        index: int,
        waveforms: Sequence[NDArray[np.float32]],
        inputs: Sequence[Mapping[str, NDArray[Any]]],
    ) -> list[Outputs]:
        """One batch through one model: what tasks decode, per waveform, without padding."""
        member, orders = self.members[index], self._orders[index]
        lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
        padded = np.zeros((len(waveforms), int(lengths.max())), dtype=np.float32)
        for line, waveform in zip(padded, waveforms, strict=True):
            line[: len(waveform)] = waveform
        given: Arrays = {"waveform": padded, "num_samples": lengths}
        if member.inputs:
            given |= pad_inputs(member.inputs, inputs, member.geometry.num_frames(lengths))
        arrays = member.backend.run(given)
        frames = arrays["num_frames"]
        rows: list[Outputs] = []
        for position in range(len(waveforms)):
            row: Outputs = {}
            for name, spec in member.outputs.items():
                logits = arrays[name][position]
                if spec.per_frame:
                    logits = logits[: int(frames[position])]
                order = orders.get(name)
                row[name] = readable(spec, logits if order is None else logits[..., order])
            rows.append(row)
        return rows


def _names_of(task: Task) -> set[str]:
    return {spec.name for spec in task.outputs}


def _prompt(clip: Clip) -> str | None:
    text = getattr(clip.utterance, "text", None) if clip.utterance is not None else clip.request.get("text")
    return text if isinstance(text, str) else None


def _longest(member: Member) -> float:
    """Samples that training heard at most."""
    limit = member.preprocessing.max_duration_s
    return math.inf if limit is None else round(limit * member.preprocessing.sample_rate_hz)


def _finished(member: Member, waveform: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    piece = waveform[window.start : window.stop]
    return member.preprocessing.finish(piece) if len(waveform) > _longest(member) else piece


def _batches(clips: Sequence[Clip], padded_seconds: float) -> list[list[int]]:
    """Positions by length, cut where clips × longest would pass the budget; longest first, so memory shows
    at once."""
    order = sorted(range(len(clips)), key=lambda index: -clips[index].duration_s)
    batches: list[list[int]] = []
    for index in order:
        # A clip of unknown length counts as a second, so that a list of bad files is no endless batch.
        longest = max(clips[batches[-1][0]].duration_s, 1.0) if batches else 0.0
        if batches and longest * (len(batches[-1]) + 1) <= padded_seconds:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
