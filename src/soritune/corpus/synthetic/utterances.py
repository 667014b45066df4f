"""From a spoken line to a row of the manifest. Next: `corpus/synthetic/voice_work.py`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.synthesis.espeak import Synthesizer
from soritune.audio.synthesis.recording import RecordingSettings
from soritune.audio.synthesis.speaking import SAMPLE_RATE_HZ, Line, Speaker, speak_line
from soritune.corpus.utterance import Utterance


def make_utterance(
    root: Path,
    synthesizer: Synthesizer,
    speaker: Speaker,
    line: Line,
    rng: np.random.Generator,
    settings: RecordingSettings,
    babble: NDArray[np.float32] | None = None,
    facts: dict[str, Any] | None = None,
) -> Utterance:
    """Writes the file of one utterance and returns its row.

    Args:
        root, synthesizer, speaker, line, rng, settings, babble: as for `speak_line`.
        facts: further facts for `extra`.

    Raises:
        OutputError: the file cannot be written.
    """
    spoken = speak_line(root, synthesizer, speaker, line, rng, settings, babble)
    errors = line.errors
    return Utterance(
        id=line.id,
        audio=line.audio,
        duration_s=spoken.duration_s,
        sample_rate_hz=SAMPLE_RATE_HZ,
        speaker=speaker.name,
        text=line.text,
        text_source="gold",
        language="ko",
        emotion=line.label,
        gender=spoken.gender,
        script_id=hashlib.sha256(" ".join(line.text.split()).encode()).hexdigest()[:12],
        snr_db=spoken.snr_db,
        source="synthetic",
        extra={"synthetic": True, **(facts or {}), **spoken.facts},
        phones=line.reading.phones if errors is None else errors.phones,
        canonical=None if errors is None else errors.canonical,
        perceived=None if errors is None else errors.perceived,
        error_labels=None if errors is None else errors.labels,
    )
