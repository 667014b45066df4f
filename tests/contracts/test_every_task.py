"""What every task must do. A new file in `tasks/` is tested the moment it exists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.registry import members
from soritune.tasks.decoding.decoder import Decoded
from soritune.tasks.decoding.greedy import GreedyDecoder
from soritune.tasks.results import Pair, Prediction
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task

TASKS: dict[str, type[Task]] = members("soritune.tasks", "TASK")
CONFIGS: dict[str, dict[str, Any]] = {
    "emotion": {"labels": ["Anxious", "Kind", "Dry"]},
    "emotion-multilabel": {"labels": ["Anxious", "Kind", "Dry"]},
    "phoneme": {},
    "mispronunciation": {"labels": "correct-incorrect", "inventory": "korean"},
}
ANNOTATION: dict[str, Any] = {
    "canonical": ("G", "A", "sil"),
    "perceived": ("G", "O", "M"),
    "error_labels": ("C", "I", "I"),
}
ROWS = [
    Utterance(
        id="a",
        audio="a.wav",
        duration_s=1.0,
        speaker="s1",
        text="한국어를 배워요",
        emotion="Kind",
        **ANNOTATION,
    ),
    Utterance(
        id="b", audio="b.wav", duration_s=2.0, speaker="s2", text="학교에 갑니다", emotion="Dry", **ANNOTATION
    ),
]
UNLABELLED = Utterance(id="c", audio="c.wav", duration_s=1.0)


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    kind = TASKS[request.param]
    return kind(kind.Config.model_validate(CONFIGS[request.param]))


def perfect(task: Task, row: Utterance) -> dict[str, np.ndarray]:
    """Log-probabilities that say exactly what the targets say."""
    outputs = {}
    for spec in task.outputs:
        target = task.targets(row)[spec.name]
        assert target is not None
        if spec.objective == "ctc":
            blank = spec.options["blank"]
            path = [label for symbol in target for label in (symbol, blank)]
            table = np.full((len(path), len(spec.labels)), -20.0, dtype=np.float32)
            table[np.arange(len(path)), path] = 0.0
            outputs[spec.name] = table
        else:
            outputs[spec.name] = np.log(np.clip(target, 1e-6, None)).astype(np.float32)
    return outputs


def test_outputs_survive_json(task: Task) -> None:
    for spec in task.outputs:
        assert OutputSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    again = type(task)(type(task.config).model_validate(json.loads(task.config.model_dump_json())))
    assert again.outputs == task.outputs


def test_perfect_outputs_score_best(task: Task) -> None:
    pairs = []
    for row in ROWS:
        prediction = task.decode(perfect(task, row))
        assert Prediction.from_json(json.loads(json.dumps(prediction.to_json()))) == prediction
        reference = task.reference(row)
        assert reference is not None
        pairs.append(Pair(row.id, reference, prediction))
    metric = task.primary_metric
    assert task.score(pairs)[metric.name] == (1.0 if metric.higher_is_better else 0.0)
    assert task.report(pairs).tables


def test_row_without_a_label_has_no_target_and_no_reference(task: Task) -> None:
    assert all(target is None for target in task.targets(UNLABELLED).values())
    assert task.reference(UNLABELLED) is None


def test_outputs_of_one_frame_or_no_frame_are_decoded(task: Task) -> None:
    for frames in (0, 1):
        outputs = {}
        for spec in task.outputs:
            shape = (frames, len(spec.labels)) if spec.resolution == "frame" else (len(spec.labels),)
            outputs[spec.name] = np.full(shape, -np.log(len(spec.labels)), dtype=np.float32)
        json.dumps(task.decode(outputs).to_json(), allow_nan=False)


def test_decoder_argument_reads_every_ctc_output_and_default_is_greedy(task: Task) -> None:
    read: list[tuple[tuple[str, ...], int]] = []

    class Deaf(GreedyDecoder):
        name = "deaf"

        def decode(self, log_probabilities: np.ndarray, labels: Sequence[str], blank: int) -> Decoded:
            read.append((tuple(labels), blank))
            return super().decode(log_probabilities[:0], labels, blank)

    outputs = perfect(task, ROWS[0])
    silent = {name: table[:0] if table.ndim == 2 else table for name, table in outputs.items()}
    assert task.decode(outputs, decoder=Deaf()) == task.decode(silent)
    assert task.decode(outputs, decoder=GreedyDecoder()) == task.decode(outputs)
    assert read == [(spec.labels, spec.options["blank"]) for spec in task.outputs if spec.objective == "ctc"]


def test_columns_name_fields_of_the_prediction(task: Task) -> None:
    prediction = task.decode(perfect(task, ROWS[0]))
    columns = task.columns(prediction)
    assert columns and all(column.title for column in columns)
    assert {column.field for column in columns} <= set(prediction.fields)


def test_predictions_of_single_labels_have_label_and_confidence(task: Task) -> None:
    prediction, reference = task.decode(perfect(task, ROWS[0])), task.reference(ROWS[0])
    labels = task.outputs[0].labels
    has_them = prediction.fields.get("label") in labels and 0 <= prediction.fields["confidence"] <= 1
    assert task.single_label is (has_them and reference is not None and reference.get("label") in labels)


def test_every_rate_is_described(task: Task) -> None:
    descriptions = task.rate_descriptions
    assert set(task.rates({})) <= set(descriptions)
    assert set(task.widest().rates({})) <= set(task.widest().rate_descriptions)
    assert all(description.title for description in descriptions.values())
    metric = task.primary_metric
    assert task.higher_is_better(metric.name) is metric.higher_is_better
    with pytest.raises(TaskError, match="does not describe the rate 'nothing', but: "):
        task.higher_is_better("nothing")


def test_rates_of_nothing_do_not_fail(task: Task) -> None:
    assert all(np.isnan(value) for value in task.rates({}).values())
