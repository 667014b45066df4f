from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.codec import lossy_codec
from soritune.audio.waveform import read_header

SINE = 0.1 * np.sin(np.arange(48_000) / 10)


@pytest.mark.parametrize(
    ("name", "subtype", "codec"),
    [
        ("a.wav", "PCM_16", None),
        ("a.wav", "FLOAT", None),
        ("a.wav", "ULAW", "µ-law"),
        ("a.wav", "MS_ADPCM", "ADPCM"),
        ("a.flac", "PCM_16", None),
        ("a.ogg", "VORBIS", "Vorbis"),
        ("a.ogg", "OPUS", "Opus"),
        ("a.mp3", "MPEG_LAYER_III", "MP3"),
    ],
)
def test_header_states_a_lossy_codec(tmp_path: Path, name: str, subtype: str, codec: str | None) -> None:
    soundfile.write(tmp_path / name, SINE, 48_000, subtype=subtype)
    assert read_header(tmp_path / name).lossy_codec == codec


@pytest.mark.parametrize(("encoder", "codec"), [("aac", "AAC"), ("alac", None)])
def test_codec_decides_and_not_the_container(tmp_path: Path, encoder: str, codec: str | None) -> None:
    """Both are M4A."""
    av = pytest.importorskip("av")
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=48_000, layout="mono")
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=48_000, frame_size=1024)
        frame = av.AudioFrame.from_ndarray(SINE[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for each in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    assert read_header(path).lossy_codec == codec


def test_subtypes_of_libsndfile_that_lose_nothing_are_not_named() -> None:
    for name in soundfile.available_subtypes():
        is_lossless = name.startswith(("PCM", "ALAC", "DWVW")) or name in ("FLOAT", "DOUBLE")
        assert not (is_lossless and lossy_codec(name)), name
