from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from soritune.korean import ARPABET, KOREAN

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "release" / "learners_as_korean.py"))


def test_every_english_phone_has_korean_ones() -> None:
    assert set(SCRIPT["NEAREST"]) == set(ARPABET.symbols)
    assert {phone for value in SCRIPT["NEAREST"].values() for phone in value.split()} <= set(KOREAN.symbols)


def test_words_become_their_loanwords() -> None:
    """coffee 커피, bus 버스 without its last vowel, idea 아이디어 (외래어 표기법)."""
    phones = SCRIPT["korean_phones"]
    assert phones(["K", "AO1", "F", "IY0"]) == ["Kh", "O", "Ph", "I"]
    assert phones(["B", "AH1", "S"]) == ["B", "EO", "S"]
    assert phones(["AY0", "D", "IY1", "AH0"]) == ["A", "I", "D", "I", "EO"]
    with pytest.raises(KeyError):
        phones(["XX"])


def test_rows_have_the_part_of_their_file(tmp_path: Path) -> None:
    lines = [
        {
            "id": str(i),
            "audio": f"audio/{i}.opus",
            "duration": 1.5,
            "speaker": f"s{i}",
            "canonical": ["K", "IY1"],
        }
        for i in range(3)
    ]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "train_data.json").write_text(json.dumps({"audio/0.opus": {}, "audio/2.opus": {}}))
    (tmp_path / "val_data.json").write_text(json.dumps({"audio/1.opus": {}}))
    rows = SCRIPT["rows_of"](tmp_path)
    assert [(row.id, row.extra["split"]) for row in rows] == [
        ("speechocean762/0", "train"),
        ("speechocean762/2", "train"),
        ("speechocean762/1", "val"),
    ]
    assert rows[0].phones == ("Kh", "I") and rows[0].language == "en"
