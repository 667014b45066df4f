"""The models of a server: each is one predictor behind a queue, and answers by its name. Next: `serving/routes.py`."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.bundles.packaged import packaged_name
from soritune.bundles.read import load_bundle
from soritune.errors import AudioError, BundleError, SorituneError, TaskError
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.clip_reading import ReadClip
from soritune.inference.clips import Clip
from soritune.inference.predictions import Row
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import RecognisedText, Recogniser, recognise_clip
from soritune.run_folder import choose_bundle
from soritune.serving.answers import BLANK_OPTION, EMOTION, PHONES, Answer, symbols_of
from soritune.serving.batching import MicroBatcher
from soritune.serving.faults import RequestError, stopping
from soritune.serving.settings import EMOTION_IS_OFF, ServeSettings
from soritune.serving.uploads import NAME, Upload, clip_of, fault_of


class Reading(NamedTuple):
    """A clip that was read, and waits for its batch."""

    clip: Clip
    read: ReadClip
    needs_outputs: bool = False
    """Whether the batch gives its outputs instead of the answer of its tasks."""


Result = Answer | Posteriors | RequestError
"""What the queue has for a reading."""


class ServedModel:
    """One model.

    Args:
        name: by which requests choose it.
        predictor: runs it.
        settings: limits, and whether emotions are inferred.
        observe: is called with the number of clips of each batch.
        readers: threads that read uploads for `answer`.

    Raises:
        BundleError: no task of the model is served.
    """

    def __init__(
        self,
        name: str,
        predictor: Predictor,
        settings: ServeSettings,
        *,
        observe: Callable[[str, int], None] = lambda name, count: None,
        readers: Executor | None = None,
    ) -> None:
        self.name, self.predictor, self.settings = name, predictor, settings
        self.tasks = tuple(
            task.name for task in predictor.tasks if settings.enable_emotion or task.name not in EMOTION
        )
        """Tasks that are answered."""
        if not self.tasks:
            raise BundleError(f"the model {name} has no task that is served: {EMOTION_IS_OFF}")
        self._readers, self._observe = readers, observe
        self._batcher: MicroBatcher[Reading, Result] | None = None
        self._starting = threading.Lock()
        self._over_time = ThreadPoolExecutor(max_workers=1, thread_name_prefix="soritune-windows")

    @property
    def has_phones(self) -> bool:
        """Whether it answers `/v1/phonemes`."""
        return PHONES in self.tasks

    @property
    def has_emotion(self) -> bool:
        """Whether it answers `/v1/emotion`."""
        return any(name in EMOTION for name in self.tasks)

    def read(self, upload: Upload) -> Reading:
        """Decodes an upload. Takes the time of reading a file; call it in a thread.

        Raises:
            RequestError: it cannot be used.
        """
        with clip_of(upload, self.settings.max_seconds) as clip:
            return self.read_clip(clip)

    def read_clip(self, clip: Clip) -> Reading:
        """The same for a clip that can be read now.

        Raises:
            RequestError: it cannot be used.
        """
        limit = self.settings.max_seconds
        try:
            read = self.predictor.read(clip)
        except AudioError as error:
            raise fault_of(error, limit) from None
        if read.error is not None:
            raise fault_of(AudioError(clip.audio, read.error), limit)
        return Reading(clip, read)

    def run(self, batch: Sequence[Reading]) -> list[Answer | RequestError]:
        """The answers of a batch."""
        return [self._answer(each) for each in self._outputs(batch)]

    def answer_now(self, upload: Upload) -> Answer:
        """The answer without a queue, for programs that serve one request at a time.

        Raises:
            RequestError: the upload cannot be used.
        """
        return _given(self.run([self.read(upload)])[0])

    async def answer(self, upload: Upload) -> Answer:
        """The answer by the queue; if the caller is cancelled, so is its place in it.

        Raises:
            RequestError: the upload cannot be used, or the server is stopping.
        """
        loop = asyncio.get_running_loop()
        reading = await loop.run_in_executor(self._readers, self.read, upload)
        answer = await self._queued(reading)
        assert not isinstance(answer, Posteriors)
        return _given(answer)

    async def outputs_of(self, reading: Reading) -> Posteriors:
        """The outputs of a clip by the queue, for other ways to judge them than its tasks.

        Raises:
            RequestError: the server is stopping.
        """
        done = await self._queued(reading._replace(needs_outputs=True))
        assert isinstance(done, Posteriors)
        return done

    async def answer_over_time(
        self, upload: Upload, window_s: float, hop_s: float, min_speech_s: float | None = None
    ) -> Answer:
        """The answer with a result for every window of the recording, one request at a time.

        Raises:
            RequestError: the upload cannot be used, or the model does not take such windows.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._over_time, self._answer_over_time, upload, window_s, hop_s, min_speech_s
        )

    def close(self) -> None:
        """Runs what is waiting, and ends the thread of the queue; a later request starts another one."""
        with self._starting:
            batcher, self._batcher = self._batcher, None
        if batcher is not None:
            batcher.close()

    def _answer_over_time(
        self, upload: Upload, window_s: float, hop_s: float, min_speech_s: float | None
    ) -> Answer:
        try:
            predictor = Predictor(
                self.predictor.members,
                vad=self.settings.vad,
                window_s=window_s,
                hop_s=hop_s,
                min_speech_s=min_speech_s,
            )
        except TaskError as error:
            raise RequestError(422, str(error), "window") from None
        limit = self.settings.max_seconds
        with clip_of(upload, limit) as clip:
            (row,) = predictor.predict_clips([clip])
        if "error" in row:
            raise fault_of(AudioError(NAME, row["error"]), limit)
        return Answer(self.name, self._shown(row), {})

    async def _queued(self, reading: Reading) -> Result:
        try:
            waiting = self._queue().submit(reading, reading.read.duration_s)
        except RuntimeError:
            raise stopping() from None
        return await asyncio.wrap_future(waiting)

    def _outputs(self, batch: Sequence[Reading]) -> list[Posteriors]:
        return self.predictor.run([each.clip for each in batch], [each.read for each in batch])

    def _run_queued(self, batch: Sequence[Reading]) -> list[Result]:
        return [
            done if each.needs_outputs else self._answer(done)
            for each, done in zip(batch, self._outputs(batch), strict=True)
        ]

    def _queue(self) -> MicroBatcher[Reading, Result]:
        with self._starting:
            if self._batcher is None:
                budget = self.settings.batch_seconds or self.predictor.padded_seconds
                self._batcher = MicroBatcher(
                    self._run_queued, budget, lambda count: self._observe(self.name, count)
                )
            return self._batcher

    def _answer(self, posteriors: Posteriors) -> Answer | RequestError:
        row = self.predictor.row(posteriors)
        if "error" in row:
            return RequestError(422, f"the recording cannot be predicted: {row['error']}", "not-predicted")
        shown = self._shown(row)
        symbols = {
            spec.name: symbols_of(posteriors, spec, self.predictor.decoder)
            for task in self.predictor.tasks
            if task.name in shown["tasks"]
            for spec in task.outputs
            if spec.per_frame and BLANK_OPTION in spec.options and spec.name in posteriors.outputs
        }
        return Answer(self.name, shown, symbols)

    def _shown(self, row: Row) -> Row:
        """A row with the tasks that are served."""
        shown = {**row, "tasks": {name: each for name, each in row["tasks"].items() if name in self.tasks}}
        windows = [
            {**window, "tasks": {name: each for name, each in window["tasks"].items() if name in self.tasks}}
            for window in shown.pop("windows", ())
        ]
        segments = {name: each for name, each in shown.pop("segments", {}).items() if name in self.tasks}
        # Windows in which no speech was found have no task; those of tasks that are not served are left out.
        has_labels = any(window["tasks"] for window in windows)
        if has_labels or (windows and shown["tasks"] and not any(each["tasks"] for each in row["windows"])):
            shown["windows"] = windows
        return {**shown, "segments": segments} if segments else shown


class ServedModels:
    """All models of a server, and its recogniser of words.

    Args:
        models: the first one answers requests that name no model.
        settings: of the server.
        recogniser: of words; None without one.
        readers: threads that read uploads.
    """

    def __init__(
        self,
        models: Sequence[ServedModel],
        settings: ServeSettings,
        recogniser: Recogniser | None = None,
        readers: Executor | None = None,
    ) -> None:
        self.settings, self.recogniser, self.readers = settings, recogniser, readers
        self._by_name = {model.name: model for model in models}
        self._recognising = threading.Lock()

    @classmethod
    def open(
        cls, settings: ServeSettings, observe: Callable[[str, int], None] = lambda name, count: None
    ) -> ServedModels:
        """Opens the models of the settings.

        Raises:
            SorituneError: a model cannot be opened, two have one name, or none of its tasks is served.
        """
        readers = ThreadPoolExecutor(
            max_workers=min(8, os.cpu_count() or 1), thread_name_prefix="soritune-read"
        )
        models = [
            ServedModel(
                name,
                Predictor.load(folder, backend=settings.backend, device=settings.device, vad=settings.vad),
                settings,
                observe=observe,
                readers=readers,
            )
            for name, folder in named_folders(settings)
        ]
        if settings.enable_emotion and not any(model.has_emotion for model in models):
            raise SorituneError("--enable-emotion has no effect: no model infers emotions; leave it out")
        recogniser: Recogniser | None = None
        if settings.asr_model is not None:
            from soritune.inference.recognition.ctranslate2 import CTranslate2Recogniser

            recogniser = CTranslate2Recogniser.load(settings.asr_model, device=settings.device)
            if any(model.name == recogniser.name for model in models):
                raise SorituneError(
                    f"a model and the recogniser are both called {recogniser.name}; name the model"
                )
        return cls(models, settings, recogniser, readers)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._by_name.values())

    @property
    def names(self) -> list[str]:
        """By which requests choose a model, or the recogniser."""
        recogniser = [] if self.recogniser is None else [self.recogniser.name]
        return [*self._by_name, *recogniser]

    def named(
        self, name: str | None, serves: Callable[[ServedModel], bool] = lambda model: True
    ) -> ServedModel:
        """The model that a request names, or the first one that serves it.

        Raises:
            RequestError: 404, no such model; 400, it does not serve this.
        """
        fitting = [model for model in self if serves(model)]
        if not name:
            if not fitting:
                raise RequestError(404, "no model of this server answers this route", "no-model")
            return fitting[0]
        model = self._by_name.get(name)
        known = ", ".join(each.name for each in fitting) or "none"
        if model is None:
            raise RequestError(
                404, f"there is no model {name[:100]!r} here; known: {known}", "model_not_found"
            )
        if model not in fitting:
            raise RequestError(
                400, f"the model {name} does not answer this route; known: {known}", "model-unfit"
            )
        return model

    def is_recogniser(self, name: str | None) -> bool:
        """Whether a request names the recogniser of words."""
        return self.recogniser is not None and name == self.recogniser.name

    async def recognise(self, upload: Upload) -> RecognisedText:
        """The words of an upload.

        Raises:
            RequestError: it cannot be used.
        """
        return await asyncio.get_running_loop().run_in_executor(self.readers, self._recognise, upload)

    def _recognise(self, upload: Upload) -> RecognisedText:
        assert self.recogniser is not None
        limit = self.settings.max_seconds
        with clip_of(upload, limit) as clip:
            try:
                with self._recognising:
                    return recognise_clip(self.recogniser, clip)
            except AudioError as error:
                raise fault_of(error, limit) from None

    def close(self) -> None:
        """Ends the queues of all models."""
        for model in self:
            model.close()


def named_folders(settings: ServeSettings) -> list[tuple[str, Path]]:
    """Name and bundle folder of each model; weights are not opened.

    Raises:
        BundleError: a folder is not a model, or two models have one name.
    """
    named: dict[str, Path] = {}
    for text in settings.models or (DEFAULT_MODEL,):
        given, equals, path = text.partition("=")
        folder = choose_bundle(path if equals else text)
        bundle = load_bundle(folder)
        name = given if equals else packaged_name(folder) or bundle.name
        if not name.strip() or name in named:
            raise BundleError(
                f"two models are called {name!r}; give them names: NAME=FOLDER"
                if name.strip()
                else f"{text!r} has no name before the sign =; give NAME=FOLDER"
            )
        named[name] = folder
    return list(named.items())


def _given(answer: Answer | RequestError) -> Answer:
    if isinstance(answer, RequestError):
        raise answer
    return answer
