import json

import pytest

from soritune.errors import ManifestError, OutputError
from soritune.inference.predictions import (
    make_header,
    pool_predictions,
    read_predictions,
    without_nan,
    write_predictions,
)
from soritune.inference.predictor import Predictor


@pytest.fixture
def header(fakes):
    predictor = Predictor([fakes.member([fakes.emotion_task(), fakes.phoneme_task()])])
    return make_header(predictor, {"split": "test", "manifest_hash": "abc"})


ROWS = [
    {"id": "a", "audio": "가 나.wav", "duration_s": 1.0, "groups": {}, "tasks": {}},
    {"id": "b", "audio": "b.wav", "error": "empty"},
]


def test_round_trip(header, tmp_path):
    path = tmp_path / "new folder" / "p.jsonl"
    assert write_predictions(path, header, iter(ROWS)) == (1, 1)
    found = read_predictions(path)
    assert dict(found.header) == json.loads(json.dumps(header))
    assert list(found.rows) == ROWS
    assert [row["id"] for row in found.good] == ["a"]
    assert [row["id"] for row in found.failed] == ["b"]
    assert "가 나" in path.read_text(encoding="utf-8")


def test_header_names_the_origin(header):
    assert header["bundle"]["recipe_name"] == "fake"
    assert header["bundle"]["data"]["manifest_hash"] == "c0ffee"
    assert [task["name"] for task in header["tasks"]] == ["emotion", "phoneme"]
    assert header["data"] == {"split": "test", "manifest_hash": "abc"}
    assert header["synthetic"] is False


def test_synthetic_data_marks_the_header(fakes):
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    assert make_header(predictor, {"synthetic": True})["synthetic"] is True


def test_a_failing_prediction_leaves_no_file(header, tmp_path):
    def rows():
        yield ROWS[0]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_predictions(tmp_path / "p.jsonl", header, rows())
    assert list(tmp_path.iterdir()) == []


def test_nan_is_written_as_null(header, tmp_path):
    path = tmp_path / "p.jsonl"
    write_predictions(path, header, [{"id": "a", "audio": "a", "tasks": {}, "x": [float("nan"), 1.0]}])
    assert read_predictions(path).rows[0]["x"] == [None, 1.0]
    assert without_nan({"a": (float("inf"), "x")}) == {"a": [None, "x"]}


def test_unwritable_place(header, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_predictions(tmp_path / "file" / "p.jsonl", header, ROWS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no predictions file"),
        (b'{"schema": "other/1"}\n', "no predictions file"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"schema": "soritune.predictions/1"}\n{"id": 1\n', "line 2: is not JSON"),
        (b'{"schema": "soritune.predictions/1"}\n[1]\n', "line 2: is not a JSON object"),
        (b'{"schema": "soritune.predictions/1"}\n{"id": "a"}\n', "line 2: a row needs"),
    ],
)
def test_damaged_files_are_refused_with_their_line(tmp_path, content, message):
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        read_predictions(path)


def test_missing_file(tmp_path):
    with pytest.raises(ManifestError, match="is not there"):
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
    found = read_predictions(pool_predictions(parts, tmp_path / "all" / "test.jsonl"))
    assert [row["groups"]["speaker"] for row in found.rows] == ["s0"] * 6 + ["s1"] * 6 + ["s2"] * 6
    assert [bundle["name"] for bundle in found.header["bundles"]] == ["fold-0", "fold-1", "fold-2"]
    assert found.header["data"]["pooled"] == 3
    assert found.header["data"]["seen"] == {"train": 0, "val": 3}
    assert found.header["synthetic"] is True


def test_pooling_refuses_overlap_other_labels_and_nothing(fakes, tmp_path):
    rows = fakes.prediction_rows({"s0": 4})
    one = fakes.write_rows(tmp_path / "1.jsonl", [fakes.emotion_task()], rows)
    with pytest.raises(ManifestError, match="must not overlap"):
        pool_predictions([one, one], tmp_path / "all.jsonl")
    other = fakes.write_rows(tmp_path / "2.jsonl", [fakes.emotion_task(("calm", "tense"))], rows)
    with pytest.raises(ManifestError, match="other tasks or labels"):
        pool_predictions([one, other], tmp_path / "all.jsonl")
    with pytest.raises(ManifestError, match="at least one"):
        pool_predictions([], tmp_path / "all.jsonl")
