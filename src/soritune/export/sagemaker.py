"""Amazon SageMaker: `model.tar.gz` with the code that its containers call, a Dockerfile, and a script to deploy."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import soritune
from soritune.bundles.card import Bundle
from soritune.bundles.notice import notice_section
from soritune.errors import BundleError
from soritune.export import sagemaker_deploy
from soritune.export.exporter import Exported
from soritune.progress import Console
from soritune.serving.answers import EMOTION
from soritune.serving.sagemaker import COMMAND, MODEL_FOLDER, PORT, SETTINGS_FILE
from soritune.serving.settings import EMOTION_IS_OFF
from soritune.settings import Settings

ARCHIVE, DOCKERFILE, DEPLOY, REQUIREMENTS = "model.tar.gz", "Dockerfile", "deploy.py", "requirements.txt"
CODE = "code"
ENTRY = ["python", "-m", "soritune.serving.sagemaker"]
"""The entry of the image; SageMaker adds the argument `serve`."""
IMAGE_FOLDER = "/opt/soritune"
INFERENCE = '''"""What a container of SageMaker calls."""

from soritune.serving.sagemaker import input_fn, model_fn, output_fn, predict_fn

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]
'''


class SageMakerSettings(Settings):
    """How a bundle is packed."""

    wheel: Path | None = None
    """A wheel of soritune that goes into the archive and the image; None takes the released version from the package
    index."""
    enable_emotion: bool = False
    """Answer for emotions (`docs/serving.md`, Emotions)."""


class SageMakerExporter:
    """See `Exporter`."""

    settings = SageMakerSettings

    def write(self, bundle: Bundle, folder: Path, settings: SageMakerSettings, console: Console) -> Exported:
        """See `Exporter.write`."""
        _refuse_unservable(bundle, settings)
        wheel = _wheel(settings.wheel)
        content: list[tuple[str, Path | bytes]] = [
            (path.relative_to(bundle.path).as_posix(), path) for path in _bundle_files(bundle.path)
        ]
        serve = {"name": bundle.name, "enable_emotion": settings.enable_emotion}
        content += [
            (f"{CODE}/inference.py", INFERENCE.encode()),
            (f"{CODE}/{REQUIREMENTS}", _requirements(bundle, wheel, f"{MODEL_FOLDER}/{CODE}").encode()),
            (SETTINGS_FILE, (json.dumps(serve, ensure_ascii=False) + "\n").encode()),
        ]
        if wheel is not None:
            content.append((f"{CODE}/{wheel.name}", wheel))
            shutil.copyfile(wheel, folder / wheel.name)
        _write_archive(folder / ARCHIVE, content)
        (folder / REQUIREMENTS).write_text(_requirements(bundle, wheel, IMAGE_FOLDER), encoding="utf-8")
        (folder / DOCKERFILE).write_text(_dockerfile(wheel), encoding="utf-8")
        shutil.copyfile(sagemaker_deploy.__file__, folder / DEPLOY)
        (folder / "README.md").write_text(_readme(bundle), encoding="utf-8")
        size = (folder / ARCHIVE).stat().st_size
        lines = [f"{ARCHIVE} {size / 1e6:.1f} MB, {DOCKERFILE}, {DEPLOY}; no image was built"]
        if wheel is None:
            lines.append(
                f"the image installs soritune {soritune.__version__} from the package index; --wheel brings another one"
            )
        facts: dict[str, Any] = {
            "archive": ARCHIVE,
            "bytes": size,
            "files": [name for name, _ in content],
            "entry": [*ENTRY, COMMAND],
            "port": PORT,
            "wheel": None if wheel is None else wheel.name,
        }
        return Exported(facts, tuple(lines))


def _refuse_unservable(bundle: Bundle, settings: SageMakerSettings) -> None:
    """
    Raises:
        BundleError: the archive would lack the base of an adapter, or nothing in it would be answered.
    """
    if bundle.is_adapter:
        raise BundleError(
            f"{bundle.path} is an adapter, and its base model would not be in the archive; export it first "
            f"(soritune export onnx {bundle.path} --output FOLDER), and then that folder"
        )
    names = [task.name for task in bundle.tasks]
    emotions = [name for name in names if name in EMOTION]
    if settings.enable_emotion and not emotions:
        raise BundleError(
            f"enable_emotion has no effect on {bundle.path}, which has no task of emotions; leave it out"
        )
    if not settings.enable_emotion and len(emotions) == len(names):
        raise BundleError(f"no task of {bundle.path} would be answered: {EMOTION_IS_OFF}")


def _wheel(path: Path | None) -> Path | None:
    """
    Raises:
        BundleError: it is not a wheel of soritune.
    """
    if path is None:
        return None
    if not path.is_file() or not path.name.startswith("soritune-") or path.suffix != ".whl":
        raise BundleError(
            f"{path} is not a wheel of soritune; make one with `python -m build --wheel`, and give its file"
        )
    return path


def _bundle_files(folder: Path) -> list[Path]:
    """The files of a bundle without hidden ones, sorted.

    Raises:
        BundleError: the bundle has a folder code, whose place the archive needs.
    """
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if (folder / CODE).exists():
        raise BundleError(f"{folder / CODE} would be overwritten in the archive; rename it")
    return files


def _write_archive(path: Path, content: list[tuple[str, Path | bytes]]) -> None:
    """A tar file with gzip, of the files at its root. The same content gives the same bytes."""
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, source in sorted(content, key=lambda each: each[0]):
            entry = tarfile.TarInfo(name)
            entry.mode = 0o644
            if isinstance(source, bytes):
                entry.size = len(source)
                archive.addfile(entry, io.BytesIO(source))
            else:
                entry.size = source.stat().st_size
                with source.open("rb") as opened:
                    archive.addfile(entry, opened)


def _requirements(bundle: Bundle, wheel: Path | None, folder: str) -> str:
    """What the model needs. torch only where the bundle does."""
    extras = ["serve", "onnx" if bundle.is_onnx else "train", "audio", "vad"]
    if bundle.preprocessing.get("noise_reduction"):
        extras.append("denoise")
    name = f"soritune[{','.join(extras)}]"
    if wheel is None:
        return f"{name}=={soritune.__version__}\n"
    return f"{name} @ file://{folder}/{wheel.name}\n"


def _dockerfile(wheel: Path | None) -> str:
    files = " ".join([REQUIREMENTS, *([] if wheel is None else [wheel.name])])
    return (
        "FROM python:3.11-slim\n"
        "LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true\n"
        "ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HF_HUB_OFFLINE=1\n"
        f"WORKDIR {IMAGE_FOLDER}\n"
        f"COPY {files} {IMAGE_FOLDER}/\n"
        f"RUN python -m pip install -r {IMAGE_FOLDER}/{REQUIREMENTS}\n"
        f"EXPOSE {PORT}\n"
        f"ENTRYPOINT {json.dumps(ENTRY)}\n"
        f"CMD {json.dumps([COMMAND])}\n"
    )


def _readme(bundle: Bundle) -> str:
    text = (
        f"# {bundle.name} for Amazon SageMaker\n\n"
        f"    docker build -t soritune .\n"
        "    mkdir model && tar -xzf model.tar.gz -C model\n"
        f'    docker run -p {PORT}:{PORT} -v "$PWD/model:{MODEL_FOLDER}:ro" soritune {COMMAND}\n'
        f"    curl -H 'Content-Type: audio/wav' --data-binary @clip.wav http://127.0.0.1:{PORT}/invocations\n\n"
        "After the image is in ECR:\n\n"
        "    pip install boto3\n"
        "    python deploy.py --mode realtime --name NAME --image URI --role ARN --bucket BUCKET --dry-run\n\n"
        "`--mode serverless` and `--mode async` are the other kinds; without `--dry-run` the calls are made "
        "and cost money.\n"
    )
    notice = notice_section(bundle.card)
    return text + (f"\n{notice}\n" if notice else "")


EXPORTER = SageMakerExporter()
"""See `Exporter`."""
