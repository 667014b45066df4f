from __future__ import annotations

import numpy as np

from soritune.draws import row_draws, seed_of


def test_row_draws_are_uniform_and_belong_to_the_row() -> None:
    draws = row_draws(7, np.arange(100_000))
    assert abs(draws.mean() - 0.5) < 0.005 and abs(draws.var() - 1 / 12) < 0.002
    assert row_draws(7, np.array([5, 3]))[1] == draws[3]
    assert abs(np.corrcoef(draws, row_draws(8, np.arange(100_000)))[0, 1]) < 0.01


def test_seeds_depend_on_every_part() -> None:
    assert seed_of(1, "a", 2) == seed_of(1, "a", 2)
    assert len({seed_of(1, "a"), seed_of(1, "b"), seed_of(2, "a"), seed_of(1, "a", 0)}) == 4
    assert 0 <= seed_of("x") < 2**63
