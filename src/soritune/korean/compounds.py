"""Joints inside nouns: compounds, prefixes, Sino-Korean suffixes (articles 15, 20 proviso, 26, 28, 29, 30).

These articles depend on the parts of a word. A rule that holds for a whole series of words is in this file (two
lists of elements that meet, or a suffix with the word ends it must not be mistaken for). The lexicon has single facts.
"""

from __future__ import annotations

import re

from soritune.korean import boundaries as b
from soritune.korean.hangul import CODA, NO_ONSET, ONSET, coda_of, onset_of, vowel_of
from soritune.korean.morphology import LATERAL_STEMS, Analysis
from soritune.korean.word_classes import word_class

Choice = tuple[int, str]
"""Kind of joint and the article it follows from."""
Choices = tuple[Choice, ...]
"""Accepted kinds at one boundary, the principal one first."""

PLAIN_OBSTRUENTS = frozenset(ONSET[letter] for letter in "ㄱㄷㅂㅅㅈ")
_DENTAL_OBSTRUENTS = frozenset(ONSET[letter] for letter in "ㄷㅅㅈ")
SONORANTS = frozenset(CODA[letter] for letter in "ㄴㄹㅁㅇ")
_LATERAL, _NASAL, _SIOT = CODA["ㄹ"], CODA["ㄴ"], CODA["ㅅ"]
# Codas whose representative sound differs from what liaison would give: only these show article 15.
_CHANGING_CODAS = frozenset(index for index, sound in enumerate(b.REPRESENTATIVE_CODA) if index != sound)

# --- 15: content words and prefixes around an empty onset -------------------------------------------------
_CONTENT_AFTER_CODA = re.compile(
    r"있|없|옷|알(?!았|아|으)|아래|앞|위(?!해|하)|어른|어미|아비|아이|아들|아버지|어머니|아저씨|아줌마"
    r"|얼굴|웃음|울음|어깨|안(?!$)|안개|안쪽|오이|우물|앓|아궁|오르|올|외"
)
_BARE_PREFIXES = ("헛", "홑", "겉", "첫", "풋", "웃", "덧", "뭇", "옛", "맏", "짓", "숫", "엿", "윗", "깃")
# Those that are also verb stems, before -어, -아: 웃어, 짓어. The others are followed by particles.
_VERBAL_PREFIXES = frozenset(("웃", "짓", "엿"))
_PARTICLE_AFTER_PREFIX = ("이", "은", "을", "으", "에", "의")
_ENDING_AFTER_PREFIX = (*_PARTICLE_AFTER_PREFIX, "어", "아", "었", "았", "음")
# --- 29: second elements that take ㄴ -----------------------------------------------------------------------
_N_NATIVE = tuple(word_class("insertion_native"))
_N_LONG = tuple(word_class("insertion_second"))
_N_SINO_TAILS = {suffix: word_class(f"tail_{suffix}") for suffix in "용역율약염유육"}
# A one-syllable prefix that opens a three-syllable word whose last two belong together: 부작용, 신여성.
_SINO_PREFIXES = word_class("sino_prefix")
_N_PREFIXES = word_class("insertion_prefix")
_WORK_HEADS = word_class("work")
COUNTERS = tuple(word_class("counter_native"))
# 열 개 is pronounced 열깨 and 여덟 개 여덜개; the other form of each is heard too.
COUNTING_TENSE: dict[str, Choices] = {
    "열": ((b.TENSE, "27"), (b.PLAIN, "")),
    "여덟": ((b.PLAIN, ""), (b.TENSE, "27")),
}
NATIVE_TENS = ("열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_SINO_UNITS = "십백천만억"
# --- 20 proviso ---------------------------------------------------------------------------------------------
_KEEPS_NASAL = frozenset("력량론료란례류로")
_LATERAL_WORDS = word_class("lateral_word")
# --- 26: Sino-Korean syllables ------------------------------------------------------------------------------
_SINO_LATERAL = word_class("sino_lateral")
_SINO_DENTAL = word_class("sino_dental")
_SINO_ENDING_SYLLABLES = word_class("sino_suffix")
_NATIVE_LATERAL = word_class("native_lateral")
_LATERAL_NOUNS = word_class("lateral_noun")
_PLAIN_SECOND = tuple(word_class("plain_second"))
# --- 28: first and second elements --------------------------------------------------------------------------
# First elements that are only native, so that a short second element is enough to know the compound ...
_NATIVE_FIRST = word_class("compound_first")
# ... and those that are also Sino-Korean syllables, after which only an unmistakable second element counts.
_MIXED_FIRST = word_class("compound_first_mixed")
_SECOND_LONG = tuple(word_class("compound_second"))
_SECOND_SHORT = word_class("compound_second_short")
_SECOND_SHORT_MIXED = word_class("compound_second_short_mixed")
_SEASONS = ("봄", "여름", "가을", "겨울", "달", "오늘", "보름", "그믐")
_SECOND_SEASON = frozenset(("밤", "비"))
# Suffixes that are nearly always tense, and the least number of syllables before them.
_TENSE_SINO_SUFFIX = {
    "권": 1,
    "법": 1,
    "증": 1,
    "가루": 1,
    "값": 1,
    "길": 1,
    "속": 1,
    "빛": 1,
} | dict.fromkeys(("가게", "성", "점", "과", "죄"), 2)
_PLAIN_SINO_WORDS = word_class("plain_suffix_word")
_GI_VERBS = word_class("gi_verb")
_NATIVE_PREFIXES = "풋햇헛첫맨꿀새헌"
_VOWEL_PLAIN_SUFFIXES = ("값", "길", "속", "가루", "빛", "가게")
# One Sino-Korean syllable and 적: 시적, 양적; and, where a noun is spelled alike, only before 인, 으로.
_JEOK_HEADS = word_class("jeok_head")
_JEOK_HEADS_ADNOMINAL = word_class("jeok_head_adnominal")
_ADNOMINAL_JEOK = re.compile(r"적(?:인.*|이[다고며라에었].*|으로.*)")
# --- 30: a real coda ㅅ, and one that only spells a compound -----------------------------------------------
_REAL_SIOT = word_class("real_siot")
_SPELLED_AFTER = {
    "빗": re.compile(r"방울|소리|길|줄기|속|발|자루|기운"),
    "잇": re.compile(r"속|자국|바디"),
    "햇": re.compile(r"빛|볕|살|발|무리|귀"),
    "셋": re.compile(r"방|집|돈"),
    "깃": re.compile(r"발|대|감|거리"),
    "젓": re.compile(r"가락"),
    "곗": re.compile(r"돈|날"),
    "윗": re.compile(r"[^옷어]"),
    "칫": re.compile(r"솔"),
    "밧": re.compile(r"줄"),
    "삿": re.compile(r"밥|상|일|날"),
    "싯": re.compile(r"대|바|줄"),
    "잣": re.compile(r"말"),
    "룻": re.compile(r"밤|배|강|길"),
    "뭇": re.compile(r"가지|결|개비"),
    "킷": re.compile(r"^$"),
    "엿": re.compile(r"^$"),
    "릿": re.compile(r"속|결|기름|수건|돈|살|발|방|고기"),
    "깻": re.compile(r"."),
    "멧": re.compile(r"돼지|새|비둘기|나물|부엉"),
}


def takes_insertion(syllable: str) -> bool:
    """Tell whether a syllable begins with 이, 야, 여, 요, 유 ..., before which ㄴ may be inserted (29)."""
    return onset_of(syllable) == NO_ONSET and b.VOWEL_CLASS[vowel_of(syllable)] != b.OTHER_VOWEL


def spells_compound(word: str, boundary: int) -> bool:
    """Tell whether the coda ㅅ before this boundary only spells a compound joint (사이시옷): 나뭇가지."""
    syllable, rest = word[boundary], word[boundary + 1 :]
    if syllable in _SPELLED_AFTER:
        head_ok = syllable not in "뭇룻릿잣삿싯" or boundary > 0
        return head_ok and bool(_SPELLED_AFTER[syllable].match(rest))
    return syllable not in _REAL_SIOT


_COPULA = re.compile(r"이|이다|이고|이며|이라.*|인데.*|인|입니다|입니까|이에요|였.*")


def _insertion(word: str, boundary: int, end: int) -> Choices | None:
    """Article 29 at one boundary of a noun that ends at `end`."""
    head, rest = word[: boundary + 1], word[boundary + 1 : end]
    if coda_of(head[-1]) == _SIOT and spells_compound(word, boundary) and not _COPULA.fullmatch(rest):
        return ((b.INSERT_N, "30"),)
    size = len(head)
    if rest == "일" or (rest.startswith("일") and rest[1:2] in ("꾼", "손", "감")):
        if any(head == work or (head.endswith(work) and len(work) > 1) for work in _WORK_HEADS):
            return ((b.INSERT_N, "29"),)
        return None
    if rest.startswith(("일곱", "여섯", "여덟")):
        if not head.endswith(NATIVE_TENS):
            return None
        # 열일곱 is heard as 열릴곱 and 여릴곱; 여섯 and 여덟 always take ㄴ.
        return ((b.INSERT_N, "29"), (b.PLAIN, "13")) if rest.startswith("일곱") else ((b.INSERT_N, "29"),)
    if rest[:1] == "육" and head[-1] in _SINO_UNITS:
        return ((b.INSERT_N, "29"),)
    if rest == "옆" and coda_of(head[-1]) in SONORANTS:
        return ((b.INSERT_N, "29"),)
    if rest.startswith(_N_NATIVE) and (size >= 2 or head in _N_PREFIXES):
        return ((b.INSERT_N, "29"),)
    if (
        rest.startswith("입")
        and not rest.startswith("입니")
        and head in ("맨", "한", "군", "첫")
        and rest[1:2] != "학"
    ):
        return ((b.INSERT_N, "29"),)
    if rest.startswith(_N_LONG) and (size >= 2 or head in _N_PREFIXES):
        return ((b.INSERT_N, "29"),)
    tails = _N_SINO_TAILS.get(rest)
    if tails is None or size < 2:
        return None
    noun = head + rest
    if noun[-2:] in tails and (len(noun) > 3 or noun[0] in _SINO_PREFIXES):
        return None
    return ((b.INSERT_N, "29"),)


def _reduplicates(word: str, boundary: int) -> bool:
    """Tell whether the word so far is repeated after the boundary: 야금야금, 절절."""
    size = boundary + 1
    return word[:size] == word[size : 2 * size]


def _keeps_nasal(word: str, boundary: int, end: int) -> bool:
    """Article 20 proviso: a root of two or more syllables in ㄴ before a Sino-Korean suffix in ㄹ."""
    if boundary < 1 or boundary + 2 != end or word[boundary + 1] not in _KEEPS_NASAL:
        return False
    if word[boundary : boundary + 2] not in _LATERAL_WORDS:
        return True
    return end == 3 and word[0] not in _SINO_PREFIXES and word[0] != "물"  # 물난로 is 물+난로


def _sino_tense(word: str, boundary: int, end: int) -> bool:
    """Article 26: ㄹ before ㄷ, ㅅ, ㅈ inside one Sino-Korean root, or before a common Sino-Korean suffix."""
    left, right = word[boundary], word[boundary + 1]
    if left not in _SINO_LATERAL or right not in _SINO_DENTAL or _reduplicates(word, boundary):
        return False
    if left == right or (boundary and word[boundary - 1 : boundary + 1] == word[boundary + 1 : boundary + 3]):
        return False
    if boundary == 0 and left in _NATIVE_LATERAL and word.startswith(_PLAIN_SECOND, 1):
        return False
    if left in "칠팔" and right == "십":  # 백칠십
        return True
    if left in "일칠팔" and right in "삼사":  # digits read one by one
        return False
    if boundary % 2 == 0:
        return True
    return boundary + 2 == end and right in _SINO_ENDING_SYLLABLES


def _native_tense(word: str, boundary: int, end: int) -> bool:
    """Article 28 for pairs of everyday nouns, and for suffixes that nearly always become tense."""
    head, rest = word[: boundary + 1], word[boundary + 1 : end]
    if rest == "길" and head in _GI_VERBS:
        return False
    if coda_of(head[-1]) in SONORANTS:
        native = any(head[-size:] in _NATIVE_FIRST for size in (3, 2, 1) if size == len(head) or size > 1)
        if native or head in _MIXED_FIRST:
            if rest in (_SECOND_SHORT if native else _SECOND_SHORT_MIXED) or rest.startswith(_SECOND_LONG):
                return True
            if rest in _SECOND_SEASON and head.endswith(_SEASONS):
                return True
    if rest == "적" and head in _JEOK_HEADS:
        return True
    if boundary == 0 and head in _JEOK_HEADS_ADNOMINAL and _ADNOMINAL_JEOK.fullmatch(word[1:]):
        return True
    if head[-1] in "손발" and rest.startswith(("가락", "바닥")):  # 엄지손가락
        return True
    need = _TENSE_SINO_SUFFIX.get(rest)
    if need is None or len(head) < need:
        return False
    noun = head + rest
    if noun in _PLAIN_SINO_WORDS or noun[-3:] in _PLAIN_SINO_WORDS:
        return False
    if noun[-2:] in _PLAIN_SINO_WORDS and (
        len(noun) > 3 or noun[0] in _SINO_PREFIXES or noun[0] in _NATIVE_PREFIXES
    ):
        return False
    if rest in _VOWEL_PLAIN_SUFFIXES and not coda_of(head[-1]):
        return False
    if rest == "과" and coda_of(head[-1]):
        return False
    return not (
        rest == "권"
        and head in ("한", "두", "세", "네", "몇", "열", "스무", "다섯", "여섯", "일곱", "여덟", "아홉")
    )


def _before_empty_onset(analysis: Analysis, boundary: int, end: int) -> Choices | None:
    word = analysis.text
    head, following = word[: boundary + 1], word[boundary + 1]
    if takes_insertion(following):
        if _reduplicates(word, boundary) and len(head) > 1:
            return ((b.INSERT_N, "29"), (b.PLAIN, "29"))
        insertion = _insertion(word, boundary, end)
        if insertion:
            return insertion
        if following == "요" and boundary + 2 == len(word) and coda_of(head[-1]) in SONORANTS:
            return ((b.PLAIN, "13"), (b.INSERT_N, "29"))
    coda = coda_of(head[-1])
    if coda not in _CHANGING_CODAS:
        return None
    rest = word[boundary + 1 :]
    if coda == _SIOT and (
        spells_compound(word, boundary) and rest[0] not in "을은에의으" and not _COPULA.fullmatch(rest)
    ):
        return ((b.REPRESENTATIVE, "15"),)
    if rest[0] == "있" and head[-1] in "맛멋":
        return ((b.PLAIN, "15"), (b.REPRESENTATIVE, "15"))
    if rest[0] in "있없" and head[-1] not in "았었였겠했":
        return ((b.REPRESENTATIVE, "15"),)
    if head in _BARE_PREFIXES and not rest.startswith(
        _ENDING_AFTER_PREFIX if head in _VERBAL_PREFIXES else _PARTICLE_AFTER_PREFIX
    ):
        return ((b.REPRESENTATIVE, "15"),)
    if boundary in analysis.compounds or (
        _CONTENT_AFTER_CODA.match(rest) and (coda_of(head[-1]) != CODA["ㅎ"]) and _is_noun_coda(head)
    ):
        return ((b.REPRESENTATIVE, "15"),)
    return None


_NOUN_CODAS = tuple(word_class("noun_in_obstruent"))


def _is_noun_coda(head: str) -> bool:
    return head.endswith(_NOUN_CODAS)


def _grammatical_choices(analysis: Analysis, boundary: int, onset: int) -> Choices | None:
    """Articles 10 proviso, 16, 24, 25 and 27: kinds that follow from stems, endings, letter names, numerals."""
    word = analysis.text
    if (word[boundary] == "밟" and onset not in _VOICELESS_SAFE) or word[boundary : boundary + 2] in (
        "넓죽",
        "넓둥",
        "넓적",
    ):
        return ((b.BAP, ""),)
    if word in _HOMOGRAPHS and boundary == 0:
        return _HOMOGRAPHS[word] if boundary in analysis.stems else _HOMOGRAPHS[word][::-1]
    if boundary in analysis.stems:
        return ((b.STEM, ""),)
    if onset == NO_ONSET and word[: boundary + 1] in _LETTER_NAMES:
        return ((b.LETTER_NAME, ""),)
    numeral = COUNTING_TENSE.get(word[: boundary + 1])
    if numeral and onset in PLAIN_OBSTRUENTS and word.startswith(COUNTERS, boundary + 1):
        return numeral
    if boundary in analysis.futures and onset in PLAIN_OBSTRUENTS:
        return ((b.TENSE, "27"),)
    return None


def compound_marks(analysis: Analysis) -> dict[int, Choices]:
    """Return the kinds of joint that differ from the general articles, by boundary.

    Args:
        analysis: a word and its joints.

    Returns:
        For each boundary concerned, the accepted kinds of joint with their article, principal first.
    """
    word = analysis.text
    marks: dict[int, Choices] = {}
    for boundary in range(len(word) - 1):
        coda, onset = coda_of(word[boundary]), onset_of(word[boundary + 1])
        fixed = _grammatical_choices(analysis, boundary, onset)
        if fixed:
            marks[boundary] = fixed
            continue
        if boundary in analysis.numerals and onset != NO_ONSET:
            numeral_choices = _numeral_tense(word, boundary, coda)
            if numeral_choices:
                marks[boundary] = numeral_choices
            continue
        ends = [end for end in analysis.noun_ends if end > boundary + 1]
        for end in ends or (len(word),):
            choices: Choices | None = None
            if onset == NO_ONSET:
                if (coda and coda != CODA["ㅇ"]) or (coda and takes_insertion(word[boundary + 1])):
                    choices = _before_empty_onset(analysis, boundary, end)
            elif coda == _NASAL and onset == ONSET["ㄹ"]:
                if _keeps_nasal(word, boundary, end):
                    choices = ((b.NO_LATERAL, "20"),)
            elif coda == _SIOT and onset in PLAIN_OBSTRUENTS:
                if spells_compound(word, boundary):
                    choices = ((b.SPELLED_S, "30"), (b.PLAIN, "30"))
            elif onset in PLAIN_OBSTRUENTS and (coda in SONORANTS or not coda):
                if (
                    coda == _LATERAL
                    and onset in _DENTAL_OBSTRUENTS
                    and _sino_tense(word, boundary, end)
                    and not _verbal(word, boundary)
                ):
                    choices = ((b.TENSE, "26"),)
                elif _native_tense(word, boundary, end):
                    choices = ((b.TENSE, "28"),)
            if choices:
                marks[boundary] = choices
                break
    return marks


def _numeral_tense(word: str, boundary: int, coda: int) -> Choices | None:
    """Article 26 between a Sino-Korean numeral in ㄹ and its counter: 일등; 칠장, 칠대 are heard both ways."""
    if coda != _LATERAL or word[boundary] not in "일칠팔" or word[boundary + 1] not in _SINO_DENTAL:
        return None
    if word.startswith(_PLAIN_COUNTERS, boundary + 1):
        return ((b.PLAIN, ""), (b.TENSE, "26"))
    return ((b.TENSE, "26"), (b.PLAIN, ""))


_PLAIN_COUNTERS = (*"장대정단동조수자절", "세기", "세대", "주기", "주차")
# Spellings shared by a verb form and another word: both pronunciations are accepted, the likelier one first.
_HOMOGRAPHS: dict[str, Choices] = dict.fromkeys(
    ("신고", "참고", "안다", "감지"), ((b.STEM, "24"), (b.PLAIN, ""))
)
_VOICELESS_SAFE = (NO_ONSET, ONSET["ㅎ"])
_LETTER_NAMES = frozenset(["디귿", "지읒", "치읓", "키읔", "티읕", "피읖", "히읗", "쌍디귿", "쌍지읒"])
_L_ENDING = re.compile(r"다.*|던.*|더.*|도록.*|든.*|듯.*|지.*|자.*|디|잖.*|죠|질.*|진.*")


def _verbal(word: str, boundary: int) -> bool:
    """Tell whether ㄹ belongs to a predicate stem (알다, 놀지), which stays plain."""
    head, rest = word[: boundary + 1], word[boundary + 1 :]
    if rest[:1] == "도" and boundary == 0 and head in _NATIVE_LATERAL and not rest.startswith("도록"):
        return True
    if boundary and head in _LATERAL_NOUNS:  # 해설자, 전달자
        return False
    stem = next((head[-size:] for size in (3, 2, 1) if head[-size:] in LATERAL_STEMS), None)
    return stem is not None and bool(_L_ENDING.fullmatch(rest)) and word not in _SINO_LIKE_VERBS


_SINO_LIKE_VERBS = word_class("sino_like_verb")
