"""`WS /v1/stream`: samples in while they are recorded, partial results, and at the end the answer for the whole.

    client: {"model": …, "sample_rate": 16000, "partials": true, "api_key": …}
    server: {"event": "ready", …}
    client: int16 little-endian frames, mono, as binary messages …
    server: {"event": "speech_start" | "speech_end" | "partial", …} …
    client: {"event": "end"}
    server: {"event": "final", "answer": …}, and closes

A partial result decodes a window that grows with the stream up to `partial_window_s`. The final one decodes all samples
as the file with them would be. Audio is read no faster than the detector of speech follows, and a partial result that
is due while another one is computed is skipped, so that a client that sends quickly waits and no queue grows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import ExitStack
from typing import Any, NoReturn

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soritune.serving.answers import EMOTION, PHONES, Answer
from soritune.serving.faults import RequestError, busy
from soritune.serving.gate import NO_KEY, client_of, may_come_from
from soritune.serving.keys import ApiKeys
from soritune.serving.logs import FIELDS
from soritune.serving.metrics import Metrics
from soritune.serving.models import ServedModel, ServedModels
from soritune.serving.places import Places
from soritune.serving.settings import ServeSettings
from soritune.serving.speech_events import LOOK_BACK_S, STEP_S, SpeechEvents
from soritune.serving.uploads import Upload, int16_samples, too_long
from soritune.serving.waiting import answer_before
from soritune.settings import faults_of
from soritune.strict_json import parse_json

router = APIRouter()
logger = logging.getLogger(__name__)
CONFIG_SECONDS = 10.0
"""Within which the first message has to come."""
SEND_SECONDS = 10.0
"""Longest time that a client may leave a message unread."""
LARGEST_TEXT, LARGEST_FRAME = 4096, 2**18
MOST_RATE_HZ = 48_000
MOST_TEXTS = 64
MOST_UNKNOWN = 64
"""Streams of a process that wait for the first message and its key."""
NORMAL, POLICY, TOO_BIG, TRY_AGAIN = 1000, 1008, 1009, 1013
"""Codes with which the server closes a stream."""
_SHORTEST_PARTIAL_S = 0.3


class StreamConfig(BaseModel):
    """The first message of a stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None
    sample_rate: int = Field(16000, ge=8000, le=MOST_RATE_HZ)
    partials: bool = True
    api_key: str | None = None


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """One stream, from its first message to its answer."""
    state = websocket.app.state
    settings: ServeSettings = state.settings
    metrics: Metrics = state.metrics
    if not may_come_from(websocket.headers, settings.cors):
        await websocket.close(POLICY)
        return
    await websocket.accept()
    metrics.streams.inc()
    running = _Stream(websocket, settings, metrics)
    started, code, status = time.perf_counter(), NORMAL, "final"
    place = ExitStack()
    try:
        config = await running.enter(place)
        await running.run(config, state.models)
    except RequestError as fault:
        code, status = _code_of(fault), fault.code
        await running.end(code, {"event": "error", **fault.to_json()["error"]})
    except (WebSocketDisconnect, TimeoutError, RuntimeError) as error:
        # The client left, or reads nothing; starlette raises RuntimeError for what is sent to a closed socket.
        status = "disconnected" if isinstance(error, WebSocketDisconnect) else "unread"
    else:
        await running.end(code, None)
    finally:
        running.stop()
        metrics.streams.dec()
        place.close()
        fields = {
            "outcome": status,
            **running.facts,
            "audio_s": round(running.seconds, 3),
            "partials": running.num_partials,
            "skipped": running.num_skipped,
            "ms": round((time.perf_counter() - started) * 1000, 1),
        }
        logger.info("stream", extra={FIELDS: fields})


class _Stream:
    """One open stream."""

    def __init__(self, websocket: WebSocket, settings: ServeSettings, metrics: Metrics) -> None:
        self._socket, self.settings, self.metrics = websocket, settings, metrics
        self._samples = bytearray()
        self._rate = 16000
        self._sending = asyncio.Lock()
        self._partial: asyncio.Task[None] | None = None
        self._texts = 0
        self.num_partials = self.num_skipped = 0
        self.facts: dict[str, str] = {}
        """For the log: the model, and the name of the key."""

    @property
    def seconds(self) -> float:
        """Of the audio that has come."""
        return len(self._samples) / 2 / self._rate

    async def enter(self, place: ExitStack) -> StreamConfig:
        """The first message of the stream, which now has a place.

        A stream whose key comes in that message has a place of those without a key until then: a stranger takes
        none of the others.

        Args:
            place: takes the place.

        Raises:
            RequestError: there is no place, or no right key.
            WebSocketDisconnect: the client left.
        """
        state, headers = self._socket.app.state, self._socket.headers
        keys: ApiKeys | None = state.keys
        streams: Places = state.streams
        unknown: Places = state.unknown_streams
        client = client_of(self._socket.scope, headers, keys)
        if client is not None:
            place.enter_context(streams.taken(client))
            config = await self._config()
            if keys is not None and config.api_key:
                client = keys.owner(config.api_key) and client
        else:
            with unknown.taken("all"):
                config = await self._config()
            client = None if keys is None else keys.owner(config.api_key)
            if client is not None:
                place.enter_context(streams.taken(client))
        if client is None:
            raise NO_KEY
        if keys is not None:
            self.facts["client"] = client
        return config

    async def run(self, config: StreamConfig, models: ServedModels) -> None:
        """
        Raises:
            RequestError: the stream is refused.
            WebSocketDisconnect: the client left.
        """
        model = models.named(config.model)
        self.facts["model"] = model.name
        self._rate = config.sample_rate
        await self._send(
            {
                "event": "ready",
                "model": model.name,
                "sample_rate": self._rate,
                "max_seconds": self.settings.max_seconds,
                "partial_every_s": self.settings.partial_every_s if config.partials else None,
                "partial_window_s": self.settings.partial_window_s if config.partials else None,
            }
        )
        events = SpeechEvents(model.predictor.vad, self._rate)
        await self._listen(model, events, partials=config.partials)
        await self._stop_partial()
        samples = int16_samples(self._samples)
        answer = await self._final(model.answer(Upload(samples=(samples, self._rate))))
        self.metrics.audio_seconds.labels(model.name).inc(answer.duration_s)
        await self._send({"event": "final", "answer": answer.to_json()})

    async def end(self, code: int, message: dict[str, Any] | None) -> None:
        """Sends a last message and closes, as far as the client still reads."""
        try:
            await self._stop_partial()
            if message is not None:
                await self._send(message)
            await asyncio.wait_for(self._socket.close(code), SEND_SECONDS)
        except (WebSocketDisconnect, TimeoutError, RuntimeError):
            pass

    def stop(self) -> None:
        """Stops what is still computed."""
        if self._partial is not None:
            self._partial.cancel()

    async def _config(self) -> StreamConfig:
        message = await self._receive(CONFIG_SECONDS)
        if not isinstance(message, dict):
            raise RequestError(
                422, "the first message of a stream is a JSON object with its settings", "config"
            )
        try:
            return StreamConfig.model_validate(message)
        except ValidationError as error:
            faults = "; ".join(faults_of(error, StreamConfig))[:300]
            raise RequestError(422, f"the settings of the stream: {faults}", "config") from None

    async def _listen(self, model: ServedModel, events: SpeechEvents, *, partials: bool) -> None:
        """Collects samples until the client ends the stream."""
        examined = decoded = 0.0
        deadline = time.monotonic() + 2 * self.settings.max_seconds + 60
        while True:
            message = await self._receive(self.settings.idle_seconds)
            if time.monotonic() > deadline:
                raise RequestError(
                    408, "the stream is open for too long; end it and open another one", "slow"
                )
            if not isinstance(message, bytes):
                if message == {"event": "end"}:
                    return
                self._ignore(message)
                continue
            if len(message) % 2 or len(message) > LARGEST_FRAME:
                raise RequestError(
                    413 if len(message) > LARGEST_FRAME else 422,
                    f"a frame has {len(message)} bytes; send whole int16 samples, at most {LARGEST_FRAME} bytes",
                    "frame",
                )
            if (len(self._samples) + len(message)) / 2 / self._rate > self.settings.max_seconds:
                raise too_long(self.settings.max_seconds)
            self._samples += message
            if self.seconds - examined >= STEP_S:
                examined = self.seconds
                tail = self._tail(LOOK_BACK_S).astype("float32") / 32768
                for event in await asyncio.to_thread(events.look, tail, examined):
                    await self._send({"event": event.name, "at_s": event.at_s})
            is_due = partials and self.seconds - decoded >= self.settings.partial_every_s
            if is_due and (events.is_speaking or events.has_spoken):
                decoded = self.seconds
                self._start_partial(model)
                events.has_spoken = events.detector is None

    def _start_partial(self, model: ServedModel) -> None:
        if self._partial is not None and not self._partial.done():
            self.num_skipped += 1
            self.metrics.partials.labels("skipped").inc()
            return
        self._partial = asyncio.create_task(self._send_partial(model))

    async def _send_partial(self, model: ServedModel) -> None:
        """Decodes the end of the stream. A failure is not one of the stream."""
        end = self.seconds
        samples = self._tail(self.settings.partial_window_s)
        start = end - len(samples) / self._rate
        if end - start < _SHORTEST_PARTIAL_S:
            return
        try:
            answer = await model.answer(Upload(samples=(samples, self._rate)))
            content: dict[str, Any] = {"event": "partial", "start_s": round(start, 3), "end_s": round(end, 3)}
            if model.has_phones:
                content["text"], content["text_kind"] = answer.text
                content["times"] = [symbol.moved(start).to_json() for symbol in answer.symbols[PHONES]]
            if model.has_emotion:
                content["emotion"] = {
                    name: dict(each) for name in EMOTION if (each := answer.prediction(name)) is not None
                }
            await self._send(content)
        except (RequestError, WebSocketDisconnect, TimeoutError, RuntimeError) as error:
            logger.debug("no partial result: %s", error)
            return
        self.num_partials += 1
        self.metrics.partials.labels("sent").inc()

    def _tail(self, seconds: float) -> Any:
        """The last samples, (samples,) int16."""
        count = 2 * round(seconds * self._rate)
        return int16_samples(self._samples[-count:])

    async def _stop_partial(self) -> None:
        """A partial result that is being computed is dropped: the final one comes next."""
        if self._partial is not None and not self._partial.done():
            self._partial.cancel()
            await asyncio.gather(self._partial, return_exceptions=True)

    async def _final(self, work: Awaitable[Answer]) -> Answer:
        """The final answer, as long as the client waits for it.

        Raises:
            RequestError: it takes too long, or samples come after the end: they would wait in memory that may belong
                to another server in front.
            WebSocketDisconnect: the client left.
        """
        seconds = self.settings.answer_seconds
        try:
            return await answer_before(work, self._nothing_more(), seconds)
        except TimeoutError:
            raise busy(f"the answer took more than {seconds:g} s", "slow") from None

    async def _nothing_more(self) -> NoReturn:
        """Reads what comes after the end until it is refused."""
        while True:
            message = await self._receive(None)
            if isinstance(message, bytes):
                raise RequestError(
                    422, "samples came after the end of the stream; open another one for them", "after-end"
                )
            self._ignore(message)

    def _ignore(self, message: Any) -> None:
        """Refuses a text message within a stream; `{"event": "ping"}` keeps a stream open.

        Raises:
            RequestError: it is not one of these, or there are too many.
        """
        self._texts += 1
        if self._texts > MOST_TEXTS:
            raise RequestError(429, f"the stream has more than {MOST_TEXTS} text messages", "too-many-texts")
        if message != {"event": "ping"}:
            raise RequestError(
                422, 'a text message within a stream is {"event": "end"} or {"event": "ping"}', "event"
            )

    async def _receive(self, seconds: float | None) -> Any:
        """The next message: bytes, or the value of a JSON text."""
        try:
            message = await asyncio.wait_for(self._socket.receive(), seconds)
        except TimeoutError:
            raise RequestError(408, f"no message came for {seconds:g} s", "idle") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        if message.get("bytes") is not None:
            return message["bytes"]
        text = message.get("text") or ""
        if len(text) > LARGEST_TEXT:
            raise RequestError(
                413, f"a text message has more than {LARGEST_TEXT} characters", "text-too-large"
            )
        try:
            return parse_json(text)
        except ValueError as error:
            raise RequestError(422, f"a text message is not JSON ({error})", "json") from None

    async def _send(self, content: dict[str, Any]) -> None:
        """
        Raises:
            TimeoutError: the client leaves messages unread.
        """
        async with self._sending:
            await asyncio.wait_for(self._socket.send_json(content), SEND_SECONDS)


def _code_of(fault: RequestError) -> int:
    """The code of a closing socket that is nearest to a status of HTTP."""
    if fault.retry_after is not None:
        return TRY_AGAIN
    return TOO_BIG if fault.status == 413 else POLICY
