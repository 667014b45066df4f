"""Recordings with what should have been said, to the answers of `soritune assess`. Next: `inference/assessor.py`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from soritune.assessment.limits import TOO_LARGE, Stopped, limited
from soritune.audio.channels import Float32Array
from soritune.errors import AudioError, TaskError
from soritune.inference.assessor import Answer, Assessor, Measures
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import LanguageDetector, read_clip
from soritune.serving.faults import RequestError, stopping
from soritune.serving.models import Reading, ServedModel, ServedModels
from soritune.serving.uploads import Upload, clip_of, fault_of

MOST_CHARACTERS = 2000
"""Of a text or of phones."""
MOST_SECONDS = 120.0
"""Of a recording, or less if the server allows less."""
MOST_CELLS = 12_000_000
"""Frames of a recording × phones and word boundaries of its text. An assessment takes about 1 µs of a core for each."""


class Assessments:
    """Assesses recordings by the models of a server that have phones and thresholds.

    Args:
        models: of the server; its recogniser of words, if it has one, also detects the language.
    """

    def __init__(self, models: ServedModels) -> None:
        self.models = models
        self._start()
        detector = None if models.recogniser is None else _OneAtATime(models.recogniser)
        self._assessors: dict[str, Assessor] = {}
        self._faults: dict[str, str] = {}
        for model in models:
            if model.has_phones:
                try:
                    self._assessors[model.name] = _assessor(model.predictor, detector)
                except TaskError as error:
                    self._faults[model.name] = str(error)

    @property
    def names(self) -> list[str]:
        """Of the models that assess."""
        return list(self._assessors)

    def named(self, name: str | None) -> ServedModel:
        """The model that a request names, or the first one that assesses.

        Raises:
            RequestError: 404, no such model; 400, it does not assess, with the reason.
        """
        if not name and not self._assessors and self._faults:
            name = next(iter(self._faults))
        if name in self._faults:
            fault = f"the model {name} does not answer this route: {self._faults[name]}"
            raise RequestError(400, fault, "model-unfit")
        return self.models.named(name, lambda model: model.name in self._assessors)

    async def answer(self, model: ServedModel, upload: Upload, phones: Sequence[str] | None) -> Answer:
        """The answer for an upload and its text, or for given phones. If the caller is cancelled, the work stops.

        Raises:
            RequestError: the upload cannot be used, its text is too long for it, the model lacks some of the phones, or
                the server is stopping.
        """
        assessor, loop = self._assessors[model.name], asyncio.get_running_loop()
        reading, measures = await loop.run_in_executor(self.models.readers, self._read, model, upload)
        done = await model.outputs_of(reading)
        left, closing = threading.Event(), self._closing

        def work() -> Answer:
            with limited(MOST_CELLS, lambda: left.is_set() or closing.is_set()):
                return _answer(assessor, done, measures, phones)

        try:
            return await loop.run_in_executor(self._threads, work)
        finally:
            left.set()

    def close(self) -> None:
        """Stops what is running and waiting; a later request is answered again."""
        self._closing.set()
        self._threads.shutdown(cancel_futures=True)
        self._start()

    def _start(self) -> None:
        self._closing = threading.Event()
        # Long alignments hold up one another, and no other route.
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="soritune-assess")

    def _read(self, model: ServedModel, upload: Upload) -> tuple[Reading, Measures]:
        limit = min(model.settings.max_seconds, MOST_SECONDS)
        with clip_of(upload, limit) as clip:
            reading = model.read_clip(clip)
            try:
                return reading, self._assessors[model.name].measure(read_clip(clip), clip)
            except AudioError as error:
                raise fault_of(error, limit) from None


class _OneAtATime:
    """The recogniser of a server as a detector of languages, for several threads."""

    def __init__(self, detector: Any) -> None:
        self.name: str = detector.name
        self._detector: LanguageDetector = detector
        self._lock = threading.Lock()

    def detect_language(self, samples: Float32Array) -> tuple[str, float]:
        with self._lock:
            return self._detector.detect_language(samples)


def _assessor(predictor: Predictor, detector: LanguageDetector | None) -> Assessor:
    return Assessor(predictor, detector=detector, finder=predictor.vad)


def _answer(assessor: Assessor, done: Posteriors, measures: Measures, phones: Sequence[str] | None) -> Answer:
    try:
        return assessor.answer(done, measures, phones)
    except Stopped:  # a client that left is not answered
        raise stopping() from None
    except TaskError as error:
        if error.kind == TOO_LARGE:
            raise RequestError(413, str(error), error.kind) from None
        raise RequestError(422, str(error), "phones-unknown") from None
