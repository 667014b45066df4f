"""Tables of `datasets`; those under `tests/corpus/layouts` were written by `datasets` 5.2.0."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from soritune.corpus.reading.arrow_dataset import features_of, parts_of, rows_of, schema_of
from soritune.errors import ManifestError

SAVED = Path(__file__).parent.parent / "layouts" / "hf_saved_5_2"


def test_splits_files_features_and_rows_of_a_saved_folder() -> None:
    train, validation = parts_of(SAVED)
    assert (train.split, validation.split) == ("train", "validation")
    features = features_of(schema_of(train.files[0]))
    assert features["label"] == {"names": ["기쁨", "화남"], "_type": "ClassLabel"}
    assert features["audio"]["_type"] == "Audio"
    rows = list(rows_of(train.files[0]))
    assert [row["sentence"] for row in rows] == ["안녕", "네"] and rows[0]["audio"]["bytes"][:4] == b"RIFF"
    assert [row["sentence"] for row in rows_of(validation.files[0])] == ["네"]
    assert list(rows_of(SAVED.with_suffix(".parquet"))) == rows


def test_one_split_alone_and_both_formats_of_arrow(tmp_path: Path) -> None:
    assert [part.split for part in parts_of(SAVED / "train")] == [None]
    table = pa.table({"text": ["네"] * 200})
    with (
        pa.OSFile(str(tmp_path / "train.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table, max_chunksize=70)
    (part,) = parts_of(tmp_path)
    assert (part.split, len(list(rows_of(part.files[0])))) == ("train", 200)
    assert features_of(schema_of(part.files[0])) == {}


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": {"features": []}}'])
def test_unreadable_features_count_as_absent(metadata: bytes) -> None:
    assert features_of(pa.schema([("a", pa.string())], {"huggingface": metadata})) == {}


@pytest.mark.parametrize("state", [{}, {"_data_files": []}, {"_data_files": [1]}, []])
def test_state_without_files_is_refused(state: object, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"state\.json: (names no data files|must be a JSON object)"):
        parts_of(tmp_path)
