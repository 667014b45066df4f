"""API keys, of which the server holds only hashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from soritune.errors import SorituneError, reason_of

_LINE = re.compile(r"([0-9a-fA-F]{64})\s+(\S.*)")


class ApiKeys:
    """SHA-256 of each key → the name of who holds it.

    The hash of a key that is guessed has no relation to its distance from a right one, so that the time of a look-up
    gives nothing away.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {digest.lower(): name for digest, name in names.items()}

    def owner(self, key: str | None) -> str | None:
        """The name of the holder of a key; None for a key that is missing or wrong."""
        if not key:
            return None
        return self._names.get(hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest())


def read_keys(path: Path) -> ApiKeys:
    """Reads a file with a line `SHA256  NAME` per key, as `sha256sum` writes it; lines that begin with # are comments.

    Raises:
        SorituneError: the file cannot be read, has another line, or has no key.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SorituneError(f"the file of API keys {path} cannot be read ({reason_of(error)})") from None
    names: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:  # the line is not shown: it may be a key
            raise SorituneError(
                f"{path}, line {number}: not 'SHA256  NAME'; write the hash of a key, as `printf %s KEY | sha256sum` "
                "prints it, and a name"
            )
        names[match[1]] = match[2]
    if not names:
        raise SorituneError(f"the file of API keys {path} has no key; add a line 'SHA256  NAME'")
    return ApiKeys(names)


def key_in(headers: Mapping[str, str]) -> str | None:
    """The key that a request has: `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else headers.get("x-api-key")
