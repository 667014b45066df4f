"""Assessments by a predictor: recordings and what should have been said, to answers. Next: `assessment/answer.py`.

The command line, Python and the server all assess by this class, so that their answers are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from soritune.assessment.answer import PhoneOutput, Recording, Request, assess, unreadable
from soritune.assessment.thresholds import Thresholds
from soritune.assessment.variants import AcceptedVariants
from soritune.audio.channels import Float32Array
from soritune.audio.quality import Quality, measure_quality
from soritune.audio.voice_activity import VoiceActivity
from soritune.audio.waveform import read_header
from soritune.bundles.versions import versions
from soritune.errors import AudioError, TaskError
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.clips import Clip
from soritune.inference.model_thresholds import thresholds_of_predictor
from soritune.inference.origin import excerpt
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import SAMPLE_RATE_HZ, LanguageDetector
from soritune.inference.rows import frame_times
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import OutputSpec

Answer = dict[str, Any]
"""See `assessment/answer.py`, with `models`, `soritune`, `speaker` and `date`."""
DATES = ("date", "날짜")
"""Names of a further field of a row that states when it was spoken."""
NOTICE = "not validated on learners of Korean; no corpus of them was available"


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured in the samples of a recording before its output is judged."""

    quality: Quality
    speech_s: float | None
    """Seconds of speech; None if it was not looked for."""
    language: tuple[str, float] | None
    """Code and probability of the language; None if it was not detected."""
    lossy_codec: str | None = None
    """Of the file; None for samples, lossless and unknown codecs."""


class Assessor:
    """Assesses what a predictor recognised.

    Args:
        predictor: a model with phones.
        thresholds: what counts as an error; None takes those of the model.
        variants: further accepted pronunciations.
        detector: of the language of the speech; None detects none.
        finder: of speech; None looks for none.

    Raises:
        TaskError: the model gives no phones, or has no thresholds.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        thresholds: Thresholds | None = None,
        variants: AcceptedVariants | None = None,
        detector: LanguageDetector | None = None,
        finder: VoiceActivity | None = None,
    ) -> None:
        self.spec, self.blank = phone_spec(predictor)
        self.thresholds = thresholds or thresholds_of_predictor(predictor)
        self.variants, self.detector, self.finder = variants, detector, finder
        self._model = _model(predictor, detector)

    def measure(self, samples: Float32Array, clip: Clip | None = None) -> Measures:
        """Measures (samples,) at `SAMPLE_RATE_HZ` and the level that they were recorded at.

        Args:
            samples: of the clip.
            clip: where they come from, for the codec of its file; None if that is not known.
        """
        return Measures(
            measure_quality(samples, SAMPLE_RATE_HZ),
            None if self.finder is None else self.finder.find(samples, SAMPLE_RATE_HZ).speech_s(),
            None if self.detector is None else self.detector.detect_language(samples),
            None if clip is None else _lossy_codec(clip),
        )

    def answer(self, done: Posteriors, measures: Measures, phones: Sequence[str] | None = None) -> Answer:
        """The answer for a recording.

        Args:
            done: of the predictor.
            measures: of the same recording.
            phones: instead of its text; `|` is between words.

        Raises:
            TaskError: the model lacks some of the phones that are expected.
        """
        if done.error is not None:
            return self.unreadable(done, done.error, phones)
        recording = Recording(
            done.id,
            done.audio,
            done.duration_s,
            measures.quality,
            measures.speech_s,
            measures.language,
            measures.lossy_codec,
        )
        output = PhoneOutput(
            done.outputs[self.spec.name], self.spec.labels, self.blank, frame_times(done, self.spec.name)
        )
        request = request_of(done, phones)
        return self._facts(done) | assess(request, recording, output, self.thresholds, variants=self.variants)

    def unreadable(self, done: Posteriors, reason: str, phones: Sequence[str] | None = None) -> Answer:
        """The answer for a recording that could not be read."""
        recording = Recording(done.id, done.audio, done.duration_s)
        return self._facts(done) | unreadable(request_of(done, phones), recording, self.thresholds, reason)

    def _facts(self, done: Posteriors) -> Answer:
        return self._model | _speaker(done)


def request_of(done: Posteriors, phones: Sequence[str] | None) -> Request:
    """What the speaker was asked to say: given phones, else the clip's text, else the phones of its row."""
    if phones is not None:
        return Request(phones=phones)
    if done.prompt:
        return Request(text=done.prompt)
    row_phones = getattr(done.utterance, "phones", None)
    return Request(phones=list(row_phones)) if row_phones else Request()


def phone_spec(predictor: Predictor) -> tuple[OutputSpec, int]:
    """The output with phones, and the index of its blank.

    Raises:
        TaskError: no task of the model gives phones.
    """
    for task in predictor.tasks:
        if task.phone_output is not None:
            spec = predictor.outputs[task.phone_output]
            blank = objective_of(spec).blank_of(spec)
            if blank is not None:
                return spec, blank
    names = ", ".join(task.name for task in predictor.tasks)
    raise TaskError(f"no task of the model ({names}) gives phones; name a model that does with --bundle")


def _lossy_codec(clip: Clip) -> str | None:
    if clip.path is None:
        return None
    try:
        return read_header(clip.path, pcm=clip.pcm).lossy_codec
    except AudioError:  # it was read; its header alone may still be at fault
        return None


def _speaker(done: Posteriors) -> Answer:
    """Who spoke and when, of a row that states it (`speaker`, and one of `DATES` among its further fields)."""
    row = done.utterance
    date = None if row is None else next((row.extra[name] for name in DATES if name in row.extra), None)
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
        "notice": NOTICE,
    }
