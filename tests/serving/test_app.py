from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from starlette.testclient import TestClient
from tests.serving.conftest import Connect

from soritune.errors import SorituneError
from soritune.serving.app import build_app, open_app
from soritune.serving.models import ServedModels
from soritune.serving.settings import ServeSettings

POST = (
    "/v1/phonemes",
    "/v1/emotion",
    "/v1/pronunciation",
    "/v1/batch",
    "/v1/audio/transcriptions",
    "/invocations",
)
GET = ("/v1/models", "/ping", "/healthz", "/metrics")
ROUTES = (*POST, *GET)


@pytest.fixture
def described(connect: Connect) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", connect(max_bytes=65_536, enable_emotion=True).app)


@pytest.mark.parametrize("route", ROUTES)
def test_no_request_that_the_description_allows_is_a_server_error(described: Any, route: str) -> None:
    """Requests that schemathesis makes of the description, with valid and invalid values."""
    operation = described[route]["get" if route in GET else "post"]
    statuses: list[int] = []

    @given(case=operation.as_strategy())
    @settings(max_examples=12, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case) -> None:
        statuses.append(case.call_and_validate(checks=[not_a_server_error]).status_code)

    check()
    assert len(statuses) >= (1 if route in GET else 5)
    assert route in GET or {415, 422} & set(statuses)


def test_description_has_every_route_with_examples(connect: Connect) -> None:
    paths = connect().get("/openapi.json").json()["paths"]
    assert set(paths) == set(ROUTES)
    for path in POST:
        assert "example" in paths[path]["post"]["responses"]["200"]["content"]["application/json"]


def test_no_page_of_another_server_is_loaded(connect: Connect) -> None:
    assert connect().get("/docs").status_code == connect().get("/redoc").status_code == 404


def test_other_origins_are_closed_unless_they_are_named(connect: Connect) -> None:
    preflight = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    closed = connect().options("/v1/phonemes", headers=preflight)
    assert "access-control-allow-origin" not in closed.headers
    client = connect(cors=("https://page.example",))
    opened = client.options("/v1/phonemes", headers=preflight)
    assert opened.headers["access-control-allow-origin"] == "https://page.example"
    refused = client.post("/v1/phonemes", files={"file": b""}, headers={"Origin": "https://page.example"})
    assert (
        refused.headers["access-control-allow-origin"] == "https://page.example"
    )  # so that the page can read why
    other = client.get("/healthz", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": {"file": "a text"}},
        {"files": {"file": b"x"}, "data": {"response_format": "docx"}},
        {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"\xff" * 1000, "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b'{"file": 1}', "headers": {"Content-Type": "application/json"}},
        {"files": {"file": b"x"}, "data": {f"field{n}": "x" for n in range(2000)}},
        {"files": [("file", (f"{n}", b"x")) for n in range(1100)]},
    ],
)
def test_wrong_form_is_refused_in_one_sentence(connect: Connect, fields: dict[str, Any]) -> None:
    answer = connect().post("/v1/audio/transcriptions", **fields)
    assert 400 <= answer.status_code < 500
    assert set(answer.json()["error"]) == {"message", "type", "code", "request_id"}


def test_page_is_served_and_nothing_outside_its_folder(toy: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<p>page</p>", encoding="utf-8")
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (page / "link").symlink_to(tmp_path / "secret")
    chosen = ServeSettings(models=(f"toy={toy['onnx-runtime']}",), vad="off")
    models = ServedModels.open(chosen)
    with TestClient(build_app(models, chosen, page=page)) as client:
        assert client.get("/").text == "<p>page</p>"
        assert client.get("/ping").status_code == 200
        for path in ("/../secret", "/%2e%2e/secret", "/..%2fsecret", "/link", "//etc/passwd", "/%00"):
            answer = client.get(path)
            assert (answer.status_code, "secret" in answer.text) == (404, False)


def test_faulty_file_of_keys_is_refused_at_the_start(toy: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a key itself\n", encoding="utf-8")
    with pytest.raises(SorituneError, match="line 1"):
        open_app(ServeSettings(models=(f"toy={toy['onnx-runtime']}",), vad="off", api_keys=tmp_path / "keys"))


def test_program_of_the_document_makes_an_app(toy: dict[str, Path]) -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "serving.md").read_text(encoding="utf-8")
    block = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[-1]
    names: dict[str, Any] = {}
    exec(block.replace("soritune/tiny-ko", f"toy={toy['onnx-runtime']}"), names)
    with TestClient(names["app"]) as client:
        assert client.get("/healthz").json()["models"] == [{"name": "toy", "tasks": ["phoneme"]}]


WITHOUT_TORCH = """
import sys
for name in ("torch", "transformers", "peft", "accelerate"):
    sys.modules[name] = None
from starlette.testclient import TestClient
from soritune.serving.app import open_app
from soritune.serving.settings import ServeSettings
with TestClient(open_app(ServeSettings(models=(sys.argv[1],)))) as client:
    answer = client.post("/v1/phonemes", files={"file": open(sys.argv[2], "rb").read()})
    assert answer.status_code == 200, answer.text
    print(answer.json()["hangul"])
"""


def test_exported_model_is_served_without_torch(toy: dict[str, Path], clip: Path, connect: Connect) -> None:
    """An import of torch would fail in this process."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, toy["onnx-runtime"], clip], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected = connect().post("/v1/phonemes", files={"file": clip.read_bytes()}).json()["hangul"]
    assert done.stdout.strip() == expected
