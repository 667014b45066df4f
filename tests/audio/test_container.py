"""Audio is recognised by its first bytes; headerless samples, pointers, text and archives are not audio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from soritune.audio.container import Content, inspect
from soritune.audio.waveform import read_audio, read_header
from soritune.errors import AudioError

TONE = (0.4 * np.sin(np.arange(16000) * 0.17)).astype(np.float32)
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1234\n"


def test_every_format_that_libsndfile_writes_is_recognised(tmp_path: Path) -> None:
    """Whatever its suffix says; RAW is the format without a header."""
    seen = set()
    for kind in set(soundfile.available_formats()) - {"RAW", "SD2", "SDS", "MPC2K", "HTK", "MAT4"}:
        file = tmp_path / "a.bin"
        try:
            soundfile.write(file, TONE, 16000, format=kind)
        except soundfile.SoundFileError:
            continue
        assert inspect(file).content is (Content.MPEG if kind == "MP3" else Content.WITH_HEADER), kind
        seen.add(kind)
    assert seen >= {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3", "NIST", "VOC"}


def test_formats_of_pyav_are_recognised(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    for kind, codec, content in (
        ("webm", "libopus", Content.WITH_HEADER),
        ("mp4", "aac", Content.WITH_HEADER),
        ("matroska", "aac", Content.WITH_HEADER),
        ("adts", "aac", Content.MPEG),
    ):
        file = tmp_path / "a.bin"
        with av.open(str(file), "w", format=kind) as output:
            stream = output.add_stream(codec, rate=48000, layout="mono")
            frame = av.AudioFrame.from_ndarray(TONE[None, :], format="fltp", layout="mono")
            frame.sample_rate = 48000
            resampler = av.AudioResampler(
                stream.format, "mono", 48000, frame_size=stream.codec_context.frame_size
            )
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
        assert inspect(file).content is content, kind


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ""])
def test_mpeg_frames_without_a_tag_are_audio_whatever_the_suffix(tmp_path: Path, suffix: str) -> None:
    soundfile.write(tmp_path / "a.mp3", TONE, 16000)
    data = (tmp_path / "a.mp3").read_bytes()
    file = tmp_path / f"b{suffix}"
    for content in (data, b"\0" * 100 + data, data + b"TAG" + bytes(125)):
        file.write_bytes(content)
        assert inspect(file).content is Content.MPEG


def test_mp3_cut_from_a_stream_begins_in_the_middle_of_a_frame(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", TONE, 16000)
    (tmp_path / "b.mp3").write_bytes((tmp_path / "a.mp3").read_bytes()[333:])
    assert inspect(tmp_path / "b.mp3").content is Content.MPEG


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(["a.pcm", "a.raw", "a.wav", "a.mp3", "a"]))
def test_samples_with_planted_frame_headers_are_never_audio(
    tmp_path_factory: pytest.TempPathFactory, seed: int, name: str
) -> None:
    """The bytes FF FB, FF F3 or FF FD at the start and anywhere else are what decoders take for MPEG frames."""
    rng = np.random.default_rng(seed)
    data = bytearray(rng.normal(0, 800, 16000).astype("<i2").tobytes())
    for at in (0, *rng.integers(0, 30000, 20)):
        data[at : at + 4] = bytes([0xFF, rng.choice([0xFB, 0xF3, 0xFD, 0xF1]), *rng.integers(0, 256, 2)])
    file = tmp_path_factory.mktemp("samples") / name
    file.write_bytes(data)
    for read in (read_header, read_audio):
        with pytest.raises(AudioError, match="headerless PCM"):
            read(file)


def test_case_of_a_git_lfs_pointer(shared_cases: Path) -> None:
    for read in (read_header, read_audio):
        with pytest.raises(AudioError, match="is a Git LFS pointer, not audio; run: git lfs pull"):
            read(shared_cases / "A06_lfs_pointer" / "clip.flac")


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.mp3", "a.m4a", "a.pcm", "a"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LFS, "Git LFS pointer"),
        (b"/annex/objects/MD5E-s1234--0.wav\n", "git-annex pointer"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "not audio, but a web page"),
        ('{"error": "없음"}'.encode(), "not audio, but text"),
        (("가" * 40000).encode(), "not audio, but text"),
        (b"PK\x03\x04" + bytes(range(256)), "not audio, but a zip archive"),
        (b"\x1f\x8b\x08\0" + bytes(range(256)), "not audio, but a gzip archive"),
    ],
)
def test_what_is_not_audio_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (read_header, read_audio):
        with pytest.raises(AudioError, match=reason):
            read(tmp_path / name)


def test_pointer_is_refused_although_a_format_is_given(tmp_path: Path) -> None:
    (tmp_path / "a.pcm").write_bytes(LFS)
    with pytest.raises(AudioError, match="Git LFS pointer"):
        read_audio(tmp_path / "a.pcm", pcm="s16le:16000")


def test_all_recordings_of_the_shared_data_are_recognised(shared_data: Path) -> None:
    files = [file for file in shared_data.rglob("*") if file.suffix in (".wav", ".flac", ".mp3", ".ogg")]
    assert files
    assert {inspect(file).content for file in files} <= {Content.WITH_HEADER, Content.MPEG}


def test_format_of_headerless_files_does_not_apply_to_files_of_another_kind(tmp_path: Path) -> None:
    """A setting for a folder of PCM must not turn its MP3 files, or its texts, into noise."""
    soundfile.write(tmp_path / "a.mp3", 0.1 * np.sin(np.arange(16000) * 0.1), 16000)
    assert np.array_equal(read_audio(tmp_path / "a.mp3", pcm="s16le:16000"), read_audio(tmp_path / "a.mp3"))
    (tmp_path / "a.pcm").write_text("안녕하세요\n" * 100, encoding="utf-8")
    with pytest.raises(AudioError, match="is not audio, but text"):
        read_audio(tmp_path / "a.pcm", pcm="s16le:16000")


def test_a_header_is_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libsndfile opens the file itself, without Python."""
    opened: list[Path] = []
    path_open = Path.open

    def counted(self: Path, *args: Any, **options: Any) -> Any:
        opened.append(self)
        return path_open(self, *args, **options)

    monkeypatch.setattr(Path, "open", counted)
    for kind in ("WAV", "FLAC", "OGG", "AIFF", "MP3"):
        soundfile.write(tmp_path / kind, np.zeros(16000), 16000, format=kind)
        opened.clear()
        assert read_header(tmp_path / kind).num_frames == 16000
        read_audio(tmp_path / kind)
        assert opened == [tmp_path / kind] * 2
