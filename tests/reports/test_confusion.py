from dataclasses import replace

import numpy as np
import pytest

from soritune.reports.confusion import confusion_of
from soritune.reports.score import score_predictions


@pytest.fixture
def scores(twelve):
    return score_predictions(twelve / "predictions" / "test.jsonl", resamples=0)


def test_confusion_is_summed_over_the_speakers(scores):
    """By hand: speaker k has its first min(k, 6) of the labels calm, tense, warm, calm, tense, warm right. A wrong
    clip gets the next label, after warm comes calm."""
    labels, counts = confusion_of(scores, "emotion")
    assert labels == ("calm", "tense", "warm")
    # Clip i is right for the 11 - i speakers with k > i.
    right = [11 + 8, 10 + 7, 9 + 6]
    wrong = [24 - count for count in right]
    expected = [[right[0], wrong[0], 0], [0, right[1], wrong[1]], [wrong[2], 0, right[2]]]
    np.testing.assert_array_equal(counts, expected)


def test_task_without_classes_has_no_confusion(fakes, tmp_path):
    rows = fakes.phoneme_rows({"s": [("A B", "A D")]})
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.phoneme_task()], rows)
    assert confusion_of(score_predictions(path, resamples=0), "phoneme") is None


@pytest.mark.parametrize("counts", [{}, {"confusion": np.ones((2, 2))}, {"confusion": np.array(3.0)}])
def test_counts_of_other_labels_give_no_confusion(scores, counts):
    emotion = scores.tasks["emotion"]
    speakers = {**emotion.speakers, "s03": replace(emotion.speakers["s03"], counts=counts)}
    other = replace(scores, tasks={"emotion": replace(emotion, speakers=speakers)})
    assert confusion_of(other, "emotion") is None
