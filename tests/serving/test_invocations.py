from __future__ import annotations

import base64
import json

import pytest

from soritune.serving.answers import Answer
from soritune.serving.faults import RequestError
from soritune.serving.invocations import Invocation, read_invocation, write_answers

A, B = base64.b64encode(b"first").decode(), base64.b64encode(b"second").decode()


def read(body: str | bytes, kind: str, most: int = 4) -> Invocation:
    return read_invocation(body if isinstance(body, bytes) else body.encode(), kind, max_files=most)


def contents(invocation: Invocation) -> list[tuple[bytes, str | None]]:
    return [(each.upload.data, each.model) for each in invocation.instances]


@pytest.mark.parametrize(
    "kind",
    [
        "audio/wav",
        "audio/wave",
        "audio/x-flac",
        "audio/webm;codecs=opus",
        "application/octet-stream",
        "AUDIO/MPEG",
    ],
)
def test_body_of_audio_is_one_recording(kind: str) -> None:
    invocation = read(b"bytes", kind)
    assert contents(invocation) == [(b"bytes", None)]
    assert not invocation.is_list


@pytest.mark.parametrize(
    ("body", "kind", "expected", "is_list"),
    [
        (json.dumps({"audio": A, "model": "m"}), "application/json", [(b"first", "m")], False),
        (
            json.dumps({"instances": [{"audio": A}, {"audio": B}]}),
            "application/json",
            [(b"first", None), (b"second", None)],
            True,
        ),
        (json.dumps([{"audio": B}]), "application/json; charset=utf-8", [(b"second", None)], True),
        (f"{A}\n{B}\n", "text/csv", [(b"first", None), (b"second", None)], True),
        (f"model,audio\nm,{A}\n,{B}\n", "text/csv", [(b"first", "m"), (b"second", None)], True),
    ],
)
def test_json_and_csv_hold_base64(
    body: str, kind: str, expected: list[tuple[bytes, str | None]], is_list: bool
) -> None:
    invocation = read(body, kind)
    assert contents(invocation) == expected
    assert invocation.is_list is is_list


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"x", "image/png", 415, "content-type"),
        (b"x", "", 415, "content-type"),
        (b"{", "application/json", 422, "json"),
        (b"[" * 200_000, "application/json", 422, "json"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "application/json", 422, "json"),
        (b"{}", "application/json", 422, "json"),
        (b"5", "application/json", 422, "json"),
        (b"null", "application/json", 422, "json"),
        (b"[]", "application/json", 422, "no-audio"),
        (b'{"audio": 3}', "application/json", 422, "json"),
        (b'{"audio": "%%%"}', "application/json", 422, "base64"),
        ('{"audio": "한"}'.encode(), "application/json", 422, "base64"),
        (b'{"audio": "", "model": {}}', "application/json", 422, "json"),
        (b'{"audio": "", "text": 3}', "application/json", 422, "json"),
        (b'{"audio": "", "channel": true}', "application/json", 422, "channel"),
        (b'{"audio": "", "channel": -1}', "application/json", 422, "channel"),
        (b'{"audio": "", "chanel": 1}', "application/json", 422, "json"),
        (b"audio,channel\nAAAA,each\n", "text/csv", 422, "channel"),
        (b"audio,channel,channel\nAAAA,0,1\n", "text/csv", 422, "csv"),
        (b'{"audio": "", "channel": 0, "channel": 1}', "application/json", 422, "json"),
        (b'{"instances": [{"audio": ""}], "channel": 1}', "application/json", 422, "json"),
        (b"\xff\xfe", "application/json", 422, "json"),
        (b"\xff\xfe", "text/csv", 422, "csv"),
        (b"", "text/csv", 422, "no-audio"),
        (b'"abc', "text/csv", 422, "csv"),
        (b"audio,path\nAAAA,/etc/passwd\n", "text/csv", 422, "csv"),
        (b"audio,model\nAAAA\n", "text/csv", 422, "csv"),
        (b"AAAA\n" * 5, "text/csv", 413, "too-many-files"),
    ],
)
def test_hostile_body_is_refused(body: bytes, kind: str, status: int, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(body, kind)
    assert (caught.value.status, caught.value.code) == (status, code)


def test_failed_recording_of_a_list_leaves_the_others() -> None:
    answer = Answer("m", {"duration_s": 1.0, "tasks": {}}, {})
    error = RequestError(422, "the recording is empty", "audio-empty")
    listed = write_answers([answer, error], read(f"{A}\n{B}\n", "text/csv"))
    assert listed["predictions"][0]["model"] == "m"
    assert listed["predictions"][1]["error"]["code"] == "audio-empty"
    with pytest.raises(RequestError):
        write_answers([error], read(b"x", "audio/wav"))
