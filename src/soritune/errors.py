"""What can go wrong at the edges (files, recipes, requests), said in one sentence each.

Every class is a `SorituneError`; `str(error)` is a sentence that tells what came, what was expected and what
to do. The command line prints it and exits with `exit_code`; anything else is a defect and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path


class SorituneError(Exception):
    """Base of all expected failures. `exit_code` is the process status the command line ends with."""

    exit_code = 2


class TextError(SorituneError):
    """A text or a lexicon line that cannot be used."""


class ManifestError(SorituneError):
    """A manifest that cannot be read or lacks what was asked of it.

    Attributes: `path`, `line` (1-based, or None), `field` (or None).
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.path, self.line, self.field = path, line, field
        place = "" if path is None else f"{path}{'' if line is None else f', line {line}'}: "
        super().__init__(place + message)


class AudioError(SorituneError):
    """One audio file that cannot be used. Attributes: `path`, `reason` (short, for `quarantine.jsonl`)."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[type[AudioError], tuple[Path | str, str]]:
        # Loader workers send errors through pickle, which calls the class with `args` alone.
        return type(self), (self.path, self.reason)


class AugmentationError(SorituneError):
    """An augmentation that cannot be used, or that breaks its contract."""


class SplitError(SorituneError):
    """A split that cannot be made as asked, with the reason."""


class TaskError(SorituneError):
    """A task declared or used in a way it cannot serve."""


class RecipeError(SorituneError):
    """All faults of a recipe at once. Attributes: `source`, `faults` (one line each)."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source, self.faults = source, list(faults)
        head = f"{source}: " if len(self.faults) == 1 else f"{source} has {len(self.faults)} faults:\n  "
        super().__init__(head + "\n  ".join(self.faults))


class BundleError(SorituneError):
    """A folder that is no model bundle, or one that does not fit what is asked of it."""


class ModelError(SorituneError):
    """An encoder or starting point that cannot be loaded or does not fit."""


class TrainingError(SorituneError):
    """A training run that must stop; what was reached is kept on disk."""


class OutputError(SorituneError):
    """A place that cannot be written to. Attributes: `problem`, and `advice` on what to do ("" without any)."""

    def __init__(self, problem: str, advice: str = "") -> None:
        self.problem, self.advice = problem, advice
        super().__init__(f"{problem}; {advice}" if advice else problem)


class MemberError(SorituneError):
    """A member of an open folder that another package offers and that cannot be used."""


class UnknownNameError(SorituneError):
    """A name that is not among the known ones. Attributes: `kind`, `name`, `known`.

    `faults` are sentences on members that cannot be used; the one that is meant may be among them.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], faults: Iterable[str] = ()) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        hint = nearest(name, self.known)
        tail = f"; did you mean '{hint}'?" if hint else ""
        tail += "".join(f"; {fault}" for fault in faults)
        super().__init__(f"unknown {kind} '{name}'; known: {', '.join(self.known) or 'none'}{tail}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest in spelling to `name`, or None when nothing is close (difflib ratio < 0.6)."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return found[0] if found else None
