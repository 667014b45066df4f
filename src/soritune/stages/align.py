"""Audio and its text to times: which phones, syllables and words are spoken when. Next: `assessment/expected.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from soritune.assessment.alignment import viterbi
from soritune.assessment.expected import Expected, expected_of_phones, expected_of_text
from soritune.assessment.timing import DIGITS, Tiers
from soritune.corpus.manifest import Manifest
from soritune.errors import SorituneError, TaskError
from soritune.inference.assessor import phone_spec
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.predictor import Predictor
from soritune.inference.rows import frame_times
from soritune.tasks.specs import OutputSpec


@dataclass(frozen=True, slots=True)
class AlignedClip:
    """A clip with the times of its text, or why it has no times."""

    id: str
    audio: str
    duration_s: float = 0.0
    expected: Expected | None = None
    tiers: Tiers | None = None
    log_probability: float | None = None
    """Mean over the frames of the natural logarithm of the best path's probability."""
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: `id`, `audio`, and either `error` or `duration_s`, `log_probability` and the times."""
        if self.error is not None or self.tiers is None:
            return {"id": self.id, "audio": self.audio, "error": self.error}
        return {
            "id": self.id,
            "audio": self.audio,
            "duration_s": round(self.duration_s, 4),
            "log_probability": self.log_probability,
            **self.tiers.to_json(),
        }


def expected_of_clip(
    posteriors: Posteriors, spec: OutputSpec, blank: int, phones: list[str] | None
) -> Expected:
    """What is expected of a clip: given phones, else those of its text, or of its row.

    Raises:
        TaskError, TextError: the clip has neither, or they cannot be used.
    """
    given = posteriors.outputs[spec.name]
    row_phones = getattr(posteriors.utterance, "phones", None)
    if phones is not None:
        return expected_of_phones(phones, spec.labels, blank)
    if posteriors.prompt:
        return expected_of_text(posteriors.prompt, given, spec.labels, blank)
    if row_phones:
        return expected_of_phones(list(row_phones), spec.labels, blank)
    raise TaskError("the clip has no text; give it with --text, or as the column 'text' of the manifest")


def align_clips(
    predictor: Predictor,
    items: Any,
    *,
    phones: list[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[AlignedClip]:
    """The times of the texts of clips, in order.

    Args:
        predictor: a model with phones.
        items: requests with `text`, or a `Manifest` whose rows have texts or phones.
        phones: of every clip, instead of texts; `|` is between words.
        progress: called with how many more clips are done.

    Raises:
        TaskError: the model gives no phones.
    """
    spec, blank = phone_spec(predictor)
    for done in predictor.posteriors(items, progress=progress):
        if done.error is not None:
            yield AlignedClip(done.id, done.audio, error=done.error)
            continue
        try:
            expected = expected_of_clip(done, spec, blank, phones)
            given = done.outputs[spec.name]
            path = viterbi(given, expected.ids(spec.labels), blank)
        except SorituneError as error:
            yield AlignedClip(done.id, done.audio, error=str(error))
            continue
        tiers = expected.tiers(path, frame_times(done, spec.name))
        mean = round(path.log_probability / len(given), DIGITS)
        yield AlignedClip(done.id, done.audio, done.duration_s, expected, tiers, mean)


def has_texts(items: Any) -> bool:
    """Whether some rows of a manifest have a text or phones; True for requests."""
    return not isinstance(items, Manifest) or any(row.text or row.phones for row in items.utterances())
