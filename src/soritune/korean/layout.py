"""Words and phrases syllable by syllable: the principal sounds, all accepted sounds, and the changes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from soritune.korean import boundaries as b
from soritune.korean.compounds import Choices
from soritune.korean.hangul import CODA, NO_CODA, NO_ONSET, ONSET, VOWEL, Syllable, join, split
from soritune.korean.lexicon import pronounced_vowel
from soritune.korean.linking import link_marks
from soritune.korean.morphology import Analysis, is_doubtful

_PLAIN: Choices = ((b.PLAIN, ""),)
_PAUSE: Choices = ((b.HALT, ""),)
_OPEN_BEFORE_EO = frozenset(VOWEL[letter] for letter in "ㅣㅚㅟㅢ")

ARTICLE_TITLES = {
    "5": "diphthongs",
    "9": "coda neutralisation",
    "10": "two-letter codas",
    "11": "two-letter codas",
    "12": "ㅎ",
    "13": "linking",
    "14": "linking of two-letter codas",
    "15": "representative sound before a content word",
    "16": "letter names",
    "17": "palatalisation",
    "18": "nasalisation",
    "19": "ㄹ becomes ㄴ",
    "20": "lateralisation",
    "22": "glide between vowels",
    "23": "tensing after an obstruent",
    "24": "tensing after a stem in ㄴ, ㅁ",
    "25": "tensing after a stem in ㄼ, ㄾ",
    "26": "tensing after ㄹ in Sino-Korean words",
    "27": "tensing after adnominal -ㄹ",
    "28": "tensing in compounds",
    "29": "ㄴ insertion",
    "30": "spelled compound ㅅ",
}
"""Short names of the articles of the Standard Pronunciation that change something."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change that the standard makes to the written form."""

    article: str
    """Article number, or `lexicon` for an entry without one."""
    title: str
    start: int
    """First syllable concerned, counted in characters of the normalised text."""
    end: int
    before: str
    """The syllables concerned as written."""
    after: str
    """The same syllables as pronounced, all articles applied."""
    word: str
    """The word, or the two words joined by a space."""


class Word:
    """A word with the kinds of joint inside it, and its principal pronunciation without its two edges."""

    __slots__ = ("analysis", "doubtful", "joints", "middle", "sounds", "syllables")

    def __init__(self, analysis: Analysis, marks: dict[int, Choices]) -> None:
        self.analysis = analysis
        self.doubtful = is_doubtful(analysis.text)
        self.syllables = [split(character) for character in analysis.text]
        self.joints = [marks.get(boundary, _PLAIN) for boundary in range(len(self.syllables) - 1)]
        sounds = [list(syllable) for syllable in self.syllables]
        for boundary, choices in enumerate(self.joints):
            left, right = sounds[boundary], sounds[boundary + 1]
            left[2], right[0], _ = b.joint_outcome(
                left[2], right[0], b.vowel_class(right[1], right[2]), choices[0][0]
            )
        for sound, (onset, vowel, _) in zip(sounds, self.syllables, strict=True):
            sound[1] = pronounced_vowel(onset, vowel, sound[0])
        self.sounds = sounds
        self.middle = "".join(join(*sound) for sound in sounds[1:-1])

    def spell(self, onset: int, coda: int) -> str:
        """Return the pronunciation with this onset and coda at its edges, which depend on the neighbouring words."""
        sounds = self.sounds
        last = sounds[-1]
        if len(sounds) == 1:
            return join(onset, last[1], coda)
        return join(onset, sounds[0][1], sounds[0][2]) + self.middle + join(last[0], last[1], coda)


class Line:
    """One phrase syllable by syllable; variants and explanations examine its single boundaries."""

    def __init__(self, words: Sequence[Word], boundary: str) -> None:
        self.syllables: list[Syllable] = []
        self.choices: list[Choices] = []
        self.word_of: list[int] = []
        self.words = [word.analysis.text for word in words]
        self.spaces: set[int] = set()
        self.genitives: set[int] = set()
        for index, word in enumerate(words):
            if index:
                self.choices.append(link_marks(words[index - 1].analysis, word.analysis, boundary))
                self.spaces.add(len(self.syllables))
            self.genitives.update(len(self.syllables) + position for position in word.analysis.genitives)
            self.syllables.extend(word.syllables)
            self.choices.extend(word.joints)
            self.word_of.extend([index] * len(word.syllables))
        self.choices.append(_PAUSE)
        self.spelled = " ".join(self.words)

    def outcomes(self) -> list[list[tuple[int, int, tuple[str, ...], str]]]:
        """Return the distinct outcomes at each boundary, principal first; the last boundary is the end."""
        outcomes = []
        for index, choices in enumerate(self.choices):
            coda = self.syllables[index][2]
            onset, vowel, closing = (
                self.syllables[index + 1] if index + 1 < len(self.syllables) else (ONSET["ㅁ"], 0, 0)
            )
            distinct: list[tuple[int, int, tuple[str, ...], str]] = []
            for kind, article in choices:
                new_coda, new_onset, articles = b.joint_outcome(
                    coda, onset, b.vowel_class(vowel, closing), kind
                )
                if all((new_coda, new_onset) != outcome[:2] for outcome in distinct):
                    distinct.append((new_coda, new_onset, articles, article))
            outcomes.append(distinct)
        return outcomes

    def vowel_choices(self, index: int) -> list[int]:
        """Return the accepted vowels of one syllable, the principal one first (articles 5 and 22)."""
        onset, vowel, _ = self.syllables[index]
        first = index == 0 or index in self.spaces
        if vowel == VOWEL["ㅢ"] and onset == NO_ONSET:
            if index in self.genitives:
                return [vowel, VOWEL["ㅔ"]]
            if first:
                return [vowel]
            # 국민의, 강의의: the word may end in the particle or be a noun in 의; only -주의 is always a noun.
            word = self.words[self.word_of[index]]
            last = index + 1 == len(self.syllables) or index + 1 in self.spaces
            particle = last and len(word) > 2 and not word.endswith("주의")
            return [vowel, VOWEL["ㅣ"], VOWEL["ㅔ"]] if particle else [vowel, VOWEL["ㅣ"]]
        if vowel == VOWEL["ㅖ"] and onset not in (NO_ONSET, ONSET["ㄹ"]):
            return [vowel, VOWEL["ㅔ"]]
        if (
            not first
            and onset == NO_ONSET
            and self.syllables[index - 1][2] == NO_CODA
            and self._takes_glide(index)
        ):
            return [vowel, VOWEL["ㅕ"] if vowel == VOWEL["ㅓ"] else VOWEL["ㅛ"]]
        return [vowel]

    def _takes_glide(self, index: int) -> bool:
        """Article 22: 어 after ㅣ, ㅚ, ㅟ of a predicate (되어, 피었다), and 오 in 이오, 아니오."""
        _, vowel, coda = self.syllables[index]
        word = self.words[self.word_of[index]]
        if vowel == VOWEL["ㅗ"]:
            return word.endswith(("이오", "아니오")) and not coda and index + 1 == len(self.syllables)
        if vowel != VOWEL["ㅓ"] or self.syllables[index - 1][1] not in _OPEN_BEFORE_EO:
            return False
        return coda == CODA["ㅆ"] or (coda == NO_CODA and "시어머" not in word and "미어캣" not in word)

    def changes(self, offset: int) -> Iterator[Change]:
        """Yield the changes of the principal pronunciation, boundary by boundary."""
        outcomes = [choices[0] for choices in self.outcomes()]
        sounds = [list(syllable) for syllable in self.syllables]
        for index, (coda, onset, _, _) in enumerate(outcomes):
            sounds[index][2] = coda
            if index + 1 < len(sounds):
                sounds[index + 1][0] = onset
        after = []
        for (onset, vowel, _), sound in zip(self.syllables, sounds, strict=True):
            sound[1] = pronounced_vowel(onset, vowel, sound[0])
            after.append(join(*sound))
        shift = 0
        for index, (syllable, sound) in enumerate(zip(self.syllables, sounds, strict=True)):
            shift += index in self.spaces
            start = offset + index + shift
            spelled = join(*syllable)
            if sound[1] != syllable[1]:
                yield Change(
                    "5",
                    ARTICLE_TITLES["5"],
                    start,
                    start + 1,
                    spelled,
                    after[index],
                    self._word_at(index, index),
                )
            coda, onset, articles, article = outcomes[index]
            lexical = [article] if article and not (article == "29" and "29" in articles) else []
            following = index + 1 < len(self.syllables)
            changed = coda != syllable[2] or (following and onset != self.syllables[index + 1][0])
            if not changed:
                continue
            space = " " if index + 1 in self.spaces else ""
            if not following or (
                onset == self.syllables[index + 1][0]
                and outcomes[index][1] == onset
                and space
                and not articles
            ):
                following = False
            pair = spelled + space + join(*self.syllables[index + 1]) if following else spelled
            pronounced = after[index] + space + after[index + 1] if following else after[index]
            for number in dict.fromkeys([*articles, *lexical]):
                yield Change(
                    number,
                    ARTICLE_TITLES.get(number, "listed word"),
                    start,
                    start + len(pair),
                    pair,
                    pronounced,
                    self._word_at(index, index + 1 if following else index),
                )

    def _word_at(self, first: int, last: int) -> str:
        return " ".join(dict.fromkeys(self.words[self.word_of[index]] for index in (first, last)))


def combine(phrase_words: list[list[Word]], boundary: str, limit: int) -> list[str]:
    """Return the pronunciations of all accepted choices, fewest departures from the principal one first."""
    lines = [Line(words, boundary) for words in phrase_words]
    slots: list[tuple[int, int, bool, int]] = []  # line, syllable, is vowel, number of choices
    tables = []
    for number, line in enumerate(lines):
        outcomes = line.outcomes()
        vowels = [line.vowel_choices(index) for index in range(len(line.syllables))]
        tables.append((outcomes, vowels))
        slots.extend(
            (number, index, False, len(choices)) for index, choices in enumerate(outcomes) if len(choices) > 1
        )
        slots.extend(
            (number, index, True, len(choices)) for index, choices in enumerate(vowels) if len(choices) > 1
        )
    pronunciations: dict[str, None] = {}
    for departures in range(len(slots) + 1):
        for chosen in itertools.combinations(slots, departures):
            for picks in itertools.product(*(range(1, slot[3]) for slot in chosen)):
                picked = {slot[:3]: pick for slot, pick in zip(chosen, picks, strict=True)}
                pronunciations[_spell(lines, tables, picked)] = None
                if len(pronunciations) >= limit:
                    return list(pronunciations)
    return list(pronunciations)


def _spell(
    lines: list[Line],
    tables: list[tuple[list[list[tuple[int, int, tuple[str, ...], str]]], list[list[int]]]],
    picked: dict[tuple[int, int, bool], int],
) -> str:
    """Write out one combination of choices."""
    pieces = []
    for number, (line, (outcomes, vowels)) in enumerate(zip(lines, tables, strict=True)):
        onset = line.syllables[0][0] if line.syllables else 0
        text = []
        for index, (spelled_onset, _, _) in enumerate(line.syllables):
            coda, next_onset, _, _ = outcomes[index][picked.get((number, index, False), 0)]
            vowel = vowels[index][picked.get((number, index, True), 0)]
            if index in line.spaces:
                text.append(" ")
            text.append(join(onset, pronounced_vowel(spelled_onset, vowel, onset), coda))
            onset = next_onset
        pieces.append("".join(text))
    return " ".join(pieces)
