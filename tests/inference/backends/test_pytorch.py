import json

import numpy as np
import pytest
import torch

from soritune.audio.preprocessing import Preprocessing
from soritune.errors import BundleError, ModelError
from soritune.inference.backends.pytorch import PytorchBackend
from soritune.inference.predictor import Predictor
from soritune.inference.windows import WindowSettings
from soritune.models.build import build_model
from soritune.models.config import LoraSettings, ModelConfig
from soritune.models.saving import save_bundle
from soritune.testing import tiny_checkpoint, tiny_config


@pytest.fixture(params=["group", "layer"])
def bundle(request, fakes, tmp_path):
    tasks = [fakes.emotion_task(), fakes.phoneme_task()]
    config = ModelConfig(encoder="tiny", architecture=tiny_config(norm=request.param), random_weights=True)
    model = build_model(config, [spec for task in tasks for spec in task.outputs], seed=0)
    save_bundle(
        model, tmp_path / "bundle", tasks=tasks, preprocessing=Preprocessing(), card_fields={"seed": 0}
    )
    return tmp_path / "bundle"


@pytest.fixture
def predictor(bundle):
    return Predictor.load(bundle, device="cpu")


def test_one_by_one_equals_in_batch(predictor, clip):
    paths = [clip(f"{i}.wav", seconds, seed=i) for i, seconds in enumerate((2.0, 0.4, 1.3, 3.1))]
    together = list(predictor.posteriors(paths))
    for batched, path in zip(together, paths, strict=True):
        (alone,) = predictor.posteriors(path)
        for name, values in alone.outputs.items():
            assert batched.outputs[name].shape == values.shape
            np.testing.assert_allclose(batched.outputs[name], values, atol=1e-4)


def test_backend_gives_logits_of_the_model(bundle):
    backend = PytorchBackend(bundle, device="cpu")
    draw = np.random.default_rng(0)
    waveform = draw.normal(size=(2, 16000)).astype(np.float32)
    waveform[1, 8000:] = 0
    arrays = backend.run({"waveform": waveform, "num_samples": np.array([16000, 8000])})
    with torch.no_grad():
        expected = backend.model(torch.from_numpy(waveform), torch.tensor([16000, 8000]))
    for name, logits in expected.logits.items():
        assert arrays[name].dtype == np.float32
        np.testing.assert_allclose(arrays[name], logits.numpy(), atol=1e-6)
    assert arrays["num_frames"].tolist() == expected.num_frames.tolist()


@pytest.mark.parametrize("pooling", ["mean", "attentive"])
def test_classified_features_are_the_logits_of_outputs_for_utterances(fakes, tmp_path, pooling):
    tasks = [fakes.emotion_task(), fakes.phoneme_task()]
    config = ModelConfig(
        encoder="tiny", architecture=tiny_config(norm="layer"), random_weights=True, pooling=pooling
    )
    model = build_model(config, [spec for task in tasks for spec in task.outputs], seed=0)
    save_bundle(model, tmp_path / "b", tasks=tasks, preprocessing=Preprocessing(), card_fields={"seed": 0})
    backend = PytorchBackend(tmp_path / "b", device="cpu")
    inputs = {
        "waveform": np.random.default_rng(0).normal(size=(2, 16000)).astype(np.float32),
        "num_samples": np.array([16000, 8000]),
    }
    arrays, pooled = backend.run_pooled(inputs)
    for name, logits in backend.run(inputs).items():
        np.testing.assert_array_equal(arrays[name], logits)
    assert list(pooled) == ["emotion"]
    np.testing.assert_allclose(backend.classify(pooled)["emotion"], arrays["emotion"], atol=1e-6)
    assert not any(head.last_linear()._forward_pre_hooks for head in backend.model.heads.values())


def test_every_task_is_predicted(predictor, clip):
    row = next(predictor.predict([clip("a.wav", 1.0)]))
    assert row["tasks"]["emotion"]["prediction"]["label"] in {"calm", "tense", "warm"}
    assert isinstance(row["tasks"]["phoneme"]["prediction"]["phones"], list)


def test_long_file_has_as_many_frames_as_a_whole_one(predictor, bundle, clip):
    path = clip("long.wav", 9.37)
    cut = Predictor.load(bundle, device="cpu", windows=WindowSettings(longest_s=5, window_s=4, overlap_s=1))
    (expected,), (found,) = predictor.posteriors(path), cut.posteriors(path)
    assert found.outputs["phoneme"].shape == expected.outputs["phoneme"].shape


def test_windows_of_an_8_khz_model_join_to_the_frames_of_the_whole_file(fakes, clip, tmp_path):
    task = fakes.phoneme_task()
    config = ModelConfig(encoder="tiny", architecture=tiny_config(), random_weights=True)
    model = build_model(config, task.outputs, seed=0, sample_rate_hz=8000)
    assert model.geometry.frame_rate_hz == 25.0
    preprocessing = Preprocessing(sample_rate_hz=8000)
    bundle = save_bundle(model, tmp_path / "b", tasks=[task], preprocessing=preprocessing)
    path = clip("long.wav", 9.0)
    shapes = []
    for longest_s in (30, 5):
        windows = WindowSettings(longest_s=longest_s, window_s=4, overlap_s=1)
        predictor = Predictor.load(bundle.path, device="cpu", windows=windows)
        (posteriors,) = predictor.posteriors(path)
        assert posteriors.frame_rate_hz == 25.0
        shapes.append(len(posteriors.outputs["phoneme"]))
    # (72,000 - 340) // 320 + 1 frames of the toy's convolutions.
    assert shapes == [224, 224]


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("preprocessing", "sample_rate_hz", 8000, "'preprocessing' is faulty .it gives 8000 Hz"),
        ("geometry", "strides", [10, 8, 8], "'encoder' is faulty .its config gives"),
        ("geometry", "appended_samples", 320, "'encoder' is faulty .its config gives"),
    ],
)
def test_card_that_contradicts_itself_is_refused(bundle, part, key, value, message):
    file = bundle / "soritune.json"
    card = json.loads(file.read_text(encoding="utf-8"))
    (card["encoder"]["geometry"] if part == "geometry" else card[part])[key] = value
    file.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BundleError, match=message):
        Predictor.load(bundle, device="cpu")


def test_bundle_with_another_rate_than_its_model_is_refused(fakes, tmp_path):
    task = fakes.phoneme_task()
    config = ModelConfig(encoder="tiny", architecture=tiny_config(), random_weights=True)
    model = build_model(config, task.outputs, seed=0)
    with pytest.raises(ModelError, match="built for 16000 Hz and its preprocessing gives 8000"):
        save_bundle(model, tmp_path / "b", tasks=[task], preprocessing=Preprocessing(sample_rate_hz=8000))


def test_unknown_and_missing_devices_are_refused(bundle):
    with pytest.raises(ModelError, match="unknown"):
        PytorchBackend(bundle, device="gpu0")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no GPU is usable"):
            PytorchBackend(bundle, device="cuda")


def test_folder_that_is_not_a_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError):
        PytorchBackend(tmp_path)


def test_base_of_an_adapter_bundle_may_have_moved(fakes, tmp_path, clip):
    base, task = tiny_checkpoint(tmp_path / "base"), fakes.emotion_task()
    model = build_model(ModelConfig(encoder=str(base), lora=LoraSettings(rank=2)), task.outputs, seed=0)
    bundle = save_bundle(model, tmp_path / "b", tasks=[task], preprocessing=Preprocessing()).path
    path = clip("a.wav", 1.0)
    (expected,) = Predictor.load(bundle, device="cpu").predict([path])
    moved = base.rename(tmp_path / "moved")
    with pytest.raises(ModelError, match="base of the adapters in .* cannot be opened"):
        Predictor.load(bundle, device="cpu")
    (found,) = Predictor.load(bundle, device="cpu", base=str(moved)).predict([path])
    assert found == expected
