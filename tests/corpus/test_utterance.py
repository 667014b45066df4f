"""The row that all parts work on: its prompt, and the fields that other modules list."""

from __future__ import annotations

import dataclasses

import pytest

from soritune.corpus.utterance import FIELDS, REQUIRED_FIELDS, Utterance


def utterance(**known: object) -> Utterance:
    return Utterance(id="a", audio="a.wav", duration_s=1.0, **known)  # type: ignore[arg-type]


def test_script_is_the_id_of_the_prompt_before_its_text() -> None:
    assert utterance(script_id="p1", text="가 나").script == "p1"
    assert utterance(script_id="", text="가 나").script == ""  # an empty id is an id


@pytest.mark.parametrize(
    ("text", "script"), [("  가\t나\n다 ", "가 나 다"), ("가", "가"), ("", None), (None, None)]
)
def test_script_without_an_id_is_the_text_with_single_spaces(text: str | None, script: str | None) -> None:
    assert utterance(text=text).script == script


def test_only_the_required_fields_have_no_default() -> None:
    without_default = [
        field.name
        for field in dataclasses.fields(Utterance)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    assert tuple(without_default) == REQUIRED_FIELDS
    assert set(REQUIRED_FIELDS) < set(FIELDS) and "script" not in FIELDS


def test_utterance_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        utterance().text = "다른 글"  # type: ignore[misc]
