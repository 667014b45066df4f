import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.errors import TextError
from soritune.korean import (
    ARPABET,
    KOREAN,
    PHONES,
    hangul_pieces,
    hangul_to_phones,
    load_vocabulary,
    phones_to_hangul,
)

# Symbol by symbol from the published vocabulary: 11 plain, 5 tense, 4 aspirated, 3 coda stops, 7 + 10 vowels.
PUBLISHED_ROWS = """
G N D R M B S J H L NG
GG DD BB SS JJ Kh Th Ph CHh k t p
A EO O U EU I E iA iEO iO iU iE oA oE uEO uI euI
"""
PUBLISHED = set(PUBLISHED_ROWS.split())


def test_inventory_has_the_published_symbols():
    assert len(PHONES) == 40
    assert set(PHONES) == PUBLISHED
    assert len(KOREAN.vocabulary) == 45
    assert len(ARPABET.symbols) == len(set(ARPABET.symbols)) == 39


def test_lateral_is_l_after_l_and_r_elsewhere():
    assert hangul_to_phones("실라 나라") == ["S", "I", "L", "L", "A", "|", "N", "A", "R", "A"]


def test_unpronounced_spelling_is_refused():
    with pytest.raises(TextError, match="'값' in '값이' ends in ㅄ"):
        hangul_to_phones("값이")


def test_merged_vowels_are_written_with_one_letter():
    assert phones_to_hangul(hangul_to_phones("개 게 왜 외 웨 얘 예")) == "게 게 웨 웨 웨 예 예"


def test_impossible_sequence_keeps_every_consonant():
    assert phones_to_hangul(["G", "G", "A", "k", "t", "|", "NG", "S"]) == "ㄱ각ㄷ ㅇㅅ"


@given(st.lists(st.sampled_from([*PHONES, "|"])))
def test_any_phone_sequence_gives_text(phones):
    assert len(phones_to_hangul(phones)) >= phones.count("|")


def test_unknown_phone_is_refused():
    with pytest.raises(TextError, match=r"'Q' \(position 1\)"):
        phones_to_hangul(["A", "Q"])


def test_vocabulary_in_any_order_is_accepted(tmp_path):
    path = tmp_path / "vocab.json"
    tokens = sorted([*PUBLISHED, "|", "[UNK]", "[PAD]"])
    path.write_text(json.dumps({token: index for index, token in enumerate(tokens)}), encoding="utf-8")
    assert load_vocabulary(path)["|"] == tokens.index("|")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"G": None}, "lacks G"),
        ({"AE": 99}, "unknown AE"),
        ({"G": 1, "N": 1}, "one id to several"),
    ],
)
def test_wrong_vocabulary_is_refused(tmp_path, change, message):
    vocabulary = {token: index for index, token in enumerate([*PUBLISHED, "|", "[UNK]", "[PAD]"])} | change
    path = tmp_path / "vocab.json"
    kept = {token: index for token, index in vocabulary.items() if index is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(TextError, match=message):
        load_vocabulary(path)


def test_broken_vocabulary_file_is_refused(tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text("[1", encoding="utf-8")
    with pytest.raises(TextError, match="cannot read the vocabulary"):
        load_vocabulary(path)
    path.write_text('["A"]', encoding="utf-8")
    with pytest.raises(TextError, match="token to integer id"):
        load_vocabulary(path)


@given(st.lists(st.sampled_from([*PHONES, "|"])))
def test_pieces_stand_for_all_phones_in_order(phones):
    pieces = hangul_pieces(phones)
    assert "".join(text for text, _ in pieces) == phones_to_hangul(phones)
    assert sum(size for _, size in pieces) == len(phones)
    at = 0
    for text, size in pieces:
        if "가" <= text <= "힣":
            # L is an onset only after L, so a syllable that begins with it is read back as R.
            again = [
                "L" if n == 0 and phones[at] == "L" else phone
                for n, phone in enumerate(hangul_to_phones(text))
            ]
            assert again == list(phones[at : at + size])
        at += size
