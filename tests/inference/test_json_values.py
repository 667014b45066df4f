import math

import pytest

from soritune.errors import ManifestError
from soritune.inference.json_values import JsonObject, without_nan

VALUES = {
    "text": "가",
    "flag": True,
    "whole": 3,
    "number": 0.5,
    "null": None,
    "texts": ["a", "b"],
    "object": {"x": 1},
    "objects": {"a": {"x": 1}, "b": {"x": 2}},
    "listed": [{"x": 1}],
}
READERS = ("text", "flag", "whole", "number", "texts", "object", "objects", "listed")


@pytest.fixture
def values():
    return JsonObject(VALUES, "f.json", "write it again")


def test_nan_and_infinities_become_null():
    assert without_nan({"a": (float("inf"), "x"), "b": [math.nan, {"c": 1.5}]}) == {
        "a": [None, "x"],
        "b": [None, {"c": 1.5}],
    }


def test_values_of_the_right_type_are_returned(values):
    assert (values.text("text"), values.flag("flag"), values.whole("whole")) == ("가", True, 3)
    assert (values.number("number"), values.number("whole")) == (0.5, 3)
    assert math.isnan(values.number("null"))
    assert values.texts("texts") == ("a", "b")
    assert values.object("object").whole("x") == 1
    assert {name: part.whole("x") for name, part in values.objects("objects").items()} == {"a": 1, "b": 2}
    assert [part.whole("x") for part in values.listed("listed")] == [1]
    assert list(values) == list(VALUES) and "text" in values


@pytest.mark.parametrize("reader", READERS)
def test_missing_key_is_named_with_the_file(values, reader):
    with pytest.raises(ManifestError) as caught:
        getattr(values, reader)("other")
    assert str(caught.value) == "f.json: 'other' is missing; write it again"


@pytest.mark.parametrize(
    ("reader", "key", "sentence"),
    [
        ("text", "whole", "'whole' must be a text, not 3"),
        ("flag", "whole", "'whole' must be true or false, not 3"),
        ("whole", "number", "'number' must be a whole number, not 0.5"),
        ("whole", "flag", "'flag' must be a whole number, not True"),
        ("number", "flag", "'flag' must be a number or null, not True"),
        ("number", "text", "'text' must be a number or null, not '가'"),
        ("texts", "listed", "'listed' must be a list of texts, not [{'x': 1}]"),
        ("object", "texts", "'texts' must be an object, not ['a', 'b']"),
        ("objects", "object", "'object.x' must be an object, not 1"),
        ("listed", "texts", "'texts[0]' is not a JSON object"),
    ],
)
def test_value_of_another_type_is_named_with_the_file(values, reader, key, sentence):
    with pytest.raises(ManifestError) as caught:
        getattr(values, reader)(key)
    assert str(caught.value) == f"f.json: {sentence}; write it again"


def test_content_that_is_not_an_object_is_refused():
    with pytest.raises(ManifestError, match="the content is not a JSON object; write it again"):
        JsonObject([1], None, "write it again")
