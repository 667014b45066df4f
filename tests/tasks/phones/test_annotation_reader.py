from __future__ import annotations

from typing import Any

import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.tasks.phones.annotation_reader import Annotation, AnnotationReader, fold_phone


def reader(**changes: Any) -> AnnotationReader:
    settings: dict[str, Any] = {
        "phones": ("a", "b", "d"),
        "gap": "sil",
        "scheme": "correct-substituted-deleted-inserted",
        "language": None,
        "fold": (),
        "folding_helps": True,
        "checks_phones": True,
        "reads_labels": True,
    }
    return AnnotationReader(**{**settings, **changes})


def row(**fields: str) -> Utterance:
    symbols = {name: tuple(text.split()) for name, text in fields.items() if name != "language"}
    return Utterance(id="u", audio="u.wav", duration_s=1.0, language=fields.get("language"), **symbols)


def test_whole_annotation_is_read() -> None:
    annotation = reader().read(
        row(canonical="a b sil", perceived="a d sil", error_labels="C S C", phones="sil a d")
    )
    assert annotation == Annotation(
        target=("sil", "a", "d"),
        phones=("a", "d"),
        canonical=("a", "b", "sil"),
        perceived=("a", "d", "sil"),
        labels=("C", "S", "C"),
    )


def test_target_with_other_silences_than_perceived_is_read() -> None:
    annotation = reader().read(row(canonical="a sil b", perceived="a sil sil", phones="a sil"))
    assert annotation.target == ("a", "sil")


def test_target_of_canonical_phones_is_refused() -> None:
    with pytest.raises(TaskError, match="phone 2 is 'b' and 'd'"):
        reader().read(row(canonical="a b", perceived="a d", phones="a b"))
    with pytest.raises(TaskError, match="phone 2 is 'b' and 'nothing'"):
        reader().read(row(canonical="a b", perceived="a sil", phones="a b"))


def test_target_without_phones_is_what_was_perceived() -> None:
    annotation = reader().read(row(canonical="a b", perceived="a sil"))
    assert annotation.target == annotation.phones == ("a",)
    assert annotation.labels is None


def test_positions_without_a_label_are_left_out_of_both_sides() -> None:
    annotation = reader().read(row(canonical="sil a b", perceived="sil a d", error_labels="C S"))
    assert (annotation.canonical, annotation.perceived) == (("a", "b"), ("a", "d"))


def test_row_in_another_language_has_no_annotation() -> None:
    annotated = row(phones="a b", language="en")
    assert reader(language="ko").read(annotated) == Annotation()
    assert reader(language="en").read(annotated).phones == ("a", "b")


def test_empty_row_has_no_annotation() -> None:
    assert reader().read(row()) == Annotation()


def test_labels_that_are_not_learnt_are_ignored() -> None:
    assert reader(reads_labels=False).read(row(canonical="a", perceived="a", error_labels="Z")).labels is None


def test_word_boundaries_are_removed_unless_they_are_phones() -> None:
    assert reader().read(row(phones="a | b")).target == ("a", "b")
    assert reader(phones=("a", "b", "|")).read(row(phones="a | b")).target == ("a", "|", "b")


def test_unknown_phone_is_refused_with_advice_only_where_folding_helps() -> None:
    with pytest.raises(
        TaskError, match=r"phone 'B' is not in the label set .*fold=\[case, stress\] reads .* 'b'"
    ):
        reader().read(row(phones="B"))
    with pytest.raises(TaskError, match="phone 'B' is not in the label set") as raised:
        reader(folding_helps=False).read(row(phones="B"))
    assert "fold" not in str(raised.value)
    assert reader(fold=("case",)).read(row(phones="B")).target == ("b",)
    assert reader(checks_phones=False).read(row(phones="q")).target == ("q",)


@pytest.mark.parametrize(
    ("fold", "folded"),
    [((), "AH0"), (("case",), "ah0"), (("stress",), "AH"), (("case", "stress"), "ah")],
)
def test_folding_removes_case_and_stress(fold: tuple[str, ...], folded: str) -> None:
    assert fold_phone("AH0", fold) == folded
