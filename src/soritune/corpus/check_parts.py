"""A manifest is checked in parts of a few hundred rows, by several processes or machines, and resumes after a kill.

    FOLDER/check_parts/plan.json             what is checked: the manifest and the settings
    FOLDER/check_parts/part-00000.parquet    the result of the first rows; a file that exists is whole

The parts of another manifest or of other settings are not used. A part is checked again if the audio of a row that it
left out has appeared or changed since. Next: `corpus/checks.py`, which joins them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from soritune.corpus.file_names import CHECK_PARTS_FOLDER
from soritune.corpus.manifest import Manifest
from soritune.corpus.row_check import SCHEMA, CheckSettings, PartJob, check_part
from soritune.corpus.synthetic.workers import worker_pool
from soritune.errors import OutputError, SorituneError, reason_of
from soritune.ray_engine import RayEngine, finished_file
from soritune.strict_json import read_json
from soritune.whole_file import whole_file, write_text

Progress = Callable[[int, int], None]
"""Called with the number of utterances done and their total."""
ROWS_PER_PART = 500
SCHEMA_VERSION = "soritune.check_parts/1"
_PLAN = "plan.json"
_KEPT = "finished parts are kept and the same command resumes; fewer --workers take less memory"


@dataclass(frozen=True)
class CheckFolder:
    """The files of a check that is under way.

    `missing`, `job` and `write_part` are all that another engine needs to check the parts elsewhere.
    """

    path: Path
    """The folder with the parts."""
    manifest: Manifest
    settings: CheckSettings
    fingerprint: str
    """What else the result depends on: the settings of tasks, the version of the program."""

    @classmethod
    def of(cls, folder: Path, manifest: Manifest, settings: CheckSettings, fingerprint: str) -> CheckFolder:
        """The parts inside an output folder."""
        return cls(folder / CHECK_PARTS_FOLDER, manifest, settings, fingerprint)

    @property
    def num_parts(self) -> int:
        """Parts of the whole manifest."""
        return -(-len(self.manifest) // ROWS_PER_PART)

    def file(self, number: int) -> Path:
        """The result of a part, from 0."""
        return self.path / f"part-{number:05d}.parquet"

    def num_rows(self, number: int) -> int:
        """Rows of a part."""
        return min(ROWS_PER_PART, len(self.manifest) - number * ROWS_PER_PART)

    def job(self, number: int) -> PartJob:
        """What checks a part: `write_part(job, file)`, in any process."""
        return part_job(self.manifest, self.settings, number)

    def begin(self, *, anew: bool = False, shared: bool = False) -> None:
        """Claims the folder for this check.

        Args:
            anew: delete the parts that are there.
            shared: other machines may use the folder, so parts of another check are an error.

        Raises:
            OutputError: the folder cannot be written to, or has the parts of another check.
        """
        plan = {
            "schema": SCHEMA_VERSION,
            "manifest_hash": self.manifest.hash,
            "root": str(self.manifest.root.absolute()),
            "rows_per_part": ROWS_PER_PART,
            "settings": self.fingerprint,
        }
        file = self.path / _PLAN
        stored = None
        with suppress(OSError, ValueError):
            stored = read_json(file)
        if stored == plan and not anew:
            return
        if shared and not anew and file.exists():
            raise OutputError(
                f"{self.path} has the parts of a check of another manifest or with other settings",
                "choose another folder, or delete this one",
            )
        self.remove()
        write_text(file, json.dumps(plan, indent=1, ensure_ascii=False) + "\n")

    def missing(self, numbers: Sequence[int]) -> list[int]:
        """Those of the parts that are not done, or whose faulty recordings have changed."""
        return [number for number in numbers if not self._is_done(number)]

    def _is_done(self, number: int) -> bool:
        file = self.file(number)
        try:
            faults = pq.read_table(file, columns=["stage", "kind"])
            written_at = file.stat().st_mtime
        except (OSError, pa.ArrowException):
            return False
        if len(faults) != self.num_rows(number):
            return False
        decoded = [row for row, stage in enumerate(faults.column("stage").to_pylist()) if stage == "decode"]
        kinds = faults.column("kind").to_pylist()
        for row in decoded:
            name = self.manifest.utterance(number * ROWS_PER_PART + row).audio
            with suppress(OSError):
                status = (self.manifest.root / name).stat()
                if kinds[row] == "audio-missing" or status.st_mtime > written_at:
                    return False
        return True

    def tables(self) -> Iterator[pa.Table]:
        """The results of all parts, in order.

        Raises:
            OutputError: one of them is missing or damaged.
        """
        for number in range(self.num_parts):
            try:
                table = pq.read_table(self.file(number))
                if not table.schema.equals(SCHEMA) or len(table) != self.num_rows(number):
                    raise ValueError("it has other columns or rows")
                yield table
            except (OSError, ValueError, pa.ArrowException) as error:
                raise OutputError(
                    f"{self.file(number)} cannot be read ({reason_of(error)})",
                    "delete it and run the same command again",
                ) from error

    def remove(self) -> None:
        """Deletes the parts.

        Raises:
            OutputError: they cannot be deleted.
        """
        try:
            # The plan goes first: without it, no part is used.
            (self.path / _PLAN).unlink(missing_ok=True)
            if self.path.exists():
                shutil.rmtree(self.path)
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be deleted ({reason_of(error)})", "delete it and run again"
            ) from error


def part_job(manifest: Manifest, settings: CheckSettings, number: int) -> PartJob:
    """The rows of a part, from 0."""
    first = number * ROWS_PER_PART
    rows = np.arange(first, min(first + ROWS_PER_PART, len(manifest)))
    return PartJob(first, manifest.root.absolute(), list(manifest.utterances(rows)), settings)


def write_part(job: PartJob, file: Path | None) -> pa.Table | None:
    """Checks a part. The result goes into a file, whole or not at all; without one it is returned.

    Raises:
        OutputError: the file cannot be written, as on a full disk.
    """
    table = check_part(job)
    if file is None:
        return table
    _store(table, file)
    return None


def _store(table: pa.Table, file: Path) -> None:
    try:
        with whole_file(file) as part:
            pq.write_table(table, part, compression="zstd")
            with part.open("rb+") as stream:
                os.fsync(stream.fileno())
    except OutputError as error:
        raise OutputError(
            error.problem, "finished parts are kept; make room and run the same command again"
        ) from error


def checked_parts(
    manifest: Manifest,
    settings: CheckSettings,
    folder: CheckFolder | None = None,
    *,
    numbers: Sequence[int] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    engine: RayEngine | None = None,
) -> Iterator[pa.Table]:
    """Checks the parts of a manifest that are not done, and returns the results of all parts.

    A manifest of one part is checked by threads of this process, a larger one by several processes.

    Args:
        manifest: what is checked.
        settings: how.
        folder: keeps the results; None keeps them in memory.
        numbers: parts to check, if not all; then nothing is returned.
        workers: processes, or threads; None takes one per core. Does not change the result.
        progress: called with the number of rows done and their total.
        engine: checks the parts on a cluster, which needs a folder; None uses `workers` of this machine.

    Raises:
        OutputError: a result cannot be written.
        SorituneError: a process was ended from outside, or a setting does not fit the corpus.
    """
    count = -(-len(manifest) // ROWS_PER_PART)
    wanted = range(count) if numbers is None else numbers
    missing = list(wanted) if folder is None else folder.missing(wanted)
    sizes = {number: min(ROWS_PER_PART, len(manifest) - number * ROWS_PER_PART) for number in wanted}
    done = sum(sizes.values()) - sum(sizes[number] for number in missing)
    total = sum(sizes.values())
    results: dict[int, pa.Table] = {}

    def report(rows: int) -> None:
        if progress is not None:
            progress(rows, total)

    if done:
        report(done)
    processes = workers or os.cpu_count() or 1
    if engine is not None:
        assert folder is not None
        for number in _by_cluster(folder, missing, engine):
            done += sizes[number]
            report(done)
    elif count <= 1 or processes == 1:
        threads = processes if count <= 1 else 1
        for number in missing:
            before = done
            table = check_part(
                part_job(manifest, settings, number),
                threads=threads,
                progress=lambda rows, before=before: report(before + rows),  # type: ignore[misc]
            )
            if folder is None:
                results[number] = table
            else:
                _store(table, folder.file(number))
            done += sizes[number]
    else:
        for number, result in _by_processes(manifest, settings, folder, missing, processes):
            if result is not None:
                results[number] = result
            done += sizes[number]
            report(done)
    if numbers is not None:
        return iter(())
    return folder.tables() if folder is not None else (results[number] for number in range(count))


def _by_processes(
    manifest: Manifest,
    settings: CheckSettings,
    folder: CheckFolder | None,
    missing: Sequence[int],
    processes: int,
) -> Iterator[tuple[int, pa.Table | None]]:
    """The parts as they finish. At most two per process are prepared, so that the rows are not all held."""
    processes = min(processes, len(missing))
    if not processes:
        return
    waiting = iter(missing)

    with worker_pool(processes, _KEPT, "checks recordings") as pool:

        def start(number: int) -> Future[pa.Table | None]:
            file = None if folder is None else folder.file(number)
            return pool.submit(write_part, part_job(manifest, settings, number), file)

        running = {start(number): number for number in islice(waiting, 2 * processes)}
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                number = running.pop(future)
                result = future.result()
                for following in islice(waiting, 1):
                    running[start(following)] = following
                yield number, result


def _by_cluster(folder: CheckFolder, missing: Sequence[int], engine: RayEngine) -> Iterator[int]:
    """The parts as they finish."""
    for number in missing:
        folder.file(number).unlink(missing_ok=True)  # where recordings have changed since
    jobs = ((number, folder.file(number), folder.job(number)) for number in missing)
    for number in engine.tasks(_write_unless_done, jobs, paths=[folder.path, folder.manifest.root]):
        finished_file(folder.file(number))
        yield number


def _write_unless_done(job: tuple[int, Path, PartJob]) -> int:
    """Checks a part unless it is done: a cluster may repeat a job whose result it has lost."""
    number, file, rows = job
    if not file.exists():
        write_part(rows, file)
    return number


def shard_of(text: str, count: int) -> list[int]:
    """The parts of a machine, of `count` parts: `2/8` is the second of eight machines, which take turns.

    Raises:
        SorituneError: the text is not of this form.
    """
    first, slash, second = text.partition("/")
    if not (slash and first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise SorituneError(f"--shard expects I/N with I from 1 to N, such as 1/8; got '{text}'")
    return list(range(int(first) - 1, count, int(second)))
