"""Inputs beside the waveform from the row to the reopened model: trained, saved, reopened, predicted from a request."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from soritune.audio.augment.chain import Chain
from soritune.bundles.read import load_bundle
from soritune.cli.main import app
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.draws import Draws
from soritune.errors import BundleError, SorituneError, TaskError
from soritune.inference.ensemble import Member, joint_inputs
from soritune.inference.predictor import Predictor
from soritune.inference.windows import WindowSettings
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.loading import load_model
from soritune.tasks.specs import InputSpec
from soritune.training.batches.collate import Collator
from soritune.training.batches.sample import SampleReader
from soritune.training.devices import make_accelerator
from soritune.training.find_batch import find_batch
from soritune.training.log import read_events
from soritune.training.loop import train
from soritune.training.run import TrainingRun
from soritune.training.validation import validate

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parent.parent / "packages" / "asking_tasks.py"
MakeRun = Callable[..., TrainingRun]
FAST = {"learning_rate": 2e-2, "epochs": 12, "warmup_steps": 0}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package of the two tasks is on the path as if pip had installed it."""
    site = tmp_path / "site"
    information = site / "asking_tasks-1.0.dist-info"
    information.mkdir(parents=True)
    shutil.copy(PACKAGE, site)
    monkeypatch.syspath_prepend(site)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: asking_tasks\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(__import__("asking_tasks").ENTRY_POINTS)
    yield
    sys.modules.pop("asking_tasks", None)


def noise(folder: Path, name: str, seconds: float, seed: int) -> float:
    wave = 0.1 * np.random.default_rng(seed).standard_normal(int(16000 * seconds))
    soundfile.write(folder / name, wave, 16000)
    return len(wave) / 16000


def clips(folder: Path, **changes: Any) -> Manifest:
    """24 clips of noise. The answer follows from `age`, 10 or 30, or from the three values of `contour`."""
    rows = []
    for n in range(24):
        seconds = noise(folder, f"{n}.wav", 0.5 + 0.02 * n, n)
        if changes.get("along"):
            order = [1.0, -1.0, 1.0] if n % 2 else [-1.0, 1.0, -1.0]
            extra = {"contour": order, "answer": ["high" if value > 0 else "low" for value in order]}
            rows.append(Utterance(id=str(n), audio=f"{n}.wav", duration_s=seconds, speaker="s", extra=extra))
        else:
            age = 30.0 if n % 2 else 10.0
            extra = {"answer": ["high" if age > 20 else "low"]}
            rows.append(
                Utterance(id=str(n), audio=f"{n}.wav", duration_s=seconds, speaker="s", age=age, extra=extra)
            )
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


def run_of(make_run: MakeRun, name: str, manifest: Manifest, **more: Any) -> TrainingRun:
    return make_run(tasks={name: {}}, manifest=manifest, **{**FAST, **more})


def last_rate(run: TrainingRun, name: str) -> float:
    return [event for event in read_events(run.folder) if "val/loss" in event][-1][f"val/{name}/right"]


def test_number_per_row_is_learnt_saved_and_read_from_a_request(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "grown", clips(tmp_path), epochs=30, model={"freeze": {"encoder": True}})
    train(run)
    assert last_rate(run, "grown") == 1.0
    bundle = load_bundle(run.folder / "bundles" / "last")
    assert bundle.inputs == run.tasks[0].inputs
    assert bundle.card["inputs"][0]["request_field"] == "age_years"
    assert torch.equal(load_model(bundle.path).inputs["age"].absent, run.model.inputs["age"].absent)  # type: ignore[union-attr,arg-type]

    predictor = Predictor.load(bundle.path, device="cpu")
    audio = tmp_path / "3.wav"
    requests = [
        {"audio": audio, "age_years": 30, "text": "가나다"},
        {"audio": soundfile.read(audio, dtype="float32"), "age_years": 10},
        {"audio": audio},
        {"audio": audio, "age_years": "old"},
        {"audio": audio, "age_years": 10, "colour": "red"},
    ]
    rows = list(predictor.predict(requests))
    fields = [row["tasks"]["grown"]["prediction"] for row in rows[:2]]
    assert [field["answer"] for field in fields] == [["high"], ["low"]]
    assert [field["prompt"] for field in fields] == ["가나다", None]
    assert rows[2]["error"] == "the input 'age' is missing; give it as the field 'age_years'"
    assert "input 'age' must be a number, finite and within float32, got 'old'" in rows[3]["error"]
    assert "reads no field colour; it reads age_years" in rows[4]["error"]
    by_row = list(predictor.predict(run.manifest))
    assert [row["tasks"]["grown"]["prediction"]["answer"] for row in by_row[:2]] == [["low"], ["high"]]


def test_option_gives_an_input_to_every_file(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "grown", clips(tmp_path), epochs=1)
    train(run)
    command = ["predict", str(tmp_path / "1.wav"), "--bundle", str(run.folder / "bundles" / "last"), "--json"]
    done = CliRunner().invoke(app, [*command, "--input", "age_years=31"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["predictions"][0]["tasks"]["grown"]["prediction"]["answer"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "the input 'age' is missing" in done.stdout


def test_numbers_along_an_utterance_keep_their_position(make_run: MakeRun, tmp_path: Path) -> None:
    manifest = clips(tmp_path, along=True)
    augment = {"speed": {"factors": [0.8, 1.25], "probability": 0.5}}
    run = run_of(make_run, "contour", manifest, augment=augment)
    train(run)
    # A frame at a border may have either answer: there are two borders in about 25 frames.
    assert last_rate(run, "contour") > 0.9
    bundle = load_bundle(run.folder / "bundles" / "last")
    predictor = Predictor.load(bundle.path, device="cpu")
    row, silent = predictor.predict(
        [{"audio": tmp_path / "2.wav", "contour": [-1, 1, -1]}, {"audio": tmp_path / "2.wav"}]
    )
    answer = row["tasks"]["contour"]["prediction"]["answer"]
    third = len(answer) // 3
    assert (answer[third // 2], answer[third + third // 2], answer[-third // 2]) == ("low", "high", "low")
    assert "error" not in silent  # this input may be absent


def test_windows_of_a_long_file_get_their_part_of_the_input(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "contour", clips(tmp_path, along=True))
    train(run)
    noise(tmp_path, "long.wav", 20.0, 99)
    steps = [1.0 if (second // 3) % 2 else -1.0 for second in range(20)]
    windows = WindowSettings(longest_s=5, window_s=4, overlap_s=0.5)
    bundle = run.folder / "bundles" / "last"
    predictor = Predictor.load(bundle, device="cpu", windows=windows)
    (row,) = predictor.predict([{"audio": tmp_path / "long.wav", "contour": steps}])
    answer = row["tasks"]["contour"]["prediction"]["answer"]
    expected = ["high" if steps[int(20 * (t + 0.5) / len(answer))] > 0 else "low" for t in range(len(answer))]
    assert np.mean([a == b for a, b in zip(answer, expected, strict=True)]) > 0.85  # half of it by chance


def test_cropped_clip_gets_the_part_of_the_input_that_is_kept(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "contour", clips(tmp_path, along=True))
    short = run.preprocessing.model_copy(update={"max_duration_s": 0.25})
    read = SampleReader(run.manifest, run.tasks, short, Chain({}))
    sample = read(0, Draws(0, 0, 0))  # 0.5 s, contour -1, 1, -1: the first half is -1, then 1 from a third on
    assert len(sample.waveform) == 4000
    contour = sample.inputs["contour"][:, 0]
    assert len(contour) == 250
    assert contour[:166].tolist() == [-1.0] * 166
    assert contour[168:].tolist() == [1.0] * 82


def test_row_without_a_required_input_is_not_trained_on(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [
        Utterance(
            id=str(n), audio=f"{n}.wav", duration_s=noise(tmp_path, f"{n}.wav", 0.5, n), speaker="s",
            age=30.0 if n else None, extra={"answer": ["high"]},
        )
        for n in range(8)
    ]  # fmt: skip
    manifest = write_manifest(tmp_path / "manifest.parquet", rows, root=tmp_path)
    run = run_of(make_run, "grown", manifest)
    collator = Collator(
        manifest, run.tasks, run.preprocessing, num_frames=run.model.geometry.num_frames, hidden_size=16
    )
    batch = collator(np.arange(3), Draws(0, 0, 0), 0)
    assert batch.targets["grown"].present.tolist() == [False, True, True]
    assert batch.inputs["age_present"].tolist() == [False, True, True]
    assert not batch.failed


def test_find_batch_includes_the_inputs(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "contour", clips(tmp_path, along=True))
    result = find_batch(run, memory_gb=None)
    assert result.failed_s is None  # the whole toy split fits


def test_card_with_other_inputs_than_its_tasks_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "grown", clips(tmp_path), epochs=1)
    train(run)
    bundle = load_bundle(run.folder / "bundles" / "last")
    file = bundle.path / "soritune.json"
    card = json.loads(file.read_text(encoding="utf-8"))
    card["inputs"][0]["options"]["mean"] = 5.0
    file.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BundleError, match="'inputs' is faulty .not those that its tasks declare"):
        Member.of(load_bundle(bundle.path), None)  # type: ignore[arg-type]
    file.write_text(json.dumps({**card, "inputs": [{"name": "age"}]}), encoding="utf-8")
    with pytest.raises(BundleError, match="'inputs' is faulty"):
        _ = load_bundle(bundle.path).inputs


def test_two_models_with_the_same_input_share_it_and_others_are_refused(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = run_of(make_run, "grown", clips(tmp_path), epochs=1)
    train(run)
    first = load_bundle(run.folder / "bundles" / "last")
    second = shutil.copytree(first.path, tmp_path / "second")
    card = json.loads((second / "soritune.json").read_text(encoding="utf-8"))
    members = [Member.of(first, None), Member.of(load_bundle(second), None)]  # type: ignore[arg-type]
    assert joint_inputs(members) == first.inputs
    card["inputs"][0]["column"] = "height"
    (second / "soritune.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BundleError, match="not those that its tasks declare"):
        Member.of(load_bundle(second), None)  # type: ignore[arg-type]


def test_start_from_a_bundle_reports_changed_inputs(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "grown", clips(tmp_path), epochs=1)
    train(run)
    config = ModelConfig(encoder="x", init_from=str(run.folder / "bundles" / "last"))
    (age,), (output,) = run.tasks[0].inputs, run.tasks[0].outputs
    same = build_model(config, [output], seed=1, inputs=[age])
    assert same.load_report.is_complete
    changed = build_model(config, [output], seed=1, inputs=[replace(age, options={"mean": 50.0})])
    assert "input age: kept, but its options were" in str(changed.load_report)
    height = InputSpec("height", "height", "height", "number")
    # The columns of a head that reads another input, or the same ones in another order, have another meaning.
    for inputs in (("height",), ("height", "age")):
        reordered = build_model(config, [replace(output, inputs=inputs)], seed=1, inputs=[age, height])
        assert "new: head grown" in str(reordered.load_report)
        assert not reordered.load_report.is_complete


def test_other_tasks_are_predicted_for_a_row_without_an_input(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [replace(row, emotion="Kind", age=None if row.id == "0" else row.age) for row in clips(tmp_path)]
    manifest = write_manifest(tmp_path / "both.parquet", rows, root=tmp_path)
    tasks = {"emotion": {"labels": ["Kind", "Dry"]}, "grown": {}}
    run = make_run(tasks=tasks, manifest=manifest, epochs=1)
    train(run)
    predicted = list(Predictor.load(run.folder / "bundles" / "last", device="cpu").predict(manifest))
    assert not [row for row in predicted if "error" in row]
    assert set(predicted[0]["tasks"]) == {"emotion"}
    assert set(predicted[1]["tasks"]) == {"emotion", "grown"}
    posteriors = next(Predictor.load(run.folder / "bundles" / "last", device="cpu").posteriors(manifest))
    assert set(posteriors.outputs) == {"emotion"}
    assert posteriors.left_out == ("grown",)


def test_faulty_request_is_reported_in_its_row_alone(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "grown", clips(tmp_path), epochs=1)
    train(run)
    predictor = Predictor.load(run.folder / "bundles" / "last", device="cpu")
    audio = tmp_path / "1.wav"
    rows = list(
        predictor.predict(
            [
                {"audio": audio, "age_years": 1, "id": "a"},
                {"age_years": 1},
                {"audio": 5, "age_years": 1},
                {"audio": audio, "age_years": 10**400},
                {"audio": audio, "age_years": 1, "text": 5},
                {"audio": audio, "age_years": 1, 1: 2, "x": 3},
            ]
        )
    )
    assert (rows[0]["id"], "error" in rows[0]) == ("a", False)
    assert [row["error"] for row in rows[1:3]] == [
        "the request lacks the key audio: a path, or samples with their rate",
        "the request's audio is 5; give a path, or samples with their rate",
    ]
    assert "finite and within float32" in rows[3]["error"]
    assert "'text' must be the text the speaker was asked to read, got 5" in rows[4]["error"]
    assert "the model reads no field 1, x" in rows[5]["error"]


def test_option_for_an_unknown_input_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run = run_of(make_run, "grown", clips(tmp_path), epochs=1)
    train(run)
    command = ["predict", str(tmp_path / "1.wav"), "-b", str(run.folder / "bundles" / "last"), "--input"]
    with pytest.raises(SorituneError, match="files are given as arguments"):
        CliRunner().invoke(app, [*command, f"audio={tmp_path / '2.wav'}"], catch_exceptions=False)
    with pytest.raises(TaskError, match="reads no field colour; it reads age_years"):
        CliRunner().invoke(app, [*command, "colour=3"], catch_exceptions=False)


def test_cropped_clip_is_not_trained_on_targets_along_time(make_run: MakeRun, tmp_path: Path) -> None:
    rows = [replace(row, emotion="Kind") for row in clips(tmp_path, along=True)]
    manifest = write_manifest(tmp_path / "both.parquet", rows, root=tmp_path)
    run = make_run(tasks={"emotion": {"labels": ["Kind", "Dry"]}, "contour": {}}, manifest=manifest)
    short = run.preprocessing.model_copy(update={"max_duration_s": 0.7})
    collator = Collator(manifest, run.tasks, short, num_frames=run.model.geometry.num_frames, hidden_size=16)
    batch = collator(np.array([0, 20]), Draws(0, 0, 0), 0)  # 0.5 s and 0.9 s
    assert batch.targets["emotion"].present.tolist() == [True, True]
    assert batch.targets["contour_label"].present.tolist() == [True, False]
    reason = "contour_label: lasts 0.9 s, but preprocessing.max_duration_s keeps only 0.7 s of it"
    assert batch.failed == [(20, reason)]
    assert not batch.unread
    result = validate(
        run.model, run.tasks, collator, np.array([0, 20]), manifest.durations_s[[0, 20]],
        padded_seconds=10, num_workers=0, accelerator=make_accelerator(run.settings),
    )  # fmt: skip
    assert result.num_failed == 1
    # One frame rate, 0.5 s: only the first row's frames are counted.
    only = validate(
        run.model, run.tasks, collator, np.array([0]), manifest.durations_s[[0]],
        padded_seconds=10, num_workers=0, accelerator=make_accelerator(run.settings),
    )  # fmt: skip
    assert result.values["contour/right"] == only.values["contour/right"]
