"""What the rules need to know about the parts of a word, derived from its spelling alone.

Verb stems in ㄴ, ㅁ and in clusters are a closed class, and so are endings and particles. These three lists find
most joints that matter to pronunciation without a dictionary. `tagger.py` fills the same `Analysis` from a
morphological analyser when one is installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from soritune.korean.hangul import CODA, ONSET, coda_of, onset_of
from soritune.korean.word_classes import word_class


@dataclass(frozen=True, slots=True)
class Analysis:
    """One word and its joints. Boundary `i` lies between the syllables `i` and `i + 1`."""

    text: str
    stems: frozenset[int]
    """Boundaries between a verb or adjective stem and its ending (11 proviso, 24, 25)."""
    futures: frozenset[int]
    """Boundaries after the ending -ㄹ inside the word (27)."""
    noun_ends: tuple[int, ...]
    """Where the noun may end: the word's length and each position where particles may begin, longest first."""
    genitives: frozenset[int]
    """Positions of the particle 의 (5 proviso 4)."""
    ends_in_future: bool = False
    """The word ends in the adnominal -ㄹ, so the next word may become tense (27)."""
    may_end_in_future: bool = False
    """The word could end in -ㄹ; a dependent noun after it decides."""
    modifies: bool = False
    """The word ends in an adnominal ending or is a determiner: the next word is its noun (29 addition 2)."""
    compounds: frozenset[int] = frozenset()
    """Boundaries between two content words, found by an analyser."""
    numerals: frozenset[int] = frozenset()
    """Boundaries after a numeral that was written in digits: 삼|번, 칠|장."""


# Predicate stems whose coda makes the ending tense (24, 25, 11 proviso); after nouns it stays plain.
_TENSING_STEMS = word_class("tensing_stem")
_CLUSTERS = frozenset(CODA[letter] for letter in "ㄵㄻㄼㄾㄺ")
_SIMPLE_TENSING = frozenset(CODA[letter] for letter in "ㄴㅁ")
_CLUSTER_NOUNS = ("닭", "흙", "칡", "탉", "슭", "앎", "여덟")
# What may precede a one-syllable stem in ㄴ or ㅁ inside one word: 살아남다, 휘감다, 눈감다, 모심기.
_BEFORE_STEM = re.compile(r".*[아어여와워려쳐겨커해]|휘|되|뒤|눈|휩|덧|모|줄|나무|못|안")
_CAUSATIVE_STEMS = word_class("causative_stem")
_STEM_LIKE_NOUNS = word_class("stem_like_noun")
_STEM_LIKE_STARTS = tuple(word_class("stem_like_start"))

# Endings that begin with ㄱ, ㄷ, ㅅ or ㅈ and can follow a stem with a coda.
_ENDING = re.compile(
    r"개(?!월).*|고(?:서|는|도|요|자|말고|야|파|픈|싶.*)?|게(?:요|끔|도|는|만|나|끔은)?|거나|거든(?:요)?|거라|거니(?:와)?|건대|건만"
    r"|겠.*|구나|구려|구요|군(?:요)?|길래|긴|는데.*"
    r"|다|다가(?:도|는)?|다고.*|다는|다니(?:까|요)?|다면(?:서)?|다며|다시피|단다|단|답니다|답니까|대(?:요)?"
    r"|던.*|더라.*|더니.*|더군.*|더구나|더냐|도록|든(?:지|가)?|듯(?:이|하.*|한.*)?|디"
    r"|습니.*|습디.*|소|지|지만.*|지요|지도|지는|지를|지가|지만도|지마|지않.*|지못.*|지[는도]않.*|질|진|잖.*|죠|자|자마자|자고|자는|자면"
)
_NOMINAL_GI = re.compile(
    r"기(?:가|를|도|에|에는|엔|만|만도|까지|로|는|란|보다|조차|마저|의|나|때문.*|위해.*|시작.*|전.*|쉽.*|어렵.*)?"
)
_NOMINAL_GI_ONLY = re.compile(r"기(?:가|를|도|에|에는|만|까지|로|란|보다|때문.*|위해.*|시작.*|쉽.*|어렵.*)")

_PARTICLE = re.compile(
    r"(?:들)?(?:에서|에게서|에게|에|께서|께|한테서|한테|더러|으로서|으로써|으로|로서|로써|로|의|까지|부터|하고|처럼|같이|보다"
    r"|이랑|랑|와|과|만큼|밖에|마다|뿐|대로|서)?"
    r"(?:만|까지|부터|조차|마저|밖에|뿐|커녕)?(?:도|은|는|을|를|이|가|이나|나|이라도|라도|요|이야|야|의|아|ㄴ)?"
    r"(?:이?요|이?다|입니.*|이?고|이?며|이?면.*|이?지.*|이에요.*|예요.*|이었.*|였.*|이?라.*|이?란|인|인데.*|인가.*|인지.*|이?니.*"
    r"|이?든.*|이?구나|이?군.*|이?네.*|이?죠|이?잖.*|이?거든.*|일까.*|일|이?자|이?던.*)?"
)
_AFTER_CODA = tuple(word_class("particle_after_coda"))
_AFTER_VOWEL = tuple(word_class("particle_after_vowel"))

# Stems in ㄹ: an ending follows the stem itself; the ㄹ is not the ending -ㄹ of another verb.
LATERAL_STEMS = word_class("lateral_stem")
_L_NOUNS = word_class("lateral_noun")
# Vowel stems (and irregular ones) whose -ㄹ form is common; the last syllable carries the ㄹ.
_FUTURE_SYLLABLES = word_class("future_syllable")
_FUTURE_TAILS = re.compile(
    r".*(?:릴|킬|낄|뀔|띌|잠잘|(?:혼|떠|태어|깨어|나타|드러|늘어)날|놀|(?:으|하|가|보|드|계|되|주|타|쓰|기|리|지|치|우|오|시)실|할|될|만날|끝날|일어날|나갈"
    r"|들어갈|돌아갈|올라갈|내려갈|가져갈|걸어갈|나올|들어올|돌아올|가져올|보낼|지낼|끝낼|마실|가르칠|고칠|던질|만질|가질"
    r"|떨어질|없어질|느낄|즐길|남길|맡길|옮길|숨길|배울|싸울|키울|세울|채울|피울|외울|태울|치울|바꿀|꾸밀|모일"
    r"|보일|먹일|쓰일|줄일|높일|붙일|도울|추울|더울|쉬울|어려울|아름다울|고마울|무거울|가벼울|즐거울|그럴|이럴|저럴|어떨|아플"
    r"|기쁠|슬플|예쁠|바쁠|나쁠|부를|모를|오를|자를|고를|흐를|서두를|따를|만들|여쭐|깨달을|보여줄|해줄|도와줄|사줄|아실|줄|볼)"
)
# Stems with a coda, before -을: they distinguish 먹을 from 책을.
_CODA_STEMS = word_class("coda_stem")
_FUTURE_ENDING = re.compile(
    r"(?:걸|게)(?:요)?|수록.*|지(?:도|는|를|가|라도|언정|요|에)?|진대|세라|뿐더러|밖에.*|소냐"
    r"|거(?:야|다|고|니까|라고|라는|라|죠|예요|에요|냐|든).*"
    r"|거|것.*|겁니.*|건(?:데.*|가.*|지.*)|수(?:는|도|가|록|밖에.*|있.*|없.*)?|줄.*|듯.*|법.*"
    r"|정도.*|적(?:에.*)?|데(?:가|는|도)?|상싶.*|성싶.*"
)
_ADNOMINAL = re.compile(
    r".*(?:[한된던쓴킨른운]|[있없하되드가오보먹쓰키리치지]는)|두|세|네|첫|새|헌|옛|온|맨|이런|그런|저런|어떤|웬|몇"
    r"|여러|무슨|좋은|많은|작은|높은|먹은|읽은|받은|같은|싶은"
)


def is_particle_sequence(text: str) -> bool:
    """Tell whether a text is made of particles and the copula only (이나, 에서는, 입니다); an empty text is."""
    return bool(_PARTICLE.fullmatch(text))


def particle_starts(word: str) -> list[int]:
    """Return every position, in order, where the rest of a word can be particles or the copula."""
    starts = []
    for start in range(1, len(word)):
        rest = word[start:]
        if not _PARTICLE.fullmatch(rest):
            continue
        coda = coda_of(word[start - 1])
        if coda and rest.startswith(_AFTER_VOWEL):
            continue
        if not coda and rest.startswith(_AFTER_CODA) and not rest.startswith(("이", "인", "입", "일")):
            continue
        if rest.startswith("로") and coda not in (0, CODA["ㄹ"]):
            continue
        starts.append(start)
    return starts


def is_stem_joint(word: str, boundary: int) -> bool:
    """Tell whether a predicate stem in ㄴ, ㅁ or a cluster ends at this boundary and an ending follows."""
    coda = coda_of(word[boundary])
    head, rest = word[: boundary + 1], word[boundary + 1 :]
    sizes = range(min(4, len(head)), 0, -1)
    stem = next((head[-size:] for size in sizes if head[-size:] in _TENSING_STEMS), None)
    if stem is None:
        return False
    simple = coda in _SIMPLE_TENSING
    if simple and len(stem) == 1 and len(head) > 1 and not _BEFORE_STEM.fullmatch(head[:-1]):
        return False
    if not simple and head.endswith(_CLUSTER_NOUNS):
        return False
    if word in _STEM_LIKE_NOUNS or (
        len(word) > 2
        and word.startswith(_STEM_LIKE_STARTS)
        and not rest.startswith(("도록", "자마자", "습니", "던"))
    ):
        return False
    if rest[:1] == "기":
        if stem in _CAUSATIVE_STEMS and coda != CODA["ㄺ"]:
            derived = len(head) > len(stem)  # 줄넘기, 모심기 (하다)
            bare = rest == "기" or (derived and rest.startswith(("기하", "기한", "기해", "기했")))
            return bool(_NOMINAL_GI_ONLY.fullmatch(rest)) or (bare and (derived or stem not in "감안신"))
        return bool(_NOMINAL_GI.fullmatch(rest))
    if rest == "긴" and stem in _CAUSATIVE_STEMS:  # 남긴, 옮긴; 감긴 is hardly ever 감기는
        return False
    if rest == "소" and simple:  # 감소, 검소: the ending -소 is hardly used after these
        return False
    if word == "안다":  # 알다, far more frequent than 안다 of holding
        return False
    return bool(_ENDING.fullmatch(rest))


# 갈게 is nearly always 가다 'go', not 갈다 'grind'; likewise 주다, 쓰다.
_SHORT_FUTURES = frozenset(["갈", "줄", "쓸"])


def _is_future_syllable(word: str, boundary: int) -> bool:
    """Tell whether the final ㄹ of a syllable is the ending -ㄹ, with an ending or dependent noun attached."""
    head, rest = word[: boundary + 1], word[boundary + 1 :]
    if not _FUTURE_ENDING.fullmatch(rest) or (rest == "거" and head[-1] not in "할갈볼될올"):
        return False
    if head in _L_NOUNS and not rest.startswith(("게요", "걸요", "수록", "거", "것", "수")):
        return False
    if head[-1] == "을":
        return head[:-1] in _CODA_STEMS or head[-2:-1] in _CODA_STEMS
    if head[-1] == "를":
        return head.endswith(_REU_VERBS)
    known = head[-1] in _FUTURE_SYLLABLES or bool(_FUTURE_TAILS.fullmatch(head))
    if rest in _ENDINGS_OF_LATERAL_STEMS:
        if any(head.endswith(stem) for stem in LATERAL_STEMS if len(stem) > 1):
            return False
        if head in LATERAL_STEMS and head not in _SHORT_FUTURES:
            return False
    return known or rest.startswith(_CERTAIN_FUTURE_ENDINGS)


_REU_VERBS = ("부를", "모를", "오를", "자를", "고를", "흐를", "따를", "두를", "이를", "누를")
# Endings of stems in ㄹ, whose ㄹ belongs to the stem: 알지, 놀게.
_ENDINGS_OF_LATERAL_STEMS = ("게", "지", "지도", "지는", "지를", "지가", "지요")
_CERTAIN_FUTURE_ENDINGS = ("수록", "게요", "걸요", "거예", "거야", "것", "지라도", "지언정")


_AFTER_JI = ("않", "마", "말", "못", "아니", "안")
_AFTER_GI = (
    "싫",
    "전",
    "어려",
    "어렵",
    "쉽",
    "쉬",
    "위해",
    "위한",
    "때문",
    "시작",
    "좋",
    "편",
    "힘",
    "직전",
    "까지",
    "바",
)


def stem_by_context(word: str, following: str) -> int | None:
    """Return the stem boundary that the next word implies: 감지 않다, 신기 전에 (24).

    Args:
        word: a word that may be a predicate form or a noun.
        following: the word after it.
    """
    if len(word) < 2 or not following.startswith({"지": _AFTER_JI, "기": _AFTER_GI}.get(word[-1], ())):
        return None
    head = word[:-1]
    if coda_of(head[-1]) not in _SIMPLE_TENSING or head not in _TENSING_STEMS:
        return None
    return len(head) - 1


def is_report(word: str, previous: str) -> bool:
    """Tell whether 신고 is the noun "report" and not a form of 신다 "wear": 119에 신고, 경찰에 신고.

    Args:
        word: the word.
        previous: the word before it.
    """
    return word == "신고" and previous.endswith(("에", "에게", "으로", "로"))


def certain_futures(analysis: Analysis) -> frozenset[int]:
    """Return the boundaries before endings that only -ㄹ can precede: -ㄹ수록, -ㄹ지라도 ..."""
    text = analysis.text
    return frozenset(
        boundary
        for boundary in analysis.futures
        if text.startswith(("수록", "지라도", "지언정", "세라", "진대", "뿐더러"), boundary + 1)
    )


def may_end_in_future(word: str) -> bool:
    """Tell whether a word could end in the adnominal -ㄹ; a dependent noun after it then decides."""
    if coda_of(word[-1]) != CODA["ㄹ"] or word[-1] == "를":
        return False
    return word in _NOUN_OR_FUTURE or word[-1] == "을" or word not in _L_NOUNS


def ends_in_future(word: str) -> bool:
    """Tell whether a word ends in the adnominal -ㄹ (할, 먹을, 만날), as far as its spelling shows."""
    if not may_end_in_future(word):
        return False
    if word in _NOUN_OR_FUTURE:
        return False
    if word[-1] == "을":
        stem = word[:-1]
        if stem in _NOUN_OR_STEM:
            return False
        return (
            stem in _CODA_STEMS
            or stem[-2:] in _CODA_STEMS
            or (len(stem) > 1 and coda_of(stem[-1]) in _STEM_ONLY_CODAS)
        )
    if len(word) == 1:
        return word in "할될갈볼올킬낼뺄샐쉴뛸칠탈쓸줄살클잘멜셀쥘켤펼들걸놀"
    return bool(_FUTURE_TAILS.fullmatch(word))


_NOUN_OR_FUTURE = frozenset(["알", "말", "팔", "돌", "풀", "불", "날", "열", "길", "일"])
_NOUN_OR_STEM = word_class("noun_or_stem")
_STEM_ONLY_CODAS = frozenset(CODA[letter] for letter in "ㅆㄶㅀㅄㄵㄾㄿ")


def is_doubtful(word: str) -> bool:
    """Tell whether the parts of a word affect its pronunciation and its spelling leaves them ambiguous."""
    for boundary in range(len(word) - 1):
        coda, onset = coda_of(word[boundary]), onset_of(word[boundary + 1])
        if onset not in _PLAIN_ONSETS:
            continue
        if coda in _SIMPLE_TENSING and any(word[: boundary + 1].endswith(stem) for stem in _TENSING_STEMS):
            return True
        if coda == CODA["ㄹ"] and _FUTURE_ENDING.fullmatch(word[boundary + 1 :]):
            return True
    return False


_PLAIN_ONSETS = frozenset(ONSET[letter] for letter in "ㄱㄷㅂㅅㅈ")


def analyse(word: str) -> Analysis:
    """Analyse one word from its spelling.

    Args:
        word: precomposed Hangul syllables only.

    Returns:
        The joints that the rules need, independent of neighbouring words.
    """
    stems, futures = set(), set()
    lateral = CODA["ㄹ"]
    for boundary in range(len(word) - 1):
        coda = coda_of(word[boundary])
        if coda == lateral and _is_future_syllable(word, boundary):
            futures.add(boundary)
        elif (coda in _CLUSTERS or coda in _SIMPLE_TENSING) and is_stem_joint(word, boundary):
            stems.add(boundary)
    starts = particle_starts(word)
    last = len(word) - 1
    genitive = word[last] == "의" and last in starts and word[-2:] not in _NOT_GENITIVE
    genitives = frozenset((last,)) if genitive else frozenset()
    return Analysis(
        word,
        frozenset(stems),
        frozenset(futures),
        (len(word), *reversed(starts)),
        genitives,
        ends_in_future(word),
        may_end_in_future(word),
        bool(_ADNOMINAL.fullmatch(word)),
    )


def analyse_numeral(word: str, boundaries: frozenset[int]) -> Analysis:
    """Analyse a word with a numeral that was written in digits: 삼 in it is not the stem of 삼다.

    Args:
        word: precomposed Hangul syllables only.
        boundaries: where its numerals end.
    """
    analysis = analyse(word)
    last = max(boundaries)
    return replace(
        analysis,
        stems=frozenset(boundary for boundary in analysis.stems if boundary > last + 1),
        futures=frozenset(boundary for boundary in analysis.futures if boundary > last + 1),
        numerals=boundaries,
    )


_NOT_GENITIVE = word_class("noun_in_ui")
