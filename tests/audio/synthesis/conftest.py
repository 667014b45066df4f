"""What several tests of synthetic speech compare with espeak-ng."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def speaks_exactly() -> Callable[[str], bool]:
    """Whether espeak-ng reports exactly the phonemes that it received."""
    pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
    from soritune.audio.synthesis.espeak import Synthesizer

    synthesizer = Synthesizer()

    def agrees(text: str) -> bool:
        expected = [
            name
            for name in text.translate(str.maketrans("[],.?|", "      ")).split()
            if name not in ("'", "_")
        ]
        spoken = synthesizer.speak_as("language ko\nname x\npitch 80 118\n", text)
        names = [sound.name.strip("',") for sound in spoken.sounds]
        return expected == [name for name in names if name and not name.startswith("_") and name != ";"]

    return agrees
