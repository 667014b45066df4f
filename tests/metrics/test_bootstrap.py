import math

import numpy as np
import pytest

from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals


def share(counts):
    total = float(counts["total"])
    return {"rate": float(counts["hits"]) / total if total else float("nan")}


def speaker(hits, total):
    return {"hits": np.array(float(hits)), "total": np.array(float(total))}


def test_value_is_the_rate_of_the_sum_not_the_mean_of_rates():
    result = speaker_intervals([speaker(1, 1), speaker(0, 9)], share)["rate"]
    assert result.value == pytest.approx(0.1)


def test_interval_depends_on_the_seed():
    rows = [speaker(k, 10) for k in range(11)]
    assert speaker_intervals(rows, share, seed=1) == speaker_intervals(rows, share, seed=1)
    assert speaker_intervals(rows, share, seed=1) != speaker_intervals(rows, share, seed=2)


def test_interval_matches_the_normal_approximation_for_many_equal_speakers():
    # 200 speakers of 10 rows each; the standard error of a mean of 200 independent speaker means.
    draw = np.random.default_rng(3)
    hits = draw.binomial(10, 0.6, size=200)
    result = speaker_intervals([speaker(k, 10) for k in hits], share, resamples=4000)["rate"]
    error = np.std(hits / 10) / math.sqrt(200)
    assert result.low == pytest.approx(result.value - 1.96 * error, abs=0.003)
    assert result.high == pytest.approx(result.value + 1.96 * error, abs=0.003)


def test_resampling_equals_a_plain_loop():
    rows = [speaker(k, 12) for k in (1, 5, 9, 12)]
    draws = np.random.default_rng(7).multinomial(4, [0.25] * 4, size=500)
    plain = [sum(n * float(r["hits"]) for n, r in zip(row, rows, strict=True)) / 48 for row in draws]
    result = speaker_intervals(rows, share, resamples=500, seed=7)["rate"]
    assert (result.low, result.high) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])))


def test_only_speakers_with_a_denominator_are_counted():
    rows = [speaker(1, 2)] * 9 + [speaker(0, 0)] * 5
    result = speaker_intervals(rows, share)["rate"]
    assert result.num_speakers == 9
    assert not result.reliable
    assert speaker_intervals([*rows, speaker(1, 2)], share)["rate"].reliable


def test_range_of_identical_speakers_is_a_point():
    result = speaker_intervals([speaker(3, 4)] * 12, share)["rate"]
    assert result.low == result.high == result.value == 0.75


def test_one_speaker_has_no_range_and_no_speaker_no_interval():
    result = speaker_intervals([speaker(3, 4)], share)["rate"]
    assert result.value == 0.75
    assert math.isnan(result.low)
    assert speaker_intervals([], share) == {}


def test_interval_is_restored_from_json():
    for interval in (Interval(0.5, 0.25, 0.75, 12, True), Interval(1.0, 1.0, 1.0, 1, False)):
        assert Interval.from_json(interval.to_json()) == interval
    assert Interval(float("nan"), 0.0, 1.0, 0, False).to_json()["value"] is None


def test_paired_difference_shows_a_gain_that_unpaired_intervals_hide():
    # Speakers differ a lot; the second model gains exactly one row in each.
    before = [speaker(k, 40) for k in range(0, 36, 3)]
    after = [speaker(k + 1, 40) for k in range(0, 36, 3)]
    result = paired_difference(before, after, share)["rate"]
    assert (result.value, result.low, result.high) == pytest.approx((1 / 40,) * 3)
    unpaired_before = speaker_intervals(before, share)["rate"]
    unpaired_after = speaker_intervals(after, share)["rate"]
    assert unpaired_before.high > unpaired_after.low


def test_sides_of_different_length_are_refused():
    with pytest.raises(ValueError, match="pair the same speakers"):
        paired_difference([speaker(1, 2)], [], share)
    assert paired_difference([], [], share) == {}


def test_matrices_of_counts_are_resampled():
    rows = [{"confusion": np.array([[2.0, 0.0], [1.0, 1.0]])} for _ in range(3)]
    result = speaker_intervals(rows, lambda c: {"wa": float(np.trace(c["confusion"]) / c["confusion"].sum())})
    assert result["wa"].value == pytest.approx(0.75)


def test_caller_chooses_the_contributing_speakers():
    """All twelve speakers have a rate, but only three of them have errors."""
    counts = [
        {"hit": np.array(1.0), "all": np.array(2.0), "errors": np.array(float(k < 3))} for k in range(12)
    ]

    def rates(sums):
        return {"share": float(sums["hit"] / sums["all"]), "other": 1.0}

    def matters(sums):
        return {"share": bool(sums["errors"] > 0), "other": True}

    intervals = speaker_intervals(counts, rates, resamples=20, contributes_fn=matters)
    assert (intervals["share"].num_speakers, intervals["share"].reliable) == (3, False)
    assert (intervals["other"].num_speakers, intervals["other"].reliable) == (12, True)
    assert speaker_intervals(counts, rates, resamples=20)["share"].reliable
    paired = paired_difference(counts, counts, rates, resamples=20, contributes_fn=matters)
    assert (paired["share"].num_speakers, paired["share"].reliable) == (3, False)
