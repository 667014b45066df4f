"""E3.2: ``ROOT/<person>/wav_48000/<person>_<number>.wav``, the label from the number.

The mess: numbers at and beyond both ends of every range, upper-case suffixes, macOS and Windows litter, a
16 kHz copy of the corpus beside it, empty and false WAVs, a folder and a dangling link named like audio,
copies made by a file manager, stereo, 24-bit, float and other rates, MP3 inside a ``.wav``, Hangul persons
(composed and decomposed), equal file names under two speakers, and folders deeper than described.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.corpus.layouts.expected import Expected, Row, nfd
from tests.corpus.layouts.sounds import APPLE_DOUBLE, header_only, litter, write

RANGES = {"Anxious": (21, 30), "Kind": (31, 40), "Dry": (91, 100)}
NOTES = (
    "The letter of F2001 or M2001 is not read as a gender: the description does not mention it, no key is given.",
    "A WAV that is not 48 kHz mono is still an utterance; its duration is that of its own rate.",
)


def emotion(number: int) -> str | None:
    """The label of a number, None where no range wants it."""
    return next((name for name, (low, high) in RANGES.items() if low <= number <= high), None)


def row(audio: str, speaker: str, number: int, duration: float) -> Row:
    """One right row."""
    return {"audio": audio, "speaker": speaker, "emotion": emotion(number), "duration_s": duration}


def build(root: Path) -> Expected:
    """The described layout, with everything that lies about in it."""
    rows: list[Row] = []
    unused = 0
    numbers = {
        "F2001": (1, 20, 21, 22, 30, 31, 40, 41, 90, 91, 100, 101, 160),
        "M2001": (21, 25, 35, 95, 121),
        "김영희": (21, 33, 99, 150),
    }
    for person, all_numbers in numbers.items():
        for number in all_numbers:
            audio = f"{person}/wav_48000/{person}_{number:06d}.wav"
            duration = write(root / audio)
            if emotion(number):
                rows.append(row(audio, person, number, duration))
            else:
                unused += 1
    for name, number, options in (
        ("F2002_000031.WAV", 31, {}),
        ("F2002_000032.Wav", 32, {"channels": 2}),
        ("F2002_000033.wav", 33, {"rate": 44100, "channels": 2, "subtype": "PCM_24"}),
        ("F2002_000092.wav", 92, {"rate": 16000, "subtype": "FLOAT", "seconds": 1.2}),
        ("F2002_000093.wav", 93, {"subtype": "PCM_U8"}),
        ("F2002_000094.wav", 94, {"kind": "WAVEX", "channels": 6}),
    ):
        audio = f"F2002/wav_48000/{name}"
        rows.append(row(audio, "F2002", number, write(root / audio, **options)))
    rejected = {
        "F2002/wav_48000/F2002_000021.wav": "empty",
        "F2002/wav_48000/F2002_000022.wav": "unreadable",
        "F2002/wav_48000/F2002_000023.wav": "empty",
        "F2002/wav_48000/F2002_000024 (1).wav": "name",
        "F2002/wav_48000/F2002_000024 - 복사본.wav": "name",
        "F2002/wav_48000/연습.wav": "name",
        "F2002/wav_48000/F2002_000026.wav": "missing",
    }
    here = root / "F2002/wav_48000"
    litter(here / "F2002_000021.wav")
    litter(here / "F2002_000022.wav", "소리가 아닙니다\n".encode())
    header_only(here / "F2002_000023.wav")
    for name in ("F2002_000024 (1).wav", "F2002_000024 - 복사본.wav", "연습.wav"):
        write(here / name)
    (here / "F2002_000026.wav").symlink_to("/nowhere/F2002_000026.wav")
    ignored = (
        "F2001/wav_48000/._F2001_000021.wav",
        "F2001/wav_48000/.DS_Store",
        "F2001/wav_48000/Thumbs.db",
        "F2001/wav_48000/녹음일지.txt",
        "F2001/wav_48000/F2001_000021.wav.bak",
        "F2001/wav_48000/.ipynb_checkpoints/F2001_000021.wav",
        "F2001/wav_48000/F2001_000029.wav",  # a folder
        "F2001/wav_16000/F2001_000021.wav",  # the same utterance, resampled by someone
        "__MACOSX/F2001/wav_48000/._F2001_000021.wav",
        "readme.txt",
        "빈 폴더",
    )
    for path in ignored:
        if "._" in path:
            litter(root / path, APPLE_DOUBLE)
        elif path.endswith(("_000029.wav", "폴더")):
            (root / path).mkdir(parents=True)
        elif path.endswith("_000021.wav"):
            write(root / path, 16000)
        else:
            litter(root / path, b"\x00\x01 not audio")
    either: dict[str, list[Row]] = {}
    oddities: tuple[tuple[str, tuple[str, ...], int, dict[str, Any]], ...] = (
        ("M2001/wav_48000/M2001_000027.wav", ("M2001",), 27, {"kind": "MP3"}),
        ("M2001/wav_48000/M2001_00028.wav", ("M2001",), 28, {}),
        ("M2001/wav_48000/M2009_000029.wav", ("M2001", "M2009"), 29, {}),
        ("M2001/wav_48000/m2001_000096.wav", ("M2001",), 96, {}),
    )
    for audio, speakers, number, options in oddities:
        duration = write(root / audio, **options)
        either[audio] = [row(audio, speaker, number, duration) for speaker in speakers]
    cut = "M2001/wav_48000/M2001_000097.wav"
    write(root / cut, seconds=1.0)
    whole = (root / cut).read_bytes()
    litter(root / cut, whole[: 44 + 2 * 24000])
    either[cut] = [row(cut, "M2001", 97, 0.5)]
    mp3 = either["M2001/wav_48000/M2001_000027.wav"][0]
    del mp3["duration_s"]  # an MP3 is padded by its encoder
    return Expected(
        rows,
        rejected,
        unused,
        (
            *NOTES,
            "Either: MP3 named .wav; a number of five digits; a file named after another person than its "
            "folder; a person in lower case; a WAV cut off half-way (0.5 s of 1 s are there).",
            "A name that is not <person>_<number> is refused, not unused: its label cannot be known.",
            "A dangling link is refused as missing, not passed over.",
            "Only wav_48000 is the corpus: wav_16000 beside it holds the same utterances again.",
        ),
        either,
        ignored,
    )


def build_numbers_only(root: Path) -> Expected:
    """Files named by the number alone, so that two speakers have equal file names."""
    rows: list[Row] = []
    unused = 0
    for person in ("F2001", "F2002", "M2001"):
        for number in (21, 31, 91, 120):
            audio = f"{person}/wav_48000/{number:06d}.wav"
            duration = write(root / audio)
            if emotion(number):
                rows.append(row(audio, person, number, duration))
            else:
                unused += 1
    note = "The person is the folder above wav_48000; a reader that needs <person>_ must refuse all by name."
    return Expected(rows, {}, unused, (*NOTES, note))


def build_nested(root: Path) -> Expected:
    """The described layout some folders down, unevenly, with Hangul and blanks in the folder names."""
    rows: list[Row] = []
    for above, person in (("", "F2001"), ("1차 납품/여성/", "F2002"), ("1차 납품/남성/서울/", "M2001")):
        for number in (21, 40, 100):
            audio = f"{above}{person}/wav_48000/{person}_{number:06d}.wav"
            rows.append(row(audio, person, number, write(root / audio)))
    audio = "1차 납품/여성/F2003/wav_48000/세션1/F2003_000021.wav"
    either = {audio: [row(audio, "F2003", 21, write(root / audio))]}
    note = "The person is the folder above wav_48000 at any depth; below wav_48000 a reader may not look."
    return Expected(rows, {}, 0, (*NOTES, note), either)


def build_decomposed(root: Path) -> Expected:
    """Persons in decomposed Hangul on disk, as a zip made on macOS leaves them."""
    rows: list[Row] = []
    on_disk: dict[str, str] = {}
    for person in ("박철수", "이가은"):
        for number in (21, 31, 91):
            audio = f"{person}/wav_48000/{person}_{number:06d}.wav"
            on_disk[audio] = nfd(audio)
            rows.append(row(audio, person, number, write(root / nfd(audio))))
    note = "Rows name audio and speaker in NFC; the file must still open, though its name on disk is NFD."
    return Expected(rows, {}, 0, (*NOTES, note), on_disk=on_disk)


BUILDS: dict[str, Callable[[Path], Expected]] = {
    "folders": build,
    "numbers_only": build_numbers_only,
    "nested": build_nested,
    "decomposed": build_decomposed,
}
