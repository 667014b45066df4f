"""Recordings by URL: fsspec's memory and an HTTP server on this machine."""

from __future__ import annotations

import http.server
import multiprocessing
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import soundfile

from soritune.audio.remote import is_url, read_url, url_of
from soritune.audio.waveform import read_audio, read_header
from soritune.errors import AudioError, MissingAudioError


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "소리 1.wav"
    samples = np.random.default_rng(1).integers(-3000, 3000, 16000, dtype=np.int16)
    soundfile.write(path, samples, 16000)
    return path


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize(
    ("path", "url"),
    [
        (Path("https://host/a b.wav"), "https://host/a b.wav"),
        (Path("/corpus") / "s3://bucket/a.wav", "s3://bucket/a.wav"),
        (Path("s3://bucket/corpus") / "x/a.wav", "s3://bucket/corpus/x/a.wav"),
        ("memory://a.wav", "memory://a.wav"),
        (Path("file:///tmp/a.wav"), "file:///tmp/a.wav"),
        (Path("/root/simplecache::https://host/a.wav"), "simplecache::https://host/a.wav"),
        (Path("zip://x/a.wav::https://host/b.zip"), "zip://x/a.wav::https://host/b.zip"),
        (Path("/corpus/a:b/c.wav"), None),
        (Path("/corpus/a.wav"), None),
        ("C:/corpus/a.wav", None),
    ],
)
def test_url_survives_being_a_path(path: Path | str, url: str | None) -> None:
    assert url_of(path) == url


def test_a_url_as_it_is_written_is_recognised() -> None:
    assert is_url("https://host/a.wav")
    assert is_url("simplecache::s3://bucket/a.wav")
    assert not is_url("https:/host/a.wav")
    assert not is_url("folder/a.wav")


def test_http_gives_the_samples_of_the_file(recording: Path, server: str) -> None:
    url = f"{server}/{recording.name}"
    assert read_header(url) == read_header(recording)
    part = {"start_s": 0.25, "duration_s": 0.5}
    assert np.array_equal(read_audio(url, **part), read_audio(recording, **part))
    with pytest.raises(MissingAudioError):
        read_audio(f"{server}/other.wav")


def test_a_server_that_is_down_is_one_sentence(server: str) -> None:
    with pytest.raises(AudioError, match="cannot be read"):
        read_url("http://127.0.0.1:1/a.wav", Path("a.wav"))


def test_chain_reads_a_member_of_a_remote_zip(recording: Path) -> None:
    with zipfile.ZipFile(recording.parent / "b.zip", "w") as archive:
        archive.write(recording, "a.wav")
    with fsspec.open("memory://b.zip", "wb") as stream:
        stream.write((recording.parent / "b.zip").read_bytes())
    assert np.array_equal(read_audio("zip://a.wav::memory://b.zip"), read_audio(recording))


def test_local_cache_of_a_server(recording: Path, server: str) -> None:
    url = f"simplecache::{server}/{recording.name}"
    assert np.array_equal(read_audio(url), read_audio(recording))
    recording.unlink()
    assert len(read_audio(url)) == 16000


def test_unknown_protocol_is_one_sentence() -> None:
    with pytest.raises(AudioError, match="Protocol not known"):
        read_audio("nowhere://a.wav")


def _length(url: str) -> int:
    return len(read_audio(url))


def test_forked_process_makes_its_own_connections(recording: Path, server: str) -> None:
    url = f"{server}/{recording.name}"
    assert len(read_audio(url)) == 16000
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_length, (f"{url}?again",)).get(timeout=60) == 16000


def test_memory_file_system(recording: Path) -> None:
    with fsspec.open("memory://corpus/a.wav", "wb") as stream:
        stream.write(recording.read_bytes())
    assert np.array_equal(read_audio(Path("memory://corpus") / "a.wav"), read_audio(recording))
