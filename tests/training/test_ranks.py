"""Several processes on the command line: the training does not depend on their number, and one of them writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.conftest import TEXTS
from tests.training.launching import (
    BIN,
    Ended,
    Toy,
    events,
    free_port,
    largest_difference,
    rows_seen,
    toy_recipe,
    wait,
    weights_of,
)

from soritune.bundles.read import load_bundle
from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest
from soritune.testing import tiny_text_encoder

pytestmark = pytest.mark.slow(seconds=10)
STEPS = 50


@pytest.fixture(scope="module")
def toy(tones: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("ranks"), toy_recipe(tones))


@pytest.fixture(scope="module")
def one(toy: Toy) -> Path:
    """The whole flow in one process."""
    done = toy.run(["run", "toy.yaml", "-o", "one"], 1, seen="seen-one")
    assert done.code == 0, done.err
    return toy.folder / "one"


@pytest.fixture(scope="module")
def two(toy: Toy) -> tuple[Path, Ended]:
    """The whole flow in two."""
    done = toy.run(["--log-file", "two.log", "run", "toy.yaml", "-o", "two"], 2, seen="seen-two")
    assert done.code == 0, done.err
    return toy.folder / "two", done


def test_gradients_of_two_processes_are_those_of_one(toy: Toy, one: Path, two: tuple[Path, Ended]) -> None:
    for step in (1, 2, 3):
        alone = load_file(toy.folder / "seen-one" / f"gradients-{step}-0.safetensors")
        for rank in (0, 1):
            shared = load_file(toy.folder / "seen-two" / f"gradients-{step}-{rank}.safetensors")
            assert shared.keys() == alone.keys()
            whole = np.concatenate([value.ravel() for value in alone.values()])
            ours = np.concatenate([value.ravel() for value in shared.values()])
            print(  # noqa: T201
                f"step {step} rank {rank}: |Δ|/|g| {np.linalg.norm(ours - whole) / np.linalg.norm(whole):.2e}, "
                f"max |Δ| {np.abs(ours - whole).max():.2e} of {np.abs(whole).max():.2e}"
            )
            within = 1e-5 if step == 1 else 1e-4  # from step 2 the weights differ by rounding too
            assert np.linalg.norm(ours - whole) <= within * np.linalg.norm(whole)
            assert np.allclose(ours, whole, rtol=within, atol=within * np.abs(whole).max())


def test_gradients_depend_on_dropout_and_augmentation(toy: Toy, one: Path) -> None:
    """The comparison above would fail if a process drew its own random numbers: others give other gradients."""
    recipe = toy.recipe()
    recipe["train"]["seed"] = 1
    seeded = Toy(toy.folder / "seeded", recipe)
    done = seeded.run(["run", "toy.yaml", "-o", "run", "train.max_steps=1"], 1, seen="seen")
    assert done.code == 0, done.err
    mine = load_file(seeded.folder / "seen" / "gradients-1-0.safetensors")
    alone = load_file(toy.folder / "seen-one" / "gradients-1-0.safetensors")
    assert largest_difference(mine, alone)[0] > 1e-2


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system does not list threads in /proc")
def test_no_thread_of_the_exchanges_outlives_the_interpreter(toy: Toy, two: tuple[Path, Ended]) -> None:
    """One that does can abort the process with signal 6 after all its work is done."""
    for rank in (0, 1):
        threads = json.loads((toy.folder / "seen-two" / f"threads-{rank}.json").read_text())
        assert any(name.startswith("pt_gloo") for name in threads["training"])
        assert not [name for name in threads["end"] if name.startswith("pt_gloo")]


def test_weights_are_equal_after_fifty_steps(toy: Toy, one: Path, two: tuple[Path, Ended]) -> None:
    first, second = (weights_of(toy.folder / "seen-two", rank) for rank in (0, 1))
    assert all(np.array_equal(first[name], second[name]) for name in first)  # equal among the processes
    alone = weights_of(toy.folder / "seen-one")
    shown = sorted(((largest_difference({n: first[n]}, {n: alone[n]})[0], n) for n in alone), reverse=True)
    print("largest relative differences after 50 steps:", shown[:4])  # noqa: T201
    for difference, name in shown:
        # A key's bias has no effect: its gradient is rounding alone, which AdamW scales up to steps.
        assert difference < 1e-3 or name.endswith("k_proj.bias"), (difference, name)
    assert events(two[0], "end")[0]["step"] == STEPS


def test_one_and_two_processes_train_on_the_same_batches(
    toy: Toy, one: Path, two: tuple[Path, Ended]
) -> None:
    alone, shared = rows_seen(toy.folder / "seen-one", 1), rows_seen(toy.folder / "seen-two", 2)
    assert alone == shared
    assert len(alone) == STEPS
    assert [e["batch"] for e in events(one, "step")] == [e["batch"] for e in events(two[0], "step")]


def test_scores_do_not_depend_on_the_number_of_processes(one: Path, two: tuple[Path, Ended]) -> None:
    scores, expected = (json.loads((run / "scores.json").read_text()) for run in (two[0], one))
    assert scores["tasks"].keys() == expected["tasks"].keys()
    for a, b in zip(events(one, "evaluate"), events(two[0], "evaluate"), strict=True):
        assert a["val/loss"] == pytest.approx(b["val/loss"], rel=1e-3)
        assert a["rows"] == b["rows"]


def test_two_processes_leave_the_files_of_one(toy: Toy, one: Path, two: tuple[Path, Ended]) -> None:
    run, done = two

    def names(folder: Path) -> set[str]:
        paths = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
        return {name for name in paths if not name.startswith("checkpoints/step-")}

    assert names(run) == names(one)
    for log in ("train.jsonl", "train.log"):
        ours, theirs = ((folder / log).read_text().count("\n") for folder in (run, one))
        assert ours == theirs
    assert len(events(run, "start")) == len(events(run, "end")) == 1
    assert events(run, "start")[0]["processes"] == 2
    assert done.out.count("report: ") == 1  # reported once
    assert done.err.count("50 steps") <= 1
    assert "two.log" in os.listdir(toy.folder) and "two-process-1.log" in os.listdir(toy.folder)


def test_accelerate_launch_trains_the_same_weights(toy: Toy, two: tuple[Path, Ended]) -> None:
    launcher = [
        str(BIN / "accelerate"),
        "launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", str(free_port())]
    words = ["--module", "soritune", "run", "toy.yaml", "-o", "accelerated"]
    done = wait(toy.start_raw([*launcher, *words], toy.environment(None, None)))
    assert done.code == 0, done.err
    ours, theirs = (
        load_bundle(run / "bundles" / "last").weights() for run in (toy.folder / "accelerated", two[0])
    )
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_launch_of_one_process_instead_of_two_is_refused(toy: Toy) -> None:
    launcher = [str(BIN / "accelerate"), "launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    words = ["--mixed_precision", "no", "--module", "soritune", "run", "toy.yaml", "-o", "lonely"]
    done = wait(toy.start_raw([*launcher, *words], toy.environment(None, None)))
    assert done.code != 0
    assert len(done.errors) == 1 and "replace --cpu by --multi_gpu" in done.errors[0]
    assert not (toy.folder / "lonely").exists()


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_run_is_resumed_with_another_number_of_processes(
    before: int, after: int, toy: Toy, one: Path, tmp_path: Path
) -> None:
    """Stopped at step 20 of 50, between the ends of epochs."""
    own = Toy(tmp_path, toy.recipe())
    stop = {"rank": before - 1, "what": "at_step", "done": 20, "signal_number": 15}
    first = own.run(["run", "toy.yaml", "-o", "run"], before, seen="seen", sabotage=stop)
    assert first.code != 0
    ended = events(own.folder / "run", "end")[0]
    assert (ended["stopped"], ended["step"]) == ("interrupted", 21)
    part = rows_seen(own.folder / "seen", before)
    second = own.run(["run", "toy.yaml", "-o", "run", "--resume"], after, seen="seen-again")
    assert second.code == 0, second.err
    rest = rows_seen(own.folder / "seen-again", after)
    assert part | rest == rows_seen(toy.folder / "seen-one", 1)
    assert not part.keys() & rest.keys()
    differences = sorted(
        (
            (largest_difference({n: found}, {n: weights_of(toy.folder / "seen-one")[n]})[0], n)
            for n, found in weights_of(own.folder / "seen-again").items()
        ),
        reverse=True,
    )
    print(f"{before} → {after}:", differences[:3])  # noqa: T201
    assert all(d < 1e-3 or n.endswith("k_proj.bias") for d, n in differences)


def test_training_from_another_folder_copies_the_manifest(toy: Toy, two: tuple[Path, Ended]) -> None:
    words = ["train", "toy.yaml", "--manifest", "two/checked.parquet", "--splits", "two/splits.parquet"]
    done = toy.run([*words, "-o", "elsewhere", "train.max_steps=2"])
    assert done.code == 0, done.err
    assert (toy.folder / "elsewhere" / "checked.parquet").is_file()
    assert read_quarantine(toy.folder / "elsewhere" / "quarantine.jsonl") == []


def test_first_process_does_the_dry_run(toy: Toy) -> None:
    done = toy.run(["run", "toy.yaml", "-o", "dry", "--dry-run"])
    assert done.code == 0, done.err
    assert done.out.count("dry run: no weights were written") == 1
    assert done.out.count("longest batch") == 1
    assert "Anxious" in done.out
    assert not list((toy.folder / "dry").rglob("*.safetensors"))
    assert (toy.folder / "dry" / "dry-run" / "splits.parquet").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "toy.yaml", "--find-batch"], "start it in one process"),
        (["run", "toy.yaml", "-o", "no", "batches.micro_batches_per_step=3"], "cannot be shared evenly by 2"),
        (["run", "toy.yaml", "-o", "no", "train.device=cuda:0"], "cuda:0"),
        (["run", "toy.yaml", "-o", "no", "data=nowhere"], "there is no file or folder nowhere"),
        (["demo", "-o", "no"], "`soritune demo` runs in one process, and 2 were started"),
    ],
)
def test_impossible_run_is_refused_before_anything_is_prepared(
    words: list[str], message: str, toy: Toy
) -> None:
    done = toy.run(words)
    assert done.code != 0
    assert done.errors and all(message in line for line in done.errors)
    assert len(done.errors) == 1 or "demo" in words, done.err  # refused before they connect
    assert done.traces == 0, done.err
    assert not list((toy.folder / "no").rglob("*"))


@pytest.mark.long
def test_folds_are_trained_by_all_processes(toy: Toy) -> None:
    words = ["crossval", "toy.yaml", "--folds", "2", "train.max_steps=2"]
    alone = toy.run([*words, "-o", "folds-one"], 1)
    assert alone.code == 0, alone.err
    done = toy.run([*words, "-o", "folds-two"])
    assert done.code == 0, done.err
    one, two = (json.loads((toy.folder / f"folds-{n}" / "scores.json").read_text()) for n in ("one", "two"))
    assert one["tasks"].keys() == two["tasks"].keys()
    for fold in ("fold-01", "fold-02"):
        a, b = (
            load_bundle(toy.folder / f"folds-{n}" / fold / "bundles" / "last").weights()
            for n in ("one", "two")
        )
        assert all(np.allclose(a[name], b[name], atol=1e-5) for name in a)
    lengths = [
        (toy.folder / "folds-two" / fold / "train.jsonl").stat().st_size for fold in ("fold-01", "fold-02")
    ]
    assert toy.run([*words, "-o", "folds-two"]).code == 0  # finished folds are not repeated
    assert lengths == [
        (toy.folder / "folds-two" / fold / "train.jsonl").stat().st_size for fold in ("fold-01", "fold-02")
    ]


def test_processes_wait_for_a_preparation_longer_than_their_timeout(toy: Toy) -> None:
    slow = {"rank": "all", "what": "slow_prepare", "seconds": 6, "timeout_s": 2}
    done = toy.run(["run", "toy.yaml", "-o", "patient", "train.max_steps=1"], sabotage=slow)
    assert done.code == 0, done.err
    assert (toy.folder / "patient" / "scores.json").is_file()


def test_augmented_training_of_two_processes_is_that_of_one(tones: Manifest, tmp_path: Path) -> None:
    """A list with every kind of augmentation: of the waveform, of its length, of features and of batches."""
    among = {
        key: {} for key in ("gaussian_noise", "stretch", "pitch", "codec", "random_erase", "mixup", "cutmix")
    }
    among |= {"spec_augment": {"time_width_frames": 8}, "feature_erase": {}}
    recipe = toy_recipe(tones, max_steps=1)
    recipe["tasks"] = {"emotion": {"labels": ["Anxious", "Kind", "Dry"]}}
    recipe["augment"] = {"one_of": {"probability": 0.9, "second_probability": 0.5, "among": among}}
    launched = Toy(tmp_path, recipe)
    gradients = {}
    for name, processes, changes in (
        ("one", 1, ["batches.num_workers=2"]),
        ("two", 2, []),
        ("plain", 1, ["augment=null"]),
    ):
        done = launched.run(["run", "toy.yaml", "-o", name, *changes], processes, seen=f"seen-{name}")
        assert done.code == 0, done.err
        gradients[name] = load_file(tmp_path / f"seen-{name}" / "gradients-1-0.safetensors")
    assert largest_difference(gradients["two"], gradients["one"])[0] < 1e-5
    assert largest_difference(gradients["plain"], gradients["one"])[0] > 1e-2


@pytest.mark.parametrize(
    ("fusion", "tune"), [pytest.param("gate", "full", marks=pytest.mark.long), ("cross_attention", "lora")]
)
def test_training_with_texts_in_two_processes_is_that_of_one(
    fusion: str, tune: str, tones: Manifest, tmp_path: Path
) -> None:
    """A quarter of the texts are left out, and the text encoder has dropout."""
    encoder = tiny_text_encoder(tmp_path / "encoder", TEXTS)
    recipe = toy_recipe(tones, max_steps=3)
    text = {"encoder": str(encoder), "fusion": fusion, "tune": tune, "width": 8, "dropout": 0.25}
    recipe["tasks"] = {"emotion": {"labels": ["Anxious", "Kind", "Dry"], "text": text}}
    recipe["train"]["learning_rates"] = {"text": 1e-4}
    launched = Toy(tmp_path, recipe)
    gradients = {}
    for name, processes, changes in (
        ("one", 1, ["batches.num_workers=2"]),
        ("two", 2, []),
        ("whole", 1, ["tasks.emotion.text.dropout=0"]),
    ):
        done = launched.run(["run", "toy.yaml", "-o", name, *changes], processes, seen=f"seen-{name}")
        assert done.code == 0, done.err
        gradients[name] = load_file(tmp_path / f"seen-{name}" / "gradients-1-0.safetensors")
    assert any(name.startswith("inputs.text.encoder.") for name in weights_of(tmp_path / "seen-one"))
    one, two, whole = (
        np.concatenate([value.ravel() for value in gradients[name].values()])
        for name in ("one", "two", "whole")
    )
    assert np.linalg.norm(two - one) < 1e-5 * np.linalg.norm(one)
    assert np.linalg.norm(whole - one) > 1e-2 * np.linalg.norm(one)
    (start,) = events(tmp_path / "two", "start")
    assert start["processes"] == 2
