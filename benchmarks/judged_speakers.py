"""What the programs that judge phones on real speech share: their data, counts of each speaker, rates as text."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soritune.corpus.manifest import Manifest
from soritune.corpus.prepare import prepare
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.reports.score import score_predictions
from soritune.tasks.results import Counts, add_counts
from soritune.tasks.task import make_task
from soritune.whole_file import write_text

CORPORA = ("ko_speech_selvas", "pansori_tedxkr")
PlainCounts = dict[str, dict[str, Any]]
"""Counts of each speaker as plain lists, for JSON."""


def data_folder() -> Path:
    """$SORITUNE_DATA; exits with a message if it is not a folder."""
    given = os.environ.get("SORITUNE_DATA")
    if not given or not Path(given).is_dir():
        sys.exit(f"set SORITUNE_DATA to the folder that holds {' and '.join(CORPORA)}")
    return Path(given).resolve()


def prepared(corpus: str, folder: Path) -> Manifest:
    """The rows of a corpus, prepared into `folder`."""
    config = {"files": [f"{corpus}/manifest.jsonl"], "fields": {"duration_s": "duration"}}
    return prepare("manifest", data_folder(), config, folder).manifest


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def scored(predictions: Path) -> PlainCounts:
    """Counts of phones of each speaker of a predictions file."""
    speakers = score_predictions(predictions, resamples=0).tasks["phoneme"].speakers
    return {
        name: {key: np.asarray(value).tolist() for key, value in speaker.counts.items()}
        for name, speaker in speakers.items()
    }


def as_counts(speakers: Mapping[str, Mapping[str, Any]]) -> dict[str, Counts]:
    """The reverse of `scored`, in the order of the speakers' names."""
    return {
        name: {key: np.asarray(value) for key, value in speakers[name].items()} for name in sorted(speakers)
    }


def summed(parts: Sequence[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Counts of each speaker, summed over seeds."""
    return {name: add_counts([part[name] for part in parts]) for name in sorted(parts[0])} if parts else {}


def phone_error_rate(counts: Mapping[str, Counts]) -> Interval:
    """PER with its interval over speakers."""
    task = make_task("phoneme", {"inventory": "korean"})
    return speaker_intervals(list(counts.values()), task.rates, contributes_fn=task.contributes)["per"]


def difference(first: Mapping[str, Counts], second: Mapping[str, Counts]) -> Interval:
    """PER of the second minus that of the first, paired over the same speakers."""
    task = make_task("phoneme", {"inventory": "korean"})
    return paired_difference(
        list(first.values()), list(second.values()), task.rates, contributes_fn=task.contributes
    )["per"]


def percent(rate: Interval | None) -> str:
    """A rate with its interval, which a single speaker does not have; a dash for None."""
    if rate is None:
        return "–"
    if np.isnan(rate.low):
        return f"{100 * rate.value:.1f} %"
    return f"{100 * rate.value:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def points(gap: Interval) -> str:
    """A difference with its interval, in points."""
    text = f"{100 * gap.value:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"
    return text.replace("-", "−")
