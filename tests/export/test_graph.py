import numpy as np
import torch

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.onnx_graph import OnnxGraph
from soritune.export.graph import SpeechGraph, normalised
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.testing import class_output, ctc_output, tiny_config


def test_normalised_rows_are_those_of_the_preprocessing() -> None:
    rng = np.random.default_rng(0)
    lengths = [700, 400]
    rows = [(0.03 * rng.standard_normal(n) + 0.1).astype(np.float32) for n in lengths]
    padded = np.zeros((2, 700), dtype=np.float32)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    inside = torch.arange(700)[None] < torch.tensor(lengths)[:, None]
    batch = normalised(torch.from_numpy(padded), torch.tensor(lengths), inside).numpy()
    for line, row in zip(batch, rows, strict=True):
        expected = Preprocessing().finish(row)
        np.testing.assert_allclose(line[: len(row)], expected, atol=1e-5)
        assert not line[len(row) :].any()
        alone = normalised(torch.from_numpy(row[None]), torch.tensor([len(row)]), None)[0]
        np.testing.assert_allclose(alone.numpy(), expected, atol=1e-5)


def test_outputs_are_log_probabilities_with_the_blank_first() -> None:
    spec = ctc_output(labels="abc_", options={"blank": 3})
    outputs = (spec, class_output())
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    model = build_model(config, outputs, seed=0).eval()
    wave = torch.randn(1, 4000, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model(wave, torch.tensor([4000])).logits
        graph = SpeechGraph(model, OnnxGraph.of(outputs, normalizes=False, frames=True), padded=False)
        phones, emotion, pooled, frames = graph(wave)
        last = model.heads["emotion"].last_linear()(pooled)  # type: ignore[operator]
    expected = torch.log_softmax(logits["phoneme"], -1)
    torch.testing.assert_close(phones, expected[..., [3, 0, 1, 2]])
    torch.testing.assert_close(emotion, torch.log_softmax(logits["emotion"], -1))
    torch.testing.assert_close(last, logits["emotion"])
    assert frames.shape == (1, phones.shape[1], 16)
