from __future__ import annotations

from pathlib import Path

import pytest

from soritune.assessment.variants import AcceptedVariants, WordVariant, load_variants
from soritune.errors import TextError
from soritune.korean import KOREAN


def load(tmp_path: Path, text: str, encoding: str = "utf-8") -> AcceptedVariants:
    path = tmp_path / "v.tsv"
    path.write_bytes(text.encode(encoding))
    return load_variants(path)


def test_codes_of_phones_are_read(tmp_path: Path) -> None:
    found = load(tmp_path, "# habits\nSS\tS\tchildren of four\n\nH\t-\n")
    assert found.phones == {("SS", "S"): "children of four", ("H", None): ""}
    assert found.words == {}


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        ("ㅘ\tㅓ", {("oA", "EO")}),
        ("ㅆ\tㅅ", {("SS", "S")}),
        ("ㄱ\tㅂ", {("G", "B"), ("k", "p")}),  # at the beginning and at the end of a syllable
        ("받침 ㄱ\tㅂ", {("k", "p")}),
        ("받침ㄹ\t-", {("L", None)}),
        ("ㄱ\t-", {("G", None), ("k", None)}),
        ("ㄹ\tㄴ", {("R", "N"), ("L", "N")}),
        ("ㅇ\tㄴ", {("NG", "N")}),  # at the beginning of a syllable it has no sound
        ("G\tㅋ", {("G", "Kh")}),
        ("받침 ㄱ\tG", {("k", "G")}),
    ],
)
def test_letters_stand_for_the_phones_in_the_same_place(
    tmp_path: Path, line: str, pairs: set[tuple[str, str | None]]
) -> None:
    assert set(load(tmp_path, line).phones) == pairs


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_words_of_a_file_of_any_korean_editor(tmp_path: Path, encoding: str) -> None:
    found = load(tmp_path, "네가\t니가\t입말\r\n네가\t너가\r\n", encoding)
    assert found.words == {"네가": (WordVariant("니가", "입말"), WordVariant("너가", ""))}
    assert found.phones == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SS", "it has no tab"),
        ("네가 니가 입말", "it has no tab"),
        ("SS\tsh", "'sh' is no letter of a sound, no code of a phone and no word"),
        ("-\tS", "- cannot be expected"),
        ("S\tSS\ta\tb", "it has more than three parts"),
        ("Q\tS", "'Q' is no letter"),
        ("ㄳ\tㄱ", "'ㄳ' is no letter of a sound"),
        ("ㅏ\tㄱ", "have no common place in a syllable"),
        ("ㅐ\tㅔ", "are one sound here"),
        ("네가\t네가", "both words are the same"),
        ("네가\tㅣ", "is neither a single word nor a sound"),
        ("네 가\t니가", "is neither a single word nor a sound"),
        ("\tS", "'' is no letter"),
    ],
)
def test_faulty_line_is_reported_with_its_number_and_how_to_write_it(
    tmp_path: Path, line: str, reason: str
) -> None:
    with pytest.raises(TextError) as caught:
        load(tmp_path, f"# first\n{line}\n")
    message = str(caught.value)
    assert "line 2: " in message
    assert f"is not a variant: {reason}" in message or reason in message
    assert "네가\t니가\t입말" in message


def test_files_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="cannot be read"):
        load_variants(tmp_path / "none.tsv")
    (tmp_path / "v.tsv").write_bytes(b"\xff\xfe\xff\xff")
    with pytest.raises(TextError, match="neither UTF-8 nor CP949"):
        load_variants(tmp_path / "v.tsv")


def test_example_of_the_documentation_is_read_and_its_table_has_every_phone(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs/assessment.md").read_text(encoding="utf-8")
    section = text.split("### Further accepted pronunciations")[1].split("\n### ")[0]
    example = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    found = load(tmp_path, example)
    assert ("L", None) in found.phones and "네가" in found.words
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    codes = {row[at]: row[at + 1] for row in rows for at in (0, 2, 4)}
    for phone in KOREAN.phones:
        written = next(code for letters, code in codes.items() if phone.letters[0] in letters.split())
        assert f"`{phone.symbol}`" in written, phone
