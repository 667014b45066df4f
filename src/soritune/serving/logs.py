"""Logs as one JSON object per line. They have no audio, no text of a recording, no file names and no keys."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

FIELDS = "fields"
"""Attribute of a log record with further fields: `logger.info("request", extra={FIELDS: {...}})`."""


class JsonFormatter(logging.Formatter):
    """Time, level, logger, event and the record's fields; a traceback as text."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; characters beyond ASCII are escaped, so that every terminal and collector can read it."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)


def log_as_json(level: str) -> None:
    """Makes every logger of the process write JSON on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("soritune").setLevel(level)
    # At INFO uvicorn logs addresses and the queries of addresses.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
