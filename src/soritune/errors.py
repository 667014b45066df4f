"""Failures at the edges (files, recipes, requests), each reported in one sentence.

Every class is a `SorituneError`; `str(error)` states what came, what was expected and what to do. The command line
prints it and exits with `exit_code`. An error of the operating system about
a file that no verb checked is printed by `reason_of`. Any other exception is a defect and keeps its traceback.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class SorituneError(Exception):
    """Base of all expected failures.

    Attributes: `exit_code`, the exit status of the command line; `kind`, a short identifier by which faults of rows are
    counted together, such as "audio-missing" (empty if faults of the class are not counted).
    """

    exit_code = 2
    kind = ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Loader workers send errors through pickle, which would call the class with the message alone.
        return _restored, (type(self), self.args, dict(self.__dict__))


def _restored(kind: type[SorituneError], args: tuple[Any, ...], attributes: dict[str, Any]) -> SorituneError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


class TextError(SorituneError):
    """A text or a lexicon line that cannot be used."""


class ManifestError(SorituneError):
    """A manifest that cannot be read or lacks a requested part.

    Attributes: `message` (without path and line), `path`, `line` (1-based, or None), `field` (or None).
    """

    def __init__(
        self,
        message: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.message, self.path, self.line, self.field = message, path, line, field
        location = "" if path is None else f"{path}{'' if line is None else f', line {line}'}: "
        super().__init__(location + message)


class AudioError(SorituneError):
    """One audio file that cannot be used.

    Attributes: `path`, `reason` (short, for `quarantine.jsonl`), `kind`.
    """

    def __init__(self, path: Path | str, reason: str, kind: str = "") -> None:
        self.path, self.reason, self.kind = path, reason, kind
        super().__init__(f"{path}: {reason}")


class MissingAudioError(AudioError):
    """The path of an audio file does not exist."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "does not exist", "audio-missing")


class AugmentationError(SorituneError):
    """An augmentation that cannot be used, or that breaks its contract."""


class SplitError(SorituneError):
    """A split that cannot be made as requested."""


class TaskError(SorituneError):
    """A task that is declared or used in an unsupported way, or a row that it cannot use. Attribute: `kind`."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class WrongSettingError(TaskError):
    """A row shows that a setting of the task does not fit the corpus; checking the corpus stops."""


class TaskSettingsError(TaskError):
    """Settings that a task refuses. Attributes: `task` (its name), `faults` (one line each)."""

    def __init__(self, task: str, faults: Sequence[str]) -> None:
        self.task, self.faults = task, list(faults)
        super().__init__(f"settings of the task {task}: {'; '.join(self.faults)}")


class RecipeError(SorituneError):
    """All faults of a recipe at once. Attributes: `source`, `faults` (one line each)."""

    def __init__(self, source: str, faults: Sequence[str]) -> None:
        self.source, self.faults = source, list(faults)
        head = f"{source}: " if len(self.faults) == 1 else f"{source} has {len(self.faults)} faults:\n  "
        super().__init__(head + "\n  ".join(self.faults))


class BundleError(SorituneError):
    """A folder that is not a model bundle, or a bundle that does not fit the request."""


class ModelError(SorituneError):
    """An encoder or starting point that cannot be loaded or does not fit."""


class TrainingError(SorituneError):
    """A training run that must stop; its progress is kept on disk."""


class OutputError(SorituneError):
    """A path that cannot be written to. Attributes: `problem`, and `advice` on what to do ("" without any)."""

    def __init__(self, problem: str, advice: str = "") -> None:
        self.problem, self.advice = problem, advice
        super().__init__(f"{problem}; {advice}" if advice else problem)


class MissingLibraryError(SorituneError):
    """A library of an extra that is not installed. Attributes: `extras` that install it, `modules` that are missing."""

    def __init__(self, message: str, extras: Sequence[str], modules: Sequence[str]) -> None:
        self.extras, self.modules = list(extras), list(modules)
        super().__init__(message)


class MemberError(SorituneError):
    """A member of an open folder that is provided by another package and cannot be used."""


class OutsideFolderError(SorituneError):
    """A path in a file that leads out of the folder it must stay in. Attributes: `folder`, `name` (as written)."""

    def __init__(self, folder: Path | str, name: object) -> None:
        self.folder, self.name = folder, name
        super().__init__(f"the path {str(name)[:200]!r} leads out of {folder}")


class UnknownNameError(SorituneError):
    """A name that is not among the known names. Attributes: `kind`, `name`, `known`.

    `faults` are sentences about members that cannot be used; the requested member may be one of them.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], faults: Iterable[str] = ()) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        hint = nearest(name, self.known)
        tail = f"; did you mean '{hint}'?" if hint else ""
        tail += "".join(f"; {fault}" for fault in faults)
        super().__init__(f"unknown {kind} '{name}'; known: {', '.join(self.known) or 'none'}{tail}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest in spelling to `name`, or None when no name is close (difflib ratio < 0.6)."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return matches[0] if matches else None


_SYSTEM_REASONS = {
    errno.ENOENT: "there is no such file or folder",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "there already is a file or folder of this name",
    errno.ENOTEMPTY: "the folder is not empty",
    errno.EACCES: "this user is not allowed to",
    errno.EPERM: "this user is not allowed to",
    errno.EROFS: "its disk is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk space of this user is used up",
    errno.EFBIG: "the file would be larger than is allowed",
    errno.EIO: "its disk or network folder reports a fault",
    errno.ESTALE: "its network folder has changed",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.EBUSY: "another program is using it",
    errno.ETXTBSY: "another program is using it",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.ENOMEM: "there is not enough memory",
    errno.EBADF: "it is closed",
    errno.ENXIO: "it is closed",
    errno.EPIPE: "the reader has closed it",
    errno.EADDRINUSE: "another program uses this port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.ECONNREFUSED: "the connection was refused",
    errno.ECONNRESET: "the connection was lost",
    errno.ETIMEDOUT: "there was no answer in time",
    errno.ENETUNREACH: "there is no network",
    errno.EHOSTUNREACH: "the host cannot be reached",
}
"""Errors of the operating system in plain words, which fit into brackets after "cannot be read" or "written"."""
_ERROR_NUMBER = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)
"""As the libraries of safetensors and Arrow report an error of the operating system."""


def reason_of(error: BaseException) -> str:
    """Why something failed, for the brackets of a sentence: one line, without words of the operating system.

    An error of the operating system in plain words; otherwise the first line of the error's own message, or the name
    of its class if it has no message.
    """
    if type(error).__name__ == "gaierror":  # of socket
        return "there is no host of this name"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not {error.encoding.upper()} text, from byte {error.start}"
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    # Other words than those of the system are of a library, or our own.
    code, own = None, first
    if isinstance(error, OSError) and error.errno is not None:
        code, own = error.errno, str(error.strerror or os.strerror(error.errno))
    if found := _ERROR_NUMBER.search(own):
        code = int(found[1] or found[2])
    elif code is None or own != os.strerror(code):
        return own
    return _SYSTEM_REASONS.get(code, f"the operating system refuses it, {errno.errorcode.get(code, code)}")
