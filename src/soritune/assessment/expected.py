"""What a text expects of its speaker: the phones with their place in it, in the accepted form that was spoken.

The standard accepts several forms at many places (의, ㅖ, linking over a space, optional tensing, readings of numbers).
The form that fits the recording best is expected, so that no accepted form can count as an error.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from soritune.assessment.alignment import Alignment, LogProbabilities, frames_needed, log_likelihood, viterbi
from soritune.assessment.limits import check_stop
from soritune.assessment.timing import FrameTimes, Interval, Tiers, phone_times, span
from soritune.assessment.variants import WordVariant
from soritune.errors import TaskError
from soritune.korean import (
    ARPABET,
    KOREAN,
    WORD_BOUNDARY,
    PronouncedText,
    hangul_pieces,
    pronounced_readings,
    written_words,
)
from soritune.korean.hangul import composed, is_syllable

CONTEXT = 8
"""Symbols on each side within which two accepted forms are compared."""
UNREADABLE_TEXT = "text-not-readable"
"""Kind of the error about a text without anything to pronounce in Korean."""
UI = "euI"
"""ㅢ, which has the most accepted forms."""
_IPA = {phone.symbol: phone.ipa for inventory in (ARPABET, KOREAN) for phone in inventory.phones}


@dataclass(frozen=True, slots=True)
class ExpectedPhone:
    """A phone that is expected."""

    symbol: str
    at: int
    """Its position in `Expected.symbols`."""
    syllable: int | None = None
    word: int | None = None
    letter: str | None = None
    """The Korean letter of its sound."""
    position: str | None = None
    """`onset`, `vowel` or `coda`."""
    articles: tuple[str, ...] = ()
    """Articles by which it differs from the spelling."""

    @property
    def ipa(self) -> str | None:
        """Its IPA value."""
        return _IPA.get(self.symbol)


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected phones of a text."""

    symbols: tuple[str, ...]
    """Phones, and word boundaries if the model has them."""
    phones: tuple[ExpectedPhone, ...]
    syllables: tuple[str, ...] = ()
    """As they are written out in Hangul; of given phones, as they are pronounced."""
    words: tuple[str, ...] = ()
    """As they are written out."""
    written: tuple[str, ...] = ()
    """For each word, the word of the given text that it comes from."""
    alternatives: tuple[frozenset[str | None], ...] = ()
    """Per phone, what other accepted forms have in its place; None for a missing phone."""
    variants: Mapping[int, WordVariant] = field(default_factory=dict)
    """Word that is expected as another one than is written, by a file of variants → that one and the reason."""

    def without(self, words: Collection[int]) -> Expected:
        """The same without the phones of some words; the other phones keep their syllables and words."""
        kept = [number for number, phone in enumerate(self.phones) if phone.word not in words]
        symbols: list[str] = []
        phones: list[ExpectedPhone] = []
        for before, number in zip([None, *kept], kept, strict=False):
            phone = self.phones[number]
            has_boundary = (
                before is not None and WORD_BOUNDARY in self.symbols[self.phones[before].at : phone.at]
            )
            symbols += [WORD_BOUNDARY, phone.symbol] if has_boundary else [phone.symbol]
            phones.append(replace(phone, at=len(symbols) - 1))
        alternatives = tuple(self.alternatives[number] for number in kept) if self.alternatives else ()
        return replace(self, symbols=tuple(symbols), phones=tuple(phones), alternatives=alternatives)

    def may_be(self, number: int, symbol: str) -> bool:
        """Whether the standard accepts a symbol in the place of the phone with this number."""
        return symbol == self.phones[number].symbol or (
            bool(self.alternatives) and symbol in self.alternatives[number]
        )

    def ids(self, labels: Sequence[str]) -> list[int]:
        """The symbols as columns.

        Raises:
            TaskError: a symbol that the model does not have.
        """
        return ids_of(self.symbols, labels)

    def tiers(self, alignment: Alignment, frames: FrameTimes) -> Tiers:
        """The times of phones, syllables (as written out) and words (as written in the text)."""
        times = phone_times(self.symbols, alignment, frames)
        syllables = [
            span(parts, self.syllables[index])
            for index, parts in _grouped(times, [phone.syllable for phone in self.phones])
        ]
        names = self.words
        words = [span(parts, names[index]) for index, parts in _grouped(times, [p.word for p in self.phones])]
        return Tiers(tuple(times), tuple(syllables), tuple(words))


def _grouped(times: Sequence[Interval], keys: Sequence[int | None]) -> list[tuple[int, list[Interval]]]:
    groups: dict[int, list[Interval]] = {}
    for interval, key in zip(times, keys, strict=True):
        if key is not None:
            groups.setdefault(key, []).append(interval)
    return list(groups.items())


def ids_of(symbols: Sequence[str], labels: Sequence[str]) -> list[int]:
    """Columns of symbols.

    Raises:
        TaskError: a symbol that the model does not have.
    """
    column = {label: index for index, label in enumerate(labels)}
    unknown = next((symbol for symbol in symbols if symbol not in column), None)
    if unknown is not None:
        raise TaskError(
            f"the model has no phone '{unknown}'; its labels are {' '.join(labels)}, give phones of these"
        )
    return [column[symbol] for symbol in symbols]


def is_special(label: str) -> bool:
    """Whether a label has the form of a token that is not a phone.

    >>> [is_special(label) for label in ("[PAD]", "<s>", "A", "[", "|")]
    [True, True, False, False, False]
    """
    return len(label) > 1 and label.startswith(("[", "<"))


def expected_of_phones(phones: Sequence[str], labels: Sequence[str], blank: int | None = None) -> Expected:
    """Phones that are given instead of a text, with `|` between words.

    Args:
        phones: symbols of the model.
        labels: label of each column.
        blank: index of the blank; None if a label with the form of a special token is the blank.

    Raises:
        TaskError: no phone, one that the model does not have, or a label that is not a phone.
    """
    symbols = [phone for phone in phones if phone != WORD_BOUNDARY or WORD_BOUNDARY in labels]
    for symbol, column in zip(symbols, ids_of(symbols, labels), strict=True):
        if column == blank or is_special(symbol):
            raise TaskError(f"'{symbol}' is a label of the model and no phone; give phones alone")
    kept = [index for index, symbol in enumerate(symbols) if symbol != WORD_BOUNDARY]
    if not kept:
        raise TaskError("no phones were given; write them with spaces between, as in 'S O R I'")
    word_of, words = _words(phones)
    only = [phone for phone in phones if phone != WORD_BOUNDARY]
    syllable_of: list[int | None] = [None] * len(only)
    syllables: list[str] = []
    if set(only) <= set(KOREAN.symbols):
        at = 0
        for text, size in hangul_pieces(phones):
            if text != " ":
                syllable_of[at : at + size] = [len(syllables)] * size
                syllables.append(text)
                at += size
    placed = tuple(
        ExpectedPhone(symbols[at], at, syllable=syllable_of[number], word=word_of[number])
        for number, at in enumerate(kept)
    )
    return Expected(tuple(symbols), placed, tuple(syllables), tuple(words), tuple(words))


def is_korean_text(text: str) -> bool:
    """Whether a text has Hangul or digits, so that the Korean G2P may read it; it would spell other words letter by
    letter."""
    composed = unicodedata.normalize("NFKC", text)
    return any(is_syllable(character) or character.isdigit() for character in composed)


def _words(phones: Sequence[str]) -> tuple[list[int], list[str]]:
    """The word of each phone, and the words as phones with spaces."""
    word_of: list[int] = []
    words: list[list[str]] = [[]]
    for phone in phones:
        if phone == WORD_BOUNDARY:
            if words[-1]:
                words.append([])
        else:
            word_of.append(len(words) - 1)
            words[-1].append(phone)
    return word_of, [" ".join(word) for word in words if word]


def expected_of_text(
    text: str,
    log_probabilities: LogProbabilities,
    labels: Sequence[str],
    blank: int,
    check_length: Callable[[int], None] = lambda num_phones: None,
    word_variants: Mapping[str, Sequence[WordVariant]] | None = None,
) -> Expected:
    """The accepted pronunciation of a Korean text that fits the recording best.

    Args:
        text: any text that the Korean G2P reads.
        log_probabilities: (frames, labels) of the recording.
        labels: label of each column.
        blank: index of the blank.
        check_length: is called with the number of phones of the shortest reading, before any of them is compared with
            the recording; it may raise.
        word_variants: words of the text that may be pronounced as others.

    Raises:
        TaskError: the model lacks Korean phones, or the recording is too short for the text.
        TextError: nothing in the text can be read.
    """
    missing = [symbol for symbol in KOREAN.symbols if symbol not in labels]
    if missing:
        raise TaskError(
            f"the model lacks the Korean phones {' '.join(missing[:8])}, so no text can be read for it; give phones"
        )
    readings = pronounced_readings(text) if is_korean_text(text) else []
    if not any(reading.syllables for reading in readings):
        raise TaskError(
            f"'{text[:40]}' is not a Korean text that can be pronounced; write it in Hangul", UNREADABLE_TEXT
        )
    check_length(min(len(reading.phones()) for reading in readings))
    given = np.asarray(log_probabilities, dtype=np.float64)
    names = text.split()
    tokens, variants = _spoken_tokens(names, word_variants or {}, given, labels, blank)
    read = " ".join(tokens)
    if variants:
        readings = pronounced_readings(read)
    best = max(readings, key=lambda reading: _fit(reading, given, labels, blank))
    picks = _spoken_picks(best, given, labels, blank)
    phones = best.phones(picks)
    symbols, positions = _symbols(best, picks, labels)
    placed = tuple(
        ExpectedPhone(
            phone.symbol,
            at,
            phone.syllable,
            best.word_of(phone),
            phone.letter,
            phone.position,
            phone.articles,
        )
        for phone, at in zip(phones, positions, strict=True)
    )
    return Expected(
        tuple(symbols),
        placed,
        tuple(syllable for syllable, _ in best.syllables),
        tuple(best.words),
        tuple(written_words(read, best.words, names)),
        _alternatives(best, picks, symbols, positions, labels),
        {
            word: variants[token]
            for word, token in enumerate(written_words(read, best.words, [str(n) for n in range(len(names))]))
            if token in variants
        },
    )


def plain_word(token: str) -> str:
    """A word of a text without its punctuation.

    >>> plain_word("'네가',")
    '네가'
    """
    return "".join(character for character in composed(token) if character.isalnum())


def _spoken_tokens(
    tokens: Sequence[str],
    word_variants: Mapping[str, Sequence[WordVariant]],
    given: LogProbabilities,
    labels: Sequence[str],
    blank: int,
) -> tuple[list[str], dict[str, WordVariant]]:
    """The words of a text in the accepted forms that fit best, word by word; and those that differ from the text, by
    the number of the word as text."""
    spoken, chosen = list(tokens), dict[str, WordVariant]()

    def fit(words: Sequence[str]) -> float:
        return max(_fit(reading, given, labels, blank) for reading in pronounced_readings(" ".join(words)))

    best: float | None = None
    for number, token in enumerate(tokens):
        plain = plain_word(token)
        for variant in word_variants.get(plain, ()):
            check_stop()
            best = fit(spoken) if best is None else best
            other = [*spoken[:number], composed(token).replace(plain, variant.word), *spoken[number + 1 :]]
            better = fit(other)
            if better > best:
                best, spoken, chosen[str(number)] = better, other, variant
    return spoken, chosen


def _symbols(
    text: PronouncedText, picks: Mapping[int, int], labels: Sequence[str]
) -> tuple[list[str], list[int]]:
    """The symbols of an accepted form with word boundaries, and the position of each phone among them."""
    symbols: list[str] = []
    positions: list[int] = []
    word = 0
    for phone in text.phones(picks):
        if text.word_of(phone) != word and symbols and WORD_BOUNDARY in labels:
            symbols.append(WORD_BOUNDARY)
        word = text.word_of(phone)
        positions.append(len(symbols))
        symbols.append(phone.symbol)
    return symbols, positions


def _fit(text: PronouncedText, given: LogProbabilities, labels: Sequence[str], blank: int) -> float:
    ids = ids_of(_symbols(text, {}, labels)[0], labels)
    return log_likelihood(given, ids, blank) if frames_needed(ids) <= len(given) else -np.inf


def _spoken_picks(
    text: PronouncedText, given: LogProbabilities, labels: Sequence[str], blank: int
) -> dict[int, int]:
    """The accepted sounds that fit best, place by place; the principal one where another does not fit better."""
    picks: dict[int, int] = {}
    current = ids_of(_symbols(text, picks, labels)[0], labels)
    path = viterbi(given, current, blank)
    for number, choice in enumerate(text.choices):
        best, most = 0, 0.0
        for pick in range(1, choice.count):
            check_stop()
            other = ids_of(_symbols(text, {**picks, number: pick}, labels)[0], labels)
            better = gain(given, current, other, path, blank)
            if better > most:
                best, most = pick, better
        if best:
            picks[number] = best
            chosen = ids_of(_symbols(text, picks, labels)[0], labels)
            path = aligned_anew(given, current, chosen, path, blank)
            current = chosen
    return picks


def gain(
    given: LogProbabilities, current: Sequence[int], other: Sequence[int], path: Alignment, blank: int
) -> float:
    """How much more probable another form of a text is, in the window around the place where they differ."""
    first, low, high, stop = _window(given, current, other, path)
    part = other[low : len(other) - (len(current) - high)]
    frames = given[first:stop]
    if frames_needed(part) > len(frames):
        return -np.inf
    return log_likelihood(frames, part, blank) - log_likelihood(frames, current[low:high], blank)


def aligned_anew(
    given: LogProbabilities, current: Sequence[int], other: Sequence[int], path: Alignment, blank: int
) -> Alignment:
    """The alignment of another form of a text: that of the current one, and a new one in the window."""
    first, low, high, stop = _window(given, current, other, path)
    part = viterbi(given[first:stop], other[low : len(other) - (len(current) - high)], blank)
    return Alignment(
        np.concatenate([path.first_frames[:low], part.first_frames + first, path.first_frames[high:]]),
        np.concatenate([path.last_frames[:low], part.last_frames + first, path.last_frames[high:]]),
        path.log_probability,
    )


def _window(
    given: LogProbabilities, current: Sequence[int], other: Sequence[int], path: Alignment
) -> tuple[int, int, int, int]:
    """Where two forms of a text differ, with their neighbours: first frame, first and last symbol of the current form
    (exclusive), last frame (exclusive)."""
    same = 0
    while same < min(len(current), len(other)) and current[same] == other[same]:
        same += 1
    end = 0
    while end < min(len(current), len(other)) - same and current[-1 - end] == other[-1 - end]:
        end += 1
    low, high = max(0, same - CONTEXT), min(len(current), len(current) - end + CONTEXT)
    first = 0 if low == 0 else int(path.last_frames[low - 1] + 1 + path.first_frames[low]) // 2
    stop = (
        len(given)
        if high == len(current)
        else int(path.last_frames[high - 1] + 1 + path.first_frames[high]) // 2
    )
    return first, low, high, stop


def _alternatives(
    text: PronouncedText,
    picks: dict[int, int],
    symbols: Sequence[str],
    positions: Sequence[int],
    labels: Sequence[str],
) -> tuple[frozenset[str | None], ...]:
    """Per phone, what the forms that differ from the spoken one at a single place have instead of it."""
    others: list[set[str | None]] = [set() for _ in positions]
    number_of = {at: number for number, at in enumerate(positions)}
    for number, choice in enumerate(text.choices):
        for pick in range(choice.count):
            if pick == picks.get(number, 0):
                continue
            check_stop()
            form = _symbols(text, {**picks, number: pick}, labels)[0]
            same = 0
            while same < min(len(symbols), len(form)) and symbols[same] == form[same]:
                same += 1
            end = 0
            while end < min(len(symbols), len(form)) - same and symbols[-1 - end] == form[-1 - end]:
                end += 1
            replaced = form[same : len(form) - end]
            for offset, at in enumerate(range(same, len(symbols) - end)):
                if at in number_of:
                    equal = len(replaced) == len(symbols) - end - same
                    others[number_of[at]].add(replaced[offset] if equal else None)
    return tuple(frozenset(found - {symbols[at]}) for found, at in zip(others, positions, strict=True))
