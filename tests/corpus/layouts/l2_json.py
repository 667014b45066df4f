"""L2.1: ``train_data.json``, ``val_data.json``, ``eval.json``, keyed by the path of the audio.

The mess: unequal lengths, unknown labels and phones, missing, null and empty fields, audio that does not exist,
false durations, a BOM, numbers as words, keys that are another lab's paths, capitals, stress digits, ``sil``
at the ends and in gaps, more phones than the audio has frames, a speaker and an utterance in two files; and
error labels of two letters (C, I: incorrect), of four (C, S, D, I: inserted), and of both.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.corpus.layouts.expected import Expected, Row
from tests.corpus.layouts.sounds import litter, write

FILES = {"train_data.json": "train", "val_data.json": "val", "eval.json": "test"}
NOTES = (
    "rows: every entry whose audio is there, missing fields as None; unlearnable: those which training (task "
    "'both') must refuse, keyed as in the JSON. An unequal canonical does not hinder task=phoneme.",
    "phones is perceived_train_target. Token fields are space-separated here and compared as lists, in lower "
    "case and without stress digits: whether a reader keeps AE1 or ae is its own affair.",
    "The aligned fields have equal lengths, sil marking a gap; error_labels has one letter a position. "
    "The description does not mention it; its CTC target needs no alignment, the metrics do.",
    "The duration is the sound's; an entry that says otherwise is read, with a report or without.",
)

Aligned = tuple[str, str]
CAT: Aligned = ("sil dh ah k ae t s ae t sil", "sil d ah k ae t s ae t sil")
DELETED: Aligned = ("sil k ae t s sil", "sil k ae t sil sil")
INSERTED: Aligned = ("sil s t r iy t sil sil", "sil s t r iy t ah sil")
STRESSED: Aligned = ("SIL DH AH0 K AE1 T SIL", "SIL D AH0 K AA1 T SIL")
NONE_AT_ENDS: Aligned = ("hh ah l ow", "hh ah l ow")
PAUSED: Aligned = ("sil g uh d sil d ey sil", "sil g uh d sil d eh sil")


def judge(pair: Aligned, letters: int) -> str:
    """The error labels of an alignment, in two or in four letters."""
    labels = []
    for canonical, perceived in zip(pair[0].split(), pair[1].split(), strict=True):
        error = "D" if perceived == "sil" else "I" if canonical == "sil" else "S"
        four = "C" if canonical == perceived else error
        labels.append(four if letters == 4 or four == "C" else "I")
    return " ".join(labels)


def target(perceived: str) -> str:
    """The perceived phones without silence."""
    return " ".join(phone for phone in perceived.split() if phone.casefold() != "sil")


@dataclass
class Corpus:
    """A data set being written, and what must be read from it."""

    root: Path
    letters: int = 2
    files: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in FILES})
    rows: list[Row] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    either: dict[str, list[Row]] = field(default_factory=dict)
    unlearnable: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        audio: str,
        pair: Aligned,
        *,
        words: str | None = "the cat sat",
        why: str | None = None,
        key: str | None = None,
        seconds: float = 0.9,
        sure: bool = True,
        letters: int | None = None,
        **other: Any,
    ) -> None:
        """One entry and its row; other fields override, ``...`` takes a field out; why: not to be learnt."""
        place = self.root / audio
        duration = write(place, 16000, seconds=seconds)
        entry: dict[str, Any] = {"wav": audio, "duration": duration, "spk_id": audio.split("/")[0]}
        entry |= {"canonical_aligned": pair[0], "perceived_aligned": pair[1]}
        entry |= {"perceived_train_target": target(pair[1]), "wrd": words}
        if "error_labels" not in other:
            entry["error_labels"] = judge(pair, letters or self.letters)
        entry = {part: value for part, value in (entry | other).items() if value is not ...}
        self.files[name][key or audio] = entry
        row: Row = {"audio": audio, "split": FILES[name], "duration_s": duration}
        row |= {"speaker": entry.get("spk_id") or None, "text": entry.get("wrd") or None}
        row |= {"canonical": entry.get("canonical_aligned") or None}
        row |= {"perceived": entry.get("perceived_aligned") or None}
        row |= {"phones": entry.get("perceived_train_target") or None}
        row["error_labels"] = entry.get("error_labels") or None
        if sure:
            self.rows.append(row)
        else:
            self.either[audio] = [row]
        if why:
            self.unlearnable[key or audio] = why

    def save(self) -> None:
        """Write the three files, the second with a BOM."""
        for name, entries in self.files.items():
            data = json.dumps(entries, indent=2, ensure_ascii=False)
            litter(self.root / name, data.encode("utf-8-sig" if name == "val_data.json" else "utf-8"))

    def expected(self, *notes: str) -> Expected:
        """Write the files; the right answer."""
        self.save()
        all_notes = (*NOTES, *notes)
        return Expected(
            self.rows, self.rejected, 0, all_notes, self.either, unlearnable=self.unlearnable, index=""
        )


def good(corpus: Corpus) -> None:
    """Entries without a fault."""
    for name, speaker in (("train_data.json", "YKWK"), ("val_data.json", "HKK"), ("eval.json", "YDCK")):
        for number, pair in enumerate((CAT, DELETED, INSERTED, STRESSED, NONE_AT_ENDS, PAUSED)):
            corpus.add(name, f"{speaker}/wav/arctic_a{number:04d}.wav", pair, seconds=0.8 + number / 20)
    corpus.add("train_data.json", "김민수/녹음 1.wav", CAT, words="the cat sat on it", spk_id="김민수")
    corpus.add("train_data.json", "YKWK/wav/all_right.wav", NONE_AT_ENDS, words=None)
    elsewhere = "/home/lab/l2/YKWK/wav/moved.wav"
    corpus.add("train_data.json", "YKWK/wav/moved.wav", CAT, key=elsewhere)
    corpus.add("train_data.json", "YKWK/wav/lying.wav", CAT, duration=4.135)
    corpus.add("train_data.json", "YKWK/wav/word.wav", CAT, duration="0.9")
    corpus.add("train_data.json", "YKWK/wav/blanks.wav", ("  hh  ah l ow ", "hh ah\tl ow"))


def faulty(corpus: Corpus) -> None:
    """Entries which training, or already reading, must refuse."""
    name, here = "train_data.json", "ABA/wav"
    other = CAT[1].removesuffix(" sil")
    right = judge(CAT, corpus.letters)
    corpus.add(name, f"{here}/short_heard.wav", CAT, why="length", perceived_aligned=other)
    corpus.add(name, f"{here}/short_labels.wav", CAT, why="length", error_labels=right[:-2])
    corpus.add(name, f"{here}/long_labels.wav", CAT, why="length", error_labels=right + " C")
    corpus.add(name, f"{here}/letter.wav", CAT, why="letter", error_labels=right[:-1] + "X")
    corpus.add(name, f"{here}/phone.wav", CAT, why="phone", perceived_train_target="d ah k zzq t s ae t")
    bad = (CAT[0].replace("k", "kk"), CAT[1].replace("k", "kk"))
    corpus.add(name, f"{here}/phones.wav", bad, why="phone")
    hangul = ("ㄱ ㅏ ㅁ", "ㄱ ㅏ ㅁ")
    corpus.add(name, f"{here}/hangul.wav", hangul, why="phone")
    corpus.add(name, f"{here}/no_labels.wav", CAT, why="missing", error_labels=...)
    corpus.add(name, f"{here}/no_target.wav", CAT, why="missing", perceived_train_target=...)
    corpus.add(name, f"{here}/no_right.wav", CAT, why="missing", canonical_aligned=...)
    corpus.add(name, f"{here}/null_labels.wav", CAT, why="missing", error_labels=None)
    empty: dict[str, Any] = {"canonical_aligned": "", "perceived_aligned": "", "perceived_train_target": ""}
    corpus.add(name, f"{here}/empty.wav", CAT, why="empty", error_labels="", wrd="", **empty)
    corpus.add(name, f"{here}/empty_target.wav", CAT, why="empty", perceived_train_target=" ")
    corpus.rows[-1]["phones"] = None
    many = (" ".join(["aa b"] * 20), " ".join(["aa b"] * 20))
    corpus.add(name, f"{here}/rushed.wav", many, why="too short", seconds=0.3)
    same = ("aa aa aa aa aa aa", "aa aa aa aa aa aa")
    corpus.add(name, f"{here}/repeats.wav", same, why="too short", seconds=0.2)
    corpus.add(name, f"{here}/unnamed.wav", CAT, sure=False, spk_id=...)
    corpus.add(name, f"{here}/liar.wav", CAT, sure=False, error_labels="I" + " C" * 9)
    corpus.add(name, f"{here}/unclear.wav", (CAT[0], CAT[1].replace("ae", "err")), sure=False)
    corpus.add(name, f"{here}/small.wav", CAT, sure=False, error_labels=right.lower())
    corpus.add(name, f"{here}/gone_but_key.wav", CAT, sure=False, wav="/home/lab/gone.wav")
    for audio, data, why in (
        (f"{here}/gone.wav", None, "missing"),
        (f"{here}/zero.wav", b"", "empty"),
        (f"{here}/page.wav", b"<html>403 Forbidden</html>", "unreadable"),
    ):
        corpus.add(name, audio, CAT)
        corpus.rows.pop()
        corpus.rejected[audio] = why
        (corpus.root / audio).unlink() if data is None else litter(corpus.root / audio, data)
    for key, value in ((f"{here}/list.wav", ["C", "C"]), (f"{here}/null.wav", None)):
        write(corpus.root / key, 16000)
        corpus.files[name][key] = value
        corpus.rejected[key] = "shape"


FAULTY_NOTES = (
    "Too short: wav2vec2 gives a frame for 20 ms, CTC needs one for each label and one between equal labels; "
    "rushed has 40 labels in about 14 frames, repeats 6 equal ones (11 needed) in about 9.",
    "Either: no speaker; labels against the alignment; 'err' as L2-ARCTIC writes it; labels in lower case; "
    "a wav that does not exist under a key that does.",
    "Where key and wav differ, wav names the audio. A row whose words are missing has text None and is good.",
    "An entry that is a list or null is refused when read, not the whole file.",
)


def build(root: Path) -> Expected:
    """Two letters: C correct, I incorrect; all the faults."""
    corpus = Corpus(root)
    good(corpus)
    faulty(corpus)
    twice = "TXHC/wav/twice.wav"
    corpus.add("train_data.json", twice, CAT)
    corpus.add("eval.json", twice, CAT)
    corpus.add("eval.json", "YKWK/wav/held_out.wav", PAUSED)
    return corpus.expected(
        *FAULTY_NOTES,
        "TXHC/wav/twice.wav is in train and in eval: two rows as published; the leak is for the check "
        "of splits to find. So is the speaker YKWK, in train and in eval.",
        "A two-letter corpus must not be read as four-letter: I is then 'inserted' where a phone was due.",
    )


def build_four(root: Path) -> Expected:
    """Four letters: C correct, S substituted, D deleted, I inserted; all the faults."""
    corpus = Corpus(root, 4)
    good(corpus)
    faulty(corpus)
    return corpus.expected(*FAULTY_NOTES)


def build_mixed(root: Path) -> Expected:
    """Train of two letters, validation of four, and both inside eval: I means two things."""
    corpus = Corpus(root)
    for name, speaker, all_letters in (
        ("train_data.json", "YKWK", (2, 2, 2)),
        ("val_data.json", "HKK", (4, 4, 4)),
        ("eval.json", "YDCK", (2, 4, 2)),
    ):
        for number, (pair, letters) in enumerate(zip((CAT, DELETED, INSERTED), all_letters, strict=True)):
            corpus.add(name, f"{speaker}/wav/{number}.wav", pair, letters=letters)
    corpus.unlearnable["*"] = "two alphabets"
    return corpus.expected(
        "Reading is possible, learning is not: the corpus must be refused for the error task, or turned into "
        "one alphabet by an explicit and recorded choice. Alignments tell the two meanings of I apart.",
    )


def build_broken(root: Path) -> Expected:
    """One of the files broken off, one missing, one a list: what is whole is still read."""
    corpus = Corpus(root)
    for number, pair in enumerate((CAT, PAUSED)):
        corpus.add("train_data.json", f"YKWK/wav/{number}.wav", pair)
    corpus.save()
    whole = (root / "train_data.json").read_bytes()
    litter(root / "val_data.json", whole[: len(whole) // 2])
    litter(root / "eval.json", b"[" + whole + b"]")
    broken = {"val_data.json": "broken", "eval.json": "shape"}
    return Expected(corpus.rows, broken, 0, (*NOTES, "A reader may also stop here, if it names the file."))


BUILDS: dict[str, Callable[[Path], Expected]] = {
    "two_letters": build,
    "four_letters": build_four,
    "mixed": build_mixed,
    "broken": build_broken,
}
