"""Files whose header was written before their length was known are read to their end."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.container import inspect
from soritune.audio.waveform import read_audio, read_header
from soritune.errors import AudioError

SAMPLES = (np.random.default_rng(0).integers(-9000, 9000, 16000) / 32768).astype(np.float32)


def encoded(kind: str, endian: str = "FILE") -> bytearray:
    buffer = io.BytesIO()
    soundfile.write(buffer, SAMPLES, 16000, format=kind, subtype="PCM_16", endian=endian)
    return bytearray(buffer.getvalue())


def assert_whole(file: Path) -> None:
    assert read_header(file).num_frames == 16000
    assert np.array_equal(read_audio(file), SAMPLES)
    assert np.array_equal(read_audio(file, start_s=0.5, duration_s=0.25), SAMPLES[8000:12000])


def test_case_of_a_wav_file_with_the_length_zero(shared_cases: Path) -> None:
    file = shared_cases / "A01_wav_length_zero" / "stream_zero.wav"
    assert read_header(file).duration_s == 1.0
    expected = np.frombuffer(file.read_bytes()[44:], "<i2") / 32768
    assert np.array_equal(read_audio(file), expected.astype(np.float32))


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("riff", [0, 36, "as data"])
@pytest.mark.parametrize(
    "data",
    [0, 36, 4096, 0x7FFFFFFF, 0x7FFFFFDB, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFDB, 0xFFFFF000],
)
def test_wav_lengths_that_streaming_programs_write(
    tmp_path: Path, data: int, riff: int | str, endian: str
) -> None:
    """Python's wave leaves 36 and 0, sox 0x7FFFFFFF less its header, ffmpeg 0xFFFFFFFF, arecord 0x80000000."""
    content, order = encoded("WAV", endian), ">" if endian == "BIG" else "<"
    start = content.index(b"data")
    content[4:8] = struct.pack(f"{order}I", data if isinstance(riff, str) else riff)
    content[start + 4 : start + 8] = struct.pack(f"{order}I", data)
    (tmp_path / "a.wav").write_bytes(content)
    assert_whole(tmp_path / "a.wav")


@pytest.mark.parametrize("length", [0, (1 << 64) - 1])
def test_rf64_lengths_of_streams(tmp_path: Path, length: int) -> None:
    content = encoded("RF64")
    content[20:36] = struct.pack("<QQ", length, length)
    (tmp_path / "a.wav").write_bytes(content)
    assert_whole(tmp_path / "a.wav")


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_au_lengths_of_streams(tmp_path: Path, length: int) -> None:
    content = encoded("AU")
    content[8:12] = struct.pack(">I", length)
    (tmp_path / "a.au").write_bytes(content)
    assert_whole(tmp_path / "a.au")


def test_flac_without_a_length(tmp_path: Path) -> None:
    """An encoder that writes to a pipe leaves 0 in the lower 36 bits of the second 8 bytes after byte 18."""
    pytest.importorskip("av")
    content = encoded("FLAC")
    content[18:26] = (int.from_bytes(content[18:26], "big") >> 36 << 36).to_bytes(8, "big")
    (tmp_path / "a.flac").write_bytes(content)
    assert_whole(tmp_path / "a.flac")


def test_webm_without_a_length(tmp_path: Path) -> None:
    """A browser records WebM into a stream and states no length."""
    av = pytest.importorskip("av")

    class Pipe(io.RawIOBase):
        content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.content += data
            return len(data)

    pipe = Pipe()
    with av.open(pipe, "w", format="webm", options={"live": "1"}) as output:
        stream = output.add_stream("libopus", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.tile(SAMPLES, 3)[None, :], format="flt", layout="mono")
        frame.sample_rate = 48000
        resampler = av.AudioResampler(
            stream.format, "mono", 48000, frame_size=stream.codec_context.frame_size
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    (tmp_path / "a.webm").write_bytes(pipe.content)
    assert read_header(tmp_path / "a.webm").duration_s == pytest.approx(1.0, abs=0.05)
    assert len(read_audio(tmp_path / "a.webm")) == pytest.approx(16000, abs=400)


def test_wav_files_without_samples_stay_empty(tmp_path: Path) -> None:
    """The length 0 is true if nothing, or a chunk that is not samples, lies behind it."""
    empty = encoded("WAV")[:44]
    empty[40:44] = bytes(4)
    for tail in (b"", b"LIST" + struct.pack("<I", 4) + b"INFO"):
        (tmp_path / "a.wav").write_bytes(empty + tail)
        with pytest.raises(AudioError, match="holds no samples"):
            read_header(tmp_path / "a.wav")


def test_chunks_and_junk_behind_the_samples_are_not_samples(tmp_path: Path) -> None:
    """With a header that agrees with itself, bytes behind the samples are not read."""
    content = encoded("WAV")
    for tail in (b"LIST" + struct.pack("<I", 4) + b"INFO", b"TAG" + bytes(125)):
        (tmp_path / "a.wav").write_bytes(content + tail)
        assert_whole(tmp_path / "a.wav")


def test_lengths_of_a_plain_file_and_of_other_formats(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encoded("WAV"))
    lengths = inspect(tmp_path / "a.wav").samples
    assert lengths is not None
    assert (lengths.start, lengths.stated, lengths.available, lengths.is_streamed) == (
        44,
        32000,
        32000,
        False,
    )
    (tmp_path / "a.flac").write_bytes(encoded("FLAC"))
    assert inspect(tmp_path / "a.flac").samples is None


def test_file_cut_below_three_gibibytes_is_truncated_not_streamed(tmp_path: Path) -> None:
    content = encoded("WAV")
    content[40:44] = struct.pack("<I", 3 << 30)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match="is truncated: at least"):
        read_audio(tmp_path / "a.wav")


def test_wav_header_of_the_first_buffer_only(tmp_path: Path) -> None:
    """A recorder that was stopped leaves lengths that agree with each other, before most of the samples."""
    content = encoded("WAV")
    content[4:8], content[40:44] = struct.pack("<I", 8192 + 36), struct.pack("<I", 8192)
    (tmp_path / "a.wav").write_bytes(content)
    assert_whole(tmp_path / "a.wav")


@pytest.mark.parametrize("tail", [bytes(40000), b"ID3" + b"\x11" * 40000, b"TAG" + b"\x11" * 40000])
def test_long_filler_and_tags_behind_the_samples_are_not_samples(tmp_path: Path, tail: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(encoded("WAV") + tail)
    assert_whole(tmp_path / "a.wav")


@pytest.mark.parametrize("length", [0, 8, 0x7FFFFFFF, 0xFFFFFFFF])
def test_aiff_lengths_of_streams(tmp_path: Path, length: int) -> None:
    """Python's aifc leaves 8, the bytes before the first sample."""
    content = encoded("AIFF")
    at = content.index(b"SSND") + 4
    content[at : at + 4] = struct.pack(">I", length)
    (tmp_path / "a.aiff").write_bytes(content)
    assert_whole(tmp_path / "a.aiff")


@pytest.mark.parametrize("length", [0, 4096, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize(("endian", "order"), [("BIG", ">"), ("LITTLE", "<")])
def test_au_lengths_in_both_byte_orders(tmp_path: Path, length: int, endian: str, order: str) -> None:
    content = encoded("AU", endian)
    content[8:12] = struct.pack(f"{order}I", length)
    (tmp_path / "a.au").write_bytes(content)
    assert_whole(tmp_path / "a.au")
