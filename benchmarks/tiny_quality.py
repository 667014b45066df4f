"""Part of `train_epoch.py`: does the faster training learn as much? Phone error rates after equally many epochs.

soritune and Hugging Face's Trainer on random batches train a tiny encoder (4 layers of 192 channels, random
weights, all trained) on synthetic Korean, with the same peak rate and schedule, the same AdamW, and about the
same number of clips per step. Both are evaluated clip by clip on voices that neither was trained on.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from naive_peer import Clips, extractor_for, log_probabilities, make_model, make_trainer

from soritune.corpus.manifest import Manifest
from soritune.metrics.bootstrap import paired_difference, speaker_intervals
from soritune.recipe import Recipe, load_recipe
from soritune.stages.split import corpus_to_splits
from soritune.stages.train import build_run
from soritune.tasks.results import Pair, add_counts
from soritune.tasks.task import Task


def quality(work: Path, minutes: float, epochs: int, threads: int) -> dict[str, Any]:
    """Trains both; prints and returns their error rates with 95 % intervals over speakers."""
    folder = work / f"quality-{minutes:g}"
    folder.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(
        str(Path(__file__).with_suffix(".yaml")),
        [
            f"data={folder / 'speech'}",
            f"data.config.minutes={minutes}",
            f"train.epochs={epochs}",
            "train.max_steps=null",
            "train.evaluate_every_steps=1000000",
            "train.device=cpu",
            f"train.threads={threads}",
            "batches.num_workers=0",
        ],
    )
    manifest, splits = corpus_to_splits(recipe, folder)
    train_rows, test_rows = splits.indices(manifest, "train"), splits.indices(manifest, "test")
    hours = manifest.durations_s[train_rows].sum() / 3600
    print(
        f"{len(train_rows)} clips, {hours:.2f} h, {epochs} epochs; evaluated on {len(test_rows)} clips",
        flush=True,
    )
    counts: dict[str, dict[str, Any]] = {}
    seconds: dict[str, float] = {}
    for name, make in (("soritune", _ours), ("Trainer on random batches", _peer)):
        started = time.perf_counter()
        task, log_probs = make(recipe, manifest, splits, folder)
        seconds[name] = time.perf_counter() - started
        counts[name] = _evaluate(task, manifest, test_rows, log_probs)
    result: dict[str, Any] = {"epochs": epochs, "train_hours": float(hours), "test_clips": len(test_rows)}
    for name, per_speaker in counts.items():
        per = speaker_intervals(list(per_speaker.values()), task.rates)["per"]
        result[name] = {"per": per.to_json(), "training_s": seconds[name]}
        print(
            f"{name:28} PER {100 * per.value:5.1f} % [{100 * per.low:.1f}, {100 * per.high:.1f}], {seconds[name]:.0f} s"
        )
    ours, theirs = counts.values()
    speakers = list(ours)
    difference = paired_difference([ours[s] for s in speakers], [theirs[s] for s in speakers], task.rates)[
        "per"
    ]
    result["difference"] = difference.to_json()
    print(
        f"paired difference over {len(speakers)} speakers {100 * difference.value:+.1f} points "
        f"[{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
    )
    return result


LogProbabilities = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def _ours(recipe: Recipe, manifest: Manifest, splits: Any, folder: Path) -> tuple[Task, LogProbabilities]:
    import tempfile

    from soritune.training.loop import train

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        run = build_run(recipe, manifest, splits, Path(scratch))
        train(run)
    model = run.model.eval()

    @torch.no_grad()
    def score(clip: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        wave = torch.from_numpy(recipe.preprocessing.finish(clip))[None]
        output = model(wave, torch.tensor([wave.shape[1]]))
        return torch.log_softmax(output.logits["phoneme"][0].float(), dim=-1).numpy()

    return run.tasks[0], score


def _peer(recipe: Recipe, manifest: Manifest, splits: Any, folder: Path) -> tuple[Task, LogProbabilities]:
    rows = list(manifest.utterances(splits.indices(manifest, "train")))
    task = recipe.make_tasks()[0].prepare(iter(rows))
    labels = [np.asarray(task.targets(row)["phoneme"]).tolist() for row in rows]
    # The recipe has no SpecAugment, so it is disabled here too.
    architecture = recipe.model.architecture | {"mask_time_prob": 0.0}
    extractor = extractor_for(architecture)
    model = make_model(
        architecture, len(task.outputs[0].labels), lora=None, freeze_call=False, frozen_layers=0, seed=0
    )
    clips = Clips([manifest.audio_path(row) for row in rows], labels, extractor)
    size = round(float(recipe.batches.padded_seconds or 24.0) / np.mean([row.duration_s for row in rows]))
    steps = recipe.train.epochs * -(-len(rows) // size)
    trainer = make_trainer(
        model,
        clips,
        folder / "trainer",
        batch_size=size,
        learning_rate=recipe.train.learning_rate,
        num_train_epochs=recipe.train.epochs,
        lr_scheduler_type="cosine",
        warmup_steps=round(0.3 * steps),
        weight_decay=recipe.train.weight_decay,
        adam_beta2=recipe.train.betas[1],
    )
    trainer.train()
    return task, lambda clip: log_probabilities(model, clip, extractor)


def _evaluate(task: Task, manifest: Manifest, rows: Any, log_probs: LogProbabilities) -> dict[str, Any]:
    """Counts per speaker."""
    from soritune.audio.waveform import read_audio

    counts: dict[str, list[Any]] = defaultdict(list)
    for row in manifest.utterances(rows):
        reference = task.reference(row)
        assert reference is not None
        hypothesis = task.decode({"phoneme": log_probs(read_audio(manifest.audio_path(row)))}, row.text)
        counts[str(row.speaker)].append(task.count(Pair(row.id, reference, hypothesis)))
    return {speaker: add_counts(utterance_counts) for speaker, utterance_counts in sorted(counts.items())}
