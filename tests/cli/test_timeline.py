"""`soritune predict` on stereo calls: channels, windows, timelines."""

import csv
import json

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from soritune.cli.predict import predict
from soritune.errors import AudioError, OutputError, SorituneError, TaskError
from soritune.inference.predictions import read_predictions

APP = typer.Typer()
APP.command()(predict)


@pytest.fixture
def model(fakes, tmp_path, monkeypatch):
    """A bundle whose label is the pitch of what it hears."""
    fakes.make_bundle(tmp_path / "model", [fakes.emotion_task()])

    def load_member(package, attribute, name, kind):
        return lambda path, *, device: fakes.PitchBackend([fakes.emotion_task()])

    monkeypatch.setattr("soritune.inference.predictor.load_member", load_member)
    return tmp_path / "model"


@pytest.fixture
def call(fakes, tmp_path):
    """20 s: left calm, then tense; right silent, then warm."""
    left = fakes.tones_in_turn(("calm", 10), ("tense", 10))
    right = fakes.tones_in_turn((None, 10), ("warm", 10))
    path = tmp_path / "상담.wav"
    soundfile.write(path, np.stack([left, right], axis=1), 16000)
    return path


def run(*arguments, code=0):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_call_by_channel_gives_segments_shares_and_files(model, call, tmp_path):
    files = [tmp_path / f"t.{kind}" for kind in ("csv", "json", "html")]
    output = tmp_path / "p.jsonl"
    options = [part for file in files for part in ("--timeline", file)]
    result = run(
        call, "-b", model, "--channel", "each", "--window-s", 5, "--hop-s", 5, "--vad", "energy",
        "-o", output, *options,
    )  # fmt: skip
    words = [line.split() for line in result.stdout.splitlines()]
    assert ["상담.wav#left", "0:00.0", "0:10.0", "calm", "80.0", "%"] in words
    assert ["상담.wav#left", "0:10.0", "0:20.0", "tense", "80.0", "%"] in words
    assert ["상담.wav#right", "0:10.0", "0:20.0", "warm", "80.0", "%"] in words
    assert ["calm", "0:10", "50.0", "%", "0:00", "0.0", "%"] in words
    assert ["warm", "0:00", "0.0", "%", "0:10", "100.0", "%"] in words
    predictions = read_predictions(output)
    assert predictions.header.content["label_windows"] == {"window_s": 5.0, "hop_s": 5.0}
    assert [row["id"] for row in predictions.rows] == [f"{call}#left", f"{call}#right"]
    with files[0].open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    windows = [window for row in predictions.rows for window in row["windows"]]
    assert [float(line["start_s"]) for line in lines] == [window["start_s"] for window in windows]
    assert [line["label"] for line in lines] == ["calm"] * 2 + ["tense"] * 2 + [""] * 2 + ["warm"] * 2
    segments = [clip["segments"] for clip in json.loads(files[1].read_text(encoding="utf-8"))["clips"]]
    assert segments == [row["segments"]["emotion"] for row in predictions.rows]
    assert files[2].read_text(encoding="utf-8").count("background:#") >= 3


def test_one_channel_by_name_keeps_the_id_of_the_file(model, call):
    result = run(call, "-b", model, "--channel", "right", "--window-s", 10, "--vad", "energy", "--json")
    (row,) = json.loads(result.stdout)["predictions"]
    assert (row["id"], row["channel"]) == (str(call), 1)
    assert row["segments"]["emotion"][0]["label"] == "warm"


def test_file_with_one_channel_is_reported_with_each_and_an_error_with_right(model, call, tmp_path, fakes):
    mono = tmp_path / "mono.wav"
    soundfile.write(mono, fakes.tones_in_turn(("calm", 3)), 16000)
    result = run(mono, call, "-b", model, "--channel", "each", "--vad", "energy")
    assert "1 of the files has one channel, which is predicted" in result.stderr
    result = run(mono, "-b", model, "--channel", "right", "--json", code=1)
    (row,) = json.loads(result.stdout)["predictions"]
    assert row["error"] == "has 1 channel, so channel 1 (from 0) does not exist"


def test_nothing_of_time_is_printed_unless_it_is_requested(model, call):
    assert "segments" not in run(call, "-b", model, "--channel", "0", "--vad", "energy").stdout


def test_timeline_without_windows_has_the_whole_file(model, call, tmp_path):
    run(call, "-b", model, "--channel", "left", "--vad", "energy", "--timeline", tmp_path / "t.csv")
    (line,) = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8-sig", newline="")))
    assert (line["start_s"], line["end_s"], line["channel"]) == ("0.0", "20.0", "left")


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (["--channel", "middle"], AudioError, "must be left, right, each or a number from 0, not 'middle'"),
        (["--channel", "-1"], AudioError, "not '-1'"),
        (["--hop-s", "2"], SorituneError, "--hop-s has no effect without --window-s"),
        (["--window-s", "2", "--hop-s", "3"], TaskError, "at most window_s"),
        (["--timeline", "a.txt"], OutputError, "a timeline is written as"),
        (["--timeline", "a.csv", "--timeline", "a.csv"], OutputError, "given twice"),
    ],
)
def test_options_that_cannot_be_are_refused(model, call, options, error, text):
    with pytest.raises(error, match=text):
        run(call, "-b", model, *options)


def test_a_nightly_call_predicts_only_new_recordings(model, call, tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    call.rename(folder / "월요일.wav")
    command = (
        folder, "-b", model, "--channel", "each", "--window-s", 5, "--vad", "energy", "-o", tmp_path / "p.jsonl",
        "--resume", "--timeline", tmp_path / "t.csv",
    )  # fmt: skip
    assert "0 rows" in run(*command).stderr
    first = read_predictions(tmp_path / "p.jsonl").rows
    (folder / "화요일.wav").write_bytes((folder / "월요일.wav").read_bytes())
    assert "2 rows of" in (shown := run(*command).stderr) and "1 file to predict" in shown
    rows = read_predictions(tmp_path / "p.jsonl").rows
    assert [row["id"].rsplit("/", 1)[1] for row in rows] == [
        "월요일.wav#left", "월요일.wav#right", "화요일.wav#left", "화요일.wav#right",
    ]  # fmt: skip
    assert rows[:2] == first
    with (tmp_path / "t.csv").open(encoding="utf-8-sig") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 2 * 2 * 4  # two files, two channels, four windows of 5 s
    with pytest.raises(OutputError, match="predicted with another window"):
        run(*command, "--hop-s", 2.5)
