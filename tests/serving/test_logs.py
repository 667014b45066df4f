from __future__ import annotations

import json
import logging
import sys

from soritune.serving.logs import FIELDS, JsonFormatter


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
