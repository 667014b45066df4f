import base64
import io

import numpy as np
import pytest
import soundfile

from soritune.reports.players import Players


@pytest.fixture
def clip(tmp_path):
    time = np.arange(16000 * 3) / 16000
    # Silence, then a tone: the level shows which stretch was taken.
    soundfile.write(tmp_path / "가.wav", np.where(time < 1.5, 0, 0.5 * np.sin(2 * np.pi * 300 * time)), 16000)
    return tmp_path


def decoded(uri):
    kind, data = uri.split(";base64,")
    assert kind in ("data:audio/mpeg", "data:audio/flac")
    return soundfile.read(io.BytesIO(base64.b64decode(data)))


def test_player_holds_the_whole_clip_or_the_stretch_of_its_row(clip):
    players = Players(clip)
    samples, rate = decoded(players.player({"audio": "가.wav", "duration_s": 3.0}))
    assert len(samples) / rate == pytest.approx(3.0, abs=0.1)
    row = {"audio": "가.wav", "start_s": 1.7, "duration_s": 1.0}
    samples, rate = decoded(players.player(row))
    assert len(samples) / rate == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), abs=0.05)


def test_no_player_without_a_file_or_a_root_or_beyond_the_limit(clip):
    players = Players(clip, limit=1)
    assert players.player({"audio": "gone.wav", "duration_s": 1.0}) is None
    assert players.player({"audio": "가.wav", "duration_s": 3.0}) is not None
    assert players.player({"audio": "가.wav", "duration_s": 3.0}) is None
    assert Players(None).player({"audio": "가.wav", "duration_s": 3.0}) is None
