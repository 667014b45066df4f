from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.errors import SorituneError
from soritune.serving import server
from soritune.serving.settings import ServeSettings


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServeSettings]:
    """The settings that the command passes on."""
    passed: list[ServeSettings] = []

    def run(settings: ServeSettings, on_ready: Callable[[], None]) -> None:
        passed.append(settings)
        on_ready()

    monkeypatch.setattr(server, "run", run)
    return passed


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["serve", *arguments])


def test_options_are_settings_of_the_server(served: list[ServeSettings]) -> None:
    done = invoke(
        "a=x", "y", "--port", "9000", "--enable-emotion", "--max-mb", "2", "--cors", "https://a.example",
        "--workers", "3", "--api-keys", "keys", "--max-per-client", "4", "--asr-model", "words",
    )  # fmt: skip
    assert done.exit_code == 0
    (settings,) = served
    assert settings == ServeSettings(
        models=("a=x", "y"),
        port=9000,
        enable_emotion=True,
        max_bytes=2_000_000,
        cors=("https://a.example",),
        workers=3,
        api_keys=Path("keys"),
        max_per_client=4,
        asr_model="words",
    )


def test_address_is_stated_once_the_server_answers(served: list[ServeSettings]) -> None:
    lines = invoke("a=x", "--host", "::1", "--port", "9000").stderr.splitlines()
    assert lines == ["opening a=x …", "ready on http://[::1]:9000; Ctrl+C stops"]


def test_defaults_of_the_command_are_those_of_the_settings(served: list[ServeSettings]) -> None:
    assert invoke().exit_code == 0
    assert served == [ServeSettings()]


@pytest.mark.parametrize(
    "arguments", [("--port", "0"), ("--workers", "0"), ("--vad", "loud"), ("--max-seconds", "-1")]
)
def test_value_out_of_range_is_refused(served: list[ServeSettings], arguments: tuple[str, str]) -> None:
    assert invoke(*arguments).exit_code == 2
    assert served == []


def test_folder_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = invoke(str(tmp_path), "--port", str(port))
    assert isinstance(done.exception, SorituneError)
    assert "is not a model" in str(done.exception)
