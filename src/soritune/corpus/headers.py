"""Lengths and rates of utterances from the headers of their recordings: by threads, or on a cluster in parts.

    FOLDER/prepare_parts/part-000000.jsonl    what the headers of the first outcomes of a source state

Next: `corpus/prepare.py`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from soritune.audio.waveform import MISSING_TAIL_S, read_header
from soritune.corpus.audio_root import within_root
from soritune.corpus.checks import Quarantined
from soritune.corpus.reading.outcomes import Note, Outcome, Rejected, Skipped, shortened
from soritune.corpus.reading.parallel_map import parallel_map
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, OutputError
from soritune.part_file import blocks_of, digest_of, part_name, read_part, write_part
from soritune.ray_engine import RayEngine, finished_file

ROWS_PER_PART = 1000
Measured = Utterance | Quarantined | None
"""An utterance with length and rate, a row that cannot be used, or nothing for mere counts."""


@dataclass(frozen=True)
class HeaderReader:
    """Reads the headers of a corpus."""

    base: Path
    """Where relative audio paths start."""
    corpus: Path
    """The folder that the user named."""
    pcm: str | None
    """Format of files without a header."""
    outside_root: bool
    """Whether files outside of `corpus` may be read."""

    def measured(self, outcome: Outcome) -> Measured:
        """An utterance with length and rate from its file's header, or the quarantined row; None for mere counts."""
        if isinstance(outcome, (Skipped, Note)):
            return None
        if isinstance(outcome, Rejected):
            return Quarantined(outcome.id, outcome.audio, outcome.reason, "prepare", outcome.kind)
        try:
            row = within_root(outcome, self.base, self.corpus, outside_root=self.outside_root)
            return with_header(row, self.base, self.pcm)
        except AudioError as error:
            name, audio, reason = map(shortened, (outcome.id, outcome.audio, error.reason))
            return Quarantined(name, audio, reason, "prepare", error.kind)

    def by_threads(self, outcomes: Iterable[Outcome], threads: int) -> Iterator[tuple[Outcome, Measured]]:
        """Every outcome with what was measured, in order."""
        with ThreadPoolExecutor(threads) as pool:
            yield from parallel_map(pool, self.measured, outcomes, 64 * threads)

    def by_cluster(
        self, outcomes: Iterable[Outcome], folder: Path, engine: RayEngine
    ) -> Iterator[tuple[Outcome, Measured]]:
        """As `by_threads`, in parts on a cluster. Parts of an interrupted call that are in the folder are used.

        Raises:
            SorituneError: the cluster cannot be reached, or gives a part up.
        """
        folder.mkdir(parents=True, exist_ok=True)
        waiting: deque[HeaderJob] = deque()

        def jobs() -> Iterator[HeaderJob]:
            for number, block in enumerate(blocks_of(outcomes, ROWS_PER_PART)):
                waiting.append(HeaderJob(self, block, folder / part_name(number)))
                yield waiting[-1]

        for _ in engine.tasks(measure, jobs(), paths=[self.corpus, folder], in_order=True):
            job = waiting.popleft()
            lines = read_part(finished_file(job.file), job.digest)
            if lines is None:
                raise OutputError(f"{job.file} cannot be read", "delete it and run the same command again")
            yield from zip(job.outcomes, map(_restored, job.outcomes, lines), strict=True)


@dataclass(frozen=True)
class HeaderJob:
    """Some outcomes of a source, and the file for what is measured. It can be sent to another machine."""

    reader: HeaderReader
    outcomes: Sequence[Outcome]
    file: Path

    @property
    def digest(self) -> str:
        """Of all that the result depends on, but the recordings."""
        return digest_of(self.reader, self.outcomes)


def measure(job: HeaderJob) -> None:
    """Writes a part file, unless it is there and no recording that could not be used has changed since.

    Raises:
        OutputError: the file cannot be written.
    """
    if not _is_done(job):
        write_part(job.file, job.digest, (_line(job.reader.measured(outcome)) for outcome in job.outcomes))


def _is_done(job: HeaderJob) -> bool:
    lines = read_part(job.file, job.digest)
    if lines is None or len(lines) != len(job.outcomes):
        return False
    written_at = job.file.stat().st_mtime
    for outcome, line in zip(job.outcomes, lines, strict=True):
        if isinstance(outcome, Utterance) and "reason" in line:
            with suppress(OSError):
                status = (job.reader.base / outcome.audio).stat()
                if line["kind"] == "audio-missing" or status.st_mtime > written_at:
                    return False
    return True


def _line(measured: Measured) -> dict[str, Any] | None:
    """What a header states, as JSON that `_restored` reads."""
    if measured is None:
        return None
    if isinstance(measured, Quarantined):
        names = ("id", "audio", "reason", "kind")
        return {name: getattr(measured, name) for name in names}
    return {
        "audio": measured.audio,
        "duration_s": measured.duration_s,
        "sample_rate_hz": measured.sample_rate_hz,
        "pcm": measured.pcm,
    }


def _restored(outcome: Outcome, line: Mapping[str, Any] | None) -> Measured:
    if line is None:
        return None
    if "reason" in line:
        return Quarantined(**line, stage="prepare")
    assert isinstance(outcome, Utterance)
    values = dict(line)
    pcm = values.pop("pcm")
    extra = outcome.extra if pcm is None or pcm == outcome.pcm else {**outcome.extra, "pcm": pcm}
    return replace(outcome, **values, extra=extra)


def with_header(utterance: Utterance, base: Path, pcm: str | None) -> Utterance:
    """The utterance with length and rate from its file's header, or from `pcm` if the file has no header.

    Raises:
        AudioError: the file cannot be read, or lacks the channel or the stretch.
    """
    header = read_header(base / utterance.audio, pcm=utterance.pcm or pcm)
    if utterance.channel is not None and utterance.channel >= header.num_channels:
        raise AudioError(
            utterance.audio,
            f"has {header.num_channels} channels, so channel {utterance.channel} does not exist",
            "channel-missing",
        )
    lasts = f"lasts {header.duration_s:.3f} s"
    left = header.duration_s - (utterance.start_s or 0.0)
    if left <= 0:
        reason = f"{lasts}, but the utterance begins at {utterance.start_s} s"
        raise AudioError(utterance.audio, reason, "stretch-begins-late")
    length = left if utterance.start_s is None or utterance.duration_s == 0 else utterance.duration_s
    if length > left + MISSING_TAIL_S:
        raise AudioError(utterance.audio, f"{lasts}, but the utterance ends later", "stretch-ends-late")
    extra = {**utterance.extra, "pcm": utterance.pcm or pcm} if header.is_headerless else utterance.extra
    return replace(utterance, duration_s=min(length, left), sample_rate_hz=header.sample_rate_hz, extra=extra)


def default_threads() -> int:
    """Threads that read headers: mostly they wait for the disk."""
    return 4 * (os.cpu_count() or 1)
