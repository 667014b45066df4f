"""E4.3, list: a CSV of ``file_path,emotion`` with any label names.

The mess: relative, absolute, ``./``, ``..`` and Windows paths; paths that do not exist, a folder, an empty
and a false WAV; missing labels and paths, too few and too many cells, equal and contradicting duplicates,
empty lines; quoted commas, quotes and line ends; CP949, BOM, UTF-16; semicolons and tabs; headers with
blanks, capitals, other order and a pandas index; labels such as ``NA`` and ``01``; decomposed names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.corpus.layouts.expected import Expected, Row, nfd
from tests.corpus.layouts.sounds import header_only, litter, write

NOTES = (
    "Keys of refused rows are the path as listed, or <list>:<line> (from 1, header counted) without one.",
    "A listed path is relative to the list's folder, which is the root; root-relative in the rows.",
    "Without a speaker column the speaker is None, not guessed from the folder.",
)


@dataclass
class Sheet:
    """A list being written, and what must be read from it."""

    root: Path
    index: str = "data.csv"
    rows: list[Row] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    either: dict[str, list[Row]] = field(default_factory=dict)

    def row(self, audio: str, emotion: str, speaker: str | None = None, text: str | None = None) -> Row:
        """Write one file and make its row."""
        row: Row = {"audio": audio, "speaker": speaker, "emotion": emotion, "text": text}
        duration = write(self.root / audio)
        return row if audio.endswith(".mp3") else {**row, "duration_s": duration}

    def good(self, audio: str, emotion: str, speaker: str | None = None, text: str | None = None) -> str:
        """One right row; its path, to be listed."""
        self.rows.append(self.row(audio, emotion, speaker, text))
        return audio

    def save(self, text: str, encoding: str = "utf-8") -> None:
        """Write the list."""
        litter(self.root / self.index, text.encode(encoding))

    def expected(self, *notes: str, ignored: tuple[str, ...] = ()) -> Expected:
        """The right answer."""
        all_notes = (*NOTES, *notes)
        return Expected(self.rows, self.rejected, 0, all_notes, self.either, ignored, index=self.index)


def build(root: Path) -> Expected:
    """Two columns, UTF-8, commas, and every fault of content; no line end at the end."""
    sheet = Sheet(root)
    (root / "audio/sub").mkdir(parents=True)
    there = root.absolute()
    odd, conflict, short = 'audio/say "hi".wav', "audio/a09.wav", "audio/a08.wav"
    sheet.either[conflict] = [sheet.row(conflict, label) for label in ("Joy", "Angry")]
    sheet.good("audio/a04.wav", "Kind")
    sheet.either[short] = [sheet.row(short, "Kind")]
    lines = [
        "file_path,emotion",
        f"{sheet.good('audio/a01.wav', 'Neutral')},Neutral",
        f"{there}/{sheet.good('audio/a02.wav', 'Angry')},Angry",
        f"./{sheet.good('audio/a03.wav', 'Joy')},Joy",
        "audio//sub/../a04.wav,Kind",
        "",
        f"{sheet.good('audio/하나.wav', 'Anxious')},Anxious",
        f'"{sheet.good("audio/둘, 셋.wav", "Dry")}",Dry',
        f'"{sheet.good(odd, "Kind").replace(chr(34), chr(34) * 2)}","Kind"',
        "audio/ghost.wav,Kind",
        "audio/a05.wav,",
        "audio/a06.wav",
        "audio/a07.wav,Kind,extra",
        f"{short},Kind,",
        "audio/a01.wav,Neutral",
        "./audio/a02.wav,Angry",
        f"{conflict},Joy",
        f"{conflict},Angry",
        ",Kind",
        "audio/empty.wav,Kind",
        "audio/false.wav,Kind",
        "audio/silent.wav,Kind",
        f"{sheet.good('audio/a10.WAV', 'Kind')},Kind",
        f"{sheet.good('audio/a11.flac', 'Joy')},Joy",
        f"{sheet.good('audio/a12.mp3', 'Joy')},Joy",
        f" {sheet.good('audio/a13.wav', 'Joy')} ,  Joy ",
        "   ",
        ",",
        "audio/sub,Kind",
        "../outside.wav,Kind",
        "audio/five, six.wav,Kind",
        "audio/a14.wav,   ",
        f"{sheet.good('audio/last.wav', 'Neutral')},Neutral",
    ]
    for number in (5, 6, 7, 14):
        write(root / f"audio/a{number:02d}.wav")
    write(root / "audio/five, six.wav")
    write(root / "audio/unlisted.wav")
    litter(root / "audio/empty.wav")
    litter(root / "audio/false.wav", b"RIFF\x00\x00\x00\x00WAVEnothing")
    header_only(root / "audio/silent.wav")
    sheet.rejected |= {
        "audio/ghost.wav": "missing",
        "audio/a05.wav": "no label",
        "audio/a06.wav": "too few cells",
        "audio/a07.wav": "too many cells",
        conflict: "two labels",
        f"{sheet.index}:{lines.index(',Kind') + 1}": "no path",
        "audio/empty.wav": "empty",
        "audio/false.wav": "unreadable",
        "audio/silent.wav": "empty",
        "audio/sub": "folder",
        "../outside.wav": "missing",
        "audio/five": "missing",
        "audio/a14.wav": "no label",
    }
    sheet.save("\n".join(lines))
    return sheet.expected(
        "The same path twice with one label gives one row, however it is spelled; reporting it is optional.",
        "The same path with two labels must be reported; a row with either label may stay.",
        "A surplus empty cell (Excel) may be forgiven, a surplus word not: the cells cannot be distinguished.",
        "An unquoted comma in a path: three cells, of which the first is not a file; refused on either ground.",
        "A line of blanks or of one comma is an empty line. Audio that no line names is not wanted.",
        "Absolute paths here point into the root; one that points outside it has no root-relative name.",
        ignored=("audio/unlisted.wav",),
    )


def build_columns(root: Path) -> Expected:
    """Speaker and text too, quoted texts with commas, quotes and line ends, Korean labels, CRLF."""
    sheet = Sheet(root, "라벨.csv")
    texts = ("네, 알겠습니다.", "첫째 줄\n둘째 줄", '그가 "싫어" 라고 했다', "", "쉼표 없이", "a,b,,c")
    labels = ("불안", "친절", "건조함", "기타", "불안", "친절")
    lines = ["file_path,emotion,speaker,text"]
    for number, (text, label) in enumerate(zip(texts, labels, strict=True)):
        speaker = None if number == 4 else f"화자{number % 2 + 1}"
        audio = sheet.good(f"음성/{number}.wav", label, speaker, text or None)
        quoted = text.replace('"', '""').replace("\n", "\r\n")
        lines.append(f'"{audio}",{label},{speaker or ""},"{quoted}"')
    lines.append("음성/없음.wav,친절,화자1,")
    sheet.rejected["음성/없음.wav"] = "missing"
    sheet.save("\r\n".join(lines) + "\r\n")
    return sheet.expected("A line end inside a text is compared as a blank. An empty speaker is None.")


def simple(sheet: Sheet, between: str, header: str, encoding: str, end: str = "\n") -> None:
    """Three good rows and one that does not exist, in a given spelling of the list."""
    lines = [header]
    for audio, label in (("음성/똠방.wav", "불안"), ("음성/나.wav", "친절"), ("음성/다.wav", "Dry")):
        lines.append(f"{sheet.good(audio, label)}{between}{label}")
    lines.append(f"음성/없음.wav{between}친절")
    sheet.rejected["음성/없음.wav"] = "missing"
    sheet.save(end.join(lines) + end, encoding)


def build_cp949(root: Path) -> Expected:
    """As Korean Excel saves it: CP949 (with a syllable EUC-KR lacks) and CRLF."""
    sheet = Sheet(root)
    simple(sheet, ",", "file_path,emotion", "cp949", "\r\n")
    return sheet.expected()


def build_bom(root: Path) -> Expected:
    """UTF-8 with BOM, the first header cell quoted right behind it."""
    sheet = Sheet(root)
    simple(sheet, ",", '"file_path","emotion"', "utf-8-sig", "\r\n")
    return sheet.expected()


def build_utf16(root: Path) -> Expected:
    """Excel's "Unicode text": UTF-16 with BOM and tabs, named .csv nevertheless."""
    sheet = Sheet(root)
    simple(sheet, "\t", "file_path\temotion", "utf-16", "\r\n")
    return sheet.expected()


def build_tabs(root: Path) -> Expected:
    """Tabs and a name of .tsv."""
    sheet = Sheet(root, "data.tsv")
    simple(sheet, "\t", "file_path\temotion", "utf-8")
    return sheet.expected()


def build_semicolon(root: Path) -> Expected:
    """Semicolons, so that commas in paths and texts need no quotes."""
    sheet = Sheet(root)
    lines = ["file_path;emotion;speaker;text"]
    for audio, label, text in (
        ("audio/하나, 둘.wav", "Kind", "네, 네, 그럼요"),
        ("audio/b.wav", "Dry", "쉼표 없는 글"),
        ("audio/c.wav", "Anxious, a little", "아, 저; 그게"),
    ):
        cell = f'"{text}"' if ";" in text else text
        lines.append(f"{sheet.good(audio, label, 'F0001', text)};{label};F0001;{cell}")
    sheet.save("\n".join(lines) + "\n")
    return sheet.expected()


def build_header(root: Path) -> Expected:
    """A header of ``Emotion , File_Path`` with blanks, capitals, the other order, an empty line above it."""
    sheet = Sheet(root)
    lines = ["", " Emotion , File_Path ,Speaker "]
    lines += [f"{label} , {sheet.good(f'audio/{label}.wav', label, 'F1')} , F1" for label in ("Kind", "Dry")]
    sheet.save("\n".join(lines) + "\n")
    return sheet.expected()


def build_pandas_index(root: Path) -> Expected:
    """A nameless first column of row numbers, and other columns without a use."""
    sheet = Sheet(root)
    lines = [",file_path,emotion,sr,Unnamed: 0.1"]
    for number, label in enumerate(("Kind", "Dry", "Anxious")):
        lines.append(f"{number},{sheet.good(f'audio/{number}.wav', label)},{label},48000,{number}")
    sheet.save("\n".join(lines) + "\n")
    return sheet.expected()


def build_windows(root: Path) -> Expected:
    """Backslashes: relative ones are found, a drive's are refused."""
    sheet = Sheet(root)
    sheet.good("audio/F0001/a.wav", "Kind")
    sheet.good("audio/F0001/new.wav", "Dry")
    sheet.good("audio/음성 1/t.wav", "Dry")
    lines = ["file_path,emotion", "audio\\F0001\\a.wav,Kind", ".\\audio\\F0001\\new.wav,Dry"]
    lines.append('"audio\\음성 1\\t.wav",Dry')
    drive = "C:\\data\\SER\\audio\\F0001\\a.wav"
    lines.append(f"{drive},Kind")
    sheet.rejected[drive] = "missing"
    sheet.either["audio/F0002/b.wav"] = [sheet.row("audio/F0002/b.wav", "Kind")]
    lines.append("Audio\\F0002\\B.WAV,Kind")
    sheet.save("\r\n".join(lines) + "\r\n")
    return sheet.expected(
        "A path that fits but for capitals may be found or refused.",
        "A drive's path is refused even where its end would fit a file of the root.",
    )


def build_label_names(root: Path) -> Expected:
    """Labels that libraries like to turn into something else: all must come out as written."""
    sheet = Sheet(root)
    labels = (
        "NA",
        "null",
        "None",
        "nan",
        "1",
        "01",
        "1.0",
        "True",
        "기쁨/행복",
        "Kind of angry",
        "KIND",
        "Kind",
    )
    lines = ["file_path,emotion"]
    for number, label in enumerate(labels):
        lines.append(f"{sheet.good(f'audio/{number:03d}.wav', label)},{label}")
    sheet.save("\n".join(lines) + "\n")
    return sheet.expected(
        '"Any label names": NA, null, None and nan are labels; only an empty cell is not a label.',
        "Capitals are kept: KIND and Kind are two labels (a warning is welcome).",
    )


def build_decomposed(root: Path) -> Expected:
    """The list in NFC and the disk in NFD, and the other way round."""
    sheet = Sheet(root)
    on_disk: dict[str, str] = {}
    lines = ["file_path,emotion"]
    for audio, decomposed in (("음성/가나.wav", True), ("소리/다라.wav", False)):
        disk = nfd(audio) if decomposed else audio
        duration = write(root / disk)
        row: Row = {"audio": audio, "speaker": None, "emotion": "Kind", "text": None}
        sheet.rows.append({**row, "duration_s": duration})
        if decomposed:
            on_disk[audio] = disk
        lines.append(f"{audio if decomposed else nfd(audio)},Kind")
    sheet.save("\n".join(lines) + "\n")
    return Expected(sheet.rows, notes=NOTES, index=sheet.index, on_disk=on_disk)


BUILDS: dict[str, Callable[[Path], Expected]] = {
    "csv": build,
    "columns": build_columns,
    "cp949": build_cp949,
    "bom": build_bom,
    "utf16": build_utf16,
    "tabs": build_tabs,
    "semicolon": build_semicolon,
    "header": build_header,
    "pandas_index": build_pandas_index,
    "windows": build_windows,
    "label_names": build_label_names,
    "decomposed": build_decomposed,
}
