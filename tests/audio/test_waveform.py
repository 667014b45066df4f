"""Reading audio files of every kind, and the errors for those that are missing, damaged or not audio."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from soritune.audio.waveform import read_audio, read_header, to_mono, write_audio
from soritune.errors import AudioError, MissingAudioError, OutputError


def tone(seconds: float = 1.0, rate: int = 16000, hz: float = 440.0, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def loudest_hz(waveform: np.ndarray, rate: int = 16000) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum) * rate / len(waveform))


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [
        ("PCM_U8", 0.01),
        ("PCM_16", 1e-4),
        ("PCM_24", 1e-6),
        ("PCM_32", 1e-6),
        ("FLOAT", 1e-7),
        ("DOUBLE", 1e-7),
    ],
)
def test_sample_formats_give_the_same_samples(tmp_path: Path, subtype: str, tolerance: float) -> None:
    soundfile.write(tmp_path / "a.wav", tone(), 16000, subtype=subtype)
    assert np.abs(read_audio(tmp_path / "a.wav") - tone()).max() < tolerance


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 192000])
def test_every_rate_is_resampled_to_16_khz_at_the_same_pitch(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0, rate), rate)
    waveform = read_audio(tmp_path / "a.wav")
    assert waveform.dtype == np.float32
    assert abs(len(waveform) - 16000) <= 2
    assert loudest_hz(waveform) == pytest.approx(440, abs=2)
    assert np.abs(waveform[2000:-2000]).max() == pytest.approx(0.5, abs=0.01)


def test_six_channels_are_averaged_or_one_is_taken(tmp_path: Path) -> None:
    six = np.stack([np.full(1600, level, np.float32) for level in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)], axis=1)
    soundfile.write(tmp_path / "six.wav", six, 16000, subtype="FLOAT")
    assert read_header(tmp_path / "six.wav").num_channels == 6
    assert read_audio(tmp_path / "six.wav") == pytest.approx(np.full(1600, 0.25), abs=1e-6)
    assert read_audio(tmp_path / "six.wav", channel=5) == pytest.approx(np.full(1600, 0.5))
    with pytest.raises(AudioError, match="has 6 channels, so channel 6"):
        read_audio(tmp_path / "six.wav", channel=6)


def test_format_is_detected_from_the_content(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", tone(), 16000, format="MP3")
    (tmp_path / "a.mp3").rename(tmp_path / "really_mp3.wav")
    soundfile.write(tmp_path / "b.flac", tone(), 16000)
    (tmp_path / "b.flac").rename(tmp_path / "really_flac.mp3")
    assert loudest_hz(read_audio(tmp_path / "really_mp3.wav")) == pytest.approx(440, abs=2)
    assert np.abs(read_audio(tmp_path / "really_flac.mp3") - tone()).max() < 1e-4


def test_paths_with_hangul_spaces_and_capitals_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "말뭉치 하나" / "화자 #1"
    folder.mkdir(parents=True)
    soundfile.write(folder / "첫 번째 문장.WAV", tone(), 16000, format="WAV")
    assert len(read_audio(folder / "첫 번째 문장.WAV")) == 16000
    assert read_header(folder / "첫 번째 문장.WAV").duration_s == 1.0


def test_missing_file_is_an_error_of_its_own_class(tmp_path: Path) -> None:
    """Callers distinguish it by class, also after a loader worker has sent it through pickle."""
    for read in (read_header, read_audio):
        with pytest.raises(MissingAudioError) as caught:
            read(tmp_path / "gone.wav")
        received = pickle.loads(pickle.dumps(caught.value))
        assert type(received) is MissingAudioError
        assert (received.path, received.reason) == (tmp_path / "gone.wav", "does not exist")


def test_missing_empty_and_non_audio_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("안녕하세요, this is not audio\n" * 50, encoding="utf-8")
    soundfile.write(tmp_path / "none.wav", np.empty(0, np.float32), 16000)
    for read in (read_header, read_audio):
        for name, reason in [
            ("gone.wav", "does not exist"),
            ("empty.wav", "is empty"),
            ("text.wav", "is not audio"),
            ("none.wav", "holds no samples"),
            (".", "is not a file"),
        ]:
            with pytest.raises(AudioError, match=reason) as caught:
                read(tmp_path / name)
            assert caught.value.path == tmp_path / name


@pytest.mark.parametrize(
    ("name", "kind"), [("a.wav", "WAV"), ("a.flac", "FLAC"), ("a.mp3", "MP3"), ("a.ogg", "OGG")]
)
def test_truncated_files_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(48000)).astype(np.float32)
    soundfile.write(tmp_path / name, noise, 16000, format=kind)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match="truncated|damaged|libsndfile"):
        read_audio(tmp_path / name)


def test_wav_streamed_without_a_length_is_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(), 16000)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    start = data.index(b"data")
    data[start + 4 : start + 8] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(data)
    assert len(read_audio(tmp_path / "a.wav")) == 16000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_samples_are_refused(tmp_path: Path, bad: float) -> None:
    waveform = tone()
    waveform[[3, 700]] = bad
    soundfile.write(tmp_path / "a.wav", waveform, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="2 samples that are NaN or infinite"):
        read_audio(tmp_path / "a.wav")


def test_part_of_a_file_is_read_and_checked_against_its_length(tmp_path: Path) -> None:
    ramp = np.linspace(0, 0.5, 32000, dtype=np.float32)
    soundfile.write(tmp_path / "a.flac", ramp, 16000, subtype="PCM_24")
    part = read_audio(tmp_path / "a.flac", start_s=0.5, duration_s=0.25)
    assert part == pytest.approx(ramp[8000:12000], abs=1e-5)
    assert len(read_audio(tmp_path / "a.flac", at_most_s=0.5)) == 8000
    assert len(read_audio(tmp_path / "a.flac", at_most_s=5.0)) == 32000
    assert len(read_audio(tmp_path / "a.flac", start_s=1.5, duration_s=0.55)) == 8000  # a rounded-up length
    with pytest.raises(AudioError, match=r"lasts 2\.000 s, but the utterance ends at 2\.500 s"):
        read_audio(tmp_path / "a.flac", start_s=1.5, duration_s=1.0)
    with pytest.raises(AudioError, match=r"lasts 2\.000 s, but the utterance begins at 2\.500 s"):
        read_audio(tmp_path / "a.flac", start_s=2.5)


def test_writing_clips_at_full_scale_and_leaves_only_the_file(tmp_path: Path) -> None:
    write_audio(tmp_path / "sub" / "a.flac", np.array([2.0, -2.0, 0.5], np.float32), 16000)
    assert read_audio(tmp_path / "sub" / "a.flac") == pytest.approx([1.0, -1.0, 0.5], abs=1e-4)
    assert [file.name for file in (tmp_path / "sub").iterdir()] == ["a.flac"]
    with pytest.raises(OutputError, match="use .wav or .flac"):
        write_audio(tmp_path / "a.xyz", tone(), 16000)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_audio(tmp_path / "file" / "a.wav", tone(), 16000)


def test_to_mono_returns_samples_of_one_axis_unchanged() -> None:
    assert to_mono(np.array([1, 2], np.int16), "x").tolist() == [1.0, 2.0]


@settings(max_examples=40, deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3\x03"])
)
def test_any_bytes_give_samples_or_an_audio_error(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, head: bytes
) -> None:
    file = tmp_path_factory.mktemp("bytes") / "a.wav"
    file.write_bytes(head + tail)
    try:
        samples = read_audio(file)
    except AudioError as error:
        reason = error.reason
    else:
        reason = "samples"
        assert len(samples) and np.isfinite(samples).all()
    assert reason and "\n" not in reason


def test_name_with_nul_and_samples_are_not_paths() -> None:
    with pytest.raises(AudioError, match="the character NUL"):
        read_header("a\0b.wav")
    with pytest.raises(AudioError, match="must be a path, not a tuple; `Preprocessing.apply` takes samples"):
        read_audio((tone(), 16000))  # type: ignore[arg-type]
