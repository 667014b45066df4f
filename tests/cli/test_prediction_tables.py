from soritune.cli.prediction_tables import SHOWN, print_predictions
from soritune.tasks.results import Prediction
from soritune.tasks.task import make_task


def test_first_rows_are_shown_and_the_rest_is_counted(fakes, capsys):
    rows = fakes.prediction_rows({f"s{k}": 6 for k in range(30)})
    print_predictions((fakes.emotion_task(),), rows, {}, total=len(rows))
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 1 + SHOWN + 1
    assert shown[-1] == f"… {len(rows) - SHOWN} more; --output or --json has all of them"


def test_marks_and_errors_stand_in_the_first_column(fakes, capsys):
    silent, uncertain, failed = fakes.prediction_rows({"s": 3})[:3]
    silent["no_speech"] = True
    uncertain["tasks"]["emotion"]["prediction"]["uncertain"] = True
    failed = {"id": "x", "audio": "x.wav", "error": "is empty"}
    print_predictions((fakes.emotion_task(),), [silent, uncertain, failed], {}, total=3)
    _, *lines = capsys.readouterr().out.splitlines()
    assert ["(no speech)" in lines[0], "(uncertain)" in lines[1], "is empty" in lines[2]] == [True] * 3


def test_clip_without_any_of_several_labels_is_not_blank(capsys):
    task = make_task("emotion-multilabel", {"labels": ["calm", "warm"]})
    rows = [
        {
            "id": name,
            "audio": name,
            "duration_s": 1.0,
            "groups": {},
            "tasks": {task.name: {"prediction": Prediction(task.name, fields).to_json(), "reference": None}},
        }
        for name, fields in (("a", {"labels": ["calm", "warm"]}), ("b", {"labels": []}))
    ]
    print_predictions((task,), rows, {}, total=2)
    assert capsys.readouterr().out.split() == ["file", "emotions", "a", "calm", "warm", "b", "(none)"]
