"""Examples of answers for the OpenAPI description of the app."""

from __future__ import annotations

from typing import Any

from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.inference.assessor import NOTICE

_TIMES = [
    {"symbol": "G", "start_s": 0.12, "end_s": 0.14, "confidence": 0.98},
    {"symbol": "A", "start_s": 0.16, "end_s": 0.18, "confidence": 0.97},
]
_PHONE = {
    "index": 0,
    "expected": "G",
    "letter": "ㄱ",
    "ipa": "k",
    "position": "onset",
    "kind": "substitution",
    "recognised": "Kh",
    "recognised_letter": "ㅋ",
    "probability": 0.000001,
    "candidates": [{"phone": "Kh", "letter": "ㅋ", "probability": 0.98}],
    "accepted": None,
    "accepted_kind": None,
    "accepted_reason": None,
    "rules": [],
    "start_s": 0.1,
    "end_s": 0.2,
}
_HEAD = {"model": DEFAULT_MODEL, "duration_s": 0.62, "speech": True}
_PREDICTION = {"phones": ["G", "A"], "confidence": 0.975, "hangul": "가"}
_ALL = {**_HEAD, "tasks": {"phoneme": {"task": "phoneme", **_PREDICTION}}, "symbols": {"phoneme": _TIMES}}


def _json(description: str, example: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


def _error(code: str) -> dict[str, Any]:
    return {
        "error": {
            "message": "the recording is not audio, or is damaged",
            "type": "invalid_request_error",
            "code": code,
            "request_id": "5f0c",
        }
    }


BATCH = _json(
    "An answer or an error per recording, in their order", {"answers": [_ALL, _error("audio-damaged")]}
)
PHONES = _json(
    "Phones, their times, and the text that they make",
    {**_HEAD, **_PREDICTION, "text": "가", "text_kind": "as_pronounced", "times": _TIMES},
)
EMOTION = _json(
    "A label with its probability",
    {
        **_HEAD,
        "task": "emotion",
        "label": "Happy",
        "confidence": 0.81,
        "probabilities": {"Happy": 0.81, "Sad": 0.19},
    },
)
PRONUNCIATION = _json(
    "The answer of `soritune assess`; here ㄱ of 가 was pronounced as ㅋ",
    {
        "soritune": "0.1.0",
        "models": [{"name": DEFAULT_MODEL, "folder": "ko-base", "sha256": "91ab…", "created": "2026-11-29"}],
        "language_detector": None,
        "validated": False,
        "notice": NOTICE,
        "speaker": None,
        "date": None,
        "schema": "soritune.assessment/1",
        "id": "upload",
        "audio": "upload",
        "text": "가",
        "assessable": True,
        "outcome": "assessed",
        "reason": None,
        "recording": {
            "duration_s": 0.62,
            "level_dbfs": -21.4,
            "snr_db": 32.0,
            "clipped_share": 0.0,
            "speech_s": 0.4,
            "lossy_codec": None,
        },
        "warnings": [],
        "language": None,
        "relatedness": {"margin": 4.1, "deviation": 6.2},
        "words": [
            {
                "text": "가",
                "spoken": "가",
                "pronounced": "가",
                "start_s": 0.1,
                "end_s": 0.4,
                "errors": 1,
                "syllables": [
                    {"text": "가", "pronounced": "가", "start_s": 0.1, "end_s": 0.4, "phones": [_PHONE]}
                ],
            }
        ],
        "insertions": [],
        "counts": {"phones": 1, "correct": 0, "substitution": 1, "deletion": 0, "unclear": 0, "insertion": 0},
        "fluency": {"pauses": [], "speech_rate": 3.333, "articulation_rate": 3.333},
        "scores": None,
        "advice": {
            "id": "not-aspirated",
            "phone": 0,
            "word": 0,
            "ko": "'가'의 ㄱ은 바람을 내지 말고 발음하세요. ㅋ처럼 바람이 많았어요.",
            "en": "In '가', say ㄱ without a puff of air; it sounded aspirated, like ㅋ.",
            "article": None,
        },
        "thresholds": {"name": "ko-base-2", "origin": "…", "phone_log_probability": -13.5},
    },
)
TRANSCRIPTION = _json(
    "A transcript; text, srt and vtt are plain text",
    {"text": "가", "text_kind": "as_pronounced", "model": DEFAULT_MODEL},
)
INVOCATION = _json("All tasks; several recordings are a list under `predictions`", _ALL)
HEALTH = _json(
    "The server is ready",
    {
        "status": "ok",
        "models": [{"name": DEFAULT_MODEL, "tasks": ["phoneme"]}],
        "recogniser": None,
        "emotion": False,
        "pronunciation": [DEFAULT_MODEL],
        "limits": {
            "bytes": 26214400,
            "seconds": 600.0,
            "files": 32,
            "concurrent": 64,
            "answer_seconds": 60.0,
        },
    },
)
ERRORS: dict[int | str, dict[str, Any]] = {
    status: _json(description, _error(code))
    for status, description, code in (
        (400, "The model does not answer this route", "model-unfit"),
        (401, "The API key is missing or wrong", "invalid_api_key"),
        (404, "There is no such model", "model_not_found"),
        (408, "The body did not arrive in time", "upload-slow"),
        (413, "Too many bytes, seconds or recordings", "body-too-large"),
        (422, "A field or the recording cannot be used", "audio-damaged"),
        (429, "The client has too many requests in progress", "too-many-requests"),
        (503, "The server is busy; Retry-After has the seconds to wait", "busy"),
    )
}
