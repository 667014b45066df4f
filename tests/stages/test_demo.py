"""The demo: what it refuses, and the lines that it shows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.errors import OutputError
from soritune.progress import Console
from soritune.recipe import load_recipe
from soritune.run_folder import RunFolder
from soritune.stages import demo


def test_a_second_demo_in_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(OutputError, match="already holds a demo; remove it or give another --output"):
        demo.run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_headline_of_every_task_of_the_demo() -> None:
    tasks = load_recipe("demo", ["data=x"]).make_tasks()
    headlines = {task.name: task.primary_metric.name for task in tasks}
    assert headlines == {"phoneme": "per", "emotion": "ua", "mispronunciation": "mdd_f1"}


def test_the_clip_is_one_of_the_test_split(tones: Manifest, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    manifest = write_manifest(run.checked, list(tones), root=tones.root)
    splits = make_splits(manifest, SplitSettings(by=("speaker",)))
    splits.save(run.splits)
    clip, reference = demo._unseen_clip(run)
    row = next(row for row in manifest if manifest.audio_path(row) == clip)
    assert row.id in splits.ids("test")
    assert reference == {"text": row.text, "emotion": row.emotion}


def test_rates_are_shown_with_intervals_and_the_clip_with_its_predictions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interval = SimpleNamespace(value=0.25, low=0.2, high=0.3, num_speakers=12)
    tasks = {task.name: task for task in load_recipe("demo", ["data=x"]).make_tasks()}
    scores = SimpleNamespace(
        header=SimpleNamespace(
            tasks_by_name=tasks,
            new_parts=("head emotion",),
            model=SimpleNamespace(training={"step": 5}),
        ),
        tasks={
            name: SimpleNamespace(primary_interval=interval, primary_metric=task.primary_metric, before=None)
            for name, task in tasks.items()
        },
    )
    monkeypatch.setattr(demo, "baseline_notes", lambda task, scores: [f"a baseline of {task.name}"])
    demo._show_rates(Console(), scores)  # type: ignore[arg-type]
    predictions = {"phoneme": {"hangul": "가나"}, "emotion": {"label": "Kind", "confidence": 0.5}}
    demo._show_clip(Console(), Path("clip.wav"), {"text": "가 나", "emotion": "Dry"}, predictions)
    lines = capsys.readouterr().err.splitlines()
    rate = "phone error rate (per): 25.0 % (95 % interval over 12 synthetic voices 20.0–30.0 %)"
    assert f"phoneme, {rate}" in lines
    after_emotion = lines[lines.index("  a baseline of emotion") + 1]
    assert after_emotion == "  Before fine-tuning there is nothing to score: the head of this task is new."
    assert "  a baseline of emotion" in lines
    assert lines[-3:] == ["clip clip.wav", "  reference:  가 나 (Dry)", "  prediction: 가나 (Kind, 50 %)"]
