from pathlib import Path

import pytest

from soritune.errors import ModelError
from soritune.export.tokens import write_tokens, write_vocabulary


def test_blank_has_the_name_that_other_programs_know(tmp_path: Path) -> None:
    write_tokens(tmp_path / "tokens.txt", ("[PAD]", "|", "G", "A"))
    assert (tmp_path / "tokens.txt").read_bytes() == b"<blk> 0\n| 1\nG 2\nA 3\n"
    write_vocabulary(tmp_path / "vocab.txt", ("[PAD]", "|", "G"))
    assert (tmp_path / "vocab.txt").read_text(encoding="utf-8") == "<blk> 0\n▁ 1\nG 2\n"


@pytest.mark.parametrize("label", ["", " ", "a b", "a\n"])
def test_label_with_a_space_is_refused(label: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written to tokens.txt"):
        write_tokens(tmp_path / "tokens.txt", ("_", label))
