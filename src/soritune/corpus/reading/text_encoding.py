"""Text files of Korean corpora: UTF-8, UTF-16 with a byte order mark, or CP949; decoded strictly, never guessed.

The order matters: a file that is valid UTF-8 is hardly ever meant as CP949, while CP949 accepts much that is UTF-16.
Bytes that fit none of them are refused instead of being replaced by question marks.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from soritune.corpus.reading.outcomes import ReadingError

_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLOCK = 1 << 20


class EncodingError(ReadingError):
    """Bytes in none of the known encodings, or an unknown encoding; `str()` gives the first bad byte."""

    def __init__(self, reason: str) -> None:
        super().__init__("text-encoding", reason)


def decode_text(raw: bytes, encoding: str | None = None) -> str:
    """`raw` as text without its byte order mark, line ends as they are.

    Args:
        raw: A whole file.
        encoding: A codec's name; None tries UTF-8, UTF-16 (only with a byte order mark) and CP949.

    Raises:
        EncodingError: none of them fits.
    """
    name = encoding or _encoding_of(raw)
    try:
        return raw.decode(codec_of(name))
    except (UnicodeDecodeError, LookupError) as error:
        raise EncodingError(_workbook(raw) or _reason(error, encoding)) from None


def detect_encoding(path: Path) -> str:
    """The codec that reads the whole file and removes a byte order mark. Reads the file in blocks.

    Raises:
        EncodingError: none of the known encodings fits.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(8)
        if workbook := _workbook(head):
            raise EncodingError(workbook)
        names = ("utf-16",) if head[:2] in _BOMS else ("utf-8", "cp949")
        fault = ""
        for name in names:
            stream.seek(0)
            decoder = codecs.getincrementaldecoder(name)()
            try:
                while block := stream.read(_BLOCK):
                    decoder.decode(block)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError as error:
                fault = fault or _reason(error, None)
                continue
            return codec_of(name)
    raise EncodingError(fault)


def _workbook(raw: bytes) -> str | None:
    """What to do about a workbook of a spreadsheet program, which a table may be by mistake."""
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "is a workbook (Excel, LibreOffice) or an archive, not text; export the sheet as CSV (UTF-8)"
    return None


def _encoding_of(raw: bytes) -> str:
    if raw.startswith(_BOMS):
        return "utf-16"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            raw.decode("cp949")
        except UnicodeDecodeError:
            return "utf-8"  # its message names the first bad byte
        return "cp949"
    return "utf-8"


def codec_of(name: str) -> str:
    """The codec of an encoding; for UTF-8 the one that removes a byte order mark."""
    return "utf-8-sig" if name.lower().replace("_", "-") in ("utf-8", "utf8") else name


def _reason(error: UnicodeDecodeError | LookupError, encoding: str | None) -> str:
    if isinstance(error, LookupError):
        return f"'{encoding}' is not a known encoding"
    byte = f"byte {error.object[error.start]:#04x} at {error.start}"
    if encoding is not None:
        return f"is not {encoding} text ({byte})"
    return f"is neither UTF-8, UTF-16 with a byte order mark, nor CP949 text ({byte}); save it as UTF-8"
