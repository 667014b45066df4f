"""Files that libsndfile does not read are decoded by PyAV, or the error names the extra."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from soritune.audio.pyav import MOST_VALUES, TOO_LONG, decode_all, read_stream_info
from soritune.audio.waveform import read_audio, read_header
from soritune.errors import AudioError


def tone(seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * 16000)) / 16000)).astype(np.float32)


def loudest_hz(waveform: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum) * 16000 / len(waveform))


def test_m4a_is_read_with_the_length_and_the_pitch_of_its_tone(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(tone(2.0)[None, :], format="fltp", layout="mono")
        frame.sample_rate = 16000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    waveform = read_audio(tmp_path / "a.m4a")
    assert len(waveform) == pytest.approx(32000, abs=2100)  # AAC pads with frames of 1024
    assert loudest_hz(waveform) == pytest.approx(440, abs=2)
    assert read_header(tmp_path / "a.m4a").duration_s == pytest.approx(2.0, abs=0.13)
    assert len(read_audio(tmp_path / "a.m4a", start_s=0.5, duration_s=1.0)) == 16000


def test_error_names_the_extra_if_pyav_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + b"\0" * 400)
    with pytest.raises(AudioError, match=r"soritune\[audio\]"):
        read_audio(tmp_path / "a.m4a")


def test_wav_is_decoded_to_the_samples_written(tmp_path: Path) -> None:
    """PyAV reads the formats of libsndfile too, so that a WAV file gives known samples and channels."""
    pytest.importorskip("av")
    soundfile = pytest.importorskip("soundfile")
    stereo = np.stack([tone(1.0), 0.5 * tone(1.0)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 16000, subtype="FLOAT")
    samples, rate = decode_all(tmp_path / "a.wav", ValueError())
    assert rate == 16000 and np.array_equal(samples, stereo)
    assert read_stream_info(tmp_path / "a.wav", ValueError()) == (16000, 2, 1.0, "pcm_f32le")


def test_text_is_not_audio_and_keeps_no_open_file(tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "a.m4a").write_text("no audio " * 100, encoding="utf-8")
    for read in (decode_all, read_stream_info):
        with pytest.raises(AudioError, match="is not audio, or is damaged"):
            read(tmp_path / "a.m4a", ValueError())


def test_cut_webm_is_truncated(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.webm"), "w") as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.tile(tone(3.0), 3)[None, :], format="flt", layout="mono")
        frame.sample_rate = 48000
        size = stream.codec_context.frame_size
        resampler = av.AudioResampler(stream.format, "mono", 48000, frame_size=size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    assert len(read_audio(tmp_path / "a.webm")) == pytest.approx(48000, abs=400)
    content = (tmp_path / "a.webm").read_bytes()
    (tmp_path / "b.webm").write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"is truncated: 1\.\d+ of 3\.\d+ s can be decoded"):
        read_audio(tmp_path / "b.webm")


def test_decoding_stops_at_the_most_values_that_are_allowed(tmp_path: Path) -> None:
    pytest.importorskip("av")
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.wav", np.stack([tone(1.0), tone(1.0)], axis=1), 16000)
    for most, is_refused in ((32_000, False), (31_999, True)):
        limit = MOST_VALUES.set(most)
        try:
            if is_refused:
                with pytest.raises(AudioError) as caught:
                    decode_all(tmp_path / "a.wav", ValueError())
                assert caught.value.kind == TOO_LONG
            else:
                assert decode_all(tmp_path / "a.wav", ValueError())[0].shape == (16_000, 2)
        finally:
            MOST_VALUES.reset(limit)
