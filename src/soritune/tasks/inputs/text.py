"""A text, such as the transcript of an utterance, as tokens; a text that cannot be seen counts as none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.utterance import TEXT_SOURCES
from soritune.errors import TaskError
from soritune.identities import without_invisible
from soritune.korean.hangul import composed
from soritune.tasks.inputs.input import PRESENT, InputKind
from soritune.tasks.inputs.text_encoder import options_of, tokenizer_of
from soritune.tasks.specs import InputSpec

MASK = "_mask"
"""End of the name of the array that marks the tokens of a row."""
ORIGIN = "text_source"
"""Field of a row or request with the origin of its text: gold, asr or none."""


class TextInput(InputKind):
    """A text; its options are `TextOptions`."""

    origin_fields: ClassVar[tuple[str, ...]] = (ORIGIN,)

    def check(self, spec: InputSpec) -> None:
        """See `InputKind.check`."""
        options_of(spec)

    def check_usable(self, spec: InputSpec) -> None:
        """Opens the tokenizer."""
        tokenizer_of(spec)

    def is_absent(self, value: Any) -> bool:
        """True for None and for a text without a visible character."""
        return value is None or (isinstance(value, str) and not without_invisible(value).strip())

    def origin(self, value: Any, facts: Mapping[str, Any]) -> dict[str, str]:
        """`text_source`: none without a text, else as the row or request has it; nothing if it does not.

        The source of a text that calls itself none is unknown: the model has read it.

        Raises:
            TaskError: no such source.
        """
        source = facts.get(ORIGIN)
        if source is not None and source not in TEXT_SOURCES:
            raise TaskError(f"{ORIGIN} must be one of {', '.join(TEXT_SOURCES)}, got {source!r:.60}")
        if value is None:
            return {ORIGIN: "none"}
        return {} if source is None else {ORIGIN: "unknown" if source == "none" else str(source)}

    def encode(self, spec: InputSpec, value: Any) -> NDArray[Any]:
        """(tokens,) int64: ids with those at the ends, at least one and at most `max_tokens`."""
        if not isinstance(value, str):
            raise TaskError(
                f"input '{spec.name}' must be a text, got {value!r:.60}", f"input-value:{spec.name}"
            )
        if not _is_unicode(value):
            raise TaskError(
                f"input '{spec.name}' has half of a character, which is not valid Unicode: {value!a:.60}",
                f"input-value:{spec.name}",
            )
        ids = tokenizer_of(spec).encode(composed(value).strip()).ids
        if not ids:
            raise TaskError(
                f"input '{spec.name}': the tokenizer makes no token of {value!r:.60}",
                f"input-value:{spec.name}",
            )
        return np.asarray(ids, dtype=np.int64)

    def example(self, spec: InputSpec) -> Any:
        """A sentence."""
        return "오늘은 날씨가 좋습니다"

    def free_axes(self, spec: InputSpec) -> dict[str, tuple[int, ...]]:
        """The tokens."""
        return {spec.name: (1,), spec.name + MASK: (1,)}

    def pad(
        self, spec: InputSpec, rows: Sequence[NDArray[Any] | None], num_frames: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """`name` and `<name>_mask` (batch, tokens): ids, and which are of the row. A row without a text has one
        placeholder."""
        longest = max((len(row) for row in rows if row is not None), default=1)
        tokens = np.zeros((len(rows), longest), dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=bool)
        mask[:, 0] = True
        for index, row in enumerate(rows):
            if row is not None:
                tokens[index, : len(row)] = row
                mask[index, : len(row)] = True
        present = np.array([row is not None for row in rows], dtype=bool)
        return {spec.name: tokens, spec.name + MASK: mask, spec.name + PRESENT: present}


def _is_unicode(text: str) -> bool:
    """False for a text with half of a surrogate pair, which JSON can hold and no tokenizer takes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


INPUT = TextInput()
