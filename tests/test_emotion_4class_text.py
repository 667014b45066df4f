"""The recipe emotion-4class-text on toy encoders, started in several processes as its header has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.inference.recognition.toy_recogniser import ToyRecogniser
from tests.stages.conftest import tree  # noqa: F401  (a fixture)
from tests.training.launching import BIN, Toy, events, free_port, rows_seen, wait, weights_of

from soritune.bundles.read import load_bundle
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.alongside import predict_with_text
from soritune.testing import tiny_config, tiny_text_encoder

pytestmark = pytest.mark.slow(seconds=40)
TEXTS = ("오늘 은 맑습니다", "내일 은 비 가 옵니다", "여기 에 앉으세요")


@pytest.fixture
def corpus(tree: Path, tmp_path: Path) -> Path:  # noqa: F811
    """Folders of persons with `script.txt`, which lacks the text of every fourth file."""
    root = tmp_path / "ROOT"
    shutil.copytree(tree, root)
    for person in root.iterdir():
        clips = sorted(path.stem for path in (person / "wav_48000").iterdir())
        lines = [f"{clip}\t{TEXTS[i % 3]}" for i, clip in enumerate(clips) if i % 4]
        (person / "script.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def words_of(corpus: Path, encoder: Path) -> list[str]:
    """The recipe on toy encoders."""
    return [
        "run",
        "emotion-4class-text",
        f"data={corpus}",
        f"tasks.emotion.text.encoder={encoder}",
        "model.random_weights=true",
        f"model.architecture={json.dumps(tiny_config(norm='layer', hidden_dropout=0.1))}",
        "split.by=[speaker]",
        "train.device=cpu",
        "evaluate.resamples=100",
        "evaluate.audio=false",
        "batches.num_workers=0",
    ]


def test_recipe_runs_in_three_processes(corpus: Path, tmp_path: Path) -> None:
    encoder = tiny_text_encoder(tmp_path / "text-encoder", TEXTS)
    launcher = [str(BIN / "accelerate"), "launch", "--multi_gpu", "--num_processes=3"]
    launcher += ["--main_process_port", str(free_port())]
    words = ["--module", "soritune", *words_of(corpus, encoder), "--output", "run", "train.max_steps=2"]
    toy = Toy(tmp_path, {})
    done = wait(toy.start_raw([*launcher, *words], toy.environment(None, None)))
    assert done.code == 0, done.err
    (start,) = events(tmp_path / "run", "start")
    assert start["processes"] == 3
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    emotion = scores["tasks"]["emotion"]
    assert {"ua", "ua_audio", "ua_text"} <= set(emotion["rates"])
    assert set(emotion["groups"]["text_source"]) == {"gold", "none"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "text alone" in page and "By origin of the text" in page

    bundle = load_bundle(tmp_path / "run" / "bundles" / "last")
    assert [spec.name for spec in bundle.outputs] == ["emotion", "emotion_audio", "emotion_text"]
    shutil.rmtree(encoder)
    clip = next(iter(sorted(corpus.glob("M2000/wav_48000/*_000021*"))))
    rows = list(
        Predictor.load(bundle.path, device="cpu").predict([{"audio": str(clip), "text": TEXTS[0]}, clip])
    )
    assert all(row["tasks"]["emotion"]["prediction"]["label"] for row in rows)

    # Recognised text is read as the same text in a request is, and a given text is kept.
    predictor = Predictor.load(bundle.path, device="cpu")
    toy = ToyRecogniser(TEXTS[0], TEXTS[1])
    items = [str(clip), {"audio": str(clip), "text": TEXTS[0], "text_source": "gold"}]
    recognised = list(predict_with_text(predictor, toy, items))
    assert [row["groups"].get("text_source") for row in recognised] == ["asr", "gold"]
    assert [row["text"] for row in recognised] == [TEXTS[0], TEXTS[1]]
    assert {json.dumps(row["tasks"]) for row in recognised} == {json.dumps(rows[0]["tasks"])}


def test_two_processes_train_as_one(corpus: Path, tmp_path: Path) -> None:
    """With `gpu-12gb`, whose 6 micro-batches of a step can be shared by two; some rows have no text."""
    encoder = tiny_text_encoder(tmp_path / "text-encoder", TEXTS)
    toy = Toy(tmp_path, {})
    for name, processes in (("one", 1), ("two", 2)):
        words = [*words_of(corpus, encoder), "--preset", "gpu-12gb", "train.max_steps=3", "-o", name]
        done = toy.run(words, processes, seen=f"seen-{name}")
        assert done.code == 0, done.err
    assert events(tmp_path / "two", "start")[0]["processes"] == 2
    assert rows_seen(tmp_path / "seen-one", 1) == rows_seen(tmp_path / "seen-two", 2)
    gradients = [
        load_file(tmp_path / f"seen-{name}" / "gradients-1-0.safetensors") for name in ("one", "two")
    ]
    one, two = (np.concatenate([value.ravel() for value in values.values()]) for values in gradients)
    assert np.linalg.norm(one) > 0
    assert np.linalg.norm(two - one) < 1e-5 * np.linalg.norm(one)
    ranks = [weights_of(tmp_path / "seen-two", rank) for rank in (0, 1)]
    assert any(name.startswith("inputs.text.") for name in ranks[0])
    assert all(np.array_equal(ranks[0][name], ranks[1][name]) for name in ranks[0])
