"""What a shard holds: samples at 16 bits, rows in order, what datasets of Hugging Face needs to open it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from soritune.audio.waveform import read_audio
from soritune.corpus.packed import shard_writer
from soritune.corpus.packed.shard_writer import (
    ShardJob,
    encode_flac,
    int16_samples,
    marker_of,
    read_marker,
    remove_leftovers,
    remove_parts_of,
    write_shard,
)
from soritune.corpus.utterance import Utterance
from soritune.errors import OutputError


def utterances(folder: Path, count: int, seconds: float = 0.2) -> list[Utterance]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    rows = []
    for number in range(count):
        samples = rng.integers(-8000, 8000, round(seconds * 16000), dtype=np.int16)
        soundfile.write(folder / f"{number}.wav", samples, 16000)
        rows.append(Utterance(id=f"행 {number}", audio=f"{number}.wav", duration_s=seconds))
    return rows


def job(tmp_path: Path, rows: Sequence[Utterance]) -> ShardJob:
    return ShardJob(tmp_path / "out" / "shard-00000.arrow", tmp_path / "in", rows)


def test_every_16_bit_sample_survives() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    whole, clipped = int16_samples(every.astype(np.float32) / 32768)
    assert np.array_equal(whole, every)
    assert clipped == 0
    decoded, rate = soundfile.read(io.BytesIO(encode_flac(whole)), dtype="int16")
    assert rate == 16000
    assert np.array_equal(decoded, every)


def test_samples_beyond_full_scale_are_cut_and_counted() -> None:
    # Full scale is 32767/32768 = 0.99997: 1.0 is beyond, and 0.99999 rounds beyond.
    whole, clipped = int16_samples(np.array([1.0, 0.99999, 0.99997, -1.0, -1.00002, 0.5], np.float32))
    assert whole.tolist() == [32767, 32767, 32767, -32768, -32768, 16384]
    assert clipped == 3


def test_rows_batches_and_marker(tmp_path: Path) -> None:
    rows = utterances(tmp_path / "in", 600, 0.01)
    task = job(tmp_path, rows)
    done = write_shard(task)
    batches: list[Any] = []
    with pa.memory_map(str(task.file)) as mapped:
        batches = [batch.num_rows for batch in pa.ipc.open_stream(mapped)]
        mapped.seek(0)
        table = pa.ipc.open_stream(mapped).read_all()
        assert table.column("id").to_pylist() == [row.id for row in rows]
        assert table.column("recording").to_pylist() == [row.audio for row in rows]
        assert set(table.column("num_samples").to_pylist()) == {160}
        flac = table.column("audio")[17].as_py()
    assert batches == [256, 256, 88]
    assert flac[:4] == b"fLaC"
    assert np.array_equal(soundfile.read(io.BytesIO(flac))[0], soundfile.read(tmp_path / "in" / "17.wav")[0])
    content = task.file.read_bytes()
    assert (done.num_rows, done.num_bytes) == (600, len(content))
    assert done.sha256 == hashlib.sha256(content).hexdigest()
    assert done.seconds == pytest.approx(6.0)
    assert read_marker(task.file) == done


def test_batch_ends_at_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_writer, "_BATCH_BYTES", 20_000)
    task = job(tmp_path, utterances(tmp_path / "in", 10, 0.3))  # noise: about 9 KB each
    write_shard(task)
    with pa.memory_map(str(task.file)) as mapped:
        assert max(batch.num_rows for batch in pa.ipc.open_stream(mapped)) <= 4


def test_metadata_names_the_features_as_datasets_reads_them(tmp_path: Path) -> None:
    task = job(tmp_path, utterances(tmp_path / "in", 2))
    write_shard(task)
    with pa.memory_map(str(task.file)) as mapped:
        schema = pa.ipc.open_stream(mapped).schema
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == schema.names
    assert features["audio"] == {"dtype": "large_binary", "_type": "Value"}
    assert {name: feature["dtype"] for name, feature in features.items()} == {
        field.name: "float64" if pa.types.is_float64(field.type) else str(field.type) for field in schema
    }


def test_unreadable_rows_are_left_out_with_the_reason(tmp_path: Path) -> None:
    rows = utterances(tmp_path / "in", 4)
    (tmp_path / "in" / "1.wav").unlink()
    (tmp_path / "in" / "2.wav").write_bytes((tmp_path / "in" / "2.wav").read_bytes()[:2000])
    rows.append(Utterance(id="outside", audio="../secret.wav", duration_s=1.0))
    done = write_shard(job(tmp_path, rows))
    assert done.num_rows == 2
    assert {name: row.kind for name, row in done.left_out.items()} == {
        "행 1": "audio-missing",
        "행 2": "audio-truncated",
        "outside": "audio-outside-root",
    }
    assert read_marker(tmp_path / "out" / "shard-00000.arrow") == done


def test_shard_without_rows_has_no_file(tmp_path: Path) -> None:
    task = job(tmp_path, [Utterance(id="a", audio="a.wav", duration_s=1.0)])
    assert write_shard(task).is_empty
    assert not task.file.exists()
    done = read_marker(task.file)
    assert done is not None
    assert done.is_empty


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": "a"}', "{"])
def test_damaged_marker_is_no_marker(tmp_path: Path, content: str) -> None:
    task = job(tmp_path, utterances(tmp_path / "in", 2))
    write_shard(task)
    marker_of(task.file).write_text(content)
    assert read_marker(task.file) is None


def test_shard_of_another_size_is_not_done(tmp_path: Path) -> None:
    task = job(tmp_path, utterances(tmp_path / "in", 2))
    write_shard(task)
    task.file.write_bytes(task.file.read_bytes()[:-1])
    assert read_marker(task.file) is None
    task.file.unlink()
    assert read_marker(task.file) is None


_LIMITED = """
import resource, sys
from pathlib import Path
from soritune.corpus.packed.shard_writer import ShardJob, write_shard
from soritune.corpus.utterance import Utterance
from soritune.errors import OutputError
folder = Path(sys.argv[1])
rows = [Utterance(id=str(n), audio=f"{n}.wav", duration_s=0.2) for n in range(40)]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_shard(ShardJob(folder / "out" / "shard-00000.arrow", folder / "in", rows))
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    utterances(tmp_path / "in", 40)
    printed = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    assert "shard-00000.arrow cannot be written (the file would be larger than is allowed)" in printed
    assert "make room and run the same command again" in printed
    assert list((tmp_path / "out").iterdir()) == []


def test_error_while_writing_a_batch_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shard_writer._Hashed, "write", fail)
    with pytest.raises(OutputError, match=r"cannot be written \(the disk is full\)"):
        write_shard(job(tmp_path, utterances(tmp_path / "in", 3)))
    assert list((tmp_path / "out").iterdir()) == []


def test_leftovers_of_killed_writers_alone_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = socket.gethostname()
    stale = tmp_path / f".shard-00001.arrow.{ended.pid}@{host}"
    kept = [
        tmp_path / f".shard-00001.arrow.{os.getpid()}@{host}",
        tmp_path / f".shard-00001.arrow.{ended.pid}@another.host",
        tmp_path / "shard-00001.arrow",
    ]
    for file in (stale, *kept):
        file.touch()
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_parts_of_done_shards_alone_are_removed_on_all_machines(tmp_path: Path) -> None:
    done, other = tmp_path / "shard-00001.arrow", tmp_path / "shard-00002.arrow"
    stale = [tmp_path / f".{name}.12@lost-node" for name in ("shard-00001.arrow", "shard-00001.json")]
    kept = [tmp_path / ".shard-00002.arrow.12@lost-node", tmp_path / ".shard-00001.arrow", done, other]
    for file in (*stale, *kept):
        file.touch()
    remove_parts_of(tmp_path, [done])
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_packed_row_reads_as_the_recording(tmp_path: Path) -> None:
    task = job(tmp_path, utterances(tmp_path / "in", 3))
    write_shard(task)
    for number in range(3):
        packed, loose = (
            read_audio(task.file / f"{number}.flac"),
            read_audio(tmp_path / "in" / f"{number}.wav"),
        )
        assert np.array_equal(packed, loose)
