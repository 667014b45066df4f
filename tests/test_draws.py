from __future__ import annotations

import numpy as np

from soritune.draws import Draws, row_draws, seed_of


def test_row_draws_are_uniform_and_depend_on_seed_and_row() -> None:
    draws = row_draws(7, np.arange(100_000))
    assert abs(draws.mean() - 0.5) < 0.005 and abs(draws.var() - 1 / 12) < 0.002
    assert row_draws(7, np.array([5, 3]))[1] == draws[3]
    assert abs(np.corrcoef(draws, row_draws(8, np.arange(100_000)))[0, 1]) < 0.01


def test_seeds_depend_on_every_part() -> None:
    assert seed_of(1, "a", 2) == seed_of(1, "a", 2)
    assert len({seed_of(1, "a"), seed_of(1, "b"), seed_of(2, "a"), seed_of(1, "a", 0)}) == 4
    assert 0 <= seed_of("x") < 2**63


def test_numbers_of_a_row_do_not_depend_on_other_rows_or_their_order() -> None:
    rows = np.array([5, 900, 3, 5])
    many, alone = Draws(1, 0, 2).for_rows("noise", rows), Draws(1, 0, 2).for_rows("noise", np.array([3]))
    for draw in (
        lambda rng, index: rng.uniform("snr_db")[index],
        lambda rng, index: rng.between("snr_db", (-5.0, 20.0))[index],
        lambda rng, index: rng.generator(index).random(),
        lambda rng, index: rng.generator(index, "apply").random(),
    ):
        assert draw(many, 2) == draw(alone, 0) != draw(many, 1)
        assert draw(many, 0) == draw(many, 3)


def test_subjects_names_epochs_and_phases_have_different_numbers() -> None:
    rows = np.arange(4)
    drawn = [
        Draws(seed, phase, epoch).for_rows(subject, rows).uniform(what)[0]
        for seed in (0, 1)
        for phase in (0, 1)
        for epoch in (0, 1)
        for subject in ("room", "noise")
        for what in ("", "level_db")
    ]
    assert len(set(drawn)) == 32
    rng = Draws(0, 0, 0).for_rows("room", rows)
    assert (
        len({rng.generator(0).random(), rng.generator(1).random(), rng.generator(0, "apply").random()}) == 3
    )


def test_event_occurs_with_its_probability() -> None:
    rng = Draws(0, 0, 0).for_rows("room", np.arange(100_000))
    assert not rng.occurs(0.0).any() and rng.occurs(1.0).all()
    # 99 % of binomial counts of 100,000 at 0.3 lie within 2.576 standard deviations of 145.
    assert abs(int(rng.occurs(0.3).sum()) - 30_000) < 374
    assert 2.0 <= rng.between("x", (2.0, 3.0)).min() < rng.between("x", (2.0, 3.0)).max() < 3.0
