"""Removes annotation from raw corpus transcripts before they are normalised: double transcription, noise marks, tags.

Korean corpora write the same words in two ways, `(7시)/(일곱 시)`, and mark breaths, noise and broken-off words in the
text. These marks are not spoken and are removed before a transcript becomes a label.
"""

from __future__ import annotations

import re
from typing import Literal

Side = Literal["spelling", "pronunciation"]

_DOUBLE = re.compile(r"\(([^()]*)\)\s*/\s*\(([^()]*)\)")
# b/ breath, l/ laughter, n/ noise, o/ overlap, u/ unclear; some corpora write no space after them.
_NOISE_MARK = re.compile(r"(?<![A-Za-z가-힣])[bBlLnNoOuU]/")
_TAG = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}|&[가-힣A-Za-z0-9_-]+&|#\S*#|@[가-힣A-Za-z0-9_]+")
# 그+ is a broken-off word, 그/ a filler, 음* a word that is hard to hear: the word is kept without its mark.
_WORD_MARK = re.compile(r"(?<=[가-힣])[+*/]+|[+*](?=[가-힣\s]|$)")
_SPACES = re.compile(r"\s+")


def clean_transcript(text: str, side: Side = "pronunciation", keep_fillers: bool = True) -> str:
    """Return a corpus transcript without its annotation.

    Args:
        text: one transcript line.
        side: which half of a double transcription `(A)/(B)` to keep: `spelling` is A (as written, 7시),
            `pronunciation` is B (as spoken, 일곱 시).
        keep_fillers: keep fillers (`음/`) and broken-off words (`그+`) without their mark, or drop them.

    Returns:
        The text that was spoken, single spaces, no annotation; possibly empty.

    >>> clean_transcript("o/ 아/ 그+ (7시)/(일곱 시)에 만나* b/")
    '아 그 일곱 시에 만나'
    """
    text = _DOUBLE.sub(r"\1" if side == "spelling" else r"\2", text)
    text = _TAG.sub(" ", text)
    text = _NOISE_MARK.sub(" ", text)
    if not keep_fillers:
        text = re.sub(r"[가-힣]+[+/](?=\s|$)", " ", text)
    text = _WORD_MARK.sub("", text)
    return _SPACES.sub(" ", text).strip()
