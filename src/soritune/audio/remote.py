"""Recordings on other machines, by URL through fsspec (extra `remote`). Next: `audio/audio_store.py`.

A URL is any that fsspec knows: https://, s3://, gs://, memory://, and chains such as simplecache::https://. `Path`
writes two slashes as one, so both forms mean the same.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from soritune.errors import AudioError, MissingAudioError, reason_of

_URL = re.compile(r"(?:^|[/\\])((?:[a-z][a-z0-9_+.-]+::)*[a-z][a-z0-9_+.-]+:)[/\\]{1,3}(?=[^/\\])")
_CHAINED = re.compile(r"(::[a-z][a-z0-9_+.-]+:)/(?!/)")


def url_of(path: str | Path) -> str | None:
    """The URL that a path contains; None for other paths.

    >>> url_of(Path("/corpus") / "https://host/a.wav")
    'https://host/a.wav'
    """
    text = str(path)
    if ":" not in text:
        return None
    matches = list(_URL.finditer(text))
    if not matches:
        return None
    # In "zip://a.wav::https://host/b.zip" the rest of the chain is part of the first URL.
    first = next((match for match in matches if "::" in text[match.end() :]), matches[-1])
    scheme, rest = first[1], text[first.end() :]
    slashes = "///" if scheme.endswith("file:") and "::" not in rest else "//"
    return scheme + slashes + _CHAINED.sub(r"\1//", rest)


def is_url(text: str) -> bool:
    """Whether a text as it is written in a corpus is a URL."""
    return re.match(r"(?:[a-z][a-z0-9_+.-]+::)*[a-z][a-z0-9_+.-]+://", text) is not None


def read_url(url: str, path: Path) -> bytes:
    """The bytes behind a URL.

    Args:
        url: as `url_of` gives it.
        path: for messages.

    Raises:
        AudioError: it does not exist (`MissingAudioError`) or cannot be read, or its protocol needs another package.
    """
    try:
        import fsspec
    except ImportError:
        raise AudioError(
            path, "is a URL, which needs the extra: pip install 'soritune[remote]'", "remote-package"
        ) from None
    _forget_connections(fsspec)
    try:
        system, name = fsspec.core.url_to_fs(url)
        content: bytes = system.cat_file(name)
    except FileNotFoundError as error:
        raise MissingAudioError(path) from error
    except ImportError as error:
        reason = f"needs a package for this kind of URL ({error}); pip install 'soritune[remote]' has those of https"
        raise AudioError(path, reason, "remote-package") from error
    except Exception as error:  # every protocol has errors of its own
        reason = reason_of(error)
        raise AudioError(path, f"cannot be read ({reason})", "audio-unreadable") from error
    return content


_process = os.getpid()


def _forget_connections(fsspec: Any) -> None:
    """Connections of fsspec cannot be used in a process that was forked after they were made."""
    global _process
    if os.getpid() != _process:
        fsspec.AbstractFileSystem.clear_instance_cache()
        _process = os.getpid()
