"""The table of syllable boundaries: what a coda and the onset after it become at each kind of joint.

All consonant articles of the Standard Pronunciation (9-20, 23, and the outcomes of 24-30) act on one coda and
the following onset. One look-up per boundary is therefore enough, and chains (백리, first 백니, then 뱅니) need no
rule order. `morphology.py` and `compounds.py` decide the *kind* of joint (a verb stem before its ending, a
compound, ...); this file knows nothing about words.
"""

from __future__ import annotations

from soritune.korean.hangul import CODA, NO_CODA, NO_ONSET, ONSET, VOWEL

# Kinds of joint. PLAIN is the inside of a word and every joint that follows the general articles.
PLAIN = 0
HALT = 1
"""A pause: the coda closes the word, the onset opens the next."""
STEM = 2
"""Verb or adjective stem before an ending (11 proviso, 24, 25)."""
REPRESENTATIVE = 3
"""Before a content word: the coda takes its representative sound, then moves over (15)."""
INSERT_N = 4
"""ㄴ is inserted before 이, 야, 여, 요, 유 (29)."""
TENSE = 5
"""The onset becomes tense for a lexical or grammatical reason (24-28)."""
SPELLED_S = 6
"""The coda ㅅ only spells the joint of a compound and is silent (30.1)."""
NO_LATERAL = 7
"""ㄴ before ㄹ stays ㄴ and the ㄹ becomes ㄴ (20 proviso)."""
BAP = 8
"""ㄼ is pronounced ㅂ: 밟- before a consonant, 넓죽, 넓둥, 넓적 (10 proviso)."""
LETTER_NAME = 9
"""The coda of a letter name before a vowel (16)."""
BASIC_STOP = 10
"""Like PLAIN but without 17: 곧이어, 밭이랑."""

OTHER_VOWEL, VOWEL_I, VOWEL_YEO, OTHER_GLIDE = range(4)
VOWEL_CLASS = [OTHER_VOWEL] * 21
VOWEL_CLASS[VOWEL["ㅣ"]] = VOWEL_I
VOWEL_CLASS[VOWEL["ㅕ"]] = VOWEL_YEO
for _letter in "ㅑㅛㅠㅖㅒ":
    VOWEL_CLASS[VOWEL[_letter]] = OTHER_GLIDE


def vowel_class(vowel: int, coda: int) -> int:
    """Return the class of the syllable after a boundary.

    혀 and 여 palatalise only in the verb forms -혀, -혔, -여, -였.
    """
    base_class = VOWEL_CLASS[vowel]
    return OTHER_GLIDE if base_class == VOWEL_YEO and coda not in _VERB_YEO_CODAS else base_class


_VERB_YEO_CODAS = (NO_CODA, CODA["ㅆ"])

Outcome = tuple[int, int, tuple[str, ...]]
"""New coda, new onset, the articles that changed something."""


def _codas(pairs: str) -> dict[int, int]:
    return {CODA[pair[0]]: CODA[pair[1]] for pair in pairs.split()}


REPRESENTATIVE_CODA = list(range(len(CODA)))
for _coda, _sound in _codas(
    "ㄲㄱ ㅋㄱ ㄳㄱ ㄺㄱ ㄵㄴ ㄶㄴ ㅅㄷ ㅆㄷ ㅈㄷ ㅊㄷ ㅌㄷ ㅎㄷ ㄼㄹ ㄽㄹ ㄾㄹ ㅀㄹ ㄻㅁ ㅍㅂ ㅄㅂ ㄿㅂ"
).items():
    REPRESENTATIVE_CODA[_coda] = _sound
"""The sound of each coda before a consonant or a pause: one of ㄱㄴㄷㄹㅁㅂㅇ (articles 9, 10, 11)."""

_NEUTRAL_ARTICLE = {CODA[letter]: "9" for letter in "ㄲㅋㅅㅆㅈㅊㅌㅍㅎ"}
_NEUTRAL_ARTICLE |= {CODA[letter]: "10" for letter in "ㄳㄵㄼㄽㄾㅄ"}
_NEUTRAL_ARTICLE |= {CODA[letter]: "11" for letter in "ㄺㄻㄿ"}
_NEUTRAL_ARTICLE |= {CODA[letter]: "12" for letter in "ㄶㅀ"}

_NIEUN, _RIEUL, _MIEUM, _HIEUT = (ONSET[letter] for letter in "ㄴㄹㅁㅎ")
_TENSE_ONSET = {ONSET[plain]: ONSET[tense] for plain, tense in zip("ㄱㄷㅂㅅㅈ", "ㄲㄸㅃㅆㅉ", strict=True)}
_ASPIRATED_ONSET = {ONSET[plain]: ONSET[strong] for plain, strong in zip("ㄱㄷㅈ", "ㅋㅌㅊ", strict=True)}
_NASAL_CODA = _codas("ㄱㅇ ㄷㄴ ㅂㅁ")
# What moves to the empty onset after a coda, and what stays behind (13, 14).
_MOVING = {CODA[letter]: (NO_CODA, ONSET[letter]) for letter in "ㄱㄲㄴㄷㄹㅁㅂㅅㅆㅈㅊㅋㅌㅍ"}
for _cluster, _stays, _moves in (
    "ㄳㄱㅆ",
    "ㄵㄴㅈ",
    "ㄺㄹㄱ",
    "ㄻㄹㅁ",
    "ㄼㄹㅂ",
    "ㄽㄹㅆ",
    "ㄾㄹㅌ",
    "ㄿㄹㅍ",
    "ㅄㅂㅆ",
):
    _MOVING[CODA[_cluster]] = (CODA[_stays], ONSET[_moves])
_WITHOUT_HIEUT = {CODA["ㅎ"]: NO_CODA, CODA["ㄶ"]: CODA["ㄴ"], CODA["ㅀ"]: CODA["ㄹ"]}
_LETTER_NAME_SOUND = _codas("ㄷㅅ ㅈㅅ ㅊㅅ ㅌㅅ ㅎㅅ ㅋㄱ ㅍㅂ")
_PALATAL = {
    CODA["ㄷ"]: (NO_CODA, ONSET["ㅈ"]),
    CODA["ㅌ"]: (NO_CODA, ONSET["ㅊ"]),
    CODA["ㄾ"]: (CODA["ㄹ"], ONSET["ㅊ"]),
}
_BEFORE_HIEUT = {CODA[letter]: (NO_CODA, ONSET["ㅋ"]) for letter in "ㄱㄲㅋㄳㄺ"}
_BEFORE_HIEUT |= {CODA[letter]: (NO_CODA, ONSET["ㅍ"]) for letter in "ㅂㅍㅄㄿ"}
_BEFORE_HIEUT |= {CODA[letter]: (NO_CODA, ONSET["ㅌ"]) for letter in "ㄷㅅㅆㅈㅊㅌㅎ"}
# Stem before the suffix 히: the whole cluster is pronounced; ㄷ, ㅌ are palatal (additions of 12.1 and 17).
_BEFORE_SUFFIX_HI = {
    CODA["ㄷ"]: (NO_CODA, ONSET["ㅊ"]),
    CODA["ㅌ"]: (NO_CODA, ONSET["ㅊ"]),
    CODA["ㅈ"]: (NO_CODA, ONSET["ㅊ"]),
    CODA["ㄵ"]: (CODA["ㄴ"], ONSET["ㅊ"]),
    CODA["ㄾ"]: (CODA["ㄹ"], ONSET["ㅊ"]),
    CODA["ㄺ"]: (CODA["ㄹ"], ONSET["ㅋ"]),
    CODA["ㄼ"]: (CODA["ㄹ"], ONSET["ㅍ"]),
}
_TENSING_STEM_CODA = {CODA["ㄴ"]: "24", CODA["ㅁ"]: "24", CODA["ㄵ"]: "24", CODA["ㄻ"]: "24"}
_TENSING_STEM_CODA |= {CODA["ㄼ"]: "25", CODA["ㄾ"]: "25"}
_ALWAYS_STEM = {CODA["ㄵ"], CODA["ㄾ"]}


def _before_vowel(coda: int, vowel_class: int, kind: int) -> Outcome:
    """Articles 12.4, 13, 14, 16, 17: the coda moves into the empty onset."""
    if coda in (NO_CODA, CODA["ㅇ"]):
        return coda, NO_ONSET, ()
    if kind == LETTER_NAME and coda in _LETTER_NAME_SOUND:
        stays, moves = _MOVING[_LETTER_NAME_SOUND[coda]]
        return stays, moves, ("16",)
    if coda in _WITHOUT_HIEUT:
        left = _WITHOUT_HIEUT[coda]
        if left == NO_CODA:
            return NO_CODA, NO_ONSET, ("12",)
        return NO_CODA, _MOVING[left][1], ("12", "13")
    if kind != BASIC_STOP and coda in _PALATAL and vowel_class in (VOWEL_I, VOWEL_YEO):
        stays, moves = _PALATAL[coda]
        return stays, moves, ("17",)
    stays, moves = _MOVING[coda]
    return stays, moves, ("14" if stays else "13",)


def _before_hieut(coda: int, vowel_class: int) -> Outcome | None:
    """Articles 12.1 additions and 17 addition: an obstruent coda merges with ㅎ. None when nothing merges."""
    if vowel_class in (VOWEL_I, VOWEL_YEO) and coda in _BEFORE_SUFFIX_HI:
        stays, moves = _BEFORE_SUFFIX_HI[coda]
        return stays, moves, ("17" if coda in _PALATAL else "12",)
    if coda in _BEFORE_HIEUT:
        stays, moves = _BEFORE_HIEUT[coda]
        return stays, moves, ("12",)
    return None


def _before_consonant(coda: int, onset: int, kind: int, articles: list[str]) -> Outcome:
    """Articles 9-11 and 18-25 on a coda before a consonant that is not ㅎ."""
    sound = REPRESENTATIVE_CODA[coda]
    if kind == BAP and coda == CODA["ㄼ"]:
        sound = CODA["ㅂ"]
        articles.append("10")
    elif kind == STEM and coda == CODA["ㄺ"] and onset == ONSET["ㄱ"]:
        sound = CODA["ㄹ"]
        articles.append("11")
    elif coda in _NEUTRAL_ARTICLE:
        articles.append(_NEUTRAL_ARTICLE[coda])
    if onset in _TENSE_ONSET:
        stem_like = kind == STEM or coda in _ALWAYS_STEM
        if sound in _NASAL_CODA or (kind == STEM and coda == CODA["ㄺ"]):
            onset = _TENSE_ONSET[onset]
            articles.append("23")
        elif kind == TENSE:
            onset = _TENSE_ONSET[onset]
        elif stem_like and coda in _TENSING_STEM_CODA and onset != ONSET["ㅂ"]:
            onset = _TENSE_ONSET[onset]
            articles.append(_TENSING_STEM_CODA[coda])
    elif onset in (_NIEUN, _MIEUM):
        if sound in _NASAL_CODA:
            sound = _NASAL_CODA[sound]
            articles.append("18")
        elif sound == CODA["ㄹ"] and onset == _NIEUN:
            onset = _RIEUL
            articles.append("20")
    elif onset == _RIEUL:
        if sound in _NASAL_CODA:
            sound, onset = _NASAL_CODA[sound], _NIEUN
            articles.append("19")
        elif sound in (CODA["ㅁ"], CODA["ㅇ"]):
            onset = _NIEUN
            articles.append("19")
        elif sound == CODA["ㄴ"]:
            if kind == NO_LATERAL:
                onset = _NIEUN
            else:
                sound = CODA["ㄹ"]
            articles.append("20")
    return sound, onset, tuple(articles)


def _compute_outcome(coda: int, onset: int, vowel_class: int, kind: int) -> Outcome:
    """Compute one entry of the table; see `joint_outcome`."""
    if kind == HALT:
        return REPRESENTATIVE_CODA[coda], onset, (_NEUTRAL_ARTICLE[coda],) if coda in _NEUTRAL_ARTICLE else ()
    articles: list[str] = []
    if onset == NO_ONSET:
        if kind == INSERT_N and coda and vowel_class != OTHER_VOWEL:
            return _before_consonant(coda, _NIEUN, PLAIN, ["29"])
        if kind == REPRESENTATIVE and REPRESENTATIVE_CODA[coda] != coda:
            stays, moves = _MOVING[REPRESENTATIVE_CODA[coda]]
            return stays, moves, ("15",)
        return _before_vowel(coda, vowel_class, BASIC_STOP if kind == REPRESENTATIVE else kind)
    if coda == NO_CODA:
        if kind == TENSE and onset in _TENSE_ONSET:
            return coda, _TENSE_ONSET[onset], ()
        return coda, onset, ()
    if onset == _HIEUT:
        merged = _before_hieut(coda, OTHER_VOWEL if kind == REPRESENTATIVE else vowel_class)
        if merged:
            return merged
    if coda in _WITHOUT_HIEUT:
        left = _WITHOUT_HIEUT[coda]
        if onset in _ASPIRATED_ONSET:
            return left, _ASPIRATED_ONSET[onset], ("12",)
        if onset == ONSET["ㅅ"]:
            return left, ONSET["ㅆ"], ("12",)
    if kind == SPELLED_S and onset in _TENSE_ONSET:
        return NO_CODA, _TENSE_ONSET[onset], ("30",)
    return _before_consonant(coda, onset, kind, articles)


_TABLE: dict[int, Outcome] = {}


def joint_outcome(coda: int, onset: int, vowel_class: int, kind: int) -> Outcome:
    """Return what a coda and the onset after it become at one kind of joint.

    Args:
        coda: index of the underlying coda, 0 for none.
        onset: index of the underlying onset.
        vowel_class: class of the vowel after the onset, from `VOWEL_CLASS`.
        kind: kind of joint, one of the constants of this module.

    Returns:
        The pronounced coda (one of ㄱㄴㄷㄹㅁㅂㅇ or none), the pronounced onset, and the numbers of the articles
        applied. TENSE reports no article: the code that chose this kind knows which of 26-28 applies.
    """
    key = ((kind * 4 + vowel_class) * 19 + onset) * 28 + coda
    outcome = _TABLE.get(key)
    if outcome is None:
        outcome = _TABLE[key] = _compute_outcome(coda, onset, vowel_class, kind)
    return outcome
