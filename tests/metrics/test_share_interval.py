import pytest
from scipy.stats import binomtest

from soritune.metrics.share_interval import wilson


@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (1, 3), (12, 34), (300, 1000)])
def test_interval_is_that_of_scipy(count: int, total: int) -> None:
    expected = binomtest(count, total).proportion_ci(0.95, method="wilson")
    assert wilson(count, total) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_nothing_counted_leaves_every_share_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
