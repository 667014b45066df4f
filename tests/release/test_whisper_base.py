"""A Whisper from CTranslate2 and from transformers, on toys; the binary file is written here from its description."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from release.whisper_base import ConversionError, convert
from safetensors.numpy import load_file, save_file

from release import whisper_base
from soritune.audio.preprocessing import Preprocessing
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.loading import load_model
from soritune.models.saving import save_bundle
from soritune.testing import ctc_output

SIZES: dict[str, Any] = {
    "d_model": 64,
    "encoder_layers": 2,
    "encoder_attention_heads": 1,
    "encoder_ffn_dim": 96,
    "decoder_layers": 1,
    "decoder_attention_heads": 1,
    "decoder_ffn_dim": 80,
    "max_target_positions": 8,
    "vocab_size": 50_260,
    "decoder_start_token_id": 0,
    "init_std": 0.2,
}
Variables = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def whisper() -> transformers.WhisperForConditionalGeneration:
    torch.manual_seed(0)
    model = transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(**SIZES)).half().float()
    return model.eval()


@pytest.fixture(scope="module")
def variables(whisper: Any) -> Variables:
    """The variables of CTranslate2: names, and stacked projections, of its converter for transformers."""
    state = {name: value.numpy().astype(np.float16) for name, value in whisper.model.state_dict().items()}
    named: Variables = {
        "encoder/num_heads": np.int16(1).reshape(()),
        "decoder/scale_embeddings": np.int8(0).reshape(()),
    }
    for side in ("encoder", "decoder"):
        named[f"{side}/position_encodings/encodings"] = state[f"{side}.embed_positions.weight"]
        named |= norm(f"{side}/layer_norm", state, f"{side}.layer_norm")
        for number in range(SIZES[f"{side}_layers"]):
            ours, theirs = f"{side}/layer_{number}", f"{side}.layers.{number}"
            named |= attention(f"{ours}/self_attention", state, f"{theirs}.self_attn", ("qkv", "o"))
            if side == "decoder":
                named |= attention(f"{ours}/attention", state, f"{theirs}.encoder_attn", ("q", "kv", "o"))
            named |= norm(f"{ours}/ffn/layer_norm", state, f"{theirs}.final_layer_norm")
            for kind in ("weight", "bias"):
                named[f"{ours}/ffn/linear_0/{kind}"] = state[f"{theirs}.fc1.{kind}"]
                named[f"{ours}/ffn/linear_1/{kind}"] = state[f"{theirs}.fc2.{kind}"]
    for kind in ("weight", "bias"):
        named[f"encoder/conv1/{kind}"] = state[f"encoder.conv1.{kind}"]
        named[f"encoder/conv2/{kind}"] = state[f"encoder.conv2.{kind}"]
    named["decoder/embeddings/weight"] = state["decoder.embed_tokens.weight"]
    named["decoder/projection/weight"] = state["decoder.embed_tokens.weight"]
    return named


def norm(ours: str, state: Mapping[str, Any], theirs: str) -> Variables:
    return {f"{ours}/gamma": state[f"{theirs}.weight"], f"{ours}/beta": state[f"{theirs}.bias"]}


def attention(ours: str, state: Mapping[str, Any], theirs: str, linears: tuple[str, ...]) -> Variables:
    """`linears` has the projections of each linear module; keys have a bias of zeros."""
    names = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}
    zeros = np.zeros(64, np.float16)
    named = norm(f"{ours}/layer_norm", state, f"{theirs}_layer_norm")
    for number, projections in enumerate(linears):
        for kind in ("weight", "bias"):
            parts = [state.get(f"{theirs}.{names[letter]}.{kind}", zeros) for letter in projections]
            named[f"{ours}/linear_{number}/{kind}"] = np.concatenate(parts)
    return named


def text(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def binary(
    variables: Mapping[str, NDArray[Any]], *, version: int = 6, model: str = "WhisperSpec", types: Any = None
) -> bytes:
    types = types or {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
    parts = [struct.pack("<I", version), text(model), struct.pack("<II", 3, len(variables))]
    for name, value in variables.items():
        parts += [text(name), struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)]
        parts += [struct.pack("<BI", types[value.dtype.name], value.nbytes), value.tobytes()]
    return b"".join([*parts, struct.pack("<I", 0)])


def folder_of(path: Path, content: bytes) -> Path:
    path.mkdir()
    (path / "model.bin").write_bytes(content)
    return path


@pytest.fixture(scope="module")
def converted(variables: Variables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("converted")
    convert(str(folder_of(root / "ct2", binary(variables))), root / "hf")
    return root / "hf"


def test_every_tensor_of_ctranslate2_is_that_of_transformers(whisper: Any, converted: Path) -> None:
    theirs = whisper.model.state_dict()
    ours = load_file(converted / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert {value.dtype.name for value in ours.values()} == {"float16"}
    assert all(np.array_equal(ours[name], theirs[name].numpy().astype(np.float16)) for name in ours)


def test_both_inputs_give_the_same_folder(whisper: Any, converted: Path, tmp_path: Path) -> None:
    whisper.save_pretrained(tmp_path / "generation")
    whisper.model.save_pretrained(tmp_path / "bare")
    for name in ("generation", "bare"):
        convert(str(tmp_path / name), tmp_path / f"{name}-out")
        for file in ("tensors.json", "config.json", "preprocessor_config.json", "NOTICE"):
            assert (tmp_path / f"{name}-out" / file).read_bytes() == (converted / file).read_bytes()


def test_transformers_and_soritune_open_it_and_compute_the_same(whisper: Any, converted: Path) -> None:
    theirs = transformers.WhisperModel.from_pretrained(converted, dtype=torch.float32).encoder.eval()
    wave = 0.1 * torch.randn(1, 480_000, generator=torch.Generator().manual_seed(1))
    extractor = transformers.AutoFeatureExtractor.from_pretrained(converted)
    features = extractor(wave[0].numpy(), sampling_rate=16000, return_tensors="pt").input_features
    front = {"level_dbfs": None, "appended_silence_s": 0}
    model = build_model(ModelConfig(encoder=str(converted), front=front), (ctc_output(),), seed=0).eval()
    with torch.no_grad():
        original = whisper.model.encoder(features).last_hidden_state
        opened = theirs(features).last_hidden_state
        ours, _, _ = model.encode(wave, torch.tensor([480_000]))
    assert torch.equal(opened, original)
    assert torch.allclose(ours, original, atol=1e-4)


def test_checksums_are_those_of_the_bytes_in_half_precision(whisper: Any, converted: Path) -> None:
    sums = json.loads((converted / "tensors.json").read_text(encoding="utf-8"))
    bias = whisper.model.state_dict()["encoder.conv1.bias"]
    packed = struct.pack("<64e", *bias.tolist())
    assert sums["encoder.conv1.bias"] == hashlib.sha256(packed).hexdigest()
    assert len(sums) == len(whisper.model.state_dict())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"encoder/conv1/weight": None},
            "it is not a whole Whisper: the tensor encoder.conv1.weight is missing",
        ),
        (
            {"decoder/embeddings/weight": None},
            "not a whole Whisper: the tensor decoder.embed_tokens.weight is",
        ),
        (
            {"encoder/layer_1/ffn/linear_0/bias": None},
            "the tensor encoder.layers.1.fc1.bias is missing; take",
        ),
        (
            {"encoder/extra/weight": np.ones(2, np.float16)},
            "the variable encoder/extra/weight of shape .* has no",
        ),
        (
            {"encoder/layer_0/ffn/linear_7/weight": np.ones(2, np.float16)},
            "linear_7/weight .* has no counterpart",
        ),
        (
            {"other": np.ones(2, np.float16)},
            "the variable other of shape .* has no counterpart in transformers",
        ),
        ({"encoder/layer_x/ffn/linear_0/bias": np.ones(2, np.float16)}, "layer_x.* has no counterpart"),
        ({"encoder/conv3/weight": np.ones(2, np.float16)}, "the variable encoder/conv3/weight .* has no"),
        (
            {"encoder/conv1/bias": np.ones(3, np.float16)},
            r"conv1.bias has the shape \(3,\) instead of \(64,\)",
        ),
        (
            {"encoder/conv1/weight": np.ones((64, 80), np.float16)},
            r"conv1.weight has the shape \(64, 80\); a W",
        ),
        ({"encoder/conv1/weight": np.ones((60, 80, 3), np.float16)}, "the first a multiple of 64"),
        (
            {"encoder/conv1/bias": np.full(64, np.inf, np.float16)},
            "conv1.bias has values that are not finite",
        ),
        (
            {"encoder/conv1/bias": np.full(64, 1e6, np.float32)},
            "conv1.bias has values that are not finite in half",
        ),
        ({"encoder/conv1/weight": np.ones((64, 80, 3), np.int8)}, r"conv1/weight is quantised \(int8\)"),
        (
            {"encoder/layer_0/self_attention/linear_0/bias": np.ones(192, np.float16)},
            "encoder.layers.0.self_attn: the keys have a bias",
        ),
        (
            {"encoder/layer_0/self_attention/linear_0/weight": np.ones((100, 64), np.float16)},
            r"linear_0/weight of shape \(100, 64\) has no counterpart",
        ),
    ],
)
def test_variables_that_are_not_those_of_a_whisper_are_refused(
    variables: Variables, change: Mapping[str, Any], sentence: str, tmp_path: Path
) -> None:
    changed = {name: value for name, value in {**variables, **change}.items() if value is not None}
    with pytest.raises(ConversionError, match=sentence) as caught:
        convert(str(folder_of(tmp_path / "ct2", binary(changed))), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", [0, 3, 9, 25, 60, 0.3, 0.999])
def test_a_truncated_file_is_reported(variables: Variables, kept: float, tmp_path: Path) -> None:
    content = binary(variables)
    size = kept if isinstance(kept, int) else int(kept * len(content))
    with pytest.raises(
        ConversionError, match=r"model\.bin ends (early|inside the variable .*); copy it again"
    ):
        convert(str(folder_of(tmp_path / "ct2", content[:size])), tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"version": 5}, "has version 5 of CTranslate2's format; 6 is known"),
        ({"model": "TransformerSpec"}, "holds a model 'TransformerSpec', not a WhisperSpec"),
        ({"types": {"float16": 9, "int16": 2, "int8": 1}}, "has type 9, which is not known"),
    ],
)
def test_another_format_is_refused(
    variables: Variables, options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConversionError, match=sentence):
        convert(str(folder_of(tmp_path / "ct2", binary(variables, **options))), tmp_path / "out")


def test_a_shape_that_does_not_fit_the_bytes_is_reported(variables: Variables, tmp_path: Path) -> None:
    content = binary({**variables, "encoder/conv1/bias": np.ones(64, np.float16)})
    name = text("encoder/conv1/bias")
    wrong = content.replace(name + struct.pack("<BI", 1, 64), name + struct.pack("<BI", 1, 65))
    with pytest.raises(
        ConversionError, match=r"conv1/bias has 64 values and the shape \(65,\); copy it again"
    ):
        convert(str(folder_of(tmp_path / "ct2", wrong)), tmp_path / "out")


def test_a_folder_with_the_decoder_alone_is_refused(whisper: Any, tmp_path: Path) -> None:
    whisper.save_pretrained(tmp_path / "whole")
    weights = load_file(tmp_path / "whole" / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "encoder." not in name}
    save_file(kept, str(tmp_path / "whole" / "model.safetensors"), {"format": "pt"})
    with pytest.raises(
        ConversionError, match="not a whole Whisper: the tensor encoder.conv1.weight is missing"
    ):
        convert(str(tmp_path / "whole"), tmp_path / "out")


# ── the command, and where the weights are from ──


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Path | str) -> int:
    monkeypatch.setattr(sys, "argv", ["whisper_base.py", *map(str, arguments)])
    return whisper_base.main()


def test_the_command_reports_a_fault_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for source in (folder_of(tmp_path / "ct2", b"x"), tmp_path):
        assert run(monkeypatch, "--from", source, "--output", tmp_path / "out") == 2
        output = capsys.readouterr()
        assert output.out == "" and output.err.startswith("error: ") and output.err.count("\n") == 1


def test_notice_says_re_upload_until_the_tensors_were_compared_with_the_original(
    converted: Path,
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    first = (converted / "NOTICE").read_text(encoding="utf-8")
    assert "Obtained from a re-upload. The tensors have not been compared" in first
    assert (
        "Copyright (c) 2022 OpenAI" in first and "copyright notice and this permission notice shall" in first
    )
    source = folder_of(tmp_path / "ct2", binary(variables))
    tensors = converted / "tensors.json"

    # Compared with another folder, whose origin is as unknown.
    assert run(monkeypatch, "--from", source, "--output", tmp_path / "out", "--compare", tensors) == 0
    assert "0 tensors differ from" in capsys.readouterr().out
    assert (tmp_path / "out" / "NOTICE").read_text(encoding="utf-8") == first

    # Compared with the original, and equal.
    assert run(monkeypatch, "--from", source, "--output", tmp_path / "out", "--original", tensors) == 0
    notice = (tmp_path / "out" / "NOTICE").read_text(encoding="utf-8")
    assert "All tensors are equal to those of openai/whisper-" in notice and "not been compared" not in notice

    # Compared with the original, and one differs.
    sums = json.loads(tensors.read_text(encoding="utf-8"))
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**sums, "encoder.conv1.bias": "0"}), encoding="utf-8")
    assert run(monkeypatch, "--from", source, "--output", tmp_path / "out", "--original", other) == 1
    assert f"1 tensors differ from {other}, first encoder.conv1.bias" in capsys.readouterr().out
    assert (tmp_path / "out" / "NOTICE").read_text(encoding="utf-8") == first


@pytest.mark.parametrize(
    ("width", "tokens", "mel_bins", "decoder_layers", "name"),
    [
        (384, 51_864, 80, 4, "tiny.en"),
        (512, 51_865, 80, 6, "base"),
        (512, 51_864, 80, 6, "base.en"),
        (1280, 51_865, 80, 32, "large"),
        (1280, 51_866, 128, 32, "large-v3"),
        (1280, 51_866, 128, 4, "large-v3-turbo"),
    ],
)
def test_the_name_of_the_weights_has_their_languages_and_version(
    width: int, tokens: int, mel_bins: int, decoder_layers: int, name: str
) -> None:
    """Sizes as OpenAI published them; models for English have another vocabulary and the same width."""
    architecture = {
        "d_model": width,
        "vocab_size": tokens,
        "num_mel_bins": mel_bins,
        "decoder_layers": decoder_layers,
    }
    assert whisper_base.published_name(architecture) == f"openai/whisper-{name}"


def test_weights_from_the_hub_of_their_maker_are_no_re_upload() -> None:
    text = whisper_base.notice("openai/whisper-base", "openai/whisper-base", {}, None)
    assert "Obtained from the hub as openai/whisper-base." in text and "re-upload" not in text


def test_bundles_that_start_from_it_carry_the_notice_on(converted: Path, tmp_path: Path) -> None:
    expected = (converted / "NOTICE").read_text(encoding="utf-8").strip()

    def saved(name: str, **config: Any) -> Path:
        model = build_model(ModelConfig(**config), (ctc_output(),), seed=0)
        bundle = save_bundle(model, tmp_path / name, tasks=[], preprocessing=Preprocessing())
        assert bundle.notice == expected, name
        assert expected in (bundle.path / "README.md").read_text(encoding="utf-8")
        return bundle.path

    first = saved("first", encoder=str(converted))
    second = saved("second", encoder="x", init_from=str(first))
    adapters = saved("adapters", encoder=str(converted), lora={"rank": 2})
    of_bundle = saved("of-bundle", encoder=str(second), lora={"rank": 2})
    for number, path in enumerate((second, adapters, of_bundle)):
        again = save_bundle(
            load_model(path), tmp_path / f"again{number}", tasks=[], preprocessing=Preprocessing()
        )
        assert again.notice == expected
    saved("merged", encoder="x", init_from=str(adapters))
