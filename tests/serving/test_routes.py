"""The routes over real models: equal answers by every way in, OpenAI's form, and the routes of SageMaker."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.serving.conftest import Connect, speechlike
from typer.testing import CliRunner

from soritune.audio.preprocessing import Preprocessing
from soritune.cli.main import app as command_line
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import RecognisedText, Word
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.tasks.task import make_task
from soritune.testing import tiny_config, tiny_text_encoder

WAV = {"Content-Type": "audio/wav"}


def post(client: Any, route: str, clip: Path, **fields: Any) -> Any:
    return client.post(route, files={"file": ("clip.wav", clip.read_bytes())}, data=fields)


def streamed(client: Any, clip: Path, **config: Any) -> dict[str, Any]:
    """The final message of a stream with the samples of a file."""
    samples, rate = soundfile.read(clip, dtype="int16")
    data = samples.astype("<i2").tobytes()
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"sample_rate": rate, **config})
        for start in range(0, len(data), 6400):
            socket.send_bytes(data[start : start + 6400])
        socket.send_json({"event": "end"})
        while (message := socket.receive_json())["event"] not in ("final", "error"):
            pass
    return dict(message)


@pytest.mark.parametrize("backend", ["pytorch", "onnx-runtime"])
def test_same_clip_has_the_same_answer_by_every_way_in(
    toy: dict[str, Path], clip: Path, connect: Connect, backend: str
) -> None:
    """The command line, Python, HTTP and the end of a stream, exactly, with every number."""
    folder = str(toy[backend])
    client = connect(models=(f"toy={folder}",), enable_emotion=True)
    done = CliRunner().invoke(
        command_line, ["predict", str(clip), "--bundle", folder, "--vad", "energy", "--json"]
    )
    (row,) = json.loads(done.stdout)["predictions"]
    expected = {name: answer["prediction"] for name, answer in row["tasks"].items()}
    assert expected["phoneme"]["phones"]

    (from_python,) = Predictor.load(folder, vad="energy").predict([clip])
    assert {name: each["prediction"] for name, each in from_python["tasks"].items()} == expected

    (from_batch,) = client.post("/v1/batch", files={"files": clip.read_bytes()}).json()["answers"]
    assert from_batch["tasks"] == expected
    assert client.post(
        "/invocations", content=clip.read_bytes(), headers={"Content-Type": "audio/wav"}
    ).json() == (from_batch)
    assert streamed(client, clip)["answer"] == from_batch
    phones = post(client, "/v1/phonemes", clip).json()
    assert (phones["phones"], phones["hangul"]) == (
        expected["phoneme"]["phones"],
        expected["phoneme"]["hangul"],
    )
    emotion = post(client, "/v1/emotion", clip).json()
    assert {**expected["emotion"], **emotion} == emotion


def test_times_of_phones_rise_within_the_clip(connect: Connect, clip: Path) -> None:
    content = post(connect(), "/v1/phonemes", clip).json()
    times = content["times"]
    # Boundaries at the ends, and repeated ones, are left out of the text but have times.
    assert [each["symbol"] for each in times if each["symbol"] != "|"] == [
        p for p in content["phones"] if p != "|"
    ]
    starts = [each["start_s"] for each in times]
    assert starts == sorted(starts)
    assert all(0 <= each["start_s"] < each["end_s"] <= content["duration_s"] for each in times)


def test_emotion_is_off_and_the_answer_names_the_law(connect: Connect, clip: Path) -> None:
    answer = post(connect(), "/v1/emotion", clip)
    assert answer.status_code == 403
    assert "AI Act" in answer.json()["error"]["message"]


def test_emotion_is_nowhere_unless_enabled(connect: Connect, clip: Path) -> None:
    client, data = connect(), clip.read_bytes()
    answers = [
        client.post("/v1/batch", files={"files": data}).json()["answers"][0],
        client.post("/invocations", content=data, headers={"Content-Type": "audio/wav"}).json(),
        streamed(client, clip)["answer"],
    ]
    assert [list(answer["tasks"]) for answer in answers] == [["phoneme"]] * 3
    assert client.get("/healthz").json()["models"] == [{"name": "toy", "tasks": ["phoneme"]}]


def test_emotion_over_time_is_that_of_the_command_line(
    connect: Connect, clip: Path, toy: dict[str, Path]
) -> None:
    client = connect(enable_emotion=True)
    content = post(client, "/v1/emotion", clip, window_s="1", hop_s="0.5").json()
    predictor = Predictor.load(toy["onnx-runtime"], vad="energy", window_s=1, hop_s=0.5)
    (row,) = predictor.predict([clip])
    assert (content["windows"], content["segments"]) == (row["windows"], row["segments"])
    assert [window["start_s"] for window in content["windows"]] == [0.0, 0.5, 1.0]
    content = post(client, "/v1/emotion", clip, window_s="1", min_speech_s="1").json()
    predictor = Predictor.load(toy["onnx-runtime"], vad="energy", window_s=1, min_speech_s=1)
    (row,) = predictor.predict([clip])
    assert (content["windows"], content["segments"]) == (row["windows"], row["segments"])
    assert all(window["reason"] == "little-speech" and not window["tasks"] for window in content["windows"])
    assert content["uncertain"] and content["reason"] == "little-speech"


@pytest.mark.parametrize(
    "fields",
    [
        {"window_s": "1", "hop_s": "0.1"},
        {"window_s": "0.001"},
        {"window_s": "nan"},
        {"hop_s": "1"},
        {"min_speech_s": "1"},
    ],
)
def test_windows_that_cost_too_much_or_are_too_short_are_refused(
    connect: Connect, clip: Path, fields: dict[str, str]
) -> None:
    answer = post(connect(enable_emotion=True), "/v1/emotion", clip, **fields)
    assert answer.status_code == 422
    assert "window_s" in answer.json()["error"]["message"]


def test_windows_of_a_long_recording_have_no_emotion_unless_enabled(connect: Connect, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", speechlike(35.0), 16_000, subtype="PCM_16")
    files = {"files": (tmp_path / "long.wav").read_bytes()}
    (enabled,) = connect(enable_emotion=True).post("/v1/batch", files=files).json()["answers"]
    (disabled,) = connect().post("/v1/batch", files=files).json()["answers"]
    assert enabled["windows"]
    assert enabled["segments"]["emotion"]
    assert not {"windows", "segments"} & set(disabled)
    assert disabled["symbols"] == enabled["symbols"]


def test_one_faulty_file_of_a_batch_leaves_the_others(connect: Connect, clip: Path) -> None:
    files = [("files", ("../../etc/passwd", clip.read_bytes())), ("files", ("b", b"no audio at all" * 100))]
    first, second = connect().post("/v1/batch", files=files).json()["answers"]
    assert first["tasks"]["phoneme"]["phones"]
    assert second["error"]["code"] == "audio-format"


@pytest.mark.parametrize("form", ["json", "text", "verbose_json", "srt", "vtt"])
def test_transcription_has_the_form_of_openai(connect: Connect, clip: Path, form: str) -> None:
    client = connect()
    text = post(client, "/v1/phonemes", clip).json()["text"]
    answer = post(
        client,
        "/v1/audio/transcriptions",
        clip,
        model="toy",
        response_format=form,
        language="ko",
        temperature="0",
        prompt="anything",
        **{"timestamp_granularities[]": ["word", "segment"]},
    )
    assert answer.status_code == 200
    if form == "text":
        assert answer.text == text + "\n"
    elif form == "json":
        assert answer.json() == {"text": text, "text_kind": "as_pronounced", "model": "toy"}
    elif form == "verbose_json":
        content = answer.json()
        assert " ".join(word["word"] for word in content["words"]) == content["text"] == text
        assert " ".join(part["text"] for part in content["segments"]) == text
        assert content["duration"] == pytest.approx(2.0)
    else:
        assert answer.text.startswith("WEBVTT" if form == "vtt" else "1\n00:00:")
        assert text.split()[0] in answer.text


class Dictation:
    """A recogniser that states how many samples it was given."""

    name, language = "dictation", "ko"

    def record(self) -> dict[str, Any]:
        return {}

    def recognise(self, samples: np.ndarray) -> RecognisedText:
        return RecognisedText(
            f"{len(samples)}", (Word(f"{len(samples)}", 0.1, 0.4, 0.5),), len(samples) / 16_000
        )


def test_recogniser_is_chosen_by_its_name_and_gives_words(
    connect: Connect, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect()
    monkeypatch.setattr(client.app.state.models, "recogniser", Dictation())  # type: ignore[attr-defined]
    content = post(client, "/v1/audio/transcriptions", clip, model="dictation").json()
    assert content == {"text": "32000", "text_kind": "words", "model": "dictation"}
    assert client.get("/v1/models").json()["data"][1]["id"] == "dictation"


def test_unknown_model_is_not_found(connect: Connect, clip: Path) -> None:
    answer = post(connect(), "/v1/phonemes", clip, model="../../../etc")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert "toy" in answer.json()["error"]["message"]


OPENED: list[str] = []
"""Names that Python opens while a test has put an empty string first."""


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and OPENED:
        OPENED.append(str(arguments[0]))


def test_names_of_a_request_open_no_file(connect: Connect, clip: Path, tmp_path: Path) -> None:
    """Names of files, models and fields that are paths: only the upload itself is opened, in memory."""
    client, secret = connect(), tmp_path / "secret.wav"
    secret.write_bytes(clip.read_bytes())
    expected = post(client, "/v1/phonemes", clip).json()
    sys.addaudithook(watch)  # stays until the process ends
    OPENED.append("")
    try:
        for name in (
            "../../../../etc/passwd",
            str(secret),
            "file:///etc/passwd",
            "C:\\x",
            "a\0b.wav",
            "한" * 300,
        ):
            answer = client.post("/v1/phonemes", files={"file": (name, clip.read_bytes())})
            assert (answer.status_code, answer.json()) == (200, expected)
            assert post(client, "/v1/phonemes", clip, model=name).status_code in (404, 422)
            body = {"audio": name}
            assert client.post("/invocations", json=body).status_code == 422
            assert client.post("/v1/phonemes", data={"file": name}).status_code == 422
    finally:
        opened = [name for name in OPENED if name]
        OPENED.clear()
    assert len([name for name in opened if name.startswith("/proc/self/fd/")]) >= 6
    assert [name for name in opened if "passwd" in name or str(tmp_path) in name] == []


def test_json_and_csv_have_the_answer_of_the_file(connect: Connect, clip: Path) -> None:
    client, text = connect(), base64.b64encode(clip.read_bytes()).decode()
    alone = client.post(
        "/invocations", content=clip.read_bytes(), headers={"Content-Type": "audio/x-wav"}
    ).json()
    assert client.post("/invocations", json={"audio": text}).json() == alone
    listed = client.post("/invocations", content=f"audio\n{text}\n", headers={"Content-Type": "text/csv"})
    assert listed.json() == {"predictions": [alone]}


def test_channel_of_a_call_is_that_channel_alone(connect: Connect, tmp_path: Path) -> None:
    """As if the channel were a file."""
    client = connect(enable_emotion=True)
    left, right = speechlike(2.0), speechlike(2.0, seed=2)[::-1]
    for name, samples in (("left", left), ("right", right), ("both", np.stack([left, right], axis=1))):
        soundfile.write(tmp_path / f"{name}.wav", samples, 16_000, subtype="PCM_16")
    both = tmp_path / "both.wav"
    for route in ("/v1/phonemes", "/v1/emotion", "/v1/audio/transcriptions"):
        for name, number in (("left", 0), ("right", 1)):
            alone = post(client, route, tmp_path / f"{name}.wav").json()
            for given in (name, str(number)):
                stated = {} if route == "/v1/audio/transcriptions" else {"channel": number}
                assert post(client, route, both, channel=given).json() == alone | stated
    mean = post(client, "/v1/phonemes", both).json()
    assert "channel" not in mean
    assert all(mean["times"] != post(client, "/v1/phonemes", both, channel=n).json()["times"] for n in "01")
    windows = {"window_s": 1, "hop_s": 1, "channel": "right"}
    over_time = post(client, "/v1/emotion", both, **windows).json()
    del windows["channel"]
    assert (
        over_time["windows"]
        == post(client, "/v1/emotion", tmp_path / "right.wav", **windows).json()["windows"]
    )
    encoded = base64.b64encode(both.read_bytes()).decode()
    invoked = client.post("/invocations", json={"audio": encoded, "channel": 1}).json()
    assert (
        invoked["tasks"]["phoneme"]["phones"]
        == post(client, "/v1/phonemes", both, channel="right").json()["phones"]
    )
    missing = post(client, "/v1/phonemes", both, channel="2")
    assert missing.status_code == 422
    assert "2 channels" in missing.json()["error"]["message"]
    table = f"channel,audio\n0,{encoded}\nright,{encoded}\n"
    listed = client.post("/invocations", content=table, headers={"Content-Type": "text/csv"}).json()[
        "predictions"
    ]
    several = client.post("/v1/batch", files=[("files", both.read_bytes())], data={"channel": "left"}).json()
    first, second = (
        client.post("/invocations", content=(tmp_path / f"{name}.wav").read_bytes(), headers=WAV).json()
        for name in ("left", "right")
    )
    assert listed == [first | {"channel": 0}, second | {"channel": 1}]
    assert several == {"answers": [first | {"channel": 0}]}
    for given in ("each", "-1", "1.5", "²", "1000"):
        assert post(client, "/v1/phonemes", both, channel=given).json()["error"]["code"] == "channel"


@pytest.mark.parametrize("route", ["/v1/phonemes", "/v1/emotion", "/v1/pronunciation", "/v1/batch"])
def test_field_that_no_route_reads_is_refused(connect: Connect, clip: Path, route: str) -> None:
    """It would have no effect, and the client would not notice."""
    client = connect(enable_emotion=True)
    file = {"files" if route == "/v1/batch" else "file": clip.read_bytes()}
    answer = client.post(route, files=file, data={"windows_s": "1"})
    assert answer.status_code == 422
    assert "'windows_s' is unknown; known: file" in answer.json()["error"]["message"]
    asked = client.post(f"{route}?model=toy", files=file)
    assert (asked.status_code, asked.json()["error"]["code"]) == (422, "query")


def test_query_and_repeated_field_are_refused(connect: Connect, clip: Path) -> None:
    """One of them would have no effect."""
    client, data = connect(), clip.read_bytes()
    for route in ("/invocations", "/v1/audio/transcriptions"):
        files = {} if route == "/invocations" else {"files": {"file": data}}
        body = {"content": data, "headers": WAV} if route == "/invocations" else {}
        asked = client.post(f"{route}?channel=1", **files, **body)
        assert (asked.status_code, asked.json()["error"]["code"]) == (422, "query")
    twice = client.post("/v1/phonemes", files=[("file", data), ("file", data)])
    assert (twice.status_code, twice.json()["error"]["code"]) == (422, "repeated-field")
    several = client.post("/v1/phonemes", files={"file": data}, data={"model": ["toy", "toy"]})
    assert "sent 2 times" in several.json()["error"]["message"]
    misspelt = client.post("/v1/audio/transcriptions", files={"file": data}, data={"chanel": "1"})
    assert (misspelt.status_code, misspelt.json()["error"]["code"]) == (422, "unknown-field")


def test_further_fields_of_openai_are_accepted(connect: Connect, clip: Path) -> None:
    assert (
        post(connect(), "/v1/audio/transcriptions", clip, language="ko", temperature="0").status_code == 200
    )


def test_ping_and_health_answer(connect: Connect) -> None:
    assert connect().get("/ping").status_code == 200
    health = connect().get("/healthz").json()
    assert (health["status"], health["emotion"], health["recogniser"]) == ("ok", False, None)


def test_requests_are_counted_by_route(connect: Connect, clip: Path) -> None:
    client = connect(max_seconds=599)
    post(client, "/v1/phonemes", clip)
    client.get("/a/made-up/path")
    text = client.get("/metrics").text
    assert 'soritune_requests_total{route="/v1/phonemes",status="200"} 1.0' in text
    assert 'soritune_requests_total{route="unmatched",status="404"} 1.0' in text
    assert 'soritune_audio_seconds_total{model="toy"} 2.0' in text
    assert "made-up" not in text


def test_model_that_reads_a_text_takes_it_as_a_field(connect: Connect, clip: Path, tmp_path: Path) -> None:
    encoder = tiny_text_encoder(tmp_path / "text", ["가나 다라", "사과 나무"])
    text = {"encoder": str(encoder), "width": 8, "fusion": "text_only"}
    tasks = [make_task("phoneme", {}), make_task("emotion", {"labels": ["a", "b"], "text": text})]
    outputs = tuple(spec for task in tasks for spec in task.outputs)
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    model = build_model(config, outputs, seed=1, inputs=tasks[1].inputs)
    save_bundle(model, tmp_path / "bundle", tasks=tasks, preprocessing=Preprocessing())
    client = connect(models=(f"toy={tmp_path / 'bundle'}",), enable_emotion=True)
    (row,) = Predictor.load(tmp_path / "bundle", vad="energy").predict({"audio": clip, "text": "사과 나무"})
    content = post(client, "/v1/emotion", clip, text="사과 나무").json()
    assert content["probabilities"] == row["tasks"]["emotion"]["prediction"]["probabilities"]
    sent = {"audio": base64.b64encode(clip.read_bytes()).decode(), "text": "사과 나무"}
    invoked = client.post("/invocations", json=sent).json()
    assert invoked["tasks"]["emotion"]["probabilities"] == content["probabilities"]
    refused = post(client, "/v1/emotion", clip)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no-text")
