from dataclasses import replace

import pytest

from soritune.bundles.calibration import BundleCalibration, OutputCalibration
from soritune.errors import BundleError, TaskError
from soritune.inference.certainty import checked_confidence, checked_coverage, thresholds_of

THRESHOLDS = (*(1 - percent / 100 for percent in range(1, 100)), 0.0)
FITTED = BundleCalibration(
    {"emotion": OutputCalibration(2.0, 9, 3, 1.0, 0.9, 0.2, 0.1)}, {"emotion": THRESHOLDS}, 9, 3
)


def test_minimum_confidence_needs_a_task_with_one_label(fakes):
    assert checked_confidence(0.5, [fakes.emotion_task()]) == 0.5
    with pytest.raises(TaskError, match="no task of the model gives one label"):
        checked_confidence(0.5, [fakes.phoneme_task()])
    assert checked_confidence(None, [fakes.phoneme_task()]) is None


def test_coverage_beside_a_minimum_confidence_is_refused():
    assert checked_coverage(0.8) == 0.8
    with pytest.raises(TaskError, match="two ways to choose the uncertain labels"):
        checked_coverage(0.8, 0.5)
    with pytest.raises(TaskError, match="the coverage is 80; it is the share"):
        checked_coverage(80)


def test_thresholds_of_a_minimum_and_of_a_coverage(fakes):
    tasks = [fakes.emotion_task(), fakes.phoneme_task()]
    member = replace(fakes.member(tasks), calibration=FITTED)
    assert thresholds_of([member], tasks, 0.5, None) == {"emotion": 0.5}
    assert thresholds_of([member], tasks, None, 0.8) == {"emotion": pytest.approx(0.2)}
    assert thresholds_of([member], tasks, None, 1.0) == {"emotion": 0.0}
    assert thresholds_of([member], tasks, None, None) == {}


def test_coverage_without_thresholds_names_the_way_out(fakes):
    tasks = [fakes.emotion_task()]
    member = fakes.member(tasks)
    with pytest.raises(
        BundleError, match=r"'fake' has no thresholds of coverage; `soritune calibrate RUN` fits"
    ):
        thresholds_of([member], tasks, None, 0.8)
    with pytest.raises(BundleError, match="not for the average of several"):
        thresholds_of([replace(member, calibration=FITTED)] * 2, tasks, None, 0.8)
    phones = [fakes.phoneme_task()]
    with pytest.raises(TaskError, match="a coverage has no effect: no task of the model gives one label"):
        thresholds_of([fakes.member(phones)], phones, None, 0.8)
