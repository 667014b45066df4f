import pytest

from soritune.korean import boundaries as b
from soritune.korean.hangul import CODA, CODAS, ONSET, ONSETS, join, split


def pronounce_pair(left, right, kind=b.PLAIN):
    """Return the pronunciation of two adjacent syllables."""
    onset, vowel, coda = split(left)
    next_onset, next_vowel, next_coda = split(right)
    coda, next_onset, _ = b.joint_outcome(coda, next_onset, b.vowel_class(next_vowel, next_coda), kind)
    return join(onset, vowel, coda) + join(next_onset, next_vowel, next_coda)


@pytest.mark.parametrize(
    ("pair", "kind", "pronounced"),
    [
        ("국물", b.PLAIN, "궁물"),
        ("닭이", b.PLAIN, "달기"),
        ("같이", b.PLAIN, "가치"),
        ("맏형", b.PLAIN, "마텽"),
        ("닫혀", b.PLAIN, "다쳐"),
        ("밭이", b.BASIC_STOP, "바티"),
        ("밝히", b.PLAIN, "발키"),
        ("많소", b.PLAIN, "만쏘"),
        ("뚫네", b.PLAIN, "뚤레"),
        ("읽고", b.PLAIN, "익꼬"),
        ("읽고", b.STEM, "일꼬"),
        ("밟는", b.BAP, "밤는"),
        ("신고", b.PLAIN, "신고"),
        ("신고", b.STEM, "신꼬"),
        ("꽃위", b.REPRESENTATIVE, "꼬뒤"),
        ("꽃잎", b.INSERT_N, "꼰닢"),
        ("깃발", b.SPELLED_S, "기빨"),
        ("단력", b.NO_LATERAL, "단녁"),
        ("귿이", b.LETTER_NAME, "그시"),
        ("국물", b.HALT, "국물"),
    ],
)
def test_two_syllables_sound_as_the_articles_state(pair, kind, pronounced):
    assert pronounce_pair(pair[0], pair[1], kind) == pronounced


def test_every_outcome_is_pronounceable():
    for coda in range(len(CODAS)):
        for onset in range(len(ONSETS)):
            for vowel_class in range(4):
                for kind in range(b.BASIC_STOP + 1):
                    new_coda, new_onset, _ = b.joint_outcome(coda, onset, vowel_class, kind)
                    assert CODAS[new_coda] in ("", *"ㄱㄴㄷㄹㅁㅂㅇ")
                    assert 0 <= new_onset < len(ONSETS)


def test_applied_articles_are_returned():
    assert b.joint_outcome(CODA["ㄱ"], ONSET["ㅁ"], 0, b.PLAIN)[2] == ("18",)
    assert b.joint_outcome(CODA["ㄺ"], ONSET["ㄱ"], 0, b.STEM)[2] == ("11", "23")
