import pytest
import yaml

from soritune.reports.model_card import model_card, write_model_card
from soritune.reports.score import score_predictions
from soritune.tasks.task import make_task


def front_matter(text):
    return yaml.safe_load(text.split("---")[1])


def test_card_has_hub_fields_and_the_rules_on_emotion(fakes):
    text = model_card({**fakes.card([fakes.emotion_task()], synthetic=True), "name": "내 모델"})
    fields = front_matter(text)
    assert fields["language"] == ["ko"]
    assert fields["pipeline_tag"] == "audio-classification"
    assert "synthetic-data" in fields["tags"]
    assert "# 내 모델" in text
    assert "Article 5(1)(f)" in text
    assert (
        "**Trained on synthetic speech**, at least in part: nothing it does with people's voices has" in text
    )
    assert "Not judged yet" in text


@pytest.mark.parametrize(("judged", "end"), [(False, "."), (True, ": nothing it does with people's voices")])
def test_card_of_synthetic_training_states_whether_people_were_judged(fakes, tmp_path, judged, end):
    rows = fakes.prediction_rows({"s1": 6})
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows, synthetic=judged)
    scores = score_predictions(path, resamples=0)
    text = model_card(fakes.card([fakes.emotion_task()], synthetic=True), scores)
    assert f"**Trained on synthetic speech**, at least in part{end}" in text


def test_card_shows_the_scores_with_warnings(fakes, twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl", resamples=100)
    bundle = fakes.make_bundle(twelve / "bundle", [fakes.emotion_task()])
    text = write_model_card(bundle.path, scores).read_text(encoding="utf-8")
    assert "| `wa` | 70.8 % |" in text
    assert "baseline: majority" in text
    assert "disjoint by speaker" in text
    bundle.check_files()  # the card is not among the files with a checksum


def test_phoneme_card_has_no_emotion_rules(fakes):
    text = model_card({**fakes.card([fakes.phoneme_task()]), "name": "x"})
    assert "Article 5" not in text
    assert front_matter(text)["pipeline_tag"] == "automatic-speech-recognition"


def test_card_has_the_limits_of_every_task_and_the_first_tag(fakes):
    text = model_card({**fakes.card([fakes.phoneme_task(), fakes.emotion_task()]), "name": "x"})
    assert front_matter(text)["pipeline_tag"] == "automatic-speech-recognition"
    assert front_matter(text)["tags"] == ["soritune", "speech", "phoneme", "emotion"]
    limits = text.split("## Limits\n\n")[1]
    assert limits.startswith("Inferring emotions of people at work") and limits.count("\n") == 1
    assert limits.endswith("they are speaking styles, not states of mind.\n")


def test_card_names_the_weights_and_the_phase(fakes):
    training = {"step": 90, "weights": "ema", "ema_decay": 0.999, "phase": 2, "phases": 3}
    text = model_card({**fakes.card([fakes.phoneme_task()]), "name": "x", "training": training})
    assert "| Phase | 2 of 3 |" in text
    assert "| Weights | moving average, decay 0.999 |" in text
    plain = model_card(
        {**fakes.card([fakes.phoneme_task()]), "name": "x", "training": {"step": 1, "weights": "raw"}}
    )
    assert "Phase" not in plain
    assert "Weights" not in plain


def test_card_names_the_recordings_of_the_augmentation_and_their_licence(fakes):
    card = {**fakes.card([fakes.phoneme_task()]), "name": "x"}
    assert "Sounds added" not in model_card(card)
    origins = [
        {"augmentation": "noise_files", "folder": "cafe", "files": 930, "licence": "CC BY 4.0"},
        {"augmentation": "one_of.among.room_files", "folder": "halls", "files": 1, "licence": None},
    ]
    text = model_card({**card, "data": {**card.get("data", {}), "recordings": origins}})
    assert (
        "| Sounds added in training | cafe (noise_files, 930 files, CC BY 4.0); halls (room_files, 1 file, licence not "
        "stated) |" in text
    )


def test_card_states_what_no_model_of_speech_is_for_before_the_limits_of_its_tasks(fakes):
    text = model_card({**fakes.card([fakes.phoneme_task(), fakes.emotion_task()]), "name": "x"})
    uses = text.split("## What it must not be used for\n\n")[1].split("\n\n")[0].splitlines()
    assert all(use.startswith("- ") and use.endswith(".") for use in uses)
    for word in (
        "hiring",
        "grades",
        "Diagnosis",
        "who speaks",
        "Surveillance",
        "other languages than Korean",
    ):
        assert any(word in use for use in uses), word
    assert text.index("## What it must not be used for") < text.index("## Limits")


def test_languages_of_the_tasks_are_those_it_was_trained_on(fakes):
    english = make_task("mispronunciation", {"language": "en-US", "labels": "correct-incorrect"})
    text = model_card({**fakes.card([english]), "name": "x"})
    assert "other languages than English, which" in text
    both = model_card({**fakes.card([fakes.phoneme_task(), english]), "name": "x"})
    assert "other languages than Korean and English, which" in both


def test_card_carries_the_notice_of_the_weights_on(fakes):
    card = {**fakes.card([fakes.phoneme_task()]), "name": "x"}
    assert "Notice" not in model_card(card)
    text = model_card({**card, "notice": "MIT License\n\nCopyright (c) A\n"})
    assert "## Notice\n" in text and "```text\nMIT License\n\nCopyright (c) A\n```" in text


def test_card_has_the_rates_that_were_measured_until_it_is_judged(fakes, twelve):
    rate = {"set": "read", "rate": "phoneme/per", "value": 0.3, "interval": [0.2, 0.4], "speakers": 5}
    card = {**fakes.card([fakes.phoneme_task()]), "name": "x", "measured": [rate]}
    assert (
        "Measured: phone error rate 30.0 % [20.0, 40.0] (read, 5 speakers). Intervals: 95 %."
        in model_card(card)
    )
    scores = score_predictions(twelve / "predictions" / "test.jsonl", resamples=10)
    assert "Measured" not in model_card(
        {**card, "tasks": fakes.card([fakes.emotion_task()])["tasks"]}, scores
    )


def test_card_states_labels_from_recognised_text(fakes):
    card = {**fakes.card([fakes.phoneme_task()]), "name": "x"}
    assert "recognised text" not in model_card(card)
    card["data"] = {**card["data"], "recognised_labels": {"rows": 8, "of": 20}}
    text = model_card(card)
    assert "**Labels from recognised text**: 8 of 20 training and validation rows;" in text
    assert "| Labels from recognised text | 8 of 20 training and validation rows |" in text
