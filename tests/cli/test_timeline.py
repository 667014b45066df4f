"""`soritune predict` on stereo calls: channels, windows, timelines."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

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
    assert predictions.header.content["label_windows"] == {
        "window_s": 5.0,
        "hop_s": 5.0,
        "min_speech_s": 1.0,
    }
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
        (["--min-speech-s", "1"], SorituneError, "--min-speech-s has no effect without --window-s"),
        (["--window-s", "5", "--min-speech-s", "6"], TaskError, "at most window_s"),
        (["--window-s", "5", "--min-speech-s", "1", "--vad", "off"], TaskError, "no effect with vad off"),
        (["--channel-names", "a,b"], SorituneError, "--channel-names has no effect without --channel each"),
        (
            ["--channel", "each", "--window-s", "5", "--channel-names", "a,a"],
            OutputError,
            "a different name for each",
        ),
        (["--language", "ko"], SorituneError, "--language has no effect without --timeline FILE.html"),
        (["--hop-s", "2"], SorituneError, "--hop-s has no effect without --window-s"),
        (["--window-s", "2", "--hop-s", "3"], TaskError, "at most window_s"),
        (["--timeline", "a.txt"], OutputError, "a timeline is written as"),
        (["--timeline", "a.csv", "--timeline", "a.csv"], OutputError, "given twice"),
    ],
)
def test_options_that_cannot_be_are_refused(model, call, options, error, text):
    with pytest.raises(error, match=text):
        run(call, "-b", model, *options)


def test_a_nightly_call_predicts_only_new_recordings(model, call, tmp_path, monkeypatch):
    folder = tmp_path / "calls"
    folder.mkdir()
    call.rename(folder / "월요일.wav")
    os.utime(folder / "월요일.wav", (1_000_000_000,) * 2)  # long before the call
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
    loaded = []
    monkeypatch.setattr("soritune.inference.predictor.Predictor.load", lambda *a, **b: loaded.append(a))
    with pytest.raises(
        OutputError, match=r"with window window_s 5, hop_s 5, .*this call has window_s 5, hop_s 2.5"
    ):
        run(*command, "--hop-s", 2.5)
    with pytest.raises(OutputError, match=r"with min_confidence none, and this call has 0.7; --resume needs"):
        run(*command, "--min-confidence", 0.7)
    assert loaded == []  # it is refused before the models are opened


def test_a_nightly_call_shows_only_what_is_new(model, call, tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    call.rename(folder / "월요일.wav")
    os.utime(folder / "월요일.wav", (1_000_000_000,) * 2)  # long before the call
    command = (
        folder, "-b", model, "--channel", "each", "--window-s", 5, "--vad", "energy", "-o", tmp_path / "p.jsonl",
        "--resume",
    )  # fmt: skip
    run(*command)
    (folder / "화요일.wav").write_bytes((folder / "월요일.wav").read_bytes())
    for name in ("깨진.wav", "빈.wav"):
        (folder / name).write_bytes(b"RIFF")
    result = run(*command, code=1)
    assert "월요일" not in result.stdout and "화요일" in result.stdout
    assert "2 new predictions, 4 in all, in" in result.stdout
    assert "2 of 3 files could not be predicted" in result.stderr  # of four rows


KILLED = """
import os, signal, sys
import tests.inference.fake_models as fakes
from soritune.cli.main import main
class Dying(fakes.PitchBackend):
    padded_seconds = 1.0
    def run(self, inputs):
        if len(self.lengths) == 6:  # at the first window of the second recording; each has six with speech
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(inputs)
import soritune.inference.predictor as predictor
predictor.load_member = lambda *names: lambda path, *, device: Dying([fakes.emotion_task()])
sys.argv = ["soritune", *sys.argv[1:]]
main()
"""


def test_a_killed_call_loses_no_finished_recording_and_leaves_no_litter(model, call, tmp_path):
    folder, output = tmp_path / "calls", tmp_path / "p.jsonl"
    folder.mkdir()
    for day in ("1", "2", "3"):
        (folder / f"{day}.wav").write_bytes(call.read_bytes())
    call.unlink()
    command = [
        folder, "-b", model, "--channel", "each", "--window-s", 5, "--vad", "energy", "-o", output, "--resume",
        "--timeline", tmp_path / "t.csv",
    ]  # fmt: skip
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "predict", *map(str, command)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not output.exists() and list(tmp_path.glob(".*"))
    (tmp_path / ".p.0123abcd.jsonl").touch()  # of an earlier kill
    shown = run(*command).stderr
    assert "2 rows of a call that was stopped are kept" in shown and "2 files to predict" in shown
    assert [row["id"].rsplit("/", 1)[1] for row in read_predictions(output).rows] == [
        f"{day}.wav#{side}" for day in "123" for side in ("left", "right")
    ]
    assert {path.name for path in tmp_path.iterdir()} == {
        "calls",
        "model",
        "p.header.json",
        "p.jsonl",
        "t.csv",
    }
    fresh = [*command[:-4], tmp_path / "q.jsonl"]
    run(*fresh)
    assert read_predictions(tmp_path / "q.jsonl").rows == read_predictions(output).rows


def test_channels_have_names_and_little_speech_no_label(model, call, fakes, tmp_path):
    left = fakes.tones_in_turn(("calm", 5), (None, 4.5), ("tense", 0.5), (None, 5))
    right = fakes.tones_in_turn((None, 10), ("warm", 5))
    soundfile.write(call, np.stack([left, right], axis=1), 16000)
    options = (
        call, "-b", model, "--channel", "each", "--window-s", 5, "--vad", "energy", "--channel-names", "상담사,고객",
        "--timeline", tmp_path / "t.csv",
    )  # fmt: skip
    shown = run(*options).stdout
    assert "상담사 time" in shown and "tense" not in shown
    with (tmp_path / "t.csv").open(encoding="utf-8-sig") as stream:
        lines = list(csv.DictReader(stream))
    assert [(line["channel"], line["label"], line["reason"], line["no_speech"]) for line in lines] == [
        ("상담사", "calm", "", "false"), ("상담사", "", "little-speech", "false"), ("상담사", "", "", "true"),
        ("고객", "", "", "true"), ("고객", "", "", "true"), ("고객", "warm", "", "false"),
    ]  # fmt: skip
    assert 0 < float(lines[1]["speech_s"]) < 1 < float(lines[0]["speech_s"])
    run(*options, "--min-speech-s", 0)
    with (tmp_path / "t.csv").open(encoding="utf-8-sig") as stream:
        assert list(csv.DictReader(stream))[1]["label"] != ""
