"""What reading a corpus yields: utterances, and what was rejected, skipped or noted on the way."""

from __future__ import annotations

from dataclasses import dataclass

from soritune.corpus.utterance import Utterance

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something in the corpus that cannot become an utterance; goes to `quarantine.jsonl`. Very long texts are cut."""

    audio: str
    reason: str
    id: str = ""

    def __post_init__(self) -> None:
        for name in ("audio", "reason", "id"):
            object.__setattr__(self, name, shortened(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is fine but not wanted by the settings; only counted, by reason."""

    reason: str
    count: int = 1
    example: str = ""
    """One of them, shown by `soritune sources preview`."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing about what is kept; only counted, by reason, and not among what was found."""

    reason: str
    count: int = 1
    example: str = ""
    """One of them, shown by `soritune sources preview`."""


Item = Utterance | Rejected | Skipped | Note


def shortened(text: str, longest: int = _LONGEST) -> str:
    """`text`, cut where it is longer than `longest`.

    >>> shortened("가나다라마", 4)
    '가나다…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"
