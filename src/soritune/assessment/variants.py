"""Further accepted pronunciations, such as habits of children or of spoken Korean, from a file of the user.

A line has what is expected, what is accepted in its place, and the reason, separated by tabs. Both are sounds, as
letters of Hangul or as codes of phones, or both are whole words. `-` stands for a missing sound, `받침 ㄱ` for ㄱ at
the end of a syllable alone:

    ㅆ	ㅅ	children of four
    ㅎ	-	ㅎ between vowels
    네가	니가	spoken Korean

Lines that begin with # are comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from soritune.errors import TextError, reason_of
from soritune.korean import KOREAN
from soritune.korean.hangul import composed, is_syllable

Variants = Mapping[tuple[str, str | None], str]
"""Expected phone and accepted one (None for a missing phone) → reason."""
NONE = "-"
FINAL = "받침"
"""Before a letter: at the end of a syllable alone."""
FORM = (
    "write what is expected, a tab, what is accepted, and after another tab the reason; both are letters (ㅘ), "
    f"codes of phones (oA) or whole words (네가), {NONE} is a missing sound, and `{FINAL} ㄱ` is ㄱ at the end of a "
    "syllable; for example:\nㅆ\tㅅ\t어린이 말\n네가\t니가\t입말"
)
"""How a line is written; ends error messages."""
_POSITIONS = ("onset", "vowel", "coda")
_PHONES: Mapping[tuple[str, str], str] = {
    (letter, position): phone.symbol
    for phone in reversed(KOREAN.phones)  # ㄹ between vowels is R; L is also an onset, after another L
    for letter in phone.letters
    for position in _POSITIONS
    if position in phone.position
}
"""Letter and position → phone."""


class WordVariant(NamedTuple):
    """A word that may be pronounced as another one."""

    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptedVariants:
    """What a file accepts."""

    phones: Variants = field(default_factory=dict)
    words: Mapping[str, tuple[WordVariant, ...]] = field(default_factory=dict)
    """Word of a text, without punctuation → the words as which it may be pronounced."""


def load_variants(path: Path | str) -> AcceptedVariants:
    """Reads a file of accepted variants, UTF-8 or CP949.

    Raises:
        TextError: a file that cannot be read, or a line that is not a variant.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise TextError(f"{path}: the file of variants cannot be read ({reason_of(error)})") from error
    phones: dict[tuple[str, str | None], str] = {}
    words: dict[str, tuple[WordVariant, ...]] = {}
    for number, line in enumerate(_decoded(path, content).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        expected, accepted, *reason = [composed(part).strip() for part in line.split("\t")] + [""] * (
            "\t" not in line
        )
        because = reason[0] if reason else ""
        fault = "it has more than three parts" if len(reason) > 1 else ""
        if "\t" not in line:
            fault = "it has no tab"
        elif not fault and _is_word(expected) and _is_word(accepted):
            if expected == accepted:
                fault = "both words are the same"
            words[expected] = (*words.get(expected, ()), WordVariant(accepted, because))
        elif not fault:
            pairs, fault = _pairs(expected, accepted)
            phones |= dict.fromkeys(pairs, because)
        if fault:
            raise TextError(f"{path}, line {number}: '{line[:60]}' is not a variant: {fault}; {FORM}")
    return AcceptedVariants(phones, words)


def _decoded(path: Path | str, content: bytes) -> str:
    for encoding in ("utf-8-sig", "cp949"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TextError(f"{path}: the file of variants is neither UTF-8 nor CP949 text; save it as UTF-8")


def _is_word(text: str) -> bool:
    """Whether a text is one word in Hangul."""
    return bool(text) and all(is_syllable(character) for character in text)


def _pairs(expected: str, accepted: str) -> tuple[list[tuple[str, str | None]], str]:
    """The pairs of phones of a line, or why it has no pair."""
    for part in (expected, accepted):
        if part != NONE and not _places(part):
            if any(is_syllable(character) for character in part):
                return [], f"'{part}' is neither a single word nor a sound"
            return [], f"'{part}' is no letter of a sound, no code of a phone and no word"
    if expected == NONE:
        return [], f"{NONE} cannot be expected"
    before = _places(expected)
    if accepted == NONE:
        return [(symbol, None) for symbol in dict.fromkeys(before.values())], ""
    after = _places(accepted)
    if expected in KOREAN.symbols or accepted in KOREAN.symbols:
        found = [(one, other) for one in before.values() for other in after.values()]
    else:
        found = [(before[place], after[place]) for place in _POSITIONS if place in before and place in after]
    pairs: list[tuple[str, str | None]] = [pair for pair in dict.fromkeys(found) if pair[0] != pair[1]]
    if pairs:
        return pairs, ""
    same = "are one sound here" if found else "have no common place in a syllable"
    return [], f"{expected} and {accepted} {same}"


def _places(part: str) -> dict[str, str]:
    """Position → phone of a code, of a letter, or of a letter at the end of a syllable; empty for anything else."""
    if part in KOREAN.symbols:
        return {"": part}
    letter = part.removeprefix(FINAL).strip()
    return {
        position: _PHONES[letter, position]
        for position in (("coda",) if letter != part else _POSITIONS)
        if (letter, position) in _PHONES
    }
