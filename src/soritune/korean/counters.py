"""Which numerals a counter takes: 한, 두, 세 or 일, 이, 삼 (`counters.tsv`), and the number of a thing against a count.

번, 장, 대 and some others stand both after a count (세 번 갔다) and after the number of a thing (삼 번 출구). The words
around the number decide; the other reading stays among the variants.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from soritune.korean.alternatives import either
from soritune.korean.morphology import is_particle_sequence
from soritune.korean.numbers import MONTHS, read_digits, read_native, read_sino

_HANGUL = re.compile(r"[가-힣]+")
_LAST_WORD = re.compile(r"([가-힣]+)( ?)$")
_LATIN_BEFORE = re.compile(r"[A-Za-z][A-Za-z0-9]* ?$")
_PARTICLE = "은는이가을를의도"
# What may follow a counter inside a word beside particles: 씩, 째, 동안 ...
_TAIL = re.compile(
    r"씩|짜리|째|들|당|마다|만|정도|쯤|가량|남짓|여|이상|이하|이내|미만|초과|안팎|내외|내|동안|간|전|후|뒤|사이|중|연속|반|꼴"
    r"|어치|더|모두|전부|다|까지|부터|밖|꼬박|넘|뿐|조차|하|한|할|했|해|먹|때|경|께|무렵|이후|이전|발|분량|치"
)
# Parts of a text, one number after the other: 2권 3장, 3장 16절.
_PARTS = frozenset(("장", "권", "편", "부", "막"))
_PART_AFTER = re.compile(r" ?(?:제 ?)?\d+ ?(?:장|절|쪽|편|항|호|페이지|막|과|조|화)(?![가-힣])")
_PART_BEFORE = re.compile(r"\d ?(?:권|막|편|부|단원|과|장) ?(?:제 ?)?$")
# A noun after 대 is counted as great (5대 호수), since vehicles come before their number (차 5대).
_GREAT_THINGS = re.compile(
    " (?!더|이상|이하|이내|미만|정도|있|없|중|모두|다 |씩|남|만|가량|뿐|밖|값|안|못|또|와|왔|가|갔|나|섰|서|쯤|빼|필요)"
    "[가-힣]"
)
_PART_OF = re.compile("[0-9일이삼사오육칠팔구십백천만]분의 ?$")  # 4분의 3박자
_MATCH_OF = re.compile(" ?\\d승")  # 3판 2승
_NAMED_WHEN_ATTACHED = frozenset(("번", "팀", "방"))
_LEADING_ZERO = frozenset(("년", "월", "일", "시", "분", "초", "개", "명", "번"))
_RANK = {1: "첫", 2: "둘", 3: "셋", 4: "넷", 20: "스무"}


@dataclass(slots=True)
class _Table:
    """The rows of `counters.tsv`."""

    rules: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Rule and greatest native numeral of each counter."""
    contexts: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """Kind of context to counter to words."""
    forms: dict[str, tuple[str, str]] = field(default_factory=dict)
    variant_forms: dict[str, tuple[str, str]] = field(default_factory=dict)
    attached: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()
    longest: int = 1


@cache
def _table() -> _Table:
    table = _Table()
    text = (files("soritune.korean") / "counters.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        kind, names, value, _ = line.split("\t")
        members = names.split()
        if kind == "counter":
            rule, _, limit = value.partition(":")
            table.rules.update(dict.fromkeys(members, (rule, int(limit or 99))))
        elif kind in ("form", "variant_form"):
            three, four = value.split()
            forms = table.forms if kind == "form" else table.variant_forms
            forms.update(dict.fromkeys(members, (three, four)))
        elif kind in ("attached", "open"):
            setattr(table, kind, frozenset(members))
        else:
            words = tuple(value.split())
            for name in members:
                known = table.contexts.setdefault(kind, {})
                known[name] = known.get(name, ()) + words
    table.longest = max(map(len, table.rules))
    return table


def find_counter(after: str) -> str:
    """Return the counter at the start of a text, with the space before it if there is one, or an empty text.

    Args:
        after: the text right after a number.

    >>> find_counter("개월 동안"), find_counter(" 명이"), find_counter("도시락")
    ('개월', ' 명', '')
    """
    spaced = after.startswith(" ")
    word = _HANGUL.match(after, int(spaced))
    if word is None:
        return ""
    table = _table()
    run = word[0]
    for size in range(min(table.longest, len(run)), 0, -1):
        counter = run[:size]
        rule = table.rules.get(counter)
        if rule is None or (spaced and counter in table.attached):
            continue
        tail = run[size:]
        if (
            not tail
            or rule[0] == "sino"
            or counter in table.open
            or is_particle_sequence(tail)
            or _TAIL.match(tail)
            or _follows("thing_after", counter, tail)
            or _follows("count_after", counter, tail)
        ):
            return " " * spaced + counter
    return ""


def _follows(kind: str, counter: str, rest: str) -> bool:
    """Tell whether a text after a counter begins with one of its context words."""
    words, pairs = _words_after(kind, counter)
    if not words and not pairs:
        return False
    attached = not rest.startswith(" ")
    match = _HANGUL.match(rest, int(not attached))
    run = match[0] if match else ""
    if run.startswith(words) and any(
        len(word) > 1 or run == word or is_particle_sequence(run[len(word) :])
        for word in words
        if run.startswith(word)
    ):
        return True
    return attached and any(pair.match(rest) for pair in pairs)


@cache
def _words_after(kind: str, counter: str) -> tuple[tuple[str, ...], tuple[re.Pattern[str], ...]]:
    """Return the context words after a counter, and patterns of those with an optional space in them."""
    words = _table().contexts.get(kind, {}).get(counter, ())
    pairs = tuple(re.compile(word.replace("_", " ?")) for word in words if "_" in word)
    return tuple(word for word in words if "_" not in word), pairs


def _precedes(kind: str, counter: str, before: str) -> bool:
    """Tell whether the last word before a number is one of the context words of its counter."""
    match = _LAST_WORD.search(before)
    exact, endings = _words_before(kind, counter)
    if match is None or not exact:
        return False
    last = match[1]
    without_particle = last[:-1] if last[-1] in _PARTICLE and kind == "count_before" else last
    return any(form in exact or form.endswith(endings) for form in (last, without_particle))


@cache
def _words_before(kind: str, counter: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the context words of a counter, and those that may be the end of a longer word."""
    words = _table().contexts.get(kind, {}).get(counter, ())
    return frozenset(words), tuple(word for word in words if len(word) > 1 and counter != "*")


def _names_thing(counter: str, rule: str, number: int, before: str, rest: str) -> bool:
    """Tell whether a number with a mixed counter names a thing (제3장) rather than counts (종이 세 장)."""
    if (
        _follows("thing_after", counter, rest)
        or (counter == "판" and _MATCH_OF.match(rest))
        or (counter in _PARTS and (_PART_AFTER.match(rest) or _PART_BEFORE.search(before)))
    ):
        return True
    if _precedes("count_before", counter, before) or (counter == "대" and _LATIN_BEFORE.search(before)):
        return False
    if _precedes("thing_before", counter, before):
        return True
    if _follows("count_after", counter, rest):
        return False
    if counter == "대" and _GREAT_THINGS.match(rest):
        return True
    if rule == "count" and _precedes("count_before", "*", before):
        return False
    if counter in _NAMED_WHEN_ATTACHED and before and "가" <= before[-1] <= "힣":
        return True
    if counter == "대" and number >= 10 and number % 10 == 0:  # ages: 30대
        return True
    return rule == "number"


def read_counted(digits: str, following: str, before: str = "", *, ordinal: bool = False) -> str:
    """Read a number by the words around it.

    Args:
        digits: ASCII digits.
        following: the text right after the number.
        before: the text before the number.
        ordinal: the number follows 제 and is Sino-Korean with every counter.

    Returns:
        The numeral without the counter; where both readings occur, a choice (see `alternatives.py`).

    >>> read_counted("11", "시"), read_counted("6", "월"), read_counted("2", "권", ordinal=True)
    ('열한', '유', '이')
    """
    found = find_counter(following)
    counter = found.strip()
    if (
        len(digits) > 1
        and digits[0] == "0"
        and counter in _LEADING_ZERO
        and len(digits) == 2
        and counter != "년"
    ):
        digits = digits[1:]
    number = int(digits) if len(digits) < 5 else 10000
    if counter == "월" and number in MONTHS:
        return MONTHS[number]
    sino = read_sino(digits)
    rule, limit = _table().rules.get(counter, ("sino", 0))
    if rule == "digits":
        return either(read_digits(digits[:1]) + read_digits(digits[1:]).replace("육", "륙"), sino)
    if (
        ordinal
        or rule == "sino"
        or len(digits) > 4
        or _PART_OF.search(before)
        or not number
        or (len(digits) > 1 and digits[0] == "0")
    ):
        return sino
    native = _native(number, counter)
    if rule == "rank":
        return either(native, sino) if number > 9 else native
    if rule in ("count", "number"):
        if not _names_thing(counter, rule, number, before, following[len(found) :]):
            return either(*native.split("/"), sino) if number < 100 else either(sino, *native.split("/"))
        by_digits = [read_digits(digits)] if counter == "번" and len(digits) > 2 else []
        return either(sino, *native.split("/"), *by_digits)
    if number > limit and not (100 < number < 1000 and number % 100 < 10 and limit == 99):
        return either(sino, *native.split("/"))
    return either(*native.split("/"), *([sino] if number > 9 else []))


def _native(number: int, counter: str) -> str:
    """Return the native numeral before a counter; accepted forms are joined by `/`."""
    table = _table()
    rule = table.rules[counter][0]
    hundreds, rest = divmod(number, 100)
    if number >= 1000 or not rest:
        return read_sino(str(number))
    head = read_sino(str(hundreds * 100)) if hundreds else ""
    if rule == "rank":
        if number in _RANK and (counter == "째" or number in (1, 20)):
            return _RANK[number]
        return head + read_native(rest)
    plain = head + read_native(rest)
    if number in (3, 4):
        if counter in table.forms:
            return f"{table.forms[counter][number - 3]}/{plain}"
        if counter in table.variant_forms:
            return f"{plain}/{table.variant_forms[counter][number - 3]}"
    return plain
