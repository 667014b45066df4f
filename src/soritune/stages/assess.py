"""Audio and what should have been said, to an assessment of the pronunciation. Next: `assessment/answer.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from soritune.assessment.answer import PhoneOutput, Recording, Request, assess, unreadable
from soritune.assessment.thresholds import Thresholds
from soritune.assessment.variants import Variants
from soritune.audio.channels import Float32Array
from soritune.audio.quality import measure_quality
from soritune.audio.voice_activity import VadName, voice_activity
from soritune.bundles.versions import versions
from soritune.errors import AudioError
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.clips import clips_of
from soritune.inference.origin import excerpt
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import SAMPLE_RATE_HZ, LanguageDetector, read_clip
from soritune.inference.rows import frame_times
from soritune.stages.align import phone_spec
from soritune.stages.assessment_thresholds import thresholds_of_predictor

Answer = dict[str, Any]
"""See `assessment/answer.py`, with `model`, `versions` and `detector`."""


def assess_clips(
    predictor: Predictor,
    items: Any,
    *,
    phones: list[str] | None = None,
    thresholds: Thresholds | None = None,
    variants: Variants | None = None,
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
    spec, blank = phone_spec(predictor)
    limits = thresholds or thresholds_of_predictor(predictor)
    model = _model(predictor, detector)
    finder = voice_activity(vad)
    items = list(items) if isinstance(items, Iterator) else items  # it is read twice
    clips = clips_of(items, None)
    for clip, done in zip(clips, predictor.posteriors(items, progress=progress), strict=True):
        request = _request(done, phones)
        facts = model | _speaker(done)
        recording = Recording(done.id, done.audio, done.duration_s)
        if done.error is not None:
            yield facts | unreadable(request, recording, limits, done.error)
            continue
        try:
            samples = read_clip(clip)
        except AudioError as error:
            yield facts | unreadable(request, recording, limits, error.reason)
            continue
        if listen is not None:
            listen(done.id, samples)
        recording = replace(
            recording,
            quality=measure_quality(samples, SAMPLE_RATE_HZ),
            speech_s=None if finder is None else finder.find(samples, SAMPLE_RATE_HZ).speech_s(),
            language=None if detector is None else detector.detect_language(samples),
        )
        output = PhoneOutput(done.outputs[spec.name], spec.labels, blank, frame_times(done, spec.name))
        yield facts | assess(request, recording, output, limits, variants=variants)


def _request(done: Posteriors, phones: list[str] | None) -> Request:
    if phones is not None:
        return Request(phones=phones)
    if done.prompt:
        return Request(text=done.prompt)
    row_phones = getattr(done.utterance, "phones", None)
    return Request(phones=list(row_phones)) if row_phones else Request()


def _speaker(done: Posteriors) -> Answer:
    """Who spoke and when, of a row that states it (`speaker`, and `date` among its further fields)."""
    row = done.utterance
    date = None if row is None else row.extra.get("date")
    return {"speaker": None if row is None else row.speaker, "date": None if date is None else str(date)}


def _model(predictor: Predictor, detector: LanguageDetector | None) -> Answer:
    """What assessed: the models with their checksums, and the version of soritune."""
    models = []
    for member in predictor.members:
        record = excerpt(member)
        models.append({name: record.get(name) for name in ("name", "folder", "sha256", "created")})
    return {
        "soritune": versions().get("soritune"),
        "models": models,
        "language_detector": None if detector is None else detector.name,
        "validated": False,
        "notice": "not validated on learners of Korean; no corpus of them was available",
    }
