import json

import pytest

from soritune.errors import ManifestError
from soritune.inference.json_values import JsonObject
from soritune.metrics.bootstrap import Interval
from soritune.metrics.calibration import Calibration, CalibrationBin
from soritune.reports.confidence_scores import (
    CertainScores,
    CoverageScores,
    Uncalibrated,
    calibration_json,
    calibration_of,
)

RATES = {"ua": Interval(0.75, 0.5, 0.875, 12, True)}
CALIBRATION = Calibration(0.125, (CalibrationBin(0.8, 0.9, 4, 0.875, 0.75),))


def read(kind, scores):
    return kind.read(JsonObject(json.loads(json.dumps(scores.to_json())), "scores.json", "write it anew"))


@pytest.mark.parametrize(
    "scores",
    [
        CertainScores(0.6, 30, 0.5, RATES),
        CertainScores(0.6, 30, 0.5, RATES, coverage=0.8),
        CoverageScores(0.8, 0.625, 30, 0.75, RATES),
        CoverageScores(0.5, 0.9, 0, 0.0, {}),
        Uncalibrated(1.5, CALIBRATION, 120, 6),
    ],
)
def test_scores_are_read_as_they_were_written(scores):
    assert read(type(scores), scores) == scores


def test_calibration_may_be_null_but_not_missing():
    stored = JsonObject({"calibration": calibration_json(CALIBRATION), "none": None}, "scores.json", "again")
    assert calibration_of(stored, "calibration") == CALIBRATION
    assert calibration_of(stored, "none") is None
    with pytest.raises(ManifestError, match="'other' is missing"):
        calibration_of(stored, "other")
    with pytest.raises(ManifestError, match="'calibration' is null"):
        Uncalibrated.read(JsonObject({"temperature": 1.5, "calibration": None}, "scores.json", "again"))
