"""Cuts against one written by hand; its keys are those of cuts that lhotse 1.33.0 writes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tests.corpus.layouts.prepared import tone

from soritune.corpus.exports.lhotse import write
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError


def test_cut_states_its_whole_recording(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav", 3.0)
    row = Utterance(
        id="u",
        audio="a.wav",
        duration_s=1.0,
        start_s=0.5,
        speaker="s",
        text="네",
        age=7.0,
        extra={"mood": "x"},
    )
    write({"train": write_manifest(tmp_path / "m.jsonl", [row], root=tmp_path)}, tmp_path / "out")
    path = str(tmp_path / "a.wav")
    recording = {
        "id": path,
        "sources": [{"type": "file", "channels": [0], "source": path}],
        "sampling_rate": 16000,
        "num_samples": 48000,
        "duration": 3.0,
        "channel_ids": [0],
    }
    said = {
        "id": "u",
        "recording_id": path,
        "start": 0.0,
        "duration": 1.0,
        "channel": 0,
        "text": "네",
        "speaker": "s",
    }
    cut = {"id": "u", "start": 0.5, "duration": 1.0, "channel": 0, "recording": recording, "type": "MonoCut"}
    cut["supervisions"] = [{**said, "custom": {"age": 7.0, "mood": "x"}}]
    written = gzip.decompress((tmp_path / "out" / "cuts_train.jsonl.gz").read_bytes())
    assert [json.loads(line) for line in written.splitlines()] == [cut]


def test_mixed_channels_are_a_multicut(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav", 1.0, channels=2)
    row = Utterance(id="u", audio="a.wav", duration_s=1.0)
    write({None: write_manifest(tmp_path / "m.jsonl", [row], root=tmp_path)}, tmp_path / "out")
    cut = json.loads(gzip.decompress((tmp_path / "out" / "cuts.jsonl.gz").read_bytes()))
    assert (cut["type"], cut["channel"], cut["supervisions"][0]["channel"]) == ("MultiCut", [0, 1], [0, 1])


def test_missing_recording_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    row = Utterance(id="u", audio="a.wav", duration_s=1.0)
    with pytest.raises(ManifestError, match="'u' cannot be written as a cut: "):
        write({None: write_manifest(tmp_path / "m.jsonl", [row], root=tmp_path)}, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
