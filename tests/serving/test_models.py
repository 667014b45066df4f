from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.errors import BundleError, SorituneError
from soritune.serving.faults import RequestError
from soritune.serving.models import ServedModels, named_folders
from soritune.serving.settings import ServeSettings
from soritune.serving.uploads import Upload
from soritune.testing import tiny_config


@pytest.fixture(scope="module")
def emotion_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from soritune.audio.preprocessing import Preprocessing
    from soritune.models.build import build_model
    from soritune.models.config import ModelConfig
    from soritune.models.saving import save_bundle
    from soritune.tasks.task import make_task

    folder = tmp_path_factory.mktemp("emotion") / "bundle"
    task = make_task("emotion", {"labels": ["기쁨", "화남"]})
    config = ModelConfig(encoder="none", random_weights=True, architecture=tiny_config(norm="layer"))
    save_bundle(
        build_model(config, task.outputs, seed=1), folder, tasks=[task], preprocessing=Preprocessing()
    )
    return folder


def opened(*models: object, **more: object) -> ServedModels:
    return ServedModels.open(ServeSettings(models=tuple(map(str, models)), vad="off", **more))  # type: ignore[arg-type]


def test_requests_choose_among_several_models(toy: dict[str, Path], emotion_only: Path) -> None:
    models = opened(f"a={toy['onnx-runtime']}", f"b={emotion_only}", enable_emotion=True)
    assert models.names == ["a", "b"]
    assert models.named(None).name == "a"
    assert models.named("b").name == "b"
    with pytest.raises(RequestError) as caught:
        models.named("b", lambda each: each.has_phones)
    assert (caught.value.status, caught.value.code) == (400, "model-unfit")
    models.close()


def test_model_whose_every_task_is_off_is_refused(emotion_only: Path) -> None:
    with pytest.raises(BundleError, match="--enable-emotion"):
        opened(emotion_only)


def test_enabling_emotion_without_a_model_for_it_is_refused() -> None:
    with pytest.raises(SorituneError, match="no effect"):
        opened("soritune/tiny-ko", enable_emotion=True)


def test_two_models_with_one_name_are_refused(toy: dict[str, Path]) -> None:
    with pytest.raises(BundleError, match="NAME=FOLDER"):
        named_folders(ServeSettings(models=(f"a={toy['pytorch']}", f"a={toy['onnx-runtime']}")))
    with pytest.raises(BundleError, match="no name"):
        named_folders(ServeSettings(models=(f"={toy['pytorch']}",)))


def test_package_has_a_model_without_a_name() -> None:
    ((name, folder),) = named_folders(ServeSettings())
    assert name == DEFAULT_MODEL
    assert (folder / "soritune.json").is_file()


@pytest.mark.parametrize("file", ["soritune.json", "model.onnx"])
def test_corrupt_bundle_is_one_sentence(toy: dict[str, Path], tmp_path: Path, file: str) -> None:
    shutil.copytree(toy["onnx-runtime"], tmp_path / "broken")
    data = (tmp_path / "broken" / file).read_bytes()
    (tmp_path / "broken" / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(BundleError, match="broken"):
        opened(tmp_path / "broken")


def test_programs_without_an_event_loop_get_the_same_answer(toy: dict[str, Path], clip: Path) -> None:
    models = opened(toy["onnx-runtime"])
    answer = models.named(None).answer_now(Upload(clip.read_bytes()))
    assert answer.prediction("phoneme") is not None
    assert answer.duration_s == 2.0
    with pytest.raises(RequestError):
        models.named(None).answer_now(Upload(b"no audio"))
    models.close()
