"""Hanja to Hangul: the reading of each character, words with another reading, and the initial-sound rule."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from soritune.korean.hangul import CODA, NO_CODA, NO_ONSET, ONSET, VOWEL, coda_of, join, split
from soritune.korean.readings import readings

IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""A character range of regular expressions: the CJK ideographs."""

_RUN = re.compile(f"[{IDEOGRAPHS}々〇]+")
_YEAR = re.compile("[一二三四五六七八九〇零]{2,4}(?=年)|[一二三四五六七八九]*〇[一二三四五六七八九〇]*")
_DIGITS = {character: str(index) for index, character in enumerate("〇一二三四五六七八九")} | {"零": "0"}
_GLIDES = frozenset(VOWEL[letter] for letter in "ㅑㅕㅖㅛㅠㅣ")
_NIEUN, _RIEUL = ONSET["ㄴ"], ONSET["ㄹ"]
_KEEPS_RIEUL = frozenset("렬률")
_AFTER_OPEN = {"렬": "열", "률": "율"}
_BEFORE_DENTAL = frozenset((ONSET["ㄷ"], ONSET["ㅈ"]))
# 金 alone, or at the head of a name of three characters, is the surname.
_METAL_NOT_NAME = re.compile("메달|값|반지|목걸이|니|빛|괴|덩")


@cache
def _characters() -> dict[str, str]:
    """Read `hanja.tsv` once: character to reading."""
    table: dict[str, str] = {}
    text = (files("soritune.korean") / "hanja.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            reading, characters = line.split("\t")
            if characters.startswith("U+"):
                table.update((chr(int(code[2:], 16)), reading) for code in characters.split())
            else:
                table.update(dict.fromkeys(characters, reading))
    return table


@cache
def _words() -> tuple[re.Pattern[str], dict[str, str]]:
    words = readings("hanja_word")
    return re.compile("|".join(sorted(words, key=len, reverse=True))), words


def read_hanja(text: str) -> str:
    """Replace Hanja by their Sino-Korean readings; characters without one stay.

    Args:
        text: any text; compatibility ideographs must not have been normalised away.

    >>> read_hanja("大韓民國의 女子, 男女")
    '대한민국의 여자, 남녀'
    """
    text = _YEAR.sub(lambda match: "".join(_DIGITS[character] for character in match[0]), text)
    return _RUN.sub(_read_run, text)


def _read_run(match: re.Match[str]) -> str:
    run, start, end = match[0], match.start(), match.end()
    while "々" in run[1:]:
        index = run.index("々", 1)
        run = f"{run[:index]}{run[index - 1]}{run[index + 1 :]}"
    before, after = match.string[start - 1 : start], match.string[end : end + 3]
    spoken: list[str] = []
    pattern, words = _words()
    position = 0
    while position < len(run):
        word = pattern.match(run, position)
        if word:
            spoken.extend(words[word[0]])
            position = word.end()
            continue
        spoken.append(_characters().get(run[position], run[position]))
        position += 1
    for index, syllable in enumerate(spoken):
        if "가" <= syllable <= "힣":
            previous = spoken[index - 1] if index else before
            following = spoken[index + 1] if index + 1 < len(spoken) else ""
            first = not index and not (before and ("가" <= before <= "힣" or before.isdigit()))
            second_word = index == 2 and len(run) == 4  # 男女老少 is 남녀+노소
            spoken[index] = _adjust(run[index], syllable, previous, following, first or second_word)
    if run[0] == "金" and (
        (len(run) == 1 and not _METAL_NOT_NAME.match(after)) or (len(run) == 3 and not pattern.match(run))
    ):
        spoken[0] = "김"
    return "".join(spoken)


def _adjust(character: str, syllable: str, previous: str, following: str, first: bool) -> str:
    """Apply what the neighbours change: 不 before ㄷ, ㅈ; 률, 렬 after a vowel or ㄴ; initial ㄹ, ㄴ."""
    if (
        character == "不"
        and following
        and "가" <= following <= "힣"
        and split(following)[0] in _BEFORE_DENTAL
    ):
        return "부"
    if not first:
        open_before = "가" <= previous <= "힣" and coda_of(previous) in (NO_CODA, CODA["ㄴ"])
        return _AFTER_OPEN[syllable] if syllable in _KEEPS_RIEUL and open_before else syllable
    onset, vowel, coda = split(syllable)
    if onset == _RIEUL:
        return join(NO_ONSET if vowel in _GLIDES else _NIEUN, vowel, coda)
    if onset == _NIEUN and vowel in _GLIDES:
        return join(NO_ONSET, vowel, coda)
    return syllable
