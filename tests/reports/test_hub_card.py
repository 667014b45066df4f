"""The cards are read by huggingface_hub, as the hub reads them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from huggingface_hub import EvalResult, ModelCard

from soritune.reports.hub_card import HubOptions, HubResult, hub_card
from soritune.reports.score import score_predictions


@pytest.fixture
def card(fakes: ModuleType) -> dict[str, Any]:
    return {**fakes.card([fakes.emotion_task()]), "name": "내 모델"}


@pytest.fixture
def results(twelve: Path) -> list[HubResult]:
    scores = score_predictions(twelve / "predictions" / "test.jsonl", resamples=100)
    return [HubResult("made, split test", scores, of_own_corpus=True), HubResult("다른 말뭉치", scores)]


def read(text: str) -> ModelCard:
    return ModelCard(text, ignore_metadata_errors=False)


def rates(card: ModelCard, data: str) -> dict[str, EvalResult]:
    return {result.metric_type: result for result in card.data.eval_results if result.dataset_name == data}


def test_results_are_read_by_the_library_of_the_hub(card: dict[str, Any], results: list[HubResult]) -> None:
    options = HubOptions(repo="me/emotion", licence="CC-BY-4.0", datasets=("me/speech",))
    read_card = read(hub_card(card, results, options))
    assert read_card.data.model_name == "emotion"
    own = rates(read_card, "made, split test")
    wa = own["wa"]
    assert wa.metric_value == 70.83  # 51 of 72 clips are right
    assert (wa.task_type, wa.task_name) == ("audio-classification", "emotion")
    assert (wa.dataset_type, wa.dataset_split) == ("me/speech", "test")
    low, high = wa.metric_args["interval_95"]
    assert low < 70.83 < high <= 100 and wa.metric_args["speakers"] == 12
    assert wa.metric_args["reliable"] is True
    assert wa.metric_name == "wa, %"
    assert own["ua"].metric_name == "unweighted accuracy: mean recall of the classes, %"
    assert own["loss"].metric_name == "loss" and own["loss"].metric_value < 3
    other = rates(read_card, "다른 말뭉치")
    assert other["wa"].dataset_type == "다른-말뭉치"
    assert read_card.data.metrics == ["ua"]


def test_front_matter_has_the_fields_of_the_hub(card: dict[str, Any]) -> None:
    card["encoder"] = {**card["encoder"], "source": "owner/encoder"}
    data = read(hub_card(card, (), HubOptions(licence="mit", datasets=("me/speech",)))).data
    assert (data.license, data.language, data.library_name) == ("mit", ["ko"], "transformers")
    assert (data.base_model, data.to_dict()["base_model_relation"]) == ("owner/encoder", "finetune")
    assert data.pipeline_tag == "audio-classification" and data.datasets == ["me/speech"]
    assert {"soritune", "speech", "emotion"} <= set(data.tags)


@pytest.mark.parametrize(
    ("licence", "fields"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("My own", {"license": "other", "license_name": "My own"}),
        (None, {"license": "other", "license_name": "MIT"}),  # that of the data, as the bundle states it
    ],
)
def test_licences_that_the_hub_does_not_know_have_a_name(
    card: dict[str, Any], licence: str | None, fields: dict[str, str]
) -> None:
    given = read(hub_card(card, (), HubOptions(licence=licence))).data.to_dict()
    assert {key: given[key] for key in given if key.startswith("license")} == fields


def test_adapters_name_their_base_and_its_relation(card: dict[str, Any]) -> None:
    adapters = {**card, "kind": "adapter", "base": {"source": "/models/base", "sha256": "0"}}
    text = hub_card(adapters, (), HubOptions(base_model="owner/base"))
    data = read(text).data.to_dict()
    assert data["library_name"] == "peft"
    assert (data["base_model"], data["base_model_relation"]) == ("owner/base", "adapter")
    assert "AutoModel" not in text


def test_models_of_the_package_are_not_on_the_hub(card: dict[str, Any]) -> None:
    card["encoder"] = {**card["encoder"], "source": "soritune/tiny-ko"}
    assert read(hub_card(card)).data.base_model is None


def test_card_without_scores_has_the_measured_rates(fakes: ModuleType) -> None:
    measured = [
        {"set": "read speech", "rate": "phoneme/per", "value": 0.3, "interval": [0.2, 0.4], "speakers": 5},
        {"set": "talks", "rate": "phoneme/per", "value": 0.5},
    ]
    card = {**fakes.card([fakes.phoneme_task()]), "name": "x", "measured": measured}
    text = hub_card(card)
    first, second = read(text).data.eval_results
    assert (first.dataset_name, first.metric_type, first.metric_value) == ("read speech", "per", 30.0)
    assert first.metric_args == {"interval_95": [20.0, 40.0], "resampled": "speakers", "speakers": 5}
    assert (second.metric_value, second.metric_args) == (50.0, None)
    assert "Measured: phone error rate 30.0 %" in text


def test_card_states_licences_and_what_they_forbid(card: dict[str, Any]) -> None:
    card["data"] = {**card["data"], "recordings": [{"folder": "cafe", "licence": "CC BY-NC 4.0"}]}
    text = hub_card(card)
    assert "| corpus (made) | MIT | – |" in text
    assert "| recordings in cafe | CC BY-NC 4.0 | commercial use |" in text
    assert "**Licences of the training data forbid commercial use.**" in text


def test_card_names_the_thresholds_of_an_assessment(card: dict[str, Any]) -> None:
    assert "soritune assess" not in hub_card(card)
    text = hub_card(card, (), HubOptions(thresholds="mine"))
    assert "thresholds mine of thresholds.yaml" in text
    assert 'soritune assess clip.wav --text "…" --bundle model' in text


def test_sections_come_in_the_order_of_a_reader(card: dict[str, Any], results: list[HubResult]) -> None:
    text = hub_card({**card, "notice": "MIT License"}, results, HubOptions(intended_use="For tests."))
    titles = [line for line in text.splitlines() if line.startswith(("# ", "## ", "### "))]
    assert titles == [
        "# 내 모델",
        "## Intended use",
        "## How to load it",
        "## Training",
        "## Data and licences",
        "## Results",
        "### made, split test",
        "### 다른 말뭉치",
        "## What it must not be used for",
        "## Notice",
        "## Limits",
    ]
    assert "\n\nFor tests.\n\n" in text
    assert text.count("Intervals: 95 %") == 2
