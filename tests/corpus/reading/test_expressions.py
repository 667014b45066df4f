"""JMESPath with bare Hangul keys."""

from __future__ import annotations

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.corpus.reading.expressions import Expression, compiled, leaves, quoted, spelt
from soritune.corpus.reading.outcomes import ReadingError

LABEL = {
    "발화정보": {"stt": "안녕", "화자 ID": "A 1"},
    "녹음자정보": {"나이": "만 7세"},
    "문장": [{"글": "하나"}, {"글": "둘"}],
    "1차": {"x": 1},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("발화정보.stt", "안녕"),
        ('"발화정보".stt', "안녕"),
        ('발화정보."화자 ID"', "A 1"),
        ("없음.stt || 발화정보.stt", "안녕"),
        ("join(' ', 문장[].글)", "하나 둘"),
        ("문장[?글=='둘'].글 | [0]", "둘"),
        ("문장[?글==`둘`].글 | [0]", "둘"),
        ("1차.x", 1),
        ("녹음자정보.없음", None),
    ],
)
def test_value_of_an_expression(text: str, value: object) -> None:
    assert Expression(text).search(LABEL) == value


def test_only_bare_words_are_quoted() -> None:
    assert quoted("가.나 || `다` || '라' || \"마\" || a1") == '"가"."나" || `다` || \'라\' || "마" || a1'


@pytest.mark.parametrize("text", ["발화정보..stt", "a-b", "", '"x', "f(", "문장["])
def test_faulty_expression_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"^text: '.*' is not a JMESPath expression \([^\n]+$") as caught:
        compiled({"text": text})
    assert f"'{text}'" in str(caught.value)


def test_unknown_function_is_refused() -> None:
    with pytest.raises(
        ValueError, match="calls 'to_int', which is not a function of JMESPath: abs, .*to_number"
    ):
        Expression("a || to_int(나이)")


def test_function_with_a_wrong_argument_is_a_reading_error() -> None:
    with pytest.raises(ReadingError, match="fails: In function join") as caught:
        Expression("join(' ', 없음)").search(LABEL)
    assert caught.value.kind == "expression"


def test_keys_that_an_expression_reads() -> None:
    assert Expression("발화정보.stt || 글").paths == {("발화정보", "stt"), ("글",)}
    assert Expression("문장[?화자==`1`].글 | [0]").paths == {("문장", "글"), ("문장", "화자")}
    assert Expression("발화정보").reads(("발화정보", "stt")) and not Expression("발화").reads(("발화정보",))
    assert Expression("join(' ', 문장[*].글)").reads(("문장", "글"))


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=6)


@given(
    st.dictionaries(
        KEYS, st.one_of(st.integers(), st.dictionaries(KEYS, st.integers(), min_size=1)), min_size=1
    )
)
def test_spelt_path_is_an_expression_for_its_leaf(document: dict[str, object]) -> None:
    for path, value in leaves(document):
        assert jmespath.search(quoted(spelt(path)), document) == value
