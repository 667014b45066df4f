"""The bytes that a cut WAV or Ogg file lacks are counted; whole files and other formats pass."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.container import inspect
from soritune.audio.truncation import refuse_truncated
from soritune.audio.waveform import read_audio, read_header
from soritune.errors import AudioError

NOISE = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)


def check(file: Path) -> None:
    refuse_truncated(file, inspect(file).missing_bytes)


@pytest.mark.parametrize("kind", ["WAV", "OGG", "FLAC", "MP3"])
def test_whole_files_pass(tmp_path: Path, kind: str) -> None:
    soundfile.write(tmp_path / "a", NOISE, 16000, format=kind)
    check(tmp_path / "a")


@pytest.mark.parametrize("cut", [1, 2, 31999])
def test_missing_bytes_of_wav_data_are_counted(tmp_path: Path, cut: int) -> None:
    """16,000 samples of 16 bits are 32,000 bytes of data at the end of the file."""
    soundfile.write(tmp_path / "a.wav", NOISE, 16000, subtype="PCM_16")
    data = (tmp_path / "a.wav").read_bytes()
    assert len(data) == 44 + 32000
    (tmp_path / "a.wav").write_bytes(data[:-cut])
    with pytest.raises(AudioError, match=f"at least {cut} bytes are missing at its end"):
        check(tmp_path / "a.wav")


def chunk(name: bytes, content: bytes) -> bytes:
    """A RIFF chunk: name, length, content padded to an even length."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


@pytest.mark.parametrize(("length", "truncated"), [(10, False), (11, True), (0, False), (0xFFFFFFFF, False)])
def test_wav_chunks_before_the_data_are_skipped(tmp_path: Path, length: int, truncated: bool) -> None:
    """10 bytes of data behind a chunk of odd length; 0 and 0xFFFFFFFF are the lengths of streamed files."""
    body = b"WAVE" + chunk(b"fmt ", bytes(16)) + chunk(b"LIST", b"odd") + b"data" + struct.pack("<I", length)
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", 0) + body + bytes(10))
    if truncated:
        with pytest.raises(AudioError, match="at least 1 bytes are missing"):
            check(tmp_path / "a.wav")
    else:
        check(tmp_path / "a.wav")


def test_missing_bytes_of_the_last_ogg_page_are_counted(tmp_path: Path) -> None:
    """RFC 3533: a header of 27 bytes, a table of segment lengths, then the segments."""
    page = b"OggS" + bytes(22) + bytes([2]) + bytes([255, 45]) + bytes(300)
    (tmp_path / "whole.ogg").write_bytes(page)
    check(tmp_path / "whole.ogg")
    for cut, missing in ((1, 1), (120, 120), (301, 1)):  # without its table the length of a page is unknown
        (tmp_path / "cut.ogg").write_bytes(page + page[:-cut])
        with pytest.raises(AudioError, match=f"at least {missing} bytes are missing"):
            check(tmp_path / "cut.ogg")


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "CAF", "AU", "NIST"])
def test_cut_files_of_other_uncompressed_formats_are_refused(tmp_path: Path, kind: str) -> None:
    """Their 32,000 bytes of samples are at the end of the file; a part of them is missing."""
    soundfile.write(tmp_path / "a", NOISE, 16000, format=kind, subtype="PCM_16")
    assert len(read_audio(tmp_path / "a")) == 16000
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[: len(data) - 12000])
    for read in (read_header, read_audio):
        with pytest.raises(AudioError, match="is truncated: at least 12000 bytes are missing"):
            read(tmp_path / "a")
