from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.serving.conftest import Connect

from soritune.serving import examples


def example(answer: dict[str, Any]) -> dict[str, Any]:
    return dict(answer["content"]["application/json"]["example"])


def test_examples_have_the_keys_of_answers(connect: Connect, clip: Path) -> None:
    client, files = connect(enable_emotion=True), {"file": clip.read_bytes()}
    for route, shown in (
        ("/v1/phonemes", examples.PHONES),
        ("/v1/audio/transcriptions", examples.TRANSCRIPTION),
    ):
        assert list(client.post(route, files=files).json()) == list(example(shown))
    assert set(example(examples.EMOTION)) <= set(client.post("/v1/emotion", files=files).json())
    assert list(client.get("/healthz").json()) == list(example(examples.HEALTH))
    sent = client.post(
        "/invocations", content=clip.read_bytes(), headers={"Content-Type": "audio/wav"}
    ).json()
    assert list(sent) == list(example(examples.INVOCATION))


def test_errors_are_described_for_every_status(connect: Connect, clip: Path) -> None:
    described = connect().get("/openapi.json").json()["paths"]["/v1/phonemes"]["post"]["responses"]
    assert {"400", "401", "404", "408", "413", "422", "429", "503"} <= set(described)
    error = connect().post("/v1/phonemes", files={"file": b""}).json()
    assert list(error["error"]) == list(example(examples.ERRORS[413])["error"])
