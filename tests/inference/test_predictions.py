import json
import math

import pytest

from soritune.errors import ManifestError, OutputError
from soritune.inference.origin import make_header
from soritune.inference.predictions import pool_predictions, read_predictions, write_predictions
from soritune.inference.predictor import Predictor


@pytest.fixture
def header(fakes):
    predictor = Predictor([fakes.member([fakes.emotion_task(), fakes.phoneme_task()])])
    return make_header(predictor, {"split": "test", "manifest_hash": "abc"})


ROWS = [
    {"id": "a", "audio": "가 나.wav", "duration_s": 1.0, "groups": {}, "tasks": {}},
    {"id": "b", "audio": "b.wav", "error": "empty"},
]


def test_what_is_written_is_read_again(header, tmp_path):
    path = tmp_path / "new folder" / "p.jsonl"
    assert write_predictions(path, header, iter(ROWS)) == (1, 1)
    predictions = read_predictions(path)
    assert predictions.header.to_json() == json.loads(json.dumps(header.to_json()))
    assert list(predictions.rows) == ROWS
    assert [row["id"] for row in predictions.good] == ["a"]
    assert [row["id"] for row in predictions.failed] == ["b"]
    assert [task.name for task in predictions.tasks] == ["emotion", "phoneme"]
    assert "가 나" in path.read_text(encoding="utf-8")


def test_failing_prediction_leaves_no_file(header, tmp_path):
    def rows():
        yield ROWS[0]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_predictions(tmp_path / "p.jsonl", header, rows())
    assert list(tmp_path.iterdir()) == []


def test_nan_is_written_as_null(header, tmp_path):
    path = tmp_path / "p.jsonl"
    row = {"id": "a", "audio": "a", "duration_s": 1.0, "groups": {}, "tasks": {}, "x": [float("nan"), 1.0]}
    write_predictions(path, header, [row])
    assert read_predictions(path).rows[0]["x"] == [None, 1.0]


def test_path_that_cannot_be_written_to_is_refused(header, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_predictions(tmp_path / "file" / "p.jsonl", header, ROWS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a predictions file"),
        (b'{"schema": "other/1"}\n', "not a predictions file"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"schema": "soritune.predictions/1"}\n{"id": 1\n', "line 2: is not JSON"),
        (b'{"schema": "soritune.predictions/1"}\n[1]\n', "line 2: is not a JSON object"),
        (b'{"schema": "soritune.predictions/1"}\n{"id": "a"}\n', "line 2: a row needs"),
        (
            b'{"schema": "soritune.predictions/1"}\n{"id": "a", "tasks": {}, "audio": "a.wav", "groups": {}}\n',
            "line 2: 'duration_s' is missing",
        ),
        (
            b'{"schema": "soritune.predictions/1"}\n{"id": "a", "tasks": {}, "duration_s": 1, "groups": {}}\n',
            "line 2: 'audio' is missing",
        ),
        (b'{"schema": "soritune.predictions/1"}\n', "'tasks' is missing; write the file again"),
        (
            b'{"schema": "soritune.predictions/1", "tasks": [{"name": "x"}]}\n',
            r"'tasks\[0\].config' is missing",
        ),
        (
            b'{"schema": "soritune.predictions/1", "tasks": [], "data": 3}\n',
            "'data' must be an object, not 3",
        ),
    ],
)
def test_damaged_files_are_refused_with_their_line(tmp_path, content, message):
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        read_predictions(path)


GOOD = {"id": "a", "audio": "a.wav", "duration_s": 1, "groups": {}, "tasks": {}}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([GOOD, GOOD], "line 3: 'a' is already on line 2"),
        ([{"id": "a", "error": "x"}, GOOD], "line 3: 'a' is already on line 2"),
        ([{**GOOD, "duration_s": math.nan}], "line 2: 'duration_s' must be a number of seconds"),
        ([{**GOOD, "tasks": {"emotion": {}}}], "line 2: 'tasks.emotion.prediction' is missing"),
        (
            [{**GOOD, "tasks": {"e": {"prediction": {}, "reference": "sad"}}}],
            "'tasks.e.reference' must be an object",
        ),
        (
            [{**GOOD, "tasks": {"e": {"prediction": {"confidence": math.nan}}}}],
            "must be a number from 0 to 1",
        ),
        (
            [{**GOOD, "tasks": {"e": {"prediction": {"confidence": 2}}}}],
            "confidence' must be a number from 0 to 1",
        ),
        (
            [{**GOOD, "tasks": {"e": {"prediction": {"probabilities": {"x": -1}}}}}],
            "'tasks.e.prediction.prob.*x' must",
        ),
        (
            [{**GOOD, "windows": [{"start_s": 2, "end_s": 1, "tasks": {}}]}],
            "'windows.0..end_s' must be a time",
        ),
        ([{**GOOD, "windows": [{"start_s": 0, "end_s": 1}]}], "'windows.0..tasks' is missing"),
        (
            [{**GOOD, "windows": [{"start_s": 0, "end_s": 1, "tasks": {"e": {"label": []}}}]}],
            "'windows.0..tasks.e.label' must be a text",
        ),
    ],
)
def test_values_that_cannot_be_are_refused(tmp_path, rows, message):
    path = tmp_path / "p.jsonl"
    header = {"schema": "soritune.predictions/1", "tasks": []}
    path.write_text("".join(json.dumps(row) + "\n" for row in [header, *rows]), encoding="utf-8")
    with pytest.raises(ManifestError, match=message):
        read_predictions(path)


def test_channels_of_one_clip_are_read(tmp_path):
    path = tmp_path / "p.jsonl"
    rows = [{"schema": "soritune.predictions/1", "tasks": []}, {**GOOD, "channel": 0}, {**GOOD, "channel": 1}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert len(read_predictions(path).rows) == 2


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="does not exist; write it with"):
        read_predictions(tmp_path / "p.jsonl")


def test_folds_are_pooled_in_order(fakes, tmp_path):
    parts = []
    for fold in range(3):
        rows = fakes.prediction_rows({f"s{fold}": 4})
        task = fakes.emotion_task()
        parts.append(
            fakes.write_rows(
                tmp_path / f"{fold}.jsonl",
                [task],
                rows,
                name=f"fold-{fold}",
                synthetic=fold == 2,
                data={"seen": {"train": 0, "val": fold}},
            )
        )
    pooled = read_predictions(pool_predictions(parts, tmp_path / "cv" / "predictions" / "test.jsonl"))
    assert [row["groups"]["speaker"] for row in pooled.rows] == ["s0"] * 6 + ["s1"] * 6 + ["s2"] * 6
    assert [model.name for model in pooled.header.models] == ["fold-0", "fold-1", "fold-2"]
    assert pooled.header.model.name == "3 models of cv"
    assert pooled.header.data.pooled == 3
    assert pooled.header.data.seen == {"train": 0, "val": 3}
    assert (pooled.header.synthetic, pooled.header.data.synthetic) == (True, True)
    assert pooled.header.trained_on_synthetic is False


def test_pooled_rows_seen_are_unknown_if_one_part_does_not_state_them(fakes, tmp_path):
    parts = []
    for fold, data in enumerate(({"seen": {"train": 1, "val": 0}}, {})):
        rows = fakes.prediction_rows({f"s{fold}": 4})
        parts.append(fakes.write_rows(tmp_path / f"{fold}.jsonl", [fakes.emotion_task()], rows, data=data))
    assert read_predictions(pool_predictions(parts, tmp_path / "all.jsonl")).header.data.seen is None


def test_folds_with_common_clips_or_other_labels_are_not_pooled(fakes, tmp_path):
    rows = fakes.prediction_rows({"s0": 4})
    one = fakes.write_rows(tmp_path / "1.jsonl", [fakes.emotion_task()], rows)
    with pytest.raises(ManifestError, match="must not overlap"):
        pool_predictions([one, one], tmp_path / "all.jsonl")
    other = fakes.write_rows(tmp_path / "2.jsonl", [fakes.emotion_task(("calm", "tense"))], rows)
    with pytest.raises(ManifestError, match="other tasks or labels"):
        pool_predictions([one, other], tmp_path / "all.jsonl")
    with pytest.raises(ManifestError, match="at least one"):
        pool_predictions([], tmp_path / "all.jsonl")


@pytest.mark.parametrize(
    ("stated", "fault"),
    [
        ({"min_confidence": 0.6}, "another minimum confidence or coverage"),
        ({"coverage": 0.8, "thresholds": {"emotion": 0.4}}, "another minimum confidence or coverage"),
        ({"label_windows": {"window_s": 5.0, "hop_s": 2.5}}, "other windows"),
    ],
)
def test_predictions_with_other_uncertain_labels_or_windows_are_not_pooled(fakes, tmp_path, stated, fault):
    parts = [
        fakes.write_rows(tmp_path / f"{n}.jsonl", [fakes.emotion_task()], fakes.prediction_rows({f"s{n}": 4}))
        for n in range(3)
    ]
    for part in parts[1:]:
        restated(part, stated)
    with pytest.raises(ManifestError, match=fault):
        pool_predictions(parts[:2], tmp_path / "all.jsonl")
    pooled = read_predictions(pool_predictions(parts[1:], tmp_path / "all.jsonl"))
    assert {name: pooled.header.content[name] for name in stated} == stated


def test_enrolment_clips_of_pooled_predictions_are_added(fakes, tmp_path):
    parts = []
    for n, norm in enumerate(({"speakers": 2, "clips": [5, 5]}, {"speakers": 1, "clips": [3, 3]})):
        rows = fakes.prediction_rows({f"s{n}": 4})
        parts.append(fakes.write_rows(tmp_path / f"{n}.jsonl", [fakes.emotion_task()], rows))
        restated(parts[n], {"speaker_norm": norm})
    header = read_predictions(pool_predictions(parts, tmp_path / "all.jsonl")).header
    assert header.content["speaker_norm"] == {"speakers": 3, "clips": [3, 5]}
    assert header.speaker_norm == "normalisation per speaker from 3 to 5 enrolment clips"


def restated(path, stated):
    """Adds to the header of a predictions file."""
    head, _, rows = path.read_text(encoding="utf-8").partition("\n")
    path.write_text(f"{json.dumps({**json.loads(head), **stated})}\n{rows}", encoding="utf-8")


def test_header_beside_leaves_a_row_on_every_line(header, tmp_path):
    path = tmp_path / "p.jsonl"
    assert write_predictions(path, header, ROWS, header_beside=True) == (1, 1)
    assert [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()] == ["a", "b"]
    assert (tmp_path / "p.header.json").is_file()
    write_predictions(tmp_path / "q.jsonl", header, ROWS)
    assert read_predictions(path) == read_predictions(tmp_path / "q.jsonl")


def test_header_in_the_file_replaces_one_beside_it(header, tmp_path):
    path = tmp_path / "p.jsonl"
    write_predictions(path, header, ROWS, header_beside=True)
    write_predictions(path, header, ROWS[:1])
    assert [file.name for file in tmp_path.iterdir()] == ["p.jsonl"]
    assert len(read_predictions(path).rows) == 1


def test_header_of_other_rows_is_refused(header, tmp_path):
    path = tmp_path / "p.jsonl"
    write_predictions(path, header, ROWS, header_beside=True)
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="is the header of 2 rows, and p.jsonl has 1"):
        read_predictions(path)
    (tmp_path / "p.header.json").write_text("{}\n")
    with pytest.raises(ManifestError, match="is not the header of predictions"):
        read_predictions(path)
    (tmp_path / "p.header.json").unlink()
    with pytest.raises(ManifestError, match="there is no p.header.json beside it"):
        read_predictions(path)


def test_line_of_a_faulty_row_counts_from_the_first_row(header, tmp_path):
    path = tmp_path / "p.jsonl"
    write_predictions(path, header, [ROWS[0], {"id": "c"}], header_beside=True)
    with pytest.raises(ManifestError, match="line 2: a row needs"):
        read_predictions(path)
