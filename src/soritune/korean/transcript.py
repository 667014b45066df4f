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

from soritune.identities import without_invisible
from soritune.korean.annotation import (
    ANY_REMARK,
    CHAT,
    CODED,
    DOUBLE,
    FIELD_AFTER,
    FIELD_BEFORE,
    HIDDEN,
    HIDDEN_NAME,
    NARROW,
    NUMBERS_LISTED,
    PLUS_NAMES,
    REMARK_IN_SIGNS,
    SPEAKER,
    SPOKEN_CODES,
    TIME,
    TURN,
)

Notation = Literal["plain", "ksponspeech", "tags", "aihub"]
"""How a corpus annotates its transcripts: not at all, as KsponSpeech, with tags and entities, or with all of these."""
Side = Literal["spelling", "pronunciation"]
Kind = Literal["entity", "double", "time", "speaker", "chat", "tag", "hidden", "sound", "word"]
KINDS: dict[Notation, tuple[Kind, ...]] = {
    "plain": (),
    "ksponspeech": ("double", "sound", "word"),
    "tags": ("entity", "time", "speaker", "chat", "tag", "hidden"),
    "aihub": ("entity", "double", "time", "speaker", "chat", "tag", "hidden", "sound", "word"),
}
"""Notation → the kinds of marks that are removed, in the order of removal."""

_SUSPECT = re.compile(
    r"[/()&#@*\[\]{}<>+:=%~^_○●◯◎□■△▲◇◆〇※【〔〖〘〈《「『⟨\x15]|[Xxoyw]{2}|OO|[가-힣][Xx]|ㅇㅇ|ㅁㅁ"
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8}\d{0,2});")
# b/ breath, l/ laughter, n/ noise, o/ overlap, u/ unclear; some corpora write no space after them. O/X is not a mark.
_SOUND = re.compile(r"(?<![A-Za-z0-9])(?:[bBlLnNoOuU]/)+(?![A-Za-z0-9])")
# 그+ is a broken-off word, 그/ a filler, 음* a word that is hard to hear: the word is kept without its mark.
_WORD_END = r"(?=[\s.,?!…)]|$)"
_WORD = re.compile(
    rf"(?<=[가-힣])[+*/]+{_WORD_END}|(?<=[가-힣])\+(?=[가-힣])|(?<!\S)(?:\+|\*(?![가-힣]+\*))(?=[가-힣])"
)
_WORD_FOUND = re.compile(rf"[가-힣]+[+*/]+{_WORD_END}")
_FILLER = re.compile(r"[가-힣]+[+/](?=\s|$)")
_INLINE = re.compile(r"</?(?:b|i|u|em|strong|span|font)\b[^<>]*>", re.IGNORECASE)
_BRACKETS = re.compile(r"\(\(([^()]*)\)\)|<([^<>]*)>|\[([^\[\]]*)\]|\{([^{}]*)\}|\(([^()]*)\)|\*([^*\s]+)\*")
_ASCII_TAG = re.compile(r"/?[A-Za-z][A-Za-z0-9_ :/=\"'.-]*/?")
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
    narrow = text.translate(NARROW)
    if narrow != text and find_marks(text):
        text = narrow
    for kind in KINDS[notation]:
        if kind == "double":
            text = one_side(text, side)
        elif kind == "word":
            text = _WORD.sub(
                lambda match: "" if _is_word(match) else match[0],
                text
                if keep_fillers
                else _FILLER.sub(lambda match: " " if _is_word(match) else match[0], text),
            )
        elif kind == "chat":
            text = CHAT.sub(lambda match: _spoken_chat(match, keep_fillers), text)
        elif kind == "tag":
            text = _without_tags(text, keep_fillers, notation)
        else:
            text = _REPLACED[kind](text)
    return _SPACES.sub(" ", without_invisible(text)).strip()


def one_side(text: str, side: Side) -> str:
    """The text with one half of every double transcription `(A)/(B)`.

    >>> one_side("(7시)/(일곱 시)에", "spelling")
    '7시에'
    """
    return DOUBLE.sub(lambda match: _side_of(match, side), text)


def find_marks(text: str) -> list[Mark]:
    """The pieces of a text that look like annotation, each once; empty for plain text.

    >>> [mark.text for mark in find_marks("o/ 그+ (7시)/(일곱 시)에 [웃음]")]
    ['(7시)/(일곱 시)', '[웃음]', 'o/', '그+']
    """
    original, text = text, text if text.isascii() else text.translate(NARROW)
    if not _SUSPECT.search(text):
        return []
    narrow = text
    marks: list[Mark] = []

    def take(kind: Kind, pattern: re.Pattern[str], accepts: Callable[[re.Match[str]], Kind | None]) -> None:
        """Moves what a pattern matches from `text` to `marks`, if `accepts` gives its kind."""
        nonlocal text

        def replace(match: re.Match[str]) -> str:
            accepted = accepts(match)
            if accepted is None:
                return match[0]
            start = narrow.find(match[0])
            marks.append(
                Mark((original[start : start + len(match[0])] if start >= 0 else match[0]).strip(), accepted)
            )
            return " " if kind != "entity" else html.unescape(match[0])

        text = pattern.sub(replace, text)

    take("entity", _ENTITY, lambda match: "entity" if html.unescape(match[0]) != match[0] else None)
    take("double", DOUBLE, lambda match: "double" if _is_double(match) else None)
    take("time", TIME, lambda match: "time")
    take("speaker", _speakers_of(text), lambda match: "speaker" if _is_speaker(match) else None)
    take("chat", CHAT, lambda match: "chat")
    take("tag", CODED, lambda match: "tag")
    take("tag", REMARK_IN_SIGNS, lambda match: "tag")
    take("tag", _INLINE, lambda match: "tag")
    take("tag", _BRACKETS, _kind_of_brackets)
    take("hidden", HIDDEN, lambda match: "hidden")
    take("sound", _SOUND, lambda match: "sound")
    take("word", _WORD_FOUND, lambda match: "word" if _is_word(match) else None)
    return marks


def hides_words(text: str) -> bool:
    """Whether a text has a mark in place of words that are spoken: a masked name or number, or unclear speech."""
    return any(mark.kind == "hidden" for mark in find_marks(text))


def notation_for(kinds: set[Kind]) -> Notation:
    """The notation with the fewest marks that has all of `kinds`."""
    return next((name for name in ("ksponspeech", "tags") if kinds <= set(KINDS[name])), "aihub")


def _kind_of_brackets(match: re.Match[str]) -> Kind | None:
    """What a piece in brackets is; None if it is text, as in `<기생충>` or `(주)`."""
    unclear, angle, square, curly, rounded, _ = match.groups()
    content = next(group for group in match.groups() if group is not None).strip()
    if unclear is not None:
        return "hidden" if not content or HIDDEN_NAME.fullmatch(content) else "tag"
    if ANY_REMARK.fullmatch(content):
        return "tag"
    if HIDDEN_NAME.fullmatch(content):
        if FIELD_AFTER.match(match.string, match.end()) or (
            rounded is not None and FIELD_BEFORE.search(match.string[: match.start()])
        ):
            return None
        # An x in round brackets is an algebraic one, and *x* is emphasis.
        return "hidden" if len(content) > 1 or match[0][0] in "<[{" else None
    if square is not None or curly is not None:
        is_index = content.isdecimal() and re.search("[A-Za-z]$", match.string[: match.start()])
        return None if is_index or NUMBERS_LISTED.fullmatch(content) else "tag"
    return "tag" if angle is not None and _ASCII_TAG.fullmatch(content) else None


def _side_of(match: re.Match[str], side: Side) -> str:
    """One half of a double transcription."""
    if not _is_double(match):
        return match[0]
    first, second = _halves(match)
    return first if side == "spelling" else second


def _halves(match: re.Match[str]) -> tuple[str, str]:
    first, second = (group for group in match.groups() if group is not None)
    return first, second


def _is_double(match: re.Match[str]) -> bool:
    """Whether two pieces in brackets are one text twice, and not two noises: (laughing)/(박수)."""
    return not any(ANY_REMARK.fullmatch(half.strip()) for half in _halves(match))


def _speakers_of(text: str) -> re.Pattern[str]:
    """The pattern of the speakers of a text: any short code counts if several turns begin with one."""
    return TURN if len(TURN.findall(text)) > max(1, len(SPEAKER.findall(text))) else SPEAKER


def _is_speaker(match: re.Match[str]) -> bool:
    """Whether a label names a speaker: it begins the text, or a text that begins with a speaker."""
    return match.re.match(match.string.lstrip()) is not None


def _is_word(match: re.Match[str]) -> bool:
    """Whether signs after a word mark it; the plus of 18세+ and 구글+ is spoken, and *주의* is emphasis."""
    end = match.end()
    text = match.string[:end].rstrip("+*/ ")
    word = re.search("[가-힣]*$", text)
    run, before = (word[0], text[: word.start()][-1:]) if word else ("", "")
    if "+" in match[0] and (before.isdecimal() or run in PLUS_NAMES):
        return False
    return not (before == "*" and "*" in match[0])


def _spoken_chat(match: re.Match[str], keep_fillers: bool) -> str:
    """What is spoken of a mark of CHAT: a filler, or the words that a code refers to."""
    if match["scope"] is not None:
        return match["scope"]
    return match["filler"] if match["filler"] and keep_fillers else " " if match[0][0] != "@" else ""


def _without_tags(text: str, keep_fillers: bool, notation: Notation) -> str:
    """The text without tags; double transcriptions such as [A]/[B] stay if the notation does not have them."""
    if "double" in KINDS[notation]:
        return _without_brackets(text, keep_fillers)
    pieces, end = [], 0
    for match in filter(_is_double, DOUBLE.finditer(text)):
        pieces += [_without_brackets(text[end : match.start()], keep_fillers), match[0]]
        end = match.end()
    return "".join([*pieces, _without_brackets(text[end:], keep_fillers)])


def _without_brackets(text: str, keep_fillers: bool) -> str:
    def replace(match: re.Match[str]) -> str:
        kind = _kind_of_brackets(match)
        if kind == "tag" and match[1] is not None:
            return match[1]  # ((A)): A is what the listener believes to have heard
        return match[0] if kind is None else " "

    def coded(match: re.Match[str]) -> str:
        return match["words"] if match["code"] in SPOKEN_CODES and keep_fillers else " "

    text = REMARK_IN_SIGNS.sub(" ", CODED.sub(coded, text))
    return _BRACKETS.sub(replace, _INLINE.sub("", text))


_REPLACED: dict[Kind, Callable[[str], str]] = {
    "entity": lambda text: _ENTITY.sub(
        lambda match: html.unescape(match[0]), _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    ),
    "time": lambda text: TIME.sub(" ", text),
    "speaker": lambda text: _speakers_of(text).sub(
        lambda match: " " if _is_speaker(match) else match[0], text.lstrip()
    ),
    "hidden": lambda text: HIDDEN.sub(" ", text),
    "sound": lambda text: _SOUND.sub(" ", text),
}
