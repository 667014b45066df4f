from __future__ import annotations

from soritune.serving.faults import RequestError, busy


def test_error_has_the_form_of_openai() -> None:
    error = RequestError(422, "the recording is empty", "audio-empty")
    assert error.to_json("7") == {
        "error": {
            "message": "the recording is empty",
            "type": "invalid_request_error",
            "code": "audio-empty",
            "request_id": "7",
        }
    }
    assert error.headers == {}


def test_busy_server_names_when_to_try_again() -> None:
    assert busy("full").headers == {"Retry-After": "1"}
    assert busy("full").status == 503
    assert busy("full").to_json()["error"]["type"] == "server_error"
    assert busy("yours", "many", 429).to_json()["error"]["type"] == "invalid_request_error"
