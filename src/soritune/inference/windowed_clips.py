"""Labels for the windows of recordings of any length: batches of windows, of several recordings if these are short.

Windows with too little speech are not given to the models and have no label. Next: `inference/segments.py`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from soritune.errors import AudioError, TaskError
from soritune.inference.clip_outputs import Outputs, WindowOutputs
from soritune.inference.clip_reading import ReadClip
from soritune.inference.clips import Clip
from soritune.inference.member_outputs import MemberRunner, mean_outputs
from soritune.inference.posteriors import mean_of
from soritune.inference.segments import DIGITS, owned_windows
from soritune.inference.window_reading import ReadWindow, WindowReader
from soritune.tasks.specs import OutputSpec

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class WindowedClip:
    """A recording and the outputs of its windows, as far as they are known."""

    clip: Clip
    windows: list[tuple[float, float]] = field(default_factory=list)
    """(start, end) of each window in seconds."""
    speech: list[bool] = field(default_factory=list)
    """Whether each window has speech."""
    enough: list[bool] = field(default_factory=list)
    """Whether each window has as much speech as a label needs."""
    speech_s: list[float | None] = field(default_factory=list)
    """Seconds of speech of each window; None if it is not looked for."""
    outputs: dict[int, Outputs] = field(default_factory=dict)
    """Index of a window to its outputs; those with too little speech are absent. If all have too little, that with the
    most speech is here, for the label of the whole recording."""
    waiting: int = 0
    """Windows that are not yet run."""
    is_read: bool = False
    error: str | None = None
    reported: float = 0.0
    """Share of the recording that was reported as read."""
    left_out: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Up to the end of the last window."""
        return self.windows[-1][1] if self.windows else 0.0

    @property
    def has_speech(self) -> bool:
        """Whether any window has speech."""
        return any(self.speech)

    @property
    def is_enough(self) -> bool:
        """Whether any window has as much speech as a label needs."""
        return any(self.enough)

    def timed(self) -> tuple[WindowOutputs, ...]:
        """The windows with their outputs; empty outputs with too little speech."""
        return tuple(
            WindowOutputs(
                round(start, DIGITS),
                round(end, DIGITS),
                self.outputs.get(index, {}) if self.enough[index] else {},
                self.speech[index],
                self.enough[index],
                self.speech_s[index],
            )
            for index, (start, end) in enumerate(self.windows)
        )

    def whole(self, specs: Mapping[str, OutputSpec]) -> Outputs:
        """The mean over the windows with enough speech, each by the length of the part that it stands for."""
        owned = owned_windows([{"start_s": start, "end_s": end} for start, end in self.windows])
        indices = sorted(self.outputs)
        means: Outputs = {}
        for name, spec in specs.items():
            known = [index for index in indices if name in self.outputs[index]]
            if known:
                weights = [owned[index].end_s - owned[index].start_s for index in known]
                means[name] = mean_of(spec, [self.outputs[index][name] for index in known], weights)
        return means


class WindowRunner:
    """Runs models on the windows of recordings.

    Args:
        reader: cuts the recordings.
        runners: of the models, for clips as long as a window.
        specs: the outputs by name; only those of resolution "utterance" are kept.
        padded_seconds: budget of a batch: windows × their length, in seconds.
    """

    def __init__(
        self,
        reader: WindowReader,
        runners: Sequence[MemberRunner],
        specs: Mapping[str, OutputSpec],
        padded_seconds: float,
    ) -> None:
        self.reader, self.runners = reader, runners
        self.kept = {name: spec for name, spec in specs.items() if not spec.per_frame}
        self.batch_size = max(1, int(padded_seconds / reader.settings.window_s))

    def run(
        self, clips: Iterable[Clip], *, progress: Callable[[float], None] | None = None
    ) -> Iterator[WindowedClip]:
        """The outputs of each clip in the order of the clips; one that cannot be read has an `error`.

        Args:
            clips: the recordings.
            progress: called with how many more clips were read; parts of one while a long one is read.
        """
        batch: list[tuple[WindowedClip, int, ReadClip]] = []
        unfinished: deque[WindowedClip] = deque()
        for clip in clips:
            call = WindowedClip(clip)
            unfinished.append(call)
            for index, window in self._windows(call):
                batch.append((call, index, window.clip))
                call.waiting += 1
                if len(batch) >= self.batch_size:
                    self._run(batch)
                    _report(call, progress, window.end_s / max(clip.duration_s, window.end_s))
            call.is_read = True
            _report(call, progress, 1.0)
            while unfinished and _is_done(unfinished[0]):
                yield unfinished.popleft()
        self._run(batch)
        yield from unfinished

    def _windows(self, call: WindowedClip) -> Iterator[tuple[int, ReadWindow]]:
        """The windows to run: those with enough speech, or, if all have less, the one with the most."""
        most: tuple[int, ReadWindow] | None = None
        try:
            for index, window in enumerate(self.reader.read(call.clip)):
                if most is None or _speech_in(window) > _speech_in(most[1]):
                    most = index, window
                call.windows.append((window.start_s, window.end_s))
                call.speech.append(window.has_speech)
                call.enough.append(window.is_enough)
                call.speech_s.append(window.speech_s)
                call.left_out, call.groups = window.clip.left_out, window.clip.groups
                if window.is_enough:
                    yield index, window
        except AudioError as error:
            call.error = error.reason
        except TaskError as error:
            call.error = str(error)
        if call.error is not None:
            logger.debug("%s cannot be used: %s", call.clip.id, call.error)
        elif most is not None and not call.is_enough:
            yield most

    def _run(self, batch: list[tuple[WindowedClip, int, ReadClip]]) -> None:
        """Runs the models on a batch and empties it."""
        if not batch:
            return
        logger.debug("batch of %d windows", len(batch))
        by_model = [runner.outputs([window for _, _, window in batch]) for runner in self.runners]
        for (call, index, _), models in zip(batch, zip(*by_model, strict=True), strict=True):
            call.outputs[index] = mean_outputs(self.kept, models).whole
            call.waiting -= 1
        batch.clear()


def _speech_in(window: ReadWindow) -> tuple[bool, float]:
    """By which the window with the most speech is chosen."""
    return window.has_speech, window.speech_s or 0.0


def _report(call: WindowedClip, progress: Callable[[float], None] | None, share: float) -> None:
    """Reports that a share of a recording is read, less what was reported before."""
    if progress is not None and share > call.reported:
        progress((share - call.reported) * call.clip.share)
        call.reported = share


def _is_done(call: WindowedClip) -> bool:
    return call.is_read and call.waiting == 0
