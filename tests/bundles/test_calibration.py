import json

import pytest
from tests.bundles import toy_bundle

from soritune.bundles.calibration import BundleCalibration, OutputCalibration, whole_percent
from soritune.bundles.read import load_bundle
from soritune.bundles.write import update_card
from soritune.errors import BundleError

FITTED = BundleCalibration(
    {"emotion": OutputCalibration(1.5, 120, 6, 0.9, 0.7, 0.11, 0.04)},
    {"emotion": (*(1 - percent / 100 for percent in range(1, 100)), 0.0)},
    120,
    6,
    ("a warning",),
)


def test_a_card_keeps_its_calibration(tmp_path):
    toy_bundle.write(tmp_path / "toy")
    assert load_bundle(tmp_path / "toy").calibration is None
    update_card(tmp_path / "toy", calibration=FITTED.to_json())
    bundle = load_bundle(tmp_path / "toy")
    assert bundle.calibration == FITTED
    bundle.check_files()
    assert bundle.calibration.temperatures == {"emotion": 1.5}
    assert bundle.calibration.threshold("emotion", 0.8) == pytest.approx(0.2)
    assert bundle.calibration.threshold("phoneme", 0.8) is None


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("outputs", "emotion", "temperature"), 0.0, "not a finite number above 0"),
        (("outputs", "emotion", "temperature"), "warm", "not supported"),
        (("outputs", "emotion", "unknown"), 1, "unexpected keyword"),
        (("outputs",), None, "NoneType"),
        (("thresholds", "emotion"), [0.5], "not 100 probabilities"),
        (("thresholds", "emotion"), [2.0] * 100, "not 100 probabilities"),
    ],
)
def test_faulty_calibration_is_reported(tmp_path, path, value, fault):
    content = json.loads(json.dumps(FITTED.to_json()))
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    toy_bundle.write(tmp_path / "toy", calibration=content)
    with pytest.raises(BundleError, match=f"'calibration' is faulty .*{fault}"):
        _ = load_bundle(tmp_path / "toy").calibration


def test_missing_key_is_named():
    with pytest.raises(ValueError, match="'outputs' is missing"):
        BundleCalibration.from_json({"rows": 3})


def test_coverage_is_a_whole_percentage():
    assert [whole_percent(value) for value in (0.01, 0.29, 0.57, 0.8, 1.0, 1)] == [1, 29, 57, 80, 100, 100]
    for value in (0.0, -0.5, 1.01, 80, 0.805, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a whole percentage from 0.01 to 1"):
            whole_percent(value)
