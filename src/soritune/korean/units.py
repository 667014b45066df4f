"""Units of measure: prefix and unit (㎍, kWh), powers (m², cm³) and units per unit (km/h, g/cm³)."""

from __future__ import annotations

import re
from functools import cache

from soritune.korean.alternatives import either
from soritune.korean.readings import readings, unit_bases
from soritune.korean.signs import UNIT_CLOSE, UNIT_OPEN

_PREFIXES = readings("prefix")
_POWERS = {"2": "제곱", "3": "세제곱"}
# Units that are read only after a slash.
_PER_NAMES = {
    "h": "시간",
    "hr": "시간",
    "s": "초",
    "d": "일",
    "K": "켈빈",
    "N": "뉴턴",
    "F": "패럿",
    "C": "쿨롱",
}
_LENGTHS = ("m", "mi")
_HOURS, _MINUTES, _SECONDS = ("h", "hr"), ("min",), ("s", "sec")
_SPEEDS = {
    **dict.fromkeys(_HOURS, "시속"),
    **dict.fromkeys(_MINUTES, "분속"),
    **dict.fromkeys(_SECONDS, "초속"),
}
_RATES = {
    **dict.fromkeys(_HOURS, "시간당"),
    **dict.fromkeys(_MINUTES, "분당"),
    **dict.fromkeys(_SECONDS, "초당"),
}
_PER = {
    **dict.fromkeys(_HOURS, ("퍼 아워", "매 시")),
    **dict.fromkeys(_MINUTES, ("퍼 미닛", "매 분")),
    **dict.fromkeys(_SECONDS, ("퍼 세크", "퍼 세컨드", "매 초")),
}
_WHOLE_RATES = {"mph": "mi/h", "kph": "km/h"}
_CELSIUS, _FAHRENHEIT = ("℃", "°C"), ("℉", "°F")
_SPOKEN_SCALE = re.compile("(시속|분속|초속|시간당|분당|초당) ?$")
_TEMPERATURE_SCALE = re.compile("(섭씨|화씨)(?:로|는)? ?$")


@cache
def _names() -> dict[str, str]:
    """Return every symbol, with and without prefix, with its reading."""
    names: dict[str, str] = {}
    for symbol, spoken, prefixes in unit_bases():
        names[symbol] = spoken
        for prefix in prefixes.split():
            names[prefix + symbol] = _PREFIXES[prefix] + spoken
    names.update(readings("unit"))
    return names


def _alternatives(names: list[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


def _start(names: list[str]) -> str:
    """Return the class of characters that a unit begins with; it spares most positions the long alternatives."""
    return f"[{UNIT_OPEN}{''.join(sorted({re.escape(name[0]) for name in names}))}]"


def _expression(names: list[str]) -> str:
    """Return the pattern of a unit, its power, a product of units, and what it is measured per."""
    mark_open, mark_close = f"{UNIT_OPEN}?", f"{UNIT_CLOSE}?"
    power = rf"(?:(?:\^-?\d|(?<=m)[23](?!\d)){mark_close})?"
    factor = rf"{mark_open}(?:{_alternatives(names)}){mark_close}{power}"
    per = rf"{mark_open}(?:{_alternatives([*_names(), *_PER_NAMES])}){mark_close}{power}"
    return rf"(?={_start(names)}){factor}(?:[·⋅∙]{factor})*(?:/{per}(?:[·⋅∙]{per})*)?"


UNIT = _expression(sorted(_names()))
"""Pattern of a unit after a number."""

_SIGN_UNIT = (
    rf"(?:{UNIT_OPEN}[^{UNIT_CLOSE}]*{UNIT_CLOSE}(?:\^-?\d)?)"
    rf"(?:/{UNIT_OPEN}?[A-Za-z]+{UNIT_CLOSE}?(?:\^-?\d)?)?"
)
_UNMISTAKABLE = [name for name in readings("unit_alone") if name in _names()]
_COUNTED = [name for name in _names() if len(name) > 1 or name in "mgtLlWV"]
_ALONE = re.compile(
    rf"(?P<quantity>(?:[가-힣]*(?:몇|[몇수](?=[십백천만])[십백천만억]+|[십백천만억조]|여)|(?<![가-힣])[한두세네]) ?)?"
    rf"(?<![A-Za-z])(?P<unit>(?(quantity){_expression(_COUNTED)}"
    rf"|(?:{_SIGN_UNIT}|{_expression(_UNMISTAKABLE)}|m\^[23])))(?![A-Za-z])"
)


def _factor(text: str) -> tuple[str, str]:
    """Split a unit with a power into its symbol and its reading."""
    symbol, _, power = text.partition("^")
    names = _names()
    if not power and symbol not in names and symbol[-1] in "23":
        symbol, power = symbol[:-1], symbol[-1]
    spoken = names.get(symbol) or _PER_NAMES.get(symbol, "")
    power = power.lstrip("-")
    if power in _POWERS:
        return symbol, _POWERS[power] + spoken
    return symbol, f"{spoken} {power}제곱" if power not in ("", "1") else spoken


def _product(text: str) -> tuple[str, str]:
    """Return the first symbol of a product and the reading of the product."""
    factors = [_factor(part) for part in re.split("[·⋅∙]", text)]
    return factors[0][0], "".join(spoken for _, spoken in factors)


def read_unit(unit: str, number: str, before: str) -> str:
    """Read a unit with its number: 100, km/h is 시속 백킬로미터.

    Args:
        unit: a match of `UNIT`.
        number: the number as read; possibly empty.
        before: the text before the number; 시속 or 섭씨 at its end is not repeated.

    Returns:
        Number and unit, with a choice where more than one reading is in use.
    """
    unit = unit.replace(UNIT_OPEN, "").replace(UNIT_CLOSE, "").strip()
    if "^-" in unit and "/" not in unit:
        unit = re.sub(
            r"[·⋅∙]([^·⋅∙^]+)\^-(\d)", lambda m: f"/{m[1]}" + (f"^{m[2]}" if m[2] != "1" else ""), unit
        )
    measured, _, per = _WHOLE_RATES.get(unit, unit).partition("/")
    symbol, spoken = _product(measured)
    if not spoken:
        return number + unit
    amount = number + spoken
    if not per:
        if symbol in _CELSIUS and not _TEMPERATURE_SCALE.search(before):
            return either(amount, f"섭씨 {amount}")
        if symbol in _FAHRENHEIT and not _TEMPERATURE_SCALE.search(before):
            return either(f"화씨 {amount}", amount)
        return amount
    per_symbol, per_spoken = _product(per)
    suffixes = _PER.get(per_symbol, (f"퍼 {per_spoken}",))
    after = [f"{amount} {suffix}" for suffix in suffixes]
    if "^2" in per and per_symbol in _SECONDS:
        return either(
            f"{amount} 매 초 제곱", f"{amount} 퍼 세크 제곱", f"{amount} 퍼 세컨드 제곱", f"제곱초당 {amount}"
        )
    if _SPOKEN_SCALE.search(before):
        return amount
    if not number:
        return either(*after[::-1])
    is_speed = (
        (symbol.endswith(_LENGTHS) or spoken.endswith("미터")) and "제곱" not in spoken and symbol != "mm"
    )
    if is_speed and per_symbol in _SPEEDS and "^" not in per:
        return either(f"{_SPEEDS[per_symbol]} {amount}", *after)
    if per_symbol in _RATES and "^" not in per:
        return either(f"{_RATES[per_symbol]} {amount}", *after)
    return either(f"{per_spoken}당 {amount}", *after)


_ANY_START = re.compile(_start([*_names()]))


def read_lone_units(text: str) -> str:
    """Read units that follow no digit: 몇 km, 수십 kg, ㎡당, km당.

    Args:
        text: a text whose numbers have been read.
    """
    return _ALONE.sub(_lone_unit, text) if _ANY_START.search(text) else text


def _lone_unit(match: re.Match[str]) -> str:
    return read_unit(match["unit"], match["quantity"] or "", match.string[: match.start()])
