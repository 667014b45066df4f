"""Joints over the space between two words of one phrase (articles 12, 15, 18, 20, 23, 27, 29)."""

from __future__ import annotations

import re

from soritune.korean import boundaries as b
from soritune.korean.compounds import (
    COUNTERS,
    COUNTING_TENSE,
    NATIVE_TENS,
    PLAIN_OBSTRUENTS,
    SONORANTS,
    Choices,
    takes_insertion,
)
from soritune.korean.hangul import CODA, NO_ONSET, ONSET, coda_of, onset_of
from soritune.korean.morphology import Analysis

_PAUSE_OR_LINK: Choices = ((b.HALT, ""), (b.PLAIN, "13"))
_PAUSE: Choices = ((b.HALT, ""),)
_LINK_OR_PAUSE: Choices = ((b.PLAIN, "13"), (b.HALT, ""))
_NUMERAL_ENDS = "십백천만억일"
_FUTURE_LINK: Choices = ((b.TENSE, "27"),)
_FUTURE_LINK_OPTIONAL: Choices = ((b.TENSE, "27"), (b.HALT, ""))
_REPRESENTATIVE_LINK: Choices = ((b.REPRESENTATIVE, "15"),)
_INSERTION_LINK: Choices = ((b.INSERT_N, "29"), (b.HALT, ""), (b.PLAIN, "13"))
_INSERTION_OR_REPRESENTATIVE: Choices = ((b.INSERT_N, "29"), (b.REPRESENTATIVE, "15"))
_PLAIN_LINK: Choices = ((b.PLAIN, ""),)
_AMOUNT_LINK: Choices = ((b.HALT, ""), (b.PLAIN, ""))
_DEPENDENT_27 = re.compile(r"(?:것|거|걸|건|게|겁니|수|줄|데|바|듯|적|지|성|상|법|정도|도리|밖에|뿐).*")
_DECISIVE_27 = re.compile(
    r"것.*|거(?:야|예요|에요|다|고|라고|니까|라는|죠|지|든.*)?|걸요?|게요?|건(?:데.*|가.*|지.*)?|겁니.*|수(?:는|도|가|밖에.*|록.*)?"
    r"|데(?:가|는|도|까지|마다|로|에.*|다가)?|바(?:를|가|는|와|에.*)|적(?:에.*|이.*)|곳(?:이|을|에.*|은|도|으로.*)?|줄(?:은|도|이야)?|듯(?:이|한.*|하.*|했.*|싶.*)?"
)
_N_LINK_NOUN = re.compile(
    r"일(?:[이은을도만에로과]|들.*|입니.*|인.*|하.*)?$|잎|엿|여자|여행|연대|약|양말|이불|요리|여섯|여덟|일곱|옆|역|이유|이야기|얘기|연필|열쇠|윷|입"
)
_N_LINK_VERB = re.compile(
    r"입[다고어은을는히습지니던]|이[기긴겨겼]|읽|잊|일[하어으]|익|잇|입|여[며쭙]|엮|열[다고어]|이해|이루"
)
_ADVERBS = frozenset(["못", "잘", "안", "꽉", "꼭", "더욱"])


def link_marks(left: Analysis, right: Analysis, boundary: str) -> Choices:
    """Return the accepted kinds of joint over the space between two words.

    Args:
        left: the word before the space.
        right: the word after it.
        boundary: `word` treats the space as a boundary, except for article 27; `phrase` applies articles 12, 15, 18,
            23, 27 and 29.

    Returns:
        Kinds of joint with their article, principal first.
    """
    onset = onset_of(right.text[0])
    if left.may_end_in_future and onset in PLAIN_OBSTRUENTS and _DECISIVE_27.fullmatch(right.text):
        return _FUTURE_LINK
    if boundary == "phrase" and right.text.startswith(_DECISIVE_NOUNS.get(left.text, ("\0",))):
        return _FUTURE_LINK_OPTIONAL
    if left.ends_in_future and onset in PLAIN_OBSTRUENTS:
        if _DEPENDENT_27.fullmatch(right.text):
            return _FUTURE_LINK
        return _FUTURE_LINK_OPTIONAL if boundary == "phrase" else _PAUSE
    if boundary == "word":
        return _PAUSE
    if left.text in COUNTING_TENSE and onset in PLAIN_OBSTRUENTS and right.text.startswith(COUNTERS):
        return COUNTING_TENSE[left.text]
    coda = coda_of(left.text[-1])
    if not coda:
        return _PAUSE
    if coda not in SONORANTS and (left.text in _SCALES or (left.numerals and right.numerals)):
        return _AMOUNT_LINK
    if onset == NO_ONSET:
        if takes_insertion(right.text[0]):
            if left.text[-1] == "못" and left.text in ("못", "잘못") and _N_LINK_VERB.match(right.text):
                return _INSERTION_OR_REPRESENTATIVE
            if (left.modifies or left.ends_in_future) and _N_LINK_NOUN.match(right.text):
                return _INSERTION_LINK if coda in SONORANTS else _INSERTION_OR_REPRESENTATIVE
            if left.text in NATIVE_TENS and right.text.startswith(("여섯", "여덟", "일곱")):
                return _INSERTION_LINK
            if left.text[-1] in "일삼" and right.text.startswith("연대"):
                return _INSERTION_LINK
            if (
                left.text in _ADVERBS
                or (len(left.noun_ends) == 1 and len(left.text) <= 2 and left.text in _CLOTHES)
            ) and _N_LINK_VERB.match(right.text):
                return _INSERTION_LINK if coda in SONORANTS else _INSERTION_OR_REPRESENTATIVE
        if coda == CODA["ㅇ"]:
            return _PAUSE
        if left.text[-1] in _NUMERAL_ENDS and right.text.startswith("원"):
            return _LINK_OR_PAUSE
        return _REPRESENTATIVE_LINK if coda not in SONORANTS else _PAUSE_OR_LINK
    if coda in SONORANTS:
        return (
            ((b.HALT, ""), (b.PLAIN, "20"))
            if coda in (CODA["ㄴ"], CODA["ㄹ"]) and onset in (ONSET["ㄴ"], ONSET["ㄹ"])
            else _PAUSE
        )
    return _PLAIN_LINK


# Speakers set off the amount after these words, and one amount from the next: 시속 백 킬로미터, 이막 일장.
_SCALES = frozenset(("시속", "분속", "초속"))
# Words in ㄹ that are also nouns or adverbs. Before these nouns they are adnominal: 살 집, 잘 시간.
_DECISIVE_NOUNS = {
    "살": ("집", "곳"),
    "잘": ("시간", "곳", "방", "자리"),
    "쓸": ("돈", "곳"),
    "팔": ("집", "사람"),
}
_CLOTHES = frozenset(["옷", "한복", "양복", "교복", "책", "글", "밥", "떡"])
