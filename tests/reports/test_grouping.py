import numpy as np

from soritune.reports.grouping import UNKNOWN, grouping


def test_each_of_few_values_is_a_group():
    assert grouping(["F", "M", None, ""]).names == ["F", "M", UNKNOWN, UNKNOWN]
    assert grouping([7.0, 6, 12.5]).names == ["7", "6", "12.5"]


def test_many_numbers_are_cut_into_quarters():
    names, ordered = grouping([float(k) for k in range(100)])
    assert [names.count(name) for name in ordered] == [25, 25, 25, 25]
    assert names[0] == ordered[0] == "0 to 24"


def test_equal_quartiles_give_fewer_groups():
    names, _ = grouping([*([1.0] * 100), *np.linspace(2, 3, 12).tolist(), None])
    assert len(names) == 113
    assert names[-1] == UNKNOWN
    assert all(" to " in name for name in names[:-1])


def test_quarters_are_ordered_by_size_and_the_unknown_is_last():
    _, ordered = grouping([*range(-30, 30), None])
    assert ordered == ["-30 to -16", "-15 to -1", "0 to 14", "15 to 29", UNKNOWN]


def test_numbers_come_before_words_and_the_unknown_is_last():
    assert grouping(["10", "9", None, "b", 2.5, "a", True]).ordered == [
        "2.5",
        "9",
        "10",
        "True",
        "a",
        "b",
        UNKNOWN,
    ]


def test_text_that_looks_like_a_quarter_is_a_word():
    assert grouping(["9", "2 to 3"]).ordered == ["9", "2 to 3"]


def test_equal_names_of_different_values_are_one_group():
    assert grouping([7, 7.0, "7"]) == (["7", "7", "7"], ["7"])


def test_quarters_of_whole_numbers_are_cut_at_whole_numbers():
    groups = grouping([float(age) for age in range(20, 33)])  # 13 ages
    assert groups.ordered == ["20 to 23", "24 to 26", "27 to 29", "30 to 32"]
    assert groups.names[:5] == ["20 to 23"] * 4 + ["24 to 26"]
    assert grouping([*range(20, 33), 20.5]).ordered[0].startswith("20 to 22.")
