from __future__ import annotations

from types import ModuleType

import pytest

from soritune.reports.group_gaps import field_groups
from soritune.reports.score import CountedPairs
from soritune.tasks.results import Pair, Prediction


def counted(fakes: ModuleType, rows: list[tuple[str, dict[str, object], str, str]]) -> CountedPairs:
    pairs = [
        Pair(
            f"{number}",
            {"phones": reference.split()},
            Prediction("phoneme", {"phones": hypothesis.split()}),
            {"speaker": speaker, **groups},
        )
        for number, (speaker, groups, reference, hypothesis) in enumerate(rows)
    ]
    return CountedPairs.of(fakes.phoneme_task(), pairs, 500, 0)


def test_gap_of_disjoint_speakers_worked_by_hand(fakes: ModuleType) -> None:
    """Women: 1 of 8 phones wrong; men: 2 of 4. The gap is 0.5 - 0.125."""
    rows = [
        ("w1", {"gender": "f"}, "A B A B", "A B A B"),
        ("w2", {"gender": "f"}, "A B A B", "A B A D"),
        ("m1", {"gender": "m"}, "A B", "A D"),
        ("m2", {"gender": "m"}, "A B", "D B"),
    ]
    (field,) = field_groups(counted(fakes, rows))
    assert field.field == "gender"
    assert {name: group.rates["per"].value for name, group in field.groups.items()} == {"f": 0.125, "m": 0.5}
    (gap,) = field.gaps
    # Both groups have two clips; the first one of equal size is what the other is compared with.
    assert (gap.group, gap.against) == ("m", "f")
    assert gap.difference.value == pytest.approx(0.375)
    assert 0.25 <= gap.difference.low <= 0.375 <= gap.difference.high <= 0.5
    assert (gap.difference.num_speakers, gap.difference.reliable) == (2, False)


def test_speakers_of_both_groups_are_paired(fakes: ModuleType) -> None:
    """Every speaker has one error more in the noisy clip, so the gap has no spread, whatever the speakers are like."""
    rows = []
    for number in range(12):
        clean = "A A A A" if number % 2 else "A D D D"
        noisy = "A A A D" if number % 2 else "D D D D"
        rows += [
            (f"s{number}", {"snr_db": 30}, "A A A A", clean),
            (f"s{number}", {"snr_db": 5}, "A A A A", noisy),
        ]
    (field,) = field_groups(counted(fakes, rows))
    (gap,) = field.gaps
    assert {gap.group, gap.against} == {"5", "30"}
    assert abs(gap.difference.value) == pytest.approx(0.25)
    assert gap.difference.low == pytest.approx(gap.difference.high) == pytest.approx(gap.difference.value)
    assert gap.difference.reliable


def test_field_of_one_group_or_of_names_is_left_out(fakes: ModuleType) -> None:
    rows = [(f"s{n}", {"gender": "f", "first_language": f"l{n}"}, "A", "A") for n in range(13)]
    assert field_groups(counted(fakes, rows)) == []
