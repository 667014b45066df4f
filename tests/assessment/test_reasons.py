from __future__ import annotations

from importlib.resources import files
from typing import get_args

import pytest
import yaml

from soritune.assessment.answer import Outcome
from soritune.assessment.reasons import reason_text, text_warnings

ENTRIES = yaml.safe_load((files("soritune.assessment") / "reasons.yaml").read_text(encoding="utf-8"))


def test_every_outcome_has_a_sentence_in_both_languages() -> None:
    assert set(get_args(Outcome)) - {"assessed"} <= set(ENTRIES)
    for texts in ENTRIES.values():
        assert texts.keys() == {"ko", "en"}
        assert any("가" <= character <= "힣" for character in texts["ko"])
        assert texts["en"].isascii()


def test_facts_are_filled_in() -> None:
    texts = reason_text("clipped", percent="47.1")
    assert "47.1 %" in texts["ko"] and texts["en"].startswith("47.1 % of the samples")


@pytest.mark.parametrize("text", [None, "", "같이 갈까요? 3시에"])
def test_text_without_latin_letters_has_no_warning(text: str | None) -> None:
    assert text_warnings(text) == []


def test_latin_letters_are_named_with_how_they_were_read() -> None:
    (warning,) = text_warnings("이번 weekend에 가요, weekend에")
    assert warning["code"] == "latin-letters"
    for language in ("ko", "en"):
        assert "'weekend에'" in warning[language]
        assert "더블유이이케이이엔디에" in warning[language]
    assert [w["code"] for w in text_warnings("TV와 AI")] == ["latin-letters"] * 2
