import math
from types import SimpleNamespace

import pytest

from soritune.metrics.bootstrap import Interval
from soritune.metrics.calibration import Calibration
from soritune.reports.confidence_scores import Uncalibrated
from soritune.reports.numbers import (
    baseline_notes,
    has_range,
    hours_text,
    percent,
    range_text,
    rate_range_text,
    rate_text,
    temperature_note,
)
from soritune.reports.scores import Baseline, TaskScores
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.results import Metric, RateDescription
from soritune.terminal_text import counted

UNKNOWN = math.nan
EMOTION = EmotionTask(EmotionConfig(labels=("calm", "tense", "warm")))


def interval(value, low, high, reliable=True):
    return Interval(value, low, high, 12, reliable)


def scores_of(rate, baselines):
    """Scores of which only the primary rate and the baselines are filled."""
    return TaskScores(Metric(rate, True), 1, 1, 1.0, {}, {}, baselines, None, {}, 0)


def test_numbers_are_written_for_people():
    assert percent(0.27314) == "27.3 %"
    assert percent(None) == percent(UNKNOWN) == "–"
    assert range_text(interval(0.3, 0.2, 0.355)) == "20.0 – 35.5"
    assert range_text(interval(0.3, UNKNOWN, 0.4)) == "–"
    assert (hours_text(0.05), hours_text(2.5)) == ("3.0 min", "2.50 h")
    assert (counted(1, "speaker"), counted(1200, "clip")) == ("1 speaker", "1,200 clips")
    assert has_range(interval(0.3, 0.2, 0.4))
    assert not has_range(interval(0.3, 0.2, UNKNOWN))


def test_unit_of_a_rate_follows_from_its_description():
    loss = interval(0.8664, 0.5, 1.25)
    assert (rate_text(EMOTION, "ua", 0.5), rate_text(EMOTION, "loss", 0.86637)) == ("50.0 %", "0.8664")
    assert rate_text(EMOTION, "loss", UNKNOWN) == "–"
    assert rate_range_text(EMOTION, "ua", loss) == "50.0 – 125.0"
    assert rate_range_text(EMOTION, "loss", loss) == "0.5000 – 1.2500"
    assert rate_text(EMOTION, "not-described", 0.5) == "50.0 %"


@pytest.mark.parametrize(
    ("difference", "note"),
    [
        (interval(-0.5, -0.6, -0.45), "ua: 50.0 points below empty [45.0, 60.0]"),
        (interval(0.02, -0.01, 0.05), "ua: 2.0 points above empty [-1.0, 5.0]"),
        (interval(0.0, 0.0, 0.0, False), "ua: 0.0 points above empty [0.0, 0.0], unreliable"),
    ],
)
def test_difference_from_a_baseline_has_a_size_and_a_side(difference, note):
    baselines = {"empty": Baseline("nothing", {}, {"ua": difference})}
    assert baseline_notes(EMOTION, scores_of("ua", baselines)) == [note]


def test_difference_without_a_range_is_left_out():
    baselines = {"a": Baseline("a", {}, {"ua": interval(0.02, UNKNOWN, UNKNOWN)}), "b": Baseline("b", {}, {})}
    assert baseline_notes(EMOTION, scores_of("ua", baselines)) == []


def test_difference_of_a_rate_that_is_not_a_share_has_no_points():
    class Steps(EmotionTask):
        @property
        def rate_descriptions(self):
            return {"steps": RateDescription("mean distance", higher_is_better=False, is_share=False)}

    baselines = {"majority": Baseline("majority", {}, {"steps": interval(-0.5, -0.61234, -0.4)})}
    notes = baseline_notes(Steps(EMOTION.config), scores_of("steps", baselines))
    assert notes == ["steps: 0.5000 below majority [0.4000, 0.6123]"]


@pytest.mark.parametrize(("speakers", "of"), [(0, "unknown speakers"), (1, "1 speaker"), (4, "4 speakers")])
def test_temperature_note_states_the_speakers_that_are_known(speakers, of):
    before = Uncalibrated(1.5, Calibration(0.2, ()), 24, speakers)
    scores = SimpleNamespace(uncalibrated=before, calibration=Calibration(0.1, ()))
    assert temperature_note(scores) == (
        "Expected calibration error 0.100, and 0.200 without the temperature 1.50, which was fitted on 24 validation "
        f"clips of {of}."
    )
