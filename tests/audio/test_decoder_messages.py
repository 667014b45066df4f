"""What mpg123 prints becomes a warning with the file's name, and nothing else is caught."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.decoder_messages import attributed_to
from soritune.audio.waveform import read_audio


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


def test_repeated_messages_are_logged_once_and_many_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with attributed_to(Path("a.mp3")):
        for text in ("one", "two", "one", "three", "four", "five"):
            os.write(2, f"{text}\n".encode())
    assert [record.getMessage() for record in caplog.records] == [
        "a.mp3: the decoder reports: one; two; three; and 2 more"
    ]


def test_what_python_prints_meanwhile_reaches_the_terminal(tmp_path: Path) -> None:
    """In a process of its own, whose standard error is the file descriptor 2; a fork inside is not blocked."""
    code = (
        "import os, sys, logging\n"
        "from pathlib import Path\n"
        "from soritune.audio.decoder_messages import attributed_to\n"
        "logging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
        "for name in ('a', 'b'):\n"
        "    with attributed_to(Path(name)):\n"
        "        print('progress', file=sys.stderr)\n"
        "        os.write(2, b'decoder\\n')\n"
        "    print('after', file=sys.stderr)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    with attributed_to(Path('child')):\n"
        "        os._exit(0)\n"
        "sys.exit(os.waitpid(child, 0)[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr.split() == ["progress", "after"] * 2
    assert done.stdout.splitlines() == ["a: the decoder reports: decoder", "b: the decoder reports: decoder"]
