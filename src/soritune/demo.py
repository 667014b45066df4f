"""`soritune demo`: the whole toolkit on speech it makes itself, in minutes, on a laptop.

Two recipes over one synthetic corpus: phones by CTC on a tiny encoder from random weights, then speaking style started
from that encoder. Both are judged on voices nobody trained on. Every number is about synthetic speech.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from soritune import pipeline
from soritune.corpus.manifest import load_manifest
from soritune.corpus.splits import load_splits
from soritune.errors import OutputError
from soritune.inference.predictor import Predictor
from soritune.inference.run_folders import choose_bundle
from soritune.preparing import CHECKED, SPLITS
from soritune.recipe import load_recipe


def run_demo(folder: Path, *, quiet: bool = False) -> dict[str, Any]:
    """Makes `folder`/corpus, `folder`/phoneme and `folder`/emotion, and predicts one clip of an unseen voice.

    Returns:
        Rates of both tasks on unseen voices with their intervals, the clip's predictions, seconds per part.

    Raises:
        OutputError: the folder already holds a demo, or cannot be written to.
        SorituneError: the extra `speech` (espeak-ng) is missing.
    """
    console = Console(stderr=True, quiet=quiet)
    if any((folder / name / "checkpoints").exists() for name in ("phoneme", "emotion")):
        raise OutputError(f"{folder} already holds a demo; remove it or give another --output")
    pipeline.open_folder(folder)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    scores: dict[str, Any] = {}
    overrides: list[str] = []
    for task in ("phoneme", "emotion"):
        console.rule(f"{task}: synthetic speech")
        began = time.perf_counter()
        recipe = load_recipe(f"demo-{task}", [f"data={corpus}", *overrides])
        result = pipeline.run(recipe, folder / task, quiet=quiet)
        if result.training.stopped == "interrupted":
            raise KeyboardInterrupt
        seconds[task] = round(time.perf_counter() - began, 1)
        assert result.scores is not None, "the demo's recipes have a test split"
        scores[task] = result.scores["tasks"][task]["rates"]
        overrides = [f"model.init_from={choose_bundle(folder / task)}"]
    clip, said = _unseen_clip(folder / "emotion")
    predictions = {}
    for task in ("phoneme", "emotion"):
        (row,) = Predictor.load(choose_bundle(folder / task)).predict([clip])
        predictions[task] = row["tasks"][task]["prediction"]
    _tell(console, folder, scores, seconds, clip, said, predictions)
    return {
        "synthetic": True,
        "folder": str(folder),
        "rates": scores,
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
    folder: Path,
    scores: dict[str, Any],
    seconds: dict[str, float],
    clip: Path,
    said: dict[str, Any],
    predictions: dict[str, Any],
) -> None:
    console.rule("synthetic speech, voices nobody trained on")
    for task, rate, words in (
        ("phoneme", "per", "phone error rate"),
        ("emotion", "ua", "mean recall of 3 styles"),
    ):
        found = scores[task][rate]
        console.print(
            f"{words}: {100 * found['value']:.1f} % (95 % interval over {found['num_speakers']} synthetic voices "
            f"{100 * found['low']:.1f}–{100 * found['high']:.1f} %), {seconds[task]:.0f} s, "
            f"report {folder / task / 'report.html'}",
            highlight=False,
        )
    console.print(f"clip {clip}\n  said:  {said['text']} ({said['emotion']})", highlight=False)
    console.print(
        f"  heard: {predictions['phoneme']['hangul']} ({predictions['emotion']['label']}, "
        f"{100 * predictions['emotion']['confidence']:.0f} %)",
        highlight=False,
    )
    console.print(
        f"try: soritune predict --bundle {choose_bundle(folder / 'phoneme')} {clip}", highlight=False
    )
