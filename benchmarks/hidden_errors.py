"""How models recognise known pronunciation errors: as the spoken phone, or as the phone that the word should have.

    soritune synthesize errors --hours 0 --test-hours 0.15 --seed 31 --set utterances_per_voice=12 \\
      --set mispronunciations.rate=0.1
    soritune predict --bundle soritune/ko-base --manifest errors/manifest.parquet --output ko-base.jsonl
    soritune transcribe --manifest errors/manifest.parquet --model WHISPER_CT2 --language ko --min-confidence 0 \\
      --output asr.jsonl --predictions whisper.jsonl
    python benchmarks/hidden_errors.py errors/manifest.parquet ko-base.jsonl whisper.jsonl

The manifest has the canonical and the perceived phones. Each file of predictions has phones of a task `phoneme`. The
recognised phones are aligned with the spoken ones with the fewest edits. At every substituted phone, the recognised
phone is the spoken one, the canonical one (the error is hidden), or another or none; the third rate leaves out the
latter. Rates are in percent, with 95 % intervals over speakers. Clips without a prediction count as clips in which
nothing was recognised.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.utterance import Utterance
from soritune.inference.predictions import read_predictions
from soritune.metrics.bootstrap import Interval, speaker_intervals
from soritune.metrics.edit_distance import align
from soritune.metrics.mispronunciation import SILENCE
from soritune.tasks.results import add_counts

Numbers = dict[str, NDArray[np.float64]]
RATES = {
    "spoken": ("recognised as spoken", "spoken", "errors"),
    "canonical": ("hidden", "canonical", "errors"),
    "hidden": ("hidden, of these two", "canonical", "either"),
    "spoken_edits": ("PER against the spoken phones", "spoken_edits", "spoken_phones"),
    "canonical_edits": ("PER against the phones of the words", "canonical_edits", "canonical_phones"),
}
"""Rate → its title, a count, and the count that it is a share of."""


def counts_of(row: Utterance, recognised: Sequence[str]) -> Numbers:
    """The counts of one clip.

    Args:
        row: with canonical and perceived phones in columns; `sil` stands for no phone.
        recognised: phones, without word boundaries.
    """
    columns = list(zip(row.canonical or (), row.perceived or (), strict=True))
    spoken = [said for _, said in columns if said != SILENCE]
    canonical = [meant for meant, _ in columns if meant != SILENCE]
    steps = align(spoken, recognised)
    heard = [step.hypothesis for step in steps.ops if step.reference is not None]
    errors = [
        (said == answer, meant == answer)
        for (meant, said), answer in zip(
            (column for column in columns if column[1] != SILENCE), heard, strict=True
        )
        if said != meant and meant != SILENCE
    ]
    numbers = {
        "errors": len(errors),
        "spoken": sum(first for first, _ in errors),
        "canonical": sum(second for _, second in errors),
        "either": sum(first or second for first, second in errors),
        "spoken_phones": len(spoken),
        "canonical_phones": len(canonical),
        "spoken_edits": steps.edits,
        "canonical_edits": align(canonical, recognised).edits,
    }
    return {name: np.array(float(number)) for name, number in numbers.items()}


def recognised_phones(file: Path) -> dict[str, list[str]]:
    """The phones of every clip of a file of predictions, without word boundaries."""
    rows = read_predictions(file).good
    return {
        row["id"]: [phone for phone in row["tasks"]["phoneme"]["prediction"]["phones"] if phone != "|"]
        for row in rows
    }


def judged(manifest: Manifest, recognised: Mapping[str, Sequence[str]]) -> dict[str, Interval]:
    """The rates of one model with their intervals over speakers."""
    speakers: dict[str, Numbers] = {}
    for row in manifest:
        counts = counts_of(row, recognised.get(row.id, ()))
        speaker = str(row.speaker)
        speakers[speaker] = add_counts([speakers.get(speaker, {}), counts])
    return speaker_intervals(list(speakers.values()), rates)


def rates(counts: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """The shares of summed counts."""
    return {
        name: float(counts[part] / counts[whole]) if counts[whole] else float("nan")
        for name, (_, part, whole) in RATES.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("predictions", type=Path, nargs="+")
    options = parser.parse_args()
    manifest = load_manifest(options.manifest)
    print(f"| | {' | '.join(name for name, *_ in RATES.values())} | clips |")
    print("|---" * (len(RATES) + 2) + "|")
    for file in options.predictions:
        recognised = recognised_phones(file)
        found = judged(manifest, recognised)
        cells = [f"{100 * i.value:.1f} % [{100 * i.low:.1f}, {100 * i.high:.1f}]" for i in found.values()]
        print(f"| {file.stem} | {' | '.join(cells)} | {sum(row.id in recognised for row in manifest)} |")


if __name__ == "__main__":
    main()
