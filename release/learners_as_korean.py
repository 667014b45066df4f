"""Makes training rows of Korean phones out of the English learners of speechocean762.

    python release/learners_as_korean.py $SORITUNE_DATA/speechocean762_train --output LEARNERS

A head on a frozen encoder that has only heard a synthesizer has not met the sound of real voices and microphones. The
learners' English phones are written as the nearest Korean ones, after the Korean orthography of loanwords of 1986:
voiceless stops as aspirated, voiced ones as lax, f as p, v as b, th as s or d. The result is a rough label of real
speech: it is used in training beside exact labels of synthetic speech, and to choose between trainings, not to judge a
model.

Rows of train_data.json are for training, rows of val_data.json for validation; no speaker is in both. A phone that
experts scored as wrong keeps the phone of the text.

`--by-position` writes finer labels, by where a phone stands in its word, and separates words by `|`:

    voiceless stops         aspirated before a vowel; tense after s (no aspiration); at the end of a syllable the
                            unreleased coda, and so are the voiced ones there
    s                       tense before a vowel, where it has no aspiration, otherwise lax
    l                       the coda at the end of a syllable, two of them between vowels (빨리), otherwise the tap
    r                       silent at the end of a syllable, otherwise the tap
    y, w or sh and a vowel  one vowel with a glide, as Korean has it (쇼)

With `--most-errors`, rows are left out in which experts heard more than this share of the phones as wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance

NEAREST = {
    "AA": "A",
    "AE": "E",
    "AH": "EO",
    "AO": "O",
    "AW": "A U",
    "AY": "A I",
    "B": "B",
    "CH": "CHh",
    "D": "D",
    "DH": "D",
    "EH": "E",
    "ER": "EO",
    "EY": "E I",
    "F": "Ph",
    "G": "G",
    "HH": "H",
    "IH": "I",
    "IY": "I",
    "JH": "J",
    "K": "Kh",
    "L": "R",
    "M": "M",
    "N": "N",
    "NG": "NG",
    "OW": "O",
    "OY": "O I",
    "P": "Ph",
    "R": "R",
    "S": "S",
    "SH": "S",
    "T": "Th",
    "TH": "S",
    "UH": "U",
    "UW": "U",
    "V": "B",
    "W": "U",
    "Y": "I",
    "Z": "J",
    "ZH": "J",
}
"""The nearest Korean phones of an English one (ARPABET without stress)."""
VOWELS = {
    "AA": "A",
    "AE": "E",
    "AH": "EO",
    "AO": "O",
    "AW": "A U",
    "AY": "A I",
    "EH": "E",
    "ER": "EO",
    "EY": "E I",
    "IH": "I",
    "IY": "I",
    "OW": "O",
    "OY": "O I",
    "UH": "U",
    "UW": "U",
}
"""The Korean vowels that sound most like an English one (ARPABET without stress)."""
AFTER_Y = {"A": "iA", "E": "iE", "EO": "iEO", "O": "iO", "U": "iU", "I": "I"}
AFTER_W = {"A": "oA", "E": "oE", "EO": "uEO", "O": "uEO", "U": "U", "I": "uI"}
"""The first Korean vowel with a glide before it."""
ONSETS = {
    "B": "B",
    "CH": "CHh",
    "D": "D",
    "DH": "D",
    "F": "Ph",
    "G": "G",
    "HH": "H",
    "JH": "J",
    "K": "Kh",
    "L": "R",
    "M": "M",
    "N": "N",
    "NG": "NG",
    "P": "Ph",
    "R": "R",
    "S": "SS",
    "SH": "S",
    "T": "Th",
    "TH": "SS",
    "V": "B",
    "Z": "J",
    "ZH": "J",
}
"""Consonants before the vowel of their syllable."""
TENSE = {"K": "GG", "P": "BB", "T": "DD"}
"""The same after s."""
CODAS = ONSETS | {
    "B": "p",
    "D": "t",
    "G": "k",
    "K": "k",
    "L": "L",
    "P": "p",
    "R": "",
    "S": "S",
    "T": "t",
    "TH": "S",
    "Z": "S",
}
"""Consonants after the vowel of their syllable; an empty text is silence."""
GLIDES = ("Y", "W")
CLUSTERS = {
    (stop, glide) for stop in ("B", "D", "G", "K", "P", "T", "F", "V", "TH") for glide in ("L", "R", "W", "Y")
}
"""Two consonants that start a syllable together, s before another consonant aside."""
PARTS = {"train": "train_data.json", "val": "val_data.json"}


def korean_phones(phones: Iterable[str]) -> list[str]:
    """The nearest Korean phones of English ones, with or without stress.

    Raises:
        KeyError: a phone that is not one of ARPABET.

    >>> korean_phones(["K", "AW1"])
    ['Kh', 'A', 'U']
    """
    return " ".join(NEAREST[phone.rstrip("012")] for phone in phones).split()


def phones_by_position(phones: Iterable[str]) -> list[str]:
    """The Korean phones that sound most like the English ones of a word, with or without stress.

    Raises:
        KeyError: a phone that is not one of ARPABET.

    >>> phones_by_position(["S", "K", "AW1", "T"])
    ['S', 'GG', 'A', 'U', 't']
    """
    word = [phone.rstrip("012") for phone in phones]
    korean: list[str] = []
    glide = ""
    for index, phone in enumerate(word):
        if phone in VOWELS:
            first, *rest = VOWELS[phone].split()
            korean += [{"Y": AFTER_Y, "W": AFTER_W}.get(glide, {}).get(first, first), *rest]
            glide = ""
        elif phone in GLIDES:
            glide = phone
        else:
            korean += _consonant(word, index)
            glide = "Y" if phone == "SH" else ""
    return korean


def sentence_phones(phones: Sequence[str], word_lengths: Sequence[int]) -> list[str]:
    """The same of a sentence, given the phones of each word; words are separated by `|`."""
    korean: list[str] = []
    start = 0
    for length in word_lengths:
        korean += [*(["|"] if korean else []), *phones_by_position(phones[start : start + length])]
        start += length
    return korean


def _consonant(word: Sequence[str], index: int) -> list[str]:
    phone = word[index]
    before = word[index - 1] if index else ""
    after = word[index + 1] if index + 1 < len(word) else ""
    starts = after in VOWELS or after in GLIDES or ((phone, after) in CLUSTERS and index + 2 < len(word))
    if phone == "L" and before in VOWELS and after in VOWELS:
        return ["L", "L"]
    if phone in TENSE and before == "S" and starts:
        return [TENSE[phone]]
    if phone in ("S", "TH") and after not in VOWELS:
        return ["S"]
    return [ONSETS[phone]] if starts else CODAS[phone].split()


def rows_of(folder: Path, most_errors: float = 1.0, *, by_position: bool = False) -> list[Utterance]:
    """One row per clip that is in one of the parts and has at most this share of wrong phones."""
    lines = (folder / "manifest.jsonl").read_text("utf-8").splitlines()
    by_audio: dict[str, dict[str, Any]] = {row["audio"]: row for row in map(json.loads, lines)}
    rows = []
    for split, name in PARTS.items():
        for audio in json.loads((folder / name).read_text("utf-8")):
            row = by_audio[audio]
            if most_errors < 1 and sum(error != "C" for error in row["errors"]) > most_errors * len(
                row["errors"]
            ):
                continue
            rows.append(
                Utterance(
                    id=f"speechocean762/{row['id']}",
                    audio=str((folder / audio).resolve()),
                    duration_s=row["duration"],
                    speaker=f"speechocean762/{row['speaker']}",
                    phones=tuple(
                        sentence_phones(row["canonical"], row["word_lengths"])
                        if by_position
                        else korean_phones(row["canonical"])
                    ),
                    language="en",
                    source="speechocean762",
                    extra={"split": split},
                )
            )
    return rows


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--by-position", action="store_true", help="finer labels")
    parser.add_argument("--most-errors", type=float, default=1.0, help="share of wrong phones, 0 to 1")
    options = parser.parse_args()
    if not (options.folder / "manifest.jsonl").is_file():
        sys.exit(f"{options.folder} has no manifest.jsonl; give the folder speechocean762_train")
    rows = rows_of(options.folder, options.most_errors, by_position=options.by_position)
    options.output.mkdir(parents=True, exist_ok=True)
    write_manifest(options.output / "manifest.parquet", rows, root=options.output)
    print(f"{len(rows)} rows in {options.output / 'manifest.parquet'}")


if __name__ == "__main__":
    main()
