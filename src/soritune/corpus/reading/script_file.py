"""`script.txt`: one line per recording, its id, a tab or spaces, and its text.

The id may be the file's name with or without its suffix, its name without the speaker in front
(`000021` for F2001_000021.wav), or its number alone in any spelling (`21`). Lines without a recording, lines that
contradict each other and lines without a text are reported.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from soritune.corpus.reading.corpus_files import read_file
from soritune.corpus.reading.folder_walk import is_audio, writable_name
from soritune.corpus.reading.outcomes import Note, Rejected
from soritune.corpus.reading.text_encoding import EncodingError, decode_text
from soritune.errors import reason_of
from soritune.korean.hangul import composed

_LONGEST_NUMBER = 255
"""Digits of a file's number; a file name is not longer."""


@dataclass
class Script:
    """The texts of one script file."""

    path: str
    """Below the root of the corpus."""
    fault: str = ""
    """Why the file as a whole cannot be read; empty if it can."""
    fault_kind: str = ""
    _lines: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    _of_number: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _without_text: list[tuple[int, str]] = field(default_factory=list)
    _repeated: list[str] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)
    _conflicts: dict[frozenset[int], list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path, path: str) -> Script:
        """Reads a script. Its faults are kept for `report`."""
        script = cls(path)
        try:
            text = decode_text(read_file(file))
        except EncodingError as error:
            script.fault, script.fault_kind = str(error), error.kind
            return script
        except OSError as error:
            script.fault, script.fault_kind = f"cannot be read ({reason_of(error)})", "text-unreadable"
            return script
        for number, line in enumerate(re.split(r"\r\n|\r|\n", composed(text)), start=1):
            script._add(number, line)
        return script

    def _add(self, number: int, line: str) -> None:
        bare = line.strip().removeprefix("\ufeff")
        if not bare:
            return
        name, _, text = bare.partition("\t") if "\t" in bare else _halves(bare)
        key, text = _key(name), " ".join(text.split())
        if not key or not text:
            self._without_text.append((number, bare))
            return
        if any(text == earlier for _, earlier in self._lines[key]):
            self._repeated.append(f"line {number}: {key}")
            return
        if not self._lines[key] and key.isdecimal() and len(key) <= _LONGEST_NUMBER:
            self._of_number[int(key)].append(key)
        self._lines[key].append((number, text))

    def text_of(self, name: str, speaker: str, number: int | None) -> tuple[bool, str | None]:
        """Whether a line belongs to a file, and the file's text: None if lines contradict each other.

        Args:
            name: The file's name with its suffix.
            speaker: Who speaks, for ids without "<speaker>_".
            number: The file's number, for ids that are only a number.
        """
        stem = _key(name)
        keys = [stem]
        if speaker and stem.startswith(f"{speaker}_"):
            keys.append(stem.removeprefix(f"{speaker}_"))
        if number is not None:
            keys += self._of_number.get(number, [])
        keys = [key for key in dict.fromkeys(keys) if self._lines.get(key)]
        self._used.update(keys)
        lines = [line for key in keys for line in self._lines[key]]
        texts = {text for _, text in lines}
        if len(texts) > 1:
            self._conflicts.setdefault(frozenset(line for line, _ in lines), []).append(name)
            return True, None
        return bool(texts), next(iter(texts), None)

    def report(self) -> Iterator[Rejected | Note]:
        """The faults of the file, after `text_of` was called for every recording it may belong to."""
        shown = writable_name(self.path)[0]
        if self.fault:
            yield Rejected(shown, self.fault, kind=self.fault_kind)
        if self._without_text:
            reason = f"lines must be `id<TAB or space>text`, not so are {_line_numbers(self._without_text)}"
            yield Rejected(shown, reason, kind="script-line")
        for lines, names in self._conflicts.items():
            numbers = " and ".join(str(line) for line in sorted(lines))
            reason = f"lines {numbers} give {names[0]} different texts; it is read without a text"
            yield Rejected(shown, reason, kind="script-contradiction")
        unused = [
            (number, key)
            for key, lines in self._lines.items()
            if key not in self._used
            for number, _ in lines
        ]
        if unused:
            reason = f"no recording for {_line_numbers(sorted(unused))}"
            yield Rejected(shown, reason, kind="script-recording-missing")
        if self._repeated:
            example = f"{shown}, {self._repeated[0]}"
            yield Note("line of a script repeated", len(self._repeated), example, kind="script-line-repeated")


def _halves(line: str) -> tuple[str, str, str]:
    name, *text = line.split(maxsplit=1)
    return name, " ", text[0] if text else ""


def _key(name: str) -> str:
    """A file's name or an id in a script: composed, without folders and suffix."""
    last = composed(name.strip()).replace("\\", "/").rsplit("/", 1)[-1]
    return last.rsplit(".", 1)[0] if is_audio(last) else last


def _line_numbers(lines: Sequence[tuple[int, str]]) -> str:
    """Line numbers, consecutive ones as ranges, and the content of the first line."""
    runs: list[list[int]] = []
    for number, _ in lines:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    numbers = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
    first = lines[0][1]
    shown = repr(first if len(first) <= 40 else first[:37] + "...")
    return f"line {numbers} ({shown})" if len(lines) == 1 else f"lines {numbers} (the first is {shown})"
