from soritune.inference.json_values import JsonObject
from soritune.metrics.bootstrap import Interval
from soritune.reports.before_scores import BeforeScores


def test_what_is_written_is_read_again() -> None:
    before = BeforeScores(
        {"per": Interval(0.4, 0.3, 0.5, 12, True)}, {"per": Interval(-0.1, -0.2, -0.05, 12, True)}
    )
    assert BeforeScores.read(JsonObject(before.to_json(), None, "")) == before
