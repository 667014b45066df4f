from dataclasses import replace

import pytest

from soritune.inference.header import Header
from soritune.reports.provenance import provenance
from soritune.reports.score import score_predictions


@pytest.fixture
def scores(fakes, tmp_path):
    rows = fakes.prediction_rows({f"s{k:02d}": 3 for k in range(12)})
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows, data={"split": "test"})
    return score_predictions(path, resamples=7, seed=5)


def test_every_known_fact_is_named(scores):
    facts = dict(provenance(scores))
    assert facts["Model"] == facts["Recipe"] == "fake"
    assert facts["Encoder"] == "wav2vec2 · none"
    assert facts["Trained"] == "step 7, epoch 1.5, raw weights"
    assert facts["Split judged"] == "test"
    assert facts["Split rule"] == "disjoint by speaker"
    assert facts["Training manifest (sha256)"] == "c0ffee"
    assert facts["Scored"] == f"{scores.created}, 7 resamples, seed 5"
    assert "numpy" in facts["Versions"]


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("judged", [False, True])
def test_synthetic_training_and_rows_are_named_apart(fakes, tmp_path, trained, judged):
    rows = fakes.prediction_rows({"s1": 6})
    path = fakes.write_rows(
        tmp_path / "p.jsonl", [fakes.emotion_task()], rows, synthetic=judged, trained=trained
    )
    facts = dict(provenance(score_predictions(path, resamples=0)))
    assert ("Training speech" in facts, "Speech judged" in facts) == (trained, judged)


def test_unknown_facts_are_left_out(scores):
    facts = dict(provenance(replace(scores, header=Header({"tasks": scores.header.content["tasks"]}))))
    assert set(facts) == {"Scored"}


def test_averaged_models_are_named_and_pooled_folds_are_counted(scores):
    models = {"bundles": [{"name": "one"}, {"name": "two"}]}
    averaged = Header({**scores.header.content, **models, "decoder": {"name": "beam", "width": 8}})
    facts = dict(provenance(replace(scores, header=averaged)))
    assert facts["Models averaged"] == "one, two"
    assert facts["Decoder"] == "beam (width 8)"
    pooled = Header({**scores.header.content, **models, "data": {"pooled": 2, "policy": {"by": ["random"]}}})
    facts = dict(provenance(replace(scores, header=pooled)))
    assert "Models averaged" not in facts
    assert (facts["Folds pooled"], facts["Split rule"]) == ("2", "random")


def test_recogniser_and_labels_from_recognised_text_are_named(scores):
    content = scores.header.content
    bundle = {**content["bundle"], "data": {"recognised_labels": {"rows": 8, "of": 20}}}
    recogniser = {"name": "base", "library": "lib", "language": "ko", "beam_size": 5, "compute_type": "int8"}
    facts = dict(
        provenance(replace(scores, header=Header({**content, "bundle": bundle, "recogniser": recogniser})))
    )
    assert facts["Labels from recognised text"] == "8 of 20 training and validation rows"
    assert facts["Recogniser"] == "base (lib, ko, beam 5, int8)"
