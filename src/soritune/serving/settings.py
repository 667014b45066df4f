"""Settings of a server: models, limits, keys. Next: `serving/app.py`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soritune.audio.voice_activity import VadName
from soritune.errors import SorituneError
from soritune.settings import faults_of

ENVIRONMENT = "SORITUNE_SERVE"
"""Variable with the settings as JSON, from which worker processes and containers take them."""
EMOTION_IS_OFF = (
    "emotions are not inferred here: inferring emotions of people at work or in education is prohibited in the "
    "European Union (AI Act, Article 5(1)(f)) except for medical and safety reasons, and elsewhere people must be "
    "informed; who runs this server may enable it with --enable-emotion"
)


class ServeSettings(BaseModel):
    """What is served, and how much of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    models: tuple[str, ...] = ()
    """Bundle folders, run folders or names of models of the package, each as it is or as NAME=PATH; the first one
    answers requests that name no model. Empty is the model of the package."""
    backend: str = "auto"
    device: str = "auto"
    vad: VadName = "auto"
    asr_model: str | None = None
    """A recogniser of words, for transcriptions: a CTranslate2 folder, or a name on the hub."""
    enable_emotion: bool = False
    max_bytes: int = Field(25 * 2**20, ge=1024)
    """Largest body of a request; larger ones are answered by 413."""
    max_seconds: float = Field(600.0, gt=0)
    """Longest recording; longer ones are answered by 413."""
    max_files: int = Field(32, ge=1)
    """Most recordings of one request."""
    max_concurrent: int = Field(64, ge=1)
    """Requests that a process works on or keeps waiting at once; further ones are answered by 503."""
    max_per_client: int | None = Field(None, ge=1)
    """The same for one API key, or one address without keys, by 429; and its open streams, apart from these."""
    max_streams: int = Field(16, ge=1)
    """Open WebSocket streams of a process."""
    upload_seconds: float = Field(30.0, gt=0)
    """Longest time for the body of a request to arrive; later ones are answered by 408."""
    answer_seconds: float = Field(60.0, gt=0)
    """Longest time for an answer once the body has arrived; later ones are answered by 503."""
    idle_seconds: float = Field(30.0, gt=0)
    """Longest time between two messages of a stream."""
    partial_every_s: float = Field(1.0, ge=0.2)
    """Seconds of new audio between partial results of a stream."""
    partial_window_s: float = Field(10.0, ge=1)
    """A partial result is of this much of the end of the stream."""
    batch_seconds: float | None = Field(None, gt=0)
    """Budget of a batch: clips × longest of them; None is that of the backend."""
    api_keys: Path | None = None
    """File of hashes (`serving/keys.py`); None lets every request in."""
    cors: tuple[str, ...] = ()
    """Origins of pages that may use the server, as https://example.org; none by default."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    workers: int = Field(1, ge=1)
    drain_seconds: int = Field(25, ge=0)
    """How long a server that is stopped finishes its requests; SageMaker kills after 30 s."""
    log_level: str = "INFO"

    def environment(self) -> dict[str, str]:
        """The settings as an environment variable."""
        return {ENVIRONMENT: self.model_dump_json()}


def settings_in(environment: Mapping[str, str] = os.environ) -> ServeSettings:
    """The settings in the environment; the defaults without any.

    Raises:
        SorituneError: the variable is not JSON, or has an unknown or faulty setting.
    """
    text = environment.get(ENVIRONMENT, "{}")
    try:
        return ServeSettings.model_validate(json.loads(text))
    except ValidationError as error:
        raise SorituneError(f"{ENVIRONMENT}: {'; '.join(faults_of(error, ServeSettings))}") from None
    except (ValueError, RecursionError) as error:
        raise SorituneError(f"{ENVIRONMENT} is not a JSON object of settings ({error})") from None
