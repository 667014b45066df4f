"""Annotation in raw corpus transcripts: finds it, and removes it before a transcript becomes a label.

Korean corpora write the same words in two ways, `(7시)/(일곱 시)`, and mark breaths, noise and broken-off words in the
text. These marks are not spoken. docs/data.md has the table of marks, with what is done to each.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Notation = Literal["plain", "ksponspeech", "tags", "aihub"]
"""How a corpus annotates its transcripts: not at all, as KsponSpeech, with tags and entities, or with all of these."""
Side = Literal["spelling", "pronunciation"]
Kind = Literal["entity", "double", "tag", "hidden", "sound", "word"]
KINDS: dict[Notation, tuple[Kind, ...]] = {
    "plain": (),
    "ksponspeech": ("double", "sound", "word"),
    "tags": ("entity", "tag", "hidden"),
    "aihub": ("entity", "double", "tag", "hidden", "sound", "word"),
}
"""Notation → the kinds of marks that are removed, in the order of removal."""

_SUSPECT = re.compile(r"[/()&#@*\[\]{}<>+○●◯□■△▲]|OO|XXX|xx")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}\d{0,2});")
_DOUBLE = re.compile(r"\(([^()]*)\)\s*/\s*\(([^()]*)\)")
# b/ breath, l/ laughter, n/ noise, o/ overlap, u/ unclear; some corpora write no space after them. O/X is not a mark.
_SOUND = re.compile(r"(?<![A-Za-z0-9])(?:[bBlLnNoOuU]/)+(?![A-Za-z0-9])")
# 그+ is a broken-off word, 그/ a filler, 음* a word that is hard to hear: the word is kept without its mark.
_WORD_END = r"(?=[\s.,?!…)]|$)"
_WORD = re.compile(rf"(?<=[가-힣])[+*/]+{_WORD_END}|(?<=[가-힣])\+(?=[가-힣])|(?<!\S)[+*](?=[가-힣])")
_WORD_FOUND = re.compile(rf"[가-힣]+[+*/]+{_WORD_END}")
_FILLER = re.compile(r"[가-힣]+[+/](?=\s|$)")
_INLINE = re.compile(r"</?(?:b|i|u|em|strong|span|font)\b[^<>]*>", re.IGNORECASE)
_BRACKETS = re.compile(r"\(\(([^()]*)\)\)|<([^<>]*)>|\[([^\[\]]*)\]|\{([^{}]*)\}|\(([^()]*)\)|\*([^*\s]+)\*")
_HIDDEN = re.compile(
    r"(?<![A-Za-z0-9])&[가-힣A-Za-z_-]+\d*&|&[가-힣A-Za-z_-]+\d+&|#[^\s#]+#|(?<![\w.])@[가-힣A-Za-z0-9_]+"
    r"|\*{2,}|#{2,}|(?<=[가-힣])\*(?=[가-힣])|[○●◯□■△▲]{2,}|(?<=[가-힣])[○●◯](?=[가-힣\s]|$)"
    r"|(?<![A-Za-z])(?:O{2,}|X{3,})(?![A-Za-z])|(?<=[\d-])[xX]{2,}(?![A-Za-z])"
)
_HIDDEN_NAME = re.compile(
    r"(?:unk|unknown|inaudible|unintelligible|xx*|name|person|address|phone|tel|affiliation|이름|성명|주소|전화번호|"
    r"개인정보|비식별화?|불명|불명확|불분명|안 ?들림|청취 ?불가|알아들을 수 없음|들리지 않음)[ _-]?\d*",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"(?:background )?(?:laugh(?:s|ing|ter)?|cough(?:s|ing)?|sigh(?:s|ing)?|breath(?:s|ing|e)?|inhales?|exhales?|"
    r"noises?|music|applause|clap(?:s|ping)?|cry(?:ing)?|sob(?:s|bing)?|sing(?:s|ing)?|silence|pause|clearing|"
    r"clear(?:s|ing)? throat|sniff(?:s|ing)?|sneez(?:e|es|ing)|yawn(?:s|ing)?|lip ?smack|click|beep)"
    r"|(?:헛?웃음|웃는다|웃으며|헛?기침|한숨|박수|잡음|소음|숨|침묵|묵음|무음|울음|울먹이며|흐느낌|노래|음악|하품|정적|"
    r"재채기|효과음|배경음|배경음악|겹침|[가-힣 ]*소리)",
    re.IGNORECASE,
)
_ASCII_TAG = re.compile(r"/?[A-Za-z][A-Za-z0-9_ :/=\"'.-]*/?")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of annotation in a text."""

    text: str
    kind: Kind


def clean_transcript(
    text: str, side: Side = "pronunciation", keep_fillers: bool = True, notation: Notation = "aihub"
) -> str:
    """Return a corpus transcript without its annotation.

    Args:
        text: one transcript line.
        side: which half of a double transcription `(A)/(B)` to keep: `spelling` is A (as written, 7시),
            `pronunciation` is B (as spoken, 일곱 시).
        keep_fillers: keep fillers (`음/`) and broken-off words (`그+`) without their mark, or drop them.
        notation: the marks that are removed; `plain` returns the text unchanged.

    Returns:
        The text that was spoken, single spaces, no annotation; possibly empty.

    >>> clean_transcript("o/ 아/ 그+ (7시)/(일곱 시)에 만나* b/")
    '아 그 일곱 시에 만나'
    """
    if notation == "plain":
        return text
    for kind in KINDS[notation]:
        if kind == "double":
            text = one_side(text, side)
        elif kind == "word":
            text = _WORD.sub("", text if keep_fillers else _FILLER.sub(" ", text))
        else:
            text = _REPLACED[kind](text)
    return _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()


def one_side(text: str, side: Side) -> str:
    """The text with one half of every double transcription `(A)/(B)`.

    >>> one_side("(7시)/(일곱 시)에", "spelling")
    '7시에'
    """
    return _DOUBLE.sub(r"\1" if side == "spelling" else r"\2", text)


def find_marks(text: str) -> list[Mark]:
    """The pieces of a text that look like annotation, each once; empty for plain text.

    >>> [mark.text for mark in find_marks("o/ 그+ (7시)/(일곱 시)에 [웃음]")]
    ['(7시)/(일곱 시)', '[웃음]', 'o/', '그+']
    """
    if not _SUSPECT.search(text):
        return []
    marks: list[Mark] = []

    def take(kind: Kind, pattern: re.Pattern[str], accepts: Callable[[re.Match[str]], Kind | None]) -> None:
        nonlocal text

        def replace(match: re.Match[str]) -> str:
            accepted = accepts(match)
            if accepted is None:
                return match[0]
            marks.append(Mark(match[0], accepted))
            return " " if kind != "entity" else html.unescape(match[0])

        text = pattern.sub(replace, text)

    take("entity", _ENTITY, lambda match: "entity" if html.unescape(match[0]) != match[0] else None)
    take("double", _DOUBLE, lambda match: "double")
    take("tag", _INLINE, lambda match: "tag")
    take("tag", _BRACKETS, _kind_of_brackets)
    take("hidden", _HIDDEN, lambda match: "hidden")
    take("sound", _SOUND, lambda match: "sound")
    take("word", _WORD_FOUND, lambda match: "word")
    return marks


def hides_words(text: str) -> bool:
    """Whether a text has a mark in place of words that are spoken: a masked name or number, or unclear speech."""
    return any(mark.kind == "hidden" for mark in find_marks(text))


def notation_for(kinds: set[Kind]) -> Notation:
    """The notation with the fewest marks that has all of `kinds`."""
    return next((name for name in ("ksponspeech", "tags") if kinds <= set(KINDS[name])), "aihub")


def _kind_of_brackets(match: re.Match[str]) -> Kind | None:
    """What a piece in brackets is; None if it is text, as in `<기생충>` or `(주)`."""
    unclear, angle, square, curly, _, _ = match.groups()
    content = next(group for group in match.groups() if group is not None).strip()
    if unclear is not None:
        return "hidden" if not content or _HIDDEN_NAME.fullmatch(content) else "tag"
    if _REMARK.fullmatch(content):
        return "tag"
    if _HIDDEN_NAME.fullmatch(content):
        # An x in round brackets is an algebraic one, and *x* is emphasis.
        return "hidden" if len(content) > 1 or match[0][0] in "<[{" else None
    if square is not None or curly is not None:
        return "tag"
    return "tag" if angle is not None and _ASCII_TAG.fullmatch(content) else None


def _without_brackets(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        kind = _kind_of_brackets(match)
        if kind == "tag" and match[1] is not None:
            return match[1]  # ((A)): A is what the listener believes to have heard
        return match[0] if kind is None else " "

    return _BRACKETS.sub(replace, _INLINE.sub("", text))


_REPLACED: dict[Kind, Callable[[str], str]] = {
    "entity": lambda text: _ENTITY.sub(
        lambda match: html.unescape(match[0]), _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    ),
    "tag": _without_brackets,
    "hidden": lambda text: _HIDDEN.sub(" ", text),
    "sound": lambda text: _SOUND.sub(" ", text),
}
