"""A recording of any length as windows for labels, read block by block. Next: `inference/windowed_clips.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.audio.blocks import BLOCK_S, ActivityOfBlocks, even_blocks, read_blocks, sliding_windows
from soritune.audio.preprocessing import Preprocessing
from soritune.errors import AudioError, TaskError
from soritune.inference.clip_reading import ClipReader, EncodedInputs, ReadClip, preprocessing_key
from soritune.inference.clips import Clip
from soritune.inference.ensemble import Member
from soritune.inference.label_windows import LabelWindows
from soritune.tasks.inputs.input import cut_inputs


class ReadWindow(NamedTuple):
    """A window, ready for the models as a clip of its own."""

    start_s: float
    end_s: float
    has_speech: bool
    is_enough: bool
    """Whether the speech lasts as long as a label needs."""
    speech_s: float | None
    """Seconds of speech; None if speech is not looked for."""
    clip: ReadClip


class WindowReader:
    """Cuts recordings into windows. Each is normalised by itself, as the clips of training were.

    Args:
        reader: reads the other inputs of the models, and knows how speech is found.
        settings: of the windows.

    Raises:
        TaskError: a window is shorter than any clip that a model takes, or longer than those of its training.
    """

    def __init__(self, reader: ClipReader, settings: LabelWindows) -> None:
        self.reader, self.settings = reader, settings
        self._preprocessings = {preprocessing_key(member): member.preprocessing for member in reader.members}
        for preprocessing in self._preprocessings.values():
            _check_length(settings.window_s, preprocessing)

    def read(self, clip: Clip) -> Iterator[ReadWindow]:
        """The windows of a clip in their order.

        Raises:
            AudioError: it cannot be read; this may show after its first windows.
            TaskError: another input is missing or cannot be read.
        """
        if clip.fault is not None:
            raise AudioError(clip.audio, clip.fault)
        inputs, left_out, groups = self.reader.encoded_inputs(clip)
        activity = ActivityOfBlocks()
        keys = list(self._preprocessings)
        streams = [
            sliding_windows(
                self._blocks(clip, preprocessing, activity if index == 0 else None),
                self.settings.window_s,
                self.settings.hop_s,
                preprocessing.sample_rate_hz,
            )
            for index, preprocessing in enumerate(self._preprocessings.values())
        ]
        rate = self._preprocessings[keys[0]].sample_rate_hz
        for stretches in zip(*streams, strict=False):
            waveforms = {}
            for (key, preprocessing), stretch in zip(self._preprocessings.items(), stretches, strict=True):
                _check_samples(clip, stretch.samples, preprocessing)
                waveforms[key] = preprocessing.finish(stretch.samples)
            start = stretches[0].start
            stop = start + len(stretches[0].samples)
            start_s, end_s = start / rate, stop / rate
            speech_s, has_speech = None, True
            if self.reader.vad is not None:
                heard = activity.between(start_s, end_s)
                speech_s = heard.speech_s(0.0, end_s - start_s)
                has_speech = heard.has_speech()
            is_enough = has_speech and (
                speech_s is None or speech_s >= self.settings.enough_speech_s(end_s - start_s)
            )
            cut = tuple(
                self._cut(member, values, clip, start_s, end_s)
                for member, values in zip(self.reader.members, inputs, strict=True)
            )
            yield ReadWindow(
                start_s,
                end_s,
                has_speech,
                is_enough,
                speech_s,
                ReadClip(waveforms, end_s - start_s, cut, left_out, groups),
            )

    def _blocks(
        self, clip: Clip, preprocessing: Preprocessing, activity: ActivityOfBlocks | None
    ) -> Iterator[NDArray[np.float32]]:
        """A clip in blocks at the model's rate; adds to `activity` where each holds speech before it is returned."""
        rate = preprocessing.sample_rate_hz
        position = 0
        for block in even_blocks(_samples(clip, preprocessing), round(BLOCK_S * rate)):
            if activity is not None and self.reader.vad is not None:
                heard = self.reader.vad.find(block, rate)
                activity.add(position / rate, (position + len(block)) / rate, heard)
            position += len(block)
            yield block

    def _cut(
        self, member: Member, values: EncodedInputs, clip: Clip, start_s: float, end_s: float
    ) -> EncodedInputs:
        """A model's other inputs for a part of the clip."""
        if not member.inputs:
            return {}
        geometry, rate = member.geometry, member.preprocessing.sample_rate_hz
        count = int(geometry.num_frames(round((end_s - start_s) * rate)))
        first = round(start_s * rate) // geometry.samples_per_frame
        total = max(int(geometry.num_frames(round(clip.duration_s * rate))), first + count)
        return cut_inputs(member.inputs, values, first, count, total)


def _samples(clip: Clip, preprocessing: Preprocessing) -> Iterator[NDArray[np.float32]]:
    if clip.samples is not None:
        whole = preprocessing.model_copy(update={"max_duration_s": None})
        yield whole.read_samples(*clip.samples, clip.channel)
        return
    assert clip.path is not None
    yield from read_blocks(
        clip.path,
        start_s=clip.start_s,
        duration_s=clip.duration_s if clip.start_s is not None else None,
        channel=clip.channel,
        sample_rate_hz=preprocessing.sample_rate_hz,
        pcm=clip.pcm,
    )


def _check_length(window_s: float, preprocessing: Preprocessing) -> None:
    if window_s < preprocessing.min_duration_s:
        raise TaskError(
            f"window_s is {window_s:g}; the model takes {preprocessing.min_duration_s:g} s or more"
        )
    longest = preprocessing.max_duration_s
    if longest is not None and window_s > longest:
        raise TaskError(f"window_s is {window_s:g}; the model was trained on {longest:g} s or less")


def _check_samples(clip: Clip, samples: NDArray[np.float32], preprocessing: Preprocessing) -> None:
    """Refuses a recording that is too short; only one that is shorter than a window can be."""
    seconds = len(samples) / preprocessing.sample_rate_hz
    if seconds < preprocessing.min_duration_s:
        raise AudioError(
            clip.audio, f"lasts {seconds:.3f} s; at least {preprocessing.min_duration_s} s are needed"
        )
