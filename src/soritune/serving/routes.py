"""The routes of the app. Next: `serving/models.py`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from functools import cache
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute

from soritune.serving.answers import Answer
from soritune.serving.assessments import MOST_CHARACTERS, Assessments
from soritune.serving.examples import (
    BATCH,
    EMOTION,
    ERRORS,
    HEALTH,
    INVOCATION,
    PHONES,
    PRONUNCIATION,
    TRANSCRIPTION,
)
from soritune.serving.faults import RequestError, busy
from soritune.serving.invocations import Instance, read_invocation, write_answers
from soritune.serving.metrics import CONTENT_TYPE, Metrics
from soritune.serving.models import ServedModel, ServedModels
from soritune.serving.settings import EMOTION_IS_OFF, ServeSettings
from soritune.serving.transcriptions import Format, Transcript
from soritune.serving.uploads import Upload, channel_of
from soritune.serving.waiting import answer_before

router = APIRouter()
TRANSCRIPTIONS = "/v1/audio/transcriptions"
MOST_OVERLAP = 8
"""Windows over each second of a recording."""
Result = TypeVar("Result")
Recording = Annotated[UploadFile, File(description="WAV, FLAC, MP3, Ogg, M4A, WebM or another audio file.")]
ModelName = Annotated[
    str | None, Form(description="A model of /healthz; without it the first one that fits.")
]
Channel = Annotated[
    str | None,
    Form(description="left, right or a number from 0; without it the mean of the channels of a recording."),
]


OF_OPENAI = (
    "language",
    "prompt",
    "temperature",
    "stream",
    "chunking_strategy",
    "include[]",
    "timestamp_granularities[]",
    "known_speaker_names[]",
    "known_speaker_references[]",
)
"""Further fields of OpenAI's transcriptions; all but the granularities have no effect."""
_SEVERAL = ("files", *(name for name in OF_OPENAI if name.endswith("[]")))


async def known_fields(request: Request) -> None:
    """
    Raises:
        RequestError: 422, the form has a field that the route does not read, or one twice.
    """
    route = request.scope["route"]
    known = [field.alias for field in route.dependant.body_params]
    accepted = [*known, *OF_OPENAI] if route.path == TRANSCRIPTIONS else known
    counts = Counter(name for name, _ in (await request.form()).multi_items())
    for name, count in counts.items():
        if name not in accepted:
            sentence = f"the field {name[:100]!r} is unknown; known: {', '.join(known)}"
            raise RequestError(422, sentence, "unknown-field")
        if count > 1 and name not in _SEVERAL:
            raise RequestError(
                422, f"the field {name!r} is sent {count} times; send it once", "repeated-field"
            )


async def no_query(request: Request) -> None:
    """
    Raises:
        RequestError: 422, the query of the address has a field of a form. What proxies put there is not read.
    """
    names = [name for name in request.query_params if name in _fields_of_forms()]
    if names:
        raise RequestError(
            422,
            f"{names[0]!r} is in the query of the address, which is not read; send it as a field of the form, or as a "
            "key of JSON",
            "query",
        )


@cache
def _fields_of_forms() -> frozenset[str]:
    """The fields that some route reads."""
    forms = [route.dependant.body_params for route in router.routes if isinstance(route, APIRoute)]
    return frozenset(field.alias for form in forms for field in form)


KNOWN_FIELDS = [Depends(no_query), Depends(known_fields)]


@router.post(
    "/v1/phonemes",
    responses={200: PHONES, **ERRORS},
    dependencies=KNOWN_FIELDS,
    summary="Phones with times, and Hangul",
)
async def phonemes(
    request: Request, file: Recording, model: ModelName = None, channel: Channel = None
) -> JSONResponse:
    """What a speaker pronounced, phone by phone."""
    served = _models(request).named(model, lambda each: each.has_phones)
    answer = await _answered(request, served, await _upload(file, channel=channel))
    return JSONResponse(answer.phones_json())


@router.post(
    "/v1/emotion",
    responses={200: EMOTION, 403: ERRORS[400], **ERRORS},
    dependencies=KNOWN_FIELDS,
    summary="Style of speaking, where enabled",
)
async def emotion(
    request: Request,
    file: Recording,
    model: ModelName = None,
    text: Annotated[str | None, Form(description="The spoken text, for models that read one.")] = None,
    window_s: Annotated[
        float | None, Form(gt=0, allow_inf_nan=False, description="A label per window.")
    ] = None,
    hop_s: Annotated[
        float | None, Form(gt=0, allow_inf_nan=False, description="From window to window.")
    ] = None,
    min_speech_s: Annotated[
        float | None,
        Form(ge=0, allow_inf_nan=False, description="A window with less speech has no label."),
    ] = None,
    channel: Channel = None,
) -> JSONResponse:
    """The label of a recording, and of its windows if it is long or `window_s` is given. Off unless the server enables
    it."""
    if not _settings(request).enable_emotion:
        raise RequestError(403, EMOTION_IS_OFF, "emotion-off")
    served = _models(request).named(model, lambda each: each.has_emotion)
    if window_s is None:
        for name, value in (("hop_s", hop_s), ("min_speech_s", min_speech_s)):
            if value is not None:
                raise RequestError(
                    422, f"{name} has no effect without window_s; give both, or neither", "window"
                )
        answer = await _answered(request, served, await _upload(file, text, channel))
        return JSONResponse(_emotion_of(answer))
    hop_s = window_s if hop_s is None else hop_s
    if window_s > MOST_OVERLAP * hop_s:
        raise RequestError(
            422, f"hop_s is {hop_s:g}; it is at least 1/{MOST_OVERLAP} of window_s ({window_s:g})", "window"
        )
    answer = await _in_time(
        request, served.answer_over_time(await _upload(file, text, channel), window_s, hop_s, min_speech_s)
    )
    _count(request, served.name, answer.duration_s)
    return JSONResponse(_emotion_of(answer))


@router.post(
    "/v1/pronunciation",
    responses={200: PRONUNCIATION, **ERRORS},
    dependencies=KNOWN_FIELDS,
    summary="How a known text was pronounced, phone by phone",
)
async def pronunciation(
    request: Request,
    file: Recording,
    text: Annotated[
        str | None, Form(max_length=MOST_CHARACTERS, description="What the speaker was asked to say.")
    ] = None,
    phones: Annotated[
        str | None,
        Form(max_length=MOST_CHARACTERS, description="The same as phones, instead of a text: G A | N A."),
    ] = None,
    model: ModelName = None,
    channel: Channel = None,
) -> JSONResponse:
    """The answer of `soritune assess`. A recording that cannot be assessed, such as one of another text, is answered
    too: `assessable` is false, and `outcome` and `reason` state why. Not validated on learners of Korean."""
    symbols = phones.split() if phones else []
    if bool(symbols) == bool(text and text.strip()):
        raise RequestError(
            422,
            "give what the speaker was asked to say as the field text, or as phones, one of the two",
            "no-text",
        )
    assessments = _assessments(request)
    served = assessments.named(model)
    upload = await _upload(file, text, channel)
    answer = await _in_time(request, assessments.answer(served, upload, symbols or None))
    _count(request, served.name, answer["recording"]["duration_s"])
    return JSONResponse(answer)


@router.post(
    "/v1/batch",
    responses={200: BATCH, **ERRORS},
    dependencies=KNOWN_FIELDS,
    summary="Several recordings at once",
)
async def batch(
    request: Request,
    files: Annotated[list[UploadFile], File(description="Recordings; the answers have their order.")],
    model: ModelName = None,
    channel: Channel = None,
) -> JSONResponse:
    """All tasks of a model for each recording; one that cannot be used has an error, and the others are answered."""
    most = _settings(request).max_files
    if len(files) > most:
        raise RequestError(
            413, f"the request has {len(files)} recordings; send at most {most} at once", "too-many-files"
        )
    instances = [Instance(await _upload(file, channel=channel), model) for file in files]
    answers = await _answer_all(request, instances)
    return JSONResponse(
        {"answers": [answer.to_json() for answer in answers]}  # of a fault: {"error": …}
    )


@router.post(
    TRANSCRIPTIONS,
    responses={200: TRANSCRIPTION, **ERRORS},
    dependencies=KNOWN_FIELDS,
    summary="A transcript in the form of OpenAI",
)
async def transcriptions(
    request: Request,
    file: Recording,
    model: ModelName = None,
    channel: Channel = None,
    response_format: Annotated[Format, Form()] = "json",
) -> Response:
    """Hangul as it is pronounced (`text_kind` as_pronounced), or words if `model` is the recogniser of the server.

    `timestamp_granularities[]` takes word and segment, with verbose_json. Further fields of OpenAI (`OF_OPENAI`), such
    as language, prompt and temperature, are accepted and ignored.
    """
    models, upload = _models(request), await _upload(file, channel=channel)
    if models.is_recogniser(model):
        assert models.recogniser is not None
        recognised = await _in_time(request, models.recognise(upload))
        transcript = Transcript.of_words(models.recogniser.name, models.recogniser.language, recognised)
        _count(request, transcript.model, transcript.duration_s)
    else:
        served = models.named(model, lambda each: each.has_phones)
        transcript = Transcript.of_answer(await _answered(request, served, upload))
    if response_format == "json":
        return JSONResponse(transcript.to_json())
    if response_format == "verbose_json":
        form = await request.form()
        given = [str(value) for value in form.getlist("timestamp_granularities[]")]
        return JSONResponse(transcript.verbose_json(given or ("segment",)))
    if response_format == "text":
        return PlainTextResponse(transcript.text + "\n")
    if response_format == "srt":
        return PlainTextResponse(transcript.srt(), media_type="application/x-subrip")
    return PlainTextResponse(transcript.vtt(), media_type="text/vtt")


@router.get("/v1/models", summary="The models, in the form of OpenAI")
async def list_models(request: Request) -> JSONResponse:
    """Names that the field `model` takes."""
    data = [{"id": name, "object": "model", "owned_by": "soritune"} for name in _models(request).names]
    return JSONResponse({"object": "list", "data": data})


@router.get("/ping", summary="200 once the models are open (SageMaker)")
async def ping() -> Response:
    """The health check of SageMaker."""
    return Response(status_code=200)


@router.post(
    "/invocations",
    responses={200: INVOCATION, 415: ERRORS[400], **ERRORS},
    dependencies=[Depends(no_query)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "audio/wav": {"schema": {"type": "string", "format": "binary"}},
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "audio": {"type": "string", "format": "byte"},
                            "model": {"type": "string"},
                            "text": {"type": "string"},
                            "channel": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                        },
                        "required": ["audio"],
                    }
                },
                "text/csv": {"schema": {"type": "string"}, "example": "audio,channel\nUklGR…,left\n"},
            },
        }
    },
    summary="Audio, JSON or CSV in, JSON out (SageMaker)",
)
async def invocations(request: Request) -> JSONResponse:
    """All tasks of a model for one recording, or for several in JSON or CSV."""
    body = await request.body()
    kind = request.headers.get("content-type", "")
    invocation = await asyncio.to_thread(read_invocation, body, kind, max_files=_settings(request).max_files)
    answers = await _answer_all(request, invocation.instances)
    return JSONResponse(write_answers(answers, invocation))


@router.get("/healthz", responses={200: HEALTH}, summary="Models, tasks and limits")
async def healthz(request: Request) -> JSONResponse:
    """What a client needs to know before it sends a recording."""
    models, settings = _models(request), _settings(request)
    described = [{"name": each.name, "tasks": list(each.tasks)} for each in models]
    return JSONResponse(
        {
            "status": "ok",
            "models": described,
            "recogniser": None if models.recogniser is None else models.recogniser.name,
            "emotion": settings.enable_emotion,
            "pronunciation": _assessments(request).names,
            "limits": {
                "bytes": settings.max_bytes,
                "seconds": settings.max_seconds,
                "files": settings.max_files,
                "concurrent": settings.max_concurrent,
                "answer_seconds": settings.answer_seconds,
            },
        }
    )


@router.get("/metrics", summary="Counts for Prometheus")
async def metrics(request: Request) -> Response:
    """Requests, seconds, batches, streams."""
    text = await asyncio.to_thread(_metrics(request).text)
    return Response(text, media_type=CONTENT_TYPE)


def _models(request: Request) -> ServedModels:
    models: ServedModels = request.app.state.models
    return models


def _assessments(request: Request) -> Assessments:
    assessments: Assessments = request.app.state.assessments
    return assessments


def _settings(request: Request) -> ServeSettings:
    settings: ServeSettings = request.app.state.settings
    return settings


def _metrics(request: Request) -> Metrics:
    counts: Metrics = request.app.state.metrics
    return counts


async def _upload(file: UploadFile, text: str | None = None, channel: str | None = None) -> Upload:
    return Upload(await file.read(), text=text, channel=channel_of(channel))


def _emotion_of(answer: Answer) -> dict[str, Any]:
    """
    Raises:
        RequestError: the model needs an input that the request lacks.
    """
    if not answer.has_emotion:
        raise RequestError(422, f"the model {answer.model} needs the field text for its label", "no-text")
    return answer.emotion_json()


async def _answered(request: Request, model: ServedModel, upload: Upload) -> Answer:
    answer = await _in_time(request, model.answer(upload))
    _count(request, model.name, answer.duration_s)
    return answer


async def _answer_all(request: Request, instances: list[Instance]) -> list[Answer | RequestError]:
    """The answer or the fault of each recording; they wait in the queue together."""

    async def one(instance: Instance) -> Answer | RequestError:
        try:
            return await _models(request).named(instance.model).answer(instance.upload)
        except RequestError as fault:
            return fault

    answers = await _in_time(request, asyncio.gather(*(one(each) for each in instances)))
    for answer in answers:
        if isinstance(answer, Answer):
            _count(request, answer.model, answer.duration_s)
    return list(answers)


async def _in_time(request: Request, work: Awaitable[Result]) -> Result:
    """The result of work that is cancelled if it takes too long or its client leaves.

    Raises:
        RequestError: 503, the answer takes too long; 499, the client left, which only the log shows.
    """
    seconds = _settings(request).answer_seconds
    try:
        return await answer_before(work, _left(request), seconds)
    except TimeoutError:
        raise busy(
            f"the answer took more than {seconds:g} s; send the request again, or less audio", "slow"
        ) from None


async def _left(request: Request) -> NoReturn:
    """Waits until the client of a request, whose body has been read, leaves.

    Raises:
        RequestError: it has left.
    """
    while (await request.receive())["type"] != "http.disconnect":
        pass
    raise RequestError(499, "the client left before its answer", "client-left")


def _count(request: Request, model: str, seconds: float) -> None:
    """Adds to the counts and to the line in the log."""
    facts = request.state.facts
    facts["model"] = model
    facts["audio_s"] = round(facts.get("audio_s", 0.0) + seconds, 3)
    _metrics(request).audio_seconds.labels(model).inc(seconds)
