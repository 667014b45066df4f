from dataclasses import replace

import numpy as np
import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.inference.clip_outputs import Posteriors, WindowOutputs
from soritune.inference.rows import row_of
from soritune.tasks.decoding.decoder import make_decoder
from soritune.tasks.emotion import EmotionTask

GREEDY = make_decoder("greedy")
CALM = np.log(np.array([0.7, 0.2, 0.1], np.float32))
WARM = np.log(np.array([0.1, 0.2, 0.7], np.float32))


@pytest.fixture
def tasks(fakes):
    return [fakes.emotion_task(), fakes.phoneme_task()]


@pytest.fixture
def posteriors(tasks):
    """Probabilities of calm; the phones A, blank, B."""
    labels = tasks[1].outputs[0].labels
    frames = np.full((3, len(labels)), 0.01, np.float32)
    for frame, label in enumerate(("A", labels[tasks[1].outputs[0].options["blank"]], "B")):
        frames[frame, labels.index(label)] = 0.9
    outputs = {"emotion": CALM, "phoneme": np.log(frames)}
    return Posteriors(id="u", audio="a.wav", duration_s=1.23456, outputs=outputs, groups={"speaker": "s"})


def test_row_has_the_decoded_prediction_of_every_task(tasks, posteriors):
    row = row_of(posteriors, tasks, GREEDY)
    assert list(row) == ["id", "audio", "duration_s", "groups", "tasks"]
    assert (row["id"], row["duration_s"], row["groups"]) == ("u", 1.2346, {"speaker": "s"})
    assert row["tasks"]["emotion"]["prediction"]["label"] == "calm"
    assert row["tasks"]["phoneme"]["prediction"]["phones"] == ["A", "B"]
    assert row["tasks"]["emotion"]["reference"] is None


def test_manifest_row_adds_references_and_the_stretch_of_the_file(tasks, posteriors):
    utterance = Utterance(id="u", audio="a.wav", duration_s=1.0, emotion="warm")
    row = row_of(replace(posteriors, utterance=utterance, start_s=0.5, channel=1), tasks, GREEDY)
    assert row["tasks"]["emotion"]["reference"] == {"label": "warm"}
    assert row["tasks"]["phoneme"]["reference"] is None
    assert (row["start_s"], row["channel"]) == (0.5, 1)


def test_task_that_was_left_out_has_no_prediction(tasks, posteriors):
    row = row_of(replace(posteriors, left_out=("emotion",)), tasks, GREEDY)
    assert list(row["tasks"]) == ["phoneme"]


def test_windows_have_predictions_of_tasks_without_frames(tasks, posteriors):
    windows = (WindowOutputs(0.0, 2.0, {"emotion": CALM}), WindowOutputs(2.0, 3.5, {"emotion": WARM}))
    row = row_of(replace(posteriors, windows=windows), tasks, GREEDY)
    assert [(w["start_s"], w["end_s"]) for w in row["windows"]] == [(0.0, 2.0), (2.0, 3.5)]
    assert [w["tasks"]["emotion"]["label"] for w in row["windows"]] == ["calm", "warm"]
    assert all(list(window["tasks"]) == ["emotion"] for window in row["windows"])
    assert "windows" not in row_of(replace(posteriors, windows=windows), tasks[1:], GREEDY)


def test_windows_for_labels_without_speech_have_no_prediction_and_one_is_enough(tasks, posteriors):
    silent = WindowOutputs(2.0, 4.0, {}, has_speech=False)
    windows = (WindowOutputs(0.0, 2.0, {"emotion": CALM}), silent)
    row = row_of(replace(posteriors, windows=windows, is_windowed=True), tasks, GREEDY)
    assert row["windows"][1] == {"start_s": 2.0, "end_s": 4.0, "tasks": {}, "no_speech": True}
    segment = {"start_s": 0.0, "end_s": 2.0, "label": "calm", "confidence": 0.7, "windows": 1}
    assert row["segments"] == {"emotion": [segment]}
    row = row_of(replace(posteriors, windows=windows[:1], is_windowed=True), tasks, GREEDY)
    assert len(row["windows"]) == 1
    assert "windows" not in row_of(replace(posteriors, windows=windows[:1]), tasks, GREEDY)


def test_clip_that_failed_is_a_row_with_its_error(tasks, posteriors):
    failed = {"id": "u", "audio": "a.wav", "error": "is empty"}
    assert row_of(replace(posteriors, error="is empty"), tasks, GREEDY) == failed


def test_row_whose_reference_is_faulty_is_a_row_with_an_error(posteriors, fakes):
    class Faulty(EmotionTask):
        def reference(self, utterance):
            raise TaskError("the label is faulty")

    utterance = Utterance(id="u", audio="a.wav", duration_s=1.0, emotion="warm")
    row = row_of(replace(posteriors, utterance=utterance), [Faulty(fakes.emotion_task().config)], GREEDY)
    assert row == {"id": "u", "audio": "a.wav", "error": "the label is faulty"}


def test_label_below_the_threshold_of_its_task_is_uncertain(tasks, posteriors):
    """The label has 0.7; a label at the threshold is kept."""
    for threshold, uncertain in ((0.0, False), (0.69, False), (0.7, False), (0.71, True)):
        row = row_of(posteriors, tasks, GREEDY, {"emotion": threshold})
        assert row["tasks"]["emotion"]["prediction"].get("uncertain", False) is uncertain
        assert "uncertain" not in row["tasks"]["phoneme"]["prediction"]


def test_times_are_those_of_the_decoded_phones(tasks, posteriors):
    row = row_of(
        replace(posteriors, frame_rates_hz={"phoneme": 50.0}, first_frames_s={"phoneme": 0.0025}),
        tasks,
        GREEDY,
        times=True,
    )
    prediction = row["tasks"]["phoneme"]["prediction"]
    phones = [phone for phone in prediction["phones"] if phone != "|"]
    assert [part["text"] for part in prediction["times"]["phones"]] == phones
    starts = [part["start_s"] for part in prediction["times"]["phones"]]
    assert starts == sorted(starts)
    assert "times" not in row["tasks"]["emotion"]["prediction"]
    assert "times" not in row_of(posteriors, tasks, GREEDY)["tasks"]["phoneme"]["prediction"]
