"""A text as a second input, from the row to the report: trained, saved, reopened, predicted with and without it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.cli.main import app
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.draws import Draws
from soritune.errors import ManifestError, TaskError
from soritune.inference.predictions import pool_predictions, read_predictions
from soritune.inference.predictor import Predictor
from soritune.inference.windows import WindowSettings
from soritune.recipe import make_task
from soritune.reports.compare import compare
from soritune.reports.score import score_predictions
from soritune.reports.scores import load_scores
from soritune.stages.predict import predict_rows
from soritune.tasks.inputs import text_encoder
from soritune.testing import tiny_text_encoder
from soritune.training.batches.sample import SampleReader
from soritune.training.find_batch import find_batch
from soritune.training.log import read_events
from soritune.training.loop import train
from soritune.training.run import TrainingRun

MakeRun = Callable[..., TrainingRun]
WORDS = {
    "Kind": ("좋은 아침 입니다", "고맙 습니다 정말"),
    "Dry": ("회의 는 세시 입니다", "서류 를 내 십시오"),
}
LABELS = list(WORDS)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [text for pair in WORDS.values() for text in pair]
    return tiny_text_encoder(tmp_path_factory.mktemp("text") / "encoder", texts)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Noise whose label only the text tells, by 8 speakers; a third has recognised texts."""
    folder = tmp_path_factory.mktemp("noise")
    made = []
    for index in range(48):
        label, seconds = LABELS[index % 2], 0.4 + 0.1 * (index % 4)
        noise = 0.1 * np.random.default_rng(index).standard_normal(round(16000 * seconds))
        soundfile.write(folder / f"{index}.wav", noise, 16000)
        made.append(
            Utterance(
                id=str(index), audio=f"{index}.wav", duration_s=seconds, speaker=f"s{index // 2 % 8}",
                emotion=label, text=WORDS[label][index // 2 % 2], text_source="asr" if index % 3 == 0 else "gold",
            )
        )  # fmt: skip
    return write_manifest(folder / "manifest.parquet", made, root=folder)


def text_task(encoder: Path, **settings: Any) -> dict[str, Any]:
    return {"emotion": {"labels": LABELS, "text": {"encoder": str(encoder), "width": 16, **settings}}}


def reader(manifest: Manifest, encoder: Path, *, dropout: float, drops: bool = True) -> SampleReader:
    tasks = [make_task(name, config) for name, config in text_task(encoder, dropout=dropout).items()]
    chain = Chain.of(AugmentSettings())
    return SampleReader(manifest, tasks, Preprocessing(), chain, drops_inputs=drops)


def dropped(read: SampleReader, visits: list[int], draws: Draws) -> list[bool]:
    return ["text" not in read(visit, draws).inputs for visit in visits]


def test_whole_texts_are_left_out_at_the_given_rate(rows: Manifest, encoder: Path) -> None:
    read = reader(rows, encoder, dropout=0.25)
    visits = list(range(48 * 20))
    draws = Draws(3, 0, 1)
    share = np.mean([read._is_dropped("text", visit, draws) for visit in visits])
    # 99 % of binomial draws of 960 are within 2.58 standard deviations.
    assert abs(share - 0.25) < 2.58 * (0.25 * 0.75 / 960) ** 0.5
    some = list(range(48))
    assert dropped(read, some, draws) == [read._is_dropped("text", visit, draws) for visit in some]


def test_left_out_text_depends_on_seed_phase_epoch_and_row_alone(rows: Manifest, encoder: Path) -> None:
    read, visits = reader(rows, encoder, dropout=0.5), list(range(48))
    once = dropped(read, visits, Draws(3, 0, 1))
    again = dropped(reader(rows, encoder, dropout=0.5), visits[::-1], Draws(3, 0, 1))
    assert again[::-1] == once
    for other in (Draws(4, 0, 1), Draws(3, 1, 1), Draws(3, 0, 2)):
        assert dropped(read, visits, other) != once


def test_no_text_is_left_out_in_an_evaluation(rows: Manifest, encoder: Path) -> None:
    read = reader(rows, encoder, dropout=0.9, drops=False)
    assert not any(dropped(read, list(range(48)), Draws(0, 0, 0)))


def test_output_of_the_text_alone_is_not_trained_without_one(rows: Manifest, encoder: Path) -> None:
    read = reader(rows, encoder, dropout=0.5)
    for visit in range(20):
        sample = read(visit, Draws(0, 0, 0))
        has_text = "text" in sample.inputs
        assert (sample.targets["emotion_text"] is not None) == has_text
        assert sample.targets["emotion"] is not None and sample.targets["emotion_audio"] is not None


def run_of(make_run: MakeRun, manifest: Manifest, encoder: Path, **more: Any) -> TrainingRun:
    settings = {"batches": {"padded_seconds": 8.0}, "learning_rate": 2e-2, "epochs": 30, **more}
    text = settings.pop("text", {})
    return make_run(manifest=manifest, tasks=text_task(encoder, **text), **settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fusion", "tune"), [("concat", "frozen"), ("gate", "lora"), ("cross_attention", "full")]
)
def test_text_is_learnt_saved_reopened_and_used_from_a_request(
    make_run: MakeRun, rows: Manifest, encoder: Path, tmp_path: Path, fusion: str, tune: str
) -> None:
    gone = tmp_path / "encoder"
    shutil.copytree(encoder, gone)
    rates = {"learning_rates": {"text": 1e-3}} if tune != "frozen" else {}
    run = run_of(make_run, rows, gone, text={"fusion": fusion, "tune": tune}, **rates)
    train(run)
    ends = [event for event in read_events(run.folder) if event["event"] == "evaluate"]
    assert ends[-1]["val/emotion/ua"] == 1.0
    assert ends[-1]["val/emotion/ua_text"] == 1.0
    assert ends[-1]["val/emotion/ua_audio"] < 0.9  # noise tells nothing
    assert {"val/loss/emotion", "val/loss/emotion_audio", "val/loss/emotion_text"} <= set(ends[-1])

    bundle = tmp_path / "moved"
    shutil.move(run.folder / "bundles" / "last", bundle)
    shutil.rmtree(gone)  # the bundle has all it needs
    text_encoder._tokenizer.cache_clear()
    predictor = Predictor.load(bundle, device="cpu")
    audio = str(rows.audio_path(rows.utterance(0)))
    requests = [
        {"audio": audio, "text": WORDS["Kind"][0]},
        {"audio": audio, "text": WORDS["Dry"][0], "text_source": "asr"},
        {"audio": audio},
        {"audio": audio, "text": "  "},
    ]
    kind, dry, without, blank = predictor.predict(requests)
    answers = [row["tasks"]["emotion"]["prediction"] for row in (kind, dry, without, blank)]
    assert [answer["label"] for answer in answers[:2]] == ["Kind", "Dry"]
    assert answers[0]["alone"]["text"] == "Kind" and answers[1]["alone"]["text"] == "Dry"
    assert set(answers[2]["alone"]) == {"audio"}
    assert answers[2]["probabilities"] == pytest.approx(answers[3]["probabilities"], abs=1e-4)
    assert [row["groups"] for row in (kind, dry, without)] == [
        {}, {"text_source": "asr"}, {"text_source": "none"}
    ]  # fmt: skip
    (alone,) = predictor.predict(requests[:1])
    assert alone["tasks"]["emotion"]["prediction"]["probabilities"] == pytest.approx(
        answers[0]["probabilities"], abs=1e-4
    )
    faulty = list(predictor.predict([{"audio": audio, "text": 5}]))
    assert faulty[0]["error"] == "input 'text' must be a text, got 5"


@pytest.mark.slow
@pytest.mark.parametrize("tune", ["frozen", "lora"])
def test_rows_with_a_text_may_be_rare(make_run: MakeRun, rows: Manifest, encoder: Path, tune: str) -> None:
    some = [replace(row, text=row.text if row.id == "47" else None) for row in rows.utterances()]
    manifest = write_manifest(rows.root / "rare.parquet", some, root=rows.root)
    text = {"fusion": "gate", "tune": tune, "text_weight": 0}
    run = run_of(make_run, manifest, encoder, text=text, epochs=2, batches={"padded_seconds": 1.5})
    assert train(run).stopped == "end"  # the first steps have no text at all


@pytest.mark.slow
def test_second_phase_starts_from_the_first_one(make_run: MakeRun, rows: Manifest, encoder: Path) -> None:
    phases = [{"epochs": 1, "freeze": {"encoder": True}}, {"epochs": 1}]
    run = run_of(make_run, rows, encoder, text={"tune": "full"}, phases=phases, learning_rate=1e-3)
    assert train(run).stopped == "end"
    Predictor.load(run.folder / "bundles" / "last", device="cpu")


def test_text_only_trains_and_answers_where_there_is_a_text(
    make_run: MakeRun, rows: Manifest, encoder: Path, tmp_path: Path
) -> None:
    some = [replace(row, text=None) if int(row.id) % 5 == 0 else row for row in rows.utterances()]
    manifest = write_manifest(tmp_path / "some.parquet", some, root=rows.root)
    run = run_of(make_run, manifest, encoder, text={"fusion": "text_only"}, epochs=1)
    train(run)
    predictor = Predictor.load(run.folder / "bundles" / "last", device="cpu")
    audio = str(rows.audio_path(rows.utterance(0)))
    requests = [{"audio": audio}, {"audio": audio, "text": " "}, {"audio": audio, "text": WORDS["Kind"][0]}]
    without, blank, given = predictor.predict(requests)
    assert without["error"] == blank["error"] == "the input 'text' is missing; give it as the field 'text'"
    assert given["tasks"]["emotion"]["prediction"]["label"] in LABELS


@pytest.fixture(scope="module")
def judged(rows: Manifest, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A bundle of a short training, and rows a third of which have no text."""
    from tests.training.parts import build_run

    folder = tmp_path_factory.mktemp("judged")
    run = build_run(
        folder / "run", rows, tasks=text_task(encoder), batches={"padded_seconds": 8.0}, learning_rate=2e-2, epochs=30
    )  # fmt: skip
    train(run)
    changed = [
        replace(row, text=None, text_source=None) if int(row.id) % 8 in (1, 2) else row
        for row in rows.utterances()
    ]
    return run.folder / "bundles" / "last", write_manifest(folder / "some.parquet", changed, root=rows.root)


@pytest.mark.slow
def test_scores_are_given_apart_by_the_origin_of_the_text(
    judged: tuple[Path, Manifest], tmp_path: Path
) -> None:
    bundle, manifest = judged
    predictor = Predictor.load(bundle, device="cpu")
    predict_rows(predictor, manifest, tmp_path / "predictions.jsonl", data={})
    scores = score_predictions(tmp_path / "predictions.jsonl", group_by=("speaker",), resamples=100)
    emotion = scores.tasks["emotion"]
    groups = emotion.groups["text_source"]
    assert {name: group.num_utterances for name, group in groups.items()} == {
        "gold": 24,
        "asr": 12,
        "none": 12,
    }
    assert groups["gold"].rates["wa"].value == groups["gold"].rates["wa_text"].value == 1.0
    assert np.isnan(groups["none"].rates["wa_text"].value)
    assert np.isfinite(groups["none"].rates["wa_audio"].value)
    assert any(
        "The text alone predicts the label: it reaches a mean recall of 100.0 %" in w for w in scores.warnings
    )
    assert "text_source" in json.dumps(scores.to_json())


@pytest.mark.slow
def test_command_takes_a_text_and_rows_of_a_manifest(judged: tuple[Path, Manifest], tmp_path: Path) -> None:
    bundle, manifest = judged
    audio = str(manifest.audio_path(manifest.utterance(1)))

    def label(*words: str) -> str:
        done = CliRunner().invoke(
            app, ["predict", audio, "-b", str(bundle), "--json", *words], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        return str(json.loads(done.stdout)["predictions"][0]["tasks"]["emotion"]["prediction"]["label"])

    assert label("--input", f"text={WORDS['Kind'][1]}") == "Kind"
    assert label("--input", f"text={WORDS['Dry'][1]}") == "Dry"
    assert label() in LABELS
    done = CliRunner().invoke(
        app,
        ["predict", "--manifest", str(manifest.path), "-b", str(bundle), "-o", str(tmp_path / "p.jsonl")],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    predicted = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()[1:]]
    assert sum(row["groups"].get("text_source") == "none" for row in predicted) == 12


@pytest.mark.slow
def test_withheld_texts_give_the_answers_of_rows_without_a_text(
    judged: tuple[Path, Manifest], tmp_path: Path
) -> None:
    bundle, manifest = judged
    without = [replace(row, text=None, text_source=None) for row in manifest.utterances()]
    silent = write_manifest(tmp_path / "silent.parquet", without, root=manifest.root)
    expected = list(Predictor.load(bundle, device="cpu").predict(silent))
    withholding = Predictor.load(bundle, device="cpu", withhold=("text",))
    given = list(withholding.predict(manifest))
    for row, reference in zip(given, expected, strict=True):
        assert row["groups"]["text_source"] == "none"
        assert row["tasks"]["emotion"]["prediction"] == reference["tasks"]["emotion"]["prediction"]
        assert "text" not in row["tasks"]["emotion"]["prediction"]["alone"]
    with pytest.raises(ManifestError, match="no row has a value of 'text', so withholding it has no effect"):
        predict_rows(withholding, silent, None, data={})


@pytest.mark.slow
def test_commands_withhold_texts_and_state_it(judged: tuple[Path, Manifest], tmp_path: Path) -> None:
    bundle, manifest = judged

    def call(*words: str) -> Any:
        done = CliRunner().invoke(app, [*words, "--withhold", "text"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done

    call("predict", "--manifest", str(manifest.path), "-b", str(bundle), "-o", str(tmp_path / "p.jsonl"))
    assert read_predictions(tmp_path / "p.jsonl").header.withheld == ("text",)
    out = tmp_path / "out"
    call(
        "evaluate",
        str(bundle),
        "--manifest",
        str(manifest.path),
        "--no-audio",
        "--copies",
        "ignore",
        "-o",
        str(out),
    )
    scores = load_scores(out)
    assert set(scores.tasks["emotion"].groups["text_source"]) == {"none"}
    assert "The model was judged without its input text, withheld from all rows." in scores.warnings
    assert scores.tasks["emotion"].rates["wa"].value < 0.9  # noise tells nothing
    predict_rows(Predictor.load(bundle, device="cpu"), manifest, tmp_path / "gold.jsonl", data={})
    whole = score_predictions(tmp_path / "gold.jsonl", group_by=("speaker",), resamples=0)
    whole.save(tmp_path / "gold.json")
    notes = compare([tmp_path / "gold.json", out]).tasks[0].notes
    assert "Inputs were withheld from the models: nothing, text." in notes
    with pytest.raises(ManifestError, match="was made with other inputs than"):
        pool_predictions([tmp_path / "gold.jsonl", tmp_path / "p.jsonl"], tmp_path / "pooled.jsonl")


@pytest.mark.slow
def test_every_window_of_a_long_file_reads_the_whole_text(
    judged: tuple[Path, Manifest], tmp_path: Path
) -> None:
    bundle, _ = judged
    soundfile.write(tmp_path / "long.wav", 0.1 * np.random.default_rng(0).standard_normal(48000), 16000)
    windows = WindowSettings(longest_s=1.0, window_s=1.0, overlap_s=0.2)
    predictor = Predictor.load(bundle, device="cpu", windows=windows, vad="off")
    for text in (WORDS["Kind"][0], None):
        request = {"audio": str(tmp_path / "long.wav"), "text": text}
        (row,) = predictor.predict([request])
        answers = [window["tasks"]["emotion"] for window in row["windows"]]
        assert len(answers) > 2
        assert all(("text" in answer["alone"]) == (text is not None) for answer in answers)
        if text is not None:
            assert {answer["label"] for answer in answers} == {"Kind"}


def test_training_without_a_text_is_refused(rows: Manifest, encoder: Path) -> None:
    task = make_task("emotion", text_task(encoder)["emotion"])
    silent = [replace(row, text=None) for row in rows.utterances()]
    with pytest.raises(TaskError, match="no row of the training split has a text"):
        task.prepare(silent)


def test_texts_that_give_the_labels_away_are_reported(
    rows: Manifest, encoder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_task("emotion", text_task(encoder)["emotion"]).prepare(rows.utterances())
    assert "text alone predicts the label: 100.0 % of the 48 training rows" in caplog.text
    caplog.clear()
    same = [replace(row, text="고맙 습니다") for row in rows.utterances()]
    make_task("emotion", text_task(encoder)["emotion"]).prepare(same)
    assert not caplog.text


@pytest.mark.slow
def test_largest_batch_is_tried_with_the_longest_text(
    make_run: MakeRun, rows: Manifest, encoder: Path
) -> None:
    made = list(rows.utterances())
    made[0] = replace(made[0], text=" ".join(WORDS["Kind"] * 5))
    manifest = write_manifest(rows.root / "long.parquet", made, root=rows.root)
    run = run_of(make_run, manifest, encoder)
    shapes: set[tuple[int, int]] = set()
    forward = run.model.forward

    def watched(waveform: torch.Tensor, *rest: Any, **more: Any) -> Any:
        shapes.add((len(waveform), more["text"].shape[1]))
        if len(waveform) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(waveform, *rest, **more)

    run.model.forward = watched  # type: ignore[method-assign]
    assert find_batch(run).fitted_s > 0
    lengths = {tokens for _, tokens in shapes}
    spec = run.model.input_specs[0]
    assert lengths == {len(text_encoder.tokenizer_of(spec).encode(made[0].text or "").ids)}
