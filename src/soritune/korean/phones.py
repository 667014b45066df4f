"""The phone inventories as data, and the conversion between phones and pronounced Hangul.

`KOREAN` is the inventory of 40 phones used by Korean phone recognisers of the wav2vec2 family. `ARPABET` is the
inventory for English second-language data, so that no other code needs to assume Korean. A label sequence holds
phones and the word boundary `|`; special tokens never occur in labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soritune.errors import TextError, reason_of
from soritune.korean import hangul
from soritune.strict_json import read_json

WORD_BOUNDARY = "|"
"""The token between two words, in place of the text's space."""


@dataclass(frozen=True)
class Phone:
    """One phone: its symbol in labels, its IPA value, the letters that spell it and where it occurs."""

    symbol: str
    ipa: str
    letters: str
    position: str
    """`onset`, `coda`, `onset or coda`, `vowel` or (English) `consonant`."""


@dataclass(frozen=True)
class Inventory:
    """A closed set of phones with its word boundary and the tokenizer's special tokens."""

    name: str
    phones: tuple[Phone, ...]
    word_boundary: str = WORD_BOUNDARY
    special_tokens: tuple[str, ...] = ("[UNK]", "[PAD]", "<s>", "</s>")

    @property
    def symbols(self) -> tuple[str, ...]:
        """The phone symbols in the documented order, without boundary and special tokens."""
        return tuple(phone.symbol for phone in self.phones)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every token of a tokenizer for this inventory: phones, word boundary, special tokens."""
        return (*self.symbols, self.word_boundary, *self.special_tokens)

    def unknown(self, labels: Iterable[str]) -> list[str]:
        """Return the labels that are neither phones nor the word boundary, each once, in order of appearance."""
        known = {*self.symbols, self.word_boundary}
        return list(dict.fromkeys(label for label in labels if label not in known))


def _korean_phones() -> tuple[Phone, ...]:
    """Build the 40 phones: 18 onsets (ㅇ is silent), the codas k t p L NG, 17 vowels; N and M are also codas."""
    onsets = "G:k:ㄱ GG:k͈:ㄲ Kh:kʰ:ㅋ N:n:ㄴ D:t:ㄷ DD:t͈:ㄸ Th:tʰ:ㅌ R:ɾ:ㄹ M:m:ㅁ B:p:ㅂ BB:p͈:ㅃ Ph:pʰ:ㅍ "
    onsets += "S:s:ㅅ SS:s͈:ㅆ J:tɕ:ㅈ JJ:t͈ɕ:ㅉ CHh:tɕʰ:ㅊ H:h:ㅎ"
    codas = "k:k̚:ㄱ t:t̚:ㄷ p:p̚:ㅂ L:l:ㄹ NG:ŋ:ㅇ"
    vowels = "A:a:ㅏ EO:ʌ:ㅓ O:o:ㅗ U:u:ㅜ EU:ɯ:ㅡ I:i:ㅣ E:e:ㅐㅔ "
    vowels += "iA:ja:ㅑ iEO:jʌ:ㅕ iO:jo:ㅛ iU:ju:ㅠ iE:je:ㅒㅖ "
    vowels += "oA:wa:ㅘ oE:we:ㅙㅚㅞ uEO:wʌ:ㅝ uI:wi:ㅟ euI:ɰi:ㅢ"
    phones = []
    for table, position in ((onsets, "onset"), (codas, "coda"), (vowels, "vowel")):
        for entry in table.split():
            symbol, ipa, letters = entry.split(":")
            phone_position = "onset or coda" if symbol in ("N", "M", "L") else position
            phones.append(Phone(symbol, ipa, letters, phone_position))
    return tuple(phones)


def _arpabet_phones() -> tuple[Phone, ...]:
    """Build the 39 ARPAbet phones of the CMU dictionary, without stress digits."""
    vowels = "AA:ɑ AE:æ AH:ʌ AO:ɔ AW:aʊ AY:aɪ EH:ɛ ER:ɝ EY:eɪ IH:ɪ IY:i OW:oʊ OY:ɔɪ UH:ʊ UW:u"
    consonants = (
        "B:b CH:tʃ D:d DH:ð F:f G:ɡ HH:h JH:dʒ K:k L:l M:m N:n NG:ŋ P:p R:ɹ S:s SH:ʃ T:t TH:θ V:v W:w "
    )
    consonants += "Y:j Z:z ZH:ʒ"
    phones = []
    for table, position in ((vowels, "vowel"), (consonants, "consonant")):
        for entry in table.split():
            symbol, ipa = entry.split(":")
            phones.append(Phone(symbol, ipa, "", position))
    return tuple(phones)


KOREAN = Inventory("korean", _korean_phones())
"""40 Korean phones: 18 onsets (N and M also codas), 5 further codas (L also onset after L), 17 vowels."""

ARPABET = Inventory("arpabet", _arpabet_phones())
"""39 English phones without stress, for second-language corpora."""

PHONES = KOREAN.symbols
"""The 40 Korean symbols in the order onsets, codas, vowels. The order in a checkpoint is that of its vocab.json."""


_ONSET_PHONE = "G GG N D DD R M B BB S SS - J JJ CHh Kh Th Ph H".replace("-", "").split(" ")
_VOWEL_PHONE = [
    "A",
    "E",
    "iA",
    "iE",
    "EO",
    "E",
    "iEO",
    "iE",
    "O",
    "oA",
    "oE",
    "oE",
    "iO",
    "U",
    "uEO",
    "oE",
    "uI",
    "iU",
    "EU",
    "euI",
    "I",
]
_CODA_PHONE = dict(
    zip(
        (hangul.CODA[letter] for letter in "ㄱㄴㄷㄹㅁㅂㅇ"),
        ["k", "N", "t", "L", "M", "p", "NG"],
        strict=True,
    )
)

_LETTER_OF_ONSET = {symbol: index for index, symbol in enumerate(_ONSET_PHONE) if symbol} | {
    "L": hangul.ONSET["ㄹ"]
}
_LETTER_OF_CODA = {symbol: index for index, symbol in _CODA_PHONE.items()}
# Merged vowels are written with one letter: ㅐ/ㅔ as ㅔ, ㅒ/ㅖ as ㅖ, ㅙ/ㅚ/ㅞ as ㅞ.
_LETTER_OF_VOWEL = {symbol: index for index, symbol in enumerate(_VOWEL_PHONE)}
_ISOLATED = {symbol: hangul.ONSETS[index] for symbol, index in _LETTER_OF_ONSET.items()}
_ISOLATED |= {
    symbol: hangul.CODAS[index] for symbol, index in _LETTER_OF_CODA.items() if symbol not in _ISOLATED
}


def _syllable_phones() -> dict[str, tuple[str, ...]]:
    """Return the phones of each of the 19 x 21 x 8 pronounceable syllables."""
    table: dict[str, tuple[str, ...]] = {}
    codas = [(hangul.NO_CODA, ()), *((coda, (symbol,)) for coda, symbol in _CODA_PHONE.items())]
    for onset, onset_phone in enumerate(_ONSET_PHONE):
        head = (onset_phone,) if onset_phone else ()
        for vowel, vowel_phone in enumerate(_VOWEL_PHONE):
            for coda, tail in codas:
                table[hangul.join(onset, vowel, coda)] = (*head, vowel_phone, *tail)
    return table


_SYLLABLE_PHONES: dict[str, tuple[str, ...]] = {}
"""Filled on first use."""


def hangul_to_phones(pronounced: str) -> list[str]:
    """Convert pronounced Hangul to phones, letter by letter, without pronunciation rules.

    Args:
        pronounced: output of `pronounce` or of `phones_to_hangul`: syllables whose codas are ㄱㄴㄷㄹㅁㅂㅇ,
            and spaces. Other characters are skipped.

    Returns:
        Phones with `|` for each run of spaces between words. An onset ㄹ after a coda ㄹ is the long lateral
        `L`, also over a space; every other onset ㄹ is the tap `R`.

    Raises:
        TextError: a coda occurs only in spelling (ㅅ, ㄺ ...), so the text was not pronounced first.

    >>> hangul_to_phones("실라")
    ['S', 'I', 'L', 'L', 'A']
    """
    if not _SYLLABLE_PHONES:
        _SYLLABLE_PHONES.update(_syllable_phones())
    phones: list[str] = []
    after_lateral = pending_boundary = False
    for character in pronounced:
        syllable_phones = _SYLLABLE_PHONES.get(character)
        if syllable_phones is None:
            if character.isspace():
                pending_boundary = bool(phones)
            elif hangul.is_syllable(character):
                coda = hangul.CODAS[hangul.coda_of(character)]
                raise TextError(
                    f"'{character}' in '{pronounced[:40]}' ends in {coda}, which is spelling; "
                    "expected pronounced Hangul with the codas ㄱㄴㄷㄹㅁㅂㅇ (call pronounce first)"
                )
            continue
        if pending_boundary:
            phones.append(WORD_BOUNDARY)
            pending_boundary = False
        if after_lateral and syllable_phones[0] == "R":
            phones.append("L")
            phones.extend(syllable_phones[1:])
        else:
            phones.extend(syllable_phones)
        after_lateral = syllable_phones[-1] == "L"
    return phones


def phones_to_hangul(phones: Sequence[str]) -> str:
    """Rebuild pronounced Hangul from phones; any sequence of known symbols is accepted.

    A consonant before a vowel is its onset. Any other consonant closes the preceding vowel if it can be a coda, and is
    otherwise written as a single letter (a recogniser may output any sequence).

    Args:
        phones: symbols of `KOREAN` and `|`.

    Returns:
        Syllables, single letters and spaces. Merged vowels are written ㅔ, ㅖ and ㅞ.

    Raises:
        TextError: a symbol is not in the inventory.

    >>> phones_to_hangul(["H", "A", "k", "GG", "iO"])
    '학꾜'
    """
    return "".join(text for text, _ in hangul_pieces(phones))


def hangul_pieces(phones: Sequence[str]) -> list[tuple[str, int]]:
    """Rebuild pronounced Hangul piece by piece; see `phones_to_hangul`.

    Returns:
        Syllables, single letters and spaces in order, each with the number of phones that it stands for.

    Raises:
        TextError: a symbol is not in the inventory.

    >>> hangul_pieces(["H", "A", "k", "GG", "iO"])
    [('학', 3), ('꾜', 2)]
    """
    pieces: list[tuple[str, int]] = []
    open_syllable: tuple[int, int] | None = None
    onset: str | None = None

    def close(*coda: int) -> None:
        if open_syllable:
            size = 1 + (open_syllable[0] != hangul.NO_ONSET) + len(coda)
            pieces.append((hangul.join(*open_syllable, *coda), size))

    for position, symbol in enumerate(phones):
        vowel = _LETTER_OF_VOWEL.get(symbol)
        if vowel is not None:
            close()
            open_syllable = (_LETTER_OF_ONSET[onset] if onset else hangul.NO_ONSET, vowel)
            onset = None
            continue
        if onset:
            pieces.append((_ISOLATED[onset], 1))
            onset = None
        following = phones[position + 1] if position + 1 < len(phones) else WORD_BOUNDARY
        if symbol in _LETTER_OF_ONSET and following in _LETTER_OF_VOWEL:
            close()
            open_syllable, onset = None, symbol
        elif symbol in _LETTER_OF_CODA and open_syllable:
            close(_LETTER_OF_CODA[symbol])
            open_syllable = None
        elif symbol in _ISOLATED or symbol == WORD_BOUNDARY:
            close()
            open_syllable = None
            pieces.append((" " if symbol == WORD_BOUNDARY else _ISOLATED[symbol], 1))
        else:
            raise TextError(
                f"'{symbol}' (position {position}) is not a Korean phone; known: {' '.join(PHONES)} |"
            )
    close()
    return pieces


def load_vocabulary(path: str | Path, inventory: Inventory = KOREAN) -> dict[str, int]:
    """Read a checkpoint's `vocab.json` and check its tokens against the inventory.

    The tokens may have any order. `<s>` and `</s>` may be missing, since tokenizers keep them in `added_tokens.json`.

    Args:
        path: the JSON file, one object from token to id.
        inventory: the expected inventory.

    Returns:
        The object from token to id, as read.

    Raises:
        TextError: the file is missing or is not such an object, an id occurs twice, or tokens are missing or
            unknown; the message names them.
    """
    try:
        loaded = read_json(path)
    except (OSError, ValueError) as error:
        raise TextError(
            f"{path}: cannot read the vocabulary ({reason_of(error)}); expected a JSON object from token to id"
        ) from error
    if not isinstance(loaded, dict) or not all(isinstance(index, int) for index in loaded.values()):
        raise TextError(f"{path}: expected a JSON object from token to integer id")
    vocabulary: dict[str, int] = loaded
    problems = []
    optional = {"<s>", "</s>"}
    if missing := [
        token for token in inventory.vocabulary if token not in vocabulary and token not in optional
    ]:
        problems.append(f"lacks {' '.join(missing)}")
    if unknown := [token for token in vocabulary if token not in inventory.vocabulary]:
        problems.append(f"has the unknown {' '.join(unknown)}")
    if len(set(vocabulary.values())) < len(vocabulary):
        problems.append("gives one id to several tokens")
    if problems:
        raise TextError(
            f"{path} is not a vocabulary of the {len(inventory.phones)} {inventory.name} phones: it "
            f"{'; it '.join(problems)}"
        )
    return vocabulary
