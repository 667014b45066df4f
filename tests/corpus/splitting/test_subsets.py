from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.subsets import nested_rows, sampled_rows, validation_sample, visited_rows


def corpus(rows: int = 4000, speakers: int = 23) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(5)
    who = rng.choice(speakers, size=rows, p=rng.dirichlet(np.full(speakers, 2.0)))
    return np.arange(100, 100 + rows), rng.lognormal(2.0, 0.5, rows), [f"s{n}" for n in who]


def test_shares_of_hours_are_nested_and_reached() -> None:
    rows, seconds, who = corpus()
    parts = {share: nested_rows(rows, seconds, who, share, seed=1) for share in (0.2, 0.6, 1.0)}
    assert set(parts[0.2]) < set(parts[0.6]) < set(parts[1.0]) == set(rows)
    for share, part in parts.items():
        assert seconds[part - 100].sum() / seconds.sum() == pytest.approx(
            share, abs=seconds.max() / seconds.sum()
        )
        assert (np.diff(part) > 0).all()


def test_every_speaker_gives_about_the_same_share() -> None:
    rows, seconds, who = corpus()
    part = set(nested_rows(rows, seconds, who, 0.2, seed=1))
    for speaker in set(who):
        is_speaker = np.array([name == speaker for name in who])
        share = seconds[is_speaker & np.isin(rows, list(part))].sum() / seconds[is_speaker].sum()
        # Within two of the speaker's longest utterances.
        assert share == pytest.approx(0.2, abs=2 * seconds[is_speaker].max() / seconds[is_speaker].sum())


def test_subset_depends_on_the_seed() -> None:
    rows, seconds, who = corpus()
    first, again, different = (set(nested_rows(rows, seconds, who, 0.2, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != different


def test_rows_without_speakers_and_a_single_row_have_a_subset() -> None:
    rows, seconds, _ = corpus(50)
    assert 0 < len(nested_rows(rows, seconds, [None] * 50, 0.3, seed=0)) < 50
    assert list(nested_rows(rows[:1], seconds[:1], ["a"], 0.1, seed=0)) == [100]


def test_sample_has_every_stratum_to_within_a_row() -> None:
    rng = np.random.default_rng(0)
    ages = rng.integers(5, 12, 11453)
    who = [f"{age}-{rng.integers(0, 9)}" for age in ages]
    rows = np.arange(len(ages)) * 3
    sample = sampled_rows(rows, [ages.tolist(), who], 2000, seed=4)
    assert len(sample) == len(set(sample)) == 2000
    assert (np.diff(sample) > 0).all()
    for values in (ages.tolist(), who):
        whole, part = Counter(values), Counter(values[row // 3] for row in sample)
        for value, count in whole.items():
            assert abs(part[value] - 2000 * count / len(rows)) <= 1
    assert np.array_equal(sample, sampled_rows(rows, [ages.tolist(), who], 2000, seed=4))
    assert not np.array_equal(sample, sampled_rows(rows, [ages.tolist(), who], 2000, seed=5))


def test_sample_of_at_least_all_rows_is_all_rows(tones: Manifest) -> None:
    rows = np.arange(12)
    assert validation_sample(tones, rows, None, seed=0) is rows
    assert validation_sample(tones, rows, 12, seed=0) is rows
    speakers = Counter(tones.utterance(int(row)).speaker for row in validation_sample(tones, rows, 6, seed=0))
    assert speakers == {"s0": 3, "s1": 3}


def test_weight_is_the_number_of_visits_per_epoch() -> None:
    rows = np.arange(1000)
    weights = np.where(rows < 600, 0.25, np.where(rows < 900, 2.0, 0.0))
    epochs = [visited_rows(rows, weights, num_rows=1000, epoch=epoch, seed=3) for epoch in range(8)]
    for first in (0, 1, 4):  # any four in a row
        seen = Counter((np.concatenate(epochs[first : first + 4]) % 1000).tolist())
        assert all(seen[n] == 1 for n in range(600))
        assert all(seen[n] == 8 for n in range(600, 900))
        assert not any(seen[n] for n in range(900, 1000))
    for visits in epochs:  # every visit is distinguished, the second by the manifest's length
        assert len(set(visits.tolist())) == len(visits)
        assert sorted(visits[visits >= 1000] - 1000) == list(range(600, 900))
    quarter = [sum(row < 600 for row in rows_of) for rows_of in epochs]
    assert all(100 < count < 200 for count in quarter)  # spread, not one epoch of 600
    assert sum(quarter[:4]) == 600
    assert visited_rows(rows, weights, num_rows=1000, epoch=2, seed=3).tolist() == epochs[2].tolist()


def test_uneven_weights_keep_their_average() -> None:
    rows = np.arange(500)
    seen = Counter(
        visit % 500
        for epoch in range(10)
        for visit in visited_rows(rows, np.full(500, 1.3), num_rows=500, epoch=epoch, seed=0).tolist()
    )
    assert set(seen.values()) == {13}
