"""Further accepted pronunciations, such as habits of children, from a file of the user.

A line has the expected phone, what is accepted in its place, and the reason, separated by tabs; `-` stands for a
missing phone:

    SS	S	children of four
    H	-	ㅎ between vowels

Lines that begin with # are comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from soritune.errors import TextError, reason_of
from soritune.korean import KOREAN

Variants = Mapping[tuple[str, str | None], str]
"""Expected phone and accepted one (None for a missing phone) → reason."""
NONE = "-"


def load_variants(path: Path | str) -> Variants:
    """Reads a file of accepted variants.

    Raises:
        TextError: a file that cannot be read, or a line that is not a variant.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"{path}: the file of variants cannot be read ({reason_of(error)})") from error
    variants: dict[tuple[str, str | None], str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        expected, accepted, *reason = (
            (part.strip() for part in line.split("\t")) if "\t" in line else (line, "")
        )
        unknown = [phone for phone in (expected, accepted) if phone not in (*KOREAN.symbols, NONE)]
        if unknown or expected == NONE or len(reason) > 1:
            raise TextError(
                f"{path}, line {number}: '{line[:60]}' is not a variant; write the expected phone, a tab, the accepted "
                f"phone or {NONE}, and after another tab the reason; phones are {' '.join(KOREAN.symbols)}"
            )
        variants[expected, None if accepted == NONE else accepted] = reason[0] if reason else ""
    return variants
