from __future__ import annotations

import pytest

from soritune.tasks.phones.language import in_language, language_mismatch


@pytest.mark.parametrize(
    "tag", ["ko", "KO", "ko-KR", "ko_KR", " kor ", "Korean", "kr", "한국어", "korean/seoul"]
)
def test_spellings_of_korean_are_korean(tag: str) -> None:
    assert in_language(tag, "ko")
    assert not in_language(tag, "en")


@pytest.mark.parametrize("tag", [None, "", "und", "unknown", "None", "mul", "zxx-KR"])
def test_unspecified_language_matches_any(tag: str | None) -> None:
    assert in_language(tag, "ko")
    assert in_language("ko", tag)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [("en-GB", "eng", True), ("fr", "fr-CA", True), ("fr", "de", False), ("kok", "ko", False)],
)
def test_first_subtags_are_compared(first: str, second: str, same: bool) -> None:
    assert in_language(first, second) is in_language(second, first) is same


def test_mismatch_names_both_languages_as_written() -> None:
    assert language_mismatch("en-US", "ko") == "its language is 'en-US', wanted is 'ko'"
    assert language_mismatch("ko-KR", "ko") is None
    assert language_mismatch(None, "ko") is None
