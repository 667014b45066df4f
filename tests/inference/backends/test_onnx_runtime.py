"""An ONNX folder gives what its bundle gives in PyTorch, and damaged or foreign graphs are refused in one sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.onnx_graph import METADATA_KEY
from soritune.bundles.speaker_norm import FeatureStatistics, TrainingFeatures
from soritune.bundles.write import update_card
from soritune.corpus.manifest import Manifest
from soritune.errors import BundleError, ModelError
from soritune.inference.backends.backend import PoolingBackend
from soritune.inference.backends.onnx_runtime import OnnxRuntimeBackend
from soritune.inference.backends.pytorch import PytorchBackend
from soritune.inference.predictor import Predictor
from soritune.inference.windows import WindowSettings
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.stages.evaluate import evaluate
from soritune.stages.export import export
from soritune.tasks.task import make_task
from soritune.testing import ALL_FAMILIES, tiny_config, tiny_text_encoder

ToyExport = Callable[[str, str], tuple[Path, Path]]
TASKS: dict[str, dict[str, Any]] = {
    "emotion": {"labels": ["Anxious", "Kind", "Dry"]},
    "emotion-multilabel": {"labels": ["Anxious", "Kind", "Dry"]},
    "phoneme": {},
    "mispronunciation": {"labels": "correct-incorrect", "inventory": "korean"},
}


def batch(lengths: list[int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    waveform = np.zeros((len(lengths), max(lengths)), dtype=np.float32)
    for line, length in zip(waveform, lengths, strict=True):
        line[:length] = rng.standard_normal(length)
    return {"waveform": waveform, "num_samples": np.array(lengths, dtype=np.int64)}


def assert_equal(given: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Equal up to a constant per row, which softmax ignores; frames of padding are not compared."""
    assert given["num_frames"].tolist() == expected["num_frames"].tolist()
    for name in expected.keys() - {"num_frames"}:
        for row, frames in enumerate(expected["num_frames"].tolist()):
            mine, other = given[name][row], expected[name][row]
            if mine.ndim == 2:
                mine, other = mine[:frames], other[:frames]
            gap = mine - other
            np.testing.assert_allclose(gap, gap.mean(-1, keepdims=True).repeat(gap.shape[-1], -1), atol=1e-3)


@pytest.mark.parametrize(("kind", "norm"), ALL_FAMILIES)
def test_outputs_are_those_of_pytorch(kind: str, norm: str, toy_export: ToyExport) -> None:
    source, folder = toy_export(kind, norm)
    torch, runtime = PytorchBackend(source, device="cpu"), OnnxRuntimeBackend(folder, device="cpu")
    for lengths in ([9000], [9000, 9000], [9000, 4000, 2000], [torch.model.geometry.least_samples]):
        assert_equal(runtime.run(batch(lengths)), torch.run(batch(lengths)))
    too_short = runtime.run(batch([torch.model.geometry.least_samples - 1]))
    assert too_short["num_frames"].tolist() == [0]
    assert np.isfinite(too_short["emotion"]).all()


def test_padded_batch_without_its_graph_is_run_row_by_row(toy_export: ToyExport, tmp_path: Path) -> None:
    _, folder = toy_export("wav2vec2", "layer")
    expected = OnnxRuntimeBackend(folder).run(batch([9000, 4000]))
    alone = shutil.copytree(folder, tmp_path / "alone")
    (alone / "model.lengths.onnx").unlink()
    assert_equal(OnnxRuntimeBackend(alone).run(batch([9000, 4000])), expected)


def test_pooled_features_give_the_logits(toy_export: ToyExport) -> None:
    source, folder = toy_export("wav2vec2", "layer")
    runtime = OnnxRuntimeBackend(folder)
    assert isinstance(runtime, PoolingBackend)
    arrays, pooled = runtime.run_pooled(batch([9000, 4000]))
    _, expected = PytorchBackend(source, device="cpu").run_pooled(batch([9000, 4000]))
    np.testing.assert_allclose(pooled["emotion"], expected["emotion"], atol=1e-4)
    logits = runtime.classify(pooled)["emotion"]
    gap = logits - arrays["emotion"]
    np.testing.assert_allclose(gap, gap.mean(-1, keepdims=True).repeat(3, -1), atol=1e-4)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_has_the_predictions_and_scores_of_pytorch(
    name: str, tones: Manifest, tmp_path: Path
) -> None:
    task = make_task(name, TASKS[name])
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    model = build_model(config, task.outputs, seed=1)
    save_bundle(model, tmp_path / "b", tasks=[task], preprocessing=Preprocessing())
    export("onnx", tmp_path / "b", tmp_path / "o", {"older": True})
    torch, runtime = (Predictor.load(tmp_path / folder, vad="off", device="cpu") for folder in "bo")
    rows = list(tones)[:12]
    paths = [tones.root / row.audio for row in rows]
    equal = total = 0
    for mine, other in zip(runtime.posteriors(paths), torch.posteriors(paths), strict=True):
        for output, values in other.outputs.items():
            np.testing.assert_allclose(mine.outputs[output], values, atol=1e-3)
            equal += int((mine.outputs[output].argmax(-1) == values.argmax(-1)).sum())
            total += values[..., 0].size
    assert equal >= 0.995 * total > 0
    if name == "mispronunciation":  # the tones have no error labels
        return
    scores = [
        evaluate(tmp_path / folder, data=tones, output=tmp_path / f"r{folder}", audio=False, vad="off")
        for folder in "bo"
    ]
    first, second = (result["tasks"][name]["rates"] for result in scores)
    assert first.keys() == second.keys()
    for rate, interval in first.items():
        assert second[rate]["value"] == pytest.approx(interval["value"], abs=0.005, nan_ok=True), rate
    assert (tmp_path / "ro" / "report.html").is_file()


def test_text_beside_the_audio(tmp_path: Path) -> None:
    encoder = tiny_text_encoder(tmp_path / "text", ["가나 다라", "사과 나무"])
    task = make_task("emotion", {"labels": ["a", "b"], "text": {"encoder": str(encoder), "width": 8}})
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    model = build_model(config, task.outputs, seed=1, inputs=task.inputs)
    save_bundle(model, tmp_path / "b", tasks=[task], preprocessing=Preprocessing())
    export("onnx", tmp_path / "b", tmp_path / "o", {"older": True})
    shutil.rmtree(encoder)  # the folder has its tokenizer
    wave = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    requests: list[Any] = [{"audio": (wave, 16000), "text": text} for text in ("가나 다라", "사과 나무 사과")]
    requests.append({"audio": (wave, 16000)})
    torch, runtime = (Predictor.load(tmp_path / folder, vad="off", device="cpu") for folder in "bo")
    values = []
    for mine, other in zip(runtime.posteriors(requests), torch.posteriors(requests), strict=True):
        for output, expected in other.outputs.items():
            np.testing.assert_allclose(mine.outputs[output], expected, atol=1e-3)
            values.append(tuple(expected.ravel().tolist()))
    # Of three outputs, the one of the audio alone has the same values for each text.
    assert len(set(values)) >= len(requests) * 2


def test_windows_of_a_long_clip_are_not_normalised_again(toy_export: ToyExport) -> None:
    """The first half is a hundred times quieter: normalised by itself, it would be as loud as the second."""
    source, folder = toy_export("wav2vec2", "layer")
    rng = np.random.default_rng(2)
    wave = (0.2 * rng.standard_normal(9 * 16000)).astype(np.float32)
    wave[: len(wave) // 2] /= 100
    windows = WindowSettings(longest_s=5, window_s=4, overlap_s=1)
    posteriors = [
        next(Predictor.load(path, vad="off", device="cpu", windows=windows).posteriors((wave, 16000)))
        for path in (folder, source)
    ]
    for name, values in posteriors[1].outputs.items():
        np.testing.assert_allclose(posteriors[0].outputs[name], values, atol=1e-3)


def test_normalisation_per_speaker_is_that_of_pytorch(
    toy_export: ToyExport, tones: Manifest, tmp_path: Path
) -> None:
    source, _ = toy_export("wav2vec2", "layer")
    features = np.random.default_rng(3).normal(size=(10, 8))
    statistics = TrainingFeatures(10, 2, {"emotion": FeatureStatistics.of(features)})
    bundle = shutil.copytree(source, tmp_path / "b")
    update_card(bundle, speaker_norm=statistics.to_json())
    predictor = Predictor.load(bundle, vad="off", device="cpu")
    export("onnx", bundle, tmp_path / "o", {"older": True, "padded": False})
    rows = list(tones)[:6]
    paths = [tones.root / row.audio for row in rows]
    results = []
    for each in (predictor, Predictor.load(tmp_path / "o", vad="off")):
        each.enrol(paths[:3])
        results.append([posteriors.outputs["emotion"] for posteriors in each.posteriors(paths[3:])])
    np.testing.assert_allclose(results[0], results[1], atol=1e-3)


def damaged(folder: Path, target: Path, change: Callable[[Any], None]) -> Path:
    copy = shutil.copytree(folder, target)
    proto = onnx.load(str(copy / "model.onnx"))
    change(proto)
    onnx.save(proto, str(copy / "model.onnx"))
    return copy


def no_metadata(proto: Any) -> None:
    del proto.metadata_props[:]


def other_labels(proto: Any) -> None:
    (stored,) = [each for each in proto.metadata_props if each.key == METADATA_KEY]
    content = json.loads(stored.value)
    content["outputs"]["emotion"] = ["Dry", "Kind", "Anxious"]
    stored.value = json.dumps(content)


def other_weights(proto: Any) -> None:
    (stored,) = [each for each in proto.metadata_props if each.key == METADATA_KEY]
    stored.value = json.dumps({**json.loads(stored.value), "source": "0" * 64})


def other_opset(proto: Any) -> None:
    proto.opset_import[0].version = 99


def other_input(proto: Any) -> None:
    for node in proto.graph.node:
        for index, name in enumerate(node.input):
            if name == "input_values":
                node.input[index] = "audio"
    proto.graph.input[0].name = "audio"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_metadata, "is not a graph that `soritune export onnx` writes under this name; copy"),
        (other_input, "is not a graph that `soritune export onnx` writes under this name; copy"),
        (
            other_labels,
            "another model: the labels of 'emotion' differ, such as 'Dry' instead of 'Anxious'; copy",
        ),
        (
            other_weights,
            "is the graph of another model: it was made from other weights .their sha256 differs.; copy",
        ),
        (other_opset, r"cannot be opened by ONNX Runtime .*; copy it again, or export the bundle again"),
    ],
)
def test_foreign_graph_is_refused(
    change: Callable[[Any], None], message: str, toy_export: ToyExport, tmp_path: Path
) -> None:
    _, folder = toy_export("wav2vec2", "layer")
    with pytest.raises(BundleError, match=message) as caught:
        Predictor.load(damaged(folder, tmp_path / "copy", change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["empty", "truncated", "text"])
def test_corrupt_file_is_refused(content: str, toy_export: ToyExport, tmp_path: Path) -> None:
    _, folder = toy_export("wav2vec2", "layer")
    copy = shutil.copytree(folder, tmp_path / "copy")
    whole = (copy / "model.onnx").read_bytes()
    changed = {"empty": b"", "truncated": whole[: len(whole) // 2], "text": b"not a graph\n"}[content]
    (copy / "model.onnx").write_bytes(changed)
    with pytest.raises(BundleError, match=r"model.onnx cannot be opened by ONNX Runtime") as caught:
        Predictor.load(copy)
    assert "\n" not in str(caught.value)
    shutil.copyfile(folder / "model.onnx", copy / "model.lengths.onnx")
    (copy / "model.onnx").write_bytes(whole)
    with pytest.raises(BundleError, match=r"model.lengths.onnx is not a graph that .* under this name"):
        OnnxRuntimeBackend(copy).run(batch([9000, 4000]))


def test_card_with_other_labels_is_refused(toy_export: ToyExport, tmp_path: Path) -> None:
    _, folder = toy_export("wav2vec2", "layer")
    copy = shutil.copytree(folder, tmp_path / "copy")
    card = json.loads((copy / "soritune.json").read_text(encoding="utf-8"))
    card["onnx"]["outputs"]["emotion"] = ["x", "y", "z"]
    update_card(copy, onnx=card["onnx"])
    with pytest.raises(BundleError, match="'onnx' is faulty .its labels are not those of the outputs"):
        Predictor.load(copy)


def test_backend_is_chosen_by_the_folder(toy_export: ToyExport) -> None:
    source, folder = toy_export("wav2vec2", "layer")
    assert isinstance(Predictor.load(folder).members[0].backend, OnnxRuntimeBackend)
    assert isinstance(Predictor.load(source).members[0].backend, PytorchBackend)
    with pytest.raises(
        BundleError, match="is an ONNX folder, which pytorch does not run; leave --backend out"
    ):
        Predictor.load(folder, backend="pytorch")
    with pytest.raises(BundleError, match="is not an ONNX folder, which onnx-runtime does not run"):
        Predictor.load(source, backend="onnx-runtime")
    with pytest.raises(BundleError, match="is not an ONNX folder; write one with"):
        OnnxRuntimeBackend(source)
    with pytest.raises(ModelError, match="no device 'tpu'"):
        Predictor.load(folder, device="tpu")


def test_prediction_loads_no_torch(toy_export: ToyExport) -> None:
    _, folder = toy_export("wav2vec2", "layer")
    program = (
        "import sys, numpy\n"
        "from soritune.inference.predictor import Predictor\n"
        f"predictor = Predictor.load({str(folder)!r}, vad='off')\n"
        "rows = list(predictor.predict((numpy.ones(16000, dtype='float32'), 16000)))\n"
        "assert rows[0]['tasks']['emotion'], rows\n"
        "print(sorted({'torch', 'transformers', 'onnx'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
