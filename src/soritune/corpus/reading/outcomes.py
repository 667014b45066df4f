"""What reading a corpus yields: utterances, and what was rejected, skipped or noted on the way.

Every outcome other than an utterance has a `kind`: a short identifier such as "label-missing", set where the outcome
arises. Outcomes of equal kind are counted together (`corpus/reasons.py`). A colon separates kinds that are counted
apart, as in "field-missing:text" and "field-missing:age". The reason is a sentence for people; no code reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from soritune.corpus.utterance import Utterance

STRETCHES_UNMAPPED = "stretches-unmapped"
"""Kind of rows that seem to be stretches of one recording whose times no field is mapped to."""
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something in the corpus that cannot become an utterance; goes to `quarantine.jsonl`. Very long texts are cut."""

    audio: str
    reason: str
    id: str = ""
    kind: str = field(kw_only=True)

    def __post_init__(self) -> None:
        for name in ("audio", "reason", "id"):
            object.__setattr__(self, name, shortened(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something valid that the settings leave out; only counted."""

    reason: str
    count: int = 1
    example: str = ""
    """The first of them, shown by `soritune sources preview`."""
    kind: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing about an utterance that is kept; only counted, apart from what was looked at."""

    reason: str
    count: int = 1
    example: str = ""
    """The first of them, shown by `soritune sources preview`."""
    kind: str = field(kw_only=True)


Outcome = Utterance | Rejected | Skipped | Note


class ReadingError(ValueError):
    """A part of a corpus that cannot be read. `kind` is that of the `Rejected` it becomes; `str()` is the reason."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        super().__init__(reason)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """`text`, cut to `longest` characters.

    >>> shortened("가나다라마", 4)
    '가나다…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"
