"""The exception lexicon: words whose pronunciation no rule can derive, one per line, with the article.

A line is `word<TAB>pronunciation<TAB>article`; accepted forms are joined by `/`, the principal one first; a
word that ends in `-` is a stem or prefix. Loading turns each line into kinds of joint (which boundary is
tense, takes ㄴ, ...), so a listed word still links to the particle or ending after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from soritune.errors import TextError, reason_of
from soritune.korean import boundaries as b
from soritune.korean.hangul import ONSET, VOWEL, Syllable, is_syllable, split

Choice = tuple[int, str]
Choices = tuple[Choice, ...]

_KINDS = (
    b.PLAIN,
    b.TENSE,
    b.INSERT_N,
    b.REPRESENTATIVE,
    b.STEM,
    b.SPELLED_S,
    b.NO_LATERAL,
    b.BASIC_STOP,
    b.BAP,
    b.LETTER_NAME,
    b.HALT,
)


# A two-syllable word that ends in one of these is not searched for inside another word: 시대가 is not 대가.
_PARTICLES = "가과도만로은는이을를에와의"
_SUFFIXES = "적들별용형급제권자성화비표인하되이의체판실율"


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed word and the kinds of joint it fixes."""

    word: str
    article: str
    joints: dict[int, Choices]
    stem: bool = False
    """The word was written with a final `-`: any ending may follow."""


@dataclass(slots=True)
class Lexicon:
    """Listed words, searched for in a longer word by longest match."""

    entries: dict[str, Entry] = field(default_factory=dict)
    longest: int = 0

    def add(self, entry: Entry) -> None:
        """Add one entry; a later one replaces an earlier one for the same word."""
        self.entries[entry.word] = entry
        self.longest = max(self.longest, len(entry.word))

    def joints(self, word: str, noun_ends: Collection[int]) -> dict[int, Choices]:
        """Return the joints fixed by listed words in `word`, by boundary.

        Args:
            word: the word as written.
            noun_ends: where a noun may end in it (`Analysis.noun_ends`).
        """
        joints: dict[int, Choices] = {}
        start = 0
        size = len(word)
        while start < size - 1:
            for length in range(min(self.longest, size - start), 1, -1):
                entry = self.entries.get(word[start : start + length])
                if entry is not None and (
                    (entry.stem and not start) or _is_separate_word(word, start, start + length, noun_ends)
                ):
                    for boundary, choices in entry.joints.items():
                        joints[start + boundary] = choices
                    start += length - 1
                    break
            start += 1
        return joints


def _is_separate_word(word: str, start: int, end: int, noun_ends: Collection[int]) -> bool:
    """Tell whether a match is really the listed word: 인기 is not in 살인기계, 대가 is not in 시대가 or 대가리.

    A match of three syllables is accepted. A match of two must open the word and be followed by nothing, a particle,
    a common suffix or another noun. Inside the word it must follow two syllables and not end in a possible particle.
    """
    if end - start > 2:
        return True
    if start:
        return start >= 2 and word[end - 1] not in _PARTICLES
    return end in noun_ends or len(word) - end > 1 or word[end] in _SUFFIXES


def pronounced_vowel(onset: int, vowel: int, sounded_onset: int) -> int:
    """Apply article 5 to a vowel: ㅢ after a consonant letter is ㅣ, ㅕ after ㅈ ㅉ ㅊ is ㅓ."""
    if vowel == VOWEL["ㅢ"] and onset != ONSET["ㅇ"]:
        return VOWEL["ㅣ"]
    if vowel == VOWEL["ㅕ"] and sounded_onset in (ONSET["ㅈ"], ONSET["ㅉ"], ONSET["ㅊ"]):
        return VOWEL["ㅓ"]
    return vowel


def compile_entry(word: str, pronunciations: Iterable[str], article: str) -> Entry | None:
    """Find the kind of joint at each boundary that yields the stated pronunciations.

    Args:
        word: the listed word, `-` at the end allowed.
        pronunciations: accepted forms, principal first.
        article: the article that the entry follows from.

    Returns:
        The entry, or None when a form cannot come from the word by any kind of joint.
    """
    stem = word.rstrip("-")
    letters = [split(character) for character in stem]
    per_boundary: dict[int, list[Choice]] = {}
    for form in pronunciations:
        target = form.rstrip("-")
        if len(target) != len(stem):
            return None
        sounds = [split(character) for character in target]
        for boundary in range(len(stem) - 1):
            kind = _kind_for(letters, sounds, boundary)
            if kind is None:
                return None
            choices = per_boundary.setdefault(boundary, [])
            if all(kind != known for known, _ in choices):
                choices.append((kind, article))
    joints = {boundary: tuple(choices) for boundary, choices in per_boundary.items()}
    return Entry(stem, article, joints, word.endswith("-"))


def _kind_for(letters: list[Syllable], sounds: list[Syllable], boundary: int) -> int | None:
    """Return the first kind of joint that gives the stated sounds at this boundary, or None."""
    coda, (onset, vowel, closing) = letters[boundary][2], letters[boundary + 1]
    wanted = sounds[boundary][2], sounds[boundary + 1][0]
    for kind in _KINDS:
        if b.joint_outcome(coda, onset, b.vowel_class(vowel, closing), kind)[:2] == wanted:
            return kind
    return None


def read_lexicon(lines: Iterable[str], source: str, lexicon: Lexicon) -> Lexicon:
    """Read and check lexicon lines.

    Args:
        lines: the lines of the file; empty ones and those that begin with `#` are skipped.
        source: the file's name, for messages.
        lexicon: the entries are added to it.

    Returns:
        `lexicon`.

    Raises:
        TextError: a line has no tab, holds characters other than Hangul, or gives a pronunciation that no
            article allows for the word; the message states the file, the line, what came and what was expected.
    """
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        fields = text.split("\t")
        prefix = f"{source}, line {number}: "
        if len(fields) not in (2, 3):
            raise TextError(
                f"{prefix}got '{text}'; expected word, tab, pronunciation, "
                "and optionally a tab and the article"
            )
        word, forms = fields[0].strip(), [form.strip() for form in fields[1].split("/")]
        for part in (word, *forms):
            if not part.rstrip("-") or not all(map(is_syllable, part.rstrip("-"))):
                raise TextError(f"{prefix}got '{part}'; expected Hangul syllables only (forms joined by '/')")
        entry = compile_entry(word, forms, fields[2].strip() if len(fields) == 3 else "lexicon")
        if entry is None:
            raise TextError(
                f"{prefix}'{'/'.join(forms)}' cannot be a pronunciation of '{word}'; expected one "
                "syllable for each of the word's, changed only as the articles allow"
            )
        lexicon.add(entry)
    return lexicon


def load_lexicon(path: str | Path | None = None) -> Lexicon:
    """Load the package's exception lexicon, then the user's.

    Args:
        path: a file in the format of this module, UTF-8, or None.

    Returns:
        The lexicon; the user's entries override the package's.

    Raises:
        TextError: the user's file cannot be read or has a bad line.
    """
    from importlib.resources import files  # slow to import; only the first conversion needs it

    lexicon = Lexicon()
    resource = files("soritune.korean") / "exceptions.tsv"
    read_lexicon(resource.read_text(encoding="utf-8").splitlines(), "exceptions.tsv", lexicon)
    if path is not None:
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TextError(
                f"{path}: cannot read the lexicon ({reason_of(error)}); expected a UTF-8 text file"
            ) from error
        read_lexicon(lines, str(path), lexicon)
    return lexicon
