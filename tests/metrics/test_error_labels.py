from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from soritune.metrics.error_labels import error_label_counts, error_label_rates


def rates(pairs: list[tuple[str, str]]) -> dict[str, float]:
    counts = [
        np.array(error_label_counts(reference.split(), hypothesis.split())) for reference, hypothesis in pairs
    ]
    return error_label_rates(np.sum(counts, axis=0))


def test_counts_of_a_pair_worked_by_hand() -> None:
    # C C I C I  ->  C I I C C : position 2 is a false alarm, position 3 is found, position 5 is missed.
    assert error_label_counts(list("CCICI"), list("CIICC")) == (3, 2, 5, 1, 1, 1, 2, 3, 1, 1)
    result = rates([("C C I C I", "C I I C C")])
    assert result["precision"] == result["recall"] == result["f1"] == 0.5
    assert result["acc"] == 3 / 5
    assert result["ler"] == 2 / 5
    assert result["balanced_acc"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result["ser"] == 1.0


def test_missing_first_label_changes_rates_by_position_but_not_by_alignment() -> None:
    # Positions are compared after the shift: C I C C I | C with I C C I C.
    result = rates([("C I C C I C", "I C C I C")])
    assert result["acc"] == 1 / 6  # only the third labels are equal
    assert result["ler"] == 1 / 6
    assert result["f1"] == 1.0


def test_error_of_another_kind_is_found_and_counts_as_an_edit() -> None:
    result = rates([("C S D I", "C D S C")])
    assert result["recall"] == 2 / 3
    assert result["precision"] == 1.0
    assert result["ler"] == 3 / 4


def test_inserted_label_is_a_false_alarm_only_if_it_is_an_error() -> None:
    assert error_label_counts(["C"], ["C", "C"])[3:6] == (0, 0, 0)
    assert error_label_counts(["C"], ["C", "I"])[3:6] == (0, 1, 0)
    assert error_label_counts(["C", "I"], ["C"])[3:6] == (0, 0, 1)


def test_rate_with_zero_denominator_is_nan() -> None:
    no_errors = rates([("C C", "C C")])
    assert (
        math.isnan(no_errors["f1"]) and math.isnan(no_errors["recall"]) and math.isnan(no_errors["precision"])
    )
    assert no_errors["acc"] == 1.0
    false_alarm = rates([("C C", "C I")])
    assert math.isnan(false_alarm["f1"]) and false_alarm["precision"] == 0.0
    silent = rates([("C I", "C C")])  # errors exist and none is found, so f1 is 0 and not nan
    assert silent["f1"] == 0.0 and silent["recall"] == 0.0 and math.isnan(silent["precision"])


def test_f1_of_sequences_aligned_by_position_equals_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    reference = ["I" if draw < 0.2 else "C" for draw in rng.random(200)]
    # The flips are far apart, so that the alignment with the fewest edits is the alignment by position.
    hypothesis = [
        ("C" if label == "I" else "I") if position % 19 == 0 else label
        for position, label in enumerate(reference)
    ]
    expected = f1_score(reference, hypothesis, pos_label="I")
    assert rates([(" ".join(reference), " ".join(hypothesis))])["f1"] == pytest.approx(expected)


def test_always_correct_beats_a_nearly_perfect_decoder_only_by_position(shared_data: Path) -> None:
    """By position the decoder that always outputs C wins; by alignment it finds no error."""
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
