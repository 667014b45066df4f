"""The page of a check: one file, text escaped, recordings to listen to."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soritune.reports.check_page import write_check_page


class Tags(HTMLParser):
    """Open elements, and every attribute that names another file."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.audio = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = dict(attributes)
        if tag not in ("meta", "use", "path"):
            self.open.append(tag)
        self.ids += [names["id"]] if tag == "section" and names.get("id") else []
        self.targets += [str(names[name]) for name in ("src", "href") if names.get(name)]
        self.audio += tag == "audio"

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "use", "path"):
            assert self.open.pop() == tag


def row(name: str, **more: Any) -> dict[str, Any]:
    known = {"start_s": None, "duration_s": 0.5, "channel": None, "pcm": None, "speaker": None}
    return {"id": name, "audio": f"{name}.wav", "text": "<b>안녕</b>", **known, **more}


def summary() -> dict[str, Any]:
    measure = {
        "name": "clipped_share",
        "title": "Samples at full scale",
        "unit": "%",
        "remark": "clipped samples",
        "utterances": 3,
        "suspicious": 2,
        "below": None,
        "above": 0.001,
        "percentiles": {"1": 0.0, "5": 0.0, "50": 0.0005, "95": 0.2, "99": 0.25},
        "histogram": {"edges": [0.0, 0.1, 0.25], "counts": [1, 2]},
        "worst": [row("a", value=0.25), row("gone", value=0.1)],
    }
    return {
        "utterances": 3,
        "hours": 2.5,
        "quarantined": 1,
        "reasons": [
            {"kind": "audio-empty", "utterances": 1, "example": "is <empty>", "id": "x", "stage": "decode"}
        ],
        "speech_sample": {"detector": "silero", "utterances": 2, "share": 0.5},
        "notes": {},
        "measures": [measure],
        "copies": {
            "groups": 1,
            "utterances": 2,
            "largest": [{"utterances": 2, "rows": [row("a"), row("b")]}],
        },
        "overlap": {"test": {"speaker": 0.0, "script": 0.125}},
    }


def test_page_is_one_file_that_plays_the_worst_recordings(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), 16000)
    text = write_check_page(tmp_path / "check.html", summary(), "말뭉치", tmp_path).read_text(
        encoding="utf-8"
    )
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.ids == ["reasons", "clipped_share", "copies", "overlap"]
    assert tags.audio == 2  # of the worst row and of the copies; gone.wav cannot be read
    assert all(target.startswith(("#", "data:audio/")) for target in tags.targets)
    assert {f"#{name}" for name in tags.ids} <= set(tags.targets)  # the navigation
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "<b>안녕" not in text
    assert "&lt;b&gt;안녕" in text
    assert "is &lt;empty&gt;" in text
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text
    assert "2 utterances: clipped samples" in text
    assert "3 utterances: 1 % 0 %, median 0.05 %, 99 % 25 %. 2 above 0.1 %." in text
    assert "a sample of 2 of 3 utterances, drawn by their number, by silero" in text
    assert "12.5 %" in text
    again = write_check_page(tmp_path / "again.html", summary(), "말뭉치", tmp_path).read_text(
        encoding="utf-8"
    )
    assert again == text


def test_page_without_audio_has_no_players(tmp_path: Path) -> None:
    text = write_check_page(tmp_path / "check.html", summary(), "x", None).read_text(encoding="utf-8")
    assert "<audio" not in text
