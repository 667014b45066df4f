"""Models and apps that the tests of the server share. A toy model of phones and emotions has both backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from soritune.audio.preprocessing import Preprocessing
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.serving.app import open_app
from soritune.serving.settings import ServeSettings
from soritune.stages.export import export
from soritune.tasks.task import make_task
from soritune.testing import tiny_config

Connect = Callable[..., TestClient]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A toy model of phones and emotions: the bundle, and its export, by backend."""
    folder = tmp_path_factory.mktemp("toy")
    tasks = [make_task("phoneme", {}), make_task("emotion", {"labels": ["기쁨", "화남"]})]
    config = ModelConfig(encoder="none", random_weights=True, architecture=tiny_config(norm="layer"))
    outputs = tuple(spec for task in tasks for spec in task.outputs)
    model = build_model(config, outputs, seed=1).eval()
    save_bundle(model, folder / "pytorch", tasks=tasks, preprocessing=Preprocessing())
    export("onnx", folder / "pytorch", folder / "onnx", {"older": True})
    return {"pytorch": folder / "pytorch", "onnx-runtime": folder / "onnx"}


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds that a detector of speech by energy takes for speech, as int16 in a WAV file."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, speechlike(2.0), 16_000, subtype="PCM_16")
    return path


def speechlike(seconds: float, rate: int = 16_000, seed: int = 1) -> Any:
    """(samples,): silence, syllables of a buzz and noise, silence."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    syllables = np.maximum(0, np.sin(2 * np.pi * 3 * time)) * ((time > 0.3) & (time < seconds - 0.3))
    return 0.2 * syllables * (buzz + 0.3 * rng.standard_normal(len(time))) + 1e-4 * rng.standard_normal(
        len(time)
    )


@pytest.fixture(scope="session")
def connect(toy: dict[str, Path]) -> Iterator[Connect]:
    """Clients of apps over the toy's export, by settings; apps with equal settings are one."""
    clients: dict[ServeSettings, TestClient] = {}
    with ExitStack() as stack:

        def client(**changes: Any) -> TestClient:
            defaults = {"models": (f"toy={toy['onnx-runtime']}",), "vad": "energy"}
            settings = ServeSettings(**{**defaults, **changes})
            if settings not in clients:
                clients[settings] = stack.enter_context(
                    TestClient(open_app(settings), raise_server_exceptions=False)
                )
            return clients[settings]

        yield client
