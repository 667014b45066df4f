"""Channels that cancel are refused, dead ones are reported, and others are averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.channels import dead_channels, to_mono
from soritune.audio.waveform import read_audio
from soritune.corpus.checks import check_manifest
from soritune.corpus.manifest import write_manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError

RNG = np.random.default_rng(0)
SPEECH, OTHER = (0.1 * RNG.standard_normal((2, 16000))).astype(np.float32)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1).astype(np.float32)


def test_case_of_antiphase_channels(shared_cases: Path, tmp_path: Path) -> None:
    """`check` puts it into quarantine, and with a channel it is read."""
    folder = shared_cases / "A04_antiphase_stereo"
    with pytest.raises(AudioError, match="2 channels that cancel each other in their mean; set channel"):
        read_audio(folder / "antiphase.wav")
    left, right = (read_audio(folder / "antiphase.wav", channel=channel) for channel in (0, 1))
    assert left == pytest.approx(-right, abs=2 / 32768)
    manifest = prepare("csv", folder / "list.csv", {}, tmp_path).manifest
    result = check_manifest(manifest)
    assert [row.kind for row in result.quarantined] == ["channels-cancel"]
    manifest = prepare("csv", folder / "list.csv", {"constants": {"channel": 0}}, tmp_path).manifest
    assert len(check_manifest(manifest).clean) == 1


@pytest.mark.parametrize("gain", [1.0, 0.9, 1.2, 0.7])
@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_inverted_channel_is_refused_also_with_another_gain_noise_or_offset(
    gain: float, noise: float, offset: float
) -> None:
    with pytest.raises(AudioError, match="cancel each other") as caught:
        to_mono(stereo(SPEECH, -gain * SPEECH + noise * OTHER + offset), "a.wav")
    assert caught.value.kind == "channels-cancel"


@pytest.mark.parametrize(
    "samples",
    [
        stereo(SPEECH, SPEECH),
        stereo(SPEECH, OTHER),
        stereo(SPEECH, 0 * SPEECH),
        stereo(SPEECH, np.roll(SPEECH, 7)),
        stereo(SPEECH, -0.2 * SPEECH),
        stereo(0 * SPEECH, 0 * SPEECH),
        stereo(0 * SPEECH + 0.5, 0 * SPEECH - 0.5),
        np.stack([SPEECH, *[0 * SPEECH] * 7], axis=1),
        (0.1 * RNG.standard_normal((16000, 16))).astype(np.float32),
    ],
    ids=["equal", "independent", "dead", "delayed", "weakly inverted", "silent", "offsets", "one of 8", "16"],
)
def test_other_channels_are_averaged(samples: np.ndarray) -> None:
    assert to_mono(samples, "a.wav") == pytest.approx(samples.mean(axis=1), abs=1e-6)


def test_channels_without_signal_are_found() -> None:
    assert dead_channels(stereo(SPEECH, 0 * SPEECH)) == [1]
    assert dead_channels(stereo(1e-4 * OTHER + 0.2, SPEECH)) == [0]
    assert dead_channels(stereo(SPEECH, 0.05 * OTHER)) == []
    assert dead_channels(stereo(0 * SPEECH, 0 * SPEECH)) == []
    assert dead_channels(SPEECH) == dead_channels(SPEECH[:, None]) == []


def test_check_notes_dead_channels_unless_the_channel_is_set(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", stereo(SPEECH, 0 * SPEECH), 16000)
    for channel, notes in ((None, [1]), (0, [])):
        row = Utterance(id="a", audio="a.wav", duration_s=1.0, channel=channel)
        result = check_manifest(write_manifest(tmp_path / "m.parquet", [row], root=tmp_path))
        assert len(result.clean) == 1
        assert list(result.notes.values()) == notes
        assert all("set channel" in remark for remark in result.notes)


def test_only_what_is_taken_must_be_finite() -> None:
    samples = np.full((4, 3), 0.5, dtype=np.float32)
    samples[1:3, 1] = np.nan, np.inf
    samples[2, 2] = -np.inf
    assert to_mono(samples, "a.wav", 0).tolist() == [0.5] * 4
    for channel, count in ((1, 2), (2, 1), (None, 2)):
        with pytest.raises(AudioError, match=f"holds {count} samples that are NaN or infinite"):
            to_mono(samples, "a.wav", channel)
