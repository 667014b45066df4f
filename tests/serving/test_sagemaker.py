from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import pytest

from soritune.errors import SorituneError
from soritune.serving.faults import RequestError
from soritune.serving.sagemaker import input_fn, main, model_fn, output_fn, predict_fn, settings_of


def with_settings(toy: dict[str, Path], folder: Path, text: str) -> Path:
    """An unpacked archive with this code/serve.json."""
    copytree(toy["onnx-runtime"], folder / "model")
    (folder / "model" / "code").mkdir()
    (folder / "model" / "code" / "serve.json").write_text(text, encoding="utf-8")
    return folder / "model"


def test_variables_of_sagemaker_are_limits(toy: dict[str, Path]) -> None:
    plain = settings_of(toy["pytorch"], {})
    assert (plain.host, plain.port, plain.workers, plain.max_bytes) == ("0.0.0.0", 8080, 1, 6 * 2**20)
    assert plain.answer_seconds == 60
    given = {
        "SAGEMAKER_BIND_TO_PORT": "8090",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "3",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "100",
        "SORITUNE_SERVE": '{"max_seconds": 30, "vad": "energy"}',
    }
    chosen = settings_of(toy["pytorch"], given)
    assert (chosen.port, chosen.workers, chosen.answer_seconds) == (8090, 3, 3600)
    assert (chosen.max_bytes, chosen.max_seconds, chosen.vad) == (100 * 2**20, 30, "energy")


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5"])
def test_wrong_variable_is_one_sentence(toy: dict[str, Path], value: str) -> None:
    with pytest.raises(SorituneError, match="SAGEMAKER_BIND_TO_PORT is .* give a whole number above 0"):
        settings_of(toy["pytorch"], {"SAGEMAKER_BIND_TO_PORT": value})


@pytest.mark.parametrize("text", ["[", "[]", '{"port": 1}', '{"name": 3}'])
def test_faulty_settings_of_an_archive_are_one_sentence(
    toy: dict[str, Path], tmp_path: Path, text: str
) -> None:
    with pytest.raises(SorituneError, match=r"serve\.json"):
        settings_of(with_settings(toy, tmp_path, text), {})


@pytest.mark.slow(seconds=3)
@pytest.mark.parametrize("enabled", [True, False])
def test_archive_decides_about_its_name_and_emotions(
    toy: dict[str, Path], tmp_path: Path, clip: Path, enabled: bool
) -> None:
    text = json.dumps({"name": "mine", "enable_emotion": enabled})
    models = model_fn(str(with_settings(toy, tmp_path, text)))
    answer = predict_fn(input_fn(clip.read_bytes(), "audio/x-wav"), models)
    assert answer["model"] == "mine"
    assert ("emotion" in answer["tasks"]) == enabled
    faulty = input_fn(
        '{"instances": [{"audio": "AAAA"}, {"audio": "AAAA", "model": "none"}]}', "application/json"
    )
    codes = [each["error"]["code"] for each in predict_fn(faulty, models)["predictions"]]
    assert codes[1] == "model_not_found"
    assert codes[0] != codes[1]
    with pytest.raises(RequestError, match="."):
        predict_fn(input_fn(b"no audio", "audio/wav"), models)


def test_output_is_json_for_who_accepts_it() -> None:
    for accept in ("application/json", "*/*", "", "text/csv, application/json;q=0.5"):
        assert output_fn({"text": "가"}, accept) == '{"text":"가"}'
    with pytest.raises(RequestError, match="'text/csv'") as caught:
        output_fn({}, "text/csv")
    assert caught.value.status == 406


@pytest.mark.parametrize("arguments", [[], ["train"], ["serve", "x"]])
def test_other_argument_is_one_sentence(arguments: list[str]) -> None:
    with pytest.raises(SorituneError, match="takes the argument serve"):
        main(arguments)
