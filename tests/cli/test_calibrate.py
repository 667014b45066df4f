import json

import pytest
from typer.testing import CliRunner

from soritune.bundles.calibration import BundleCalibration, OutputCalibration
from soritune.cli.main import app

FITTED = BundleCalibration(
    {"emotion": OutputCalibration(1.5, 120, 6, 0.9, 0.7, 0.11, 0.04)},
    {"emotion": (*(1 - percent / 100 for percent in range(1, 100)), 0.0)},
    120,
    6,
)


@pytest.fixture
def calls(monkeypatch):
    given = []

    def fit(target, **options):
        given.append((target, options))
        return FITTED

    monkeypatch.setattr("soritune.stages.calibrate.calibrate", fit)
    return given


def test_calibration_is_printed(calls):
    result = CliRunner().invoke(app, ["calibrate", "runs/a", "--checkpoint", "last", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "1.500" in result.stdout
    assert "emotion: validation clips that keep their label: 90% at 0.100, 80% at 0.200" in result.stdout
    assert "make new ones: soritune evaluate runs/a --checkpoint last\n" in result.stdout
    ((target, options),) = calls
    assert (target, options["checkpoint"], options["device"]) == ("runs/a", "last", "cpu")


def test_calibration_as_json(calls):
    result = CliRunner().invoke(app, ["calibrate", "runs/a", "--json"])
    assert json.loads(result.stdout) == FITTED.to_json()


def test_thresholds_of_errors_are_printed(monkeypatch):
    values = {"best_f1": 0.31, "low_rejection": 0.6, "speakers": 9, "phones": 4000}
    monkeypatch.setattr(
        "soritune.stages.error_thresholds.choose_error_thresholds",
        lambda target, **options: {"mispronunciation": {"segment": values}},
    )
    result = CliRunner().invoke(app, ["calibrate", "runs/a", "--errors"])
    assert result.exit_code == 0, result.output
    assert "mispronunciation, segment: wrong from 0.31 (best F1), from 0.6" in " ".join(result.stdout.split())
    assert json.loads(CliRunner().invoke(app, ["calibrate", "runs/a", "--errors", "--json"]).stdout) == {
        "mispronunciation": {"segment": values}
    }


def test_speaker_norm_beside_errors_is_refused():
    result = CliRunner().invoke(app, ["calibrate", "runs/a", "--errors", "--speaker-norm"])
    assert result.exit_code != 0
    assert "--speaker-norm has no effect with --errors" in str(result.exception)
