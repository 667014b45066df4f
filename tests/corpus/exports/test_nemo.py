"""NeMo manifests against lines written by hand from the description in its documentation."""

from __future__ import annotations

import json
from pathlib import Path

from tests.corpus.layouts.prepared import tone

from soritune.corpus.exports.nemo import write
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance


def test_lines_have_the_keys_of_nemo(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav", 2.0)
    rows = [
        Utterance(
            id="1",
            audio="a.wav",
            duration_s=2.0,
            speaker="s",
            text="네",
            language="ko",
            extra={"id": 7, "mood": "x"},
        ),
        Utterance(id="2", audio="a.wav", duration_s=0.5, start_s=1.0, phones=("A", "B")),
    ]
    write({None: write_manifest(tmp_path / "m.jsonl", rows, root=tmp_path)}, tmp_path / "out")
    lines = (tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    path = str(tmp_path / "a.wav")
    first = {
        "audio_filepath": path,
        "duration": 2.0,
        "text": "네",
        "speaker": "s",
        "lang": "ko",
        "id": "1",
        "mood": "x",
    }
    second = {
        "audio_filepath": path,
        "duration": 0.5,
        "offset": 1.0,
        "text": "",
        "id": "2",
        "phones": ["A", "B"],
    }
    assert [json.loads(line) for line in lines] == [first, second]
