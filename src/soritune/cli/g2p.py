"""`soritune g2p`: Korean text in, its standard pronunciation out."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from soritune.cli.terminal import print_lines
from soritune.errors import TextError, reason_of
from soritune.terminal_text import json_line

if TYPE_CHECKING:
    from soritune.korean.g2p import Boundary, Pronouncer
    from soritune.korean.normalization import Unread
    from soritune.korean.transcript import Mark

_REPORTED_LINES = 20
"""Faulty lines that are named on standard error."""


def g2p(
    text: Annotated[
        str | None, typer.Argument(help="Text to convert; without it and --file, lines are read from stdin.")
    ] = None,
    phones: Annotated[bool, typer.Option("--phones", help="Print phones instead of Hangul.")] = False,
    variants: Annotated[
        bool, typer.Option("--variants", help="Print every accepted pronunciation, the principal one first.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Print which article changed what.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line of text.")] = False,
    boundary: Annotated[
        Literal["phrase", "word"],
        typer.Option(help="phrase: rules apply over spaces; word: a space is a pause, save for 할 수."),
    ] = "phrase",
    lexicon: Annotated[
        Path | None,
        typer.Option(help="Your own words: word, tab, pronunciation, optionally tab and article."),
    ] = None,
    tagger: Annotated[
        Literal["auto", "kiwi", "none"],
        typer.Option(help="Use kiwipiepy: auto if it is installed, kiwi always, none never."),
    ] = "auto",
    file: Annotated[Path | None, typer.Option(help="Convert each line of this UTF-8 file.")] = None,
    transcript: Annotated[
        Literal["plain", "ksponspeech", "tags", "aihub"],
        typer.Option(help="Notation of transcript marks such as b/ or [noise], which is removed first."),
    ] = "plain",
) -> None:
    """Convert Korean text to its standard pronunciation, one line of output for each line of text.

    Reported on standard error: transcript marks, which are read as words unless --transcript removes them (with --json
    also under `marks`), and signs and letters without a reading, which are left out (also under `unread`).
    """
    from soritune.korean.g2p import Pronouncer
    from soritune.korean.normalization import unread
    from soritune.korean.transcript import clean_transcript, find_marks

    if text is not None and file is not None:
        raise TextError(f"got both a text and --file {file}; give one of them")
    pronouncer = Pronouncer(tagger, lexicon)
    faults = _Faults(has_lines=text is None)
    for number, line in enumerate([text] if text is not None else _lines(file), 1):
        line = clean_transcript(line, notation=transcript)
        marks, lost = find_marks(line), unread(line)
        faults.report(number, marks, lost)
        print_lines(
            _output_lines(
                pronouncer, line, boundary, phones, variants, explain, (marks, lost) if as_json else None
            )
        )
    faults.report_rest()


@dataclass
class _Faults:
    """Reports marks and characters without a reading on standard error: those of the first faulty lines, and the number
    of the others."""

    has_lines: bool
    lines: int = 0
    """Lines with marks or such characters."""

    def report(self, number: int, marks: Sequence[Mark], lost: Sequence[Unread]) -> None:
        """Reports what a line has, unless many lines were reported."""
        from soritune.cli.terminal import print_error
        from soritune.korean.transcript import notation_for

        self.lines += bool(marks or lost)
        if self.lines > _REPORTED_LINES:
            return
        line = f"line {number}" if self.has_lines else ""
        if marks:
            quoted = ", ".join(f"'{mark.text}'" for mark in marks)
            looks = (
                "looks like a transcript mark and is"
                if len(marks) == 1
                else "look like transcript marks and are"
            )
            removes = "it" if len(marks) == 1 else "them"
            print_error(
                f"{f'{line}: ' if line else ''}{quoted} {looks} read as words; "
                f"--transcript {notation_for({mark.kind for mark in marks})} removes {removes}",
                style="yellow",
            )
        for characters in lost:
            position = f"{f'{line}, ' if line else ''}character {characters.start + 1}"
            print_error(
                f"{position}: '{characters.text}' ({characters.name}) has no reading and is left out",
                style="yellow",
            )

    def report_rest(self) -> None:
        """Reports how many lines were not named."""
        from soritune.cli.terminal import print_error

        rest = self.lines - _REPORTED_LINES
        if rest > 0:
            lines = "1 more line has" if rest == 1 else f"{rest:,} more lines have"
            print_error(f"{lines} marks or characters without a reading; --json lists them", style="yellow")


def _lines(file: Path | None) -> Iterator[str]:
    """The lines of a file or of stdin without their ends."""
    try:
        if file is None:
            # Bytes of another encoding are refused, as in a file, and not read as other signs.
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict")
            yield from (line.rstrip("\r\n") for line in sys.stdin)
            return
        with file.open(encoding="utf-8-sig") as lines:
            yield from (line.rstrip("\r\n") for line in lines)
    except FileNotFoundError as error:
        raise TextError(f"{file} does not exist; name a file of lines of text") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(
            f"{file or 'stdin'}: cannot be read ({reason_of(error)}); expected UTF-8 text"
        ) from error


def _output_lines(
    pronouncer: Pronouncer,
    line: str,
    boundary: Boundary,
    phones: bool,
    variants: bool,
    explain: bool,
    faults: tuple[Sequence[Mark], Sequence[Unread]] | None,
) -> Iterable[str]:
    """The output lines for one line of text; JSON if its marks and characters without a reading are given."""
    from soritune.korean.normalization import normalize
    from soritune.korean.phones import hangul_to_phones

    forms = pronouncer.variants(line, boundary) if variants else [pronouncer.pronounce(line, boundary)]
    spelled = [hangul_to_phones(form) for form in forms]
    changes = pronouncer.explain(line, boundary) if explain else []
    if faults is not None:
        marks, lost = faults
        record: dict[str, object] = {
            "text": line,
            "normalized": normalize(line),
            "pronunciation": forms[0] if forms else "",
            "phones": spelled[0] if spelled else [],
        }
        if marks:
            record["marks"] = [mark.text for mark in marks]
        if lost:
            record["unread"] = [asdict(characters) for characters in lost]
        if variants:
            record["variants"] = forms
        if explain:
            record["changes"] = [asdict(change) for change in changes]
        return [json_line(record, sys.stdout.encoding)]
    shown = [" ".join(sequence) for sequence in spelled] if phones else list(forms)
    return [
        *shown,
        *(
            f"  {change.before} → {change.after}  (article {change.article}: {change.title})"
            for change in changes
        ),
    ]
