"""Labels by canonical phone: annotation, swapped texts, decisions, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.tasks.phones.error_slots import (
    Slot,
    called,
    compared,
    compared_rates,
    read_segments,
    read_slots,
    slot_letters,
    slots_of,
    swapped_phones,
    swapped_text,
    windows_of,
)

FOUR = slot_letters("correct-substituted-deleted-inserted")
TWO = slot_letters("correct-incorrect")


def slots(canonical: str, perceived: str | None, labels: str | None, letters: tuple[str, ...] = FOUR) -> str:
    found = slots_of(
        canonical.split(),
        None if perceived is None else perceived.split(),
        None if labels is None else labels.split(),
        gap="sil",
        letters=letters,
    )
    return "" if found is None else " ".join(f"{slot.canonical}:{slot.label}" for slot in found)


def test_an_insertion_is_no_label_of_a_phone() -> None:
    assert (FOUR, TWO) == (("C", "S", "D"), ("C", "I"))


def test_gaps_of_the_text_are_left_out() -> None:
    canonical, perceived = "sil dh ah k sil", "sil d ah sil uh"
    assert slots(canonical, perceived, "C S C D I") == "dh:S ah:C k:D"
    assert slots(canonical, perceived, None) == "dh:S ah:C k:D"
    assert slots(canonical, perceived, None, TWO) == "dh:I ah:C k:I"
    # Without perceived phones, labels may leave the gaps out.
    assert slots("sil dh ah", None, "S C") == "dh:S ah:C"
    assert slots("sil dh ah", None, "C S C") == "dh:S ah:C"


def test_row_without_annotation_has_no_slots() -> None:
    assert slots("dh ah", None, None) == ""
    assert slots("sil", "sil", "C") == ""
    assert slots_of(None, None, ["C"], gap="sil", letters=FOUR) is None


def test_text_of_another_row_is_labelled_by_what_was_spoken() -> None:
    # Spoken "k ae t", text "k ae p s": k and ae are there, one of p and s is t, the other is missing.
    found = swapped_text(["k", "ae", "t"], ["k", "ae", "p", "s"], gap="sil", letters=FOUR)
    assert [slot.canonical for slot in found] == ["k", "ae", "p", "s"]
    assert [slot.label for slot in found][:2] == ["C", "C"]
    assert sorted(slot.label for slot in found[2:]) == ["D", "S"]
    # What is spoken beyond the text has no slot, and the text as spoken is correct.
    assert [slot.label for slot in swapped_text(list("abcd"), list("ad"), gap="-", letters=FOUR)] == [
        "C",
        "C",
    ]
    assert [slot.label for slot in swapped_text(list("ab"), list("cd"), gap="-", letters=TWO)] == ["I", "I"]


def test_replaced_phone_is_correct_only_if_it_was_spoken() -> None:
    rng = np.random.default_rng(0)
    given = [Slot("a", "a", "C"), Slot("b", "x", "S"), Slot("c", "sil", "D"), Slot("d", None, "C")]
    all_x = swapped_phones(given, ["x"], 0.999999, rng, gap="sil", letters=FOUR)
    assert [slot.canonical for slot in all_x] == ["x"] * 4
    assert [slot.label for slot in all_x] == ["S", "C", "D", "S"]
    assert swapped_phones(given, ["x"], 0.0, rng, gap="sil", letters=FOUR) == given
    # A phone that is drawn as itself keeps its label.
    assert (
        swapped_phones([Slot("b", "x", "S")], ["b"], 0.999999, rng, gap="sil", letters=FOUR)[0].label == "S"
    )


def test_share_of_replaced_phones_is_that_of_the_setting() -> None:
    rng = np.random.default_rng(1)
    given = [Slot("a", "a", "C")] * 4000
    changed = swapped_phones(given, ["x"], 0.2, rng, gap="sil", letters=FOUR)
    assert np.mean([slot.label == "S" for slot in changed]) == pytest.approx(0.2, abs=0.03)


def test_phone_is_wrong_from_the_threshold_on() -> None:
    shares = np.array([[0.6, 0.1, 0.3], [0.61, 0.3, 0.09], [0.3, 0.5, 0.2]])
    assert called(shares, 0.4).tolist() == [2, 0, 1]
    assert called(shares, 0.39).tolist() == [2, 1, 1]
    assert called(shares, 0.71).tolist() == [0, 0, 0]


def test_segments_end_with_the_first_row_that_is_no_phone() -> None:
    shares = np.array([[1e-9, 0.7, 0.2, 0.1], [1e-9, 0.2, 0.3, 0.5], [0.99, 0.005, 0.003, 0.002]])
    read = read_segments(np.log(shares), FOUR, 0, None)
    assert read is not None
    assert read.labels == ["C", "D"]
    assert read.probabilities == pytest.approx([0.3, 0.8], abs=1e-3)
    assert read.confidence == pytest.approx((0.7 + 0.5) / 2, abs=1e-3)
    assert read_segments(np.log(shares[2:]), FOUR, 0, None) is None


def test_label_is_sought_where_its_phone_is() -> None:
    # Columns: blank, C, S, D, I. The S in frames 8 and 9 belongs to the second phone, not to the first.
    scores = np.full((12, 5), 0.01)
    scores[:, 0] = 0.96
    scores[2], scores[8] = [0.1, 0.8, 0.05, 0.03, 0.02], [0.1, 0.1, 0.7, 0.05, 0.05]
    phones = np.full((12, 3), 0.02)
    phones[:, 0] = 0.96
    phones[2], phones[8] = [0.02, 0.96, 0.02], [0.02, 0.02, 0.96]
    windows = windows_of(np.log(phones), [1, 2], 0)
    assert windows is not None and windows.tolist() == [[-5, 10], [0, 17]]
    read = read_slots(np.log(scores), 2, [1, 2, 3], FOUR, 0, windows, None)
    assert read is not None and read.labels == ["C", "S"]
    assert read_slots(np.log(scores[:1]), 2, [1, 2, 3], FOUR, 0, None, None) is None
    assert windows_of(np.log(phones[:1]), [1, 2], 0) is None


def test_counts_of_unequal_numbers_of_phones_are_zero() -> None:
    annotated = [Slot("a", "a", "C"), Slot("b", "x", "S")]
    counts = {f"x_{name}": value for name, value in compared(annotated, ["C", "S"], [0.1, 0.9]).items()}
    rates = compared_rates(counts, "x")
    assert (rates["x_f1"], rates["x_auc"], rates["x_false_rejection_rate"]) == (1.0, 1.0, 0.0)
    for labels in (["C"], None):
        assert not any(value.any() for value in compared(annotated, labels, [0.1]).values())
