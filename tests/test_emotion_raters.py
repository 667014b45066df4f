"""Rated corpora from the manifest to the report: soft targets, majority, and several emotions at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import STYLES, write_tones
from typer.testing import CliRunner

from soritune.bundles.read import load_bundle
from soritune.cli.main import app
from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.inference.predictions import read_predictions
from soritune.recipe import Recipe, load_recipe
from soritune.reports.score import score_predictions
from soritune.stages.dry_run import dry_run
from soritune.stages.run import run
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow
LABELS = list(STYLES)


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Four raters of six speakers: three give the style, the fourth another one; each speaker has one tied row, and one
    row without ratings but with a label."""
    folder = tmp_path_factory.mktemp("rated")
    rows = []
    for index, row in enumerate(write_tones(folder, per_style=3)):
        style = str(row.emotion)
        other = LABELS[(LABELS.index(style) + 1) % len(LABELS)]
        ratings: list[str | None] = [style, style, other, style]
        if index % 9 == 4:
            ratings = [style, other, None, None]
        if index % 9 == 5:
            rows.append(replace(row, extra={"moods": style}))
            continue
        moods = sorted({label for label in ratings if label is not None})
        rows.append(replace(row, emotion=None, extra={"ratings": ratings, "moods": moods}))
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


def recipe_of(manifest: Manifest, tasks: dict[str, Any], *overrides: str) -> Recipe:
    settings = [f"data={manifest.path}", "data.source=manifest", "split.given=null", "train.max_steps=2"]
    settings += [
        "train.device=cpu",
        "evaluate.resamples=100",
        "evaluate.audio=false",
        "batches.num_workers=0",
    ]
    settings += ["split.by=[speaker]", "split.ratios={train: 0.5, val: 0.2, test: 0.3}"]
    settings += ["train.best={}", "train.early_stopping=null"]
    recipe = load_recipe("emotion-3class", [*settings, *overrides])
    recipe.tasks = tasks
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    return recipe


def labels_of(summary: dict[str, Any]) -> int:
    return sum(sum(row["labels"]["emotion"].values()) for row in summary["splits"].values())


def test_soft_targets_are_trained_and_the_report_has_the_agreement(rated: Manifest, tmp_path: Path) -> None:
    settings = {"labels": LABELS, "rated_target": "soft", "class_weights": "balanced"}
    result = run(recipe_of(rated, {"emotion": settings}), tmp_path / "run")
    assert result.scores is not None
    scores = result.scores["tasks"]["emotion"]
    assert scores["num_utterances"] == len(read_predictions(tmp_path / "run/predictions/test.jsonl").good)
    assert 0 < scores["rates"]["soft_loss"]["value"] < 5
    assert "soft_loss" not in scores["baselines"]["majority"]["rates"]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Agreement of the raters" in page and "alpha, nominal" in page
    assert any("without a majority" in text for text in result.scores["warnings"])
    # The predictions file has the ratings, and gives the same scores again.
    again = score_predictions(tmp_path / "run/predictions/test.jsonl", resamples=20).tasks["emotion"]
    assert again.rates["soft_loss"].value == scores["rates"]["soft_loss"]["value"]
    assert again.rates["ua"].value == scores["rates"]["ua"]["value"]
    references = [
        row["tasks"]["emotion"]["reference"]
        for row in read_predictions(tmp_path / "run/predictions/test.jsonl").good
    ]
    assert any(reference["label"] is None for reference in references)
    assert any("ratings" not in reference for reference in references)
    bundle = load_bundle(tmp_path / "run" / "bundles" / "last")
    assert bundle.tasks[0].config.model_dump()["rated_target"] == "soft"


def test_tied_rows_of_a_majority_are_lost_with_their_reason(rated: Manifest, tmp_path: Path) -> None:
    tasks = {"emotion": {"labels": LABELS, "rated_target": "majority"}}
    result = dry_run(recipe_of(rated, tasks, "data.max_lost_share=0.3"), tmp_path / "dry")
    assert labels_of(result) == 54 - 6 and result["quarantined"] == 6
    reasons = {row.reason for row in read_quarantine(tmp_path / "dry" / "quarantine.jsonl")}
    assert any("2 ratings that are tied between" in reason for reason in reasons)
    tasks["emotion"]["ties"] = "leave_out"
    assert dry_run(recipe_of(rated, tasks), tmp_path / "purpose")["quarantined"] == 0
    rows = read_quarantine(tmp_path / "purpose" / "quarantine.jsonl")
    assert {row.kind for row in rows} == {"label-left-out"} and len(rows) == 6


def test_several_emotions_are_trained_beside_mixing_and_smoothing(rated: Manifest, tmp_path: Path) -> None:
    tasks = {"emotion-multilabel": {"labels": LABELS, "column": "moods"}}
    recipe = recipe_of(rated, tasks, "batches.label_smoothing=0.1", "augment={mixup: {probability: 1}}")
    assert recipe.batches.label_smoothing == 0.1
    assert labels_of(dry_run(recipe, tmp_path / "dry")) == 2 * 48 + 6
    result = run(recipe, tmp_path / "run")
    assert result.scores is not None
    scores = result.scores["tasks"]["emotion-multilabel"]
    assert set(scores["baselines"]) == {"empty", "all", "prevalence"}
    assert scores["calibration"] is None and scores["rates"]["loss"]["value"] > 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Per label" in page and "average precision" in page.lower()
    clip = rated.audio_path(rated.utterance(0))
    done = CliRunner().invoke(app, ["predict", str(clip), "--bundle", str(tmp_path / "run"), "--json"])
    assert done.exit_code == 0, done.output
    prediction = json.loads(done.stdout)["predictions"][0]["tasks"]["emotion-multilabel"]["prediction"]
    chosen = [label for label, p in prediction["probabilities"].items() if p >= 0.5]
    assert prediction["labels"] == chosen
    table = CliRunner().invoke(app, ["predict", str(clip), "--bundle", str(tmp_path / "run")])
    assert table.exit_code == 0 and "emotions" in table.stdout
    refused = CliRunner().invoke(
        app, ["predict", str(clip), "--bundle", str(tmp_path / "run"), "--min-confidence", "0.5"]
    )
    assert refused.exit_code != 0


def test_check_counts_the_classes_of_a_task(rated: Manifest) -> None:
    words = ["check", str(rated.path), "--json", "--no-decode"]
    plain = json.loads(CliRunner().invoke(app, words).stdout)
    assert sum(row["utterances"] for label, row in plain["tables"]["emotion"].items() if label != "–") == 6
    words += ["--task", "emotion", "--set", f"emotion.labels={json.dumps(LABELS)}"]
    soft = json.loads(CliRunner().invoke(app, [*words, "--set", "emotion.rated_target=soft"]).stdout)
    assert {label: row["utterances"] for label, row in soft["tables"]["emotion"].items()} == {
        "Anxious": 18,
        "Kind": 12,
        "Dry": 18,
        "–": 6,
    }
    assert soft["quarantined"] == []


def test_csv_with_bars_between_ratings_is_read(rated: Manifest, tmp_path: Path) -> None:
    lines = ["file_path,speaker,ratings"]
    for row in rated:
        ratings = row.extra.get("ratings", [row.emotion])
        lines.append(f"{rated.audio_path(row)},{row.speaker},{'|'.join(r or '' for r in ratings)}")
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = recipe_of(rated, {"emotion": {"labels": LABELS, "rated_target": "soft"}})
    recipe.data.root, recipe.data.source = str(tmp_path / "list.csv"), "csv"
    assert labels_of(dry_run(recipe, tmp_path / "dry")) == 48
    assert len(load_manifest(tmp_path / "dry" / "checked.parquet")) == 54
