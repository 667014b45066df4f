from __future__ import annotations

import numpy as np
import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.tasks.label_names import LabelNames
from soritune.tasks.rater_votes import agreement_table, agreement_warning, votes_in, votes_json, votes_of

NAMES = LabelNames(labels=("calm", "tense"), rename={"Kind": "calm", "Dry": "calm"}, leave_out=("other",))


def row(*ratings: object) -> Utterance:
    return Utterance(id="a", audio="a.wav", duration_s=1.0, extra={"ratings": list(ratings)})


def test_rename_and_leave_out_apply_to_each_rating() -> None:
    votes = votes_of(row("Kind", "Dry", "tense", "other"), ["ratings"], NAMES)
    assert votes is not None and votes.tolist() == [2, 1]
    left_out = votes_of(row("other"), ["ratings"], NAMES)
    assert left_out is not None and left_out.tolist() == [0, 0]
    assert votes_of(row(None), ["ratings"], NAMES) is None


def test_unknown_labels_and_several_of_one_rater_are_refused() -> None:
    with pytest.raises(TaskError, match="rating 'Calm' is not in the label set"):
        votes_of(row("Calm"), ["ratings"], NAMES)
    with pytest.raises(
        TaskError, match="a rater gave the labels calm and tense; give one label for each rater"
    ):
        votes_of(row(["calm", "tense"]), ["ratings"], NAMES)


def test_votes_of_a_reference_survive_json() -> None:
    votes = np.array([0.0, 3.0])
    assert votes_json(votes, NAMES.labels) == {"tense": 3}
    again = votes_in({"label": "tense", "ratings": {"tense": 3}}, NAMES.labels)
    assert again is not None and again.tolist() == votes.tolist()
    assert votes_in({"label": "tense"}, NAMES.labels) is None


def test_table_has_the_measures_worked_by_hand() -> None:
    """Pairs that agree: 3 of 3, 1 of 3, 0 of 1. A single rater against two others with a majority: 3 of 4 are right."""
    table = agreement_table(np.array([[3.0, 0.0], [2.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), "A note.")
    values = {row[0]: row[1:] for row in table.rows}
    assert values["ratings per utterance, mean"] == (4, 9 / 4)
    assert values["share of pairs of ratings that agree"] == (3, pytest.approx(4 / 9))
    assert values["Krippendorff's alpha, nominal"] == (3, pytest.approx(1 - 4 / (24 / 7)))
    assert values["mean recall of one rater, by the majority of the others"] == (2, pytest.approx(3 / 4))
    assert table.note.endswith("A note.")
    assert len(agreement_table(np.array([[1.0, 1.0]])).rows) == 3  # no rater has two others


def test_low_agreement_is_warned_of_with_the_figure() -> None:
    warning = agreement_warning(np.array([[3.0, 0.0], [2.0, 1.0], [1.0, 1.0], [1.0, 0.0]]))
    assert warning is not None and "alpha is -0.167 on 3 utterances" in warning and "0.667" in warning
    assert agreement_warning(np.array([[3.0, 0.0], [0.0, 3.0]])) is None
    assert agreement_warning(np.zeros((0, 2))) is None
