"""Audio and what should have been said, to an assessment of the pronunciation. Next: `inference/assessor.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from soritune.assessment.thresholds import Thresholds
from soritune.assessment.variants import AcceptedVariants
from soritune.audio.channels import Float32Array
from soritune.audio.voice_activity import VadName, voice_activity
from soritune.errors import AudioError
from soritune.inference.assessor import Answer, Assessor
from soritune.inference.clips import clips_of
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import LanguageDetector, read_clip


def assess_clips(
    predictor: Predictor,
    items: Any,
    *,
    phones: list[str] | None = None,
    thresholds: Thresholds | None = None,
    variants: AcceptedVariants | None = None,
    detector: LanguageDetector | None = None,
    vad: VadName = "auto",
    progress: Callable[[float], None] | None = None,
    listen: Callable[[str, Float32Array], None] | None = None,
) -> Iterator[Answer]:
    """The answers for clips, in order; a clip in a batch gets the same answer as alone.

    Args:
        predictor: a model with phones.
        items: requests with `text`, or a `Manifest` whose rows have texts or phones.
        phones: of every clip, instead of texts; `|` is between words.
        thresholds: what counts as an error; None takes those of the model.
        variants: further accepted pronunciations.
        detector: of the language of the speech; None detects none.
        vad: what finds speech.
        progress: called with how many more clips are done.
        listen: called with the id and the samples, at 16 kHz, of each clip that could be read.

    Raises:
        TaskError: the model gives no phones, or lacks some of those that are expected, or has no thresholds.
    """
    assessor = Assessor(
        predictor, thresholds=thresholds, variants=variants, detector=detector, finder=voice_activity(vad)
    )
    items = list(items) if isinstance(items, Iterator) else items  # it is read twice
    clips = clips_of(items, None)
    for clip, done in zip(clips, predictor.posteriors(items, progress=progress), strict=True):
        if done.error is not None:
            yield assessor.unreadable(done, done.error, phones)
            continue
        try:
            samples = read_clip(clip)
        except AudioError as error:
            yield assessor.unreadable(done, error.reason, phones)
            continue
        if listen is not None:
            listen(done.id, samples)
        yield assessor.answer(done, assessor.measure(samples, clip), phones)
