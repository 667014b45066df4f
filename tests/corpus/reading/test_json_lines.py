from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from soritune.corpus.reading.json_lines import is_json_lines, json_lines, plain_stem
from soritune.corpus.reading.outcomes import Rejected
from soritune.errors import ManifestError

TEXT = b'\xef\xbb\xbf{"a": 1}\n\n  {"b": NaN}\n[]\n{"c"\n' + "{'d'}".encode("cp949") + b"\n\xb0\xa1\n"


@pytest.mark.parametrize("compressed", [False, True])
def test_objects_have_their_lines_and_other_lines_are_rejected(compressed: bool, tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_bytes(gzip.compress(TEXT) if compressed else TEXT)
    items = list(json_lines(file))
    assert items[:2] == [(1, {"a": 1}), (3, {"b": None})]
    faults = [item for item in items[2:] if isinstance(item, Rejected)]
    assert [fault.kind for fault in faults] == [
        "line-not-object",
        "line-not-json",
        "line-not-json",
        "text-encoding",
    ]
    assert faults[0].reason == "m.jsonl line 4: must be a JSON object, got list"


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read"):
        list(json_lines(tmp_path / "none.jsonl"))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(TEXT * 100)[:40])
    with pytest.raises(ManifestError, match="is damaged"):
        list(json_lines(tmp_path / "cut.jsonl.gz"))


def test_names_of_json_lines() -> None:
    assert [plain_stem(Path(name)) for name in ("a_train.jsonl.gz", "a.json", "a.b.jsonl")] == [
        "a_train",
        "a",
        "a.b",
    ]
    assert is_json_lines(Path("A.JSONL.GZ")) and not is_json_lines(Path("a.csv"))
