import pytest
from tests.inference.recognition.toy_recogniser import ToyRecogniser

from soritune.inference.origin import make_header
from soritune.inference.predictor import Predictor


@pytest.fixture
def predictor(fakes):
    return Predictor([fakes.member([fakes.emotion_task(), fakes.phoneme_task()])])


def test_header_names_models_tasks_and_rows(predictor):
    header = make_header(predictor, {"split": "test", "manifest_hash": "abc"})
    assert header.model.recipe_name == "fake"
    assert header.model.data["manifest_hash"] == "c0ffee"
    assert header.task_names == ["emotion", "phoneme"]
    assert header.content["data"] == {"split": "test", "manifest_hash": "abc"}
    assert header.synthetic is False


def test_first_model_is_named_twice_and_all_models_once(fakes):
    members = [fakes.member([fakes.emotion_task()], name=name, seed=seed) for seed, name in enumerate("ab")]
    header = make_header(Predictor(members))
    assert (header.model.name, [model.name for model in header.models]) == ("a", ["a", "b"])


def test_synthetic_rows_and_synthetic_training_are_marked_apart(fakes, predictor):
    rows = make_header(predictor, {"synthetic": True})
    assert (rows.synthetic, rows.trained_on_synthetic, rows.data.synthetic) == (True, False, True)
    models = [fakes.member([fakes.emotion_task()], synthetic=marked) for marked in (False, True)]
    training = make_header(Predictor(models), {"synthetic": False})
    assert (training.synthetic, training.trained_on_synthetic, training.data.synthetic) == (True, True, False)


@pytest.mark.parametrize(
    ("fields", "file"),
    [
        ({}, "model.safetensors"),
        ({"kind": "adapter"}, "adapter_model.safetensors"),
        ({"weights_format": "int8"}, "model.int8.safetensors"),
    ],
)
def test_checksum_is_that_of_the_weights(fakes, fields, file):
    member = fakes.member([fakes.emotion_task()])
    member.card.update(fields, files={"config.json": "abc", file: "feed"})
    assert make_header(Predictor([member])).model.sha256 == "feed"


def test_the_recogniser_is_recorded_where_there_is_one(predictor):
    assert make_header(predictor).recogniser_text is None
    header = make_header(predictor, recogniser=ToyRecogniser())
    assert header.recogniser == ToyRecogniser().record()
    assert not header.is_from_text
