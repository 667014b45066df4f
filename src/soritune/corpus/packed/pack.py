"""Packs a corpus: a manifest whose rows point into shards of 16 kHz FLAC. Next: `corpus/packed/shard_writer.py`.

    FOLDER/pack.json                   the manifest that is packed, rows of a shard; at the end what was packed
    FOLDER/shards/shard-00000.arrow    the recordings of the first rows, in their order
    FOLDER/shards/shard-00000.json     its done-marker: size, hash, rows that could not be packed
    FOLDER/manifest.parquet            the packed rows; quarantine.jsonl has those that could not be packed
    FOLDER/audio_hashes.parquet        those of the manifest, if it has them

A shard is the unit of work. It depends on its rows alone, so neither the number of processes nor an interruption
changes a byte. Finished shards are not packed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from soritune.audio.shard import SCHEMA_VERSION, SHARD_SUFFIX, row_name
from soritune.corpus.audio_hashes import Hashed, save_audio_hashes, stored_audio_hashes
from soritune.corpus.checks import Quarantined, write_quarantine
from soritune.corpus.file_names import AUDIO_HASHES_FILE, MANIFEST_FILE, QUARANTINE_FILE
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.packed.shard_writer import (
    SAMPLE_RATE_HZ,
    ShardDone,
    ShardJob,
    marker_of,
    read_marker,
    remove_leftovers,
    remove_parts_of,
    sha256_of,
    write_shard,
)
from soritune.corpus.synthetic.workers import worker_pool
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, OutputError, reason_of
from soritune.ray_engine import RayEngine, finished_file
from soritune.strict_json import read_json
from soritune.whole_file import write_text

ROWS_PER_SHARD = 2000
"""3,500 hours in clips of 7 s are 900 files of about 150 MB."""
PLAN_FILE = "pack.json"
SHARDS_FOLDER = "shards"
_RESUME = "finished shards are kept and the same command resumes; fewer --workers take less memory"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Packed:
    """What is in a packed folder."""

    manifest: Manifest
    num_left_out: int
    """Rows in quarantine.jsonl."""
    num_shards: int
    num_new: int
    """Shards that this call packed; the others were done."""
    num_bytes: int
    seconds: float
    """Of audio."""
    num_clipped: int
    """Samples beyond full scale after resampling, which were cut."""
    damaged: tuple[str, ...] = ()
    """Sentences about shards that were packed again, because their bytes had changed."""


@dataclass(frozen=True)
class PackedFolder:
    """The files of a packed corpus and how rows are spread over them.

    `shard_jobs` and `finish` are all that another engine needs to pack the shards of a folder elsewhere.
    """

    path: Path
    source: Manifest
    rows_per_shard: int

    @property
    def num_shards(self) -> int:
        """Shards of the whole manifest."""
        return -(-len(self.source) // self.rows_per_shard)

    def shard(self, number: int) -> Path:
        """The file of a shard, from 0."""
        return self.path / SHARDS_FOLDER / f"shard-{number:05d}{SHARD_SUFFIX}"

    def rows(self, number: int) -> list[Utterance]:
        """The manifest's rows that belong to a shard."""
        first = number * self.rows_per_shard
        return list(
            self.source.utterances(np.arange(first, min(first + self.rows_per_shard, len(self.source))))
        )

    def job(self, number: int) -> ShardJob:
        """What packs a shard: `write_shard(job)`, in any process."""
        return ShardJob(self.shard(number), self.source.root.absolute(), self.rows(number))

    def begin(self) -> None:
        """Claims the folder for this manifest.

        Raises:
            OutputError: it has the shards of another manifest or of another size, or cannot be written to.
        """
        plan = {
            "schema": SCHEMA_VERSION,
            "manifest_hash": self.source.hash,
            "rows_per_shard": self.rows_per_shard,
        }
        file = self.path / PLAN_FILE
        try:
            stored = read_json(file)
        except FileNotFoundError:
            stored = None
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{file} cannot be read ({reason_of(error)})", "delete it to pack anew"
            ) from error
        if stored is None:
            write_text(file, json.dumps(plan, indent=1) + "\n")
            return
        for key, value in plan.items():
            if not isinstance(stored, dict) or stored.get(key) != value:
                was = stored.get(key) if isinstance(stored, dict) else None
                raise OutputError(
                    f"{self.path} was packed with another {key.replace('_', ' ')} ({was}, now {value})",
                    "choose another folder, or delete this one",
                )

    def is_finished(self) -> bool:
        """Whether the manifest of the packed rows is that of the done-markers."""
        with suppress(OSError, ValueError, AttributeError):
            stored = read_json(self.path / PLAN_FILE).get("finished")
            return stored == self._summary() and (self.path / MANIFEST_FILE).is_file()
        return False

    def _markers(self) -> Iterator[ShardDone]:
        for number in range(self.num_shards):
            done = read_marker(self.shard(number))
            if done is None:
                raise OutputError(f"{self.shard(number)} is not done", "run `soritune pack` again")
            yield done

    def remove_leftovers(self) -> None:
        """Removes the parts of files that killed runs left."""
        remove_leftovers(self.path / SHARDS_FOLDER)
        for name in (PLAN_FILE, MANIFEST_FILE, QUARANTINE_FILE, AUDIO_HASHES_FILE):
            stem, _, suffix = name.partition(".")
            for part in self.path.glob(f".{stem}.????????.{suffix}"):  # as `whole_file` names them
                part.unlink(missing_ok=True)

    def unfinish(self) -> None:
        """Records that shards are about to be packed, so that `finish` writes the manifest again."""
        file = self.path / PLAN_FILE
        plan = read_json(file)
        if plan.pop("finished", None) is not None:
            write_text(file, json.dumps(plan, indent=1) + "\n")

    def _summary(self) -> dict[str, Any]:
        done = list(self._markers())
        return {
            "shards": hashlib.sha256("".join(each.sha256 for each in done).encode()).hexdigest(),
            "rows": sum(each.num_rows for each in done),
            "left_out": sum(len(each.left_out) for each in done),
            "bytes": sum(each.num_bytes for each in done),
            "seconds": sum(each.seconds for each in done),
            "clipped_samples": sum(each.num_clipped for each in done),
        }

    def finish(self, *, num_new: int = 0, damaged: tuple[str, ...] = ()) -> Packed:
        """Writes the manifest, the quarantine and the hashes of a folder whose shards are all done.

        Raises:
            ManifestError: no row could be packed.
            OutputError: a shard is missing, or a file cannot be written.
        """
        summary = self._summary()
        is_finished = self.is_finished()
        if not is_finished:
            write_quarantine(self.path / QUARANTINE_FILE, self._left_out())
        if not summary["rows"]:
            first = next(self._left_out())
            raise ManifestError(
                f"none of its {len(self.source):,} rows could be packed; the first one: {first.audio}: {first.reason}",
                path=self.source.path,
            )
        file = self.path / MANIFEST_FILE
        if is_finished:
            manifest = load_manifest(file)
        else:
            manifest = write_manifest(file, self._packed_rows(), root=self.path)
            self._carry_hashes(manifest)
            plan = {**read_json(self.path / PLAN_FILE), "finished": summary}
            write_text(self.path / PLAN_FILE, json.dumps(plan, indent=1) + "\n")
        return Packed(
            manifest,
            int(summary["left_out"]),
            self.num_shards,
            num_new,
            int(summary["bytes"]),
            float(summary["seconds"]),
            int(summary["clipped_samples"]),
            damaged,
        )

    def _left_out(self) -> Iterator[Quarantined]:
        for done in self._markers():
            yield from done.left_out.values()

    def _packed_rows(self) -> Iterator[Utterance]:
        """The rows of the shards in their order; everything but the place of their audio is unchanged."""
        for number, done in enumerate(self._markers()):
            shard = self.shard(number).relative_to(self.path).as_posix()
            kept = (row for row in self.rows(number) if row.id not in done.left_out)
            for index, utterance in enumerate(kept):
                yield replace(
                    utterance,
                    audio=f"{shard}/{row_name(index)}",
                    start_s=None,
                    channel=None,
                    sample_rate_hz=SAMPLE_RATE_HZ,
                    extra={key: value for key, value in utterance.extra.items() if key != "pcm"},
                )

    def _carry_hashes(self, manifest: Manifest) -> None:
        """The hashes of samples that `check` stored: packing keeps the samples at 16 bits, which they are made of."""
        hashed = stored_audio_hashes(self.source)
        if hashed is None:
            return
        kept = np.asarray(
            pc.is_in(self.source.column("id"), value_set=manifest.column("id").combine_chunks())
        )
        likeness = None if hashed.likeness is None else hashed.likeness[kept]
        save_audio_hashes(self.path, manifest, Hashed(hashed.hashes[kept], likeness))


def pack(
    manifest: Manifest,
    output: str | Path,
    *,
    rows_per_shard: int = ROWS_PER_SHARD,
    workers: int | None = None,
    retry: bool = False,
    verify: bool = False,
    progress: Progress | None = None,
    engine: RayEngine | None = None,
) -> Packed:
    """Packs the recordings of a manifest into a folder, or those that are missing in it.

    Args:
        manifest: its rows, in the order in which they are packed.
        output: the folder; is made if it does not exist.
        rows_per_shard: rows of one file.
        workers: processes; None takes one per core. Does not change a byte.
        retry: Pack shards again from which rows were left out, since their recordings may be there now.
        verify: Read finished shards and compare them with their hashes; damaged ones are packed again.
        progress: called with the number of rows that are done, and their total.
        engine: packs the shards on a cluster; None uses `workers` of this machine. Does not change a byte.

    Raises:
        ManifestError: the manifest has no rows, or no row can be packed.
        OutputError: the folder has another packed corpus, or cannot be written to.
    """
    if len(manifest) == 0:
        raise ManifestError("has no rows to pack", path=manifest.path)
    folder = PackedFolder(Path(output), manifest, rows_per_shard)
    folder.begin()
    folder.remove_leftovers()
    damaged: list[str] = []
    missing = []
    for number in range(folder.num_shards):
        file = folder.shard(number)
        done = read_marker(file)
        fault = _fault(file, done) if verify and done is not None and not done.is_empty else None
        if fault is not None:
            damaged.append(fault)
        if done is None or done.is_empty or fault or (retry and done.left_out):
            missing.append(number)
    if missing:
        folder.unfinish()
    for file in (marker_of(folder.shard(number)) for number in missing):
        file.unlink(missing_ok=True)
    _write_all(folder, missing, workers or os.cpu_count() or 1, progress, engine)
    return folder.finish(num_new=len(missing), damaged=tuple(damaged))


def _fault(file: Path, done: ShardDone) -> str | None:
    checksum = sha256_of(file)
    if checksum == done.sha256:
        return None
    return (
        f"{file} is damaged: its sha256 is {checksum[:16]}…, and its done-marker states {done.sha256[:16]}…; it is "
        "packed again"
    )


def _write_all(
    folder: PackedFolder,
    missing: list[int],
    workers: int,
    progress: Progress | None,
    engine: RayEngine | None,
) -> None:
    """Packs shards, at most two per process in preparation, so that the rows of a large manifest are not all held."""
    total = len(folder.source)
    rows_of = {
        number: min(folder.rows_per_shard, total - number * folder.rows_per_shard) for number in missing
    }
    done_rows = total - sum(rows_of.values())

    def report(rows: int) -> None:
        nonlocal done_rows
        done_rows += rows
        if progress is not None:
            progress(done_rows, total)

    report(0)
    if engine is not None:
        jobs = ((number, folder.job(number)) for number in missing)
        for number in engine.tasks(_write_numbered, jobs, paths=[folder.path, folder.source.root]):
            finished_file(marker_of(folder.shard(number)))
            report(rows_of[number])
        remove_parts_of(folder.path / SHARDS_FOLDER, [folder.shard(number) for number in missing])
        return
    workers = min(workers, len(missing))
    if workers <= 1:
        for number in missing:
            write_shard(folder.job(number))
            report(rows_of[number])
        return
    numbers = iter(missing)
    with worker_pool(workers, _RESUME, "packs recordings") as pool:
        running: dict[Future[ShardDone], int] = {
            pool.submit(write_shard, folder.job(number)): number for number in islice(numbers, 2 * workers)
        }
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                number = running.pop(future)
                future.result()
                report(rows_of[number])
                for following in islice(numbers, 1):
                    running[pool.submit(write_shard, folder.job(following))] = following


def _write_numbered(job: tuple[int, ShardJob]) -> int:
    """Packs a shard unless it is done: a cluster may repeat a job whose result it has lost."""
    number, shard = job
    if read_marker(shard.file) is None:
        write_shard(shard)
    return number
