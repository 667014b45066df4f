from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from soritune.serving.logs import FIELDS, JsonFormatter, log_as_json


def record(**more: object) -> logging.LogRecord:
    made = logging.LogRecord("soritune.serving", logging.INFO, __file__, 1, "request", None, None)
    made.created = 1_700_000_000.25
    made.__dict__.update(more)
    return made


def test_record_is_one_line_of_json_with_its_fields() -> None:
    line = JsonFormatter().format(record(**{FIELDS: {"status": 200, "client": "한\n"}}))
    assert "\n" not in line
    assert line.isascii()
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "INFO",
        "logger": "soritune.serving",
        "event": "request",
        "status": 200,
        "client": "한\n",
    }


def test_traceback_is_within_the_line() -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        line = JsonFormatter().format(record(exc_info=sys.exc_info()))
    assert "\n" not in line
    assert "ValueError: boom" in json.loads(line)["traceback"]


def test_every_logger_of_the_process_writes_json(monkeypatch: pytest.MonkeyPatch) -> None:
    root, err = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(sys, "stderr", err)
    levels = {name: logging.getLogger(name).level for name in ("soritune", "uvicorn", None)}
    try:
        log_as_json("INFO")
        logging.getLogger("soritune.x").info("known")
        logging.getLogger("uvicorn.error").info("127.0.0.1 - /v1/stream?key=hidden")
        logging.getLogger("other").warning("of a library")
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    assert [json.loads(line)["event"] for line in err.getvalue().splitlines()] == ["known", "of a library"]
