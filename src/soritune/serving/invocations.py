"""Bodies of `/invocations`: audio, JSON or CSV in, JSON out. The app and a SageMaker `inference.py` read them alike."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from soritune.errors import reason_of
from soritune.serving.answers import Answer
from soritune.serving.faults import RequestError
from soritune.serving.uploads import Upload, channel_of
from soritune.strict_json import parse_json, repeated_names

AUDIO = ("audio/", "video/webm", "video/mp4", "application/octet-stream", "application/ogg")
"""Beginnings of content types whose body is a file of audio; its content decides how it is read, not its type."""
JSON, CSV = ("application/json",), ("text/csv", "application/csv")
_COLUMNS = ("audio", "model", "channel")
_KEYS = ("audio", "model", "text", "channel")
_CELL = 2**31 - 1


class Instance(NamedTuple):
    """One recording of an invocation."""

    upload: Upload
    model: str | None = None


class Invocation(NamedTuple):
    """What a body holds."""

    instances: list[Instance]
    is_list: bool
    """Whether the answer is `{"predictions": […]}`, or that of a single recording."""


def read_invocation(body: bytes, content_type: str, *, max_files: int) -> Invocation:
    """Reads a body.

    Raises:
        RequestError: 415 for another content type; 413 for too many recordings; 422 for a body that is not what its
            type states.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith(AUDIO):
        return Invocation([Instance(Upload(body))], is_list=False)
    if kind in JSON:
        invocation = _from_json(body)
    elif kind in CSV:
        invocation = _from_csv(body)
    else:
        raise RequestError(
            415,
            f"the content type {kind[:60]!r} is not read here; send audio/wav or another audio type, application/json "
            'as {"audio": BASE64}, or text/csv with a column audio of base64',
            "content-type",
        )
    if not invocation.instances:
        raise RequestError(422, "the request has no recording; send at least one", "no-audio")
    if len(invocation.instances) > max_files:
        count = len(invocation.instances)
        raise RequestError(
            413, f"the request has {count} recordings; send at most {max_files} at once", "too-many-files"
        )
    return invocation


def write_answers(answers: Sequence[Answer | RequestError], invocation: Invocation) -> dict[str, Any]:
    """The JSON of the answers. In a list, a recording that failed has an `error`; a single one raises it.

    Raises:
        RequestError: of the single recording.
    """
    if invocation.is_list:
        return {"predictions": [answer.to_json() for answer in answers]}
    (answer,) = answers
    if isinstance(answer, RequestError):
        raise answer
    return answer.to_json()


def _from_json(body: bytes) -> Invocation:
    try:
        content = parse_json(body, object_pairs_hook=_once)
    except ValueError as error:
        raise RequestError(422, f"the body is not JSON ({error})", "json") from None
    listed = content.get("instances") if isinstance(content, Mapping) and "instances" in content else content
    if isinstance(listed, list):
        beside = [str(name) for name in content if name != "instances"] if listed is not content else []
        if beside:
            sentence = f"the key {beside[0][:60]!r} is beside instances; give it in each of them"
            raise RequestError(422, sentence, "json")
        return Invocation([_instance(each, f"recording {index}") for index, each in enumerate(listed)], True)
    return Invocation([_instance(content, "the body")], is_list=False)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """
    Raises:
        ValueError: a key occurs twice.
    """
    repeated = repeated_names(name for name, _ in pairs)
    if repeated:
        raise ValueError(f"the key {repeated[0][:60]!r} occurs twice")
    return dict(pairs)


def _instance(content: Any, subject: str) -> Instance:
    if not isinstance(content, Mapping) or not isinstance(content.get("audio"), str):
        raise RequestError(
            422, f'{subject} is not {{"audio": BASE64}}; give the bytes of a file as base64', "json"
        )
    unknown = [str(name) for name in content if name not in _KEYS]
    if unknown:
        raise RequestError(
            422, f"the key {unknown[0][:60]!r} of {subject} is unknown; known: {', '.join(_KEYS)}", "json"
        )
    model, text = content.get("model"), content.get("text")
    if not isinstance(model, str | None) or not isinstance(text, str | None):
        raise RequestError(422, f"the model or the text of {subject} is not a text", "json")
    channel = channel_of(content.get("channel"), subject)
    return Instance(Upload(_decoded(content["audio"], subject), text=text, channel=channel), model)


def _from_csv(body: bytes) -> Invocation:
    """A table with the column `audio`, or without a header one base64 per line."""
    try:
        csv.field_size_limit(_CELL)
        lines = [line for line in csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError(422, f"the body is not CSV in UTF-8 ({reason_of(error)})", "csv") from None
    columns: Sequence[str] = ("audio",)
    if lines and "audio" in lines[0]:
        columns, lines = lines[0], lines[1:]
        unknown = [name for name in columns if name not in _COLUMNS]
        repeated = repeated_names(columns)
        if repeated:
            raise RequestError(422, f"the column {repeated[0][:60]!r} occurs twice", "csv")
        if unknown:
            raise RequestError(
                422, f"the column {unknown[0][:60]!r} is unknown; known: {', '.join(_COLUMNS)}", "csv"
            )
    instances = []
    for number, line in enumerate(lines):
        cells = dict(zip(columns, line, strict=False))
        if len(line) != len(columns):
            raise RequestError(422, f"recording {number} has {len(line)} cells of {len(columns)}", "csv")
        data = _decoded(cells["audio"], f"recording {number}")
        upload = Upload(data, channel=channel_of(cells.get("channel"), f"recording {number}"))
        instances.append(Instance(upload, cells.get("model") or None))
    return Invocation(instances, is_list=True)


def _decoded(text: str, subject: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(422, f"the audio of {subject} is not base64 ({error})", "base64") from None
