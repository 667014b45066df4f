"""Options that describe how a corpus is read, as settings of its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soritune.cli.source_options import pairs, settings_of, source_settings
from soritune.corpus.prepare import source_config
from soritune.errors import ManifestError


def settings(source: str, *items: str) -> dict[str, Any]:
    return source_settings(source, [Path("x")], items, None, None, False)[1]


@pytest.mark.parametrize(
    ("source", "item", "expected"),
    [
        ("csv", "name=a #1", {"name": "a #1"}),
        ("csv", "language=no", {"language": "no"}),
        ("csv", "name= ", {"name": " "}),
        ("csv", "language=null", {"language": None}),
        ("csv", 'delimiter="\\t"', {"delimiter": "\t"}),
        ("csv", "drop_prefix=D:\\corpus", {"drop_prefix": "D:\\corpus"}),
        ("json-pairs", "utterances=[]", {"utterances": "[]"}),
        (
            "json-pairs",
            "split_folders.2.Validation_split=null",
            {"split_folders": {"2.Validation_split": None}},
        ),
        ("csv", "values.gender.W=f", {"values": {"gender": {"W": "f"}}}),
        ("csv", "fields.emotion=감정", {"fields": {"emotion": "감정"}}),
    ],
)
def test_settings_are_read_by_the_type_of_the_setting(
    source: str, item: str, expected: dict[str, Any]
) -> None:
    assert settings(source, item) == expected


def test_two_values_for_one_setting_are_refused() -> None:
    with pytest.raises(ManifestError, match="'values' is given a value of its own too"):
        settings("csv", "values=1", "values.gender.W=f")
    with pytest.raises(ManifestError, match="name.y"):
        source_config("csv", settings("csv", "name=x", "name.y=1"))


def test_a_text_is_read_as_a_list_with_one_entry() -> None:
    config = source_config("csv", settings("csv", "files=a.csv", "required=text", "name=7"))
    assert (config.files, config.required, config.name) == (("a.csv",), ("text",), "7")  # type: ignore[attr-defined]


def test_options_are_added_to_the_settings_that_are_a_start() -> None:
    start = {"fields": {"text": "글", "age": "나이"}, "name": "old"}
    root, config = source_settings(
        "csv", [Path("corpus")], ["name=new"], ["age=연령"], ["language=ko"], False, start
    )
    assert root == Path("corpus")
    assert config == {
        "fields": {"text": "글", "age": "연령"},
        "name": "new",
        "constants": {"language": "ko"},
    }
    assert start == {"fields": {"text": "글", "age": "나이"}, "name": "old"}


def test_an_option_that_the_source_does_not_have_is_refused() -> None:
    with pytest.raises(
        ManifestError, match="--prefix has no meaning for the source 'csv'; its settings are: "
    ):
        source_settings("csv", [Path("x")], None, None, None, True)


def test_several_paths_are_files_of_a_source_that_takes_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    root, config = source_settings("csv", paths, None, None, None, False)
    assert (root, config["files"]) == (paths[0], [str(path) for path in paths])
    with pytest.raises(ManifestError, match="takes one folder, got 2 paths"):
        source_settings("speaker-folders", paths, None, None, None, False)


def test_pairs_keep_everything_after_the_first_equals_sign() -> None:
    assert pairs(["text=a=b", " age =7"], "--field") == {"text": "a=b", "age": "7"}
    assert pairs(None, "--field") == {}
    for faulty in ("text", "=x", "text="):
        with pytest.raises(ManifestError, match=f"--field expects NAME=VALUE, got '{faulty}'"):
            pairs([faulty], "--field")


def test_values_without_a_known_type_are_yaml() -> None:
    assert settings_of(["a.b=1e-3", "a.c=[x, 2]", "d=no"]) == {"a": {"b": "1e-3", "c": ["x", 2]}, "d": False}
    with pytest.raises(ManifestError, match="--set a: the value is not YAML"):
        settings_of(["a=[1"])


def test_setting_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ManifestError, match="--set name is given twice, as 'a' and 'b'"):
        settings("csv", "name=a", "name=b")
    assert settings("csv", "name=a", "name=a") == {"name": "a"}
