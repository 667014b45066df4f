"""What all settings of sources have in common."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from soritune.corpus.reading.source_config import SourceConfig


class Config(SourceConfig):
    names: tuple[str, ...] = ()
    name: str | None = None
    numbers: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("given", "names"), [("a.csv", ("a.csv",)), (7, ("7",)), (["a", 1], ("a", "1")), ([], ()), ("", ("",))]
)
def test_single_text_is_a_tuple_of_one(given: Any, names: tuple[str, ...]) -> None:
    assert Config(names=given).names == names


def test_number_is_taken_as_text() -> None:
    assert Config(name=3).name == "3"  # type: ignore[arg-type]


def test_single_number_is_not_a_tuple_of_numbers() -> None:
    with pytest.raises(ValidationError):
        Config(numbers=1)  # type: ignore[arg-type]


def test_unknown_and_wrong_settings_are_refused_also_later() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Config(colour=1)  # type: ignore[call-arg]
    config = Config()
    with pytest.raises(ValidationError):
        config.names = {"a": 1}  # type: ignore[assignment]
    config.names = "a"  # type: ignore[assignment]
    assert config.names == ("a",)
