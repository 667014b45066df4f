import pytest

from soritune.errors import ManifestError
from soritune.inference.header import Header, JudgedRows, ModelRecord, tasks_of
from soritune.inference.json_values import JsonObject

EMOTION = {"name": "emotion", "config": {"labels": ["calm", "tense"]}}


def test_parts_of_a_header_are_attributes():
    header = Header(
        {
            "created": "2026-01-01T00:00:00+00:00",
            "decoder": {"name": "beam", "width": 8},
            "bundle": {"name": "a", "folder": "last", "seed": 3, "kind": "full", "encoder": {"source": "x"}},
            "bundles": [{"name": "a"}, {"name": "b"}],
            "tasks": [EMOTION],
            "data": {"split": "val", "root": "/audio", "policy": {"by": ["speaker"]}},
            "synthetic": True,
            "versions": {"soritune": "0.1.0"},
        }
    )
    assert header.model == ModelRecord(name="a", folder="last", seed=3, encoder={"source": "x"})
    assert [model.name for model in header.models] == ["a", "b"]
    assert header.data == JudgedRows(split="val", root="/audio", policy={"by": ["speaker"]})
    assert header.tasks_by_name["emotion"].outputs[0].labels == ("calm", "tense")
    assert (header.synthetic, header.decoder_text) == (True, "beam (width 8)")
    assert header.versions == {"soritune": "0.1.0"}


def test_parts_that_a_header_lacks_are_empty():
    header = Header({"tasks": []})
    assert (header.model, header.models, header.data) == (ModelRecord(), (), JudgedRows())
    assert (header.synthetic, header.decoder, header.decoder_text) == (False, None, "greedy")
    assert header.withheld == ()
    assert (header.created, header.versions, header.tasks) == (None, {}, ())


def test_parts_that_are_null_in_a_card_are_empty():
    model = ModelRecord.of({"name": "a", "encoder": {}, "data": None, "training": None, "recipe": None})
    assert (model.data, model.training, model.recipe) == ({}, {}, None)


def test_content_is_kept_with_unknown_keys_and_in_its_order():
    content = {"tasks": [EMOTION], "note": "x", "data": {"seen": {"train": 1, "val": 0}, "split": "test"}}
    header = Header.read(JsonObject(content, "p.jsonl", "write it again"))
    assert list(header.to_json()) == ["tasks", "note", "data"]
    assert header.to_json() == content
    assert header.data.seen == {"train": 1, "val": 0}


def test_faulty_part_is_named():
    with pytest.raises(
        ManifestError, match=r"^p\.jsonl: 'tasks\[1\]\.name' must be a text, not 3; write it again$"
    ):
        Header.read(JsonObject({"tasks": [EMOTION, {"name": 3, "config": {}}]}, "p.jsonl", "write it again"))


def test_tasks_of_a_card_are_rebuilt_in_order(fakes):
    tasks = [fakes.phoneme_task(), fakes.emotion_task()]
    rebuilt = tasks_of(fakes.card(tasks))
    assert [task.config for task in rebuilt] == [task.config for task in tasks]


def test_recogniser_and_labels_from_recognised_text_are_read():
    record = {"name": "base", "library": "lib", "language": "ko", "beam_size": 1, "compute_type": "int8"}
    models = [{"name": "a"}, {"name": "b", "data": {"recognised_labels": {"rows": 3, "of": 9}}}]
    header = Header(
        {"tasks": [], "recogniser": record, "bundle": models[0], "bundles": models, "from_text": True}
    )
    assert header.recogniser_text == "base (lib, ko, beam 1, int8)"
    assert header.trained_on_recognised == (3, 9)
    assert header.is_from_text
    without = Header({"tasks": []})
    assert (without.recogniser, without.recogniser_text) == (None, None)
    assert (without.trained_on_recognised, without.is_from_text) == (None, False)
    with pytest.raises(ManifestError, match="'recogniser' must be an object"):
        Header.read(JsonObject({"tasks": [], "recogniser": "base"}, "p.jsonl", "write it again"))
