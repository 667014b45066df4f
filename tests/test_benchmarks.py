"""The benchmarks measure what they claim: equal work on both sides, realistic lengths, consistent sums."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import write_tones

from soritune.training.batches.config import BatchSettings
from soritune.training.batches.plan import plan_epoch

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def program(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", FOLDER / name, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""} | environment,
    )


def test_lengths_are_realistic_and_half_of_random_batches_is_padding() -> None:
    """7 s on average between 0.5 and 15 s; 49 % of random batches of 16 were padding in a corpus of such lengths."""
    from noise_corpus import durations
    from timed_arms import random_padded_s

    lengths = durations(4000, scale=1.0, seed=0, real=None)
    assert 6.5 < lengths.mean() < 7.5
    assert lengths.min() >= 0.5
    assert lengths.max() <= 15.0
    waste = 1.0 - lengths.sum() / random_padded_s(lengths, 16)
    assert 0.45 < waste < 0.55
    plan = plan_epoch(np.arange(4000), lengths, BatchSettings(padded_seconds=112.0), seed=0)
    assert plan.padding_share < 0.05


def test_padding_of_random_batches_equals_hand_count() -> None:
    from timed_arms import random_padded_s

    assert random_padded_s(np.full(10, 2.0), 4) == pytest.approx(20.0)
    # Orders of 1, 1, 4 in batches of two: two thirds have 4 in the pair (4 + 4 + 1), the others alone (1 + 1 + 4).
    assert random_padded_s(np.array([1.0, 1.0, 4.0]), 2, orders=3000) == pytest.approx(8.0, abs=0.15)


def test_projected_hours_are_hours_of_speech_over_the_rate() -> None:
    from h200 import projections

    projected = projections(3000.0)
    assert projected["full_3500_h_times_3_h"] == pytest.approx(3.5)
    # 20 % × 10 + 60 % × 8 + 100 % × 5 = 11.8 passes over 136.19 h.
    assert projected["pilot_three_phases_h"] == pytest.approx(11.8 * 136.19 / 3000)


@pytest.mark.parametrize("frozen", [0, 2])
def test_both_sides_train_the_same_weights(frozen: int) -> None:
    from naive_peer import make_model
    from timed_arms import LORA, Arm, Bench, recipe_for
    from train_epoch import TINY

    from soritune.models.build import build_model

    recipe = recipe_for(Bench("nowhere", TINY), Arm("ours", "ours", frozen), 10.0)
    outputs = [spec for task in recipe.make_tasks() for spec in task.outputs]
    ours = build_model(recipe.model, outputs, seed=0)
    our_shapes = sorted(tuple(p.shape) for p in ours.parameters() if p.requires_grad)
    # Two factors on q, k and v of each layer, and weight and bias of the head.
    assert len(our_shapes) == 2 * 3 * (6 - frozen) + 2
    for freeze_call in (False, True):
        peer = make_model(
            TINY, len(outputs[0].labels), lora=LORA, freeze_call=freeze_call, frozen_layers=frozen, seed=0
        )
        peer_shapes = sorted(tuple(p.shape) for p in peer.parameters() if p.requires_grad)
        assert peer_shapes == our_shapes


def test_freeze_call_removes_the_graph() -> None:
    """The difference between the peers: without the call the output of the first convolution has a gradient."""
    from naive_peer import make_model
    from timed_arms import LORA
    from train_epoch import TINY

    for call in (False, True):
        peer: Any = make_model(TINY, 45, lora=LORA, freeze_call=call, frozen_layers=2, seed=0)
        seen: list[bool] = []
        front = peer.base_model.model.wav2vec2.feature_extractor
        front.register_forward_hook(lambda m, a, out, seen=seen: seen.append(out.requires_grad))
        peer.train()
        peer(input_values=torch.randn(1, 16000), labels=torch.ones(1, 3, dtype=torch.long)).loss.backward()
        assert seen == [not call]


@pytest.mark.slow
def test_gpu_benchmark_without_a_gpu_is_refused() -> None:
    process = program("h200.py")
    assert process.returncode == 2
    assert process.stderr.strip().splitlines()[-1].startswith("error: no CUDA GPU is usable here")
    assert process.stdout == ""


@pytest.mark.slow
def test_gpu_benchmark_runs_end_to_end_on_a_cpu(tmp_path: Path) -> None:
    process = program("h200.py", "--device", "cpu", "--tiny", "--work", str(tmp_path), "--workers", "1")
    assert process.returncode == 0, process.stderr[-1000:]
    result = json.loads(process.stdout.splitlines()[-1])
    assert len(result["training"]) == 2
    for row in (*result["training"], result["best"]):
        assert row["audio_s_per_s"] > 0
        assert 0 <= row["data_wait_share"] < 1
        assert 0 <= row["padding_share"] < 1
    assert sum(row["share"] for row in result["best"]["profile"]["most_expensive"]) <= 1.0001
    for name in ("validation", "predictor"):
        row = result["evaluation"][name]
        assert row["minutes_for_114539"] == pytest.approx(114539 / row["utterances_per_s"] / 60)


@pytest.mark.slow
def test_epochs_are_timed_in_alternation(tmp_path: Path) -> None:
    process = program(
        "train_epoch.py", "--tiny", "--clips", "200", "--steps", "2", "--chunks", "2", "--modes", "frozen",
        "--work", str(tmp_path), OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-1000:]
    result = json.loads(process.stdout.splitlines()[-1])
    assert [row["peer"] for row in result["ratios"]] == ["peft alone", "peft + freeze call"]
    arms = result["arms"]
    assert len({arm["trainable"] for arm in arms.values()}) == 1
    ours = arms["frozen: soritune"]
    for row in result["ratios"]:
        peer = arms[f"frozen: {row['peer']}"]
        assert row["ratio"] == pytest.approx(peer["seconds"] / ours["seconds"])
        assert peer["padding_share"] > 0.35 > ours["padding_share"]
        assert [part["steps"] for part in peer["stretches"]] == [1, 2]


def test_values_are_equal_if_their_json_text_is() -> None:
    from two_checkouts import differences

    before = {"loss": 0.1, "nan": float("nan"), "count": 1, "only before": True, "name": "가"}
    after = {"loss": 0.1 + 2**-56, "nan": float("nan"), "count": 1.0, "only after": None, "name": "가"}
    assert differences(before, after, []) == (
        6,
        [
            "loss: 0.1 → 0.10000000000000002",
            "count: 1 → 1.0",
            "only before: true → –",
            "only after: – → null",
        ],
    )
    assert differences(before, after, ["losses:*", "train.jsonl:only *"], "train.jsonl")[0] == 4
    renamed = differences({"a": 1, "b": 2}, {"a": 2, "b": 1}, [])[1]
    assert renamed == ["the same values in another order or under other names; a: 1 → 2", "b: 2 → 1"]


def test_empty_comparison_fails() -> None:
    from two_checkouts import compare

    (row,) = compare("gradients", {"case": {"gradients": {}}}, {"case": {"gradients": {}}}, [])
    assert row.differing == 1


def test_timestamps_and_folders_of_runs_are_ignored() -> None:
    from two_checkouts_capture import Checkout

    side = Checkout("after", Path("/code"), Path("/runs/after"), (Path("/kept/before"),))
    value = {"loss": [1.5, None], "time": 1.0, "a": {"created": "x"}, "b": "/runs/after/x /code/src", "c": []}
    expected = {"loss.0": 1.5, "loss.1": None, "b": "RUNS/x CHECKOUT/src", "c": []}
    assert side.flat(value) == expected
    assert side.neutral("/kept/before/bundles") == "RUNS/bundles"


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([1.03, 1.04, 1.05], "equal within 5 %"),
        ([0.98, 1.1, 1.2], "equal within the spread"),  # 1.1 ≤ 1.15 and 0.98 ≤ 1.0
        ([1.2, 1.3, 1.4], "slower"),
        ([0.5, 0.6, 0.7], "faster"),
        ([1.3, 1.3], "too few runs"),
    ],
)
def test_medians_are_equal_within_5_percent_or_within_the_spread(after: list[float], verdict: str) -> None:
    from two_checkouts_speed import judge

    assert judge([0.9, 1.0, 1.15], after)["verdict"] == verdict


def test_every_recipe_has_a_toy_training() -> None:
    from two_checkouts_inputs import TRAININGS

    from soritune.recipe import recipe_names

    assert set(recipe_names()) <= {training.recipe for training in TRAININGS.values()}


@pytest.mark.slow
@pytest.mark.long
def test_changed_learning_rate_is_detected_in_the_second_gradient(tmp_path: Path) -> None:
    """The first gradient does not depend on the learning rate; the second is that of changed weights."""
    source, copy = FOLDER.parent, tmp_path / "copy"
    shutil.copytree(source / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    recipe = copy / "src" / "soritune" / "recipes" / "emotion-3class.yaml"
    text = recipe.read_text(encoding="utf-8")
    assert text.count("learning_rate: 2.0e-5") == 2  # the second is in a preset
    only = ("--only", "gradients", "--cases", "emotion-3class")
    kept, results = str(tmp_path / "kept"), tmp_path / "results.json"
    same = program("two_checkouts.py", str(source), str(copy), *only, "--keep", kept, SORITUNE_DATA="")
    assert same.returncode == 0, same.stdout[-2000:] + same.stderr[-2000:]
    recipe.write_text(text.replace("learning_rate: 2.0e-5", "learning_rate: 2.1e-5"), encoding="utf-8")
    more = ("--reuse", kept, "--output", str(results))
    changed = program("two_checkouts.py", str(source), str(copy), *only, *more, SORITUNE_DATA="")
    assert changed.returncode == 1, changed.stdout[-2000:] + changed.stderr[-2000:]
    assert "before" not in changed.stderr  # the first checkout was not run again
    rows = {row["what"]: row for row in json.loads(results.read_text(encoding="utf-8"))["rows"]}
    gradients = rows["gradients"]["differences"]
    steps = [line.split(": ")[0] for line in gradients if " tensor " in line]
    assert steps and all(step.startswith("step 2 ") for step in steps)
    assert gradients[0].startswith("step 1 group 0: ")
    assert rows["weights of bundles"]["differing"] > 0


@pytest.mark.slow
@pytest.mark.long
def test_speed_and_predictions_of_a_toy_corpus_are_compared(tmp_path: Path) -> None:
    corpus = tmp_path / "ko_speech_selvas"
    corpus.mkdir()
    rows = write_tones(corpus, speakers=6, per_style=1)
    lines = [
        json.dumps(
            {"id": row.id, "audio": row.audio, "duration": row.duration_s, "speaker": row.speaker}
            | {"text": row.text, "gender": row.gender}
        )
        for row in rows
    ]
    (corpus / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    source, results = str(FOLDER.parent), tmp_path / "results.json"
    process = program(
        "two_checkouts.py", source, source, "--only", "predictions", "speed", "--data", str(tmp_path),
        "--runs", "1", "--steps", "5", "--predict-clips", "30", "--output", str(results),
    )  # fmt: skip
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]
    result = json.loads(results.read_text(encoding="utf-8"))
    assert result["differing"] == 0
    assert result["values"] > 100
    assert len(result["speed"]) == 6
    for table in result["speed"]:
        assert len(table["before"]) == len(table["after"]) == 1
        assert table["ratio"] == pytest.approx(table["after"][0] / table["before"][0])


def made_phones(seed: int) -> dict[str, Any]:
    """Two folds' columns of made-up phones: 12 speakers, of whom six train, three choose, three are judged."""
    rng = np.random.default_rng(seed)
    count = 1200
    speaker = rng.integers(0, 12, count)
    score = np.clip(rng.normal(1.5, 0.7, count), 0, 2).astype(np.float32)
    noisy = score + rng.normal(0, 0.3, count)
    return {
        "score": score,
        "speaker": np.array([f"{seed}-{number}" for number in speaker]),
        "phone": rng.integers(1, 4, count),
        "clip": np.array(["c"] * count),
        "part": np.where(speaker < 6, 0, np.where(speaker < 9, 1, 2)).astype(np.int8),
        "segment": np.clip(1 - noisy / 2, 0, 1).astype(np.float32),
        "slots": rng.random(count).astype(np.float32),
        "heard": (noisy < 0.5).astype(np.float32),
        "softmax": noisy.astype(np.float32) - 3,
        "free": noisy.astype(np.float32) - 2,
        "vector": np.stack([noisy, rng.normal(size=count)], axis=1).astype(np.float32),
    }


def test_errors_of_learners_are_judged_by_speakers_that_chose_nothing(tmp_path: Path) -> None:
    """AUC and PCC of one fold against scikit-learn and numpy; tables of two folds."""
    from argparse import Namespace

    from learner_errors import methods_of, rates_of, run_judge, speaker_counts
    from sklearn.metrics import roc_auc_score

    from soritune.tasks.results import add_counts

    columns = made_phones(1)
    values = methods_of(columns, None)
    test = columns["part"] == 2
    wrong = columns["score"] < 0.5
    rates = {
        name: rates_of(add_counts(speaker_counts(columns, value).values())) for name, value in values.items()
    }
    assert (rates["always-correct"]["auc"], rates["always-correct"]["f1"]) == (0.5, 0.0)
    for method in ("softmax-gop", "disagreement", "slots", "segment"):
        area = roc_auc_score(wrong[test], values[method][test])
        assert rates[method]["auc"] == pytest.approx(area, abs=0.01)
    assert rates["segment"]["auc"] > 0.9 and rates["svr"]["pcc"] > 0.7 and rates["joined"]["auc"] > 0.9
    assert abs(rates["slots"]["pcc"]) < 0.2
    assert rates["segment"]["low_false_rejection_rate"] < 0.12
    # A value that only orders the phones otherwise scaled gives the same.
    scaled = rates_of(add_counts(speaker_counts(columns, 7 * values["segment"] - 3).values()))
    assert scaled == pytest.approx(rates["segment"])
    for fold in (1, 2):
        np.savez_compressed(tmp_path / f"phones-plain-{fold}.npz", **made_phones(fold))
    run_judge(Namespace(output=tmp_path, folds=3, encoder="made up"))
    content = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert (content["folds"], content["speakers"]) == (2, 6)
    assert content["minus softmax-gop"]["softmax-gop"]["auc"]["value"] == 0.0


def test_hidden_errors_are_counted_at_the_substituted_phones() -> None:
    """답 is pronounced 땁. The model recognises the canonical onset, the spoken onset, or another onset."""
    from hidden_errors import counts_of, rates

    from soritune.corpus.utterance import Utterance

    row = Utterance(
        id="a", audio="a.wav", duration_s=1.0, canonical=("D", "A", "p"), perceived=("DD", "A", "p")
    )
    hidden, found, other = (counts_of(row, (onset, "A", "p")) for onset in ("D", "DD", "G"))
    assert [rates(counts)["canonical"] for counts in (hidden, found, other)] == [1, 0, 0]
    assert [rates(counts)["spoken"] for counts in (hidden, found, other)] == [0, 1, 0]
    assert [rates(counts)["spoken_edits"] for counts in (hidden, found, other)] == [1 / 3, 0, 1 / 3]
    assert [rates(counts)["canonical_edits"] for counts in (hidden, found, other)] == [0, 1 / 3, 1 / 3]


def test_inserted_and_deleted_phones_are_no_substitutions() -> None:
    """밥 is pronounced 바브: the coda becomes an onset, and ㅡ is inserted. Then ㅎ is deleted."""
    from hidden_errors import counts_of

    from soritune.corpus.utterance import Utterance

    row = Utterance(
        id="a",
        audio="a.wav",
        duration_s=1.0,
        canonical=("B", "A", "p", "sil", "H", "A"),
        perceived=("B", "A", "B", "EU", "sil", "A"),
    )
    counts = counts_of(row, ["B", "A", "B", "EU", "A"])
    expected = {"errors": 1, "spoken": 1, "spoken_phones": 5, "canonical_phones": 5, "spoken_edits": 0}
    assert {name: float(counts[name]) for name in expected} == expected
    assert counts_of(row, [])["spoken_edits"] == 5


def test_language_check_counts_right_decisions() -> None:
    """Six answers by hand: what the detected language and the fit of the text decide, each alone and together."""
    from language_check import KOREAN, in_turn, outcome_without_detector, summary

    rows = [{"speaker": name, "n": number} for number, name in enumerate(["b", "b", "b", "a", "c"])]
    assert [row["n"] for row in in_turn(rows, 4)] == [3, 0, 4, 1]
    limits = {"least_language_probability": 0.6, "least_margin": 1.0, "least_deviation": 2.0}

    def answer(corpus: str, code: str, probability: float, margin: float, outcome: str) -> dict[str, Any]:
        return {
            "corpus": corpus,
            "speaker_of_clip": "a",
            "language": {"code": code, "probability": probability},
            "relatedness": {"margin": margin, "deviation": 3.0},
            "thresholds": limits,
            "outcome": outcome,
        }

    given = [
        answer(KOREAN[0], "ko", 0.99, 2.0, "assessed"),
        answer(KOREAN[0], "ja", 0.70, 2.0, "other-language"),
        answer(KOREAN[0], "ja", 0.50, 2.0, "assessed"),
        answer("speechocean762", "en", 0.90, 0.5, "other-language"),
        answer("speechocean762", "en", 0.55, 0.5, "unrelated-speech"),
        answer("speechocean762", "ko", 0.55, 1.5, "assessed"),
    ]
    assert [outcome_without_detector(each) for each in given] == [
        *("assessed", "assessed", "assessed"),
        *("unrelated-speech", "unrelated-speech", "assessed"),
    ]
    lines = summary(given).splitlines()
    assert len(lines) == 4  # no talks
    assert [cell.strip() for cell in lines[2].split("|")][3:-1] == [
        *("1", "1 (ja 1)", "1 (ja 1)", "1", "0", "1 (other-language 1)"),
    ]
    assert [cell.strip() for cell in lines[3].split("|")][3:-1] == [
        *("1", "1 (en 1)", "1 (en 1)", "1", "2 (unrelated-speech 2)"),
        "2 (other-language 1, unrelated-speech 1)",
    ]
