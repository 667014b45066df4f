from __future__ import annotations

import math
import unicodedata

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.utils.class_weight import compute_class_weight

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.results import Pair, Prediction

LABELS = ("Anxious", "Kind", "Dry")


def row(label: str | None, number: int = 0) -> Utterance:
    return Utterance(id=str(number), audio="a.wav", duration_s=1.0, emotion=label)


def test_targets_are_one_hot_in_the_order_of_the_labels() -> None:
    task = EmotionTask(EmotionConfig(labels=LABELS))
    assert task.targets(row("Kind"))["emotion"].tolist() == [0.0, 1.0, 0.0]  # type: ignore[union-attr]
    assert task.targets(row(None)) == {"emotion": None}
    with pytest.raises(TaskError, match="'Others' is not in the label set"):
        task.targets(row("Others"))


def test_rename_groups_corpus_labels() -> None:
    task = EmotionTask(
        EmotionConfig(labels=("calm", "tense"), rename={"Kind": "calm", "Dry": "calm", "Anxious": "tense"})
    )
    assert task.targets(row("Dry"))["emotion"].tolist() == [1.0, 0.0]  # type: ignore[union-attr]
    assert task.reference(row("Anxious")) == {"label": "tense"}


def test_balanced_weights_are_scikit_learns() -> None:
    names = ["Anxious"] * 5 + ["Kind"] * 2 + ["Dry"]
    task = EmotionTask(EmotionConfig(labels=LABELS, class_weights="balanced")).prepare(
        row(name) for name in names
    )
    expected = compute_class_weight("balanced", classes=np.array(LABELS), y=np.array(names))
    assert np.allclose(task.outputs[0].options["class_weights"], expected)
    again = type(task)(task.config)
    assert again.outputs == task.outputs


def test_balanced_weights_of_an_absent_class_are_refused() -> None:
    with pytest.raises(TaskError, match="no utterance labelled Dry"):
        EmotionTask(EmotionConfig(labels=LABELS, class_weights="balanced")).prepare(
            [row("Kind"), row("Anxious")]
        )


def test_scores_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    task = EmotionTask(EmotionConfig(labels=LABELS))
    pairs = [
        Pair(str(i), {"label": LABELS[t]}, Prediction("emotion", {"label": LABELS[g]}))
        for i, (t, g) in enumerate(zip(truth, guess, strict=True))
    ]
    scores = task.score(pairs)
    assert scores["wa"] == pytest.approx((truth == guess).mean())
    assert scores["ua"] == pytest.approx(balanced_accuracy_score(truth, guess))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))


def test_decode_gives_probabilities_that_add_to_one() -> None:
    task = EmotionTask(EmotionConfig(labels=LABELS))
    fields = task.decode({"emotion": np.log(np.array([0.2, 0.5, 0.3], dtype=np.float32))}).fields
    assert fields["label"] == "Kind"
    assert fields["confidence"] == pytest.approx(0.5, abs=1e-5)
    assert sum(fields["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)


def test_decomposed_hangul_is_the_same_label() -> None:
    apart = unicodedata.normalize("NFD", "불안")
    task = EmotionTask(
        EmotionConfig(labels=(apart, "기쁨"), rename={unicodedata.normalize("NFD", "초조"): "불안"})
    )
    assert task.config.labels == ("불안", "기쁨")
    assert task.reference(row(apart)) == task.reference(row("초조")) == {"label": "불안"}


def judged(reference: str, **probabilities: float | None) -> Pair:
    best = max(probabilities, key=lambda label: probabilities[label] or 0.0)
    fields = {"label": best, "confidence": probabilities[best], "probabilities": probabilities}
    return Pair("u", {"label": reference}, Prediction("emotion", fields))


def test_loss_is_the_mean_cross_entropy_worked_by_hand() -> None:
    task = EmotionTask(EmotionConfig(labels=LABELS, class_weights=(5.0, 1.0, 1.0)))
    pairs = [
        judged("Anxious", Anxious=0.5, Kind=0.25, Dry=0.25),  # ln 2 = 0.693147
        judged("Kind", Anxious=0.5, Kind=0.25, Dry=0.25),  # ln 4 = 1.386294
        judged("Dry", Anxious=0.0, Kind=0.0, Dry=1.0),  # 0
    ]
    assert task.score(pairs)["loss"] == pytest.approx((0.693147 + 1.386294) / 3, abs=1e-6)
    assert task.score(pairs[2:])["loss"] == 0.0
    nothing = judged("Dry", Anxious=None, Kind=None, Dry=None)
    assert task.score([*pairs, nothing])["loss"] == task.score(pairs)["loss"]
    assert np.isnan(task.score([nothing])["loss"]) and np.isnan(task.score([])["loss"])
    assert task.score([judged("Kind", Anxious=1.0, Kind=0.0, Dry=0.0)])["loss"] == pytest.approx(
        87.34, abs=0.01
    )


def test_loss_equals_torch_for_tiny_probabilities() -> None:
    torch = pytest.importorskip("torch")
    logits = torch.tensor([[9.0, -9.0, 2.0], [0.3, 0.1, -0.2], [-30.0, 2.0, 1.0]])
    truth = torch.tensor([1, 0, 0])
    task = EmotionTask(EmotionConfig(labels=LABELS))
    pairs = [
        Pair("u", {"label": LABELS[t]}, task.decode({"emotion": torch.log_softmax(row, 0).numpy()}))
        for row, t in zip(logits, truth, strict=True)
    ]
    expected = float(torch.nn.functional.cross_entropy(logits, truth))
    assert task.score(pairs)["loss"] == pytest.approx(expected, rel=1e-5)
    assert not task.higher_is_better("loss")


@pytest.mark.parametrize("weights", [(-1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (float("nan"), 1.0, 1.0)])
def test_invalid_class_weights_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="class weights must be finite"):
        EmotionConfig(labels=LABELS, class_weights=weights)


def test_pairs_with_decomposed_hangul_count_for_their_label() -> None:
    task = EmotionTask(EmotionConfig(labels=("불안", "기쁨")))
    apart = unicodedata.normalize("NFD", "불안")
    assert task.score([Pair("a", {"label": apart}, Prediction("emotion", {"label": apart}))])["wa"] == 1.0
    with pytest.raises(ValueError, match="two distinct names"):
        EmotionConfig(labels=("불안", apart))


def test_labels_may_be_whole_numbers_and_spaces_around_them_do_not_matter() -> None:
    numbers = EmotionTask(EmotionConfig.model_validate({"labels": [1, 2], "rename": {3: 2}}))
    spaced = EmotionTask(EmotionConfig(labels=("기쁨 ", "슬픔")))

    def classes(task: EmotionTask, *labels: str) -> list[int]:
        targets = [task.targets(row(label))["emotion"] for label in labels]
        return [int(target.argmax()) for target in targets if target is not None]

    assert classes(numbers, "1", "2", "2.0", "3") == [0, 1, 1, 1]
    assert classes(spaced, "기쁨", " 기쁨", "슬픔 ") == [0, 0, 1]


def test_labels_that_differ_by_invisible_signs_are_refused():
    with pytest.raises(ValueError, match=r"'sad' and 'sad\\u200b' differ only by signs that cannot be seen"):
        EmotionConfig(labels=("calm", "sad", "sad\u200b"))


def test_labels_left_out_have_no_target_and_no_reference() -> None:
    task = EmotionTask(EmotionConfig(labels=("1", "2"), rename={"Sad": "2"}, leave_out=("3", "중립")))
    for label in ("3", "3.0", " 3", unicodedata.normalize("NFD", "중립")):
        row = Utterance(id="a", audio="a.wav", duration_s=1.0, emotion=label)
        assert task.leaves_out(row)
        assert task.targets(row) == {"emotion": None} and task.reference(row) is None
    assert not task.leaves_out(Utterance(id="a", audio="a.wav", duration_s=1.0, emotion="Sad"))
    assert task.leave_out_advice(["1", "Sad", "3", "5", "4.0"]) == (
        "leave rows out on purpose with tasks.emotion.leave_out=[3, 중립, 4, 5]"
    )
    assert task.leave_out_advice(["1", "3"]) == ""


@pytest.mark.parametrize("name", ["Kind", "Glad"])
def test_label_that_is_learnt_and_left_out_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is in (labels|rename) and in leave_out"):
        EmotionConfig(labels=("Kind", "Dry"), rename={"Glad": "Kind"}, leave_out=(name,))


def reading(**text: object) -> EmotionTask:
    settings = {"encoder": "owner/model", **text}
    return EmotionTask(EmotionConfig.model_validate({"labels": ("a", "b"), "weight": 2.0, "text": settings}))


def test_text_adds_an_input_and_outputs_of_each_input_alone() -> None:
    task = reading(audio_weight=0.5, text_weight=0.25, dropout=0.3)
    (text,) = task.inputs
    assert (text.column, text.optional, text.dropout) == ("text", True, 0.3)
    assert [(spec.name, spec.weight, spec.layer, spec.inputs) for spec in task.outputs] == [
        ("emotion", 2.0, "last", ("text",)),
        ("emotion_audio", 1.0, "last", ()),
        ("emotion_text", 0.5, "none", ("text",)),
    ]
    assert [spec.name for spec in reading(audio_weight=0, text_weight=0).outputs] == ["emotion"]
    only = reading(fusion="text_only", audio_weight=0)
    assert (only.inputs[0].optional, only.inputs[0].dropout) == (False, 0.0)  # nothing to fall back on
    assert {"text.dropout", "text.text_weight"} <= set(only.config.idle_settings())
    assert [(spec.name, spec.layer) for spec in only.outputs] == [("emotion", "none")]
    assert set(task.targets(Utterance(id="x", audio="x", duration_s=1.0, emotion="b"))) == {
        "emotion",
        "emotion_audio",
        "emotion_text",
    }
    assert type(task)(task.config).outputs == task.outputs


def pair_of(reference: str, model: str, audio: str, text: str | None) -> Pair:
    alone = {"audio": audio} | ({} if text is None else {"text": text})
    fields = {"label": model, "confidence": 0.9, "probabilities": {"a": 0.5, "b": 0.5}, "alone": alone}
    return Pair(f"{reference}{model}", {"label": reference}, Prediction("emotion", fields))


def test_rates_of_each_input_alone_equal_numbers_by_hand() -> None:
    task = reading()
    pairs = [
        pair_of("a", "a", "b", "a"),
        pair_of("a", "a", "a", None),
        pair_of("b", "b", "b", "b"),
        pair_of("b", "a", "b", "a"),
    ]
    rates = task.score(pairs)
    assert rates["ua"] == pytest.approx((1 + 1 / 2) / 2)
    assert rates["ua_audio"] == pytest.approx((1 / 2 + 1) / 2)
    assert rates["wa_text"] == pytest.approx(2 / 3)  # one row has no text
    assert rates["ua_text"] == pytest.approx((1 + 1 / 2) / 2)
    assert set(rates) == set(task.rate_descriptions)
    table = next(table for table in task.report(pairs).tables if table.title == "By input")
    assert [row[:2] for row in table.rows] == [
        ("model", 4),
        ("the audio alone", 4),
        ("the text alone", 3),
    ]
    assert math.isnan(task.score([pair_of("a", "a", "a", None)])["ua_text"])


def test_text_that_predicts_the_label_is_warned_of_with_both_figures() -> None:
    task = reading()
    telling = [pair_of(label, label, label, label) for label in "abab"]
    (warning,) = task.score_warnings(telling)
    assert "mean recall of 100.0 % on 4 utterances, the model with text and audio 100.0 %" in warning
    neutral = [pair_of(label, label, label, text) for label, text in zip("aabb", "abab", strict=True)]
    assert task.score_warnings(neutral) == []
    assert task.score_warnings([pair_of("a", "a", "a", None)]) == []
    assert task.score_warnings([pair_of("a", "a", "a", "a")] * 4) == []  # one label is no evidence
    assert EmotionTask(EmotionConfig(labels=("a", "b"))).score_warnings([]) == []


def test_adapters_of_a_frozen_text_encoder_have_no_effect() -> None:
    assert "text.lora" in reading().config.idle_settings()
    assert "text.lora" not in reading(tune="lora").config.idle_settings()
