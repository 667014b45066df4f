import numpy as np

from soritune.reports.grouping import UNKNOWN, group_names, sorted_names


def test_each_of_few_values_is_a_group():
    assert group_names(["F", "M", None, ""]) == ["F", "M", UNKNOWN, UNKNOWN]
    assert group_names([7.0, 6, 12.5]) == ["7", "6", "12.5"]


def test_many_numbers_are_cut_into_quarters():
    names = group_names([float(k) for k in range(100)])
    assert [names.count(name) for name in sorted_names(names)] == [25, 25, 25, 25]
    assert names[0] == "0 to 24.8"


def test_equal_quartiles_give_fewer_groups():
    names = group_names([*([1.0] * 100), *np.linspace(2, 3, 12).tolist(), None])
    assert len(names) == 113
    assert names[-1] == UNKNOWN
    assert all(" to " in name for name in names[:-1])


def test_order_is_numeric_then_words_then_unknown():
    assert sorted_names(["10", "9", UNKNOWN, "b", "a", "2.5 to 3"]) == [
        "2.5 to 3",
        "9",
        "10",
        "a",
        "b",
        UNKNOWN,
    ]
