"""Audio in, posteriors or task predictions out, with one model or several. Next: `inference/rows.py`.

Clips are sorted by length into padded batches and returned in the order they were given. A clip gets the same
prediction alone and in a batch. A file that cannot be read becomes a row with an `error`; the others are predicted.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from soritune.audio.voice_activity import VadName, voice_activity
from soritune.bundles.read import load_bundle
from soritune.errors import BundleError, TaskError
from soritune.inference.backends.backend import AUTO, OpenBackend, backend_of
from soritune.inference.certainty import checked_confidence, checked_coverage, thresholds_of
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.clip_reading import ClipReader, ReadClip
from soritune.inference.clip_results import ClipResults
from soritune.inference.clips import Clip, Item, Rows, clips_of
from soritune.inference.distribution import Distribution, label_distribution
from soritune.inference.ensemble import Member, joint_tasks
from soritune.inference.label_windows import LabelWindows, label_windows
from soritune.inference.member_outputs import ClipOutputs, MemberRunner, mean_outputs
from soritune.inference.predictions import Row
from soritune.inference.rows import is_timed_by_window, row_of
from soritune.inference.speaker_norm import Features, norm_record, speaker_norm, training_features
from soritune.inference.window_reading import WindowReader
from soritune.inference.windowed_clips import WindowRunner
from soritune.inference.windows import WindowSettings
from soritune.part_file import blocks_of
from soritune.registry import load_member
from soritune.run_folder import choose_bundle
from soritune.tasks.decoding.decoder import GREEDY, Decoder, make_decoder
from soritune.tasks.objectives.objective import refuse_idle_decoder

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
_BLOCK = 2048
"""Clips sorted together: enough for little padding, few enough that results are returned while others are read."""
_POSTERIOR_BLOCK = 256
"""The same where log-probabilities are kept until all clips of a block are done: 256 clips of 10 s with 1,000 labels
are half a gigabyte."""


class Predictor:
    """Runs one or several bundles. `Predictor.load` opens them from disk.

    Several bundles: an output that more than one of them has is averaged (probabilities for classification,
    log-probabilities for CTC), and its labels must be the same set in all of them.

    Args:
        members: the models.
        padded_seconds: budget of a batch: clips × longest of them, in seconds; None takes the backends' own.
        windows: how long files are cut; a bundle's own `max_duration_s` is respected by shorter windows.
        decoder: what reads the CTC outputs: a name, `{"name": …}` with settings beside it, or a `Decoder`.
        vad: what finds speech, so that clips and windows without it are marked: auto (Silero if the extra `vad` is
            installed, else the energy gate), silero, energy or off.
        min_confidence: labels with a lower probability are marked as uncertain; None marks none.
        coverage: instead of it, the share of clips that keep their label, 0.01 to 1: labels with a lower probability
            than those of this share of the validation clips are uncertain. `soritune calibrate` stores the thresholds.
        window_s: length of windows, each of which gets a label with its times, whatever the length of the clip; None
            cuts only clips that are too long for the models.
        hop_s: from the start of one of these windows to the start of the next; None is `window_s`.
        min_speech_s: seconds of speech below which one of these windows has no label; None is 1, or a fifth of
            `window_s` if that is less. Without `vad` no window is held back.
        withhold: names of inputs beside the waveform, such as "text", that no clip gets, even where it has them.
        times: predictions of phones have the times of phones, syllables and words.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        padded_seconds: float | None = None,
        windows: WindowSettings | None = None,
        decoder: str | Mapping[str, Any] | Decoder = GREEDY,
        vad: VadName = "auto",
        min_confidence: float | None = None,
        coverage: float | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
        min_speech_s: float | None = None,
        withhold: Sequence[str] = (),
        times: bool = False,
    ) -> None:
        if not members:
            raise BundleError("no model was given; name at least one bundle")
        self.members = tuple(members)
        for member in self.members:
            member.preprocessing.check_installed()
        self.tasks = joint_tasks(self.members)
        self.padded_seconds = padded_seconds or min(member.backend.padded_seconds for member in members)
        self.windows = windows or WindowSettings()
        self.decoder = make_decoder(decoder)
        refuse_idle_decoder(self.decoder, self.tasks)
        self.times = times
        if times and all(task.phone_output is None for task in self.tasks):
            names = ", ".join(task.name for task in self.tasks)
            raise TaskError(f"times are those of phones, and no task of the model ({names}) gives phones")
        self.outputs = {spec.name: spec for task in self.tasks for spec in task.outputs}
        """The outputs by name, with labels, objective and resolution."""
        self._results = ClipResults(self.members, self.tasks, self.outputs)
        self.vad = voice_activity(vad)
        """What finds speech; None if it is not looked for."""
        self.min_confidence, self.coverage = min_confidence, coverage
        self.thresholds = thresholds_of(self.members, self.tasks, min_confidence, coverage)
        """The least probability of a certain label, by task."""
        self._reader = ClipReader(self.members, self.tasks, self.vad, withhold)
        self.withheld = self._reader.withheld
        """Names of the inputs that no clip gets."""
        self.inputs = self._reader.inputs
        """What the models read beside the waveform."""
        self._runners = [
            MemberRunner(member, index, self.outputs, self.windows, self.padded_seconds)
            for index, member in enumerate(self.members)
        ]
        self.label_windows = label_windows(window_s, hop_s, min_speech_s, finds_speech=self.vad is not None)
        """The windows that get labels; None if only long clips are cut."""
        self._window_runner = (
            None if self.label_windows is None else self._make_window_runner(self.label_windows)
        )
        self.speaker_norm: dict[str, Any] | None = None
        """The number of speakers and clips of `enrol`, as a predictions file states it."""

    def __repr__(self) -> str:
        """Models, tasks, and what the input becomes."""
        models = ", ".join(
            member.name if member.folder in ("", member.name) else f"{member.name} ({member.folder})"
            for member in self.members
        )
        tasks = ", ".join(task.name for task in self.tasks)
        rate = self.members[0].preprocessing.sample_rate_hz
        return f"Predictor of {models}: {tasks}, from audio at {rate:,} Hz"

    @classmethod
    def load(
        cls,
        paths: str | Path | Sequence[str | Path],
        *,
        checkpoint: str | None = None,
        backend: str = AUTO,
        device: str = "auto",
        base: str | None = None,
        padded_seconds: float | None = None,
        windows: WindowSettings | None = None,
        decoder: str | Mapping[str, Any] | Decoder = GREEDY,
        vad: VadName = "auto",
        min_confidence: float | None = None,
        window_s: float | None = None,
        hop_s: float | None = None,
        min_speech_s: float | None = None,
        coverage: float | None = None,
        calibrated: bool = True,
        withhold: Sequence[str] = (),
        times: bool = False,
    ) -> Predictor:
        """Opens one or several models.

        Args:
            paths: bundle folders, run folders, of which the best bundle is taken, or names of models of the package
                (`soritune/ko-base`).
            checkpoint: another bundle of the run folders, such as "last".
            backend: what runs the models: pytorch or onnx-runtime; auto is what each folder is for.
            device: auto, cpu, cuda or cuda:1.
            base: folder or hub name of the adapter bundles' base, where it has moved.
            padded_seconds, windows, decoder, vad, min_confidence, window_s, hop_s, min_speech_s, coverage, withhold,
                times: as for the class.
            calibrated: apply the temperatures that the bundles have.

        Raises:
            BundleError: a folder that is not a model, bundles whose labels differ, a base without an adapter bundle, or
                a coverage without thresholds.
            TaskError: settings that the decoder does not take, a decoder for bundles without a CTC output, times for
                bundles without phones, a minimum confidence or coverage for bundles without a task that gives one
                label, windows for bundles without a task that has one result per clip, windows that the models do not
                take, or an input to withhold that the bundles do not read or cannot do without.
            UnknownNameError: no such backend, checkpoint or decoder.
        """
        decoder = make_decoder(decoder)  # a wrong name is reported before the weights are read
        checked_confidence(min_confidence)
        label_windows(window_s, hop_s, min_speech_s, finds_speech=vad != "off")
        checked_coverage(coverage, min_confidence)
        voice_activity(vad)
        folders = [paths] if isinstance(paths, str | Path) else list(paths)
        bundles = [load_bundle(choose_bundle(folder, checkpoint)) for folder in folders]
        openers: list[OpenBackend] = [
            load_member("soritune.inference.backends", "BACKEND", backend_of(bundle, backend), "backend")
            for bundle in bundles
        ]
        if base is not None and not any(bundle.is_adapter for bundle in bundles):
            raise BundleError(f"{bundles[0].path} is a full bundle and needs no base; leave --base out")
        members = []
        for bundle, opener in zip(bundles, openers, strict=True):
            moved = {"base": base} if base is not None and bundle.is_adapter else {}
            members.append(
                Member.of(bundle, opener(bundle.path, device=device, **moved), calibrated=calibrated)
            )
        return cls(
            members,
            padded_seconds=padded_seconds,
            windows=windows,
            decoder=decoder,
            vad=vad,
            min_confidence=min_confidence,
            window_s=window_s,
            hop_s=hop_s,
            min_speech_s=min_speech_s,
            coverage=coverage,
            withhold=withhold,
            times=times,
        )

    def enrol(self, items: Iterable[Item] | Rows) -> None:
        """Normalises features per speaker in all later calls, by statistics of these clips; their labels are not used.

        Rows of a manifest are the enrolment clips of their speakers, and only clips of these can then be predicted.
        Files are clips of one speaker, by whose statistics every clip is normalised. Temperatures are not applied,
        because they were fitted without it.

        Raises:
            BundleError: a model without statistics of its training.
            TaskError: a coverage or windows for labels are set, a clip cannot be read, or a speaker has fewer than two
                clips.
        """
        if self.coverage is not None:
            raise TaskError(
                "a coverage was fitted without normalisation per speaker and has no meaning with it; leave one out"
            )
        if self.label_windows is not None:
            raise TaskError(
                "windows for labels and normalisation per speaker cannot be combined, because its statistics are of "
                "whole clips; leave one out"
            )
        for member in self.members:
            training_features(member)
        clips = list(clips_of(items, None))
        speakers: list[str | None] = []
        features: list[list[Features]] = [[] for _ in self.members]
        for batch in _batches(clips, self.padded_seconds):
            read = [self._reader.read(clips[index]) for index in batch]
            for index, each in zip(batch, read, strict=True):
                if each.error is not None:
                    raise TaskError(f"the enrolment clip {clips[index].id} cannot be used: {each.error}")
            speakers += [each.speaker for each in read]
            for runner, of_member in zip(self._runners, features, strict=True):
                of_member += runner.features(read)
        if None in speakers and len(set(speakers)) > 1:
            raise TaskError(
                "some of the enrolment clips have no speaker; give the speaker of each, or of none"
            )
        norms = [
            speaker_norm(member, of_member, speakers)
            for member, of_member in zip(self.members, features, strict=True)
        ]
        self.members = tuple(replace(member, calibration=None) for member in self.members)
        self._runners = [
            MemberRunner(member, index, self.outputs, self.windows, self.padded_seconds, norm)
            for index, (member, norm) in enumerate(zip(self.members, norms, strict=True))
        ]
        self.speaker_norm = norm_record(speakers)

    def features(self, items: Iterable[Item] | Rows) -> Iterator[Features]:
        """The pooled features of the first model for each clip that can be read, (pieces, channels) per output."""
        clips = list(clips_of(items, None))
        for batch in _batches(clips, self.padded_seconds):
            read = [self._reader.read(clips[index]) for index in batch]
            yield from self._runners[0].features([each for each in read if each.error is None])

    def predict(
        self,
        items: Iterable[Item] | Rows,
        *,
        groups: Mapping[str, Any] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Iterator[Row]:
        """Predicts files, folders, `(waveform, sample rate)` pairs, requests, or the rows of a `Manifest`, in order.

        Rows come as they are done; `list(…)` takes them all. A file that cannot be read is a row with an `error`.

        Args:
            items: what to predict, or a single one. A folder stands for the audio files in it and below, sorted. A
                request is a mapping with the key `audio`, a path or pair, and the fields of the model's other inputs.
            groups: added to the groups of manifest rows (e.g. `{"split": "test"}`).
            progress: called with how many more items are done; with parts of one while windows of a long one are, and
                where its channels are clips.

        Raises:
            AudioError: a folder without audio files, or an item of another type.
        """
        return self.predict_clips(clips_of(items, groups), progress=progress)

    def posteriors(
        self,
        items: Iterable[Item] | Rows,
        *,
        groups: Mapping[str, Any] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Iterator[Posteriors]:
        """The log-probabilities that `predict` decodes, in the same order, for the same items and arguments.

        They come as they are done. A file that cannot be read has an `error` and no outputs.

        Raises:
            AudioError: a folder without audio files, or an item of another type.
        """
        clips = clips_of(items, groups)
        return self._through(clips, lambda done: done, progress=progress, block_size=_POSTERIOR_BLOCK)

    def distribution(self, rows: Iterable[Row], *, task: str | None = None) -> Distribution:
        """How the labels of a classification task are spread over rows of `predict`; rows with an `error` are ignored.

        Args:
            task: whose labels; None takes the first task that gives one.

        Raises:
            TaskError: no such task, no task that gives a label, or rows that are not those of `predict`.
        """
        labelling = [each for each in self.tasks if each.single_label]
        chosen = next((each for each in labelling if task in (None, each.name)), None)
        if chosen is None:
            known = ", ".join(each.name for each in labelling) or "none"
            raise TaskError(f"no task {f'{task!r} ' if task else ''}that gives a label; there is: {known}")
        return label_distribution(rows, task=chosen.name, labels=chosen.outputs[0].labels)

    def predict_clips(
        self, clips: Iterable[Clip], *, progress: Callable[[float], None] | None = None
    ) -> Iterator[Row]:
        """As `predict`, for clips made elsewhere."""
        return self._through(
            clips,
            self.row,
            progress=progress,
            block_size=_BLOCK,
        )

    def read(self, clip: Clip) -> ReadClip:
        """A clip as `run` takes it, with an `error` if it cannot be used. May be called by several threads."""
        return self._reader.read(clip)

    def run(self, clips: Sequence[Clip], read: Sequence[ReadClip]) -> list[Posteriors]:
        """One batch of clips that `read` has read, for callers that queue and batch requests by themselves."""
        return list(self._posteriors(clips, read))

    def row(self, posteriors: Posteriors) -> Row:
        """What `predict` returns for a clip with these posteriors."""
        return row_of(posteriors, self.tasks, self.decoder, self.thresholds, times=self.times)

    def _make_window_runner(self, settings: LabelWindows) -> WindowRunner:
        """
        Raises:
            TaskError: every task gives its results frame by frame, or the models do not take such windows.
        """
        if not any(is_timed_by_window(task) for task in self.tasks):
            names = ", ".join(task.name for task in self.tasks)
            raise TaskError(
                f"window_s has no effect: the results of the model ({names}) have their own times; leave it out"
            )
        # A window is a clip of its own, which is not cut again.
        longest = max(self.windows.longest_s, settings.window_s)
        windows = self.windows.model_copy(update={"longest_s": longest})
        runners = [
            MemberRunner(member, index, self.outputs, windows, self.padded_seconds)
            for index, member in enumerate(self.members)
        ]
        return WindowRunner(WindowReader(self._reader, settings), runners, self.outputs, self.padded_seconds)

    def _through(
        self,
        clips: Iterable[Clip],
        finish: Callable[[Posteriors], Result],
        *,
        progress: Callable[[float], None] | None,
        block_size: int,
    ) -> Iterator[Result]:
        """The result of `finish` for each clip's posteriors, in the order of the clips."""
        if self._window_runner is None:
            yield from self._in_batches(clips, finish, progress=progress, block_size=block_size)
            return
        yield from map(finish, self._by_window(self._window_runner, clips, progress))

    def _by_window(
        self, runner: WindowRunner, clips: Iterable[Clip], progress: Callable[[float], None] | None
    ) -> Iterator[Posteriors]:
        """Clips with a result for every window; outputs with frames are those of `_in_batches`."""
        if not any(spec.per_frame for spec in self.outputs.values()):
            yield from map(self._results.of_windows, runner.run(clips, progress=progress))
            return
        for block in blocks_of(clips, _POSTERIOR_BLOCK):
            whole = self._in_batches(block, lambda done: done, progress=None, block_size=len(block))
            yield from map(self._results.of_windows, runner.run(block, progress=progress), whole)

    def _in_batches(
        self,
        clips: Iterable[Clip],
        finish: Callable[[Posteriors], Result],
        *,
        progress: Callable[[float], None] | None,
        block_size: int,
    ) -> Iterator[Result]:
        """The result of `finish` for each clip's posteriors, in the order of the clips. It is called as soon as the
        clip's batch is done, so that a block holds its results and not all log-probabilities."""
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for block in blocks_of(clips, block_size):
                results: dict[int, Result] = {}
                batches = _batches(block, self.padded_seconds)
                following = iter(batches)
                reading: deque[tuple[list[int], list[Future[ReadClip]]]] = deque()
                for batch in islice(following, 3):
                    reading.append((batch, [pool.submit(self._reader.read, block[i]) for i in batch]))
                while reading:
                    batch, futures = reading.popleft()
                    for ahead in islice(following, 1):
                        reading.append((ahead, [pool.submit(self._reader.read, block[i]) for i in ahead]))
                    seconds = sum(block[i].duration_s for i in batch)
                    logger.debug("batch of %d clips, %.1f s", len(batch), seconds)
                    done = self._posteriors(
                        [block[i] for i in batch], [future.result() for future in futures]
                    )
                    results.update((i, finish(each)) for i, each in zip(batch, done, strict=True))
                    if progress is not None:
                        progress(sum(block[i].share for i in batch))
                yield from (results[index] for index in range(len(block)))

    def _posteriors(self, clips: Sequence[Clip], read: Sequence[ReadClip]) -> Iterator[Posteriors]:
        """One batch through all models."""
        read = [self._with_known_speaker(each) for each in read]
        good = [each for each in read if each.error is None]
        by_model = [runner.outputs(good) for runner in self._runners] if good else []
        outputs = iter([mean_outputs(self.outputs, models) for models in zip(*by_model, strict=True)])
        for clip, each in zip(clips, read, strict=True):
            yield self._results.of_clip(
                clip, each, ClipOutputs({}) if each.error is not None else next(outputs)
            )

    def _with_known_speaker(self, clip: ReadClip) -> ReadClip:
        """The clip, with an error if it has to be normalised and its speaker has no enrolment clips."""
        norm = self._runners[0].norm
        if norm is None or clip.error is not None or norm.knows(clip.speaker):
            return clip
        lacking = (
            "the clip has no speaker"
            if clip.speaker is None
            else f"no enrolment clip of its speaker '{clip.speaker}' was given"
        )
        return replace(clip, error=f"normalisation per speaker is impossible: {lacking}")


def _batches(clips: Sequence[Clip], padded_seconds: float) -> list[list[int]]:
    """Positions by length, cut where clips × longest would pass the budget. The longest come first, so that a lack of
    memory shows at once."""
    order = sorted(range(len(clips)), key=lambda index: -clips[index].duration_s)
    batches: list[list[int]] = []
    for index in order:
        # A clip of unknown length counts as a second, so that a list of bad files is not one endless batch.
        longest = max(clips[batches[-1][0]].duration_s, 1.0) if batches else 0.0
        if batches and longest * (len(batches[-1]) + 1) <= padded_seconds:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
