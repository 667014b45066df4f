"""The whole way from a corpus to a report, on toys, with nothing but public entry points."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.conftest import STYLES, TEXTS, write_tones
from tests.test_l2_multitask import write_corpus

from soritune.bundles.read import load_bundle
from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import load_splits, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import OutputError, RecipeError, SorituneError, TrainingError
from soritune.recipe import Recipe, load_recipe, recipe_names
from soritune.stages.check import row_problem
from soritune.stages.crossval import crossval
from soritune.stages.dry_run import dry_run
from soritune.stages.evaluate import evaluate_run
from soritune.stages.run import RunResult, run
from soritune.stages.train import train_recipe
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow

NUMBERS = {"Anxious": 21, "Kind": 31, "Dry": 91}
MANIFEST = ("data.source=manifest", "split.given=null")
"""For recipes that read a corpus with splits of its own."""


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ROOT/<person>/wav_48000/<person>_<number>.wav as the emotion corpus lies, 9 persons, with a few bad files."""
    root = tmp_path_factory.mktemp("말뭉치 나무")
    for s in range(9):
        person = f"{'F' if s % 2 else 'M'}2{s:03d}"
        folder = root / person / "wav_48000"
        folder.mkdir(parents=True)
        for style, pitch in STYLES.items():
            for n in range(3):
                rng = np.random.default_rng((s, n, int(pitch)))
                time = np.arange(int(48000 * (0.4 + 0.4 * rng.random()))) / 48000
                wave = 0.3 * np.sin(2 * np.pi * (pitch + 6 * s) * time) + 0.01 * rng.standard_normal(
                    len(time)
                )
                suffix = ".WAV" if n == 1 else ".wav"
                soundfile.write(
                    folder / f"{person}_{NUMBERS[style] + n:06d}{suffix}", wave, 48000, format="WAV"
                )
        soundfile.write(
            folder / f"{person}_000001.wav", np.zeros(4800), 48000
        )  # silence, and no label among three
        noise = 0.1 * np.random.default_rng(s).standard_normal(30000)
        soundfile.write(folder / f"{person}_000101.wav", noise, 48000)  # one of the others among four labels
    bad = root / "F2001" / "wav_48000"
    (bad / "F2001_000025.wav").write_bytes(b"")
    (bad / "F2001_000026.wav").write_bytes((bad / "F2001_000021.wav").read_bytes()[:60])
    broken = np.full(24000, np.nan, dtype=np.float32)
    soundfile.write(bad / "F2001_000027.wav", broken, 48000, subtype="FLOAT")
    soundfile.write(bad / "F2001_000028.wav", np.ones(2400) * 0.1, 48000)  # 0.05 s
    return root


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ROOT/1.Training/<speaker>/<n>.wav with a JSON beside it, 2.Validation_split and 3.Test."""
    root = tmp_path_factory.mktemp("아동 음성")
    for split, speakers in (("1.Training", 4), ("2.Validation_split", 1), ("3.Test", 2)):
        for s in range(speakers):
            folder = root / split / f"C{split[0]}{s:02d}"
            folder.mkdir(parents=True)
            for n in range(4):
                rng = np.random.default_rng((s, n))
                soundfile.write(folder / f"{n}.wav", 0.2 * rng.standard_normal(16000 + 4000 * n), 16000)
                text = {"stt": TEXTS[(s + n) % len(TEXTS)]}
                label = {"발화정보": text, "녹음자정보": {"recorderId": folder.name, "age": f"{6 + s}세"}}
                (folder / f"{n}.json").write_text(json.dumps(label, ensure_ascii=False), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def learners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train_data.json, val_data.json and eval.json."""
    return write_corpus(tmp_path_factory.mktemp("learners"))


def emotion(tree: Path, *overrides: str) -> Recipe:
    recipe = load_recipe("emotion-3class", [f"data={tree}", "train.device=cpu", *overrides])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    return recipe


@pytest.fixture(scope="module")
def finished(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    folder = tmp_path_factory.mktemp("runs") / "emotion"
    return folder, run(emotion(tree, "train.epochs=2"), folder)


def test_every_arrow_writes_its_file(finished: tuple[Path, RunResult]) -> None:
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


def test_no_speaker_is_on_two_sides(finished: tuple[Path, RunResult]) -> None:
    manifest = load_manifest(finished[0] / "checked.parquet")
    splits = load_splits(finished[0] / "splits.parquet")
    speakers = [
        {manifest.utterance(int(row)).speaker for row in splits.indices(manifest, name)}
        for name in ("train", "val", "test")
    ]
    assert all(speakers) and not (
        speakers[0] & speakers[1] or speakers[0] & speakers[2] or speakers[1] & speakers[2]
    )


def test_the_bundle_says_where_it_comes_from(finished: tuple[Path, RunResult]) -> None:
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


def test_a_dry_run_writes_no_weights(tree: Path, tmp_path: Path) -> None:
    result = dry_run(emotion(tree), tmp_path / "dry")
    assert result["longest_batch"]["outputs"]["emotion"] == [4, 3]
    assert sum(sum(row["labels"]["emotion"].values()) for row in result["splits"].values()) == 81
    assert result["quarantined"] == 4
    assert not list((tmp_path / "dry").rglob("*.safetensors")) and not (tmp_path / "dry" / "bundles").exists()


def test_a_random_split_is_recorded_where_people_look(tree: Path, tmp_path: Path) -> None:
    recipe = emotion(tree, "split.by=[random]", "train.max_steps=2")
    scores = run(recipe, tmp_path / "run").scores
    assert load_bundle(tmp_path / "run" / "bundles" / "last").card["data"]["split"]["by"] == ["random"]
    assert scores is not None and any("random" in warning for warning in scores["warnings"])
    assert "random" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_cross_validation_judges_every_utterance_once_by_a_model_that_did_not_know_its_speaker(
    tree: Path, tmp_path: Path
) -> None:
    recipe = emotion(tree, "train.max_steps=2")
    scores = crossval(recipe, tmp_path / "cv", folds=3)
    assert scores["tasks"]["emotion"]["num_utterances"] == 81
    assert scores["tasks"]["emotion"]["num_speakers"] == 9
    assert len(scores["folds"]) == 3
    again = crossval(recipe, tmp_path / "cv", folds=3)  # finished folds are not done again
    assert again["tasks"]["emotion"]["rates"] == scores["tasks"]["emotion"]["rates"]


def test_missing_data_and_unusable_rows_are_said_in_a_sentence(tree: Path, tmp_path: Path) -> None:
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


def toy_encoder(name: str) -> dict[str, Any]:
    """24 thin layers for the recipes that choose among layers; the norm of each recipe's own encoder."""
    norm = "group" if name == "l2-multitask" else "layer"
    return tiny_config(norm=norm, layers=24 if name.startswith("child-phoneme") else 2)


@pytest.fixture
def two_languages(tmp_path: Path) -> Path:
    """Korean phones of four speakers, whose split is given, and English ones of two, all in training."""
    folder = tmp_path / "two-languages"
    folder.mkdir()
    parts = {"s0": "train", "s1": "train", "s2": "val", "s3": "test"}
    learners = itertools.cycle(("speechocean762", "speechocean762_train"))
    rows = []
    for row in write_tones(folder, per_style=8):
        if row.speaker in parts:
            own = {"language": "ko", "phones": ("G", "A", "|", "N", "A"), "source": "synthetic"}
        else:
            own = {
                "language": "en",
                "canonical": ("dh", "ah"),
                "perceived": ("d", "ah"),
                "source": next(learners),
            }
        rows.append(dataclasses.replace(row, **own, extra={"split": parts.get(str(row.speaker), "train")}))
    return write_manifest(folder / "manifest.parquet", rows, root=folder).root / "manifest.parquet"


CORPORA = {
    "speaker-folders": "tree",
    "json-pairs": "pairs",
    "l2-json": "learners",
    "manifest": "two_languages",
}
"""Source of a recipe → the fixture that writes a corpus for it."""


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "demo"])
def test_every_recipe_takes_two_steps(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Only the encoder, the data and the number of steps are changed."""
    root = request.getfixturevalue(CORPORA[load_recipe(name).data.source])
    phases = load_recipe(name).train.phases
    own = [number for number, phase in enumerate(phases, start=1) if phase.max_steps is not None]
    limits = [f"train.phases.{number}.max_steps=2" for number in own] or ["train.max_steps=2"]
    recipe = load_recipe(name, [f"data={root}", *limits])
    recipe.model.random_weights = True
    recipe.model.architecture = toy_encoder(name)
    result = run(recipe, tmp_path / "run")
    assert result.training.steps == 2 * max(len(recipe.train.phases), 1)
    assert result.scores is not None
    primary = recipe.make_tasks()[0].primary_metric.name
    assert result.scores["tasks"][recipe.make_tasks()[0].name]["rates"][primary]["value"] is not None


def test_the_folders_of_the_child_corpus_are_its_splits(pairs: Path, tmp_path: Path) -> None:
    recipe = load_recipe("child-phoneme", [f"data={pairs}", "train.max_steps=1"])
    recipe.model.random_weights = True
    recipe.model.architecture = toy_encoder("child-phoneme")
    summary = dry_run(recipe, tmp_path / "dry")["splits"]
    assert {name: (row["utterances"], row["speakers"]) for name, row in summary.items()} == {
        "train": (16, 4),
        "val": (4, 1),
        "test": (8, 2),
    }
    rows = load_manifest(tmp_path / "dry" / "checked.parquet")
    assert sorted(set(rows.column("age").to_pylist())) == [6.0, 7.0, 8.0, 9.0]


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
    assert not (tmp_path / "run" / "manifest.parquet").exists()  # said before the corpus is read
    assert run(emotion(tree, "train.max_steps=1"), tmp_path / "run").training.steps == 1


def test_folds_begun_with_other_settings_are_not_reused(tree: Path, tmp_path: Path) -> None:
    crossval(emotion(tree, "train.max_steps=1"), tmp_path / "cv", folds=2)
    with pytest.raises(OutputError, match="begun with other settings under train"):
        crossval(emotion(tree, "train.max_steps=2"), tmp_path / "cv", folds=2)


def test_train_from_files_elsewhere_leaves_a_folder_that_can_be_evaluated(
    tree: Path, finished: tuple[Path, RunResult], tmp_path: Path
) -> None:
    manifest = load_manifest(finished[0] / "checked.parquet")
    splits = load_splits(finished[0] / "splits.parquet")
    recipe = emotion(tree, "train.max_steps=1")
    train_recipe(recipe, manifest, splits, tmp_path / "run")
    scores = evaluate_run(recipe, tmp_path / "run")
    assert scores["tasks"]["emotion"]["num_utterances"] == len(splits.indices(manifest, "test"))


def test_folds_begun_on_another_plan_are_not_reused(tree: Path, tmp_path: Path) -> None:
    recipe = emotion(tree, "train.max_steps=1")
    crossval(recipe, tmp_path / "cv", folds=3)
    with pytest.raises(OutputError, match="other settings under folds"):
        crossval(recipe, tmp_path / "cv", folds=2)
    with pytest.raises(OutputError, match="other settings under val_share"):
        crossval(recipe, tmp_path / "cv", folds=3, val_share=0.3)


def test_resume_refuses_another_split_of_the_same_size_and_another_base(
    tree: Path, finished: tuple[Path, RunResult], tmp_path: Path
) -> None:
    manifest = load_manifest(finished[0] / "checked.parquet")
    one, two = (fold for fold in make_folds(manifest, folds=3)[:2])
    recipe = emotion(tree, "train.max_steps=2")
    train_recipe(recipe, manifest, one, tmp_path / "run")
    with pytest.raises(TrainingError, match="another data"):
        train_recipe(recipe, manifest, two, tmp_path / "run", resume=True)
    recipe.model.architecture = tiny_config(norm="layer", conv_bias=False)
    with pytest.raises(TrainingError, match="another (recipe|base)"):
        train_recipe(recipe, manifest, one, tmp_path / "run", resume=True)


def test_resume_allows_what_changes_no_result(tree: Path, tmp_path: Path) -> None:
    run(emotion(tree, "train.max_steps=2", "batches.num_workers=0"), tmp_path / "run")
    written = (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8")
    other = emotion(
        tree, "train.max_steps=2", "batches.num_workers=1", "train.log_every_steps=1", "name=renamed"
    )
    assert run(other, tmp_path / "run", resume=True).training.stopped == "max_steps"
    with pytest.raises(TrainingError, match="another recipe"):
        run(emotion(tree, "train.max_steps=3"), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8") == written


def test_splits_from_elsewhere_replace_those_of_a_start_that_failed(
    tree: Path, finished: tuple[Path, RunResult], tmp_path: Path
) -> None:
    manifest = load_manifest(finished[0] / "checked.parquet")
    one, two = (fold for fold in make_folds(manifest, folds=3)[:2])
    (tmp_path / "run").mkdir()
    one.save(tmp_path / "run" / "splits.parquet")
    train_recipe(emotion(tree, "train.max_steps=1"), manifest, two, tmp_path / "run")
    assert load_splits(tmp_path / "run" / "splits.parquet").ids("test") == two.ids("test")


def test_rows_that_ctc_cannot_spell_are_listed_before_the_run(tones: Manifest) -> None:
    recipe = load_recipe("child-phoneme", [*MANIFEST, f"data={tones.path}"])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    problem = row_problem(recipe)
    row = tones.utterance(0)
    assert problem(row) is None
    assert "symbols need" in str(problem(dataclasses.replace(row, text="가나다라마바사" * 9)))
    assert "no symbol" in str(problem(dataclasses.replace(row, text="!?")))
    recipe.preprocessing.max_duration_s = 0.3
    assert "keeps only 0.3 s" in str(row_problem(recipe)(row))


def test_only_targets_that_lie_in_time_suffer_from_cropping(tones: Manifest) -> None:
    labels = "tasks.emotion={labels: [Anxious, Kind, Dry]}"
    recipe = load_recipe("emotion-3class", [*MANIFEST, f"data={tones.path}", labels])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config()
    recipe.preprocessing.max_duration_s = 0.3
    assert row_problem(recipe)(tones.utterance(0)) is None


def test_a_manifest_from_elsewhere_is_looked_at_before_the_run(tones: Manifest, tmp_path: Path) -> None:
    rows = list(tones)
    rows[1] = dataclasses.replace(rows[1], text="가나다라마바사" * 9)
    rows[2] = dataclasses.replace(rows[2], text=None)
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tones.root)
    recipe = load_recipe(
        "child-phoneme", [*MANIFEST, f"data={manifest.path}", "train.phases=null", "train.max_steps=2"]
    )
    recipe.model.random_weights, recipe.model.architecture = True, toy_encoder("child-phoneme")
    splits = make_splits(manifest, recipe.split)
    train_recipe(recipe, manifest, splits, tmp_path / "run")
    found = read_quarantine(tmp_path / "run" / "quarantine.jsonl")
    assert [(row.id, row.stage) for row in found] == [(rows[1].id, "check"), (rows[2].id, "check")]
    assert "symbols need" in found[0].reason
    assert len(load_manifest(tmp_path / "run" / "checked.parquet")) == len(rows) - 2
    # The same manifest goes on with it.
    assert train_recipe(recipe, manifest, splits, tmp_path / "run", resume=True).steps == 2


def test_a_moved_corpus_can_be_gone_on_with(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "before")
    run(emotion(tmp_path / "before", "train.max_steps=2"), tmp_path / "run")
    (tmp_path / "before").rename(tmp_path / "after")
    again = emotion(tmp_path / "after", "train.max_steps=2")
    assert run(again, tmp_path / "run", resume=True).scores is not None


def test_what_is_checked_before_anything_is_trained(tree: Path, tmp_path: Path) -> None:
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


def test_a_dry_run_counts_each_source_as_often_as_the_recipe_visits_it(
    two_languages: Path, tmp_path: Path
) -> None:
    steps = {}
    for weight in (1, 3):
        weights = f"batches.source_weights={{synthetic: 1, speechocean762: {weight}, speechocean762_train: {weight}}}"
        recipe = load_recipe(
            "bundled-encoder",
            [f"data={two_languages}", weights, "batches.padded_seconds=null", "batches.batch_size=4"],
        )
        recipe.model.random_weights = True
        recipe.model.architecture = toy_encoder("bundled-encoder")
        steps[weight] = dry_run(recipe, tmp_path / str(weight))["steps_per_epoch"]
    rows = {1: 2 + 2, 3: 2 + 3 * 2}  # speakers visited: two of Korean, two of English
    assert steps[3] / steps[1] == rows[3] / rows[1]


def test_the_longest_batch_of_a_dry_run_is_the_longest_there_can_be(
    two_languages: Path, tmp_path: Path
) -> None:
    """Though the first epoch takes the shortest clips first, and leaves out most where weights are small."""
    rows = [row for row in load_manifest(two_languages) if row.extra["split"] == "train"]
    longest = max(row.duration_s for row in rows)
    assert min(row.duration_s for row in rows) < longest
    weights = "{synthetic: 0.01, speechocean762: 0.01, speechocean762_train: 0.01}"
    recipe = load_recipe(
        "bundled-encoder",
        [f"data={two_languages}", f"batches.source_weights={weights}", "augment.speed=null"],
    )
    recipe.model.random_weights = True
    recipe.model.architecture = toy_encoder("bundled-encoder")
    found = dry_run(recipe, tmp_path / "dry")["longest_batch"]
    assert found["samples"] == round(longest * 16000)


def test_a_row_in_another_language_is_left_out_with_that_reason(tones: Manifest) -> None:
    recipe = load_recipe("child-phoneme", [*MANIFEST, f"data={tones.path}", "tasks.phoneme.source=text"])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    row = Utterance(id="a", audio="a.wav", duration_s=4.0, text="she had your dark suit")
    problem = row_problem(recipe)
    fault = problem(row)
    assert fault is not None and fault.kind == "label-missing"
    assert fault.reason.startswith(
        "has no label for phoneme; phoneme: its text 'she had your dark suit' is not"
    )
    assert "its language is 'eng'" in str(problem(dataclasses.replace(row, language="eng")))
    assert problem(dataclasses.replace(row, text="안녕", language="ko-KR")) is None
