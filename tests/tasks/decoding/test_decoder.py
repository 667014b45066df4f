"""What every decoder shares: how it is named, its settings, and what is kept of its symbols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from tests.conftest import MUTE_DECODER

from soritune.errors import TaskError, UnknownNameError
from soritune.registry import members
from soritune.tasks.decoding.decoder import Decoded, Decoder, DecoderSettings, make_decoder, record_of
from soritune.tasks.decoding.greedy import GreedyDecoder


class WidthSettings(DecoderSettings):
    width: int = 8


class Wide(Decoder):
    """Reads nothing, whatever the width."""

    name: ClassVar[str] = "wide"
    Settings: ClassVar[type[DecoderSettings]] = WidthSettings

    def decode(self, log_probabilities: np.ndarray, labels: Sequence[str], blank: int) -> Decoded:
        return GreedyDecoder().decode(log_probabilities[:0], labels, blank)


@pytest.fixture
def mute(external_package: Callable[[str, str, str], Path]) -> None:
    """The decoder `mute`, with the setting `keep`, is a member from another package."""
    external_package("soritune.tasks.decoding", "mute", MUTE_DECODER)


def decoded() -> Decoded:
    return Decoded(
        ("a", "[UNK]", "b"),
        np.log(np.array([0.5, 0.1, 0.8], dtype=np.float32)),
        np.array([1, 4, 6]),
        np.array([2, 4, 9]),
    )


def test_dropped_symbols_are_removed_with_frames_and_confidence() -> None:
    kept = decoded().without({"[UNK]"})
    assert kept.symbols == ("a", "b")
    assert (kept.first_frames.tolist(), kept.last_frames.tolist()) == ([1, 6], [2, 9])
    assert kept.confidence == pytest.approx(0.65, abs=1e-6)
    assert decoded().confidence == pytest.approx(1.4 / 3, abs=1e-6)
    assert decoded().without({"a", "b", "[UNK]"}).confidence == 0.0


def test_every_member_has_its_files_name_and_survives_json() -> None:
    known = members("soritune.tasks.decoding", "DECODER")
    assert "greedy" in known and "decoder" not in known
    for name, kind in known.items():
        decoder = make_decoder(name)
        assert (type(decoder), decoder.name) == (kind, name)
        assert make_decoder(decoder.to_json()).to_json() == decoder.to_json()


def test_decoder_is_made_from_a_name_a_mapping_or_a_decoder(mute: None) -> None:
    assert make_decoder("mute").to_json() == {"name": "mute", "keep": 0}
    assert make_decoder({"name": "mute", "keep": 3}).to_json() == {"name": "mute", "keep": 3}
    decoder = Wide(WidthSettings(width=2))
    assert make_decoder(decoder) is decoder
    assert make_decoder(None).name == "greedy"


def test_only_the_greedy_decoder_has_no_record() -> None:
    assert record_of(GreedyDecoder()) is None
    assert record_of(Wide()) == {"name": "wide", "width": 8}


def test_invalid_decoders_are_refused(mute: None) -> None:
    with pytest.raises(UnknownNameError, match="unknown decoder 'gredy'; known: greedy, mute; did you mean"):
        make_decoder("gredy")
    with pytest.raises(TaskError, match="decoder 'mute': kep: unknown key; did you mean 'keep'"):
        make_decoder({"name": "mute", "kep": 3})
    with pytest.raises(TaskError, match="decoder 'mute': keep: must be a whole number"):
        make_decoder({"name": "mute", "keep": "many"})
    for strange in ({"keep": 3}, 7):
        with pytest.raises(TaskError, match="does not name a decoder; give a name such as 'greedy'"):
            make_decoder(strange)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (MUTE_DECODER, "the decoder 'other' calls itself 'mute'"),
        ("DECODER = 5\n", "'other' of soritune.tasks.decoding is 5; it must be a subclass of Decoder"),
    ],
)
def test_member_that_is_not_a_decoder_or_has_another_name_is_refused(
    source: str, message: str, external_package: Callable[[str, str, str], Path]
) -> None:
    external_package("soritune.tasks.decoding", "other", source)
    with pytest.raises(TaskError, match=message):
        make_decoder("other")
