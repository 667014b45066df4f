"""`soritune demo`: the whole toolkit on speech it makes itself, in minutes, on a laptop.

One recipe: the encoder that comes with the package is fine-tuned on a synthetic corpus for phones, speaking style and
mispronunciations together, and judged on voices that it was not trained on. Every number is about synthetic speech.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soritune.corpus.manifest import load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.errors import OutputError
from soritune.extras import TORCH_STACK, require
from soritune.inference.predictor import Predictor
from soritune.progress import SILENT, Console
from soritune.recipe import load_recipe
from soritune.reports.before import before_note
from soritune.reports.numbers import baseline_notes, rate_name
from soritune.reports.scores import Scores
from soritune.run_folder import RunFolder, choose_bundle
from soritune.stages.run import run as run_recipe
from soritune.stages.start import open_folder
from soritune.training.end_reason import EndReason

CORPUS, RUN = "corpus", "run"


def run_demo(folder: Path, *, console: Console = SILENT) -> dict[str, Any]:
    """Makes `folder`/corpus and `folder`/run, and predicts one clip of an unseen voice.

    Returns:
        Rates of the tasks on unseen voices with their intervals, the clip's predictions, seconds.

    Raises:
        OutputError: the folder already holds a demo, or cannot be written to.
        SorituneError: the extra `speech` (espeak-ng) is missing.
    """
    require("the demo", *TORCH_STACK)
    run, corpus = RunFolder(folder / RUN), folder / CORPUS
    if run.checkpoints.exists():
        raise OutputError(f"{folder} already holds a demo; remove it or give another --output")
    open_folder(folder)
    corpus.mkdir(parents=True, exist_ok=True)
    console.heading("phones, style and mispronunciations: synthetic speech")
    began = time.perf_counter()
    result = run_recipe(load_recipe("demo", [f"data={corpus}"]), run.path, console=console)
    if result.training.stopped == EndReason.INTERRUPTED:
        raise KeyboardInterrupt
    seconds = round(time.perf_counter() - began, 1)
    assert result.scores is not None, "the demo's recipe has a test split"
    _show_rates(console, result.scores.all_scores)
    console.message(f"{seconds:.0f} s, report {run.report()}")
    clip, reference = _unseen_clip(run)
    model = choose_bundle(run.path, "last")  # the one that was judged
    (row,) = Predictor.load(model).predict([clip])
    predictions = {task: row["tasks"][task]["prediction"] for task in row["tasks"]}
    _show_clip(console, clip, reference, predictions)
    console.message(f"try: soritune predict --bundle {model} {clip}")
    return {
        "synthetic": True,
        "folder": str(folder),
        "rates": {task: result.scores["tasks"][task]["rates"] for task in predictions},
        "clip": str(clip),
        "said": reference,
        "predictions": predictions,
        "seconds": seconds,
    }


def _unseen_clip(run: RunFolder) -> tuple[Path, dict[str, Any]]:
    """A clip of the test split, with its text and style."""
    manifest = load_manifest(run.checked)
    rows = load_splits(run.splits).indices(manifest, "test")
    utterance = manifest.utterance(int(rows[0]))
    return manifest.audio_path(utterance), {"text": utterance.text, "emotion": utterance.emotion}


def _show_rates(console: Console, scores: Scores) -> None:
    console.heading("synthetic speech, voices not used in the fine-tuning")
    tasks = scores.header.tasks_by_name
    for task, task_scores in scores.tasks.items():
        interval = task_scores.primary_interval
        name = rate_name(tasks[task], task_scores.primary_metric.name)
        console.message(
            f"{task}, {name}: {100 * interval.value:.1f} % (95 % interval over {interval.num_speakers} synthetic "
            f"voices {100 * interval.low:.1f}–{100 * interval.high:.1f} %)",
        )
        compared = before_note(tasks[task], task_scores, scores.header)
        for note in [*baseline_notes(tasks[task], task_scores), *([compared] if compared else [])]:
            console.message(f"  {note}")


def _show_clip(
    console: Console, clip: Path, reference: Mapping[str, Any], predictions: Mapping[str, Any]
) -> None:
    console.message(f"clip {clip}\n  reference:  {reference['text']} ({reference['emotion']})")
    console.message(
        f"  prediction: {predictions['phoneme']['hangul']} ({predictions['emotion']['label']}, "
        f"{100 * predictions['emotion']['confidence']:.0f} %)",
    )
