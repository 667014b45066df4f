"""CP.4: ``1.Training``, ``2.Validation`` (or ``2.Validation_split``), ``3.Test``, a JSON beside each WAV.

Three publishers: nested Korean keys, nested English keys, and a list of utterances. The mess: deep Hangul
folders, equal file names under two speakers, ``.WAV`` and ``.JSON``, CP949 and BOM, ages as numbers, words
and null, missing and empty texts, broken and truncated JSON, JSON without WAV and WAV without JSON, a list at
the top, decomposed keys, a false duration, a speaker in two splits; and labels in a tree of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.corpus.layouts.expected import Expected, Row, nfd, plain
from tests.corpus.layouts.sounds import APPLE_DOUBLE, header_only, litter, write

Label = dict[str, Any]
KOREAN = {
    "text": '"발화정보".stt',
    "speaker": '"화자정보"."화자ID"',
    "age": '"화자정보".age',
    "gender": '"화자정보".gender',
}
ENGLISH = {
    "text": "Transcription.LabelText",
    "speaker": "Speaker.SpeakerName",
    "age": "Speaker.Age",
    "gender": "Speaker.Gender",
}
LISTED = {
    "text": "join(' ', utterances[*].text)",
    "speaker": "metadata.speaker.id",
    "age": "metadata.speaker.age",
    "gender": "metadata.speaker.sex",
}
NOTES = (
    "Ages: a number is meant (8세 -> 8, 만 7세 -> 7); Korean counting (세) and 만 are not converted. An age "
    "without a number (미상) is None, and the row stays.",
    "Genders stand as F and M and are compared whatever the spelling; so are split names (train, val, test).",
    "The text is the field as written, blanks at the ends off; dual spellings and noise marks are not used.",
    "The duration is the sound's, whatever the JSON says.",
    "A speaker of the JSON may be a number: compared as text.",
)
SPLITS = {"1.Training": "train", "2.Validation": "val", "2.Validation_split": "val", "3.Test": "test"}


def korean(text: Any, speaker: Any, age: Any, gender: Any) -> Label:
    """A label as the first publisher writes it."""
    return {
        "기본정보": {"Language": "KOR", "Version": "1.0"},
        "음성정보": {"SamplingRate": "16000", "NumberOfBit": "16"},
        "발화정보": {"stt": text, "recrdTime": "99.9", "scriptId": "K_01"},
        "화자정보": {"화자ID": speaker, "age": age, "gender": gender, "지역": "서울"},
    }


def english(text: Any, speaker: Any, age: Any, gender: Any) -> Label:
    """A label as the second publisher writes it."""
    return {
        "File": {"FileName": "0001.wav", "FileLength": 99.9, "Speaker": "not this one"},
        "Transcription": {"LabelText": text, "text": "not this one"},
        "Speaker": {"SpeakerName": speaker, "Age": age, "Gender": gender},
    }


def listed(text: Any, speaker: Any, age: Any, gender: Any) -> Label:
    """A label as the third publisher writes it: one utterance a phrase."""
    parts = text if isinstance(text, list) else [text]
    return {
        "metadata": {"speaker": {"id": speaker, "age": age, "sex": gender}},
        "utterances": [{"id": number, "text": part} for number, part in enumerate(parts, 1)],
    }


@dataclass
class Corpus:
    """A corpus being written, and what must be read from it."""

    root: Path
    style: Callable[[Any, Any, Any, Any], Label]
    mapping: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    either: dict[str, list[Row]] = field(default_factory=dict)

    def row(self, audio: str, text: Any, speaker: Any, age: Any, gender: Any, duration: float) -> Row:
        """The right row of what a label says."""
        years = plain("age", age)
        row: Row = {"audio": audio, "speaker": None if speaker is None else str(speaker)}
        row["text"] = " ".join(text) if isinstance(text, list) else text.strip()
        row |= {"age": years and int(years), "gender": plain("gender", gender)}
        return row | {"duration_s": duration, "split": SPLITS[audio.split("/")[0]]}

    def pair(
        self,
        audio: str,
        label: tuple[Any, Any, Any, Any],
        *,
        rate: int = 16000,
        channels: int = 1,
        beside: str | None = None,
        encoding: str = "utf-8",
        sure: bool = True,
    ) -> Path:
        """Write a WAV and its JSON (beside: another path for it); not sure: the row may also be missing."""
        duration = write(self.root / audio, rate, channels=channels)
        place = self.root / (beside or audio[: audio.rindex(".")] + ".json")
        data = json.dumps(self.style(*label), ensure_ascii=encoding == "ascii", indent=1)
        litter(place, data.encode(encoding))
        row = self.row(audio, *label, duration)
        if sure:
            self.rows.append(row)
        else:
            self.either[audio] = [row]
        return place

    def raw(self, audio: str, data: bytes | Label | list[Any]) -> float:
        """A WAV and any JSON; the duration."""
        duration = write(self.root / audio, 16000)
        raw = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
        litter((self.root / audio).with_suffix(".json"), raw)
        return duration

    def bad(self, audio: str, why: str, data: bytes | Label | list[Any]) -> None:
        """A WAV whose JSON cannot be used."""
        self.raw(audio, data)
        self.rejected[audio] = why

    def expected(self, *notes: str, ignored: tuple[str, ...] = ()) -> Expected:
        """The right answer so far."""
        all_notes = (*NOTES, *notes)
        return Expected(
            self.rows, self.rejected, 0, all_notes, self.either, ignored, mapping=dict(self.mapping)
        )


def build(root: Path) -> Expected:
    """Korean keys, and most of the mess."""
    corpus = Corpus(root, korean, KOREAN)
    deep = "1.Training/초등 저학년/서울/C001"
    corpus.pair(f"{deep}/0001.wav", ("나는 학교에 가요.", "C001", "7", "여"))
    corpus.pair(f"{deep}/0002.WAV", ("값을 읽는 닭", "C001", "7", "여"))
    corpus.pair(f"{deep}/0003.wav", (" 엄마랑  같이 ", "C001", "7", "여"), beside=f"{deep}/0003.JSON")
    corpus.pair(f"{deep}/한글 이름.wav", ("한글 이름이에요", "C001", "7", "여"), rate=44100, channels=2)
    corpus.pair(f"{deep}/C001.2023.0004.wav", ("점이 많은 이름", "C001", "7", "여"), rate=48000)
    other = "1.Training/초등 저학년/부산/C002"
    corpus.pair(f"{other}/0001.wav", ("같은 이름 다른 사람", "C002", "8세", "남"), encoding="cp949")
    corpus.pair(f"{other}/0002.wav", ("비옴이 있어요", "C002", "8세", "남"), encoding="utf-8-sig")
    corpus.pair(f"{other}/0003.wav", ("역슬래시 유로 적힌 글", "C002", "8세", "남"), encoding="ascii")
    corpus.pair(
        "2.Validation/C003/0001.wav", ("똠방각하를 그렸어요", "C003", "만 7세", "여"), encoding="cp949"
    )
    corpus.pair("2.Validation/C003/0002.wav", ("나이를 몰라요", "C003", None, "여"))
    corpus.pair("3.Test/C004/0001.wav", ("나이도 성별도 몰라요", "C004", "미상", ""))
    corpus.pair("3.Test/C004/0002.wav", ("열 살이에요", "C004", 10, "남"))
    corpus.pair("3.Test/C004/0003.wav", ("말한 사람을 몰라요", None, 10, "남"), sure=False)
    label = ("이름이 둘", "C004", 10, "남")
    corpus.pair("3.Test/C004/0005.wav", label, beside="3.Test/C004/0005.wav.json", sure=False)
    place = corpus.pair("3.Test/C004/0006.wav", ("풀어 쓴 열쇠", "C004", 10, "남"), sure=False)
    place.write_bytes(nfd(place.read_text()).encode())
    refuse(corpus)
    ignored = (
        f"{deep}/._0001.json",
        f"{deep}/._0001.wav",
        f"{deep}/.DS_Store",
        "1.Training/목록.xlsx",
        "__MACOSX/1.Training/._0001.json",
        "1.Training/.cache/index.json",
        "README.txt",
    )
    for path in ignored:
        litter(root / path, APPLE_DOUBLE if "._" in path else b"{}")
    return corpus.expected(
        "Either: no speaker in the JSON; x.wav.json beside x.wav; keys in decomposed Hangul.",
        "A JSON without WAV is keyed by the JSON, everything else by the WAV.",
        ignored=ignored,
    )


def refuse(corpus: Corpus) -> None:
    """What must be refused with a reason, by the Korean publisher."""
    here = "1.Training/C009"
    good = korean("멀쩡한 글", "C009", "9", "여")
    raw = json.dumps(good, ensure_ascii=False).encode()
    without = korean("", "C009", "9", "여")
    del without["발화정보"]["stt"]
    corpus.bad(f"{here}/0001.wav", "no text", without)
    corpus.bad(f"{here}/0002.wav", "no text", {key: part for key, part in good.items() if key != "발화정보"})
    corpus.bad(f"{here}/0003.wav", "no text", korean("", "C009", "9", "여"))
    corpus.bad(f"{here}/0004.wav", "no text", korean(" \t\n", "C009", "9", "여"))
    corpus.bad(f"{here}/0005.wav", "no text", korean(None, "C009", "9", "여"))
    corpus.bad(f"{here}/0006.wav", "broken", raw[: len(raw) // 2])
    corpus.bad(f"{here}/0007.wav", "broken", raw[:-1] + b",}")
    corpus.bad(f"{here}/0008.wav", "broken", b"")
    corpus.bad(f"{here}/0009.wav", "broken", b"\xff\xd8\xff\xe0\x00\x10JFIF\x80\x81")
    corpus.bad(f"{here}/0010.wav", "shape", [good, good])
    corpus.bad(f"{here}/0011.wav", "shape", b'"just a word"')
    corpus.bad(f"{here}/0012.wav", "no text", {**good, "발화정보": "글이 여기에"})
    litter(corpus.root / here / "0013.json", raw)
    corpus.rejected[f"{here}/0013.json"] = "no audio"
    write(corpus.root / here / "0014.wav", 16000)
    corpus.rejected[f"{here}/0014.wav"] = "no label"
    for name, why in (("0015.wav", "empty"), ("0016.wav", "unreadable"), ("0017.wav", "empty")):
        corpus.bad(f"{here}/{name}", why, good)
    litter(corpus.root / here / "0015.wav")
    litter(corpus.root / here / "0016.wav", b"<html>404 Not Found</html>")
    header_only(corpus.root / here / "0017.wav", 16000)


def build_english(root: Path) -> Expected:
    """English keys, numbers as numbers, equal names everywhere, one speaker in two splits."""
    corpus = Corpus(root, english, ENGLISH)
    for folder, speaker, age, gender in (
        ("1.Training/KID01", "KID01", 8, "Female"),
        ("1.Training/KID02", "KID02", 9.0, "male"),
        ("2.Validation/KID03", 3, "10", "F"),
        ("3.Test/KID01", "KID01", 8, "Female"),
        ("3.Test/KID04", "KID04", None, None),
    ):
        for number in (1, 2):
            text = f"{folder.split('/')[1]} 어린이의 {number}번째 말"
            corpus.pair(f"{folder}/{number:04d}.wav", (text, speaker, age, gender))
    corpus.bad("1.Training/KID02/0003.wav", "no text", english(None, "KID02", 9, "male"))
    flat = {"LabelText": "다른 곳에 있는 글", "Speaker": "KID02"}
    corpus.bad("1.Training/KID02/0004.wav", "no text", flat)
    audio = "1.Training/KID02/0005.wav"
    duration = corpus.raw(audio, english(5, "KID02", 9, "male"))
    corpus.either[audio] = [corpus.row(audio, "5", "KID02", 9, "male", duration)]
    return corpus.expected(
        "KID01 is in 1.Training and in 3.Test: both rows are read as published, the leak is for the check "
        "of splits to find.",
        "Either: a text that is a number. File.Speaker and Transcription.text are decoys beside the mapping.",
    )


def build_listed(root: Path) -> Expected:
    """A list of utterances to be joined; where it is missing, join() itself fails."""
    corpus = Corpus(root, listed, LISTED)
    corpus.pair("1.Training/a/u1.wav", (["나는"], 1, 7, "female"))
    corpus.pair("1.Training/a/u2.wav", (["하나", "둘 셋", "넷"], 1, 7, "female"))
    corpus.pair("2.Validation/b/u1.wav", (["같은 이름"], 2, "8", "male"))
    corpus.pair("3.Test/c/u1.wav", (["끝", "입니다"], 3, None, None))
    good = listed(["글"], 4, 7, "male")
    corpus.bad("1.Training/d/u1.wav", "no text", {**good, "utterances": []})
    corpus.bad("1.Training/d/u2.wav", "no text", {**good, "utterances": None})
    corpus.bad("1.Training/d/u3.wav", "no text", {"metadata": good["metadata"]})
    corpus.bad("1.Training/d/u4.wav", "no text", {**good, "utterances": [{"id": 1}, {"id": 2}]})
    corpus.bad("1.Training/d/u5.wav", "no text", {**good, "utterances": [{"id": 1, "text": 5}]})
    corpus.bad("1.Training/d/u6.wav", "shape", [good])
    return corpus.expected("A JMESPath that fails on one file refuses that file alone, with a reason.")


def build_validation_split(root: Path) -> Expected:
    """``2.Validation_split`` in the place of ``2.Validation``."""
    corpus = Corpus(root, english, ENGLISH)
    for folder in ("1.Training/A", "2.Validation_split/B", "3.Test/C"):
        for number in (1, 2):
            label = (f"{folder[-1]}의 {number}번", folder[-1], 7 + number, "F")
            corpus.pair(f"{folder}/{number}.wav", label)
    return corpus.expected("What to do where both folders exist is not described, and not built.")


def build_parallel(root: Path) -> Expected:
    """WAVs in ``원천데이터``, JSONs in ``라벨링데이터`` at the same place; equal file names inside."""
    corpus = Corpus(root, korean, KOREAN)
    for split in ("1.Training", "2.Validation", "3.Test"):
        for speaker in ("가", "나"):
            name = f"{split[0]}{speaker}"
            for number in (1, 2):
                place = f"{split}/원천데이터/{name}/{number:04d}.wav"
                beside = f"{split}/라벨링데이터/{name}/{number:04d}.json"
                corpus.pair(place, (f"{name}의 {number}번째 말", name, "8", "여"), beside=beside)
    write(root / "1.Training/원천데이터/1가/0003.wav", 16000)
    corpus.rejected["1.Training/원천데이터/1가/0003.wav"] = "no label"
    lonely = "1.Training/라벨링데이터/1나/0004.json"
    litter(root / lonely, json.dumps(korean("글", "1나", "8", "여"), ensure_ascii=False).encode())
    corpus.rejected[lonely] = "no audio"
    return corpus.expected(
        "The row says 'beside each WAV': a parallel tree goes beyond it, as AI Hub ships it."
    )


def build_parallel_zips(root: Path) -> Expected:
    """As above, but the folder below differs too (``TS_…`` and ``TL_…``, the names of the zips)."""
    corpus = Corpus(root, korean, KOREAN)
    for split, letter in (("1.Training", "T"), ("2.Validation", "V")):
        for part in ("1.서울", "2.부산"):
            for number in (1, 2):
                name = f"{letter}{part[0]}_{number:04d}"
                place = f"{split}/원천데이터/{letter}S_{part}/{name}.wav"
                beside = f"{split}/라벨링데이터/{letter}L_{part}/{name}.json"
                label = (f"{name} 말", f"{letter}{part[0]}", "만 9세", "남")
                corpus.pair(place, label, beside=beside)
    return corpus.expected(
        "File names are unique here: a reader may pair by name, or refuse all as unpaired."
    )


BUILDS: dict[str, Callable[[Path], Expected]] = {
    "korean": build,
    "english": build_english,
    "listed": build_listed,
    "validation_split": build_validation_split,
    "parallel": build_parallel,
    "parallel_zips": build_parallel_zips,
}
