"""Manifests of lhotse. The cuts, recordings and supervisions of the first test were written by lhotse 1.33.0."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.layouts.prepared import read, tone

from soritune.errors import ManifestError

RECORDINGS = """\
{"id": "rec0", "sources": [{"type": "file", "channels": [0], "source": "lh/0.wav"}], "sampling_rate": 16000, \
"num_samples": 48000, "duration": 3.0, "channel_ids": [0]}
{"id": "rec1", "sources": [{"type": "file", "channels": [0], "source": "lh/1.wav"}], "sampling_rate": 16000, \
"num_samples": 48000, "duration": 3.0, "channel_ids": [0]}
"""
SUPERVISIONS = """\
{"id": "rec0-a", "recording_id": "rec0", "start": 0, "duration": 1.5, "channel": 0, "text": "안녕", "language": "ko", \
"speaker": "s0", "gender": "F", "custom": {"age": 7}}
{"id": "rec0-b", "recording_id": "rec0", "start": 1.5, "duration": 1.5, "channel": 0, "text": "하세요", \
"speaker": "s0"}
{"id": "rec1-a", "recording_id": "rec1", "start": 0, "duration": 3, "channel": 0, "text": "네", "speaker": "s1"}
"""
CUTS = """\
{"id": "rec0-0", "start": 0, "duration": 3.0, "channel": 0, "supervisions": [{"id": "rec0-a", "recording_id": "rec0", \
"start": 0, "duration": 1.5, "channel": 0, "text": "안녕", "language": "ko", "speaker": "s0", "gender": "F", \
"custom": {"age": 7}}, {"id": "rec0-b", "recording_id": "rec0", "start": 1.5, "duration": 1.5, "channel": 0, \
"text": "하세요", "speaker": "s0"}], "recording": {"id": "rec0", "sources": [{"type": "file", "channels": [0], \
"source": "lh/0.wav"}], "sampling_rate": 16000, "num_samples": 48000, "duration": 3.0, "channel_ids": [0]}, \
"type": "MonoCut"}
{"id": "rec1-1", "start": 0, "duration": 3.0, "channel": 0, "supervisions": [{"id": "rec1-a", "recording_id": "rec1", \
"start": 0, "duration": 3, "channel": 0, "text": "네", "speaker": "s1"}], "recording": {"id": "rec1", "sources": \
[{"type": "file", "channels": [0], "source": "lh/1.wav"}], "sampling_rate": 16000, "num_samples": 48000, \
"duration": 3.0, "channel_ids": [0]}, "type": "MonoCut"}
"""


def two_recordings(root: Path) -> Path:
    for number in (0, 1):
        tone(root / "lh" / f"{number}.wav", 3.0)
    return root


def recording(name: str, source: str, channels: int = 1, **more: Any) -> dict[str, Any]:
    sources = [{"type": "file", "channels": list(range(channels)), "source": source}]
    facts = {"sampling_rate": 16000, "num_samples": 48000, "duration": 3.0}
    return {"id": name, "sources": sources, **facts, **more}


def cut(name: str, start: float = 0.0, duration: float = 3.0, **more: Any) -> dict[str, Any]:
    base = {
        "id": name,
        "start": start,
        "duration": duration,
        "channel": 0,
        "supervisions": [],
        "type": "MonoCut",
    }
    return {**base, "recording": recording("rec0", "lh/0.wav"), **more}


def write(file: Path, *rows: dict[str, Any]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize("kind", ["cuts", "pairs"])
def test_cuts_and_supervisions_of_lhotse_give_the_same_utterances(kind: str, tmp_path: Path) -> None:
    root = two_recordings(tmp_path / "corpus")
    if kind == "cuts":
        (root / "cuts.jsonl").write_text(CUTS, encoding="utf-8")
    else:
        (root / "ko_recordings_train.jsonl.gz").write_bytes(gzip.compress(RECORDINGS.encode()))
        (root / "ko_supervisions_train.jsonl.gz").write_bytes(gzip.compress(SUPERVISIONS.encode()))
    result = read("lhotse", root, tmp_path / "out")
    a, b = result.rows["rec0-a"], result.rows["rec0-b"]
    assert (a.audio, a.start_s, a.duration_s, a.text, a.speaker) == ("lh/0.wav", 0.0, 1.5, "안녕", "s0")
    assert (a.gender, a.age, a.language, a.channel) == ("f", 7.0, "ko", None)
    assert (b.start_s, b.duration_s, b.text) == (1.5, 1.5, "하세요")
    # The only supervision of a cut has the name of the cut.
    whole = result.rows["rec1-1" if kind == "cuts" else "rec1-a"]
    assert (whole.start_s, whole.duration_s, whole.text) == (None, 3.0, "네")
    assert len(result.rows) == 3 and result.rejected == {}
    assert a.extra.get("split") == (None if kind == "cuts" else "train")


def test_times_of_supervisions_start_at_the_cut(tmp_path: Path) -> None:
    root = two_recordings(tmp_path)
    said = {"id": "x", "recording_id": "rec0", "start": -0.5, "duration": 1.0, "text": "네"}
    late = {"id": "y", "recording_id": "rec0", "start": 0.5, "duration": 9.0, "text": "아니요"}
    write(
        root / "cuts.jsonl",
        cut("c", 1.0, 1.5, supervisions=[said, late]),
        cut("d", 0.5, 1.0, custom={"mood": "기쁨"}),
    )
    rows = read("lhotse", root, tmp_path / "out").rows
    assert (rows["x"].start_s, rows["x"].duration_s) == (1.0, 0.5)
    assert (rows["y"].start_s, rows["y"].duration_s) == (1.5, 1.0)
    assert (rows["d"].start_s, rows["d"].text, rows["d"].extra) == (0.5, None, {"mood": "기쁨"})


def test_channels_are_those_of_the_file(tmp_path: Path) -> None:
    tone(tmp_path / "both.wav", 3.0, channels=2)
    tone(tmp_path / "left.wav", 3.0)
    tone(tmp_path / "right.wav", 3.0)
    stereo = recording("r", "both.wav", 2)
    split = recording("r", "left.wav")
    split["sources"] = [
        {"type": "file", "channels": [0], "source": "left.wav"},
        {"type": "file", "channels": [1], "source": "right.wav"},
    ]
    write(
        tmp_path / "cuts.jsonl",
        cut("a", channel=1, recording=stereo),
        cut("b", channel=1, recording=split),
        cut("c", channel=[0, 1], recording=stereo, type="MultiCut"),
        cut("d", channel=[0, 1], recording=split, type="MultiCut"),
    )
    result = read("lhotse", tmp_path, tmp_path / "out")
    assert (result.rows["a"].audio, result.rows["a"].channel) == ("both.wav", 1)
    assert (result.rows["b"].audio, result.rows["b"].channel) == ("right.wav", None)
    assert (result.rows["c"].audio, result.rows["c"].channel) == ("both.wav", None)
    assert result.rejected["d"][0] == "audio-sources" and "2 sources" in result.rejected["d"][1]


def test_audio_that_is_not_as_recorded_is_rejected(tmp_path: Path) -> None:
    root = two_recordings(tmp_path)
    command = recording("r", "ignored")
    command["sources"][0] |= {"type": "command", "source": f"touch {tmp_path}/ran"}
    speed = recording("r", "lh/0.wav", transforms=[{"name": "Speed", "kwargs": {"factor": 1.1}}])
    features = cut("features")
    del features["recording"]
    write(
        root / "cuts.jsonl",
        cut("good"),
        cut("mixed", type="MixedCut", tracks=[]),
        cut("command", recording=command),
        cut("speed", recording=speed),
        features,
        cut("times", duration="long"),
        cut("missing", recording=recording("r", "lh/9.wav")),
        cut("late", start=2.0, duration=5.0),
    )
    result = read("lhotse", root, tmp_path / "out")
    assert set(result.rows) == {"good"} and not (tmp_path / "ran").exists()
    kinds = {name: kind for name, (kind, _) in result.rejected.items()}
    assert kinds == {
        "mixed": "cut-changed",
        "command": "audio-command",
        "speed": "cut-changed",
        "features": "cut-changed",
        "times": "field-type:duration_s",
        "missing": "audio-missing",
        "late": "stretch-ends-late",
    }
    assert result.rejected["mixed"][1].startswith("cuts.jsonl line 2: is a MixedCut")
    assert "commands are never run" in result.rejected["command"][1]


def test_recordings_without_supervisions_are_refused_or_counted(tmp_path: Path) -> None:
    root = two_recordings(tmp_path)
    write(root / "recordings.jsonl", recording("rec0", "lh/0.wav"), recording("rec1", "lh/1.wav"))
    with pytest.raises(ManifestError, match="no file of supervisions with the same name"):
        read("lhotse", root, tmp_path / "out")
    said = {"id": "a", "recording_id": "rec0", "start": 0, "duration": 3, "text": "네"}
    write(root / "supervisions.jsonl", said, {**said, "id": "b", "recording_id": "rec7"})
    result = read("lhotse", root, tmp_path / "out")
    assert set(result.rows) == {"a"}
    assert result.rejected["b"] == (
        "recording-missing",
        "supervisions.jsonl line 2: the recording 'rec7' is not in recordings.jsonl",
    )
    assert result.notes["recording in recordings.jsonl without a supervision (not read)"] == 1


def test_folder_without_manifests_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "other.jsonl", {"audio_filepath": "a.wav"})
    with pytest.raises(ManifestError, match="holds no cuts, and no recordings with supervisions"):
        read("lhotse", tmp_path, tmp_path / "out")
