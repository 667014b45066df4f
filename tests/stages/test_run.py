"""From a corpus to a report on toys, through public entry points only."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.stages.toy_recipes import MANIFEST, emotion, toy_encoder

from soritune.bundles.read import load_bundle
from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.errors import OutputError, RecipeError, SorituneError
from soritune.progress import Console
from soritune.recipe import load_recipe, recipe_names
from soritune.run_folder import RunFolder
from soritune.stages.evaluate import evaluate_run
from soritune.stages.run import RunResult, report_resumed, run
from soritune.testing import tiny_config, tiny_text_encoder

pytestmark = pytest.mark.slow


def test_every_stage_writes_its_files(finished: tuple[Path, RunResult]) -> None:
    folder, result = finished
    assert result.training.stopped == "end"
    expected = ["manifest.parquet", "checked.parquet", "splits.parquet", "quarantine.jsonl", "recipe.yaml"]
    expected += ["train.jsonl", "train.log", "predictions/test.jsonl", "scores.json", "report.html"]
    assert [name for name in expected if not (folder / name).is_file()] == []
    assert {"best_loss", "best_emotion_ua", "best_emotion_macro_f1", "last"} <= {
        path.name for path in (folder / "bundles").iterdir()
    }


def test_bad_files_are_quarantined_with_their_reasons(finished: tuple[Path, RunResult]) -> None:
    reasons = {Path(row.audio).name: row.reason for row in read_quarantine(finished[0] / "quarantine.jsonl")}
    assert set(reasons) == {f"F2001_00002{n}.wav" for n in (5, 6, 7, 8)}
    assert "NaN" in reasons["F2001_000027.wav"]
    assert "0.050 s" in reasons["F2001_000028.wav"]
    manifest = load_manifest(finished[0] / "checked.parquet")
    assert len(manifest) == 9 * 9
    assert sorted(set(manifest.column("emotion").to_pylist())) == ["Anxious", "Dry", "Kind"]


def test_no_speaker_is_in_two_splits(finished: tuple[Path, RunResult]) -> None:
    manifest = load_manifest(finished[0] / "checked.parquet")
    splits = load_splits(finished[0] / "splits.parquet")
    speakers = [
        {manifest.utterance(int(row)).speaker for row in splits.indices(manifest, name)}
        for name in ("train", "val", "test")
    ]
    assert all(speakers) and not (
        speakers[0] & speakers[1] or speakers[0] & speakers[2] or speakers[1] & speakers[2]
    )


def test_the_card_records_the_origin_of_the_bundle(finished: tuple[Path, RunResult]) -> None:
    card = load_bundle(finished[0] / "bundles" / "last").card
    manifest = load_manifest(finished[0] / "checked.parquet")
    assert card["data"]["manifest_hash"] == manifest.hash
    assert card["data"]["split"]["by"] == ["speaker", "script"] or card["data"]["split"]["by"] == ["speaker"]
    assert card["recipe"]["train"]["learning_rate"] == 2e-5
    assert card["outputs"][0]["options"]["class_weights"] is not None
    assert {"torch", "transformers", "python"} <= set(card["versions"])


def test_a_second_run_does_not_overwrite_the_first(tree: Path, finished: tuple[Path, RunResult]) -> None:
    with pytest.raises(OutputError, match="already holds a run"):
        run(emotion(tree), finished[0])


def test_a_random_split_is_recorded_in_card_and_scores(tree: Path, tmp_path: Path) -> None:
    recipe = emotion(tree, "split.by=[random]", "train.max_steps=2")
    scores = run(recipe, tmp_path / "run").scores
    assert load_bundle(tmp_path / "run" / "bundles" / "last").card["data"]["split"]["by"] == ["random"]
    assert scores is not None and any("random" in warning for warning in scores["warnings"])
    assert "random" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_missing_data_and_unusable_rows_are_reported_in_one_sentence(tree: Path, tmp_path: Path) -> None:
    recipe = emotion(tree)
    recipe.data.root = None
    with pytest.raises(RecipeError, match="give the corpus folder as data=ROOT"):
        run(recipe, tmp_path / "a")
    recipe = emotion(tree, "tasks.emotion.labels=[Happy, Sad]")
    with pytest.raises(SorituneError, match="none of its 83 utterances can be used; the first: emotion"):
        run(recipe, tmp_path / "b")
    assert "'Anxious' is not in the label set" in (tmp_path / "b" / "quarantine.jsonl").read_text(
        encoding="utf-8"
    )


CORPORA = {
    "speaker-folders": "tree",
    "json-pairs": "pairs",
    "l2-json": "learners",
    "auto": "two_languages",
    "manifest": "two_languages",
}
"""Source of a recipe → the fixture that writes a corpus for it."""


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "demo"])
def test_every_recipe_takes_two_steps(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Only the encoder, the data and the number of steps are changed."""
    usual = CORPORA[load_recipe(name).data.source]
    corpus = {"emotion-4class-text": "scripted_tree", "ko-base": "one_language"}.get(name, usual)
    root = request.getfixturevalue(corpus)
    phases = load_recipe(name).train.phases
    limited = [number for number, phase in enumerate(phases, start=1) if phase.max_steps is not None]
    limits = [f"train.phases.{number}.max_steps=2" for number in limited] or ["train.max_steps=2"]
    recipe = load_recipe(name, [f"data={root}", *limits])
    recipe.model.random_weights = True
    recipe.model.architecture = toy_encoder(name)
    if name == "emotion-4class-text":
        recipe.tasks["emotion"]["text"]["encoder"] = str(tiny_text_encoder(tmp_path / "text", ["가나 다라"]))
    result = run(recipe, tmp_path / "run")
    assert result.training.steps == 2 * max(len(recipe.train.phases), 1)
    assert result.scores is not None
    primary = recipe.make_tasks()[0].primary_metric.name
    assert result.scores["tasks"][recipe.make_tasks()[0].name]["rates"][primary]["value"] is not None


def test_phones_then_emotion_from_the_same_encoder(tones: Manifest, tree: Path, tmp_path: Path) -> None:
    """What the demo does: the second model keeps the first one's encoder and gets a head of its own."""
    phones = load_recipe(
        "child-phoneme", [*MANIFEST, f"data={tones.path}", "train.max_steps=2"], presets=["full"]
    )
    phones.model.random_weights = True
    phones.model.architecture = tiny_config(norm="layer")
    first = run(phones, tmp_path / "phones")
    recipe = emotion(tree, "train.max_steps=1")
    recipe.model.random_weights = False
    recipe.model.init_from = str(first.folder / "bundles" / "last")
    second = run(recipe, tmp_path / "emotion")
    weights = [load_bundle(run.folder / "bundles" / "last").weights() for run in (first, second)]
    name = "wav2vec2.feature_extractor.conv_layers.0.conv.weight"
    assert np.array_equal(weights[0][name], weights[1][name])  # frozen in the emotion recipe
    card = json.loads((second.folder / "bundles" / "last" / "soritune.json").read_text(encoding="utf-8"))
    assert [output["name"] for output in card["outputs"]] == ["emotion"]


def test_a_failed_start_does_not_lock_its_folder(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(SorituneError, match="no GPU is usable|there are"):
        run(emotion(tree, "train.device=cuda:99"), tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.parquet").exists()  # reported before the corpus is read
    assert run(emotion(tree, "train.max_steps=1"), tmp_path / "run").training.steps == 1


def test_a_run_on_a_moved_corpus_is_resumed(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "before")
    run(emotion(tmp_path / "before", "train.max_steps=2"), tmp_path / "run")
    (tmp_path / "before").rename(tmp_path / "after")
    again = emotion(tmp_path / "after", "train.max_steps=2")
    assert run(again, tmp_path / "run", resume=True).scores is not None


def test_faulty_settings_are_refused_before_any_training(tree: Path, tmp_path: Path) -> None:
    for override, sentence in (
        ("evaluate.checkpoint=bestt", "evaluate.checkpoint"),
        ("train.best=[emotion/f1]", "train.best names"),
        ("data.config.colour=red", "colour"),
    ):
        with pytest.raises(SorituneError, match=sentence):
            run(emotion(tree, override), tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.parquet").exists()


def test_judging_other_weights_does_not_replace_the_runs_scores(
    finished: tuple[Path, RunResult], tree: Path
) -> None:
    folder = finished[0]
    before = (folder / "scores.json").read_text(encoding="utf-8")
    evaluate_run(emotion(tree), folder, checkpoint="best_loss")
    assert (folder / "scores.json").read_text(encoding="utf-8") == before
    assert (folder / "scores-best_loss.json").is_file() and (folder / "report-best_loss.html").is_file()
    assert (folder / "predictions" / "test-best_loss.jsonl").is_file()


def test_weights_of_the_start_are_judged_beside_the_result(
    finished: tuple[Path, RunResult], tree: Path, tmp_path: Path
) -> None:
    """A run from a model with the same head; the first run had a new head, and nothing before."""
    folder, first = finished
    assert "before" not in first.scores["tasks"]["emotion"]
    assert "there is nothing to score: the head of this task is new" in (folder / "report.txt").read_text()
    recipe = emotion(tree, "train.max_steps=1")
    recipe.model.random_weights = False
    recipe.model.init_from = str(folder / "bundles" / "last")
    result = run(recipe, tmp_path / "run")
    start = json.loads((tmp_path / "run" / "scores-start.json").read_text())["tasks"]["emotion"]
    after = result.scores["tasks"]["emotion"]
    assert after["before"]["rates"] == start["rates"]
    assert after["before"]["differences"]["ua"]["value"] == pytest.approx(
        after["rates"]["ua"]["value"] - start["rates"]["ua"]["value"]
    )
    again = evaluate_run(recipe, tmp_path / "run")
    assert again["tasks"]["emotion"]["before"] == after["before"]
    recipe.evaluate.before = False
    assert "before" not in run(recipe, tmp_path / "other").scores["tasks"]["emotion"]


def test_cell_can_be_run_again(tones: Manifest, tmp_path: Path) -> None:
    recipe = load_recipe("emotion-3class", ["train.max_steps=1", "train.device=cpu", "split.given=null"])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    first, second = (run(recipe, tmp_path / "run", data=tones, resume="auto") for _ in range(2))
    assert first.training.steps == second.training.steps == 1
    assert second.scores.scores == first.scores.scores
    assert repr(second).startswith(f"Run in {tmp_path / 'run'}: 1 steps")
    assert "<table>" in second._repr_html_()
    with pytest.raises(OutputError, match="holds a run of other rows; give another output folder"):
        run(recipe, tmp_path / "run", data=tones.select(np.arange(len(tones) - 1)), resume="auto")


def test_changed_table_of_a_resumed_run_is_reported(
    tones: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "rows.jsonl"
    rows = [{"id": row.id, "audio": str(tones.root / row.audio), "emotion": row.emotion, "speaker": row.speaker}
            for row in tones]  # fmt: skip
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = load_recipe(
        "emotion-3class", [*MANIFEST, f"data={table}", "train.max_steps=1", "split.by=[speaker]"]
    )
    recipe.model.random_weights, recipe.model.architecture = True, tiny_config(norm="layer")
    run(recipe, tmp_path / "run")
    table.write_text("".join(json.dumps(row | {"emotion": "Dry"}) + "\n" for row in rows), encoding="utf-8")
    run(recipe, tmp_path / "run", resume=True, console=Console())
    messages = capsys.readouterr().err
    assert "the corpus is not read again" in messages and "rows.jsonl changed after the run" in messages


def test_changed_files_of_the_corpus_alone_are_reported_when_a_run_is_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, files = tmp_path / "corpus", RunFolder(tmp_path / "corpus" / "runs" / "a")
    (corpus / "labels" / "s1").mkdir(parents=True)
    files.path.mkdir(parents=True)
    (corpus / "old.json").write_text("{}")
    os.utime(corpus / "old.json", (1.0, 1.0))
    files.checked.write_bytes(b"x")
    os.utime(files.checked, (2.0, 2.0))
    for changed in (
        corpus / "labels" / "s1" / "1.json",
        files.path / "quarantine.jsonl",
        tmp_path / "notes.txt",
    ):
        changed.write_text("{}")
    files.recipe.write_text("")
    recipe = load_recipe("emotion-3class", [*MANIFEST, f"data={corpus}"])
    report_resumed(recipe, files, Console())
    messages = capsys.readouterr().err
    assert messages.count("changed after") == 1 and "\nlabels/s1/1.json changed after the run" in messages
    monkeypatch.chdir(tmp_path)
    recipe.data.root = None
    report_resumed(recipe, files, Console())
    assert "changed after" not in capsys.readouterr().err


def test_settings_that_need_validation_rows_are_reported_without_them(
    tones: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ratios = "split.ratios={train: 0.8, val: 0, test: 0.2}"
    recipe = load_recipe(
        "emotion-3class", [*MANIFEST, f"data={tones.path}", "train.max_steps=1", "split.by=speaker", ratios]
    )
    recipe.model.random_weights, recipe.model.architecture = True, tiny_config(norm="layer")
    run(recipe, tmp_path / "run", console=Console())
    assert "the validation split is empty, so train.early_stopping" in capsys.readouterr().err
