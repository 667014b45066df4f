"""What mpg123 prints becomes a warning with the file's name, and nothing else is caught."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.decoder_messages import _STREAM, attributed_to
from soritune.audio.waveform import read_audio

pytestmark = pytest.mark.skipif(
    _STREAM is None, reason="only glibc has a stream of errors that can be replaced"
)


def damaged_mp3(folder: Path) -> Path:
    """An MP3 file with changed bytes in its frames, which mpg123 complains about but decodes."""
    file = folder / "damaged.mp3"
    soundfile.write(file, (0.3 * np.random.default_rng(0).standard_normal(48000)).astype(np.float32), 16000)
    data, rng = bytearray(file.read_bytes()), np.random.default_rng(1)
    data[300::97] = rng.integers(0, 256, len(data[300::97]), dtype=np.uint8).tobytes()
    file.write_bytes(data)
    return file


def test_messages_of_a_damaged_mp3_are_logged_with_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = damaged_mp3(tmp_path)
    soundfile.read(file)
    assert "error" in capfd.readouterr().err  # libsndfile alone prints it
    assert len(read_audio(file)) == 48000
    assert capfd.readouterr().err == ""
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"{file}: the decoder reports: ")


def test_whole_mp3_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    soundfile.write(tmp_path / "a.mp3", np.zeros(16000, np.float32), 16000)
    assert len(read_audio(tmp_path / "a.mp3")) == 16000
    assert caplog.records == []


def print_through_c(text: str) -> None:
    """As a C library prints, to the stream that `stderr` is at this moment."""
    library = ctypes.CDLL(None)
    library.fputs.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    library.fputs(text.encode(), ctypes.c_void_p.in_dll(library, "stderr"))


def test_repeated_messages_are_logged_once_and_many_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with attributed_to(Path("a.mp3")):
        for text in ("one", "two", "one", "three", "four", "five"):
            print_through_c(f"{text}\n")
    assert [record.getMessage() for record in caplog.records] == [
        "a.mp3: the decoder reports: one; two; three; and 2 more"
    ]


def test_files_are_open_at_one_time_and_each_gets_its_own_messages(caplog: pytest.LogCaptureFixture) -> None:
    """A lock held while a file is open would break the barrier."""
    both = threading.Barrier(2, timeout=30)

    def read(name: str) -> None:
        with attributed_to(Path(name)):
            both.wait()
            print_through_c(f"about {name}\n")
            both.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, ("a.mp3", "b.mp3")))
    assert sorted(record.getMessage() for record in caplog.records) == [
        "a.mp3: the decoder reports: about a.mp3",
        "b.mp3: the decoder reports: about b.mp3",
    ]


def test_what_other_threads_and_python_print_is_not_caught(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with attributed_to(Path("a.mp3")):
        thread = threading.Thread(target=print_through_c, args=("other thread\n",))
        thread.start()
        thread.join()
        os.write(2, b"descriptor\n")
    print_through_c("afterwards\n")
    assert capfd.readouterr().err == "other thread\ndescriptor\nafterwards\n"
    assert caplog.records == []


def test_stream_is_restored_after_an_interruption() -> None:
    stream = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
    before = stream.value

    def interrupted() -> None:
        with attributed_to(Path("a.mp3")):
            assert stream.value != before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.value == before


def test_damaged_files_are_named_among_whole_ones_in_many_threads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged, whole = damaged_mp3(tmp_path), tmp_path / "whole.mp3"
    soundfile.write(whole, np.zeros(48000, np.float32), 16000)
    with ThreadPoolExecutor(4) as pool:
        assert {len(samples) for samples in pool.map(read_audio, [damaged, whole] * 40)} == {48000}
    assert len(caplog.records) == 40 and capfd.readouterr().err == ""
    assert all(
        record.getMessage().startswith(f"{damaged}: the decoder reports: ") for record in caplog.records
    )


def test_log_lines_of_other_threads_arrive_whole_and_without_a_standard_error_files_are_read(
    tmp_path: Path,
) -> None:
    """In a process of its own, whose standard error is the file descriptor 2; a fork inside is not blocked."""
    file = damaged_mp3(tmp_path)
    code = (
        "import logging, os, sys, tempfile, threading\n"
        "from soritune.audio.waveform import read_audio\n"
        "tempfile.tempdir = '/nonexistent'\n"
        "log = logging.getLogger('other')\n"
        "log.addHandler(logging.StreamHandler(sys.stderr))\n"
        "log.propagate = False\n"
        "logging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
        "thread = threading.Thread(target=lambda: [log.warning('disk nearly full') for _ in range(200)])\n"
        "thread.start()\n"
        "for _ in range(20): read_audio(sys.argv[1])\n"
        "thread.join()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if len(read_audio(sys.argv[1])) == 48000 else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "os.close(2)\n"
        "assert len(read_audio(sys.argv[1])) == 48000\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "disk nearly full\n" * 200
    lines = done.stdout.splitlines()
    assert len(lines) >= 21 and all(line.startswith(f"{file}: the decoder reports: ") for line in lines)
