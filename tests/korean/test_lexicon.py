from importlib.resources import files

import pytest

from soritune.errors import TextError
from soritune.korean.g2p import Pronouncer
from soritune.korean.lexicon import Lexicon, load_lexicon, read_lexicon


def test_package_lexicon_has_no_duplicate_and_all_lines_load():
    lines = (files("soritune.korean") / "exceptions.tsv").read_text(encoding="utf-8").splitlines()
    words = [line.split("\t")[0] for line in lines if not line.startswith("#")]
    assert len(words) == len(set(words)) > 400
    assert len(load_lexicon().entries) == len(words)
    assert all(line.split("\t")[2].isdigit() for line in lines if not line.startswith("#"))


def test_user_lexicon_overrides_rules_and_its_words_link(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("# mine\n콩밥\t콩빱\n솔잎\t소립\t29\n", encoding="utf-8")
    mine = Pronouncer("none", path)
    assert mine.pronounce("콩밥을") == "콩빠블"
    assert mine.pronounce("솔잎이") == "소리피"
    assert Pronouncer("none").pronounce("콩밥을") == "콩바블"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("콩밥 콩빱", "line 1: got '콩밥 콩빱'; expected word, tab"),
        ("콩밥\tkongbap", "line 1: got 'kongbap'; expected Hangul"),
        ("콩밥\t팥빱", "line 1: '팥빱' cannot be a pronunciation of '콩밥'"),
        ("콩밥\t콩", "cannot be a pronunciation"),
    ],
)
def test_bad_line_is_refused(line, message):
    with pytest.raises(TextError) as caught:
        read_lexicon([line], "mine.tsv", Lexicon())
    assert message in str(caught.value)
    assert str(caught.value).startswith("mine.tsv, line 1")


def test_missing_user_lexicon_is_refused(tmp_path):
    with pytest.raises(TextError, match="cannot read the lexicon"):
        load_lexicon(tmp_path / "none.tsv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("시대가", "시대가"), ("대가리", "대가리"), ("대가를", "대까를"), ("살인사건", "사린사껀")],
)
def test_listed_word_is_not_matched_inside_another_word(core, text, expected):
    assert core.pronounce(text) == expected
