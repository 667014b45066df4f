from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.reports.test_weak_sounds import answer, phone

from soritune.reports.assessment_page import class_page, learner_page, write_pages
from soritune.reports.templates import resource


class Buttons(HTMLParser):
    """The attributes of every button."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "button":
            self.found.append(dict(attrs))


def wrong(name: str = "a", **more: Any) -> dict[str, Any]:
    phones = [
        phone(0, "G", "ㄱ"),
        phone(1, "EO", "ㅓ", "substitution", "ㅗ"),
        phone(2, "S", "ㅅ", "unclear", "ㅏ"),
    ]
    advice = {
        "id": "eo-as-o",
        "phone": 1,
        "word": 0,
        "ko": "모음은 ㅓ예요.",
        "en": "The vowel is ㅓ.",
        "article": None,
    }
    return answer(phones, name, advice=advice, **more)


def test_both_languages_have_the_same_words() -> None:
    content = yaml.safe_load(resource("assessment_page.yaml"))
    assert content["ko"].keys() == content["en"].keys()
    assert content["ko"]["outcomes"].keys() == content["en"]["outcomes"].keys()
    for language in ("ko", "en"):
        page = learner_page("민서", [wrong()], {}, language)
        assert f'lang="{language}"' in page
        assert content[language]["notice"] in page
        assert wrong()["advice"][language] in page


def test_every_phone_plays_its_own_times_and_has_its_kind() -> None:
    page = learner_page(None, [wrong()], {"a": "data:audio/flac;base64,AAAA"}, "en")
    phones = [each for each in Buttons(page).found if (each["class"] or "").startswith("phone")]
    assert [each["class"] for each in phones] == ["phone correct", "phone substitution", "phone unclear"]
    assert [float(each["data-to"] or 0) - float(each["data-from"] or 0) for each in phones] == pytest.approx(
        [0.1] * 3
    )
    assert 'src="data:audio/flac;base64,AAAA"' in page
    assert "→ ㅗ" in page
    assert "→ ㅏ" not in page  # an unclear phone names nothing


def test_page_is_one_file() -> None:
    page = learner_page("민서", [wrong()], {"a": "data:audio/flac;base64,AAAA"}, "ko")
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "http" not in page


def test_names_and_texts_are_escaped() -> None:
    page = learner_page("<b>x</b>", [wrong(text="<script>1</script>")], {}, "ko")
    assert "<b>x</b>" not in page
    assert "<script>1" not in page


def test_recording_that_was_not_assessed_states_why_in_the_language() -> None:
    failed = answer(
        [], assessable=False, outcome="too-quiet", reason="r", words=None, insertions=None, counts=None
    )
    failed["fluency"] = None
    assert "더 크게" in learner_page(None, [failed], {}, "ko")
    assert "Speak louder" in learner_page(None, [failed], {}, "en")


def not_assessed(name: str, speaker: str) -> dict[str, Any]:
    more = {"assessable": False, "outcome": "unrelated-speech", "reason": "r", "words": None, "counts": None}
    return answer([], name, speaker, **more) | {"insertions": None, "fluency": None}


@pytest.mark.parametrize(
    ("language", "title", "reason", "lead"),
    [
        ("ko", "평가하지 못한 녹음 (1)", "문장과 다른 말을", "문장 4개 가운데 3개 평가"),
        ("en", "Recordings that were not assessed (1)", "Something else than", "assessed: 3 of 4"),
    ],
)
def test_class_names_what_was_not_assessed_and_counts_it_apart(
    language: Any, title: str, reason: str, lead: str
) -> None:
    learners = {
        "민서": [wrong("민서_1.wav", speaker="민서"), not_assessed("민서_2.wav", "민서")],
        "지은": [wrong("a", speaker="지은"), wrong("b", speaker="지은")],
    }
    page = class_page(learners, {}, language)
    box = page[page.index(title) : page.index("</section>", page.index(title))]
    assert "민서_2.wav" in box
    assert "민서_1.wav" not in box
    assert reason in box
    assert lead in page
    cells = [re.findall(r'<td class="num[^>]*>([^<]*)</td>', row) for row in page.split("<tr>")]
    counts = [row for row in cells if len(row) == 4]
    # Sentences that were assessed, those that were not, sounds that were judged, right ones.
    assert counts == [["1", "1", "2", "50.0 %"], ["2", "0", "4", "50.0 %"]]


def test_class_without_failures_has_no_box() -> None:
    page = class_page({"a": [wrong(speaker="a")], "b": [wrong(speaker="b")]}, {}, "en")
    assert "Recordings that were not assessed" not in page


def test_pages_name_the_recording_of_every_sentence() -> None:
    page = learner_page("민서", [wrong("민서_1.wav"), wrong("row-7", audio="clips/x.wav")], {}, "ko")
    assert '<p class="id">민서_1.wav</p>' in page
    assert '<p class="id">row-7 · x.wav</p>' in page
    assert "민서_1.wav" in page[page.index("먼저 연습할 것") : page.index("약한 소리")]


def test_syllables_and_words_are_named_as_they_are_pronounced() -> None:
    given = wrong()
    word = given["words"][0] | {"text": "일어나지,", "pronounced": "기러나지"}
    word["syllables"] = [word["syllables"][0] | {"text": "일", "pronounced": "기"}]
    page = learner_page(None, [given | {"words": [word]}], {}, "ko")
    assert "[기러나지]" in page
    assert "<span>기</span>" in page
    assert "<span>일</span>" not in page
    same = word | {"text": "기러나지,"}
    assert "[기러나지]" not in learner_page(None, [given | {"words": [same]}], {}, "ko")


def test_one_sound_has_the_same_name_in_both_tables_of_a_class() -> None:
    first = answer([phone(0, "oE", "ㅙ", "substitution", "ㅐ")], "a", "x")
    second = answer([phone(0, "oE", "ㅚ", "deletion")], "b", "y")
    page = class_page({"x": [first], "y": [second]}, {}, "ko")
    assert len(re.findall(r"ㅚ/ㅙ/ㅞ <small>1/1</small>", page)) == 2
    assert '<th class="heat">ㅚ/ㅙ/ㅞ</th>' in page


def test_warning_is_on_the_pages_once_with_its_count() -> None:
    warning = {"code": "lossy-audio", "ko": "MP3 경고", "en": "MP3 warning"}
    answers = [
        wrong(name, speaker=name, warnings=[warning], recording={"lossy_codec": "MP3"}) for name in "ab"
    ]
    page = class_page({"a": answers[:1], "b": [*answers[1:], wrong("c")]}, {}, "en")
    assert "Sentences: 2. MP3 warning" in page
    assert "a · MP3" in learner_page("a", answers[:1], {}, "en")
    assert "warning" not in learner_page("a", [wrong()], {}, "en")


def test_class_has_a_row_and_a_page_per_learner(tmp_path: Path) -> None:
    answers = [wrong("a", speaker="민서"), wrong("b", speaker="A/n"), wrong("c", speaker="A?n")]
    paths = write_pages(tmp_path / "class.html", answers, {}, "en")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "class.html",
        "class/민서.html",
        "class/A-n.html",
        "class/A-n-2.html",
    ]
    text = paths[0].read_text(encoding="utf-8")
    assert 'href="class/A-n-2.html"' in text
    assert "1/1" in text  # ㅓ: one of one
    assert "50.0 %" in text  # one right, one wrong, the unclear one left out


def test_one_learner_gets_one_page(tmp_path: Path) -> None:
    assert write_pages(tmp_path / "p.html", [wrong(speaker="a")], {}, "ko") == [tmp_path / "p.html"]


def test_dates_are_columns_of_the_class() -> None:
    first = answer([phone(0, "G", "ㄱ", "deletion")], "a", "x", date="2026-03-02")
    second = answer([phone(0, "G", "ㄱ")], "b", "x", date="2026-04-02")
    page = class_page({"x": [second, first], "y": [answer([phone(0, "G", "ㄱ")], "c", "y")]}, {}, "en")
    row = page[page.index("Share of right sounds by date") :]
    assert row.index("2026-03-02") < row.index("2026-04-02")
    assert row.index("0.0 %") < row.index("100.0 %")


def test_weakest_sounds_of_the_class_by_date() -> None:
    first = answer([phone(0, "G", "ㄱ", "deletion"), phone(1, "G", "ㄱ")], "a", "x", date="2026-03-02")
    second = answer([phone(0, "G", "ㄱ")], "b", "y", date="2026-04-02")
    page = class_page({"x": [second, first], "y": [second]}, {}, "en")
    part = page[page.index("Weakest sounds by date") :]
    assert part.index(">1/2<") < part.index(">0/2<")


@pytest.mark.parametrize(("language", "text"), [("ko", "틀린 것이 아님: 약함"), ("en", "not an error: weak")])
def test_accepted_phone_is_right_and_the_page_states_why(language: Any, text: str) -> None:
    accepted = phone(0, "H", "ㅎ") | {
        "recognised": None,
        "accepted": "h-weakening",
        "accepted_kind": "native",
        "accepted_reason": {"ko": "약함", "en": "weak"},
    }
    page = learner_page(None, [answer([accepted, phone(1, "A", "ㅏ")])], {}, language)
    assert text in page
    assert 'class="phone substitution"' not in page
    assert 'class="phone deletion"' not in page
