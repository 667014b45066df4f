"""What was written wrongly on the command line, as one sentence: an unknown command or option, a missing argument."""

from __future__ import annotations

from typing import Any

import typer

from soritune.errors import nearest


def usage_sentence(error: typer.TyperException) -> str:
    """The message of a wrong call, with the nearest known option and the command whose help has the rest.

    Args:
        error: of typer, with the context of the command where it has one.
    """
    context: typer.Context | None = getattr(error, "ctx", None)
    parameter = getattr(error, "param", None)
    written = getattr(error, "option_name", None)
    message = str(error).rstrip(".")
    if parameter is not None:
        message = f"{_name_of(parameter)} {_fault(error)}"
    elif written and context is not None and getattr(error, "possibilities", _NONE) is not _NONE:
        known = [name for each in context.command.params for name in each.opts if name.startswith("--")]
        close = nearest(written, known)
        message = f"there is no option {written}" + (f"; did you mean {close}?" if close else "")
    separator = "" if message.endswith("?") else ";"
    where = "soritune" if context is None else context.command_path.replace("python -m ", "")
    kind = "the commands" if context is None or hasattr(context.command, "commands") else "its options"
    return f"{message}{separator} `{where} --help` lists {kind}"


_NONE = object()


def _name_of(parameter: Any) -> str:
    """An option as it is typed, or an argument as the help names it."""
    names = [name for name in parameter.opts if name.startswith("-")]
    return max(names, key=len) if names else str(parameter.name).upper()


def _fault(error: typer.TyperException) -> str:
    """Why a value is refused. A value that is missing has no message of its own."""
    from pydantic import ValidationError

    from soritune.settings import plain_message

    if isinstance(error.__cause__, ValidationError):
        fault = error.__cause__.errors()[0]
        message = plain_message(fault).rstrip(".")
        return message if str(fault["input"]) in message else f"{message}, not '{fault['input']}'"
    return error.message.rstrip(".") or "is missing"


def is_bare(error: typer.TyperException) -> bool:
    """Whether a group of commands was called without one: its help is already on the terminal, and there is no fault
    to report."""
    return not str(error)
