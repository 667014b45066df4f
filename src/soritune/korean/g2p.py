"""Korean text to its standard pronunciation: in Hangul, in phones, with all accepted variants, and explained.

The steps: `normalize` gives the spoken words, `morphology` (or `tagger`) their joints, `compounds` and `lexicon`
the kind of each joint, and `boundaries` the sounds at each joint. This file connects them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Literal

from soritune.errors import TextError
from soritune.korean import boundaries as b
from soritune.korean.alternatives import NUMERAL_END
from soritune.korean.compounds import PLAIN_OBSTRUENTS, compound_marks
from soritune.korean.layout import Change, Line, Word, combine
from soritune.korean.lexicon import Lexicon, load_lexicon
from soritune.korean.linking import link_marks
from soritune.korean.morphology import Analysis, analyse, analyse_numeral, is_report, stem_by_context
from soritune.korean.normalization import marked_phrases, phrase_readings
from soritune.korean.phones import hangul_to_phones
from soritune.korean.pronounced_text import PronouncedText
from soritune.korean.tagger import Retag, load_tagger

Boundary = Literal["phrase", "word"]
Tagger = Literal["auto", "kiwi", "none"]

_CACHED_WORDS = 65536
_VARIANT_LIMIT = 64
_READING_LIMIT = 16


class Pronouncer:
    """Converts Korean text with one tagger and one lexicon, and caches the words it has converted.

    Args:
        tagger: `kiwi` uses kiwipiepy and fails without it; `none` uses spelling alone; `auto` uses kiwipiepy if it
            is installed.
        lexicon: a user lexicon (see `lexicon.py` for the format), whose entries override all rules.

    Raises:
        TextError: the tagger is unknown or not installed, or the lexicon has a bad line.
    """

    def __init__(self, tagger: Tagger = "auto", lexicon: str | Path | None = None) -> None:
        if tagger not in ("auto", "kiwi", "none"):
            raise TextError(f"unknown tagger '{tagger}'; expected auto, kiwi or none")
        self._lexicon: Lexicon = load_lexicon(lexicon)
        self._words: dict[object, Word] = {}
        self._retag: Retag | None = None
        if tagger != "none":
            self._retag = load_tagger(required=tagger == "kiwi")

    def pronounce(self, text: str, boundary: Boundary = "phrase") -> str:
        """Return the standard pronunciation in Hangul; see the function of the same name."""
        return self.pronounce_phrases(marked_phrases(text), boundary)

    def pronounce_phrases(self, phrases: Iterable[str], boundary: Boundary = "phrase") -> str:
        """Return the standard pronunciation of phrases in Hangul, joined by spaces.

        Args:
            phrases: items of `marked_phrases`, or runs of their words; the marks tell which words are numerals.
            boundary: see `pronounce`.

        Raises:
            TextError: an unknown boundary.
        """
        _check_boundary(boundary)
        pieces: list[str] = []
        for words in self._analysed(phrases):
            onset = words[0].syllables[0][0]
            for word, following in zip(words, [*words[1:], None], strict=True):
                coda = word.syllables[-1][2]
                if following is None:
                    coda, next_onset = b.REPRESENTATIVE_CODA[coda], 0
                else:
                    next_onset, vowel, closing = following.syllables[0]
                    kind = link_marks(word.analysis, following.analysis, boundary)[0][0]
                    coda, next_onset, _ = b.joint_outcome(
                        coda, next_onset, b.vowel_class(vowel, closing), kind
                    )
                pieces.append(word.spell(onset, coda))
                onset = next_onset
        return " ".join(pieces)

    def variants(self, text: str, boundary: Boundary = "phrase", limit: int = _VARIANT_LIMIT) -> list[str]:
        """Return all accepted pronunciations; see the function of the same name."""
        _check_boundary(boundary)
        readings = [
            combine(list(self._analysed(phrases)), boundary, limit)
            for phrases in phrase_readings(text, _READING_LIMIT)
        ]
        principal = [forms[0] for forms in readings]
        rest = [form for forms in itertools.zip_longest(*readings) for form in forms if form is not None]
        return list(dict.fromkeys([*principal, *rest]))[:limit]

    def pronounced_readings(self, text: str) -> list[PronouncedText]:
        """Return the readings of a text, the principal one first; see the function of the same name."""
        readings = []
        for phrases in phrase_readings(text, _READING_LIMIT):
            words = list(self._analysed(phrases))
            if words:
                readings.append(PronouncedText(words))
        return readings

    def phonemize(self, text: str, boundary: Boundary = "phrase") -> list[str]:
        """Return the phones of the standard pronunciation; see the function of the same name."""
        return hangul_to_phones(self.pronounce(text, boundary))

    def explain(self, text: str, boundary: Boundary = "phrase") -> list[Change]:
        """Return which article changed what and where; see the function of the same name."""
        _check_boundary(boundary)
        changes: list[Change] = []
        position = 0
        for words in self._phrases(text):
            line = Line(words, boundary)
            changes.extend(line.changes(position))
            position += len(line.spelled) + 2
        return changes

    def _phrases(self, text: str) -> Iterator[list[Word]]:
        """Yield the analysed words of each phrase (the speech between two pauses)."""
        return self._analysed(marked_phrases(text))

    def _analysed(self, phrases: Iterable[str]) -> Iterator[list[Word]]:
        """Yield the analysed words of each phrase of one reading of a text."""
        for phrase in phrases:
            spelled = phrase.split()
            words = [self._words.get(word) or self._cache_new(word) for word in spelled]
            if self._retag is not None:
                self._tag_doubtful_words(
                    phrase.replace(NUMERAL_END, ""), [word.analysis.text for word in words], words
                )
            self._mark_stems_by_next_word(words)
            yield words

    def _mark_stems_by_next_word(self, words: list[Word]) -> None:
        """Mark the stems that the next word implies: 감지 is a verb form before 않다."""
        for index in range(len(words) - 1):
            analysis, following = words[index].analysis, words[index + 1].analysis
            if is_report(following.text, analysis.text) and following.stems:
                noun = replace(following, stems=frozenset())
                words[index + 1] = self._words.get(("신고", "noun")) or self._cache_word(
                    ("신고", "noun"), noun
                )
            if analysis.text[-1] not in "지기":
                continue
            boundary = stem_by_context(analysis.text, words[index + 1].analysis.text)
            if boundary is not None and boundary not in analysis.stems:
                key = (analysis.text, boundary)
                with_stem = replace(analysis, stems=analysis.stems | {boundary})
                words[index] = self._words.get(key) or self._cache_word(key, with_stem)

    def _tag_doubtful_words(self, phrase: str, spelled: list[str], words: list[Word]) -> None:
        """Let the tagger replace the words whose pronunciation depends on their parts or on the next word."""
        doubtful = [word.doubtful and not word.analysis.numerals for word in words]
        for index, following in enumerate(words[1:]):
            if words[index].analysis.may_end_in_future and following.syllables[0][0] in PLAIN_OBSTRUENTS:
                doubtful[index] = True
        if self._retag is None or not any(doubtful):
            return
        for index, analysis in enumerate(self._retag(phrase, spelled, doubtful)):
            if analysis is not None and analysis != words[index].analysis:
                key = (
                    spelled[index],
                    analysis.stems,
                    analysis.futures,
                    analysis.genitives,
                    analysis.ends_in_future,
                    analysis.compounds,
                )
                words[index] = self._words.get(key) or self._cache_word(key, analysis)

    def _cache_new(self, spelled: str) -> Word:
        """Analyse and cache a word, which may have numerals marked in it."""
        if NUMERAL_END not in spelled:
            return self._cache_word(spelled, analyse(spelled))
        pieces = spelled.split(NUMERAL_END)
        ends = itertools.accumulate(len(piece) for piece in pieces[:-1])
        text = "".join(pieces)
        boundaries = frozenset(end - 1 for end in ends if 0 < end < len(text))
        return self._cache_word(spelled, analyse_numeral(text, boundaries) if boundaries else analyse(text))

    def _cache_word(self, key: object, analysis: Analysis) -> Word:
        if len(self._words) >= _CACHED_WORDS:
            self._words.clear()
        marks = compound_marks(analysis)
        for boundary, choices in self._lexicon.joints(analysis.text, analysis.noun_ends).items():
            if boundary not in analysis.numerals:  # 오점 is a word, 5점 is not
                marks[boundary] = choices
        word = self._words[key] = Word(analysis, marks)
        return word


def _check_boundary(boundary: str) -> None:
    if boundary not in ("phrase", "word"):
        raise TextError(f"unknown boundary '{boundary}'; expected phrase or word")


@cache
def pronouncer(tagger: Tagger = "auto", lexicon: str | Path | None = None) -> Pronouncer:
    """Return the shared `Pronouncer` for these settings, made on first use."""
    return Pronouncer(tagger, lexicon)


def pronounce(
    text: str,
    boundary: Boundary = "phrase",
    *,
    tagger: Tagger = "auto",
    lexicon: str | Path | None = None,
) -> str:
    """Return the standard pronunciation of a text, in Hangul (Standard Pronunciation, articles 5-30).

    Args:
        text: any text; numbers, Latin letters and symbols are read first (`normalize`).
        boundary: `phrase` applies articles 12, 15, 18, 23, 27 and 29 over a space; `word` treats a space as a
            pause, except for article 27 before a dependent noun (할 수). Punctuation is always a pause.
        tagger: `kiwi`, `none`, or `auto` (kiwipiepy if installed).
        lexicon: a file of your own words, which override the rules; see `lexicon.py`.

    Returns:
        Syllables with the codas ㄱㄴㄷㄹㅁㅂㅇ, words separated by single spaces as in the text.

    Raises:
        TextError: an unknown boundary or tagger, kiwipiepy required but missing, or a bad lexicon line.

    >>> pronounce("밭 아래 국물", tagger="none")
    '바 다래 궁물'
    """
    return pronouncer(tagger, lexicon).pronounce(text, boundary)


def variants(
    text: str,
    boundary: Boundary = "phrase",
    *,
    tagger: Tagger = "auto",
    lexicon: str | Path | None = None,
) -> list[str]:
    """Return every accepted pronunciation of a text, the principal one first.

    These are the forms that articles 5, 15, 22, 28, 29 and 30 allow beside the principal one, both readings
    of homographs, and optional links over spaces. At most 64 are returned, the forms nearest the principal one first.
    The free choice between ㅚ and ㅞ (article 4) is not listed, since the two are one phone here.

    Args:
        text: see `pronounce`.
        boundary: see `pronounce`.
        tagger: see `pronounce`.
        lexicon: see `pronounce`.

    Raises:
        TextError: see `pronounce`.

    >>> variants("깃발", tagger="none")
    ['기빨', '긷빨']
    """
    return pronouncer(tagger, lexicon).variants(text, boundary)


def phonemize(
    text: str,
    boundary: Boundary = "phrase",
    *,
    tagger: Tagger = "auto",
    lexicon: str | Path | None = None,
) -> list[str]:
    """Return the phones of the standard pronunciation, with `|` where the text has a space.

    Args:
        text: see `pronounce`.
        boundary: see `pronounce`.
        tagger: see `pronounce`.
        lexicon: see `pronounce`.

    Returns:
        Symbols of `KOREAN` and `|`; neither end is a `|`.

    Raises:
        TextError: see `pronounce`.

    >>> phonemize("손을 잡고", tagger="none")
    ['S', 'O', 'N', 'EU', 'L', '|', 'J', 'A', 'p', 'GG', 'O']
    """
    return pronouncer(tagger, lexicon).phonemize(text, boundary)


def pronounced_readings(
    text: str, *, tagger: Tagger = "auto", lexicon: str | Path | None = None
) -> list[PronouncedText]:
    """Return the readings of a text with phones that keep their place in it, and with the accepted choices.

    The principal pronunciation has a pause at every space, as `boundary="word"` of `pronounce`; linking is a choice.

    Args:
        text: see `pronounce`.
        tagger: see `pronounce`.
        lexicon: see `pronounce`.

    Returns:
        The readings, the principal one first: 3번 is 세 번 or 삼 번. Empty for a text without anything to read.

    Raises:
        TextError: see `pronounce`.

    >>> [phone.articles for phone in pronounced_readings("국물", tagger="none")[0].phones()]
    [(), (), ('18',), (), (), ()]
    """
    return pronouncer(tagger, lexicon).pronounced_readings(text)


def explain(
    text: str,
    boundary: Boundary = "phrase",
    *,
    tagger: Tagger = "auto",
    lexicon: str | Path | None = None,
) -> list[Change]:
    """Return which article changed what, and where, in the principal pronunciation.

    Args:
        text: see `pronounce`.
        boundary: see `pronounce`.
        tagger: see `pronounce`.
        lexicon: see `pronounce`.

    Returns:
        One `Change` for each article and position in the order of the text, in characters of `normalize(text)`.

    Raises:
        TextError: see `pronounce`.

    >>> [(change.article, change.before, change.after) for change in explain("국물", tagger="none")]
    [('18', '국물', '궁물')]
    """
    return pronouncer(tagger, lexicon).explain(text, boundary)
