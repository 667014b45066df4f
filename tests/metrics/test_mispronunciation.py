import json
import math
import os
from pathlib import Path

import pytest

from soritune.metrics.mispronunciation import (
    MispronunciationCounts,
    count_mispronunciations,
    kaldi_alignment,
    mispronunciation_rates,
    mpl_alignment,
)

DATA = Path(os.environ.get("SORITUNE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
FIXTURE = DATA / "mdd_metrics" / "fixture.json"
needs_fixture = pytest.mark.skipif(
    not FIXTURE.exists(), reason=f"{FIXTURE} does not exist; set SORITUNE_DATA"
)
KEYS = ("TA", "FR", "FA", "TR", "CD", "ED")


@pytest.fixture(scope="module")
def fixture():
    return json.loads(FIXTURE.read_text(encoding="utf-8"))


def symbols(text):
    return text.split()


def numbers(counts):
    return [
        counts.true_accepts,
        counts.false_rejects,
        counts.false_accepts,
        counts.true_rejects,
        counts.correct_diagnoses,
        counts.diagnosis_errors,
    ]


def counted(row, predicted, protocol):
    sequences = (row["canonical_aligned"].split(), row["perceived_aligned"].split(), predicted.split())
    return count_mispronunciations(*sequences, protocol=protocol)


@needs_fixture
@pytest.mark.parametrize("system", ["careful", "noisy"])
@pytest.mark.parametrize(("protocol", "peer"), [("kaldi", "kaldi_cageyoko"), ("mpl_exact", "mpl_mdd_v3")])
def test_counts_of_every_utterance_equal_the_public_evaluators(fixture, system, protocol, peer):
    expected = fixture["expected"][system]
    total = MispronunciationCounts()
    for row in fixture["utterances"]:
        counts = counted(row, row["hyp"][system], protocol)
        assert numbers(counts) == expected[f"per_utterance_{peer}"][row["id"]], row["id"]
        total += counts
    assert numbers(total) == [expected[peer][key] for key in KEYS]
    rates = mispronunciation_rates(total)
    for key in ("precision", "recall"):
        assert rates[key] == pytest.approx(expected[peer][key], abs=1e-9)


@needs_fixture
@pytest.mark.parametrize("system", ["careful", "noisy"])
def test_corrected_protocol_counts_insertions_at_the_end(fixture, system):
    expected = fixture["expected"][system]["mpl_trailing_insertion_corrected"]
    total = MispronunciationCounts()
    for row in fixture["utterances"]:
        counts = counted(row, row["hyp"][system], "mpl")
        total += counts
        if row["id"] in expected["utterances"]:
            assert numbers(counts) == expected["utterances"][row["id"]]
    assert numbers(total) == [expected["totals"][key] for key in KEYS]


@needs_fixture
def test_edge_cases_have_the_counts_and_alignments_of_the_evaluators(fixture):
    for case in fixture["edge_cases"]:
        for protocol, peer in (("kaldi", "kaldi_cageyoko"), ("mpl_exact", "mpl_mdd_v3")):
            expected = [case[peer][key] for key in KEYS]
            assert numbers(counted(case, case["hyp"], protocol)) == expected, (case["name"], protocol)
        canonical, perceived, predicted = (
            [p for p in case[key].split() if p != "sil"]
            for key in ("canonical_aligned", "perceived_aligned", "hyp")
        )
        sides = {
            "ref_human": (canonical, perceived),
            "human_our": (perceived, predicted),
            "ref_our": (canonical, predicted),
        }
        for name, pair in sides.items():
            assert "".join(step.operation for step in kaldi_alignment(*pair)) == case["kaldi_ops"][
                name
            ].replace(" ", "")
        written = "".join(step.operation for step in mpl_alignment(canonical, predicted)).replace("C", "=")
        assert written == case["mpl_ops"]["cano2hyp"].replace(" ", "")


CANONICAL = symbols("sil dh ah sil th ih ng k s t r iy t sil")
PERCEIVED = symbols("sil d ah sil s ih ng sil s t r iy t uh")
PREDICTED = symbols("d ah t ih ng k z t r ah iy t")


def test_worked_example_by_the_kaldi_protocol():
    counts = count_mispronunciations(CANONICAL, PERCEIVED, PREDICTED)
    assert numbers(counts) == [7, 1, 2, 2, 1, 1]
    rates = mispronunciation_rates(counts)
    expected = {"precision": 2 / 3, "recall": 0.5, "f1": 4 / 7, "false_rejection_rate": 1 / 8}
    expected |= {"false_acceptance_rate": 0.5, "diagnosis_error_rate": 0.5, "detection_accuracy": 0.75}
    for name, value in expected.items():
        assert rates[name] == pytest.approx(value)


def test_worked_example_by_the_mpl_protocol():
    assert numbers(count_mispronunciations(CANONICAL, PERCEIVED, PREDICTED, protocol="mpl"))[:4] == [
        7,
        2,
        2,
        2,
    ]
    exact = count_mispronunciations(CANONICAL, PERCEIVED, PREDICTED, protocol="mpl_exact")
    assert exact.false_accepts == 1
    assert mispronunciation_rates(exact)["f1"] == pytest.approx(0.571, abs=5e-4)


def test_inserted_phones_change_only_the_extra_insertions():
    quiet = count_mispronunciations(symbols("k ae t"), symbols("k ae t"), symbols("k ae t"))
    babble = count_mispronunciations(symbols("k ae t"), symbols("k ae t"), symbols("k x x ae t y"))
    assert numbers(quiet) == numbers(babble)
    assert (quiet.extra_insertions, babble.extra_insertions) == (0, 3)


def test_rates_without_counts_are_nan():
    assert all(math.isnan(value) for value in mispronunciation_rates(MispronunciationCounts()).values())
    silent = count_mispronunciations(["k"], ["k"], ["k"])
    assert math.isnan(mispronunciation_rates(silent)["f1"])


def test_annotation_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match="aligned one to one"):
        count_mispronunciations(["k", "ae"], ["k"], [])
