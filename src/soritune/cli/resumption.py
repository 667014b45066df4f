"""`soritune predict --resume`: what an earlier call left, checked before a model is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from soritune.cli.terminal import print_error
from soritune.terminal_text import counted

if TYPE_CHECKING:
    from soritune.inference.header import Header
    from soritune.inference.predictions import Row
    from soritune.stages.finished_rows import FinishedRows


class Resumption:
    """The rows of earlier calls with the same `--output`: of the last one that ended, and of one that was killed after
    it.

    Args:
        context: of the command, at whose end the file of finished rows is closed.
        output: of the predictions.
        files: further files of the call, whose leftovers of killed calls are removed.
        known: what the header will state, as far as it is known before a model is loaded.

    Raises:
        OutputError: another call is writing the output, or the rows were made with other models or settings.
        ManifestError: `output` is not a predictions file.
    """

    def __init__(
        self, context: typer.Context, output: Path, files: Iterable[Path | None], known: Header
    ) -> None:
        from soritune.inference.predictions import header_file, read_predictions
        from soritune.stages.earlier_predictions import refuse_other_settings
        from soritune.stages.finished_rows import finished_rows
        from soritune.whole_file import remove_leftovers

        self.output = output
        self.finished: FinishedRows = context.with_resource(finished_rows(output))
        for path in (output, header_file(output), *files):
            if path is not None:
                remove_leftovers(path)
        self.predictions = read_predictions(output) if output.exists() else None
        headers = [
            (output, None if self.predictions is None else self.predictions.header),
            (self.finished.path, self.finished.header()),
        ]
        for path, header in headers:
            if header is not None:
                refuse_other_settings(path, header, known, only_known=True)

    def rows(self, header: Header) -> list[Row]:
        """The rows that are kept.

        Args:
            header: of the predictions that are about to be made.

        Raises:
            OutputError: the rows were made with other models or settings.
        """
        from soritune.stages.earlier_predictions import earlier_rows, new_rows

        ended = [] if self.predictions is None else earlier_rows(self.output, header, self.predictions)
        killed = new_rows(self.finished.rows(header), ended)
        if killed:
            print_error(f"{counted(len(killed), 'row')} of a call that was stopped are kept too", style="dim")
        return [*ended, *killed]


def print_kept(output: Path, earlier: Sequence[Row], files: Sequence[Path]) -> None:
    """Reports on standard error what is kept and what is predicted."""
    kept = counted(len(earlier), "row")
    print_error(f"{kept} of {output} kept; {counted(len(files), 'file')} to predict", style="dim")
