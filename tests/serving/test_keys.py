from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from soritune.errors import SorituneError
from soritune.serving.keys import ApiKeys, key_in, read_keys

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of the text abc, as FIPS 180-4 publishes it."""


def test_key_is_found_by_the_published_hash_of_its_text() -> None:
    keys = ApiKeys({ABC.upper(): "alice"})
    assert keys.owner("abc") == "alice"
    assert keys.owner("abd") is keys.owner("") is keys.owner(None) is None
    assert keys.owner(ABC) is None  # the hash is not the key


def test_file_has_a_hash_and_a_name_per_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(
        f"# staff\n\n{ABC}  alice\n{hashlib.sha256(b'x').hexdigest()}  a school\n", encoding="utf-8"
    )
    keys = read_keys(file)
    assert (keys.owner("abc"), keys.owner("x")) == ("alice", "a school")


@pytest.mark.parametrize("text", ["", "# none\n", "secret\n", f"{ABC}\n", f"{ABC[:-1]}  alice\n"])
def test_faulty_file_is_refused_without_showing_its_lines(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SorituneError) as caught:
        read_keys(file)
    assert "secret" not in str(caught.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SorituneError, match="cannot be read"):
        read_keys(tmp_path / "keys")


def test_key_is_in_either_header() -> None:
    assert key_in({"authorization": "Bearer abc"}) == key_in({"x-api-key": "abc"}) == "abc"
    assert key_in({"authorization": "Basic abc"}) is key_in({}) is None
