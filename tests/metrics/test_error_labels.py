from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from soritune.metrics.error_labels import error_label_counts, error_label_rates


def rates(pairs: list[tuple[str, str]]) -> dict[str, float]:
    counts = [np.array(error_label_counts(reference.split(), said.split())) for reference, said in pairs]
    return error_label_rates(np.sum(counts, axis=0))


def test_counts_of_a_hand_worked_pair() -> None:
    # C C I C I  ->  C I I C C : place 2 is a false alarm, place 3 found, place 5 missed.
    assert error_label_counts(list("CCICI"), list("CIICC")) == (3, 2, 5, 1, 1, 1, 2, 3, 1, 1)
    found = rates([("C C I C I", "C I I C C")])
    assert found["precision"] == found["recall"] == found["f1"] == 0.5
    assert found["acc"] == 3 / 5
    assert found["ler"] == 2 / 5
    assert found["balanced_acc"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["ser"] == 1.0


def test_one_label_lost_at_the_beginning_spoils_positions_but_not_the_alignment() -> None:
    # Every place after the first is wrong or right by chance: C I C C I | C against I C C I C.
    found = rates([("C I C C I C", "I C C I C")])
    assert found["acc"] == 1 / 6  # only the third labels are equal
    assert found["ler"] == 1 / 6
    assert found["f1"] == 1.0


def test_an_error_of_another_kind_is_found_and_an_edit() -> None:
    found = rates([("C S D I", "C D S C")])
    assert found["recall"] == 2 / 3
    assert found["precision"] == 1.0
    assert found["ler"] == 3 / 4


def test_labels_put_in_are_false_alarms_only_where_they_are_errors() -> None:
    assert error_label_counts(["C"], ["C", "C"])[3:6] == (0, 0, 0)
    assert error_label_counts(["C"], ["C", "I"])[3:6] == (0, 1, 0)
    assert error_label_counts(["C", "I"], ["C"])[3:6] == (0, 0, 1)


def test_zero_over_zero_is_no_number() -> None:
    no_errors = rates([("C C", "C C")])
    assert (
        math.isnan(no_errors["f1"]) and math.isnan(no_errors["recall"]) and math.isnan(no_errors["precision"])
    )
    assert no_errors["acc"] == 1.0
    false_alarm = rates([("C C", "C I")])
    assert math.isnan(false_alarm["f1"]) and false_alarm["precision"] == 0.0
    silent = rates([("C I", "C C")])  # errors there, none found: a detector worth nothing, not an unknown one
    assert silent["f1"] == 0.0 and silent["recall"] == 0.0 and math.isnan(silent["precision"])


def test_equally_long_sequences_that_align_place_by_place_give_scikit_learns_f1() -> None:
    rng = np.random.default_rng(4)
    reference = ["I" if draw < 0.2 else "C" for draw in rng.random(200)]
    # Flips far apart, so that the alignment with the fewest edits is the one by position.
    said = [
        ("C" if label == "I" else "I") if place % 19 == 0 else label for place, label in enumerate(reference)
    ]
    expected = f1_score(reference, said, pos_label="I")
    assert rates([(" ".join(reference), " ".join(said))])["f1"] == pytest.approx(expected)


def test_always_correct_beats_a_nearly_perfect_decoder_by_position_only(shared_data: Path) -> None:
    """The table of the note on these data: by position always-C wins, by alignment it finds nothing."""
    rows = json.loads((shared_data / "mdd_metrics" / "fixture.json").read_text(encoding="utf-8"))[
        "utterances"
    ]
    references = [row["error_labels"] for row in rows]
    labels = [label for line in references for label in line.split()]
    always = rates([(line, " ".join("C" * len(line.split()))) for line in references])
    assert always["acc"] == labels.count("C") / len(labels) == pytest.approx(0.878, abs=0.05)
    assert 1 - always["ler"] == pytest.approx(always["acc"])
    assert always["f1"] == 0.0
    first_lost = rates([(line, line.split(" ", 1)[1]) for line in references])
    assert first_lost["acc"] < always["acc"] - 0.05
    assert first_lost["ler"] == pytest.approx(len(references) / len(labels))
    assert first_lost["f1"] > 0.97
    merged = [
        " ".join(b for a, b in zip(["", *s], s, strict=False) if a != b) for s in map(str.split, references)
    ]
    assert rates(list(zip(references, merged, strict=True)))["acc"] < 0.2
