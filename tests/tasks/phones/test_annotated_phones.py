"""The example of the module's docstring, and each way to contradict it."""

from __future__ import annotations

import pytest

from soritune.errors import TaskError
from soritune.tasks.phones.annotated_phones import (
    check_number_of_labels,
    labelled_positions,
    pair_up,
    read_labels,
)

FOUR, TWO = "correct-substituted-deleted-inserted", "correct-incorrect"
CANONICAL = ["sil", "dh", "ah", "th", "ih", "ng", "k", "t", "sil"]
PERCEIVED = ["sil", "d", "ah", "s", "ih", "ng", "sil", "t", "uh"]
LABELS = ["C", "S", "C", "S", "C", "C", "D", "C", "I"]


def test_example_of_the_docstring_is_consistent() -> None:
    positions = pair_up(CANONICAL, PERCEIVED, "sil")
    assert len(positions) == 9
    assert labelled_positions(read_labels(LABELS, FOUR), positions, scheme=FOUR, gap="sil") == positions


def test_labels_without_silences_leave_silent_positions_out() -> None:
    positions = pair_up(CANONICAL, PERCEIVED, "sil")
    labelled = labelled_positions(LABELS[1:], positions, scheme=FOUR, gap="sil")
    assert labelled == positions[1:]


def test_e_is_an_incorrect_label_of_two_letters() -> None:
    assert read_labels(["C", "E", "I"], TWO) == ("C", "I", "I")


@pytest.mark.parametrize(
    ("labels", "scheme", "message"),
    [
        (
            ["C", "E"],
            FOUR,
            f"'E' is not of .*; set tasks.mispronunciation.labels={TWO} if every error has one",
        ),
        (["D"], TWO, f"'D' is not of .*; set tasks.mispronunciation.labels={FOUR} if I means insertion"),
        (["s"], FOUR, "the letters are upper case: write 'S'"),
        (["e"], TWO, "write 'E'"),
        (["e"], FOUR, f"'e' is not of .*; set tasks.mispronunciation.labels={TWO}"),
        (["1"], TWO, "'1' is not of"),
    ],
)
def test_labels_of_another_scheme_are_refused_with_advice(
    labels: list[str], scheme: str, message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        read_labels(labels, scheme)  # type: ignore[arg-type]


def test_phones_of_different_length_are_refused() -> None:
    with pytest.raises(TaskError, match="canonical has 2 symbols and perceived 1; .* with '-' in the gaps"):
        pair_up(["a", "b"], ["a"], "-")


@pytest.mark.parametrize(("count", "is_accepted"), [(1, False), (2, True), (3, True), (4, False)])
def test_gaps_of_canonical_may_have_labels_or_not(count: int, is_accepted: bool) -> None:
    """a sil b: two phones, three symbols."""
    labels, canonical = ["C"] * count, ["a", "sil", "b"]
    if is_accepted:
        check_number_of_labels(labels, canonical, gap="sil")
    else:
        with pytest.raises(TaskError, match=f"{count} error labels for 3 canonical symbols; 2 to 3 were"):
            check_number_of_labels(labels, canonical, gap="sil")


@pytest.mark.parametrize(
    ("label", "position", "scheme", "reason"),
    [
        ("C", ("a", "b"), FOUR, "C means that both are equal"),
        ("C", ("a", "b"), TWO, "C means that both are equal"),
        ("S", ("sil", "sil"), FOUR, "silence is labelled C"),
        ("S", ("a", "sil"), FOUR, "S is a substitution"),
        ("S", ("sil", "a"), FOUR, "S is a substitution"),
        ("D", ("a", "b"), FOUR, "D is a deletion, whose perceived side is 'sil'"),
        ("I", ("a", "b"), FOUR, "I is an insertion, whose canonical side is 'sil'"),
    ],
)
def test_label_that_contradicts_its_phones_is_refused(
    label: str, position: tuple[str, str], scheme: str, reason: str
) -> None:
    with pytest.raises(TaskError, match=f"label {label} at position 1 .*: {reason}"):
        labelled_positions([label], [position], scheme=scheme, gap="sil")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "position", "scheme"),
    [
        ("S", ("a", "a"), FOUR),
        ("I", ("a", "a"), TWO),
        ("I", ("a", "sil"), TWO),
        ("D", ("a", "sil"), FOUR),
        ("I", ("sil", "a"), FOUR),
        ("C", ("sil", "sil"), FOUR),
    ],
)
def test_label_that_fits_its_phones_is_accepted(label: str, position: tuple[str, str], scheme: str) -> None:
    positions = labelled_positions([label], [position], scheme=scheme, gap="sil")  # type: ignore[arg-type]
    assert positions == (position,)


@pytest.mark.parametrize("label", ["CCSC", "C,C,S", "C|I"])
def test_several_labels_in_one_are_named(label: str) -> None:
    with pytest.raises(TaskError, match="is several error labels in one; separate them by spaces"):
        read_labels([label], FOUR)
