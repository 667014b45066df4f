"""A text as it may be spoken: each phone with its letter, syllable, word and articles, and the accepted choices.

`g2p.py` gives whole pronunciations. Here the phones keep their place in the text, and each place where the standard
accepts several sounds is a choice of its own, so that an assessment can take, place by place, the form that was spoken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from soritune.korean import boundaries as b
from soritune.korean.hangul import CODAS, NO_CODA, NO_ONSET, ONSET, ONSETS, VOWELS, join
from soritune.korean.layout import Line, Word
from soritune.korean.lexicon import pronounced_vowel
from soritune.korean.phones import hangul_to_phones

_PAUSE = ((b.HALT, ""),)
_LATERAL = ONSET["ㄹ"]
_OF_CODA = ("9", "10", "11")
"""Articles that change a coda alone."""
_OF_ONSET = ("23", "24", "25", "26", "27", "28")
"""Articles that make an onset tense."""


@dataclass(frozen=True, slots=True)
class PlacedPhone:
    """One phone of a text."""

    symbol: str
    letter: str
    """The letter of its sound, such as ㅇ in 국물 [궁물]."""
    position: str
    """`onset`, `vowel` or `coda`."""
    syllable: int
    """Index of its syllable in `PronouncedText.syllables`."""
    articles: tuple[str, ...] = ()
    """Articles of the Standard Pronunciation by which it differs from the spelling, `lexicon` for a listed word."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A place where several sounds are accepted; number 0 is the principal one."""

    line: int
    index: int
    """Syllable of the line; of a joint, the one before it."""
    is_vowel: bool
    count: int
    """Number of accepted sounds."""


Picks = Mapping[int, int]
"""Number of a choice in `PronouncedText.choices` to the number of the sound that is taken; 0 where it is missing."""


class PronouncedText:
    """One reading of a text.

    Args:
        phrases: the analysed words of each phrase.
    """

    def __init__(self, phrases: Sequence[list[Word]]) -> None:
        self._lines = [_line(words) for words in phrases]
        self._outcomes = [line.outcomes() for line in self._lines]
        self._vowels = [
            [line.vowel_choices(index) for index in range(len(line.syllables))] for line in self._lines
        ]
        self.words = [word for line in self._lines for word in line.words]
        """The words as they are written out (`normalize`)."""
        self.syllables: list[tuple[str, int]] = []
        """Each syllable of the words with the index of its word."""
        first_word = 0
        for line in self._lines:
            self.syllables += [
                (join(*syllable), first_word + word)
                for syllable, word in zip(line.syllables, line.word_of, strict=True)
            ]
            first_word += len(line.words)
        self.choices = [
            Choice(number, index, is_vowel, count)
            for number in range(len(self._lines))
            for is_vowel, counts in (
                (False, [len(accepted) for accepted in self._outcomes[number]]),
                (True, [len(accepted) for accepted in self._vowels[number]]),
            )
            for index, count in enumerate(counts)
            if count > 1
        ]
        """Places with several accepted sounds. The linking of two words over a space is one; a pause is another."""
        self._number = {
            (choice.line, choice.index, choice.is_vowel): number for number, choice in enumerate(self.choices)
        }

    def phones(self, picks: Picks | None = None) -> list[PlacedPhone]:
        """The phones of one accepted pronunciation, without word boundaries."""
        placed: list[PlacedPhone] = []
        offset = 0
        after_lateral = False
        for number, line in enumerate(self._lines):
            onset, articles = line.syllables[0][0], tuple[str, ...]()
            for index, spelled in enumerate(line.syllables):
                outcome = self._outcomes[number][index][self._pick(picks, number, index, False)]
                written = self._vowels[number][index][self._pick(picks, number, index, True)]
                vowel = pronounced_vowel(spelled[0], written, onset)
                of_vowel: tuple[str, ...] = (
                    () if vowel == spelled[1] else (_vowel_article(spelled[1], written),)
                )
                applied = tuple(dict.fromkeys(article for article in (*outcome[2], outcome[3]) if article))
                of_coda = _without(applied, _OF_ONSET) if outcome[0] != spelled[2] else ()
                symbols = hangul_to_phones(join(onset, vowel, outcome[0]))
                parts = [("vowel", VOWELS[vowel], of_vowel)]
                if onset != NO_ONSET:
                    parts.insert(0, ("onset", ONSETS[onset], articles))
                    if onset == _LATERAL and after_lateral:
                        symbols[0] = "L"
                if outcome[0] != NO_CODA:
                    parts.append(("coda", CODAS[outcome[0]], of_coda))
                placed += [
                    PlacedPhone(symbol, letter, position, offset + index, why)
                    for symbol, (position, letter, why) in zip(symbols, parts, strict=True)
                ]
                after_lateral = symbols[-1] == "L"
                following = line.syllables[index + 1][0] if index + 1 < len(line.syllables) else NO_ONSET
                articles = _without(applied, _OF_CODA) if outcome[1] != following else ()
                onset = outcome[1]
            offset += len(line.syllables)
        return placed

    def word_of(self, phone: PlacedPhone) -> int:
        """Index of a phone's word."""
        return self.syllables[phone.syllable][1]

    def _pick(self, picks: Picks | None, line: int, index: int, is_vowel: bool) -> int:
        number = self._number.get((line, index, is_vowel))
        return 0 if number is None or picks is None else picks.get(number, 0)


def _line(words: list[Word]) -> Line:
    """A phrase in which every space may be a pause, or be linked over."""
    line, linked = Line(words, "word"), Line(words, "phrase")
    for space in line.spaces:
        line.choices[space - 1] = (*line.choices[space - 1], *linked.choices[space - 1], *_PAUSE)
    return line


def _vowel_article(spelled: int, chosen: int) -> str:
    """The article by which a vowel differs from the spelling: 22 for 되여, else 5."""
    return "22" if chosen != spelled and VOWELS[spelled] in "ㅓㅗ" else "5"


def _without(articles: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """The articles of one side of a joint; all of them where there are no others."""
    return tuple(article for article in articles if article not in others) or articles


def written_words(text: str, words: Sequence[str], names: Sequence[str] | None = None) -> list[str]:
    """For each word as it is written out, the word of the text that it comes from; several may come from one.

    Words that are equal in both are anchors; what is between two anchors belongs together: 3시 → 세, 시.

    Args:
        text: as it was read.
        words: as they are written out.
        names: given instead of the words of the text, one for each.

    >>> written_words("3시에 만나요.", ["세", "시에", "만나요"])
    ['3시에', '3시에', '만나요.']
    """
    read = text.split()
    plain = ["".join(character for character in token if character.isalnum()) for token in read]
    tokens = read if names is None else names
    sources = [""] * len(words)
    matcher = SequenceMatcher(a=plain, b=list(words), autojunk=False)
    for kind, first, stop, start, end in matcher.get_opcodes():
        for index in range(start, end):
            if kind == "equal":
                sources[index] = tokens[first + index - start]
            elif stop > first:
                sources[index] = " ".join(tokens[first:stop])
    return sources
