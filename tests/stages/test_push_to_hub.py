"""No network: `HfApi` is replaced by a stand-in whose calls are bound to the signatures of the real one."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from soritune.bundles.card import Bundle
from soritune.errors import BundleError, OutputError
from soritune.stages.export import export
from soritune.stages.push_to_hub import push_to_hub
from soritune.whole_file import write_text


class RecordedHub:
    """Records calls; `existing` maps names of repositories to whether they are private."""

    def __init__(self, existing: dict[str, bool] | None = None, error: Exception | None = None) -> None:
        self.existing, self.error = dict(existing or {}), error
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, **options: Any) -> RecordedHub:
        inspect.signature(HfApi).bind(**options)
        return self

    def _record(self, name: str, arguments: dict[str, Any]) -> None:
        inspect.signature(getattr(HfApi, name)).bind(self, **arguments)
        self.calls.append((name, arguments))
        if self.error is not None:
            raise self.error

    def create_repo(self, **arguments: Any) -> SimpleNamespace:
        self._record("create_repo", arguments)
        name = arguments["repo_id"] if "/" in arguments["repo_id"] else f"account/{arguments['repo_id']}"
        self.existing.setdefault(name, arguments["private"])
        return SimpleNamespace(repo_id=name)

    def repo_info(self, **arguments: Any) -> SimpleNamespace:
        self._record("repo_info", arguments)
        return SimpleNamespace(private=self.existing[arguments["repo_id"]])

    def create_branch(self, **arguments: Any) -> None:
        self._record("create_branch", arguments)

    def upload_folder(self, **arguments: Any) -> SimpleNamespace:
        self._record("upload_folder", arguments)
        return SimpleNamespace(commit_url=f"https://hub.example/{arguments['repo_id']}/commit/1")

    def arguments(self, name: str) -> dict[str, Any]:
        (found,) = [arguments for call, arguments in self.calls if call == name]
        return found


@pytest.fixture
def folder(fakes: ModuleType, tmp_path: Path) -> Path:
    bundle: Bundle = fakes.make_bundle(tmp_path / "bundle", [fakes.emotion_task()])
    return export("hub", bundle.path, tmp_path / "hub").folder


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_nothing")


def use(monkeypatch: pytest.MonkeyPatch, hub: RecordedHub) -> RecordedHub:
    monkeypatch.setattr(huggingface_hub, "HfApi", hub)
    return hub


@pytest.mark.usefixtures("logged_in")
def test_folder_is_uploaded_to_a_private_repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = use(monkeypatch, RecordedHub())
    push = push_to_hub(folder, "me/emotion")
    assert [name for name, _ in hub.calls] == ["create_repo", "repo_info", "upload_folder"]
    made = hub.arguments("create_repo")
    assert (made["repo_id"], made["private"], made["exist_ok"]) == ("me/emotion", True, True)
    sent = hub.arguments("upload_folder")
    assert (sent["repo_id"], sent["folder_path"]) == ("me/emotion", folder)
    assert sorted(sent["allow_patterns"]) == sorted(push.files)
    assert "README.md" in push.files and "model.safetensors" in push.files
    assert push.url == "https://hub.example/me/emotion/commit/1"
    assert not any("token" in arguments for _, arguments in hub.calls)


@pytest.mark.usefixtures("logged_in")
def test_branch_and_message_can_be_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = use(monkeypatch, RecordedHub())
    push = push_to_hub(folder, "emotion", private=False, revision="v1", message="First")
    assert hub.arguments("create_branch")["branch"] == "v1"
    sent = hub.arguments("upload_folder")
    assert (sent["revision"], sent["commit_message"], sent["repo_id"]) == ("v1", "First", "account/emotion")
    assert hub.arguments("create_repo")["private"] is False
    assert push.repo == "account/emotion"


@pytest.mark.usefixtures("logged_in")
def test_nothing_is_sent_to_a_public_repository_without_permission(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = use(monkeypatch, RecordedHub({"me/emotion": False}))
    with pytest.raises(OutputError, match="me/emotion exists and is public; permit that with --public"):
        push_to_hub(folder, "me/emotion")
    assert "upload_folder" not in [name for name, _ in hub.calls]
    push_to_hub(folder, "me/emotion", private=False)
    assert "upload_folder" in [name for name, _ in hub.calls]


def test_dry_run_lists_files_and_sends_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = use(monkeypatch, RecordedHub())
    (folder / ".cache").mkdir()
    (folder / ".cache" / "hidden").touch()
    push = push_to_hub(folder, "me/emotion", dry_run=True)
    assert hub.calls == [] and push.url is None
    assert push.files == {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    assert push.to_json()["bytes"] == sum(push.files.values())


def test_missing_token_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = use(monkeypatch, RecordedHub())
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(OutputError, match="no token .* `hf auth login` or in HF_TOKEN"):
        push_to_hub(folder, "me/emotion")
    assert hub.calls == []


def refusal(status: int) -> HfHubHTTPError:
    response: Any = SimpleNamespace(status_code=status, headers={}, request=None)
    return HfHubHTTPError("Client error\nwith lines", response=response, server_message="no right")


@pytest.mark.usefixtures("logged_in")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (refusal(401), r"refused the token for me/emotion \(status 401: no right\)"),
        (refusal(403), r"refused the token for me/emotion \(status 403: no right\)"),
        (
            refusal(500),
            r"refused the upload to me/emotion \(status 500: no right\); the same command resumes",
        ),
        (OSError("Name or service\nnot known"), r"could not be uploaded \(Name or service not known\)"),
    ],
)
def test_errors_of_the_hub_are_one_sentence(
    error: Exception, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, RecordedHub(error=error))
    with pytest.raises(OutputError, match=message) as raised:
        push_to_hub(folder, "me/emotion")
    assert "\n" not in str(raised.value)


def test_invalid_name_is_refused(folder: Path) -> None:
    with pytest.raises(OutputError, match="is not a name on the hub"):
        push_to_hub(folder, "me/two words", dry_run=True)


def test_bundle_that_was_not_exported_is_refused(fakes: ModuleType, tmp_path: Path) -> None:
    bundle = fakes.make_bundle(tmp_path / "bundle", [fakes.emotion_task()])
    with pytest.raises(BundleError, match="is not a folder of `soritune export hub`"):
        push_to_hub(bundle.path, "me/emotion", dry_run=True)


@pytest.mark.parametrize("text", ["---\nmodel-index: [{name: x}]\n---\n", "---\na: [\n---\n"])
def test_card_with_a_faulty_front_matter_is_refused(text: str, folder: Path) -> None:
    write_text(folder / "README.md", text)
    with pytest.raises(BundleError, match="the front matter of .* cannot be read"):
        push_to_hub(folder, "me/emotion", dry_run=True)


def test_changed_onnx_export_is_refused(folder: Path, fakes: ModuleType) -> None:
    onnx = fakes.make_bundle(folder / "onnx", [fakes.emotion_task()])
    assert "onnx/config.json" in push_to_hub(folder, "me/emotion", dry_run=True).files
    (onnx.path / "config.json").write_text("{}{}")
    with pytest.raises(BundleError, match="onnx/config.json is not the file"):
        push_to_hub(folder, "me/emotion", dry_run=True)


def test_changed_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"other")
    with pytest.raises(BundleError, match="sha256 differs"):
        push_to_hub(folder, "me/emotion", dry_run=True)
