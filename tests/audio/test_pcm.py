"""Headerless PCM is read as the given format, and never guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.pcm import PcmFormat
from soritune.audio.waveform import read_audio, read_header
from soritune.corpus.checks import check_manifest
from soritune.corpus.prepare import prepare
from soritune.errors import AudioError, ManifestError

RAMP = np.linspace(-0.5, 0.5, 16000).astype(np.float32)


@pytest.mark.parametrize("name", ["synthetic_accepted.pcm", "synthetic_header_accepted.pcm"])
def test_case_that_decoders_take_for_audio_is_refused_and_read_as_stated(
    shared_cases: Path, name: str
) -> None:
    file = shared_cases / "A02_headerless_pcm" / name
    for read in (read_header, read_audio):
        with pytest.raises(AudioError, match="headerless PCM: no header states its sample rate and width"):
            read(file)
    samples = np.frombuffer(file.read_bytes(), "<i2") / 32768
    assert np.array_equal(read_audio(file, pcm="s16le:16000"), samples.astype(np.float32))


@pytest.mark.parametrize(
    ("encoding", "dtype", "scale", "offset"),
    [
        ("s16le", "<i2", 32767, 0),
        ("s16be", ">i2", 32767, 0),
        ("u8", "u1", 127, 128),
        ("s8", "i1", 127, 0),
        ("s32le", "<i4", 2147483000, 0),
        ("f32le", "<f4", 1, 0),
        ("f32be", ">f4", 1, 0),
        ("f64le", "<f8", 1, 0),
    ],
)
def test_bytes_of_every_encoding_are_read(
    tmp_path: Path, encoding: str, dtype: str, scale: float, offset: float
) -> None:
    (tmp_path / "a.raw").write_bytes((RAMP * scale + offset).astype(dtype).tobytes())
    pcm = f"{encoding}:16000"
    header = read_header(tmp_path / "a.raw", pcm=pcm)
    assert (header.num_frames, header.sample_rate_hz, header.num_channels) == (16000, 16000, 1)
    tolerance = 0.02 if dtype.endswith("1") else 1e-4
    assert np.abs(read_audio(tmp_path / "a.raw", pcm=pcm) - RAMP).max() < tolerance


@pytest.mark.parametrize(("encoding", "subtype"), [("mulaw", "ULAW"), ("alaw", "ALAW"), ("s24le", "PCM_24")])
def test_bytes_of_a_wav_file_without_its_header_give_the_same_samples(
    tmp_path: Path, encoding: str, subtype: str
) -> None:
    stereo = np.stack([RAMP, -RAMP / 2], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 8000, subtype=subtype)
    data = (tmp_path / "a.wav").read_bytes()
    start = data.index(b"data") + 8
    (tmp_path / "a.pcm").write_bytes(data[start : start + 2 * 16000 * (3 if encoding == "s24le" else 1)])
    for channel in (0, 1):
        expected = read_audio(tmp_path / "a.wav", channel=channel, sample_rate_hz=None)
        read = read_audio(
            tmp_path / "a.pcm", channel=channel, sample_rate_hz=None, pcm=f"{encoding}:8000:2", duration_s=2.0
        )
        assert np.array_equal(read, expected)


def test_half_a_sample_at_the_end_is_ignored(tmp_path: Path) -> None:
    """Some files of KsponSpeech have an odd number of bytes."""
    (tmp_path / "a.pcm").write_bytes(np.arange(1600, dtype="<i2").tobytes() + b"\x01")
    assert len(read_audio(tmp_path / "a.pcm", pcm="s16le:16000")) == 1600


def test_header_of_a_file_wins_over_the_given_format(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.pcm", RAMP, 8000, format="WAV")
    assert read_header(tmp_path / "a.pcm", pcm="s16le:16000").sample_rate_hz == 8000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("16000", "must be ENCODING:RATE"),
        ("s16:16000", "unknown encoding 's16'; known: s8, u8, s16le"),
        ("s16le:16", "rate 16; it is in Hz"),
        ("s16le:16000:0", "has 0 channels"),
    ],
)
def test_unusable_format_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PcmFormat.parse(text)
    (tmp_path / "a.csv").write_text("audio\na.pcm\n")
    with pytest.raises(ManifestError, match=f"pcm: .*{reason}"):
        prepare("csv", tmp_path / "a.csv", {"pcm": text}, tmp_path / "out")


def test_corpus_of_headerless_files_is_prepared_and_checked_with_the_setting(tmp_path: Path) -> None:
    """2.0 s and 0.5 s of 16-bit samples; the format travels with the rows."""
    rng = np.random.default_rng(0)
    for name, count in (("a.pcm", 32000), ("b.PCM", 8000)):
        (tmp_path / name).write_bytes(rng.integers(-9000, 9000, count, dtype="<i2").tobytes())
    (tmp_path / "list.csv").write_text("audio,speaker\na.pcm,x\nb.PCM,y\n")
    prepared = prepare("csv", tmp_path / "list.csv", {"pcm": "s16le:16000"}, tmp_path / "out")
    rows = list(prepared.manifest)
    assert [(row.duration_s, row.sample_rate_hz, row.pcm) for row in rows] == [
        (2.0, 16000, "s16le:16000"),
        (0.5, 16000, "s16le:16000"),
    ]
    assert len(check_manifest(prepared.manifest).clean) == 2
    with pytest.raises(ManifestError, match="2 rejected; such as .* headerless PCM.*pcm=s16le:16000"):
        prepare("csv", tmp_path / "list.csv", {}, tmp_path / "out2")


def test_rows_with_a_header_are_left_unchanged_by_the_setting(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", RAMP, 16000)
    (tmp_path / "list.csv").write_text("audio\na.wav\n")
    with_setting = prepare("csv", tmp_path / "list.csv", {"pcm": "s16le:8000"}, tmp_path / "out")
    without = prepare("csv", tmp_path / "list.csv", {}, tmp_path / "out2")
    assert with_setting.manifest.hash == without.manifest.hash
