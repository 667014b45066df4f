"""The phones of a text that the speaker was asked to say: a list of symbols, or a text with spaces between them.

The symbols are those of a CTC output (option `symbols`, the blank first). Symbol i of a text is in row i of an array
along the frames, whatever is spoken there: the array is a list, not a time line. A head that knows where the symbols
are spoken (`models/segment_head.py`) reads it so. Texts with more symbols than the clip has frames count as none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError
from soritune.tasks.inputs.input import PRESENT, InputKind
from soritune.tasks.labels import in_spelling_of, label_index
from soritune.tasks.phones.annotation_reader import fold_phone
from soritune.tasks.specs import InputSpec

MOST_SYMBOLS = 256
"""Whole numbers up to this one are exact in bf16."""


class PhonesInput(InputKind):
    """Ids of symbols. Options: `symbols`, the blank first; `dropped`, symbols that are left out, such as silence;
    `fold`, as of the task `mispronunciation`."""

    def check(self, spec: InputSpec) -> None:
        """See `InputKind.check`."""
        options = dict(spec.options)
        symbols = options.pop("symbols", ())
        options.pop("dropped", None), options.pop("fold", None)
        if options or not 2 <= len(symbols) <= MOST_SYMBOLS:
            raise TaskError(
                f"input '{spec.name}': phones takes the options symbols (2 to {MOST_SYMBOLS}), dropped and fold, got "
                f" {sorted(options) or len(symbols)}"
            )

    def encode(self, spec: InputSpec, value: Any) -> NDArray[Any]:
        """(n,) int64 ids from 1; 0 is the blank."""
        if isinstance(value, str):
            value = value.split()
        if not isinstance(value, list | tuple) or not all(isinstance(symbol, str) for symbol in value):
            raise TaskError(
                f"input '{spec.name}' must be a list of phones, or a text with spaces between them, got "
                f"{value!r:.60}",
                f"input-value:{spec.name}",
            )
        symbols, fold = list(spec.options["symbols"]), tuple(spec.options.get("fold", ()))
        dropped = spec.options.get("dropped", ())
        phones = in_spelling_of([fold_phone(symbol, fold) for symbol in value], dict.fromkeys(symbols))
        ids = [label_index(phone, symbols, "phone") for phone in phones if phone not in dropped]
        if 0 in ids:
            raise TaskError(f"input '{spec.name}' has the blank '{symbols[0]}', which is not a phone")
        return np.asarray(ids, dtype=np.int64)

    def is_absent(self, value: Any) -> bool:
        """None, or no symbol."""
        return value is None or (isinstance(value, str | list | tuple) and not len(value))

    def cut(self, spec: InputSpec, row: NDArray[Any], first: int, count: int, total: int) -> NDArray[Any]:
        """No symbol: which of them are in a part is not known."""
        return row[:0]

    def example(self, spec: InputSpec) -> Any:
        """The first two symbols behind the blank."""
        return list(spec.options["symbols"][1:3])

    def free_axes(self, spec: InputSpec) -> dict[str, tuple[int, ...]]:
        """The frames."""
        return {spec.name: (1,)}

    def pad(
        self, spec: InputSpec, rows: Sequence[NDArray[Any] | None], num_frames: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """`name` (batch, frames) int64, symbol i in column i, and 0 behind the last one."""
        ids = np.zeros((len(rows), int(num_frames.max(initial=0))), dtype=np.int64)
        for line, row, frames in zip(ids, rows, num_frames.tolist(), strict=True):
            if row is not None and len(row) <= frames:
                line[: len(row)] = row
        present = np.array([row is not None for row in rows], dtype=bool)
        return {spec.name: ids, spec.name + PRESENT: present}


INPUT = PhonesInput()
