"""What a file is by its first bytes: audio with a header, samples alone, or something else.

libsndfile and PyAV also guess. A headerless file whose samples look like the header of an MPEG frame is decoded as
noise of another rate. So a file is given to them only if it begins like a known format. Next: `audio/waveform.py`.
"""

from __future__ import annotations

import codecs
import io
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from soritune.audio.audio_file import AudioFile
from soritune.audio.pcm import EXAMPLE, PCM_SUFFIXES
from soritune.audio.streamed import SampleBytes, sample_bytes
from soritune.audio.truncation import missing_bytes
from soritune.errors import AudioError, reason_of

_START_BYTES = 512
"""Enough to recognise a header."""
_HEAD_BYTES = 65536
"""Bytes in which MPEG frames or text are looked for."""
_MPEG_SUFFIXES = frozenset({".mp1", ".mp2", ".mp3", ".mpa", ".mpga", ".aac"})
"""Files whose first frame may lie behind bytes of another kind, as in a recording cut from a stream."""
_OTHER_SUFFIXES = frozenset(
    {
        ".ac3",
        ".dts",
        ".eac3",
        ".gsm",
        ".htk",
        ".mat",
        ".mpeg",
        ".mpg",
        ".mts",
        ".sds",
        ".snd",
        ".ts",
        ".vob",
        ".vox",
    }
)
"""Formats that do not begin with enough fixed bytes; the suffix decides."""
_BEGINNINGS = (
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"FORM", b"caff", b".snd", b"dns.", b"fLaC", b"OggS"),
    *(b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"#!AMR", b"MAC ", b"wvpk", b"TTA1", b"NIST_1A", b"ADIF"),
    *(b"Creative Voice File", b"ALawSoundFile", b"fap ", b" paf", b"MATLAB", b"Extended Instrument", b"PVF1"),
    *(b"2BIT", b".RMF", b".ra\xfd", b"FLV", b"\0\0\x01\xba", b"DSD ", b"FRM8", b"MPCK", b"MP+"),
    *(b"\x64\xa3\x01\0", b"\x64\xa3\x02\0", b"\x64\xa3\x03\0", b"\0\x01\xa3\x64", b"\0\x02\xa3\x64"),
    b"\0\x03\xa3\x64",
)
"""The first bytes of formats that libsndfile or PyAV read; the last six are IRCAM's."""
_MP4_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"pnot")
"""Bytes 4 to 8 of an MP4, M4A, 3GP or QuickTime file."""
_POINTERS = {
    b"version https://git-lfs.github.com/spec/": "is a Git LFS pointer, not audio; run: git lfs pull",
    b"version https://hawser.github.com/spec/": "is a Git LFS pointer, not audio; run: git lfs pull",
    b"/annex/objects/": "is a git-annex pointer, not audio; run: git annex get",
}
"""What version control leaves in the place of a large file."""
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\f\r")
"""Bytes that a text does not have."""
_ARCHIVES = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar"}
_LAYER_RATES = (
    # kbit/s by bit-rate index 1 to 14, ISO 11172-3 and 13818-3.
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),  # MPEG 1, layer I
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),  # MPEG 1, layer II
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),  # MPEG 2, layer I
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2, layers II and III
)
_MPEG1_RATES_HZ = (44100, 48000, 32000)
_CERTAIN_FRAMES = 8
"""Frames in a row that samples alone do not have by chance: each repeats about 20 bits."""


class Content(Enum):
    """What a file holds."""

    WITH_HEADER = "with header"
    MPEG = "mpeg"
    """Frames of MPEG audio or AAC, perhaps behind a tag."""
    HEADERLESS = "headerless"


class FileStart(NamedTuple):
    """What is known of a file before a decoder opens it."""

    content: Content
    samples: SampleBytes | None
    """Where its samples are, if it is uncompressed and has a header."""
    missing_bytes: int
    """How many bytes it is shorter than its header or its last page states."""


def inspect(sound_file: Path | AudioFile, *, has_format: bool = False) -> FileStart:
    """Reads what the first bytes of a file state about it, in one pass.

    Args:
        sound_file: exists and is not empty.
        has_format: The caller knows the format of samples alone, so bytes of no known format are samples.

    Raises:
        AudioError: it is a pointer of Git LFS or git-annex, text, an archive, or of no known format.
    """
    sound_file = AudioFile.of(sound_file)
    file = sound_file.path
    try:
        with sound_file.open() as stream:
            size = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            head = stream.read(_START_BYTES)
            if not _has_header(file, head):
                head += stream.read(_HEAD_BYTES - len(head))
            content = _content(file, head, size, has_format)
            if content is not Content.WITH_HEADER:
                return FileStart(content, None, 0)
            samples = sample_bytes(stream, head, size)
            return FileStart(
                content, samples, missing_bytes(stream, size, samples, is_ogg=head.startswith(b"OggS"))
            )
    except OSError as error:
        raise AudioError(file, f"cannot be read ({reason_of(error)})", "audio-unreadable") from error


def _has_header(file: Path, head: bytes) -> bool:
    """Whether a file begins like a known format other than MPEG frames, or has the suffix of one."""
    return (
        head.startswith(_BEGINNINGS) or head[4:8] in _MP4_ATOMS or file.suffix.lower() in _OTHER_SUFFIXES
    ) and not head.startswith(b"ID3")


def _content(file: Path, head: bytes, size: int, has_format: bool) -> Content:
    _refuse_pointer(file, head)
    if head.startswith(b"ID3"):
        return Content.MPEG
    if _has_header(file, head):
        return Content.WITH_HEADER
    suffix, is_whole = file.suffix.lower(), len(head) == size
    if suffix in PCM_SUFFIXES:
        _refuse_text(file, head, is_whole)
        return Content.HEADERLESS
    if _begins_with_frames(head, is_whole, may_begin_later=suffix in _MPEG_SUFFIXES):
        return Content.MPEG
    _refuse_text(file, head, is_whole)
    if has_format:
        return Content.HEADERLESS
    raise AudioError(
        file,
        f"is not audio, or is damaged: it begins like no known format (headerless PCM needs the setting {EXAMPLE})",
        "audio-damaged",
    )


def _refuse_pointer(file: Path, head: bytes) -> None:
    for beginning, reason in _POINTERS.items():
        if head.startswith(beginning):
            raise AudioError(file, reason, "audio-pointer")


def _refuse_text(file: Path, head: bytes, is_whole: bool) -> None:
    """Refuses what is certainly not samples."""
    for beginning, name in _ARCHIVES.items():
        if head.startswith(beginning):
            advice = f"name a recording in it: {file.name}/NAME" if name == "zip" else "unpack it"
            raise AudioError(file, f"is not audio, but a {name} archive; {advice}", "audio-format")
    start = head[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<error")):
        raise AudioError(file, "is not audio, but a web page; download the file again", "audio-format")
    if _is_text(head, is_whole):
        raise AudioError(file, "is not audio, but text", "audio-format")


def _is_text(head: bytes, is_whole: bool) -> bool:
    """Whether bytes are UTF-8 without control characters other than those of lines."""
    if any(byte in head for byte in _CONTROLS):
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head, final=is_whole)  # a character may be cut at the end of what was read
    except UnicodeDecodeError:
        return False
    return True


def _begins_with_frames(head: bytes, is_whole: bool, *, may_begin_later: bool) -> bool:
    """Whether frames of MPEG audio or of AAC (ADTS) follow each other from the start, or from a later byte."""
    starts = [0]
    if may_begin_later:
        starts += [at for at in range(1, len(head) - 1) if head[at] == 0xFF and head[at + 1] >= 0xE0]
    else:
        # Encoders and editors leave zeros before the first frame.
        starts += [len(head) - len(head.lstrip(b"\0"))]
    return any(_has_frames(head, start, is_whole) for start in starts)


def _has_frames(head: bytes, start: int, is_whole: bool) -> bool:
    """Whether equal frames follow each other: enough to be certain, or up to the end of a short file."""
    position, count, first = start, 0, b""
    while count < _CERTAIN_FRAMES:
        header = head[position : position + 7]
        size = _mpeg_frame_bytes(header) or _adts_frame_bytes(header)
        if not size or (first and not _same_stream(first, header)):
            is_tail = header.startswith((b"TAG", b"APE", b"LYR", b"ID3"))
            return count >= 2 and is_whole and (is_tail or len(head) - position < 7)
        first = first or header
        position, count = position + size, count + 1
    return True


def _same_stream(first: bytes, second: bytes) -> bool:
    """Whether two frame headers have the same version, layer and sample rate."""
    return first[1] & 0xFE == second[1] & 0xFE and first[2] & 0x0C == second[2] & 0x0C


def _mpeg_frame_bytes(header: bytes) -> int:
    """Length of the frame of MPEG audio that begins with these bytes; 0 if they are not its header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    index, rate_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or index in (0, 15) or rate_index == 3:
        return 0
    is_first = version == 3
    table = _LAYER_RATES[layer - 1] if is_first else _LAYER_RATES[3 if layer == 1 else 4]
    bits = 1000 * table[index - 1]
    rate = _MPEG1_RATES_HZ[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bits // rate + padding) * 4
    return (144 if is_first or layer == 2 else 72) * bits // rate + padding


def _adts_frame_bytes(header: bytes) -> int:
    """Length of the AAC frame that begins with these bytes (ISO 13818-7); 0 if they are not its header."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 else 0
