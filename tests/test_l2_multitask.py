"""The recipe l2-multitask on a toy encoder and made-up learners: its names, presets, checkpoints and honest scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.bundles.read import load_bundle
from soritune.errors import (
    ManifestError,
    RecipeError,
    SplitError,
    TrainingError,
    UnknownNameError,
    WrongSettingError,
)
from soritune.inference.predictor import Predictor
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.run_folder import bundle_names, choose_bundle
from soritune.stages.error_thresholds import choose_error_thresholds
from soritune.stages.evaluate import evaluate
from soritune.stages.run import RunResult, run
from soritune.testing import tiny_config
from soritune.training.log import read_events

pytestmark = pytest.mark.slow

PITCH = {"ah": 200.0, "iy": 400.0, "s": 900.0, "k": 1500.0}
FILES = {"train_data.json": range(4), "val_data.json": range(4, 6), "eval.json": range(6, 8)}
CLIPS = 4


def entry(folder: Path, speaker: int, clip: int, scheme: str) -> tuple[str, dict[str, Any]]:
    """A clip with one tone per phone; every second speaker says k for s once."""
    rng = np.random.default_rng((speaker, clip))
    canonical = [str(phone) for phone in rng.choice(list(PITCH), size=4 + clip)]
    canonical[1] = "s"
    perceived = list(canonical)
    if speaker % 2:
        perceived[1] = "k"
    labels = [
        "C" if expected == actual else scheme for expected, actual in zip(canonical, perceived, strict=True)
    ]
    time = np.arange(int(0.15 * 16000)) / 16000
    wave = np.concatenate([0.3 * np.sin(2 * np.pi * PITCH[phone] * time) for phone in perceived])
    name = f"audio/s{speaker}_{clip}.flac"
    soundfile.write(folder / name, wave + 0.01 * rng.standard_normal(len(wave)), 16000, subtype="PCM_16")
    return name, {
        "wav": name,
        "duration": len(wave) / 16000,
        "spk_id": f"s{speaker}",
        "canonical_aligned": " ".join(canonical),
        "perceived_aligned": " ".join(perceived),
        "perceived_train_target": " ".join(perceived),
        "wrd": "",
        "error_labels": " ".join(labels),
    }


def write_corpus(folder: Path, scheme: str = "I") -> Path:
    (folder / "audio").mkdir(parents=True)
    for file, speakers in FILES.items():
        rows = dict(entry(folder, speaker, clip, scheme) for speaker in speakers for clip in range(CLIPS))
        (folder / file).write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("l2"))


def recipe(corpus: Path, *overrides: str, presets: tuple[str, ...] = ()) -> Recipe:
    settings = load_recipe(
        "l2-multitask",
        [f"data={corpus}", "train.device=cpu", "num_workers=0", "evaluate.resamples=100", *overrides],
        presets=presets,
    )
    settings.model.random_weights = True
    settings.model.architecture = tiny_config(norm="group")
    return settings


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    folder = tmp_path_factory.mktemp("runs") / "both"
    return folder, run(recipe(corpus, "number_of_epochs=2"), folder)


def test_the_run_keeps_the_checkpoints_of_the_original_by_its_names(
    finished: tuple[Path, RunResult],
) -> None:
    folder, _ = finished
    expected = {"best_loss", "best_phoneme_per", "best_error_acc", "best_mdd_f1"}
    expected |= {"best_mispronunciation_error_f1"}
    assert set(bundle_names(folder)) == expected | {"epoch_1", "epoch_2", "last"}
    assert [spec.name for spec in load_bundle(folder / "bundles" / "last").outputs] == ["phoneme", "error"]
    assert choose_bundle(folder).name == "best_mispronunciation_error_f1"


def test_every_checkpoint_can_be_judged_and_used_by_name(finished: tuple[Path, RunResult]) -> None:
    folder, _ = finished
    for name in bundle_names(folder):
        evaluate(folder, checkpoint=name, resamples=100, audio=False)
    clip = next((Path(str(folder)).parents[1]).glob("**/audio/s6_0.flac"))
    (row,) = Predictor.load(folder / "bundles" / "epoch_1").predict([clip])
    assert set(row["tasks"]["mispronunciation"]["prediction"]) >= {"phones", "labels"}
    assert (folder / "scores-epoch_1.json").is_file() and (folder / "report-best_phoneme_per.html").is_file()
    with pytest.raises(UnknownNameError, match="best_error_acc.*epoch_1.*did you mean 'epoch_2'"):
        evaluate(folder, checkpoint="epoch_20")


def test_scores_have_the_always_correct_baseline_and_mark_few_speakers(
    finished: tuple[Path, RunResult],
) -> None:
    folder, result = finished
    assert result.scores is not None
    scores = result.scores["tasks"]["mispronunciation"]
    labels = sum(4 + clip for clip in range(CLIPS)) * 2
    assert scores["baselines"]["always-correct"]["rates"]["error_acc"] == pytest.approx(1 - CLIPS / labels)
    assert scores["baselines"]["always-correct"]["rates"]["error_f1"] == 0.0
    assert scores["primary_metric"]["name"] == "error_f1"
    assert (scores["rates"]["error_f1"]["num_speakers"], scores["rates"]["error_f1"]["reliable"]) == (
        1,
        False,
    )
    assert scores["rates"]["per"]["num_speakers"] == 2
    report = (folder / "report.html").read_text(encoding="utf-8")
    for text in (
        "baseline: always-correct",
        "speakers with at least one error",
        "unreliable, 1 speaker",
        "kaldi",
    ):
        assert text in report


OVERRIDES: dict[str, dict[str, Any]] = {
    "task=phoneme": {"tasks.mispronunciation.task": "phoneme"},
    "task=error": {"tasks.mispronunciation.task": "error"},
    "task=both": {"tasks.mispronunciation.task": "both"},
    "phoneme_weight=0.5": {"tasks.mispronunciation.phoneme_weight": 0.5},
    "error_weight=2.0": {"tasks.mispronunciation.error_weight": 2.0},
    "lr=0.0003": {"train.learning_rates.heads": 0.0003},
    "lr_wav2vec=0.00001": {"train.learning_rates.encoder": 0.00001},
    "batch_size=2": {"batches.batch_size": 2},
    "number_of_epochs=1": {"train.epochs": 1},
    "sorting=ascending": {"batches.order": "ascending"},
    "sorting=descending": {"batches.order": "descending"},
    "sorting=random": {"batches.order": "random"},
    "gradient_accumulation=4": {"batches.micro_batches_per_step": 4},
    "auto_mix_prec=True": {"train.precision": "auto"},
    "auto_mix_prec=False": {"train.precision": "fp32"},
    "wav2vec2_specaug=True": {"augment.spec_augment.time_width_frames": 20},
    "wav2vec2_specaug=False": {"augment.spec_augment": None},
    "weight_decay=0.05": {"train.weight_decay": 0.05},
    "num_workers=1": {"batches.num_workers": 1},
    "device=cpu": {"train.device": "cpu"},
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_every_override_of_the_original_trains(corpus: Path, tmp_path: Path, override: str) -> None:
    settings = recipe(corpus, "train.max_steps=1", "train.keep_epochs=false", override)
    resolved = settings.resolved()
    assert "aliases" not in resolved
    for path, expected in OVERRIDES[override].items():
        value: Any = resolved
        for part in path.split("."):
            value = value[part]
        assert value == expected
    result = run(settings, tmp_path / "run")
    assert result.training.steps == 1
    events = read_events(tmp_path / "run")
    start, step = (next(e for e in events if e["event"] == name) for name in ("start", "step"))
    assert start["precision"] == "no"  # mixed precision stays off on a CPU, asked for or not
    assert (step["masked_share"] > 0) == (override != "wav2vec2_specaug=False")
    task = settings.tasks["mispronunciation"]["task"]
    rates = {
        name for name in next(e for e in events if e["event"] == "evaluate") if "mispronunciation" in name
    }
    assert any(name.endswith("/per") for name in rates) == (task != "error")
    assert any(name.endswith("/error_f1") for name in rates) == (task != "phoneme")
    kept = set(bundle_names(tmp_path / "run"))
    assert ("best_phoneme_per" in kept) == ("best_mdd_f1" in kept) == (task != "error")
    assert ("best_error_acc" in kept) == (task != "phoneme")


@pytest.mark.parametrize("preset", ["low-memory", "slow", "overfitting", "performance"])
def test_every_preset_trains(corpus: Path, tmp_path: Path, preset: str) -> None:
    settings = recipe(corpus, "train.max_steps=1", presets=(preset,))
    assert run(settings, tmp_path / "run").training.steps == 1


def test_labels_by_phone_are_trained_judged_and_get_thresholds(corpus: Path, tmp_path: Path) -> None:
    settings = recipe(corpus, "number_of_epochs=1", presets=("by-phone",))
    result = run(settings, tmp_path / "run")
    assert result.scores is not None
    scores = result.scores["tasks"]["mispronunciation"]
    assert scores["primary_metric"]["name"] == "segment_auc"
    assert {"slot_f1", "slot_auc", "segment_f1", "segment_auc"} <= set(scores["rates"])
    assert choose_bundle(tmp_path / "run").name == "best_mispronunciation_segment_auc"
    assert "best_mdd_f1" in bundle_names(tmp_path / "run")
    chosen = choose_error_thresholds(tmp_path / "run", device="cpu")["mispronunciation"]
    phones = sum(4 + clip for clip in range(CLIPS)) * 2
    assert set(chosen) == {"slots", "segment"} and chosen["segment"]["phones"] == phones
    rows = [
        json.loads(line) for line in (tmp_path / "run/predictions/test.jsonl").read_text().splitlines()[1:]
    ]
    for row in rows:
        prediction, reference = (row["tasks"]["mispronunciation"][key] for key in ("prediction", "reference"))
        for field in ("labels", "slot_errors", "segment_labels", "segment_errors"):
            assert len(prediction[field]) == len(reference["canonical"])


def test_four_letters_are_a_preset_and_an_unknown_letter_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "four").mkdir()
    corpus = write_corpus(tmp_path / "four", scheme="S")
    result = run(recipe(corpus, "train.max_steps=1", presets=("four-letters",)), tmp_path / "run")
    assert result.training.steps == 1
    with pytest.raises(
        WrongSettingError, match="'audio/s1_0': label 'S' is not of .*labels=correct-incorrect"
    ):
        run(recipe(corpus, "train.max_steps=1"), tmp_path / "other")
    assert not (tmp_path / "other" / "checked.parquet").exists()


def test_names_that_are_not_kept_are_refused_before_anything_is_read(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="train.best names 'mispronunciation/acc'"):
        run(recipe(corpus, "train.best=[mispronunciation/acc]"), tmp_path / "a")
    with pytest.raises(RecipeError, match="'epoch_31', which is not kept; give one of best, best_loss"):
        run(recipe(corpus, "evaluate.checkpoint=epoch_31"), tmp_path / "b")
    settings = recipe(corpus, "evaluate.checkpoint=epoch_3", "train.keep_epochs=false")
    with pytest.raises(RecipeError, match="train.keep_epochs=true keeps every epoch"):
        run(settings, tmp_path / "c")
    assert not any((tmp_path / name).exists() for name in "abc")


def test_corpus_that_loses_its_learners_stops_the_run(corpus: Path, tmp_path: Path) -> None:
    """I for "incorrect" contradicts four letters, so the rows with errors are left out; what is left looks perfect."""
    settings = recipe(corpus, "number_of_epochs=1", presets=("four-letters",))
    with pytest.raises(
        ManifestError, match=r"50% of 32 utterances.*data\.max_lost_share=0\.2.*I is an insertion"
    ):
        run(settings, tmp_path / "run")
    settings.data.max_lost_share = 0.5
    with pytest.raises(SplitError, match="'train' with 8 utterances has no mispronunciation.*16 rejected"):
        run(settings, tmp_path / "run")


def test_rejected_rows_are_reported_among_the_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "l2")
    rows = json.loads((corpus / "train_data.json").read_text(encoding="utf-8"))
    next(iter(rows.values()))["error_labels"] += " C"
    (corpus / "train_data.json").write_text(json.dumps(rows), encoding="utf-8")
    result = run(recipe(corpus, "number_of_epochs=1"), tmp_path / "run", console=Console())
    assert result.scores is not None
    warning = next(text for text in result.scores["warnings"] if "rejected" in text)
    assert "of 32 utterances 1 rejected" in warning
    assert warning.split(";")[0] in " ".join(capsys.readouterr().err.split())
    assert "1 rejected" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_split_emptied_by_rejections_is_reported(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "l2")
    rows = json.loads((corpus / "val_data.json").read_text(encoding="utf-8"))
    for row in rows.values():
        row["error_labels"] = "C " + row["error_labels"]
    (corpus / "val_data.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(SplitError, match=r"'val' came out empty.*of 32 utterances 8 rejected"):
        run(recipe(corpus, "number_of_epochs=1", "data.max_lost_share=0.3"), tmp_path / "run")
