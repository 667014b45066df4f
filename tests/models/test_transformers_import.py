"""`predict` starts without the libraries that only training needs, and gives the same answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from soritune.audio.preprocessing import Preprocessing
from soritune.inference.predictor import Predictor
from soritune.models.architecture import _OnlyShapes
from soritune.models.build import build_model
from soritune.models.config import LoraSettings, ModelConfig
from soritune.models.saving import save_bundle
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.inputs.text_encoder import TextSettings
from soritune.testing import tiny_checkpoint, tiny_config, tiny_text_encoder

pytestmark = pytest.mark.slow

UNUSED = {"accelerate", "scipy", "sympy", "torch._dynamo", "torch._inductor", "torch.distributed.tensor"}
UNUSED |= {"transformers.loss.loss_for_object_detection"}
COMMAND = """
import atexit, sys
from soritune.cli.main import main

atexit.register(lambda: sys.stderr.write("imported: " + " ".join(sys.modules)))
main()
"""
AFTERWARDS = """
import sys
from soritune.bundles.packaged import resolve_model_folder
from soritune.models import transformers_import
from soritune.models.loading import load_model

{before}
load_model(resolve_model_folder("soritune/tiny-ko"))
loaded = {unused} & set(sys.modules)
import torch._dynamo, transformers
from transformers.masking_utils import TransformGetItemToIndex

with TransformGetItemToIndex():
    pass
assert torch._dynamo.allow_in_graph.__module__ == "torch._dynamo.decorators", torch._dynamo.allow_in_graph
assert torch.compiler.disable.__module__ == "torch.compiler"
assert transformers.utils.import_utils.is_scipy_available() and transformers.utils.is_accelerate_available()
from transformers.loss.loss_utils import LOSS_MAPPING
assert "ForCausalLM" in LOSS_MAPPING
assert transformers.utils.import_utils.define_import_structure.__module__ == "transformers.utils.import_utils"
assert transformers.models.bert.BertModel and transformers.AutoTokenizer
print(sorted(loaded))
"""


COUNTED = """
import builtins, sys
opened, open_ = [], builtins.open

def counting(file, *arguments, **options):
    opened.append(str(file))
    return open_(file, *arguments, **options)

builtins.open = counting
from soritune.models import transformers_import

{before}
transformers_import.import_model("whisper")
import transformers.models.whisper.modeling_whisper
print(sum("/transformers/models/" in name for name in opened))
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.mark.parametrize("bundle", ["soritune/tiny-ko", "soritune/ko-base"])
def test_predict_loads_no_library_that_it_does_not_use(bundle: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    sf.write(clip, 0.1 * np.sin(np.arange(16_000) * np.geomspace(0.05, 0.6, 16_000)), 16_000)
    done = python("-c", COMMAND, "predict", str(clip), "--bundle", bundle, "--vad", "off", "--json")
    imported = set(done.stderr.rsplit("imported:", 1)[1].split())
    assert {"torch", "transformers.modeling_utils"} <= imported
    assert not UNUSED & imported
    (answer,) = json.loads(done.stdout)["predictions"]
    (expected,) = Predictor.load(bundle, device="cpu", vad="off").predict([clip])
    given, wanted = (row["tasks"]["phoneme"]["prediction"]["phones"] for row in (answer, expected))
    assert given == wanted


TEXTS = ("가나 다라 마바", "사아")


def bundle_of(kind: str, folder: Path) -> Path:
    """A toy bundle: `lora TYPE` with adapters on an encoder, or `TUNE text` with an encoder of texts."""
    first, second = kind.split()
    if second == "text":
        encoder = tiny_text_encoder(folder / "text", TEXTS)
        settings = TextSettings(encoder=str(encoder), width=8, tune=first)
        task = EmotionTask(EmotionConfig(labels=("a", "b", "c"), text=settings))
        config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    else:
        task = EmotionTask(EmotionConfig(labels=("a", "b", "c")))
        base = tiny_checkpoint(folder / "base", tiny_config(second))
        config = ModelConfig(encoder=str(base), lora=LoraSettings(rank=2))
    model = build_model(config, task.outputs, seed=0, inputs=task.inputs)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".lora_B." in name:
                weight.fill_(0.1)
    return save_bundle(model, folder / "bundle", tasks=[task], preprocessing=Preprocessing()).path


@pytest.mark.parametrize(
    "kind",
    ["lora wav2vec2", "lora hubert", "lora wavlm", "lora whisper", "frozen text", "lora text", "full text"],
)
def test_predict_reads_every_kind_of_bundle(kind: str, tmp_path: Path) -> None:
    """Adapters need modules of torch that transformers imports only for training."""
    bundle, clip = bundle_of(kind, tmp_path), tmp_path / "clip.wav"
    sf.write(clip, 0.1 * np.sin(np.arange(16_000) * np.geomspace(0.05, 0.6, 16_000)), 16_000)
    done = python("-m", "soritune", "predict", str(clip), "--bundle", str(bundle), "--vad", "off", "--json")
    (answer,) = json.loads(done.stdout)["predictions"]
    (expected,) = Predictor.load(bundle, device="cpu", vad="off").predict([clip])
    given, wanted = (row["tasks"]["emotion"]["prediction"]["probabilities"] for row in (answer, expected))
    assert given == pytest.approx(wanted, abs=1e-5)


def test_what_was_hidden_is_there_afterwards() -> None:
    code = AFTERWARDS.format(before="transformers_import.infer_only()", unused=UNUSED)
    assert python("-c", code).stdout.strip() == "[]"


def test_models_are_listed_once() -> None:
    """A listing of all models of transformers reads a few thousand files."""
    counts = [
        int(python("-c", COUNTED.format(before=before)).stdout)
        for before in ("transformers_import.infer_only()", "")
    ]
    assert counts[0] > 500  # of the first listing, when transformers itself is imported
    assert counts[1] > 1.9 * counts[0]


def test_a_program_that_imports_soritune_gets_all_libraries() -> None:
    code = AFTERWARDS.format(before="", unused=UNUSED)
    assert "torch._dynamo" in python("-c", code).stdout


def test_a_version_that_needs_a_library_is_imported_with_it() -> None:
    before = "transformers_import.infer_only(); transformers_import._unchanged = None"
    assert "accelerate" in python("-c", AFTERWARDS.format(before=before, unused=UNUSED)).stdout


def test_shapes_without_memory_are_those_of_torch() -> None:
    values = torch.randn(4, 3, 5)
    for dim in (0, 1, 2, -1):
        with _OnlyShapes():
            assert (
                torch.norm_except_dim(values, 2, dim).shape
                == torch._C._VariableFunctions.norm_except_dim(values, 2, dim).shape
            )
        with _OnlyShapes(), torch.device("meta"):
            assert torch.nn.init.normal_(torch.empty(2, 3)).shape == (2, 3)
