from __future__ import annotations

from typing import Any

import pytest

from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.tasks.ratings import field_value, labels_in, ratings_of


def row(**extra: Any) -> Utterance:
    return Utterance(id="a", audio="a.wav", duration_s=1.0, extra=extra)


@pytest.mark.parametrize(
    "value",
    [
        ["Kind", "Dry", "Kind"],
        "Kind|Dry|Kind",
        " Kind | Dry|Kind|",
        '["Kind", "Dry", "Kind"]',
        {"Kind": 2, "Dry": 1, "Sad": 0, "Calm": None},
        '{"Kind": 2, "Dry": 1}',
        {"Kind": 2.0, "Dry": 1.0},
        ["Kind", None, "Dry", "", "N/A", float("nan"), "Kind"],
    ],
)
def test_every_form_of_a_column_gives_the_same_ratings(value: object) -> None:
    assert ratings_of(row(ratings=value), ["ratings"]) == {("Kind",): 2, ("Dry",): 1}


@pytest.mark.parametrize("value", [None, "", [], [None, ""], {}, " | ", "nan"])
def test_rows_without_a_rating_have_an_empty_result(value: object) -> None:
    assert ratings_of(row(ratings=value), ["ratings"]) == {}
    assert ratings_of(row(), ["ratings"]) == {}


def test_columns_of_raters_may_be_empty() -> None:
    given = row(rater1="Kind", rater2=None, rater3="Dry", rater4="Kind")
    assert ratings_of(given, ["rater1", "rater2", "rater3", "rater4", "rater5"]) == {
        ("Kind",): 2,
        ("Dry",): 1,
    }


def test_raters_may_give_several_labels() -> None:
    assert ratings_of(row(ratings=[["Kind", "Dry"], ["Kind"], []]), ["ratings"]) == {
        ("Kind", "Dry"): 1,
        ("Kind",): 1,
        (): 1,
    }
    assert ratings_of(row(one="Kind|Dry", two="Kind"), ["one", "two"]) == {("Kind", "Dry"): 1, ("Kind",): 1}


def test_a_label_of_the_settings_is_not_a_missing_value() -> None:
    assert ratings_of(row(ratings="none|Kind"), ["ratings"]) == {("Kind",): 1}
    assert ratings_of(row(ratings="none|Kind"), ["ratings"], ["none"]) == {("Kind",): 1, ("none",): 1}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Kind": 0.5}, "maps 'Kind' to 0.5; give the number of raters, a whole number from 0"),
        ({"Kind": -1}, "to -1"),
        ({"Kind": True}, "to True"),
        ({"Kind": float("inf")}, "to inf"),
        ([True], "must hold labels, got True"),
        ([{"label": "Kind"}], "must hold labels"),
    ],
)
def test_other_values_are_refused(value: object, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        ratings_of(row(ratings=value), ["ratings"])


def test_lists_of_labels_and_a_missing_list_differ() -> None:
    assert labels_in([], "emotions") == () and labels_in(None, "emotions") is None
    assert labels_in("Kind|Dry|Kind", "emotions") == ("Kind", "Dry")
    assert labels_in(2, "emotions") == ("2",)
    assert field_value(row(ratings="[not JSON"), "ratings") == "[not JSON"


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_ratings_survive_a_manifest(tmp_path: Any, suffix: str) -> None:
    rows = [row(ratings=["Kind", None, "Dry"]), row(ratings={"Kind": 2}), row(ratings=[["Kind", "Dry"], []])]
    named = [
        Utterance(id=str(index), audio="a.wav", duration_s=1.0, extra=each.extra)
        for index, each in enumerate(rows)
    ]
    path = tmp_path / f"m.{suffix}"
    write_manifest(path, named, root=tmp_path)
    again = [ratings_of(each, ["ratings"]) for each in load_manifest(path)]
    assert again == [{("Kind",): 1, ("Dry",): 1}, {("Kind",): 2}, {("Kind", "Dry"): 1, (): 1}]
