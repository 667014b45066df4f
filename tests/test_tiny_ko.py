"""The packaged model: the files of its folder, its name (never looked up on a hub), and its error rates."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import soundfile
import torch
import transformers
from release.pack_bundle import CORPORA, check
from typer.testing import CliRunner

from soritune.audio.waveform import read_audio
from soritune.bundles.packaged import PACKAGED_FOLDER, packaged_models, resolve_model_folder
from soritune.bundles.read import load_bundle
from soritune.cli.main import app
from soritune.cli.model_info import describe_folder
from soritune.corpus.manifest import Manifest
from soritune.errors import BundleError, ModelError, SorituneError
from soritune.inference.predictor import Predictor
from soritune.metrics.edit_distance import phone_counts
from soritune.models.build import build_model
from soritune.models.config import LoraSettings, ModelConfig
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.recipe import load_recipe
from soritune.reports.model_card import model_card
from soritune.stages.evaluate import evaluate
from soritune.stages.run import run
from soritune.stages.start import check_start

FOLDER = PACKAGED_FOLDER / "tiny-ko"


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to a hub and a new connection fail, whatever the environment states about being offline."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)

    def asked(*arguments: object, **more: object) -> None:
        raise AssertionError(f"something outside was asked: {arguments} {more}")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket.socket, "connect", asked)
    for place, name in (
        (huggingface_hub, "snapshot_download"),
        (huggingface_hub, "hf_hub_download"),
        (huggingface_hub.HfApi, "model_info"),
        (transformers.AutoConfig, "from_pretrained"),
        (transformers.AutoModel, "from_pretrained"),
        (transformers.PreTrainedModel, "from_pretrained"),
    ):
        monkeypatch.setattr(place, name, asked)


def adapted(**lora: Any) -> SpeechModel:
    """Adapters over the model of the package that change something."""
    config = ModelConfig(encoder="soritune/tiny-ko", lora=LoraSettings(rank=4, **lora))
    model = build_model(config, load_bundle("soritune/tiny-ko").outputs, seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.copy_(0.02 * torch.randn(value.shape, generator=generator))
    return model


def logits(model: SpeechModel, seconds: float = 1.0) -> torch.Tensor:
    wave = torch.randn(1, int(16000 * seconds), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        return model(wave, torch.tensor([wave.shape[1]])).logits["phoneme"]


def test_the_folder_is_small_and_complete_and_contains_no_machine_paths() -> None:
    assert packaged_models() == ["soritune/ko-base", "soritune/tiny-ko"]
    check(FOLDER)
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 12_000_000
    bundle = load_bundle("soritune/tiny-ko")
    bundle.check_files()
    weights = bundle.weights()
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float16)}
    assert sum(value.size for name, value in weights.items() if not name.startswith("lm_head.")) == 5_253_696
    for file in FOLDER.iterdir():
        content = file.read_bytes()
        for word in (
            b"/tmp",
            b"/home",
            b"/root",
            b"/work",
            b"runs/",
            b"://localhost",
            socket.gethostname().encode(),
        ):
            # The card that people wrote shows where a run of the reader's own would lie.
            assert word not in content.replace(b"runs/quickstart", b""), (file.name, word)


def test_the_card_records_the_origin_of_the_weights() -> None:
    card = load_bundle("soritune/tiny-ko").card
    assert card["recipe_name"] == "bundled-encoder" == card["recipe"]["name"]
    assert isinstance(card["seed"], int)
    assert {"python", "soritune", "torch", "transformers", "numpy"} <= card["versions"].keys()
    assert card["training"]["step"] > 0 and card["data"]["hours"]["train"] > 1
    assert set(card["data"]["corpora"]) == set(CORPORA)
    assert "CC BY 4.0" in card["licence"]
    assert [task["name"] for task in card["tasks"]] == ["phoneme"]
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for word in (
        "license: mit",
        "speechocean762",
        "CC BY 4.0",
        "must not be used",
        "children",
        "hiring",
        "emotion",
    ):
        assert word in text
    assert "PENDING" not in text  # stands where a measured figure belongs


def test_the_name_is_never_looked_up_on_a_hub(no_hub: None, tmp_path: Path) -> None:
    assert Predictor.load("soritune/tiny-ko").tasks[0].name == "phoneme"
    config = ModelConfig(encoder="soritune/tiny-ko")
    model = build_model(config, load_bundle("soritune/tiny-ko").outputs, seed=0)
    assert "head phoneme: kept, all 45 labels" in str(model.load_report)
    assert build_model(config.model_copy(update={"init_from": "soritune/tiny-ko"}), model.outputs, seed=0)
    save_bundle(adapted(), tmp_path / "adapter", tasks=[], preprocessing={"sample_rate_hz": 16000})
    load_model(tmp_path / "adapter")
    check_start(load_recipe("quickstart", [f"data={tmp_path}"], presets=["tiny-ko"]))
    assert describe_folder(resolve_model_folder("soritune/tiny-ko"))["parameters"]["total"] == 5_265_261
    # The guard works: another name does ask.
    with pytest.raises((AssertionError, ModelError), match="outside was asked|could not be reached"):
        build_model(ModelConfig(encoder="another/tiny-ko"), model.outputs, seed=0)


@pytest.mark.parametrize("key", ["encoder", "init_from"])
def test_an_unknown_name_is_refused_with_the_packaged_models(key: str, no_hub: None, tmp_path: Path) -> None:
    sentence = (
        "'soritune/tiny-kr' is neither a model of this package nor a folder here; "
        "the package has: soritune/ko-base, soritune/tiny-ko"
    )
    with pytest.raises(SorituneError, match=sentence):
        build_model(
            ModelConfig(**{"encoder": "none", key: "soritune/tiny-kr"}), load_bundle(FOLDER).outputs, seed=0
        )
    with pytest.raises(SorituneError, match=f"^model.{key}: {sentence}"):
        check_start(load_recipe("quickstart", [f"data={tmp_path}", f"model.{key}=soritune/tiny-kr"]))
    with pytest.raises(BundleError, match=sentence):
        Predictor.load("soritune/tiny-kr")
    result = CliRunner().invoke(app, ["model-info", "soritune/tiny-kr"])
    assert isinstance(result.exception, BundleError)


@pytest.mark.slow
def test_adapters_name_their_base_and_load_in_another_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = adapted()
    bundle = save_bundle(model, tmp_path / "adapter", tasks=[], preprocessing={"sample_rate_hz": 16000})
    assert bundle.is_adapter
    assert bundle.card["base"]["source"] == "soritune/tiny-ko"
    settings = json.loads((bundle.path / "adapter_config.json").read_text(encoding="utf-8"))
    assert settings["base_model_name_or_path"] == "soritune/tiny-ko"
    for file in bundle.path.iterdir():
        assert str(PACKAGED_FOLDER).encode() not in file.read_bytes(), file.name
    before = logits(model)
    assert not torch.allclose(before, logits(load_model("soritune/tiny-ko")), atol=1e-2)
    # There the package is in another folder, and a folder with the name of the base is not used as one.
    elsewhere = tmp_path / "other" / "site-packages" / "soritune" / "pretrained"
    shutil.copytree(FOLDER, elsewhere / "tiny-ko")
    monkeypatch.setattr("soritune.bundles.packaged.PACKAGED_FOLDER", elsewhere)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "soritune" / "tiny-ko").mkdir(parents=True)
    assert torch.allclose(before, logits(load_model(bundle.path)), atol=1e-5)
    again = save_bundle(
        load_model(bundle.path), tmp_path / "again", tasks=[], preprocessing={"sample_rate_hz": 16000}
    )
    assert again.card["base"] == bundle.card["base"]
    # Without that model the message names it.
    monkeypatch.setattr("soritune.bundles.packaged.PACKAGED_FOLDER", tmp_path / "none")
    (tmp_path / "soritune" / "tiny-ko").rmdir()
    with pytest.raises(ModelError, match="cannot be opened: 'soritune/tiny-ko' is neither a model"):
        load_model(bundle.path)


def test_a_folder_with_the_name_of_a_packaged_model_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its adapters name the folder then, not the package."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FOLDER, tmp_path / "soritune" / "tiny-ko")
    config = ModelConfig(encoder="./soritune/tiny-ko", lora=LoraSettings(rank=2))
    model = build_model(config, load_bundle(FOLDER).outputs, seed=0)
    bundle = save_bundle(model, tmp_path / "adapter", tasks=[], preprocessing={"sample_rate_hz": 16000})
    assert bundle.card["base"]["source"] == str(tmp_path / "soritune" / "tiny-ko")


def test_predict_states_the_error_rates_of_the_model_that_is_named(unseen: Manifest, tiny_ko: str) -> None:
    clip = str(unseen.audio_path(unseen.utterance(0)))
    named = CliRunner().invoke(app, ["predict", clip, "--json", "--bundle", tiny_ko])
    assert named.exit_code == 0, named.output
    (row,) = json.loads(named.stdout)["predictions"]
    (same,) = Predictor.load(tiny_ko).predict([clip])
    assert row["tasks"] == same["tasks"]
    (rates,) = named.stderr.splitlines()
    assert rates == (
        "soritune/tiny-ko, measured: phone error rate 69.4 % [67.1, 71.4] (real Korean, studio reading, 10 speakers), "
        "72.4 % [70.9, 73.9] (real Korean, talks on a stage, 12 speakers)"
    )


@pytest.mark.slow
def test_error_rates_on_unseen_sentences_and_voices(unseen: Manifest, tiny_ko: str, tmp_path: Path) -> None:
    scores = evaluate(tiny_ko, data=unseen, output=tmp_path / "judged", resamples=100, audio=False)
    phoneme = scores["tasks"]["phoneme"]
    per = phoneme["rates"]["per"]["value"]
    baselines = {name: baseline["rates"]["per"] for name, baseline in phoneme["baselines"].items()}
    phones = [phone for row in unseen for phone in row.phones or () if phone != "|"]
    commonest = max(set(phones), key=phones.count)
    always = 1 - phones.count(commonest) / len(phones)  # the best that one phone said again and again can do
    assert baselines["empty"] == 1.0
    assert always > 0.8
    assert per < 0.5 * always, f"phone error rate {per:.3f}, saying nothing {baselines['empty']:.3f}"
    assert phoneme["rates"]["per"]["high"] < baselines["empty"]


@pytest.mark.slow
def test_a_clip_has_the_same_phones_alone_and_in_a_batch(unseen: Manifest, tiny_ko: str) -> None:
    clips = [unseen.audio_path(row) for row in unseen]
    together = Predictor.load(tiny_ko)
    alone = Predictor.load(tiny_ko, padded_seconds=0.1)
    hypotheses = [
        [row["tasks"]["phoneme"]["prediction"]["phones"] for row in one.predict(clips)]
        for one in (together, alone)
    ]
    assert sum(map(len, hypotheses[0])) > 10 * len(clips)
    # A frame in which two phones are as likely may go either way.
    differing = sum(sum(phone_counts(a, b)[:3]) for a, b in zip(*hypotheses, strict=True))
    assert differing <= 0.002 * sum(map(len, hypotheses[0]))


@pytest.mark.slow
def test_windows_over_a_long_file_find_the_phones_of_its_clips(
    unseen: Manifest, tiny_ko: str, tmp_path: Path
) -> None:
    """Half a minute at one level: by the windows that the model asks for, most phones are heard."""
    rows = list(unseen)[:8]
    clips = [read_audio(unseen.audio_path(row)) for row in rows]
    level = [0.05 * clip / clip.std() for clip in clips]
    pauses = [np.zeros(4800, dtype=np.float32)] * len(level)
    whole = np.concatenate([part for pair in zip(level, pauses, strict=True) for part in pair])
    soundfile.write(tmp_path / "long.wav", whole, 16000)
    reference = [phone for row in rows for phone in row.phones or () if phone != "|"]

    def errors(predictor: Predictor) -> int:
        (row,) = predictor.predict([tmp_path / "long.wav"])
        hypothesis = [phone for phone in row["tasks"]["phoneme"]["prediction"]["phones"] if phone != "|"]
        return sum(phone_counts(reference, hypothesis)[:3])

    assert len(whole) / 16000 > 3 * load_bundle(tiny_ko).card["preprocessing"]["max_duration_s"]
    assert errors(Predictor.load(tiny_ko)) < 0.25 * len(reference)


def test_transformers_gives_the_same_outputs(unseen: Manifest, tiny_ko: str) -> None:
    """As docs/bundle.md shows it."""
    from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoTokenizer

    clip = unseen.audio_path(unseen.utterance(0))
    samples, rate = soundfile.read(clip, dtype="float32")
    inputs = AutoFeatureExtractor.from_pretrained(FOLDER)(samples, sampling_rate=rate, return_tensors="pt")
    with torch.no_grad():
        best = AutoModelForCTC.from_pretrained(FOLDER).eval()(**inputs).logits.argmax(-1)
    theirs = AutoTokenizer.from_pretrained(FOLDER).batch_decode(best)[0]
    assert " " in theirs
    (row,) = Predictor.load(tiny_ko).predict([clip])
    ours = [phone for phone in row["tasks"]["phoneme"]["prediction"]["phones"] if phone != "|"]
    assert len(ours) > 5
    assert [phone for phone in theirs.split() if phone != "|"] == ours


@pytest.mark.slow
def test_quickstart_starts_from_the_packaged_model(unseen: Manifest, tmp_path: Path) -> None:
    """Its head survives: before the first step the recipe is far better than nothing."""
    rows = [
        {"id": row.id, "audio": str(unseen.audio_path(row)), "speaker": row.speaker, "text": row.text}
        for row in unseen
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "my.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = load_recipe(
        "quickstart",
        [f"data={tmp_path / 'my.jsonl'}", "train.max_steps=2", "batches.num_workers=0"],
        presets=["tiny-ko"],
    )
    result = run(recipe, tmp_path / "run")
    assert result.training.steps == 2
    events = [json.loads(line) for line in (tmp_path / "run" / "train.jsonl").read_text().splitlines()]
    start = next(event for event in events if event["event"] == "evaluate" and event["step"] == 0)
    assert start["val/phoneme/per"] < 0.5
    card = load_bundle(tmp_path / "run" / "bundles" / "last").card
    assert card["encoder"]["source"] == "soritune/tiny-ko"
    assert card["start"]["name"] == "soritune/tiny-ko" and "CC BY 4.0" in card["start"]["licence"]
    assert (
        "| Started from | soritune/tiny-ko (synthetic speech, free to use; speechocean762, CC BY 4.0) |"
        in (model_card(card))
    )
    assert str(PACKAGED_FOLDER) not in json.dumps(card)
