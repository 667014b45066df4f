"""A task in one file of another package goes through every verb with its own titles, columns, labels and limits."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import write_external_package
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.errors import RecipeError, TaskError
from soritune.recipe import check_recipe
from soritune.tasks.task import make_task
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow

VOICE = '''
"""Whether a voice is high or low, judged by bits: lower is better, and not a share."""

import math

import numpy as np

from soritune.tasks.results import Column, Metric, Prediction, RateDescription, Section, Table
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task, TaskConfig


class VoiceConfig(TaskConfig):
    labels: tuple[str, ...] = ("f", "m")


class VoiceTask(Task):
    name = "voice"
    Config = VoiceConfig
    required_fields = ("gender",)
    single_label = True
    label_field = "gender"
    hub_tag = "audio-classification"
    limits = ("A voice does not tell what its speaker is; this must not decide how a person is addressed.",)

    def __init__(self, config):
        self.config = config

    @property
    def outputs(self):
        return (OutputSpec("voice", self.config.labels, "utterance", "cross_entropy"),)

    @property
    def primary_metric(self):
        return Metric("bits", higher_is_better=False)

    @property
    def rate_descriptions(self):
        return {
            "hits": RateDescription("clips whose voice is named rightly", True, known_as="right"),
            "bits": RateDescription(
                "surprise about the true voice, in bits", False, is_share=False, needs_probabilities=True
            ),
        }

    def targets(self, utterance):
        label = utterance.gender
        return {"voice": None if label is None else np.eye(2, dtype=np.float32)[self.config.labels.index(label)]}

    def decode(self, outputs, prompt=None, decoder=None):
        shares = np.exp(outputs["voice"].astype(np.float64))
        best = int(shares.argmax())
        known = {
            "label": self.config.labels[best],
            "confidence": float(shares[best]),
            "height": round(float(shares[0] - shares[1]), 3),
            "shares": dict(zip(self.config.labels, shares.tolist())),
        }
        return Prediction(self.name, known)

    def columns(self, prediction):
        return (
            Column("voice", "label"), Column("certainty", "confidence", "share"), Column("height", "height", "number"),
        )

    def reference(self, utterance):
        return None if utterance.gender is None else {"label": utterance.gender}

    def count(self, pair):
        right, fields = pair.reference["label"], pair.prediction.fields
        hit = float(fields["label"] == right)
        bits = -math.log2(max(fields["shares"][right], 1e-30))
        return {"clips": np.array([hit, 1.0]), "bits": np.array(bits)}

    def rates(self, counts):
        hits, total = counts.get("clips", (math.nan, math.nan))
        return {"hits": float(hits / total), "bits": float(counts.get("bits", math.nan) / total)}

    def report(self, pairs):
        rows = tuple((p.id, p.reference["label"], p.prediction.fields["label"]) for p in pairs)
        return Section("High and low voices", (Table("Every clip", ("clip", "is", "named"), rows),))


TASK = VoiceTask
'''
LIMIT = "A voice does not tell what its speaker is; this must not decide how a person is addressed."


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The package is on `sys.path` for the tests of this file."""
    folder = tmp_path_factory.mktemp("site-packages")
    module = write_external_package(folder, "soritune.tasks", "voice", VOICE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        yield
    sys.modules.pop(module, None)


def call(*arguments: str | Path) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, [str(each) for each in arguments], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def prepared(installed: None, tones: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    call("prepare", "manifest", str(tones.path), "--out", folder, "--json")
    return folder / "manifest.parquet"


@pytest.fixture(scope="module")
def recipe(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {
        "name": "voices",
        "data": {"source": "manifest", "root": str(prepared)},
        "split": {
            "by": ["speaker"],
            "ratios": {"train": 0.5, "val": 0.2, "test": 0.3},
            "stratify": ["gender"],
        },
        "tasks": {"voice": {}},
        "model": {"encoder": "toy", "random_weights": True, "architecture": tiny_config()},
        "batches": {"batch_size": 8, "num_workers": 0},
        "train": {"max_steps": 2, "device": "cpu", "early_stopping": {"monitor": "voice/bits"}},
    }
    path = tmp_path_factory.mktemp("recipe") / "voices.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The run's folder and what it printed as JSON."""
    folder = tmp_path_factory.mktemp("runs") / "voices"
    return folder, json.loads(call("run", recipe, "-o", folder, "--json"))


def test_corpus_verbs_count_its_labels(prepared: Path, tmp_path: Path) -> None:
    checked = json.loads(call("check", prepared, "--task", "voice", "--no-decode", "--json"))
    assert checked["tables"]["gender"]["f"]["utterances"] == 18 and checked["quarantined"] == []
    split = json.loads(call("split", prepared, "--out", tmp_path / "s.parquet", "--by", "speaker", "--json"))
    counts = [row["labels"]["gender"] for row in split["splits"].values()]
    assert {label: sum(row[label] for row in counts) for label in ("f", "m")} == {"f": 18, "m": 18}
    assert (
        "gender"
        in call("split", prepared, "--out", tmp_path / "s.parquet", "--by", "speaker").splitlines()[1]
    )


def test_a_dry_run_shows_its_labels(recipe: Path, tmp_path: Path) -> None:
    heading = call("run", recipe, "-o", tmp_path / "dry", "--dry-run").splitlines()[1]
    assert [part.strip(" ┃") for part in heading.split("┃")[1:-1]] == [
        "split", "hours", "utterances", "speakers", "f", "m",
    ]  # fmt: skip


def test_training_takes_two_steps_and_keeps_the_best_by_its_metric(run: tuple[Path, dict[str, Any]]) -> None:
    folder, printed = run
    assert printed["training"]["steps"] == 2
    assert "voice/bits" in printed["training"]["best"]
    assert (folder / "bundles" / "best_voice_bits" / "soritune.json").is_file()


def test_scores_and_reports_have_its_titles_and_units(run: tuple[Path, dict[str, Any]]) -> None:
    folder, printed = run
    rates = printed["scores"]["tasks"]["voice"]["rates"]
    majority = printed["scores"]["tasks"]["voice"]["baselines"]["majority"]
    assert set(majority["rates"]) == {"hits"}  # a constant answer has no probabilities
    page = (folder / "report.html").read_text(encoding="utf-8")
    for text in (
        "High and low voices",
        "clips whose voice is named rightly",
        "surprise about the true voice, in bits",
    ):
        assert text in page
    bits, hits = f"{rates['bits']['value']:.4f}", f"{100 * rates['hits']['value']:.1f} %"
    assert bits in page and hits in page
    assert "voice: bits, lower is better" in page
    text = (folder / "report.txt").read_text(encoding="utf-8")
    assert bits in text and hits in text
    log = (folder / "train.log").read_text(encoding="utf-8").splitlines()[-1]
    assert f"test voice: right (hits) {rates['hits']['value']:.4f}, bits {bits}" in log


def test_the_model_card_has_its_tag_and_its_limits(run: tuple[Path, dict[str, Any]]) -> None:
    card = (run[0] / "bundles" / "best_voice_bits" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---")[1])["pipeline_tag"] == "audio-classification"
    assert card.endswith(f"## Limits\n\n{LIMIT}\n")
    value = run[1]["scores"]["tasks"]["voice"]["rates"]["bits"]["value"]
    assert f"| `bits` | {value:.4f} | " in card


def test_predict_shows_its_columns_and_its_distribution(
    run: tuple[Path, dict[str, Any]], tones: Manifest
) -> None:
    folder = tones.audio_path(tones.utterance(0)).parent
    table = call("predict", folder, "--bundle", run[0], "--vad", "off")  # tones are not speech
    assert table.splitlines()[0].split() == ["file", "voice", "certainty", "height"]
    assert "voice: 36 clips" in table and "mean probability" in table
    content = json.loads(call("predict", folder, "--bundle", run[0], "--vad", "off", "--json"))
    first = content["predictions"][0]["tasks"]["voice"]["prediction"]
    line = next(
        line for line in table.splitlines() if line.startswith(Path(content["predictions"][0]["id"]).name)
    )
    assert line.split()[1:] == [first["label"], f"{100 * first['confidence']:.1f}", "%", str(first["height"])]
    spread = content["distribution"]["voice"]
    assert spread["total"] == sum(spread["counts"].values()) == 36
    assert list(spread["counts"]) == ["f", "m"]


def test_evaluate_and_compare_on_another_manifest(
    run: tuple[Path, dict[str, Any]], prepared: Path, tmp_path: Path
) -> None:
    judged = json.loads(
        call(
            *("evaluate", run[0], "--data", prepared, "--copies", "allow", "-o", tmp_path / "judged"),
            *("--json", "--no-audio"),
        )
    )
    assert judged["tasks"]["voice"]["calibration"]["bins"]
    shown = call("compare", run[0], tmp_path / "judged").splitlines()
    assert (
        " ".join(" ".join(shown[:2]).split()) == "voice (bits: lower is better)"
    )  # a title wraps like its table
    assert "%" not in next(line for line in shown if line.startswith("bits"))
    assert "%" in next(line for line in shown if line.startswith("hits"))
    assert not any("points" in line for line in shown)


def test_lists_of_labels_are_of_its_field(
    run: tuple[Path, dict[str, Any]], tones: Manifest, tmp_path: Path
) -> None:
    import soritune

    rows = list(tones)
    results = soritune.evaluate(
        run[0],
        audio_paths=[tones.audio_path(row) for row in rows],
        labels=[row.gender for row in rows],
        speakers=[row.speaker for row in rows],
        output=tmp_path / "lists",
        audio=False,
        copies="allow",
    )
    assert results["tasks"]["voice"]["num_utterances"] == 36


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (VOICE.replace('name = "voice"', 'name = "tone"'), "the task 'other' calls itself 'tone'"),
        ("TASK = 5\n", "'other' of soritune.tasks is 5; it must be a subclass of Task"),
    ],
)
def test_a_member_that_is_not_a_task_or_has_another_name_is_refused(
    source: str, message: str, external_package: Callable[[str, str, str], Path]
) -> None:
    external_package("soritune.tasks", "other", source)
    with pytest.raises(TaskError, match=message):
        make_task("other", {})


def test_a_rate_without_a_description_is_refused_when_the_recipe_is_read(
    external_package: Callable[[str, str, str], Path], recipe: Path
) -> None:
    source = VOICE.replace('name = "voice"', 'name = "other"').replace(
        'return {"hits":', 'return {"misses": 0.0, "hits":'
    )
    external_package("soritune.tasks", "other", source)
    settings = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    with pytest.raises(RecipeError, match="gives the rate 'misses', which its rate_descriptions lack"):
        check_recipe("toy", {**settings, "tasks": {"other": {}}})
