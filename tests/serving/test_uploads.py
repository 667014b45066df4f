from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from soritune.audio.preprocessing import Preprocessing
from soritune.serving.faults import RequestError
from soritune.serving.uploads import Upload, clip_of, int16_samples


def encoded(seconds: float, rate: int, channels: int, format: str) -> bytes:
    """Silence as a file."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros((round(seconds * rate), channels), np.int16), rate, format=format)
    return file.getvalue()


def webm(seconds: int, *, is_seekable: bool) -> bytes:
    """Opus in WebM; into a pipe, as a browser records it, the container states no length."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        seek = None  # type: ignore[assignment]

    file = io.BytesIO() if is_seekable else Pipe()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        for _ in range(50 * seconds):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def test_bytes_are_read_as_the_file_with_them(clip: Path) -> None:
    reading = Preprocessing()
    with clip_of(Upload(clip.read_bytes()), 60) as upload:
        assert upload.path is not None
        samples = reading.load(upload.path)
        assert upload.duration_s == pytest.approx(2.0)
    assert np.array_equal(samples, reading.load(clip))


def test_samples_are_read_as_the_file_with_them(clip: Path) -> None:
    samples, rate = soundfile.read(clip, dtype="int16")
    with clip_of(Upload(samples=(int16_samples(samples.astype("<i2").tobytes()), rate)), 60) as upload:
        assert upload.samples is not None
        assert np.array_equal(Preprocessing().apply(*upload.samples), Preprocessing().load(clip))


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="files in memory are of Linux")
def test_upload_is_never_a_file_on_a_disk_and_ends_with_the_request(clip: Path) -> None:
    with clip_of(Upload(clip.read_bytes()), 60) as upload:
        assert upload.path is not None
        assert str(upload.path).startswith("/proc/self/fd/")
        assert os.readlink(upload.path).startswith("/memfd:")
        descriptor = int(upload.path.name)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def refused(data: bytes, max_seconds: float) -> RequestError:
    with pytest.raises(RequestError) as caught, clip_of(Upload(data), max_seconds):
        pass
    return caught.value


def test_small_file_of_hours_is_refused_by_its_header() -> None:
    bomb = encoded(3600, 8_000, 1, "FLAC")
    assert len(bomb) < 200_000
    assert (refused(bomb, 600).status, refused(bomb, 600).code) == (413, "audio-too-long")


def test_small_file_with_many_channels_at_a_high_rate_is_refused() -> None:
    """8 channels at 192 kHz are 1,536,000 samples × channels a second."""
    assert refused(encoded(5, 192_000, 8, "FLAC"), 10).code == "audio-too-long"


@pytest.mark.parametrize("is_seekable", [True, False])
def test_container_is_refused_when_more_is_decoded_than_is_allowed(is_seekable: bool) -> None:
    """Without a stated length only decoding shows it; a limit of 1 s is 192,000 samples."""
    assert refused(webm(6, is_seekable=is_seekable), 1).code == "audio-too-long"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"\0" * 1000,
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"<html></html>",
        b"OggS" * 300,
        b"fLaC" + b"\xff" * 64,
    ],
)
def test_what_is_not_audio_is_one_sentence_without_a_path(data: bytes) -> None:
    error = refused(data, 60)
    assert error.status == 422
    assert "/proc" not in error.message


@pytest.mark.parametrize("tail", [b"", b"\n#\0\xff\xfe" * 300], ids=["text", "with bytes"])
@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://{address}/a.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{file}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile 'http://{address}/a.wav'\n",
        "ffconcat version 1.0\nfile '{file}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    ],
    ids=["hls url", "hls file", "concat url", "concat file", "rtp"],
)
def test_playlist_opens_neither_its_files_nor_its_addresses(playlist: str, tail: bytes, clip: Path) -> None:
    """FFmpeg follows such files; the recording at the other end is a good one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        error = refused(playlist.format(address=address, file=clip).encode() + tail, 60)
        assert (error.status, error.code) == (422, "audio-format" if not tail else error.code)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_truncated_upload_is_refused(clip: Path) -> None:
    data = clip.read_bytes()
    assert refused(data[: len(data) // 2], 60).code == "audio-truncated"
