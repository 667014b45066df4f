"""The commands of soritune and their help texts, from the command tree in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main
from typer.core import TyperGroup

from soritune.cli.main import app


def help_texts() -> list[tuple[str, str]]:
    """Each command as it is typed, and the help of the command, its arguments and its options."""
    return list(_below(typer.main.get_command(app), "soritune"))


def _below(command: Any, name: str) -> Iterator[tuple[str, str]]:
    texts = [command.help, command.epilog, *(getattr(option, "help", None) for option in command.params)]
    yield name, "\n".join(text for text in texts if text)
    if isinstance(command, TyperGroup):
        for member_name, member in command.commands.items():
            yield from _below(member, f"{name} {member_name}")
