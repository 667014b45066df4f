"""Objectives from the row to the model read from its bundle: trained, validated, saved, read, predicted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.inference.predictor import Predictor
from soritune.models.losses.loss import loss_of
from soritune.reports.baselines import baselines
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.results import Pair, Prediction
from soritune.training.log import read_events
from soritune.training.loop import train
from soritune.training.run import TrainingRun

PACKAGES = Path(__file__).parent.parent / "packages"
MakeRun = Callable[..., TrainingRun]
FAST = {"learning_rate": 1e-2, "epochs": 16}
LISTEN = {"freeze": {"feature_encoder": False}, "dropout": 0.0}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """install("toy_tasks") → a folder on the path with this package as if pip had installed it."""

    def write(name: str) -> Path:
        site = tmp_path / "site"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        shutil.copy(PACKAGES / f"{name}.py", site)
        monkeypatch.syspath_prepend(site)
        module = __import__(name)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(module.ENTRY_POINTS)
        return site

    return write


@pytest.fixture
def forget_modules() -> Iterator[None]:
    """Modules of these packages are imported again from each test's folder."""
    yield
    for name in ("toy_tasks", "huber_objective"):
        sys.modules.pop(name, None)


pytestmark = pytest.mark.usefixtures("forget_modules")


STYLES = {"Dry": 200.0, "Kind": 1000.0, "Anxious": 4000.0}


def clips(folder: Path, name: str) -> Manifest:
    """24 clips of 0.5 to 0.8 s.

    For the task "tones" a clip is low (200 Hz), then high (1800 Hz), or the reverse. The tone changes after one, two or
    three quarters, and `phones` has the quarters. For other tasks a clip is one tone, and `emotion` is its pitch
    (`STYLES`).
    """
    rows = []
    for n in range(24):
        rng = np.random.default_rng(n)
        quarter = int(16000 * (0.5 + 0.3 * rng.random())) // 4
        order = ("low", "high") if n % 2 else ("high", "low")
        phones = (order[0],) * (n % 3 + 1) + (order[1],) * (3 - n % 3)
        style = list(STYLES)[n % 3]
        pitches = [
            STYLES[style] if name != "tones" else 200.0 if phone == "low" else 1800.0 for phone in phones
        ]
        phase = 2 * np.pi * np.cumsum(np.repeat(pitches, quarter)) / 16000
        wave = 0.3 * np.sin(phase) + 0.01 * rng.standard_normal(len(phase))
        soundfile.write(folder / f"{n}.wav", wave, 16000)
        labels = {"phones": phones} if name == "tones" else {"emotion": style}
        rows.append(
            Utterance(id=str(n), audio=f"{n}.wav", duration_s=len(wave) / 16000, speaker="s", **labels)  # type: ignore[arg-type]
        )
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


def validations(run: TrainingRun) -> list[dict[str, float]]:
    return [event for event in read_events(run.folder) if "val/loss" in event]


def pairs_of(run: TrainingRun, predicted: list[dict]) -> list[Pair]:
    (task,) = run.tasks
    return [
        Pair(row["id"], entry["reference"], Prediction.from_json(entry["prediction"]))
        for row in predicted
        for entry in [row["tasks"][task.name]]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tones", "above", "soft"])
def test_task_of_each_objective_is_learnt_and_read_from_its_bundle(
    name: str, make_run: MakeRun, install: Callable[[str], Path], tmp_path: Path
) -> None:
    install("toy_tasks")
    augment = {"speed": {"factors": [0.9, 1.1], "probability": 0.5}}
    run = make_run(tasks={name: {}}, model=LISTEN, augment=augment, manifest=clips(tmp_path, name), **FAST)
    train(run)
    values = [event[f"val/{name}/right"] for event in validations(run)]
    assert values[-1] > 0.75
    losses = [event["val/loss"] for event in validations(run)]
    assert losses[-1] < 0.8 * losses[0]

    bundle = load_bundle(run.folder / "bundles" / "last")
    assert [output.objective for output in bundle.outputs] == [run.tasks[0].outputs[0].objective]
    predictor = Predictor.load(bundle.path, device="cpu")
    pairs = pairs_of(run, list(predictor.predict(run.manifest.select(run.validation_rows.tolist()))))
    assert run.tasks[0].score(pairs)["right"] == pytest.approx(values[-1], abs=0.01)
    names = list(baselines(run.tasks[0], pairs))
    assert names == {"tones": [], "above": ["empty"], "soft": ["majority"]}[name]
    members = [bundle.path, run.folder / "bundles" / f"best_{name}_right"]
    both = Predictor.load(members, device="cpu", vad="off")  # tones are not speech
    mixed = list(both.predict(run.manifest.select([0])))
    assert "error" not in mixed[0]
    if name == "soft":
        prediction = mixed[0]["tasks"]["soft"]["prediction"]
        assert prediction["sum"] == pytest.approx(1, abs=1e-5)
        assert both.distribution(mixed).counts[prediction["label"]] == 1
    else:
        with pytest.raises(TaskError, match="no task that gives a label"):
            both.distribution(mixed)


@pytest.mark.slow
def test_objective_of_another_package_is_trained_saved_and_read(
    make_run: MakeRun, install: Callable[[str], Path], tmp_path: Path
) -> None:
    install("huber_objective")
    run = make_run(tasks={"pitch": {}}, max_steps=2, epochs=1)
    spec = run.tasks[0].outputs[0]
    logits, targets = torch.tensor([[0.25], [2.0]]), torch.tensor([[0.0], [0.0]])
    # Huber (1964) with δ = 0.5: x²/2 below δ, δ(|x| - δ/2) above it.
    loss = loss_of(spec).loss_sum(
        spec, logits, torch.tensor([9, 9]), targets, None, torch.tensor([True, True])
    )
    assert (loss.total.item(), loss.count.item()) == (0.03125 + 0.875, 2)
    assert objective_of(spec).row_fault(spec, np.array([np.nan]), 9) is not None
    result = train(run)
    assert (result.steps, result.stopped) == (2, "max_steps")

    last = run.folder / "bundles" / "last"
    rows = list(Predictor.load(last, device="cpu").predict(run.manifest.select(run.validation_rows.tolist())))
    values = [row["tasks"]["pitch"]["prediction"]["octaves"] for row in rows]
    assert len(values) == 6 and np.isfinite(values).all() and len(set(values)) > 1
    error = run.tasks[0].score(pairs_of(run, rows))["absolute_error"]
    assert error == pytest.approx(validations(run)[-1]["val/pitch/absolute_error"], abs=1e-4)

    read = f"import sys; from soritune.bundles.read import load_bundle; outputs = load_bundle({str(last)!r}).outputs"
    command = [sys.executable, "-c", read + "; print(outputs[0].objective, 'torch' in sys.modules)"]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}
    done = subprocess.run(command, capture_output=True, text=True, env=path, check=True)
    assert done.stdout.split() == ["huber", "False"]
    path["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part != str(tmp_path / "site"))
    done = subprocess.run(command, capture_output=True, text=True, env=path)
    assert "unknown objective 'huber'; known: cross_entropy, ctc," in done.stderr
