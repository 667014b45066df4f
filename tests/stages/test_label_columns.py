from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soritune.corpus.checks import count_tables
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.grouping import strata_of
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.stages.label_columns import label_ids, label_values, with_labels
from soritune.tasks.task import Task, make_task

LABELS = ["joy", "anger"]


@pytest.fixture
def rated(tmp_path: Path) -> Manifest:
    """Ten speakers with two utterances each: three raters agree on joy, or two of them on anger; one row is tied."""
    rows = []
    for speaker in range(10):
        for number, ratings in enumerate((["joy"] * 3, ["anger", "joy", "anger"])):
            given = ["joy", "anger"] if (speaker, number) == (0, 1) else ratings
            name = f"{speaker}-{number}"
            extra = {"ratings": given, "all": sorted(set(given))}
            rows.append(
                Utterance(id=name, audio=f"{name}.wav", duration_s=36.0, speaker=str(speaker), extra=extra)
            )
    return write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)


def majority(**settings: Any) -> Task:
    return make_task("emotion", {"labels": LABELS, "rated_target": "majority", **settings})


def several() -> Task:
    return make_task("emotion-multilabel", {"labels": LABELS, "column": "all"})


def test_tables_of_rated_rows_count_their_majority(rated: Manifest) -> None:
    table = count_tables(with_labels([majority()], rated), ["emotion"])["emotion"]
    assert {label: row["utterances"] for label, row in table.items()} == {"joy": 10, "anger": 9, "–": 1}
    assert table["joy"]["hours"] == pytest.approx(0.1) and table["anger"]["speakers"] == 9
    assert count_tables(rated, ["emotion"]) == {}


def test_tables_of_several_labels_count_each_of_them(rated: Manifest) -> None:
    table = count_tables(with_labels([several()], rated), ["emotion"])["emotion"]
    assert {label: row["utterances"] for label, row in table.items()} == {"joy": 20, "anger": 10}


@pytest.mark.parametrize(("task", "total"), [(majority(), 19), (several(), 30)])
def test_splits_are_summarised_and_stratified_by_derived_labels(
    rated: Manifest, task: Task, total: int
) -> None:
    labelled = with_labels([task], rated)
    splits = make_splits(labelled, SplitSettings(stratify=("emotion",)), label_fields=["emotion"])
    summary = splits.summary(labelled, ["emotion"])
    assert sum(sum(row["labels"]["emotion"].values()) for row in summary.values()) == total
    assert not any("stratified" in text for text in splits.policy["warnings"])
    assert splits.policy["manifest_hash"] == rated.hash
    assert splits.summary(rated, ["emotion"])["train"].keys() == {"hours", "utterances", "speakers"}


def test_rows_of_several_labels_are_strata_of_their_set(rated: Manifest) -> None:
    (groups,) = strata_of(with_labels([several()], rated), ["emotion"])
    assert groups.names == ("joy", "joy|anger")


def test_split_without_a_derived_label_is_warned_of(rated: Manifest) -> None:
    task = make_task("emotion-multilabel", {"labels": [*LABELS, "fear"], "column": "all"})
    only_joy = with_labels([task], rated.select([row for row in range(20) if row % 2 == 0 or row > 15]))
    splits = make_splits(only_joy, SplitSettings(by=("random",)), label_fields=["emotion"])
    labels = splits.summary(only_joy, ["emotion"])
    absent = [name for name, row in labels.items() if row["labels"]["emotion"]["anger"] == 0]
    assert absent
    assert all(f"{name} has no utterance labelled anger" in splits.policy["warnings"] for name in absent)


def test_rows_and_hash_are_those_of_the_manifest(rated: Manifest, tmp_path: Path) -> None:
    labelled = with_labels([majority()], rated)
    assert labelled.hash == rated.hash and list(labelled) == list(rated)
    assert labelled.select([3, 0]).column("emotion").to_pylist() == ["anger", "joy"]
    again = write_manifest(tmp_path / "again.parquet", labelled, root=tmp_path)
    assert again.hash == rated.hash
    plain = make_task("emotion", {"labels": LABELS})
    assert with_labels([plain], rated) is rated


def test_values_are_labels_of_every_rater(rated: Manifest) -> None:
    assert label_values(majority(), rated) == label_values(several(), rated) == ["anger", "joy"]
    assert label_values(make_task("emotion", {"labels": LABELS}), rated) == []
    assert label_values(make_task("phoneme", {}), rated) == []


def test_tied_rows_of_soft_ratings_have_no_label_id(rated: Manifest) -> None:
    """Joy is 0 and anger 1; only the second row is tied. `majority` leaves out the same row."""
    for target in ("soft", "majority"):
        ids = label_ids(majority(rated_target=target, ratings=["ratings"]), rated)
        assert ids.tolist() == [0, -1, *[0, 1] * 9]
