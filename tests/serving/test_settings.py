from __future__ import annotations

import pytest

from soritune.errors import SorituneError
from soritune.serving.settings import ENVIRONMENT, ServeSettings, settings_in


def test_settings_survive_the_environment_of_a_worker() -> None:
    settings = ServeSettings(models=("a=/x", "b"), max_seconds=12.5, cors=("https://example.org",), workers=2)
    assert settings_in(settings.environment()) == settings


def test_defaults_without_the_variable() -> None:
    assert settings_in({}) == ServeSettings()


@pytest.mark.parametrize("text", ["{", "[]", '{"max_second": 1}', '{"max_seconds": -1}', "[" * 100_000])
def test_faulty_variable_is_one_sentence(text: str) -> None:
    with pytest.raises(SorituneError, match=ENVIRONMENT):
        settings_in({ENVIRONMENT: text})


def test_emotions_are_off_by_default() -> None:
    assert not ServeSettings().enable_emotion
