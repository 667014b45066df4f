"""SageMaker: the functions that its containers call, and the entry of an image that answers on port 8080.

`code/inference.py` of an archive (`soritune export sagemaker`) imports `model_fn`, `input_fn`, `predict_fn` and
`output_fn` from here. An image of its own runs `python -m soritune.serving.sagemaker serve`, which is the app of
`soritune serve` with the model of the archive. Both give the same answers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from soritune.bundles.read import load_bundle
from soritune.errors import SorituneError
from soritune.serving.answers import Answer
from soritune.serving.faults import RequestError
from soritune.serving.invocations import Invocation, read_invocation, write_answers
from soritune.serving.models import ServedModels
from soritune.serving.settings import ENVIRONMENT, ServeSettings, settings_in
from soritune.settings import faults_of

MODEL_FOLDER = Path("/opt/ml/model")
"""Where SageMaker unpacks `model.tar.gz`."""
SETTINGS_FILE = "code/serve.json"
"""Within the archive: what the exporter chose."""
PORT = 8080
JSON = "application/json"
COMMAND = "serve"
"""The argument with which SageMaker starts an image."""
MAX_MB = 6
"""Largest body unless SAGEMAKER_MAX_PAYLOAD_IN_MB states another: that of a real-time endpoint."""


class ArchiveSettings(BaseModel):
    """`code/serve.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = None
    """The model's name in answers; None is that of its card."""
    enable_emotion: bool = False


def model_fn(model_dir: str, context: Any = None) -> ServedModels:
    """Opens the model of an unpacked archive.

    Raises:
        SorituneError: there is no model, or a setting is faulty.
    """
    return ServedModels.open(settings_of(Path(model_dir)))


def input_fn(body: bytes | bytearray | str, content_type: str, context: Any = None) -> Invocation:
    """Reads the body of a request: audio, JSON or CSV.

    Raises:
        RequestError: another content type, or a body that is not what its type states.
    """
    data = body.encode("utf-8") if isinstance(body, str) else bytes(body)
    return read_invocation(data, content_type or "", max_files=settings_in().max_files)


def predict_fn(data: Invocation, model: ServedModels, context: Any = None) -> dict[str, Any]:
    """The answers. In a list, a recording that cannot be used has an `error`.

    Raises:
        RequestError: the only recording cannot be used.
    """
    answers: list[Answer | RequestError] = []
    for instance in data.instances:
        try:
            answers.append(model.named(instance.model).answer_now(instance.upload))
        except RequestError as fault:
            answers.append(fault)
    return write_answers(answers, data)


def output_fn(prediction: Mapping[str, Any], accept: str = JSON, context: Any = None) -> str:
    """The answers as JSON.

    Raises:
        RequestError: the caller accepts no JSON.
    """
    accepted = [each.partition(";")[0].strip().lower() for each in (accept or JSON).split(",")]
    if not {JSON, "application/*", "*/*"}.intersection(accepted):
        raise RequestError(406, f"answers are {JSON}, and the request accepts {accept[:60]!r}", "accept")
    return json.dumps(prediction, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def settings_of(folder: Path, environment: Mapping[str, str] = os.environ) -> ServeSettings:
    """The settings of a server for an unpacked archive.

    SORITUNE_SERVE (`serving/settings.py`) sets limits and options. Of SageMaker's variables these have an effect:
    SAGEMAKER_BIND_TO_PORT, SAGEMAKER_MODEL_SERVER_WORKERS, SAGEMAKER_MODEL_SERVER_TIMEOUT (seconds for an answer) and
    SAGEMAKER_MAX_PAYLOAD_IN_MB.

    Raises:
        SorituneError: there is no model, or a setting is faulty.
    """
    archive = _archive_settings(folder / SETTINGS_FILE)
    bundle = load_bundle(folder)
    given = settings_in(environment).model_dump(exclude_unset=True) if ENVIRONMENT in environment else {}
    megabytes = _number(environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB", MAX_MB)
    values = {
        "enable_emotion": archive.enable_emotion,
        "max_bytes": megabytes * 2**20,
        "workers": _number(environment, "SAGEMAKER_MODEL_SERVER_WORKERS", 1),
        "answer_seconds": float(_number(environment, "SAGEMAKER_MODEL_SERVER_TIMEOUT", 60)),
        **given,
        "models": (f"{archive.name or bundle.name}={folder}",),
        "host": "0.0.0.0",  # noqa: S104  SageMaker reaches the container from outside
        "port": _number(environment, "SAGEMAKER_BIND_TO_PORT", PORT),
    }
    try:
        return ServeSettings.model_validate(values)
    except ValidationError as error:
        raise SorituneError("; ".join(faults_of(error, ServeSettings))) from None


def main(arguments: list[str]) -> None:
    """The entry of an image: serves the model in SM_MODEL_DIR, or in /opt/ml/model.

    Raises:
        SorituneError: the argument is not `serve`, there is no model, or a setting is faulty.
    """
    if arguments != [COMMAND]:
        raise SorituneError(f"this image takes the argument {COMMAND}, and it was given {arguments}")
    from soritune.serving.server import run

    run(settings_of(Path(os.environ.get("SM_MODEL_DIR", MODEL_FOLDER))))


def _archive_settings(path: Path) -> ArchiveSettings:
    """
    Raises:
        SorituneError: the file is faulty.
    """
    if not path.is_file():
        return ArchiveSettings()
    try:
        return ArchiveSettings.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise SorituneError(f"{path}: {'; '.join(faults_of(error, ArchiveSettings))}") from None
    except (ValueError, RecursionError) as error:
        raise SorituneError(f"{path} is not a JSON object of settings ({error})") from None


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    """
    Raises:
        SorituneError: the variable is not a whole number above 0.
    """
    text = environment.get(name, "").strip() or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise SorituneError(f"the variable {name} is {text[:40]!r}; give a whole number above 0")
    return int(text)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SorituneError as error:
        sys.exit(str(error))
