"""The gain of a microphone at its seven frequencies and the ends of its band are those drawn."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.microphone import MicrophoneResponse
from soritune.draws import Draws

RATE = 32000  # so that the spectrum contains 8 kHz
FREQUENCIES_HZ = (60, 150, 400, 1000, 2400, 5000, 8000)
FLAT = {"probability": 1.0, "deviation_db": 0.0, "low_hz": (1.0, 1.0), "narrow_share": 0.0}


def gains_db(
    visit: int, hertz: tuple[float, ...], **changes: object
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Measured gain of a click at each frequency, and what was drawn."""
    microphone, draws = MicrophoneResponse.model_validate({**FLAT, **changes}), Draws(0, 0, 0)
    click = np.zeros(2 * RATE, np.float32)
    click[RATE] = 1.0
    drawn = microphone.draw(draws.for_rows("microphone", np.array([visit])))
    response = Chain({"microphone": microphone}).apply(click, RATE, visit, draws)
    spectrum = np.abs(np.fft.rfft(response))  # a bin is 0.5 Hz
    measured = [20 * np.log10(spectrum[round(2 * frequency)]) for frequency in hertz]
    return np.array(measured), {name: values[0] for name, values in drawn.items()}


@pytest.mark.parametrize("visit", range(8))
def test_response_at_the_seven_frequencies_is_the_one_drawn(visit: int) -> None:
    measured, drawn = gains_db(visit, FREQUENCIES_HZ, deviation_db=4.0)
    assert measured == pytest.approx(drawn["response_db"], abs=0.2)
    assert np.abs(drawn["response_db"]).max() > 1


def test_band_is_3_db_down_at_its_ends() -> None:
    (low, mid, high), _ = gains_db(
        0, (100.0, 800.0, 3400.0), low_hz=(100.0, 100.0), narrow_share=1.0, high_hz=(3400.0, 3400.0)
    )
    assert (low, mid, high) == pytest.approx((-3.01, 0.0, -3.01), abs=0.1)
    (beyond,), _ = gains_db(0, (6800.0,), narrow_share=1.0, high_hz=(3400.0, 3400.0))
    assert beyond < -20  # an octave above, at 24 dB an octave or more


def test_sounds_keep_their_time() -> None:
    click = np.zeros(RATE, np.float32)
    click[12345] = 1.0
    microphone = MicrophoneResponse(probability=1.0)
    for visit in range(5):
        filtered = Chain({"microphone": microphone}).apply(click, RATE, visit, Draws(0, 0, 0))
        assert int(np.abs(filtered).argmax()) == 12345


def test_draws_have_the_stated_spread_and_share() -> None:
    microphone = MicrophoneResponse(deviation_db=4.0, narrow_share=0.35)
    drawn = microphone.draw(Draws(0, 0, 0).for_rows("microphone", np.arange(4000)))
    assert drawn["response_db"].shape == (4000, 7)
    assert drawn["response_db"].std() == pytest.approx(4.0, abs=0.1)
    # 99 % of binomial shares of 4000 at 0.35 lie within 0.0195.
    assert np.mean(drawn["high_hz"] < 8000) == pytest.approx(0.35, abs=0.0195)
    assert set(drawn["slope"].tolist()) == {2, 3, 4, 5, 6, 7, 8}


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="within 1000 and 8000"):
        MicrophoneResponse(high_hz=(3400.0, 9000.0))
    with pytest.raises(ValidationError, match="less than or equal to 20"):
        MicrophoneResponse(deviation_db=30)
