from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from soritune.bundles.card import Bundle
from soritune.cli.main import app


@pytest.fixture
def bundle(fakes: ModuleType, tmp_path: Path) -> Bundle:
    made: Bundle = fakes.make_bundle(tmp_path / "bundle", [fakes.emotion_task()])
    return made


def call(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_bundle_becomes_a_folder_and_a_list_of_what_would_be_sent(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    options = ["--licence", "mit", "--dataset", "me/a", "--dataset", "me/b", "--intended-use", "Tests."]
    shown = call("export", "hub", bundle.path, "--output", folder, *options)
    assert shown.splitlines()[-1] == str(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in text and "- me/b" in text and "\nTests.\n" in text
    listed = call("push-to-hub", folder, "--repo", "me/emotion", "--dry-run")
    size = f"{(folder / 'model.safetensors').stat().st_size:,}"
    assert any(line.split() == [size, "model.safetensors"] for line in listed.splitlines())
    assert listed.endswith("bytes for me/emotion; nothing was sent\n")


def test_results_as_json(bundle: Bundle, tmp_path: Path) -> None:
    shown = json.loads(call("export", "hub", bundle.path, "--output", tmp_path / "hub", "--json"))
    assert shown["folder"] == str(tmp_path / "hub") and "README.md" in shown["files"]
    pushed = json.loads(call("push-to-hub", tmp_path / "hub", "--repo", "me/emotion", "--dry-run", "--json"))
    assert pushed["url"] is None and pushed["files"] == shown["files"]


def test_options_reach_the_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from soritune.stages.push_to_hub import Push

    calls = []

    def push(folder: Path, repo: str, **options: object) -> Push:
        calls.append({"folder": folder, "repo": repo, **options})
        return Push(repo, {"a": 1}, "https://hub.example/1")

    monkeypatch.setattr("soritune.stages.push_to_hub.push_to_hub", push)
    arguments = ["--repo", "me/x", "--public", "--revision", "v1", "--message", "First"]
    assert call("push-to-hub", tmp_path, *arguments) == "https://hub.example/1\n"
    (given,) = calls
    del given["console"]
    assert given == {
        "folder": tmp_path,
        "repo": "me/x",
        "private": False,
        "revision": "v1",
        "message": "First",
        "dry_run": False,
    }
