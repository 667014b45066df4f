"""The catalogue of the Korean report: every text of the sources is in it, and no English sentence is left on a page."""

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import soritune
from soritune.inference.predictions import read_predictions
from soritune.registry import member_names
from soritune.reports.report import render_report
from soritune.reports.score import score_predictions
from soritune.reports.words import NUMBERS, Words, catalogue
from soritune.tasks.task import make_task

SOURCE = Path(soritune.__file__).parent
SENTENCES = [
    *(
        SOURCE / "reports" / f"{name}.py"
        for name in ("score_warnings", "before", "phone_notation", "sections")
    ),
    *(SOURCE / "tasks" / "phones").glob("*_tables.py"),
]
"""Files whose texts of a report are sentences."""
PART = re.compile(r"\{\w*\}")


def texts_of(path: Path) -> list[str]:
    """Texts of a source with a capital letter and a full stop, without docstrings and errors; values become `{}`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.Raise | ast.Expr)
        for node in ast.walk(outer)
        if isinstance(outer, ast.Raise) or node is outer.value
    }
    texts = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(inner) for inner in ast.walk(node)}
            texts.append(
                "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return [text for text in texts if re.match(r"[A-Z{].* .*\.$", text)]


def is_known(text: str) -> bool:
    """Whether the catalogue has each sentence of a text, whatever stands for its values."""
    sentences = re.split(r"(?<=\.) ", text)
    patterns = [".*".join(map(re.escape, PART.split(sentence))) for sentence in sentences]
    return all(any(re.fullmatch(pattern, key) for key in catalogue("ko")) for pattern in patterns)


def test_translation_has_the_parts_of_its_text() -> None:
    for text, translation in catalogue("ko").items():
        assert set(PART.findall(text)) == set(PART.findall(translation)), text
        words = re.search("[a-z]{3}", re.sub(r"\(\w+\)", "", PART.sub("", text)))
        assert re.search("[가-힣]", translation) or not words, text


@pytest.mark.parametrize("path", SENTENCES, ids=lambda path: path.stem)
def test_sentences_of_the_sources_are_in_the_catalogue(path: Path) -> None:
    texts = [text for text in texts_of(path) if "{}{" not in text and not text.endswith("{}.")]
    assert [text for text in texts if not is_known(text)] == []


def test_texts_of_templates_are_in_the_catalogue() -> None:
    templates = [(SOURCE / "reports" / name).read_text() for name in ("report.html.j2", "swatches.html.j2")]
    texts = re.findall(r'_\("([^"]+)"\)', "".join(templates))
    assert len(texts) > 20
    assert set(texts) - set(catalogue("ko")) == set()


SETTINGS = {
    "phoneme": {},
    "emotion": {"labels": ["a", "b"]},
    "emotion-multilabel": {"labels": ["a", "b"]},
    "mispronunciation": {"labels": "correct-incorrect"},
}


def test_rates_and_their_names_are_in_the_catalogue() -> None:
    assert set(SETTINGS) <= set(member_names("soritune.tasks"))
    for name, settings in SETTINGS.items():
        for description in make_task(name, settings).rate_descriptions.values():
            assert description.title in catalogue("ko")
            assert not description.known_as or description.known_as in catalogue("ko")


def test_parts_are_translated_too_and_data_is_not() -> None:
    words = Words("ko")
    assert words("1 clip, 3 speakers, 2.0 min.") == "클립 1개, 화자 3명, 2.0분."
    assert (
        words("phoneme: phone error rate (per), lower is better")
        == "phoneme: 음소 오류율(per), 낮을수록 좋음"
    )
    assert words("2 of 9 clips have no label for the task 'x y' and are not scored by it.") == (
        "클립 9개 중 2개는 'x y' 과제의 레이블이 없어 채점하지 않았습니다."
    )
    assert words.cell("kim 001") == "kim 001"
    assert words.missing == []
    assert Words()("1 clip") == "1 clip"


def test_missing_text_is_recorded_and_shown_as_it_is() -> None:
    words = Words("ko")
    text = "Intervals: 95 %, bootstrap over speakers. This sentence is in no catalogue."
    assert words(text).endswith("구간입니다. This sentence is in no catalogue.")
    assert words.missing == ["This sentence is in no catalogue."]


def test_numbers_are_numbers() -> None:
    assert "n" in NUMBERS
    assert Words("ko")("the first h") == "the first h"


class Texts(HTMLParser):
    """The texts of a page, without style, recipe, ids and what the translation leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "img", "input", "hr", "link"):
            self.open.append("id" if ("class", "id") in attributes else tag)

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "pre", "code", "id", "dd"):
            self.texts.append(data)


@pytest.mark.slow(seconds=20)
def test_korean_page_has_no_english_sentence(fakes, tmp_path) -> None:
    emotion, phoneme = fakes.emotion_task(), make_task("phoneme", {})
    rows = fakes.prediction_rows({f"s{k:02d}": 3 + k % 4 for k in range(12)})
    spoken = fakes.phoneme_rows({f"s{k:02d}": [("G A | N", "GG A | N")] * 6 for k in range(12)})
    for row, other in zip(rows, spoken, strict=True):
        row["tasks"] |= other["tasks"]
        row["text"] = "가"
    rows[0]["no_speech"] = True
    data = {"split": "test", "policy": {"by": ["random"]}, "root": str(tmp_path)}
    path = fakes.write_rows(tmp_path / "p.jsonl", [emotion, phoneme], rows, data=data, synthetic=True)
    scores = score_predictions(path, group_by=("gender", "dialect"), resamples=20)
    words = Words("ko")
    events = [{"event": "start", "step": 0, "train_hours": 1.5, "device": "cpu"}]
    events += [{"event": "step", "step": k, "loss": 3 / k, "lr/all": 1e-4} for k in range(1, 20)]
    events += [{"event": "evaluate", "step": 10, "val/loss": 1.0, "val/emotion/ua": 0.5}]
    page = Texts()
    page.feed(render_report(scores, read_predictions(path), events=events, words=words))
    assert words.missing == []
    english = [text for text in page.texts if re.search(r"[A-Za-z]{3,}[ ,]+[a-z]{2,}[ ,]+[a-z]{2,}", text)]
    assert english == []
    assert any("음소 오류율" in text for text in page.texts)
