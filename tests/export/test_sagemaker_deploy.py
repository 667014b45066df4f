"""deploy.py: its calls fit the service model of SageMaker. `sagemaker_rehearsal.py` runs it against moto."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from soritune.export import sagemaker_deploy

SERVICE = json.loads((Path(__file__).parent / "sagemaker_service.json").read_text(encoding="utf-8"))
ROLE = "arn:aws:iam::123456789012:role/soritune"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/soritune:1"
GIVEN = ["--name", "phones", "--image", IMAGE, "--role", ROLE, "--bucket", "models"]


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """deploy.py beside an archive, as the exporter writes it."""
    shutil.copyfile(sagemaker_deploy.__file__, tmp_path / "deploy.py")
    (tmp_path / "model.tar.gz").write_bytes(b"archive")
    return tmp_path / "deploy.py"


def dry_run(deploy: Path, *options: str) -> list[dict[str, Any]]:
    """The calls that a dry run prints, in a process without soritune and boto3."""
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(deploy), *options, "--dry-run"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def faults(shape: str, value: Any, at: str) -> list[str]:
    """Where a value is not what a shape of the service model states."""
    spec = SERVICE["shapes"][shape]
    if spec["type"] == "structure":
        if not isinstance(value, dict):
            return [f"{at}: no structure"]
        listed = [f"{at}.{name}: missing" for name in spec.get("required", []) if name not in value]
        for name, each in value.items():
            member = spec["members"].get(name)
            listed += [f"{at}.{name}: unknown"] if member is None else faults(member, each, f"{at}.{name}")
        return listed
    if spec["type"] == "list":
        inner = [fault for each in value for fault in faults(spec["member"], each, f"{at}[]")]
        return inner if isinstance(value, list) and len(value) >= spec.get("min", 0) else [f"{at}: list"]
    if spec["type"] == "map":
        pairs = [(spec["key"], key) for key in value] + [(spec["value"], each) for each in value.values()]
        return [fault for name, each in pairs for fault in faults(name, each, f"{at}{{}}")]
    if spec["type"] == "string":
        fits = isinstance(value, str) and spec.get("min", 0) <= len(value) <= spec.get("max", 2**20)
        fits = fits and value in spec.get("enum", [value])
        return [] if fits and re.fullmatch(spec.get("pattern", ".*"), value) else [f"{at}: {value!r}"]
    assert spec["type"] == "integer", spec
    fits = type(value) is int and spec.get("min", 0) <= value <= spec.get("max", 2**31)
    return [] if fits else [f"{at}: {value!r}"]


def check(calls: list[dict[str, Any]]) -> None:
    """The calls of SageMaker fit its service model."""
    for call in calls:
        service, _, method = call["call"].partition(".")
        if service == "sagemaker" and not method.startswith("wait:"):
            operation = "".join(part.title() for part in method.split("_"))
            assert faults(SERVICE["operations"][operation], call["parameters"], operation) == []


def test_the_service_model_refuses_wrong_calls() -> None:
    create = SERVICE["operations"]["CreateEndpoint"]
    assert faults(create, {"EndpointName": "a"}, "") == [".EndpointConfigName: missing"]
    assert faults(create, {"EndpointName": "a_b", "EndpointConfigName": "c"}, "") == [".EndpointName: 'a_b'"]
    assert faults(create, {"EndpointName": "a", "EndpointConfigName": "c", "X": 1}, "") == [".X: unknown"]
    serverless = SERVICE["shapes"]["ProductionVariant"]["members"]["ServerlessConfig"]
    assert faults(serverless, {"MemorySizeInMB": 1000, "MaxConcurrency": 0}, "") == [
        ".MemorySizeInMB: 1000", ".MaxConcurrency: 0"
    ]  # fmt: skip


@pytest.mark.parametrize("mode", sagemaker_deploy.MODES)
def test_calls_of_every_mode_fit_the_service_model(deploy: Path, mode: str) -> None:
    calls = dry_run(deploy, "--mode", mode, *GIVEN)
    assert [call["call"] for call in calls] == [
        "s3.upload_file",
        "sagemaker.create_model",
        "sagemaker.create_endpoint_config",
        "sagemaker.create_endpoint",
        "sagemaker.wait:endpoint_in_service",
    ]
    check(calls)
    upload, model, config, endpoint, _ = [call["parameters"] for call in calls]
    assert model["PrimaryContainer"]["ModelDataUrl"] == f"s3://models/{upload['Key']}"
    (variant,) = config["ProductionVariants"]
    assert variant["ModelName"] == model["ModelName"]
    assert endpoint == {"EndpointName": "phones", "EndpointConfigName": config["EndpointConfigName"]}
    assert ("InstanceType" in variant, "ServerlessConfig" in variant) == (
        mode != "serverless", mode == "serverless"
    )  # fmt: skip
    assert ("AsyncInferenceConfig" in config) == (mode == "async")


def test_update_has_new_names_only_if_something_changed(deploy: Path) -> None:
    first, again = dry_run(deploy, *GIVEN), dry_run(deploy, *GIVEN, "--update", "--no-wait")
    check(again)
    assert again[:3] == first[:3]
    assert again[3]["call"] == "sagemaker.update_endpoint"
    (deploy.parent / "model.tar.gz").write_bytes(b"another")
    for changed in (dry_run(deploy, *GIVEN), dry_run(deploy, *GIVEN, "--count", "2")):
        assert changed[1]["parameters"]["ModelName"] != first[1]["parameters"]["ModelName"]


class Recorder:
    """A client that records calls, and knows one endpoint."""

    def __init__(self, fails: str = "") -> None:
        self.calls: list[str] = []
        self.fails = fails

    def __getattr__(self, name: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.calls.append(name)
            if name == self.fails:
                raise RuntimeError("AccessDenied")
            if name == "describe_endpoint":
                return {"EndpointConfigName": "config-1"}
            if name == "describe_endpoint_config":
                assert parameters == {"EndpointConfigName": "config-1"}
                return {"ProductionVariants": [{"ModelName": "model-1"}]}
            return None

        return call

    def get_waiter(self, name: str) -> Any:
        self.calls.append(f"wait {name}")
        return self


def run(monkeypatch: pytest.MonkeyPatch, deploy: Path, client: Recorder, *options: str) -> int:
    monkeypatch.setattr(sagemaker_deploy, "__file__", str(deploy))
    return sagemaker_deploy.main(list(options), lambda service: client)


def test_deletion_looks_names_up(
    monkeypatch: pytest.MonkeyPatch, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Recorder()
    assert run(monkeypatch, deploy, client, "--name", "phones", "--delete") == 0
    calls = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    check(calls)
    assert [call["parameters"] for call in calls] == [
        {"EndpointName": "phones"}, {"EndpointConfigName": "config-1"}, {"ModelName": "model-1"}
    ]  # fmt: skip
    assert client.calls[2:] == ["delete_endpoint", "delete_endpoint_config", "delete_model"]


def test_failed_call_ends_the_deployment(
    monkeypatch: pytest.MonkeyPatch, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Recorder(fails="create_model")
    assert run(monkeypatch, deploy, client, *GIVEN) == 1
    assert client.calls == ["upload_file", "create_model"]
    assert capsys.readouterr().err == "sagemaker.create_model failed: AccessDenied\n"


def test_dry_run_makes_no_call(monkeypatch: pytest.MonkeyPatch, deploy: Path) -> None:
    client = Recorder()
    assert run(monkeypatch, deploy, client, *GIVEN, "--dry-run") == 0
    assert run(monkeypatch, deploy, client, "--name", "a", "--delete", "--dry-run") == 0
    assert client.calls == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "a_b"], "--name 'a_b' is not letters"),
        (["--name", "a" * 38], "at most 37"),
        (["--name", "a"], "--image is missing"),
        ([*GIVEN, "--mode", "serverless", "--memory-mb", "1500"], "--memory-mb 1500 is not one of"),
        ([*GIVEN, "--count", "0"], "--count and --concurrency are at least 1"),
    ],
)
def test_wrong_options_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    deploy: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert run(monkeypatch, deploy, Recorder(), *options) == 2
    assert message in capsys.readouterr().err


def test_missing_archive_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (deploy.parent / "model.tar.gz").unlink()
    assert run(monkeypatch, deploy, Recorder(), *GIVEN) == 2
    assert "there is no" in capsys.readouterr().err
