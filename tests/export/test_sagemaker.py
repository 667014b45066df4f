from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from soritune.bundles.read import load_bundle
from soritune.errors import BundleError
from soritune.export.sagemaker import ENTRY, EXPORTER
from soritune.inference.predictor import Predictor
from soritune.progress import SILENT
from soritune.stages.export import export


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_ko: str) -> Path:
    folder = tmp_path_factory.mktemp("sagemaker")
    (folder / "soritune-9.9.9-py3-none-any.whl").write_bytes(b"wheel")
    export("sagemaker", tiny_ko, folder / "out", {"wheel": folder / "soritune-9.9.9-py3-none-any.whl"})
    return folder / "out"


@pytest.fixture(scope="module")
def unpacked(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    with tarfile.open(exported / "model.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A word from the synthesizer, which the model in the package hears."""
    from soritune.audio.synthesis.espeak import Synthesizer
    from soritune.audio.waveform import write_audio

    synthesizer = Synthesizer()
    voice = "language ko\n" + synthesizer.description(synthesizer.voices()[0])
    sound = synthesizer.speak_as(voice, "안녕하세요", phonemes=False)
    path = tmp_path_factory.mktemp("clip") / "word.wav"
    write_audio(path, sound.samples, sound.sample_rate_hz)
    return path


def steps(dockerfile: Path) -> list[tuple[str, str]]:
    return [
        (line.partition(" ")[0], line.partition(" ")[2])
        for line in dockerfile.read_text(encoding="utf-8").splitlines()
    ]


def test_archive_has_the_bundle_at_its_root(exported: Path, tiny_ko: str) -> None:
    bundle = load_bundle(Path(export_source(tiny_ko)))
    with tarfile.open(exported / "model.tar.gz") as archive:
        names = archive.getnames()
        for path in bundle.path.iterdir():
            packed = archive.extractfile(path.name)
            assert packed is not None
            assert hashlib.sha256(packed.read()).digest() == hashlib.sha256(path.read_bytes()).digest()
    assert {name for name in names if "/" in name} == {
        "code/inference.py",
        "code/requirements.txt",
        "code/serve.json",
        "code/soritune-9.9.9-py3-none-any.whl",
    }


def export_source(name: str) -> str:
    from soritune.run_folder import choose_bundle

    return str(choose_bundle(name))


def test_same_bundle_gives_the_same_bytes(exported: Path, tiny_ko: str, tmp_path: Path) -> None:
    wheel = exported / "soritune-9.9.9-py3-none-any.whl"
    export("sagemaker", tiny_ko, tmp_path / "again", {"wheel": wheel})
    assert (tmp_path / "again" / "model.tar.gz").read_bytes() == (exported / "model.tar.gz").read_bytes()


def test_files_that_the_dockerfile_copies_exist(exported: Path) -> None:
    listed = steps(exported / "Dockerfile")
    assert listed[0][0] == "FROM"
    (copied,) = [text.split() for name, text in listed if name == "COPY"]
    *sources, target = copied
    assert all((exported / source).is_file() for source in sources), sources
    (install,) = [text for name, text in listed if name == "RUN"]
    assert install.split()[-1] == f"{target}requirements.txt"
    requirement = (exported / "requirements.txt").read_text(encoding="utf-8")
    match = re.fullmatch(r"soritune\[[a-z,]+\] @ file://(\S+)\n", requirement)
    assert match is not None
    assert match[1].removeprefix(target) in sources
    assert ("EXPOSE", "8080") in listed


def test_requirements_of_the_archive_lie_where_it_is_unpacked(unpacked: Path) -> None:
    text = (unpacked / "code" / "requirements.txt").read_text(encoding="utf-8").strip()
    path = text.partition(" @ file://")[2]
    assert path.startswith("/opt/ml/model/")
    assert (unpacked / path.removeprefix("/opt/ml/model/")).is_file()


@pytest.mark.slow(seconds=10)
def test_exported_graphs_need_no_torch(toy_onnx: Path, tmp_path: Path) -> None:
    export("sagemaker", toy_onnx, tmp_path / "out", {})
    text = (tmp_path / "out" / "requirements.txt").read_text(encoding="utf-8")
    assert re.fullmatch(r"soritune\[serve,onnx,audio,vad\]==[\d.]+\n", text)


@pytest.fixture(scope="module")
def toy_onnx(tmp_path_factory: pytest.TempPathFactory, tiny_ko: str) -> Path:
    folder = tmp_path_factory.mktemp("onnx") / "out"
    export("onnx", tiny_ko, folder, {"older": True, "padded": False})
    return folder


class Running:
    """The entry of the image as a process, with the folder that SageMaker would mount."""

    def __init__(self, entry: list[str], model: Path, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{port}", log
        environment = {
            **os.environ,
            "SM_MODEL_DIR": str(model),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }
        assert entry[0] == "python"
        with log.open("wb") as file:
            self.process = subprocess.Popen([sys.executable, *entry[1:]], stderr=file, env=environment)
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx2.get(f"{self.url}/ping").status_code == 200:
                    return
            except httpx2.TransportError:
                assert self.process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)

    def invoke(self, body: bytes, kind: str) -> httpx2.Response:
        return httpx2.post(
            f"{self.url}/invocations", content=body, headers={"Content-Type": kind}, timeout=60
        )


@pytest.fixture(scope="module")
def running(exported: Path, unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Started by the ENTRYPOINT and CMD of the Dockerfile."""
    listed = dict(steps(exported / "Dockerfile"))
    entry = json.loads(listed["ENTRYPOINT"]) + json.loads(listed["CMD"])
    assert entry == [*ENTRY, "serve"]
    process = Running(entry, unpacked, tmp_path_factory.mktemp("log") / "log")
    yield process
    if process.process.poll() is None:
        process.process.kill()
        process.process.wait()


def bodies(clip: Path) -> list[tuple[bytes, str, bool]]:
    """A clip as every kind of body; whether the answer is a list."""
    text = base64.b64encode(clip.read_bytes()).decode()
    return [
        (clip.read_bytes(), "audio/wav", False),
        (json.dumps({"audio": text}).encode(), "application/json", False),
        (json.dumps({"instances": [{"audio": text}]}).encode(), "application/json", True),
        (f"audio\n{text}\n".encode(), "text/csv", True),
    ]


@pytest.mark.slow(seconds=12)
def test_entry_answers_as_the_functions_and_as_predict(
    running: Running, unpacked: Path, spoken: Path, tiny_ko: str
) -> None:
    (row,) = Predictor.load(tiny_ko).predict([spoken])
    expected = row["tasks"]["phoneme"]["prediction"]["phones"]
    assert expected
    program = (
        "import sys; sys.path.insert(0, sys.argv[1] + '/code'); import inference as i\n"
        "model = i.model_fn(sys.argv[1])\n"
        "for line in sys.stdin:\n"
        "    kind, text = line.split()\n"
        "    data = i.input_fn(bytes.fromhex(text), kind)\n"
        "    print(i.output_fn(i.predict_fn(data, model), 'application/json'))\n"
    )
    given = bodies(spoken)
    done = subprocess.run(
        [sys.executable, "-c", program, str(unpacked)],
        input="".join(f"{kind} {body.hex()}\n" for body, kind, _ in given),
        check=True,
        capture_output=True,
        text=True,
    )
    by_function = [json.loads(line) for line in done.stdout.splitlines()]
    for (body, kind, is_list), by_hand in zip(given, by_function, strict=True):
        response = running.invoke(body, kind)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        answer: dict[str, Any] = response.json()
        assert answer == by_hand
        single = answer["predictions"][0] if is_list else answer
        assert single["tasks"]["phoneme"]["phones"] == expected
        assert single["model"] == "soritune/tiny-ko"


@pytest.mark.slow(seconds=3)
def test_entry_refuses_in_words_and_stops_on_sigterm(running: Running) -> None:
    for body, kind, status in ((b"no audio", "audio/wav", 422), (b"x", "text/plain", 415)):
        response = running.invoke(body, kind)
        assert response.status_code == status
        assert response.json()["error"]["message"]
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) in (0, -signal.SIGTERM)


def test_emotions_are_off_unless_enabled(toy_emotion: Path, tmp_path: Path, tiny_ko: str) -> None:
    with pytest.raises(BundleError, match="no task of .* would be answered"):
        export("sagemaker", toy_emotion, tmp_path / "off", {})
    assert not (tmp_path / "off").exists()
    export("sagemaker", toy_emotion, tmp_path / "on", {"enable_emotion": True})
    with tarfile.open(tmp_path / "on" / "model.tar.gz") as archive:
        stored = archive.extractfile("code/serve.json")
        assert stored is not None
        assert json.load(io.TextIOWrapper(stored))["enable_emotion"] is True
    with pytest.raises(BundleError, match="enable_emotion has no effect"):
        export("sagemaker", tiny_ko, tmp_path / "idle", {"enable_emotion": True})


@pytest.fixture(scope="module")
def toy_emotion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from soritune.audio.preprocessing import Preprocessing
    from soritune.models.build import build_model
    from soritune.models.config import ModelConfig
    from soritune.models.saving import save_bundle
    from soritune.tasks.task import make_task
    from soritune.testing import tiny_config

    folder = tmp_path_factory.mktemp("emotion") / "bundle"
    tasks = [make_task("emotion", {"labels": ["기쁨", "화남"]})]
    config = ModelConfig(encoder="none", random_weights=True, architecture=tiny_config(norm="layer"))
    model = build_model(config, tuple(spec for task in tasks for spec in task.outputs), seed=1).eval()
    save_bundle(model, folder, tasks=tasks, preprocessing=Preprocessing())
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [("adapter", "is an adapter, and its base model"), ("code", "would be overwritten in the archive")],
)
def test_bundle_that_cannot_be_packed_is_one_sentence(
    toy_emotion: Path, tmp_path: Path, change: str, message: str
) -> None:
    bundle = load_bundle(toy_emotion)
    if change == "adapter":
        bundle = type(bundle)(bundle.path, {**bundle.card, "kind": "adapter"})
    else:
        copied = tmp_path / "bundle"
        (copied / "code").mkdir(parents=True)
        bundle = type(bundle)(copied, bundle.card)
    (tmp_path / "out").mkdir()
    with pytest.raises(BundleError, match=message):
        EXPORTER.write(bundle, tmp_path / "out", EXPORTER.settings(enable_emotion=True), SILENT)


def test_other_file_as_wheel_is_one_sentence(tiny_ko: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a wheel of soritune"):
        export("sagemaker", tiny_ko, tmp_path / "out", {"wheel": tmp_path / "other.whl"})
