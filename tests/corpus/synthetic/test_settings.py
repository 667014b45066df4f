"""Settings of a synthetic corpus: what identifies it, and the hours of its parts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from soritune.corpus.synthetic.settings import SynthesisSettings


def test_hours_are_not_part_of_the_identity() -> None:
    few, many = SynthesisSettings(hours=1), SynthesisSettings(hours=10, val_hours=2, test_hours=3)
    assert few.identity() == many.identity()
    assert many.hours_of_parts() == {"train": 10, "val": 2, "test": 3}


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 1},
        {"utterances_per_voice": 41},
        {"syllables": 0.3},
        {"pauses": 0.1},
        {"recording": {"room": 0.1}},
    ],
)
def test_every_other_setting_is_part_of_the_identity(settings: dict[str, object]) -> None:
    assert SynthesisSettings(**settings).identity() != SynthesisSettings().identity()  # type: ignore[arg-type]


def test_unused_errors_and_styles_are_not_part_of_the_identity() -> None:
    assert not {"mispronunciations", "styles"} & SynthesisSettings().identity().keys()
    without_rate = SynthesisSettings(mispronunciations={"rate": 0.0, "fluent": 0.9})  # type: ignore[arg-type]
    assert without_rate.identity() == SynthesisSettings().identity()
    used = SynthesisSettings(mispronunciations={"rate": 0.1}, styles=["Kind"])  # type: ignore[arg-type]
    assert {"mispronunciations", "styles"} <= used.identity().keys()


@pytest.mark.parametrize("bad", [{"hours": -1}, {"utterances_per_voice": 0}, {"colour": 1}, {"linked": 1.5}])
def test_faulty_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SynthesisSettings(**bad)  # type: ignore[arg-type]
