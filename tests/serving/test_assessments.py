"""`/v1/pronunciation`: the answers of `soritune assess`, by both backends."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import soundfile
from starlette.testclient import TestClient
from tests.serving.conftest import Connect, speechlike
from typer.testing import CliRunner

from soritune.assessment.limits import Stopped, check_stop
from soritune.cli.main import app as command_line
from soritune.corpus.manifest import Manifest
from soritune.inference.assessor import Assessor
from soritune.inference.predictor import Predictor
from soritune.serving import assessments
from soritune.serving.app import build_app
from soritune.serving.logs import FIELDS
from soritune.serving.models import ServedModels
from soritune.serving.settings import ServeSettings
from soritune.stages.assess import assess_clips
from soritune.stages.export import export

ROUTE = "/v1/pronunciation"


@pytest.fixture(scope="module")
def folders(tiny_ko: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The model of the package and its export, by backend."""
    folder = tmp_path_factory.mktemp("graph") / "onnx"
    export("onnx", tiny_ko, folder, {"older": True})
    return {"pytorch": tiny_ko, "onnx-runtime": str(folder)}


@pytest.fixture(scope="module")
def spoken(unseen: Manifest) -> tuple[Path, str]:
    """A clip of the synthesizer and its text."""
    row = next(unseen.utterances())
    return unseen.audio_path(row), str(row.text)


def post(client: TestClient, clip: Path, **fields: Any) -> Any:
    return client.post(ROUTE, files={"file": ("clip.wav", clip.read_bytes())}, data=fields)


def without_names(answer: dict[str, Any]) -> dict[str, Any]:
    """An upload has no path."""
    return {key: value for key, value in answer.items() if key not in ("id", "audio")}


@pytest.mark.parametrize("backend", ["pytorch", "onnx-runtime"])
@pytest.mark.parametrize("expected", ["text", "phones", "other text"])
def test_command_line_python_and_http_give_the_same_answer(
    folders: dict[str, str], spoken: tuple[Path, str], connect: Connect, backend: str, expected: str
) -> None:
    clip, text = spoken
    fields = {
        "text": {"text": text},
        "phones": {"phones": "G A | N A D A"},
        "other text": {"text": "내일 아침에는 비가 많이 온다고 합니다"},
    }[expected]
    client = connect(models=(f"ko={folders[backend]}",))
    answer = post(client, clip, **fields)
    assert answer.status_code == 200, answer.text
    http = answer.json()
    options = [part for name, value in fields.items() for part in (f"--{name}", value)]
    arguments = ["assess", str(clip), "--bundle", folders[backend], "--vad", "energy", "--json", *options]
    done = CliRunner().invoke(command_line, arguments)
    (from_command_line,) = json.loads(done.stdout)["answers"]
    given = {"text": {"text": fields["text"]}} if "text" in fields else {"phones": fields["phones"].split()}
    item = {"audio": clip, **given.get("text", {})}
    phones = given.get("phones")
    predictor = Predictor.load(folders[backend], vad="off")
    (from_python,) = assess_clips(predictor, [item], phones=phones, vad="energy")
    assert without_names(http) == without_names(from_command_line)
    assert without_names(http) == without_names(json.loads(json.dumps(from_python)))
    assert (http["id"], http["audio"]) == ("upload", "upload")
    assert http["validated"] is False
    assert http["assessable"] is (expected != "other text")
    if expected == "text":
        assert http["words"]
        assert http["counts"]["phones"] > 10


def test_recording_that_cannot_be_assessed_is_answered_with_the_reason(
    tiny_ko: str, connect: Connect, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "silence.wav", [0.0] * 32_000, 16_000)
    answer = post(connect(models=(f"ko={tiny_ko}",)), tmp_path / "silence.wav", text="안녕하세요").json()
    assert (answer["assessable"], answer["outcome"]) == (False, "no-speech")
    assert answer["words"] is answer["advice"] is answer["scores"] is None


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({}, 422, "no-text"),
        ({"text": "  "}, 422, "no-text"),
        ({"text": "가", "phones": "G A"}, 422, "no-text"),
        ({"phones": "G QQ"}, 422, "phones-unknown"),
        ({"phones": "G [PAD] A"}, 422, "phones-unknown"),
        ({"text": "가" * 2001}, 422, "invalid-field"),
        ({"text": "가", "model": "none"}, 404, "model_not_found"),
    ],
)
def test_faulty_request_is_refused(
    tiny_ko: str, clip: Path, connect: Connect, fields: dict[str, str], status: int, code: str
) -> None:
    answer = post(connect(models=(f"ko={tiny_ko}",)), clip, **fields)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_damaged_file_and_long_recording_are_refused_as_elsewhere(
    tiny_ko: str, connect: Connect, tmp_path: Path
) -> None:
    client = connect(models=(f"ko={tiny_ko}",), max_seconds=1.0)
    (tmp_path / "notes.wav").write_bytes(b"no audio at all" * 100)
    assert post(client, tmp_path / "notes.wav", text="가").status_code == 422
    soundfile.write(tmp_path / "long.wav", speechlike(2.0), 16_000)
    assert post(client, tmp_path / "long.wav", text="가").status_code == 413
    soundfile.write(tmp_path / "longer.wav", [0.0] * 121 * 8_000, 8_000)
    answer = post(connect(models=(f"ko={tiny_ko}",)), tmp_path / "longer.wav", text="가")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "audio-too-long")
    assert "more than 120 s" in answer.json()["error"]["message"]


def test_model_without_thresholds_is_refused_with_what_to_do(
    toy: dict[str, Path], tiny_ko: str, clip: Path, connect: Connect
) -> None:
    alone = connect()
    assert alone.get("/healthz").json()["pronunciation"] == []
    answer = post(alone, clip, text="가")
    assert answer.status_code == 400
    assert "--choose-thresholds" in answer.json()["error"]["message"]
    both = connect(models=(f"toy={toy['onnx-runtime']}", f"ko={tiny_ko}"))
    assert both.get("/healthz").json()["pronunciation"] == ["ko"]
    assert post(both, clip, text="가").json()["models"][0]["name"] == "soritune/tiny-ko"
    assert post(both, clip, text="가", model="toy").status_code == 400


def test_recogniser_of_the_server_detects_the_language(tiny_ko: str, spoken: tuple[Path, str]) -> None:
    class Recogniser:
        name, language = "words", "ko"

        def detect_language(self, samples: Any) -> tuple[str, float]:
            assert samples.ndim == 1
            return "en", 0.97

    settings = ServeSettings(models=(f"ko={tiny_ko}",), vad="energy")
    models = ServedModels(list(ServedModels.open(settings)), settings, Recogniser())  # type: ignore[arg-type]
    with TestClient(build_app(models, settings)) as client:
        answer = post(client, spoken[0], text=spoken[1]).json()
    assert (answer["outcome"], answer["language_detector"]) == ("other-language", "words")


def test_texts_are_not_logged(
    tiny_ko: str, spoken: tuple[Path, str], connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "soritune.serving"):
        post(connect(models=(f"ko={tiny_ko}",)), spoken[0], text=spoken[1])
    records = [vars(record) for record in caplog.records]
    assert [record[FIELDS]["route"] for record in records if record["msg"] == "request"] == [ROUTE]
    assert not any(spoken[1] in str(record) for record in records)


class Endless:
    """Assessments that end only when they are asked to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.stopped = threading.Event(), threading.Event()

        def answer(*arguments: Any) -> Any:
            self.begun.set()
            try:
                while True:
                    check_stop()
                    time.sleep(0.01)
            except Stopped:
                self.stopped.set()
                raise

        monkeypatch.setattr(Assessor, "answer", answer)


def test_assessment_stops_at_its_deadline(
    tiny_ko: str, spoken: tuple[Path, str], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Endless(monkeypatch)
    client = connect(models=(f"ko={tiny_ko}",), answer_seconds=3.0)
    refused = post(client, spoken[0], text=spoken[1])
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "slow")
    assert endless.stopped.wait(20) or not endless.begun.is_set()
    monkeypatch.undo()
    assert client.app.state.assessments._threads.submit(lambda: "free").result(20) == "free"  # type: ignore[attr-defined]


def test_assessment_stops_with_the_server(
    tiny_ko: str, spoken: tuple[Path, str], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless, answers = Endless(monkeypatch), []
    client = connect(models=(f"ko={tiny_ko}",))
    thread = threading.Thread(target=lambda: answers.append(post(client, spoken[0], text=spoken[1])))
    thread.start()
    assert endless.begun.wait(60)
    client.app.state.assessments.close()  # type: ignore[attr-defined]
    assert endless.stopped.is_set()
    thread.join(60)
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "stopping")
    monkeypatch.undo()
    assert post(client, spoken[0], text=spoken[1]).json()["assessable"] is True


def test_text_and_recording_that_are_too_long_together_are_refused(
    tiny_ko: str, spoken: tuple[Path, str], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assessments, "MOST_CELLS", 100)
    answer = post(connect(models=(f"ko={tiny_ko}",)), spoken[0], text=spoken[1])
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "assessment-too-large")
    assert "send shorter parts" in answer.json()["error"]["message"]
