"""Settings of a synthetic corpus. Next: `corpus/synthetic/factory.py`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from soritune.audio.synthesis.mispronunciations import MispronunciationSettings
from soritune.audio.synthesis.recording import RecordingSettings
from soritune.audio.synthesis.sentences import Part
from soritune.audio.synthesis.styles import Styles
from soritune.audio.synthesis.voices import VoiceSettings
from soritune.settings import Settings


class SynthesisSettings(Settings):
    """Settings of `soritune synthesize`; with the seed they fix every sample of the corpus."""

    seed: int = Field(0, ge=0)
    """Another seed gives other sentences, voices, rooms and noise; parts stay apart whatever the seeds."""
    hours: float = Field(1.0, ge=0)
    """Hours of the part train at least, in whole voices."""
    val_hours: float = Field(0.0, ge=0)
    """The same of val, whose voices and sentences occur neither in train nor in test."""
    test_hours: float = Field(0.0, ge=0)
    """The same of test."""
    utterances_per_voice: int = Field(40, ge=1)
    """Number of utterances of each voice."""
    syllables: float = Field(0.25, ge=0, le=1)
    """Share of utterances that are balanced strings of syllables without a meaning."""
    most_syllables: int = Field(36, ge=2)
    """Longer texts are not used."""
    pauses: float = Field(0.08, ge=0, le=1)
    """Mean share of spaces at which a voice pauses; each voice has its own, up to twice that."""
    linked: float = Field(0.7, ge=0, le=1)
    """Share of utterances whose words are linked, sounds changing over spaces."""
    voices: VoiceSettings = Field(default_factory=VoiceSettings)
    recording: RecordingSettings = Field(default_factory=RecordingSettings)
    mispronunciations: MispronunciationSettings = Field(default_factory=MispronunciationSettings)
    styles: Styles = Field(default_factory=dict)
    """Speaking styles, equally frequent in every voice. Empty: every voice speaks in its own way, without a label."""

    def hours_of_parts(self) -> dict[Part, float]:
        """Part → hours."""
        return {"train": self.hours, "val": self.val_hours, "test": self.test_hours}

    def identity(self) -> dict[str, Any]:
        """The settings that determine the speech: all but the hours. A corpus with the same identity can be resumed.

        Unused mispronunciations and styles are left out, so that corpora from before these settings existed can
        still be resumed.
        """
        unused = {"hours", "val_hours", "test_hours"}
        unused |= {"mispronunciations"} if not self.mispronunciations.rate else set()
        unused |= {"styles"} if not self.styles else set()
        return self.model_dump(mode="json", exclude=unused)
