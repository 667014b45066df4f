"""--decoder and --decoder-set give a decoder with its settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import MUTE_DECODER

from soritune.cli.decoder_options import chosen_decoder
from soritune.errors import ManifestError, TaskError, UnknownNameError


def test_a_decoder_without_settings_is_made_by_its_name() -> None:
    assert chosen_decoder("greedy", None).to_json() == {"name": "greedy"}


def test_values_are_read_as_yaml(external_package: Callable[[str, str, str], Path]) -> None:
    external_package("soritune.tasks.decoding", "mute", MUTE_DECODER)
    assert chosen_decoder("mute", ["keep=7"]).to_json() == {"name": "mute", "keep": 7}


def test_faulty_options_are_refused(external_package: Callable[[str, str, str], Path]) -> None:
    external_package("soritune.tasks.decoding", "mute", MUTE_DECODER)
    with pytest.raises(UnknownNameError, match="unknown decoder 'greedi'.*did you mean 'greedy'"):
        chosen_decoder("greedi", None)
    with pytest.raises(TaskError, match="decoder 'mute': kep: unknown key; did you mean 'keep'"):
        chosen_decoder("mute", ["kep=7"])
    with pytest.raises(ManifestError, match="--decoder-set expects NAME=VALUE, got 'keep'"):
        chosen_decoder("mute", ["keep"])
