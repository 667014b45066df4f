"""Families of encoders from other packages: a broken one is ignored, two of the same model type are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from soritune.errors import ModelError
from soritune.models.encoders.encoder import PACKAGE, families, family_of, model_type_of

FAMILY = """
from soritune.models.encoders.wav2vec2.family import Wav2Vec2Family


class Other(Wav2Vec2Family):
    model_types = ({types},)


ENCODER = Other()
"""


def test_broken_family_is_reported_only_for_an_unknown_type(
    external_package: Callable[[str, str, str], Path],
) -> None:
    before = families()
    external_package(PACKAGE, "bands", "import a_module_that_is_not_installed\n\nENCODER = None\n")
    external_package(PACKAGE, "digits", "ENCODER = 5\n")
    assert families() == before
    assert family_of("wavlm", "x") is before["wavlm"]
    assert model_type_of({"architectures": ["HubertForCTC"]}) == "hubert"
    with pytest.raises(
        ModelError, match=r"type 'bands'; soritune takes .*external_bands.*cannot be imported"
    ):
        family_of("bands", "some/where")


def test_model_type_of_two_families_is_refused(
    external_package: Callable[[str, str, str], Path],
) -> None:
    external_package(PACKAGE, "one", FAMILY.format(types='"bands", "ears"'))
    external_package(PACKAGE, "two", FAMILY.format(types='"bands", "hubert"'))
    for model_type, packages in (
        ("bands", "external_two and external_one|external_one and external_two"),
        ("hubert", "soritune and external_two"),
    ):
        with pytest.raises(ModelError, match=f"several packages bring a family of encoders: ({packages});"):
            family_of(model_type, "some/where")
        assert model_type not in families()
    assert family_of("ears", "x").model_types == ("bands", "ears")
    assert family_of("wavlm", "x").model_types == ("wav2vec2", "hubert", "wavlm")
