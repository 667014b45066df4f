import csv
import json
import re

import pytest

from soritune.errors import OutputError, TaskError
from soritune.inference.origin import make_header
from soritune.inference.predictor import Predictor
from soritune.reports.timeline_files import TimelineLook, timeline_file


def prediction(label, confidence, **marks):
    rest = (1 - confidence) / 2
    shares = {name: confidence if name == label else rest for name in ("calm", "tense", "화남")}
    return {"task": "emotion", "label": label, "confidence": confidence, "probabilities": shares, **marks}


@pytest.fixture
def tasks(fakes):
    return [fakes.emotion_task(("calm", "tense", "화남")), fakes.phoneme_task()]


@pytest.fixture
def rows():
    """A channel of a call, 10 s into its file, with a label, an uncertain one and silence; and a failed row."""
    windows = [
        {"start_s": 0.0, "end_s": 5.0, "speech_s": 4.5, "tasks": {"emotion": prediction("화남", 0.8)}},
        {"start_s": 2.5, "end_s": 7.5, "tasks": {"emotion": prediction("calm", 0.4, uncertain=True)}},
        {"start_s": 5.0, "end_s": 10.0, "tasks": {}, "no_speech": True},
    ]
    good = {
        "id": "call#right",
        "audio": "상담, 1.wav",
        "duration_s": 10.0,
        "groups": {},
        "tasks": {"emotion": {"prediction": prediction("화남", 0.6), "reference": None}},
        "start_s": 10.0,
        "channel": 1,
        "windows": windows,
    }
    return [good, {"id": "bad", "audio": "bad.wav", "error": "is empty"}]


def write(path, tasks, rows, look=None):
    with timeline_file(path, tasks, look) as add:
        for row in rows:
            add(row)
    return path


def test_csv_has_a_line_per_window_and_opens_in_excel(tasks, rows, tmp_path):
    path = write(tmp_path / "t.csv", tasks, rows)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    certain, uncertain = (
        [str(value) for value in prediction(*each)["probabilities"].values()]
        for each in (("화남", 0.8), ("calm", 0.4))
    )
    assert [list(line.values()) for line in lines] == [
        ["상담, 1.wav", "right", "10.0", "15.0", "화남", "0.8", "false", "false", "", "4.5", *certain],
        [
            "상담, 1.wav",
            "right",
            "12.5",
            "17.5",
            "calm",
            "0.4",
            "true",
            "false",
            "low-probability",
            "",
            *uncertain,
        ],
        ["상담, 1.wav", "right", "15.0", "20.0", "", "", "false", "true", "", "", "", "", ""],
    ]
    assert list(lines[0])[10:] == ["p_calm", "p_tense", "p_화남"]


def test_json_has_windows_segments_and_seconds(tasks, rows, tmp_path):
    content = json.loads(write(tmp_path / "t.json", tasks, rows).read_text(encoding="utf-8"))
    assert content["labels"] == {"emotion": ["calm", "tense", "화남"]}
    (clip,) = content["clips"]
    assert (clip["file"], clip["channel"], clip["task"]) == ("상담, 1.wav", "right", "emotion")
    assert [(s["start_s"], s["end_s"], s["label"]) for s in clip["segments"]] == [
        (10.0, 13.75, "화남"),
        (13.75, 16.25, None),
    ]
    assert (clip["seconds"], clip["uncertain_s"]) == ({"화남": 3.75}, 2.5)
    assert [window["no_speech"] for window in clip["windows"]] == [False, False, True]


def test_page_is_one_file_with_a_bar_per_segment(tasks, rows, tmp_path):
    rows[0]["audio"] = "<b>상담</b>.wav"
    text = write(tmp_path / "t.html", tasks, rows).read_text(encoding="utf-8")
    bars = re.findall(r'<i style="left:([\d.]+)%;width:([\d.]+)%;background:([^"]+)" title="([^"]+)">', text)
    assert [(bar[0], bar[1]) for bar in bars] == [("0.0", "37.5"), ("37.5", "25.0")]
    assert bars[0][3] == "0:00.0–0:03.8 화남 80.0 %" and bars[1][2] == "var(--no-label)"
    assert "<b>상담" not in text and not re.search(r"(?:src|href)=|http", text)
    assert "right" in text and "1 recording" in text


def test_window_with_little_speech_has_no_label_and_is_in_no_total(tasks, rows, tmp_path):
    rows[0]["windows"][0] = {
        "start_s": 0.0, "end_s": 5.0, "speech_s": 0.06, "tasks": {}, "uncertain": True, "reason": "little-speech",
    }  # fmt: skip
    with write(tmp_path / "t.csv", tasks, rows).open(encoding="utf-8-sig", newline="") as stream:
        line = next(csv.DictReader(stream))
    assert [line[name] for name in ("label", "confidence", "p_화남", "uncertain", "reason", "speech_s")] == [
        "", "", "", "true", "little-speech", "0.06",
    ]  # fmt: skip
    (clip,) = json.loads(write(tmp_path / "t.json", tasks, rows).read_text(encoding="utf-8"))["clips"]
    assert (clip["seconds"], clip["uncertain_s"], clip["little_speech_s"]) == ({}, 2.5, 3.75)


def test_page_states_its_settings_and_failures_in_the_language_of_its_reader(tasks, rows, fakes, tmp_path):
    predictor = Predictor([fakes.pitch_member()], window_s=5, min_confidence=0.7, vad="energy")
    look = TimelineLook(("상담사", "고객"), "ko", make_header(predictor))
    text = write(tmp_path / "t.html", tasks, rows, look).read_text(encoding="utf-8")
    shown = re.sub(r"<[^>]+>", "|", text)
    assert '<html lang="ko">' in text
    for part in (
        "고객",
        "fake",
        "5초, 5초 간격",
        "70.0 %",
        "1초",
        "에너지 기준",
        "bad",
        "is empty",
        "읽을 수 없는",
    ):
        assert part in shown, part
    page = shown.split("soritune predict|", 1)[1]
    assert "|right|" not in page and "calm" in page
    left = [words for words in re.findall(r"[A-Za-z]{3,}(?: [a-z]{2,})+", page) if words != "is empty"]
    assert left == ["soritune predict"]


def test_no_rows_are_a_valid_file(tasks, tmp_path):
    assert json.loads(write(tmp_path / "t.json", tasks, []).read_text())["clips"] == []
    assert write(tmp_path / "t.csv", tasks, []).read_text(encoding="utf-8-sig").startswith("file,channel,")


def test_several_tasks_have_a_column(fakes, rows, tmp_path):
    task = fakes.emotion_task(("calm", "tense", "화남"))
    other = type("Style", (type(task),), {"name": "style"})(task.config)
    path = write(tmp_path / "t.csv", [task, other], rows)
    header = path.read_text(encoding="utf-8-sig").splitlines()[0]
    assert header.startswith("file,channel,task,start_s")


def test_wrong_suffix_no_labels_and_an_error_on_the_way_leave_no_file(tasks, rows, fakes, tmp_path):
    with pytest.raises(OutputError, match=r"a.txt: a timeline is written as .csv, .json or .html"):
        write(tmp_path / "a.txt", tasks, rows)
    with pytest.raises(TaskError, match=r"no task of the model gives one label \(phoneme\)"):
        write(tmp_path / "a.csv", [fakes.phoneme_task()], rows)
    for name in ("a.csv", "a.json", "a.html"):
        with pytest.raises(KeyError, match="windows|start_s"):
            write(tmp_path / name, tasks, [rows[0], {**rows[0], "windows": [{}]}])
    assert list(tmp_path.iterdir()) == []
