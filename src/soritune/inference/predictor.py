"""Audio in, task predictions out, with one model or several. Next: `inference/predictions.py`.

Clips are sorted by length into padded batches and come out in the order they went in; alone or in a batch a
clip gets the same prediction. A file that cannot be read becomes a row with an `error` and stops nothing.
"""

from __future__ import annotations

import logging
import math
import os
import reprlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.files import SUFFIXES, find_audio
from soritune.bundle import load_bundle
from soritune.errors import AudioError, BundleError, SorituneError, TaskError
from soritune.inference.backends.backend import OpenBackend
from soritune.inference.clips import (
    GIVEN,
    Clip,
    Rows,
    Samples,
    clips_of_paths,
    clips_of_rows,
    clips_of_samples,
    is_samples,
)
from soritune.inference.distribution import Distribution, emotion_distribution
from soritune.inference.ensemble import Member, joint_tasks, label_orders
from soritune.inference.posteriors import mean_of, readable
from soritune.inference.run_folders import choose_bundle
from soritune.inference.windows import Window, WindowSettings, plan_windows, stitch_frames
from soritune.registry import load_member
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.objectives.probabilities import Float32Array

logger = logging.getLogger(__name__)

Row = dict[str, Any]
"""`{"id", "audio", "duration_s", "groups", "tasks"}` or `{"id", "audio", "error"}`."""
Outputs = dict[str, Float32Array]
_BLOCK = 2048
"""Clips sorted together: enough for little padding, few enough that results come while the rest is read."""


@dataclass(slots=True)
class _Read:
    """A clip's samples as each distinct preprocessing makes them, or why there are none."""

    waveforms: dict[str, NDArray[np.float32]]
    duration_s: float
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
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        padded_seconds: float | None = None,
        windows: WindowSettings | None = None,
    ) -> None:
        if not members:
            raise BundleError("no model was given; name at least one bundle")
        self.members = tuple(members)
        self.tasks = joint_tasks(self.members)
        self.padded_seconds = padded_seconds or min(member.backend.padded_seconds for member in members)
        self.windows = windows or WindowSettings()
        self._specs = {spec.name: spec for task in self.tasks for spec in task.outputs}
        self._orders = [label_orders(member, self._specs) for member in self.members]
        for task in self.tasks:
            needed = [spec.name for spec in task.inputs if not spec.optional]
            if needed:
                raise TaskError(
                    f"task '{task.name}' needs the input {', '.join(needed)}; only audio can be given yet"
                )

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
    ) -> Predictor:
        """Opens one or several models.

        Args:
            paths: bundle folders, run folders, of which the best bundle is taken, or names of models of the package
                (`soritune/tiny-ko`).
            checkpoint: another bundle of the run folders, such as "last".
            backend: what runs the models.
            device: auto, cpu, cuda or cuda:1.
            base: folder or hub name of the adapter bundles' base, where it has moved.
            padded_seconds, windows: as for the class.

        Raises:
            BundleError: a folder that is no model, bundles whose labels differ, or a base for none of them.
            UnknownNameError: no such backend or checkpoint.
        """
        folders = [paths] if isinstance(paths, str | Path) else list(paths)
        bundles = [load_bundle(choose_bundle(folder, checkpoint)) for folder in folders]
        opener: OpenBackend = load_member("soritune.inference.backends", "BACKEND", backend, "backend")
        if base is not None and not any(bundle.is_adapter for bundle in bundles):
            raise BundleError(f"{bundles[0].path} is a full bundle and needs no base; leave --base out")
        members = []
        for bundle in bundles:
            own = {"base": base} if base is not None and bundle.is_adapter else {}
            members.append(Member.of(bundle, opener(bundle.path, device=device, **own)))
        return cls(members, padded_seconds=padded_seconds, windows=windows)

    def predict(
        self,
        items: Iterable[str | Path | Samples] | Rows,
        *,
        groups: Mapping[str, Any] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Row]:
        """Predicts files, folders, `(waveform, sample rate)` pairs, or the rows of a `Manifest`, in their order.

        Rows come as they are done; `list(…)` takes them all. A file that cannot be read is a row with an `error`.

        Args:
            items: what to predict, or a single path or pair. A folder stands for the audio files in it and below,
                sorted.
            groups: added to the groups of manifest rows (e.g. `{"split": "test"}`).
            progress: called with how many more clips are done.

        Raises:
            AudioError: a folder without audio files, or something that is none of these.
        """
        return self.predict_clips(_clips(items, groups), progress=progress)

    def distribution(self, rows: Iterable[Row], *, task: str | None = None) -> Distribution:
        """How the labels of a classification task are spread over rows that `predict` gave; rows with an `error`
        do not count.

        Args:
            task: whose labels; None takes the first task that gives one.

        Raises:
            TaskError: no such task, none that gives a label, or rows that `predict` did not give.
        """
        primary = {candidate: candidate.outputs[0] for candidate in self.tasks}
        choices = [candidate for candidate, spec in primary.items() if objective_of(spec).is_choice(spec)]
        chosen = next((candidate for candidate in choices if task in (None, candidate.name)), None)
        if chosen is None:
            known = ", ".join(choice.name for choice in choices) or "none"
            raise TaskError(f"no task {f'{task!r} ' if task else ''}that gives a label; there is: {known}")
        return emotion_distribution(rows, task=chosen.name, labels=chosen.outputs[0].labels)

    def predict_clips(
        self, clips: Iterable[Clip], *, progress: Callable[[int], None] | None = None
    ) -> Iterator[Row]:
        """As `predict`, for clips made elsewhere."""
        waiting = iter(clips)
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            while block := list(islice(waiting, _BLOCK)):
                rows: dict[int, Row] = {}
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
                    done = self._rows([block[i] for i in batch], [future.result() for future in futures])
                    rows.update(zip(batch, done, strict=True))
                    if progress is not None:
                        progress(len(batch))
                yield from (rows[index] for index in range(len(block)))

    def _read(self, clip: Clip) -> _Read:
        """Decodes a clip once per distinct preprocessing. Files beyond a model's `max_duration_s` are read whole
        and left unfinished: their windows are finished one by one, as the crops of training were."""
        waveforms: dict[str, NDArray[np.float32]] = {}
        duration = clip.duration_s
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
                return _Read({}, 0.0, error.reason)
            duration = len(waveforms[key]) / whole.sample_rate_hz
        return _Read(waveforms, duration)

    def _rows(self, clips: Sequence[Clip], read: Sequence[_Read]) -> list[Row]:
        good = [index for index, one in enumerate(read) if one.error is None]
        outputs: dict[int, tuple[Outputs, list[tuple[float, float, Outputs]]]] = {}
        if good:
            outputs = dict(zip(good, self._outputs([read[index] for index in good]), strict=True))
        rows = []
        for index, (clip, one) in enumerate(zip(clips, read, strict=True)):
            if one.error is not None:
                rows.append({"id": clip.id, "audio": clip.audio, "error": one.error})
                continue
            try:
                rows.append(self._row(clip, one, *outputs[index]))
            except SorituneError as error:
                rows.append({"id": clip.id, "audio": clip.audio, "error": str(error)})
        return rows

    def _row(
        self, clip: Clip, read: _Read, outputs: Outputs, parts: Sequence[tuple[float, float, Outputs]]
    ) -> Row:
        prompt = getattr(clip.utterance, "text", None)
        tasks = {}
        for task in self.tasks:
            reference = None if clip.utterance is None else task.reference(clip.utterance)
            tasks[task.name] = {"prediction": task.decode(outputs, prompt).to_json(), "reference": reference}
        row: Row = {
            "id": clip.id,
            "audio": clip.audio,
            "duration_s": round(read.duration_s, 4),
            "groups": dict(clip.groups),
            "tasks": tasks,
        }
        if clip.start_s is not None:
            row["start_s"] = clip.start_s
        if clip.channel is not None:
            row["channel"] = clip.channel
        timed = [task for task in self.tasks if not any(spec.per_frame for spec in task.outputs)]
        if len(parts) > 1 and timed:
            # What a long file sounds like over time; frame outputs have their times already.
            row["windows"] = [
                {
                    "start_s": start,
                    "end_s": end,
                    "tasks": {task.name: task.decode(part, prompt).to_json() for task in timed},
                }
                for start, end, part in parts
            ]
        return row

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
        for name, spec in self._specs.items():
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
            plans.append(plan_windows(len(waveform), size, overlap, member.samples_per_frame))
        pieces = [
            (_finished(member, waveform, window), position, window)
            for position, (waveform, plan) in enumerate(zip(waveforms, plans, strict=True))
            for window in plan
        ]
        found: list[list[Outputs]] = [[] for _ in read]
        limit = self.padded_seconds * rate
        while pieces:
            count = 1
            while count < len(pieces) and max(len(p[0]) for p in pieces[: count + 1]) * (count + 1) <= limit:
                count += 1
            for (_, position, _), outputs in zip(
                pieces[:count], self._run(index, [piece[0] for piece in pieces[:count]]), strict=True
            ):
                found[position].append(outputs)
            del pieces[:count]
        return [self._joined(member, own, plan, rate) for own, plan in zip(found, plans, strict=True)]

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
                whole[name] = stitch_frames(own, plan, member.samples_per_frame)
            else:
                whole[name] = mean_of(spec, own, weights)
        times = [(round(window.keep_start / rate, 3), round(window.keep_stop / rate, 3)) for window in plan]
        return whole, [(*time, part) for time, part in zip(times, parts, strict=True)]

    def _run(self, index: int, waveforms: Sequence[NDArray[np.float32]]) -> list[Outputs]:
        """One batch through one model: what tasks decode, per waveform, without padding."""
        member, orders = self.members[index], self._orders[index]
        lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
        padded = np.zeros((len(waveforms), int(lengths.max())), dtype=np.float32)
        for line, waveform in zip(padded, waveforms, strict=True):
            line[: len(waveform)] = waveform
        arrays = member.backend.run({"waveform": padded, "num_samples": lengths})
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


def _longest(member: Member) -> float:
    """Samples that training heard at most."""
    limit = member.preprocessing.max_duration_s
    return math.inf if limit is None else round(limit * member.preprocessing.sample_rate_hz)


def _finished(member: Member, waveform: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    piece = waveform[window.start : window.stop]
    return member.preprocessing.finish(piece) if len(waveform) > _longest(member) else piece


def _clips(items: Iterable[str | Path | Samples] | Rows, groups: Mapping[str, Any] | None) -> Iterator[Clip]:
    if isinstance(items, str | Path):
        return clips_of_paths(_files([items]))
    if isinstance(items, Rows):
        return clips_of_rows(items, groups)
    if is_samples(items):
        return _mixed_clips([items])
    if isinstance(items, np.ndarray) and items.dtype.kind in "biufc":
        raise AudioError("predict", "an array alone does not say its sample rate; give (samples, rate)")
    if not isinstance(items, Iterable):
        raise AudioError("predict", f"got {items!r}; give {GIVEN}")
    return _mixed_clips(items)


def _mixed_clips(items: Any) -> Iterator[Clip]:
    for index, item in enumerate(items):
        if isinstance(item, str | Path):
            yield from clips_of_paths(_files([item]))
        elif not is_samples(item):
            raise AudioError("predict", f"item {index} is {reprlib.repr(item)}; give {GIVEN}")
        else:
            for clip in clips_of_samples([item]):
                yield Clip(id=str(index), audio=clip.audio, samples=clip.samples, duration_s=clip.duration_s)


def _files(paths: Iterable[str | Path]) -> Iterator[str | Path]:
    """The paths, folders replaced by what lies in them."""
    for path in paths:
        if not Path(path).is_dir():
            yield path
            continue
        inside = find_audio(path)
        if not inside:
            raise AudioError(path, f"holds no audio file; looked for: {', '.join(sorted(SUFFIXES))}")
        yield from inside


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
