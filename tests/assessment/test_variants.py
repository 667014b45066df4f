from __future__ import annotations

from pathlib import Path

import pytest

from soritune.assessment.variants import load_variants
from soritune.errors import TextError


def test_variants_are_read(tmp_path: Path) -> None:
    path = tmp_path / "habits.tsv"
    path.write_text("# habits\nSS\tS\tchildren of four\n\nH\t-\n", encoding="utf-8")
    assert load_variants(path) == {("SS", "S"): "children of four", ("H", None): ""}


@pytest.mark.parametrize("line", ["SS", "SS\tsh", "-\tS", "S\tSS\ta\tb", "Q\tS"])
def test_faulty_line_is_reported_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "v.tsv"
    path.write_text(f"# first\n{line}\n", encoding="utf-8")
    with pytest.raises(TextError, match="line 2: .* is not a variant"):
        load_variants(path)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="cannot be read"):
        load_variants(tmp_path / "none.tsv")
