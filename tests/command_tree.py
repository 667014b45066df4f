"""The commands of soritune and their help texts, from the command tree in this process."""

from __future__ import annotations

from collections.abc import Iterator

import click
import typer.main

from soritune.cli.main import app


def help_texts() -> list[tuple[str, str]]:
    """Each command as it is typed, and the help of the command, its arguments and its options."""
    root = typer.main.get_command(app)
    return list(_below(root, click.Context(root, info_name="soritune")))


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    texts = [command.help, command.epilog, *(getattr(option, "help", None) for option in command.params)]
    yield context.command_path, "\n".join(text for text in texts if text)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            yield from _below(member, click.Context(member, info_name=name, parent=context))
