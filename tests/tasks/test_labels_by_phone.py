"""The task `mispronunciation` with labels by canonical phone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.tasks.labels import BLANK
from soritune.tasks.mispronunciation import MispronunciationConfig, MispronunciationTask
from soritune.tasks.results import Pair
from soritune.tasks.task import make_task

FOUR = "correct-substituted-deleted-inserted"
BOTH = {"error_decoding": "slots", "segment_head": {}}


def task(**settings: Any) -> MispronunciationTask:
    return MispronunciationTask(MispronunciationConfig.model_validate({"labels": FOUR, **BOTH, **settings}))


def row(canonical: str, perceived: str, labels: str) -> Utterance:
    return Utterance(
        id="u",
        audio="u.wav",
        duration_s=1.0,
        text="CAT",
        canonical=tuple(canonical.split()),
        perceived=tuple(perceived.split()),
        error_labels=tuple(labels.split()),
    )


ROW = row("sil k ae t sil", "sil g ae sil uh", "C S C D I")


def peaks(labels: tuple[str, ...], symbols: str, every: int = 4) -> np.ndarray:
    """A CTC output with one peak per symbol."""
    given = np.full((every * len(symbols.split()) + 2, len(labels)), 1e-3)
    given[:, labels.index(BLANK)] = 1.0
    for index, symbol in enumerate(symbols.split()):
        given[every * index + 2] = 1e-3
        given[every * index + 2, labels.index(symbol)] = 1.0
    return np.log(given / given.sum(axis=1, keepdims=True)).astype(np.float32)


def outputs(judge: MispronunciationTask, labels: str = "S C D") -> dict[str, np.ndarray]:
    specs = {spec.name: spec for spec in judge.outputs}
    given = {"phoneme": peaks(specs["phoneme"].labels, "g ae t")}
    given["error"] = peaks(specs["error"].labels, labels)
    segment = np.full((len(given["phoneme"]), 4), 1e-6)
    segment[:, 0] = 1.0
    segment[0], segment[1], segment[2] = (
        [1e-6, 0.1, 0.8, 0.1],
        [1e-6, 0.9, 0.05, 0.05],
        [1e-6, 0.6, 0.1, 0.3],
    )
    return {**given, "segment": np.log(segment).astype(np.float32)}


def test_default_task_is_as_before() -> None:
    plain = MispronunciationTask(MispronunciationConfig(labels=FOUR))
    assert [spec.name for spec in plain.outputs] == ["phoneme", "error"] and plain.inputs == ()
    assert not plain.reads_prompt and not plain.swaps_prompts and plain.prompt_of(ROW) == "CAT"
    given = {name: value for name, value in outputs(task()).items() if name != "segment"}
    assert set(plain.decode(given, "k ae t").fields) == {
        "phones",
        "confidence",
        "labels",
        "labels_confidence",
    }
    assert not [name for name in plain.rates({}) if name.startswith(("slot", "segment"))]


def test_declarations_of_the_segment_head_are_stored() -> None:
    judge = task()
    (spec,) = [spec for spec in judge.outputs if spec.name == "segment"]
    assert (spec.labels, spec.objective, spec.reads, spec.inputs) == (
        (BLANK, "C", "S", "D"),
        "phone_slots",
        "phoneme",
        ("canonical",),
    )
    again = make_task("mispronunciation", json.loads(judge.config.model_dump_json()))
    assert again.outputs == judge.outputs and again.inputs == judge.inputs


def test_target_of_the_segment_head_has_one_label_per_phone() -> None:
    targets = task().targets(ROW)
    assert targets["segment"] is not None and targets["segment"].tolist() == [2, 1, 3]
    assert targets["error"] is not None and len(targets["error"]) == 5  # C S C D I with its silence


def test_every_phone_gets_one_label_whatever_the_error_output_has() -> None:
    for greedy in ("S C D", "S", "S C D C C I"):
        prediction = task().decode(outputs(task(), greedy), "sil k ae t sil")
        assert len(prediction.fields["labels"]) == 3 == len(prediction.fields["slot_errors"])
        assert prediction.fields["canonical"] == ["k", "ae", "t"]
    assert task().decode(outputs(task()), "k ae t").fields["labels"] == ["S", "C", "D"]


def test_without_a_text_labels_are_those_of_the_decoder() -> None:
    fields = task().decode(outputs(task(), "S C D C"), None).fields
    assert fields["labels"] == ["S", "C", "D", "C"]
    assert not {"canonical", "slot_errors", "segment_labels"} & set(fields)


def test_thresholds_of_the_settings_decide() -> None:
    chosen = {"segment": {"best_f1": 0.35, "low_rejection": 0.85}}
    given = outputs(task())
    assert task().decode(given, "k ae t").fields["segment_labels"] == ["S", "C", "C"]
    assert task(thresholds=chosen).decode(given, "k ae t").fields["segment_labels"] == ["S", "C", "D"]
    strict = task(thresholds=chosen, operating_point="low_rejection")
    assert strict.decode(given, "k ae t").fields["segment_labels"] == ["S", "C", "C"]
    assert strict.decode(given, "k ae t").fields["segment_errors"] == pytest.approx([0.9, 0.1, 0.4], abs=1e-3)


def test_rates_of_a_clip_worked_by_hand() -> None:
    judge = task()
    reference = judge.reference(ROW)
    assert reference is not None
    pair = Pair("u", json.loads(json.dumps(reference)), judge.decode(outputs(judge), judge.prompt_of(ROW)))
    rates = judge.rates(judge.count(pair))
    # Annotated S C D; the segment head calls S C C with probabilities 0.9, 0.1, 0.4.
    assert rates["segment_f1"] == pytest.approx(2 / 3) and rates["segment_recall"] == pytest.approx(1 / 2)
    assert rates["segment_auc"] == 1.0 and rates["segment_false_rejection_rate"] == 0.0
    assert rates["slot_f1"] == 1.0
    assert judge.contributes(judge.count(pair))["segment_f1"]
    assert set(judge.rates({})) <= set(judge.rate_descriptions)


def test_always_correct_finds_nothing_and_its_area_is_one_half() -> None:
    judge = task()
    (guess,) = judge.guesses()
    reference = judge.reference(ROW)
    assert reference is not None
    rates = judge.rates(judge.count(Pair("u", reference, guess.answer(reference))))
    assert rates["segment_f1"] == 0.0 and rates["segment_auc"] == 0.5


def test_swapped_text_changes_the_segment_head_alone() -> None:
    other = row("ae t k", "ae t k", "C C C")
    judge = task(segment_head={"swapped_texts": 1.0})
    values, targets = judge.swapped(ROW, other, np.random.default_rng(0))
    # Spoken: g ae uh. Text: ae t k.
    assert values == {"canonical": ["ae", "t", "k"]} and set(targets) == {"segment"}
    assert targets["segment"] is not None and targets["segment"].tolist()[0] == 1
    assert judge.swaps_prompts and task(segment_head={}).swapped(ROW, other, np.random.default_rng(0))[1][
        "segment"
    ].tolist() == [2, 1, 3]  # type: ignore[union-attr]


def test_texts_are_swapped_as_often_as_the_setting_says() -> None:
    other = row("ae t k s", "ae t k s", "C C C C")
    judge, rng = task(segment_head={"swapped_texts": 0.25}), np.random.default_rng(5)
    lengths = [len(judge.swapped(ROW, other, rng)[0]["canonical"]) for _ in range(2000)]
    assert np.mean(np.array(lengths) == 4) == pytest.approx(0.25, abs=0.03)


def test_unknown_phone_of_a_prompt_is_refused() -> None:
    with pytest.raises(TaskError, match="phone 'CAT'"):
        task().decode(outputs(task()), "CAT")


@pytest.mark.parametrize(
    ("settings", "part"),
    [({"task": "error"}, "segment_head"), ({"task": "phoneme", "segment_head": None}, "error_decoding")],
)
def test_output_that_is_not_there_cannot_be_read(settings: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        task(**settings)
