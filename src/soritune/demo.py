"""`soritune demo`: the whole toolkit on speech it makes itself, in minutes, on a laptop.

One recipe: the encoder that comes with the package is fine-tuned on a synthetic corpus for phones, speaking style and
mispronunciations together, and judged on voices that this never heard. Every number is about synthetic speech.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from soritune import pipeline
from soritune.corpus.manifest import load_manifest
from soritune.corpus.splits import load_splits
from soritune.errors import OutputError
from soritune.inference.predictions import tasks_of
from soritune.inference.predictor import Predictor
from soritune.inference.run_folders import choose_bundle
from soritune.preparing import CHECKED, SPLITS
from soritune.recipe import load_recipe
from soritune.reports.sections import baseline_notes

CORPUS, RUN = "corpus", "run"
TOLD = (
    ("phoneme", "per", "phone error rate"),
    ("emotion", "ua", "mean recall of 3 styles"),
    ("mispronunciation", "mdd_f1", "F1 of mispronounced phones"),
)
"""Task, rate, and the rate in words."""


def run_demo(folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Makes `folder`/corpus and `folder`/run, and predicts one clip of an unseen voice.

    Returns:
        Rates of the tasks on unseen voices with their intervals, the clip's predictions, seconds.

    Raises:
        OutputError: the folder already holds a demo, or cannot be written to.
        SorituneError: the extra `speech` (espeak-ng) is missing.
    """
    console = Console(stderr=True, quiet=quiet)
    if (folder / RUN / "checkpoints").exists():
        raise OutputError(f"{folder} already holds a demo; remove it or give another --output")
    pipeline.open_folder(folder)
    corpus = folder / CORPUS
    corpus.mkdir(parents=True, exist_ok=True)
    console.rule("phones, style and mispronunciations: synthetic speech")
    began = time.perf_counter()
    result = pipeline.run(load_recipe("demo", [f"data={corpus}"]), folder / RUN, quiet=quiet)
    if result.training.stopped == "interrupted":
        raise KeyboardInterrupt
    seconds = round(time.perf_counter() - began, 1)
    assert result.scores is not None, "the demo's recipe has a test split"
    clip, said = _unseen_clip(folder / RUN)
    model = choose_bundle(folder / RUN, "last")  # the one that was judged
    (row,) = Predictor.load(model).predict([clip])
    predictions = {task: row["tasks"][task]["prediction"] for task, _, _ in TOLD}
    _tell(console, folder / RUN, model, result.scores, seconds, clip, said, predictions)
    return {
        "synthetic": True,
        "folder": str(folder),
        "rates": {task: result.scores["tasks"][task]["rates"] for task, _, _ in TOLD},
        "clip": str(clip),
        "said": said,
        "predictions": predictions,
        "seconds": seconds,
    }


def _unseen_clip(run: Path) -> tuple[Path, dict[str, Any]]:
    """A clip of the test split, and what was said in it and how."""
    manifest = load_manifest(run / CHECKED)
    rows = load_splits(run / SPLITS).indices(manifest, "test")
    utterance = manifest.utterance(int(rows[0]))
    return manifest.audio_path(utterance), {"text": utterance.text, "emotion": utterance.emotion}


def _tell(
    console: Console,
    run: Path,
    model: Path,
    content: Mapping[str, Any],
    seconds: float,
    clip: Path,
    said: dict[str, Any],
    predictions: dict[str, Any],
) -> None:
    console.rule("synthetic speech, voices the fine-tuning never heard")
    scores = content["tasks"]
    tasks = {task.name: task for task in tasks_of(content["header"])}
    for task, rate, words in TOLD:
        found = scores[task]["rates"][rate]
        console.print(
            f"{words}: {100 * found['value']:.1f} % (95 % interval over {found['num_speakers']} synthetic voices "
            f"{100 * found['low']:.1f}–{100 * found['high']:.1f} %)",
            highlight=False,
        )
        for note in baseline_notes(tasks[task], scores[task]):
            console.print(f"  {note}", highlight=False)
    console.print(f"{seconds:.0f} s, report {run / 'report.html'}", highlight=False)
    console.print(f"clip {clip}\n  said:  {said['text']} ({said['emotion']})", highlight=False)
    console.print(
        f"  heard: {predictions['phoneme']['hangul']} ({predictions['emotion']['label']}, "
        f"{100 * predictions['emotion']['confidence']:.0f} %)",
        highlight=False,
    )
    console.print(f"try: soritune predict --bundle {model} {clip}", highlight=False)
