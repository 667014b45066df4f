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


def test_every_english_phone_has_korean_ones_by_position() -> None:
    consonants = set(SCRIPT["ONSETS"])
    assert set(SCRIPT["VOWELS"]) | consonants | set(SCRIPT["GLIDES"]) == set(ARPABET.symbols)
    assert set(SCRIPT["CODAS"]) == consonants
    tables = ("VOWELS", "AFTER_Y", "AFTER_W", "ONSETS", "CODAS", "TENSE")
    korean = {phone for table in tables for value in SCRIPT[table].values() for phone in value.split()}
    assert korean <= set(KOREAN.symbols)


def test_words_by_position_become_korean() -> None:
    """As Koreans write the words by ear: coffee 커피, bus 뻐스 without its last vowel, idea 아이디어, cat 캣,
    style 스따일, you 유, show 쇼, water 워터, want 원트, yellow 옐로, car 카, twin 트윈."""
    phones = SCRIPT["phones_by_position"]
    assert phones(["K", "AO1", "F", "IY0"]) == ["Kh", "O", "Ph", "I"]
    assert phones(["B", "AH1", "S"]) == ["B", "EO", "S"]
    assert phones(["AY0", "D", "IY1", "AH0"]) == ["A", "I", "D", "I", "EO"]
    assert phones(["K", "AE1", "T"]) == ["Kh", "E", "t"]
    assert phones(["S", "T", "AY1", "L"]) == ["S", "DD", "A", "I", "L"]
    assert phones(["Y", "UW1"]) == ["iU"]
    assert phones(["SH", "OW1"]) == ["S", "iO"]
    assert phones(["W", "AO1", "T", "ER0"]) == ["uEO", "Th", "EO"]
    assert phones(["Y", "EH1", "L", "OW0"]) == ["iE", "L", "L", "O"]
    assert phones(["K", "AA1", "R"]) == ["Kh", "A"]
    assert phones(["T", "W", "IH1", "N"]) == ["Th", "uI", "N"]
    assert SCRIPT["sentence_phones"](["S", "IY1", "HH", "IH1", "M"], [2, 3]) == [
        "SS",
        "I",
        "|",
        "H",
        "I",
        "M",
    ]
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
            "word_lengths": [2],
            "errors": ["C", "E" if i == 2 else "C"],
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
    assert [row.id for row in SCRIPT["rows_of"](tmp_path, 0.3)] == ["speechocean762/0", "speechocean762/1"]
