"""Why a request is refused: a status, a sentence and a code, in the form of OpenAI's errors."""

from __future__ import annotations

from typing import Any

BUSY_SECONDS = 1
"""After which a client should try again."""


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: of HTTP.
        message: one sentence: what came, what is expected, what to do.
        code: a short identifier, such as "audio-damaged".
        retry_after: seconds after which the same request may succeed.
    """

    def __init__(self, status: int, message: str, code: str, *, retry_after: int | None = None) -> None:
        self.status, self.message, self.code, self.retry_after = status, message, code, retry_after
        super().__init__(message)

    def to_json(self, request_id: str | None = None) -> dict[str, Any]:
        """`{"error": {"message", "type", "code", "request_id"}}`."""
        return {"error": error_json(self.status, self.message, self.code, request_id)}

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After`, where trying again may help."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def error_json(status: int, message: str, code: str, request_id: str | None = None) -> dict[str, Any]:
    """The content of an error."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    content = {"message": message, "type": kind, "code": code}
    return content if request_id is None else {**content, "request_id": request_id}


def stopping() -> RequestError:
    """The server is being stopped."""
    return busy("the server is stopping; send the request again", "stopping")


def busy(message: str, code: str = "busy", status: int = 503) -> RequestError:
    """A fault that passes."""
    return RequestError(status, message, code, retry_after=BUSY_SECONDS)
