"""How the audio of a starting point was preprocessed, as its files state it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from soritune.audio.preprocessing import Preprocessing
from soritune.errors import ModelError
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.models.starting_preprocessing import other_extractor, starting_preprocessing


@pytest.fixture
def folder(checkpoint, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint(), tmp_path / "model"))


def stated(folder: Path) -> dict[str, object]:
    return starting_preprocessing(ModelConfig(encoder=str(folder)))


def test_folder_without_a_feature_extractor_states_nothing(folder: Path) -> None:
    assert stated(folder) == {}


@pytest.mark.parametrize(("normalize", "rate"), [(True, 16000), (False, 8000)])
def test_both_files_of_transformers_are_read(normalize: bool, rate: int, folder: Path) -> None:
    extractor = {"do_normalize": normalize, "sampling_rate": rate, "feature_size": 1}
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": extractor}))
    assert stated(folder) == {"normalize": normalize, "sample_rate_hz": rate}
    other = {**extractor, "sampling_rate": 44100}
    (folder / "preprocessor_config.json").write_text(json.dumps(other))
    assert stated(folder) == {"normalize": normalize, "sample_rate_hz": 44100}


def test_values_of_another_type_are_ignored(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text('{"do_normalize": "no", "sampling_rate": true}')
    assert stated(folder) == {}


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_unreadable_configuration_is_reported(text: str, folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text(text)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json cannot be read"):
        stated(folder)


def test_bundle_states_the_preprocessing_of_its_card(build, tmp_path: Path) -> None:
    preprocessing = Preprocessing(normalize=False)
    bundle = save_bundle(build(), tmp_path / "b", tasks=[], preprocessing=preprocessing)
    assert stated(bundle.path) == {"normalize": False, "sample_rate_hz": 16000}
    config = ModelConfig(encoder="owner/other", init_from=str(bundle.path))
    assert starting_preprocessing(config) == {"normalize": False, "sample_rate_hz": 16000}


def test_random_weights_state_nothing() -> None:
    assert starting_preprocessing(ModelConfig(encoder="owner/other", random_weights=True)) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Wav2Vec2FeatureExtractor", None), ("WhisperFeatureExtractor", "WhisperFeatureExtractor")],
)
def test_extractor_of_other_features_is_named(name: str, expected: str | None, folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_extractor_type": name}))
    assert other_extractor(ModelConfig(encoder=str(folder))) == expected
