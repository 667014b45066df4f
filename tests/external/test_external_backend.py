"""A backend in one file of another package: what runs a bundle is chosen by its name, and all above it is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from soritune.audio.preprocessing import Preprocessing
from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.errors import UnknownNameError
from soritune.inference.predictor import Predictor
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.tasks.task import make_task
from soritune.testing import tiny_config

ARRAYS = '''
"""A model without torch: a frame's logits are fixed mixtures of its mean level and its highest sample."""

import numpy as np

from soritune.bundles.read import load_bundle


class Arrays:
    padded_seconds = 30.0

    def __init__(self, path, *, device="auto", base=None):
        bundle = load_bundle(path)
        self.outputs, self.geometry = bundle.outputs, bundle.geometry

    def run(self, inputs):
        step = self.geometry.samples_per_frame
        counts = self.geometry.num_frames(inputs["num_samples"])
        answer = {"num_frames": counts}
        for spec in self.outputs:
            mix = np.random.default_rng(len(spec.labels)).normal(size=(2, len(spec.labels))) * 3
            logits = np.zeros((len(counts), int(counts.max()), len(spec.labels)), dtype=np.float32)
            for line, wave, count in zip(logits, inputs["waveform"], counts):
                for frame in range(count):
                    part = wave[frame * step : (frame + 1) * step]
                    line[frame] = np.array([np.abs(part).mean(), part.max()]) @ mix
            if not spec.per_frame:
                rows = [line[:count].mean(axis=0) for line, count in zip(logits, counts)]
                logits = np.stack(rows).astype(np.float32)
            answer[spec.name] = logits
        return answer


BACKEND = Arrays
'''


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    tasks = [make_task("emotion", {"labels": ["Anxious", "Kind", "Dry"]}), make_task("phoneme", {})]
    config = ModelConfig(encoder="x", architecture=tiny_config(), random_weights=True)
    model = build_model(config, [spec for task in tasks for spec in task.outputs], seed=0)
    return save_bundle(model, tmp_path / "bundle", tasks=tasks, preprocessing=Preprocessing()).path


def test_a_backend_of_another_package_runs_a_bundle(
    external_package: Callable[[str, str, str], Path], bundle: Path, tones: Manifest
) -> None:
    external_package("soritune.inference.backends", "arrays", ARRAYS)
    audio = tones.audio_path(tones.utterance(0))
    theirs = Predictor.load(bundle, backend="arrays")
    (found,) = theirs.posteriors(audio)
    assert found.error is None
    assert np.exp(found.outputs["emotion"]).sum() == pytest.approx(1.0, abs=1e-5)
    assert found.num_frames == theirs.members[0].geometry.num_frames(round(found.duration_s * 16000))
    # The same decoding as for any backend: probabilities of one frame stay those of the mixture worked by hand.
    wave = Preprocessing().load(audio)[:320]
    mix = np.random.default_rng(len(theirs.outputs["phoneme"].labels)).normal(
        size=(2, len(theirs.outputs["phoneme"].labels))
    )
    logits = np.array([np.abs(wave).mean(), wave.max()]) @ (mix * 3)
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert np.allclose(np.exp(found.outputs["phoneme"][0]), expected, atol=1e-5)


def test_the_command_line_names_it_and_reports_an_unknown_one(
    external_package: Callable[[str, str, str], Path], bundle: Path, tones: Manifest
) -> None:
    external_package("soritune.inference.backends", "arrays", ARRAYS)
    command = ["predict", str(tones.audio_path(tones.utterance(0))), "--bundle", str(bundle), "--json"]
    done = CliRunner().invoke(app, [*command, "--backend", "arrays"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["predicted"] == 1
    with pytest.raises(UnknownNameError, match="did you mean 'arrays'"):
        CliRunner().invoke(app, [*command, "--backend", "array"], catch_exceptions=False)
