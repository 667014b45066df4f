"""Options that were written on the command line, as opposed to defaults: those that cannot act are refused."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from soritune.errors import SorituneError


def is_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter of the command was written on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_idle(context: typer.Context, reasons: Mapping[str, str | None]) -> None:
    """Refuses an option that was given and cannot act.

    Args:
        context: of the command.
        reasons: parameter → why it cannot act, as the end of a sentence; None where it acts.

    Raises:
        SorituneError: such an option was given.
    """
    for name, reason in reasons.items():
        if reason is not None and is_given(context, name):
            option = next(p.opts[0] for p in context.command.params if p.name == name)
            raise SorituneError(f"{option} has no effect {reason}; leave it out")
