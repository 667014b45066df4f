import csv
import json

import pytest
import typer
from praatio import textgrid
from typer.testing import CliRunner

from soritune.cli.predict import predict
from soritune.errors import SorituneError, TaskError
from soritune.inference.predictions import read_predictions

APP = typer.Typer()
APP.command()(predict)


def run(*arguments, code=0):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_times_are_in_predictions_and_in_every_file(unseen, tiny_ko, tmp_path):
    rows = list(unseen.utterances())[:2]
    files = [unseen.audio_path(row) for row in rows]
    output = tmp_path / "p.jsonl"
    run(
        *files, "-b", tiny_ko, "--vad", "off", "--times", "-o", output, "--textgrid", tmp_path / "grids",
        "--ctm", tmp_path / "times.ctm", "--srt", tmp_path / "srt", "--vtt", tmp_path / "vtt", "--tier", "syllables",
    )  # fmt: skip
    predictions = [row["tasks"]["phoneme"]["prediction"] for row in read_predictions(output).rows]
    syllables = [part for prediction in predictions for part in prediction["times"]["syllables"]]
    lines = [line.split() for line in (tmp_path / "times.ctm").read_text(encoding="utf-8").splitlines()]
    assert [line[4] for line in lines] == [part["text"] for part in syllables]
    assert [float(line[2]) for line in lines] == [part["start_s"] for part in syllables]
    for file, prediction in zip(files, predictions, strict=True):
        grid = textgrid.openTextgrid(
            str(tmp_path / "grids" / f"{file.stem}.TextGrid"), includeEmptyIntervals=False
        )
        words = "".join(entry.label for entry in grid.getTier("words").entries)
        assert words == prediction["hangul"].replace(" ", "")
        assert [entry.label for entry in grid.getTier("phones").entries] == [
            phone for phone in prediction["phones"] if phone != "|"
        ]
        assert "-->" in (tmp_path / "srt" / f"{file.stem}.srt").read_text(encoding="utf-8")
        assert (tmp_path / "vtt" / f"{file.stem}.vtt").read_text(encoding="utf-8").startswith("WEBVTT")


def test_table_of_times_has_the_ids_of_the_table_of_predictions(unseen, tiny_ko, tmp_path):
    files = [unseen.audio_path(row) for row in list(unseen.utterances())[:2]]
    run(
        *files, "-b", tiny_ko, "--vad", "off", "-o", tmp_path / "p.csv", "--times-csv", tmp_path / "t.csv",
    )  # fmt: skip
    tables = {}
    for name in ("p", "t"):
        with (tmp_path / f"{name}.csv").open(encoding="utf-8-sig", newline="") as stream:
            tables[name] = list(csv.DictReader(stream))
    for line in tables["p"]:
        of_clip = [each for each in tables["t"] if each["id"] == line["id"]]
        phones = [each["text"] for each in of_clip if each["tier"] == "phones"]
        assert phones == [phone for phone in line["phones"].split() if phone != "|"]
        words = "".join(each["text"] for each in of_clip if each["tier"] == "words")
        assert words == line["hangul"].replace(" ", "")
        assert all(0 <= float(each["start_s"]) <= float(each["end_s"]) for each in of_clip)


def test_json_has_times_only_on_request(unseen, tiny_ko):
    file = unseen.audio_path(next(unseen.utterances()))
    with_times = json.loads(run(file, "-b", tiny_ko, "--vad", "off", "--times", "--json").stdout)
    without = json.loads(run(file, "-b", tiny_ko, "--vad", "off", "--json").stdout)
    prediction = with_times["predictions"][0]["tasks"]["phoneme"]["prediction"]
    times = prediction.pop("times")
    assert with_times == without
    assert len(times["phones"]) == len([phone for phone in prediction["phones"] if phone != "|"])


def test_options_that_cannot_act_are_refused(unseen, tiny_ko):
    file = unseen.audio_path(next(unseen.utterances()))
    with pytest.raises(SorituneError, match="--times has no effect without --json"):
        run(file, "-b", tiny_ko, "--times")
    with pytest.raises(SorituneError, match=r"--output FILE.jsonl or a file of times, such as --times-csv"):
        run(file, "-b", tiny_ko, "--times", "-o", "p.csv")
    with pytest.raises(SorituneError, match="--tier has no effect without --ctm"):
        run(file, "-b", tiny_ko, "--times", "--json", "--tier", "phones")


def test_model_without_phones_has_no_times(fakes, clip, tmp_path, monkeypatch):
    fakes.make_bundle(tmp_path / "model", [fakes.emotion_task()])
    monkeypatch.setattr(
        "soritune.inference.predictor.load_member",
        lambda *_: lambda path, *, device: fakes.FakeBackend([fakes.emotion_task()]),
    )
    with pytest.raises(TaskError, match=r"times are those of phones, and no task of the model \(emotion\)"):
        run(clip("a.wav", 1.0), "-b", tmp_path / "model", "--times", "--json")
