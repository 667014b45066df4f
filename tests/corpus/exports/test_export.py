from __future__ import annotations

from pathlib import Path

from soritune.corpus.exports.export import not_held, part_name, with_values
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance


def test_fields_that_a_layout_does_not_hold_are_counted_over_all_splits(tmp_path: Path) -> None:
    rows = [
        Utterance(id="1", audio="a.wav", duration_s=1.0, phones=("A",), age=7.0),
        Utterance(id="2", audio="a.wav", duration_s=1.0, phones=("B",)),
    ]
    manifest = write_manifest(tmp_path / "m.jsonl", rows, root=tmp_path)
    parts = {"train": manifest.select([0]), "test": manifest.select([1])}
    assert not_held(parts, ("id", "audio", "duration_s", "age"), "X") == [
        "X does not hold 'phones', which 2 rows have"
    ]


def test_values_and_names_of_parts() -> None:
    row = Utterance(id="1", audio="a.wav", duration_s=1.0, phones=("A",))
    assert with_values(row, ("id", "phones", "text")) == {"id": "1", "phones": ["A"]}
    assert (part_name("cuts", None, ".jsonl"), part_name("cuts", "val", ".jsonl")) == (
        "cuts.jsonl",
        "cuts_val.jsonl",
    )
