"""`script.txt`: one line per recording, its id, a tab or spaces, and its text.

The id may be the file's name with or without its suffix, its name without the speaker in front
(`000021` for F2001_000021.wav), or its number alone in any spelling (`21`). Which lines speak of a file that
is not there, of the same file differently, or of nothing at all is kept and told.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from soritune.corpus.reading.folder_walk import is_audio, writable_name
from soritune.corpus.reading.items import Note, Rejected
from soritune.corpus.reading.text_encoding import EncodingError, decode_text
from soritune.korean.hangul import composed

_LONGEST_NUMBER = 255
"""Digits of a file's number: a name has no more signs."""


@dataclass
class Script:
    """The texts of one script file.

    Attributes: `place`, its path below the root.
    """

    place: str
    fault: str = ""
    """Why the file as a whole cannot be read; empty when it can."""
    _lines: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    _of_number: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _unfit: list[tuple[int, str]] = field(default_factory=list)
    _repeated: list[str] = field(default_factory=list)
    _found: set[str] = field(default_factory=set)
    _conflicts: dict[frozenset[int], list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, place: str) -> Script:
        """Reads a script; what is wrong with it is kept for `report`."""
        script = cls(place)
        try:
            text = decode_text(path.read_bytes())
        except (EncodingError, OSError) as error:
            script.fault = (
                str(error)
                if isinstance(error, EncodingError)
                else f"cannot be read ({error.strerror or error})"
            )
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
            self._unfit.append((number, bare))
            return
        if any(text == other for _, other in self._lines[key]):
            self._repeated.append(f"line {number}: {key}")
            return
        if not self._lines[key] and key.isdecimal() and len(key) <= _LONGEST_NUMBER:
            self._of_number[int(key)].append(key)
        self._lines[key].append((number, text))

    def text_of(self, name: str, speaker: str, number: int | None) -> tuple[bool, str | None]:
        """Whether any line speaks of a file, and its text: None where lines contradict each other.

        Args:
            name: The file's name with its suffix.
            speaker: Who speaks, for ids that leave "<speaker>_" out.
            number: The file's number, for ids that give nothing else.
        """
        stem = _key(name)
        keys = [stem]
        if speaker and stem.startswith(f"{speaker}_"):
            keys.append(stem.removeprefix(f"{speaker}_"))
        if number is not None:
            keys += self._of_number.get(number, [])
        keys = [key for key in dict.fromkeys(keys) if self._lines.get(key)]
        self._found.update(keys)
        lines = [line for key in keys for line in self._lines[key]]
        texts = {text for _, text in lines}
        if len(texts) > 1:
            self._conflicts.setdefault(frozenset(line for line, _ in lines), []).append(name)
            return True, None
        return bool(texts), next(iter(texts), None)

    def report(self) -> Iterator[Rejected | Note]:
        """What is wrong with the file, once all recordings it may speak of have been asked for."""
        shown = writable_name(self.place)[0]
        if self.fault:
            yield Rejected(shown, self.fault)
        if self._unfit:
            yield Rejected(shown, f"lines must be `id<TAB or space>text`, not so are {_told(self._unfit)}")
        for lines, names in self._conflicts.items():
            numbers = " and ".join(str(line) for line in sorted(lines))
            yield Rejected(
                shown, f"lines {numbers} give {names[0]} different texts; it is read without a text"
            )
        idle = [
            (number, key)
            for key, lines in self._lines.items()
            if key not in self._found
            for number, _ in lines
        ]
        if idle:
            yield Rejected(shown, f"no recording for {_told(sorted(idle))}")
        if self._repeated:
            yield Note("line of a script repeated", len(self._repeated), f"{shown}, {self._repeated[0]}")


def _halves(line: str) -> tuple[str, str, str]:
    name, *text = line.split(maxsplit=1)
    return name, " ", text[0] if text else ""


def _key(name: str) -> str:
    """A file's name or an id in a script: composed, its folders and its suffix taken off."""
    last = composed(name.strip()).replace("\\", "/").rsplit("/", 1)[-1]
    return last.rsplit(".", 1)[0] if is_audio(last) else last


def _told(lines: Sequence[tuple[int, str]]) -> str:
    """Line numbers, runs of them as ranges, and what the first one says."""
    runs: list[list[int]] = []
    for number, _ in lines:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    told = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
    first = lines[0][1]
    shown = repr(first if len(first) <= 40 else first[:37] + "...")
    return f"line {told} ({shown})" if len(lines) == 1 else f"lines {told} (the first is {shown})"
