from __future__ import annotations

from soritune.corpus.unread_text import UnreadCount, text_to_pronounce
from soritune.corpus.utterance import Utterance


def row(text: str | None, phones: tuple[str, ...] | None = None) -> Utterance:
    return Utterance(id="a", audio="a.wav", duration_s=1.0, text=text, phones=phones)


def test_texts_that_lose_characters_are_counted_once_each() -> None:
    count = UnreadCount()
    for text in ("좋아요👍 👍", "国에 간다", "네, 3개!", "漢字를 씁니다", None, ""):
        count.add(text)
    assert (count.texts, count.affected) == (4, 2)
    assert count.characters == {"👍": 1, "国": 1}
    assert count.first == "좋아요👍 👍"


def test_sentence_quotes_the_commonest_characters_and_the_first_text() -> None:
    count = UnreadCount()
    for text in ("☃가", "👍 네", "응👍", "네"):
        count.add(text)
    assert count.sentence.startswith(
        "3 of 4 texts have characters without a reading, such as '👍' (2), '☃' (1)"
    )
    assert count.sentence.endswith("the first text: '☃가'")


def test_only_korean_text_without_phones_is_pronounced() -> None:
    assert text_to_pronounce(row("네 👍")) == "네 👍"
    assert text_to_pronounce(row("漢字")) == "漢字"
    assert text_to_pronounce(row("Да")) is None
    assert text_to_pronounce(row("네", ("N", "E"))) is None
    assert text_to_pronounce(row(None)) is None
