"""E4.3, folders: ``F0001/wav_48000/*.wav`` with the texts in ``F0001/script.txt``.

The mess, a speaker each: tab, space, many spaces, CP949, UTF-8 and UTF-16 with BOM, CRLF, empty lines, a
first line like a header, ids with ``.wav``, ids of the number alone, tabs inside texts, decomposed Hangul, no
script, an empty script, a script of two encodings; and lines with no file, files with no line, a line with
no text, one id with two texts, and another separator.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.corpus.layouts.expected import Expected, Row, nfd
from tests.corpus.layouts.sounds import APPLE_DOUBLE, litter, write

RANGES = {"Anxious": (21, 30), "Kind": (31, 40), "Dry": (91, 100), "Others": (51, 60)}
NOTES = (
    "The layout names no labels: they come from the number by ranges that are recipe data (RANGES here; that "
    "51–60 form Others is this fixture's choice, all other numbers are unused).",
    "A text has no blanks at its ends; blanks and tabs inside it are compared as one blank, Hangul as NFC.",
    "A file with no line, or whose line is refused, keeps its row with text None, as labels need no text.",
    "Keys of refused lines are <script>:<physical line, from 1>, empty lines counted.",
)


def emotion(number: int) -> str | None:
    """The label of a number, None where no range wants it."""
    return next((name for name, (low, high) in RANGES.items() if low <= number <= high), None)


@dataclass
class Corpus:
    """A corpus being written, and what must be read from it."""

    root: Path
    rows: list[Row] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    either: dict[str, list[Row]] = field(default_factory=dict)
    unused: int = 0

    def speak(self, person: str, number: int, text: str | None, *more: str | None) -> None:
        """Write one file with its right text; more texts: any of them, or no row, will do."""
        audio = f"{person}/wav_48000/{person}_{number:06d}.wav"
        duration = write(self.root / audio)
        label = emotion(number)
        if label is None:
            self.unused += 1
            return
        row: Row = {"audio": audio, "speaker": person, "emotion": label}
        row |= {"text": text, "duration_s": duration}
        if more:
            self.either[audio] = [row, *({**row, "text": other} for other in more)]
        else:
            self.rows.append(row)

    def script(self, person: str, lines: list[str], encoding: str = "utf-8", end: str = "\n") -> None:
        """Write a speaker's script."""
        litter(self.root / person / "script.txt", "".join(line + end for line in lines).encode(encoding))

    def expected(self, *notes: str, ignored: tuple[str, ...] = ()) -> Expected:
        """The right answer so far."""
        all_notes = (*NOTES, *notes)
        return Expected(self.rows, self.rejected, self.unused, all_notes, self.either, ignored)


TEXTS = {
    21: "저, 혹시 지금 자리에 계신가요?",
    22: "어떡하지 벌써 열두 시가 넘었는데.",
    31: "네, 고객님. 천천히 말씀해 주세요.",
    51: "21번 버스를 타고 왔어요!",
    91: "회의는 3시에 시작합니다",
    120: "이 문장은 쓰지 않는다.",
}


def plain_speaker(
    corpus: Corpus, person: str, between: str, encoding: str = "utf-8", end: str = "\n"
) -> None:
    """A speaker whose script has nothing odd but its separator, encoding and line ends."""
    for number, text in TEXTS.items():
        corpus.speak(person, number, text)
    lines = [f"{person}_{number:06d}{between}{text}" for number, text in TEXTS.items()]
    corpus.script(person, lines, encoding, end)


def build(root: Path) -> Expected:
    """All the speakers, each with a script by another hand."""
    corpus = Corpus(root)
    plain_speaker(corpus, "F0002", " ")
    plain_speaker(corpus, "F0003", "     ")
    plain_speaker(corpus, "F0013", " \t ", end="  \n")
    plain_speaker(corpus, "M0002", "\t", "utf-8-sig", "\r\n")
    plain_speaker(corpus, "M0003", "\t", "utf-16", "\r\n")
    faulty(corpus)
    encodings(corpus)
    spellings(corpus)
    litter(root / "F0002/._script.txt", APPLE_DOUBLE)
    litter(root / "F0002/script.txt~", b"F0002_000021 old\n")
    litter(root / "F0002/wav_48000/._F0002_000021.wav", APPLE_DOUBLE)
    ignored = ("F0002/._script.txt", "F0002/script.txt~", "F0002/wav_48000/._F0002_000021.wav")
    return corpus.expected(
        "One id with two texts: the second must be reported; it may keep the first one, lose it, or be rejected.",
        "The same line twice is harmless and gives one row.",
        "A line that looks like a header names no file: it gives nothing, and may be reported.",
        "An id without its leading zeros (Excel) may be found or reported, never given to another file.",
        "A script that is partly UTF-8, partly CP949 is reported; no text of it may come out garbled.",
        "'|' between id and text is not described: report it, never take half a text.",
        ignored=ignored,
    )


def faulty(corpus: Corpus) -> None:
    """F0001: a tab script with every fault of content."""
    person = "F0001"
    corpus.speak(person, 21, TEXTS[21])
    corpus.speak(person, 22, "먼저 쓴 글", None)
    corpus.speak(person, 23, None)
    corpus.speak(person, 24, None)
    corpus.speak(person, 25, None)
    corpus.speak(person, 26, "두 번 적힌 같은 줄")
    corpus.speak(person, 31, TEXTS[31])
    lines = [
        f"{person}_000021\t{TEXTS[21]}",
        f"{person}_000022\t먼저 쓴 글",
        f"{person}_000023",
        f"{person}_000024\t   ",
        f"{person}_000022\t나중에 고친 글",
        f"{person}_000026\t두 번 적힌 같은 줄",
        f"{person}_000026\t두 번 적힌 같은 줄",
        f"{person}_000027\t파일이 없는 줄",
        "F0002_000028\t다른 사람의 줄",
        f"{person}_000031\t{TEXTS[31]}",
    ]
    litter(corpus.root / person / "script.txt", "\n".join(lines).encode())  # no line end at the last
    corpus.rejected |= {
        f"{person}/script.txt:3": "no text",
        f"{person}/script.txt:4": "no text",
        f"{person}/script.txt:5": "duplicate",
        f"{person}/script.txt:8": "no audio",
        f"{person}/script.txt:9": "no audio",
        f"{person}/wav_48000/{person}_000092.wav": "empty",
    }
    litter(corpus.root / person / f"wav_48000/{person}_000092.wav")


def encodings(corpus: Corpus) -> None:
    """CP949 with a syllable EUC-KR lacks, UTF-16 of the other order, two encodings in one file, none."""
    person = "M0001"
    corpus.speak(person, 21, "똠방각하 앞에서 펲을 외쳤다")
    corpus.speak(person, 31, "“괜찮아요” ― 천천히 하세요")
    lines = [f"{person}_000021\t똠방각하 앞에서 펲을 외쳤다"]
    corpus.script(person, [*lines, f"{person}_000031\t“괜찮아요” ― 천천히 하세요"], "cp949", "\r\n")
    person = "M0004"
    corpus.speak(person, 21, TEXTS[21])
    text = f"{person}_000021 {TEXTS[21]}\n"
    litter(corpus.root / person / "script.txt", codecs.BOM_UTF16_BE + text.encode("utf-16-be"))
    person = "F0010"
    for number in (21, 31):
        corpus.speak(person, number, TEXTS[number], None)
    halves = f"{person}_000021 {TEXTS[21]}\n".encode() + f"{person}_000031 {TEXTS[31]}\n".encode("cp949")
    litter(corpus.root / person / "script.txt", halves)
    corpus.rejected[f"{person}/script.txt"] = "encoding"
    corpus.speak("F0008", 21, None)  # no script at all
    corpus.speak("F0009", 21, None)
    litter(corpus.root / "F0009/script.txt")


def spellings(corpus: Corpus) -> None:
    """Headers, empty lines, ids spelled otherwise, tabs and decomposed Hangul in texts, another separator."""
    person = "F0004"
    corpus.speak(person, 21, TEXTS[21])
    corpus.speak(person, 31, TEXTS[31])
    lines = [
        "파일명\t대본",
        "",
        f"{person}_000021\t{TEXTS[21]}",
        "   ",
        "",
        f"{person}_000031\t{TEXTS[31]}",
        "",
    ]
    corpus.script(person, lines)
    person = "F0005"
    for number in (21, 22, 31):
        corpus.speak(person, number, TEXTS[number])
    corpus.speak(person, 91, TEXTS[91], None)
    lines = [f"{person}_000021.wav\t{TEXTS[21]}", f"{person}_000022.WAV {TEXTS[22]}"]
    lines += [f"{person}_000031.wav   {TEXTS[31]}", f"wav_48000/{person}_000091.wav\t{TEXTS[91]}"]
    corpus.script(person, lines)
    person = "F0006"
    corpus.speak(person, 21, TEXTS[21])
    corpus.speak(person, 51, TEXTS[51])  # the text itself begins with a number
    corpus.speak(person, 91, "000021 다음은 000091입니다")
    corpus.speak(person, 31, TEXTS[31], None)
    lines = [
        f"000021 {TEXTS[21]}",
        f"000051\t{TEXTS[51]}",
        "000091 000021 다음은 000091입니다",
        f"31 {TEXTS[31]}",
    ]
    corpus.script(person, lines)
    person = "F0007"
    corpus.speak(person, 21, "하나 둘 셋")
    corpus.speak(person, 31, "값을 읽는 닭")
    corpus.speak(person, 91, "# 우물정자로 시작하는 글")
    lines = [f"{person}_000021\t하나\t둘\t\t셋", nfd(f"{person}_000031\t값을 읽는 닭")]
    corpus.script(person, [*lines, f"{person}_000091\t# 우물정자로 시작하는 글"])
    person = "F0012"
    corpus.speak(person, 21, "안녕하세요 반갑습니다", None)
    corpus.script(person, [f"{person}_000021|안녕하세요 반갑습니다"])
    corpus.rejected[f"{person}/script.txt:1"] = "format"


def build_upper_case(root: Path) -> Expected:
    """``SCRIPT.TXT`` and ``.WAV``, as from a disk that does not mind."""
    corpus = Corpus(root)
    plain_speaker(corpus, "M0005", "\t", "cp949", "\r\n")
    (root / "M0005/script.txt").rename(root / "M0005/SCRIPT.TXT")
    for row in corpus.rows:
        audio = row["audio"].removesuffix(".wav") + ".WAV"
        (root / row["audio"]).rename(root / audio)
        row["audio"] = audio
    return corpus.expected("SCRIPT.TXT counts as script.txt; a reader that leaves it must say it met one.")


def build_number_names(root: Path) -> Expected:
    """Equal file names and equal ids under two speakers: only the folder distinguishes them."""
    corpus = Corpus(root)
    for person, ending in (("F0001", "가"), ("F0002", "나")):
        (root / person / "wav_48000").mkdir(parents=True)
        for number in (21, 31, 91):
            audio = f"{person}/wav_48000/{number:06d}.wav"
            row: Row = {"audio": audio, "speaker": person, "emotion": emotion(number)}
            row |= {"text": f"글 {number} {ending}", "duration_s": write(root / audio)}
            corpus.rows.append(row)
        corpus.script(person, [f"{number:06d}\t글 {number} {ending}" for number in (21, 31, 91)])
    return corpus.expected()


BUILDS: dict[str, Callable[[Path], Expected]] = {
    "scripts": build,
    "upper_case": build_upper_case,
    "number_names": build_number_names,
}
