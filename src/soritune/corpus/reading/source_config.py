"""Settings that every source of a corpus has in common."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from soritune.audio.pcm import PcmFormat
from soritune.corpus.reading.missing_values import MISSING, MissingValues
from soritune.korean.transcript import Notation, Side

MAX_MARKED_SHARE = 0.1
_OF_NOTATION = ("transcript_side", "keep_fillers", "hidden_words")
"""Settings that only act on a text with annotation."""
_OF_KSPONSPEECH = ("transcript_side", "keep_fillers")
"""Settings of marks that `tags` does not remove."""


class SourceConfig(BaseModel):
    """Settings of a source; each source subclasses it.

    Unknown keys are refused. A single text stands for a tuple of one text, and a number for its text.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, coerce_numbers_to_str=True)

    outside_root: bool = False
    """Read relative audio paths that lead out of the corpus folder, such as `../wav/a.wav`; they become absolute."""
    pcm: str | None = None
    """Encoding, sample rate and channels of files without a header (.pcm, .raw), such as `s16le:16000`."""
    transcript: Notation = "plain"
    """Annotation of the texts, which is removed: `plain` for texts without any; `ksponspeech` has `(A)/(B)`, `b/`,
    `그+`, `음/`, `뭐*`; `tags` has `[noise]`, `(웃음)`, `&name1&`, `&nbsp;`; `aihub` has all of them. The text as it
    was is kept in `extra` as `transcript`."""
    transcript_side: Side = "pronunciation"
    """Half of `(A)/(B)` that is kept: `spelling` is the first, `pronunciation` the second."""
    keep_fillers: bool = True
    """Keep fillers (`음/`) and broken-off words (`그+`), without their mark."""
    hidden_words: Literal["reject", "drop"] = "reject"
    """Rows whose text hides words that may be spoken (`&name1&`, `010-****-1234`, `((xx))`): they go to quarantine,
    or the marks are dropped."""
    max_marked_share: float = Field(MAX_MARKED_SHARE, ge=0, le=1)
    """A corpus of which more texts than this share have marks that `transcript` does not remove is refused."""

    missing: tuple[str, ...] = MISSING
    """Words that count as no value in speaker, script_id, gender, age and text; `missing=[]` keeps them as values."""
    _missing: MissingValues = PrivateAttr(default_factory=MissingValues)
    """Those that were removed; filled while reading."""

    @field_validator("pcm")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        if value is not None:
            PcmFormat.parse(value)
        return value

    @model_validator(mode="after")
    def _has_marks(self) -> Self:
        given = [name for name in _OF_NOTATION if name in self.model_fields_set]
        if self.transcript == "plain" and given:
            raise ValueError(
                f"{given[0]} has no effect with transcript=plain; set transcript=ksponspeech, tags or aihub"
            )
        given = [name for name in given if name in _OF_KSPONSPEECH]
        if self.transcript == "tags" and given:
            raise ValueError(
                f"{given[0]} has no effect with transcript=tags; set transcript=ksponspeech or aihub"
            )
        return self

    @field_validator("*", mode="before")
    @classmethod
    def _tuple_of_one(cls, value: Any, info: ValidationInfo) -> Any:
        expected = cls.model_fields[info.field_name or ""].annotation
        return (value,) if expected == tuple[str, ...] and isinstance(value, (str, int, float)) else value
