from __future__ import annotations

from typing import Any

import pytest
import transformers

from soritune.errors import ModelError
from soritune.models.encoders.wav2vec2.family import Wav2Vec2Family
from soritune.testing import class_output, ctc_output

FAMILY = Wav2Vec2Family()


@pytest.mark.parametrize(
    ("model_type", "prefix"), [("wav2vec2", "Wav2Vec2"), ("hubert", "Hubert"), ("wavlm", "WavLM")]
)
def test_classes_exist_in_transformers(model_type: str, prefix: str) -> None:
    names = FAMILY.hub_names(model_type)
    assert dict(names.classes) == {
        None: f"{prefix}Model",
        "ctc": f"{prefix}ForCTC",
        "classification": f"{prefix}ForSequenceClassification",
    }
    for class_name in names.classes.values():
        assert getattr(transformers, class_name).base_model_prefix == model_type
    assert names.prefix == f"{model_type}."


def test_published_geometry_has_400_samples_per_frame_every_320() -> None:
    """25 ms windows every 20 ms at 16 kHz (Baevski et al. 2020)."""
    geometry = FAMILY.geometry({}, 16000)
    assert (geometry.least_samples, geometry.samples_per_frame) == (400, 320)
    assert geometry.frame_rate_hz == 50.0
    assert FAMILY.geometry({}, 8000).frame_rate_hz == 25.0
    assert geometry.num_frames(16000) == 49


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"conv_kernel": 10}, "conv_kernel is 10; it must be a list of whole numbers"),
        ({"conv_stride": "5"}, "conv_stride is '5'"),
        ({"conv_kernel": [10], "conv_stride": [5, 2]}, "conv_kernel and conv_stride are invalid"),
        ({"conv_kernel": [0], "conv_stride": [5]}, "conv_kernel and conv_stride are invalid"),
    ],
)
def test_invalid_convolutions_are_refused(architecture: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        FAMILY.geometry(architecture, 16000)


@pytest.mark.parametrize(
    ("dropout", "activation"), [(0.0, 0.0), (0.02, 0.02), (0.05, 0.05), (0.3, 0.05), (None, 0.05)]
)
def test_activation_dropout_is_only_lowered(dropout: float | None, activation: float) -> None:
    config = transformers.Wav2Vec2Config(activation_dropout=0.05, hidden_dropout=0.1)
    FAMILY.configure(config, dropout=dropout, layerdrop=0.2, source="x")
    expected = 0.1 if dropout is None else dropout
    assert (config.activation_dropout, config.hidden_dropout) == (activation, expected)
    assert config.layerdrop == 0.2


def test_head_config_describes_the_classification_head_only() -> None:
    spec = class_output(layer="weighted")
    written = FAMILY.head_config("classification", spec, 8)
    assert written == {"classifier_proj_size": 8, "use_weighted_layer_sum": True}
    assert FAMILY.reads_weighted_layers(written)
    assert not FAMILY.reads_weighted_layers({})
    assert FAMILY.head_config("ctc", ctc_output(), 8) == FAMILY.head_config(None, spec, 8) == {}


def test_adapters_alone_are_saved_except_for_wavlm() -> None:
    assert [FAMILY.saves_adapters(name) for name in FAMILY.model_types] == [True, True, False]


def test_feature_extractor_has_the_preprocessing() -> None:
    settings = FAMILY.preprocessor_config({"sample_rate_hz": 8000, "normalize": False}, {})
    assert (settings["sampling_rate"], settings["do_normalize"]) == (8000, False)
    defaults = FAMILY.preprocessor_config({}, {})
    assert transformers.Wav2Vec2FeatureExtractor(**defaults).to_dict().items() >= defaults.items()


def test_tokenizer_has_no_token_outside_the_vocabulary() -> None:
    files = FAMILY.tokenizer_files(ctc_output(labels=("a", "b", "-"), options={"blank": 2}))
    assert files["vocab.json"] == {"a": 0, "b": 1, "-": 2}
    config = files["tokenizer_config.json"]
    assert {config[f"{name}_token"] for name in ("pad", "unk", "bos", "eos")} == {"-"}
    assert config["word_delimiter_token"] == " "
    files = FAMILY.tokenizer_files(ctc_output(labels=("[PAD]", "<unk>", "[CLS]", "</s>", "|")))
    config = files["tokenizer_config.json"]
    named = [config[f"{name}_token"] for name in ("pad", "unk", "bos", "eos", "word_delimiter")]
    assert named == ["[PAD]", "<unk>", "[CLS]", "</s>", "|"]
