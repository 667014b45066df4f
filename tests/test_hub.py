from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest

from soritune.errors import ModelError, OutputError
from soritune.hub import check_repository_name, folder_of_hub, weights_among


def find(name: str = "owner/model", **more: bool) -> Path:
    return folder_of_hub(name, wanted=lambda files: list(files), is_complete=lambda folder: True, **more)


def not_cached(name: str, **options: object) -> str:
    assert options == {"local_files_only": True}
    raise FileNotFoundError


def test_folder_of_the_cache_is_taken_if_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **options: str(tmp_path))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: pytest.fail("asked the hub"))
    assert find() == tmp_path


def test_missing_model_is_not_searched_if_that_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", not_cached)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *a, **k: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="neither a folder here nor in the hub's cache"):
        find(ask_hub=False)


def test_hub_without_network_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **more: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", not_cached)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    with pytest.raises(ModelError, match=r"could not be reached on the hub \(Name or service not known\)"):
        find()


def test_invalid_name_is_refused() -> None:
    with pytest.raises(ModelError, match="nor a valid hub name"):
        find("owner/mo del")


def test_safetensors_are_preferred() -> None:
    files = ["config.json", "model-1.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]
    assert weights_among(files) == files[1:3]
    assert weights_among(files[3:]) == files[3:]


@pytest.mark.parametrize("name", ["", "a/b/c", "me/two words", "me/-x", "한국/모델"])
def test_invalid_name_of_a_repository_is_refused(name: str) -> None:
    with pytest.raises(OutputError, match="is not a name on the hub"):
        check_repository_name(name)


def test_names_with_and_without_an_owner_are_valid() -> None:
    check_repository_name("me/model-1.0")
    check_repository_name("model_1")
