"""Sentences of the small synthetic corpus: templates of the project's own words, which fit every speaking style.

Next: `corpus/sources/synthetic.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from soritune.errors import SorituneError

Word = TypeVar("Word")

TIMES = ("오늘", "지금", "매일", "자주", "아침에", "저녁에", "오후에", "주말에", "봄에", "여름에", "가을에")
PEOPLE = (
    "누나",
    "오빠",
    "형",
    "언니",
    "어머니",
    "아버지",
    "동생",
    "친구",
    "아이",
    "의사",
    "꼬마",
    "선생님",
    "여자",
    "조카",
)
PLACES = (
    "공원",
    "시장",
    "교실",
    "가게",
    "병원",
    "방",
    "마당",
    "학교",
    "은행",
    "도시",
    "바다",
    "집",
    "입구",
    "꽃밭",
    "옷가게",
)
MANNERS = ("다시", "먼저", "혼자", "같이", "조용히", "천천히", "모두", "나중에", "갑자기")
ACTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("마셔요", ("우유", "커피", "차", "약")),
    (
        "먹어요",
        (
            "사과",
            "포도",
            "딸기",
            "빵",
            "피자",
            "참외",
            "과자",
            "국수",
            "떡",
            "밥",
            "토마토",
            "찌개",
            "유자",
            "땅콩",
        ),
    ),
    ("봐요", ("영화", "사진", "나무", "산", "책", "얘기책")),
    (
        "사요",
        (
            "모자",
            "치마",
            "구두",
            "옷",
            "가위",
            "의자",
            "시계",
            "비누",
            "쌀",
            "톱",
            "접시",
            "앞치마",
            "옷장",
            "꽃병",
        ),
    ),
    ("그려요", ("나비", "돼지", "고양이", "토끼", "기차", "귀", "코", "꽃", "집", "낙타")),
    ("배워요", ("피아노", "노래", "야구", "요리")),
    ("키워요", ("개", "오리", "쥐", "새", "꽃")),
    ("고쳐요", ("라디오", "바퀴", "시계", "가구", "의자")),
    ("기다려요", ("버스", "기차", "전화", "편지", "친구")),
    ("써요", ("편지", "시", "책")),
    ("만나요", ("친구", "의사", "오빠", "누나")),
    ("짜요", ("치마", "모자")),
)
TEMPLATES = (
    ("object", "verb"),
    ("subject", "object", "verb"),
    ("time", "object", "verb"),
    ("manner", "object", "verb"),
    ("place", "object", "verb"),
    ("subject", "manner", "object", "verb"),
    ("time", "topic", "place", "object", "verb"),
)
"""Many of them are short, since CTC from random weights finds its alignment on short clips first."""

_MOST_MISSES = 200
"""After this number of consecutive draws of known sentences, hardly any new ones are left."""


def words() -> list[str]:
    """All words of the sentences, with their particles, sorted."""
    forms = {*TIMES, *MANNERS, *(f"{place}에서" for place in PLACES), *(verb for verb, _ in ACTIONS)}
    forms |= {particle(person, *pair) for person in PEOPLE for pair in (("은", "는"), ("이", "가"))}
    return sorted(forms | {particle(thing, "을", "를") for _, things in ACTIONS for thing in things})


def sentences(count: int, rng: np.random.Generator, words_per_kind: int | None = None) -> list[str]:
    """Draws `count` different sentences from the first `words_per_kind` words of each kind; None uses all words.

    Raises:
        SorituneError: fewer different sentences exist.
    """
    drawn: dict[str, None] = {}
    misses = 0
    while len(drawn) < count:
        before = len(drawn)
        drawn[_sentence(rng, words_per_kind)] = None
        misses = 0 if len(drawn) > before else misses + 1
        if misses > _MOST_MISSES:
            raise SorituneError(
                f"only about {len(drawn)} different sentences exist, but {count} are requested; request fewer"
            )
    return list(drawn)


def _sentence(rng: np.random.Generator, limit: int | None) -> str:
    def draw(kind: Sequence[Word]) -> Word:
        return kind[int(rng.integers(len(kind[:limit])))]

    verb, things = draw(ACTIONS)
    thing, person = draw(things), draw(PEOPLE)
    while person == thing:
        person = draw(PEOPLE)
    parts = {
        "time": draw(TIMES),
        "topic": particle(person, "은", "는"),
        "subject": particle(person, "이", "가"),
        "place": f"{draw(PLACES)}에서",
        "manner": draw(MANNERS),
        "object": particle(thing, "을", "를"),
        "verb": verb,
    }
    return " ".join(parts[name] for name in TEMPLATES[rng.integers(len(TEMPLATES))])


def particle(word: str, closed: str, open_: str) -> str:
    """The word with the particle that fits its last syllable: 책 → 책을, 나무 → 나무를."""
    return word + (closed if (ord(word[-1]) - 0xAC00) % 28 else open_)
