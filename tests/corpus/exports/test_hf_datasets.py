"""Saved data sets, whose files have the keys of those that `datasets` 5.2.0 writes."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
from tests.corpus.layouts.prepared import tone

from soritune.corpus.exports.hf_datasets import write
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance

SAVED = Path(__file__).parent.parent / "layouts" / "hf_saved_5_2"


def manifest(root: Path) -> Manifest:
    tone(root / "a.wav", 2.0)
    rows = [
        Utterance(
            id="1",
            audio="a.wav",
            duration_s=2.0,
            text="네",
            phones=("A",),
            extra={"n": 1, "mixed": 1, "o": {"a": 1}},
        ),
        Utterance(
            id="2", audio="a.wav", duration_s=0.5, start_s=1.0, extra={"n": 0.5, "mixed": "x", "empty": None}
        ),
    ]
    return write_manifest(root / "m.jsonl", rows, root=root)


def test_table_has_a_column_for_every_field_with_values(tmp_path: Path) -> None:
    notes = write({None: manifest(tmp_path)}, tmp_path / "out")
    with pa.memory_map(str(tmp_path / "out" / "data-00000-of-00001.arrow")) as source:
        table = pa.ipc.open_stream(source).read_all()
    assert table.to_pylist() == [
        {
            "id": "1", "audio": {"bytes": None, "path": str(tmp_path / "a.wav")}, "duration_s": 2.0, "start_s": None,
            "text": "네", "phones": ["A"], "empty": None, "mixed": "1", "n": 1.0, "o": '{"a": 1}',
        },
        {
            "id": "2", "audio": {"bytes": None, "path": str(tmp_path / "a.wav")}, "duration_s": 0.5, "start_s": 1.0,
            "text": None, "phones": None, "empty": None, "mixed": "x", "n": 0.5, "o": None,
        },
    ]  # fmt: skip
    assert notes == ["1 rows are stretches; the library datasets opens their whole recordings"]


def test_files_have_the_keys_of_the_library(tmp_path: Path) -> None:
    write({"train": manifest(tmp_path), "test": manifest(tmp_path)}, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "dataset_dict.json").read_text()) == {"splits": ["train", "test"]}
    for name in ("state.json", "dataset_info.json"):
        ours = json.loads((tmp_path / "out" / "train" / name).read_text(encoding="utf-8"))
        theirs = json.loads((SAVED / "train" / name).read_text(encoding="utf-8"))
        assert ours.keys() == theirs.keys()
    features = json.loads((tmp_path / "out" / "test" / "dataset_info.json").read_text(encoding="utf-8"))[
        "features"
    ]
    assert features["audio"] == {"_type": "Audio"}
    assert features["n"] == {"dtype": "float64", "_type": "Value"}
    assert features["phones"] == [{"dtype": "string", "_type": "Value"}]
