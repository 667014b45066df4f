"""Rows of a shard are read at their position and compared with their checksum."""

from __future__ import annotations

import multiprocessing
import os
import zlib
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from soritune.audio import shard as module
from soritune.audio.shard import SCHEMA_VERSION, Shard, row_name
from soritune.errors import AudioError

SCHEMA = pa.schema(
    [("id", pa.string()), ("audio", pa.large_binary()), ("checksum", pa.uint32())],
    metadata={"soritune.schema": SCHEMA_VERSION},
)


def write(path: Path, contents: list[bytes], batch: int = 3, schema: pa.Schema = SCHEMA) -> Path:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for start in range(0, len(contents), batch):
            part = contents[start : start + batch]
            rows = [{"id": "x" * len(each), "audio": each, "checksum": zlib.crc32(each)} for each in part]
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema))
    return path


def test_every_row_of_several_batches(tmp_path: Path) -> None:
    contents = [bytes([number]) * (number * 37) for number in range(10)]
    shard = Shard(write(tmp_path / "a.arrow", contents))
    assert len(shard) == 10
    assert [shard.read(name) for name in shard.names()] == contents
    assert shard.read("0.wav") is None
    assert shard.has("9.flac")
    assert not shard.has("10.flac")
    assert not shard.has("a.flac")


def test_row_beyond_the_last_is_named(tmp_path: Path) -> None:
    shard = Shard(write(tmp_path / "a.arrow", [b"one"]))
    with pytest.raises(AudioError, match=r"a\.arrow/1\.flac: is missing: the shard has 1 rows") as caught:
        shard.read("1.flac")
    assert caught.value.kind == "shard-damaged"


def test_changed_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", [b"first row", b"second row"])
    shard = Shard(path)
    path.write_bytes(path.read_bytes().replace(b"second row", b"second r0w"))
    shard = Shard(path)
    assert shard.read(row_name(0)) == b"first row"
    expected = f"{zlib.crc32(b'second row'):08x}"
    with pytest.raises(AudioError, match=f"checksum {zlib.crc32(b'second r0w'):08x}.*states {expected}"):
        shard.read(row_name(1))


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_truncated_file_is_one_sentence(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "a.arrow", [b"one" * 400])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AudioError, match="a.arrow: is a damaged shard"):
        Shard(path)


def test_arrow_stream_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", [b"one"], schema=SCHEMA.remove_metadata())
    with pytest.raises(AudioError, match="is not a shard that this version reads"):
        Shard(path)


def test_file_that_was_replaced_is_opened_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", [b"one"])
    assert Shard(path).read("0.flac") == b"one"
    write(tmp_path / "b.arrow", [b"another"])
    os.replace(tmp_path / "b.arrow", path)
    assert Shard(path).read("0.flac") == b"another"


def test_few_files_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OPEN_FILES", 3)
    shards = [Shard(write(tmp_path / f"{number}.arrow", [bytes([number])])) for number in range(20)]
    before = psutil.Process().num_fds()
    for _ in range(2):
        assert [shard.read("0.flac") for shard in shards] == [bytes([number]) for number in range(20)]
    assert psutil.Process().num_fds() <= before + 3


def _sum_of(shard: Shard) -> int:
    return sum(len(shard.read(name) or b"") for name in shard.names())


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_read_the_same_shard(tmp_path: Path, start: str) -> None:
    contents = [os.urandom(5000 + number) for number in range(40)]
    shard = Shard(write(tmp_path / "a.arrow", contents))
    assert _sum_of(shard) == sum(map(len, contents))  # the file is open when the others start
    with multiprocessing.get_context(start).Pool(2) as pool:
        assert pool.map(_sum_of, [shard] * 4) == [sum(map(len, contents))] * 4


def test_memory_does_not_grow_with_what_was_read(tmp_path: Path) -> None:
    """A memory map would keep the pages that were read: 64 MiB here."""
    shard = Shard(write(tmp_path / "a.arrow", [os.urandom(1 << 20) for _ in range(64)]))
    shard.read("0.flac")
    before = psutil.Process().memory_info().rss
    for name in shard.names():
        shard.read(name)
    assert psutil.Process().memory_info().rss - before < 16 << 20
