"""Makes training rows of Korean phones out of the English learners of speechocean762.

    python release/learners_as_korean.py $SORITUNE_DATA/speechocean762_train --output LEARNERS

A head on a frozen encoder that has only heard a synthesizer has not met the sound of real voices and microphones. The
learners' English phones are written as the nearest Korean ones, after the Korean orthography of loanwords of 1986:
voiceless stops as aspirated, voiced ones as lax, f as p, v as b, th as s or d. The result is a rough label of real
speech: it is used in training beside exact labels of synthetic speech, and to choose between trainings, not to judge a
model.

Rows of train_data.json are for training, rows of val_data.json for validation; no speaker is in both. A phone that
experts scored as wrong keeps the phone of the text.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
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
PARTS = {"train": "train_data.json", "val": "val_data.json"}


def korean_phones(phones: Iterable[str]) -> list[str]:
    """The nearest Korean phones of English ones, with or without stress.

    Raises:
        KeyError: a phone that is not one of ARPABET.

    >>> korean_phones(["K", "AW1"])
    ['Kh', 'A', 'U']
    """
    return " ".join(NEAREST[phone.rstrip("012")] for phone in phones).split()


def rows_of(folder: Path) -> list[Utterance]:
    """One row per clip that is in one of the parts."""
    lines = (folder / "manifest.jsonl").read_text("utf-8").splitlines()
    by_audio: dict[str, dict[str, Any]] = {row["audio"]: row for row in map(json.loads, lines)}
    rows = []
    for split, name in PARTS.items():
        for audio in json.loads((folder / name).read_text("utf-8")):
            row = by_audio[audio]
            rows.append(
                Utterance(
                    id=f"speechocean762/{row['id']}",
                    audio=str((folder / audio).resolve()),
                    duration_s=row["duration"],
                    speaker=f"speechocean762/{row['speaker']}",
                    phones=tuple(korean_phones(row["canonical"])),
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
    options = parser.parse_args()
    if not (options.folder / "manifest.jsonl").is_file():
        sys.exit(f"{options.folder} has no manifest.jsonl; give the folder speechocean762_train")
    rows = rows_of(options.folder)
    options.output.mkdir(parents=True, exist_ok=True)
    write_manifest(options.output / "manifest.parquet", rows, root=options.output)
    print(f"{len(rows)} rows in {options.output / 'manifest.parquet'}")


if __name__ == "__main__":
    main()
