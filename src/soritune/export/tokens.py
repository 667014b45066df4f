"""tokens.txt: the symbols of a CTC output with their columns, as sherpa-onnx and others read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soritune.bundles.onnx_graph import BLANK
from soritune.errors import ModelError

TOKENS_FILE = "tokens.txt"
WORD_BOUNDARY = "|"
"""Label of the gap between words, in models of transformers and here."""


def write_tokens(file: Path, labels: Sequence[str]) -> None:
    """Writes a line `symbol number` for each label; the first one is the blank, whatever its label is.

    Raises:
        ModelError: a label has a space or is empty, so that no program could read the line.
    """
    odd = next((label for label in labels[1:] if not label or label.split() != [label]), None)
    if odd is not None:
        raise ModelError(
            f"the label {odd!r} cannot be written to tokens.txt, where spaces separate symbols from numbers; rename it "
            "in the settings of the task"
        )
    symbols = [BLANK, *labels[1:]]
    lines = (f"{symbol} {number}\n" for number, symbol in enumerate(symbols))
    file.write_text("".join(lines), encoding="utf-8", newline="\n")


def write_vocabulary(file: Path, labels: Sequence[str]) -> None:
    """The same as onnx-asr reads it, with its own sign for the gap between words."""
    symbols = [BLANK, *("▁" if label == WORD_BOUNDARY else label for label in labels[1:])]
    lines = (f"{symbol} {number}\n" for number, symbol in enumerate(symbols))
    file.write_text("".join(lines), encoding="utf-8", newline="\n")
