"""Posteriors of a predictor: what `predict` decodes, and decoders that are given to it."""

from __future__ import annotations

import dataclasses
from itertools import islice

import numpy as np
import pytest
import soundfile
from scipy.special import log_softmax

from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import BundleError, TaskError, UnknownNameError
from soritune.geometry import Geometry
from soritune.inference.origin import make_header
from soritune.inference.predictor import Predictor
from soritune.inference.windows import WindowSettings
from soritune.tasks.decoding.decoder import DecoderSettings
from soritune.tasks.decoding.greedy import GreedyDecoder


class BackwardSettings(DecoderSettings):
    skip: int = 0


class Backward(GreedyDecoder):
    """Reads the frames from the last to the first."""

    name = "backward"
    Settings = BackwardSettings

    def decode(self, log_probabilities, labels, blank):
        return super().decode(log_probabilities[::-1][self.settings.skip :], labels, blank)


def test_posteriors_are_the_log_softmax_of_the_logits(fakes, clip):
    member = fakes.member([fakes.phoneme_task(), fakes.emotion_task()])
    path = clip("a.wav", 2.0)
    (result,) = Predictor([member]).posteriors(path)
    samples = soundfile.read(path, dtype="float32")[0].astype(np.float64)
    samples = ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).astype(np.float32)
    logits = member.backend.run({"waveform": samples[None], "num_samples": np.array([len(samples)])})
    for name in ("phoneme", "emotion"):
        assert result.outputs[name].dtype == np.float32
        np.testing.assert_allclose(result.outputs[name], log_softmax(logits[name][0], axis=-1), atol=1e-4)
    # 2 s: (32000 - 400) // 320 + 1 frames of the fake model, 50 a second.
    assert (result.num_frames, result.frame_rate_hz, result.duration_s) == (99, 50.0, 2.0)
    assert result.frame_rates_hz == {"phoneme": 50.0}
    assert result.labels["emotion"] == ("calm", "tense", "warm")
    assert result.outputs["phoneme"].shape == (99, len(result.labels["phoneme"]))
    assert not hasattr(result, "__dict__")


def test_predict_decodes_the_posteriors_in_the_same_order(fakes, clip, tmp_path):
    tasks = [fakes.phoneme_task(), fakes.emotion_task()]
    empty = tmp_path / "empty.wav"
    empty.touch()
    paths = [
        clip("a.wav", 1.0),
        empty,
        clip("b.wav", 3.0, seed=1),
        tmp_path / "missing.wav",
        clip("c.wav", 0.5),
    ]
    predictor = Predictor([fakes.member(tasks)])
    rows, done = list(predictor.predict(paths)), []
    results = list(predictor.posteriors(paths, progress=done.append))
    assert sum(done) == len(paths)
    assert [(p.id, p.audio, p.error) for p in results] == [
        (r["id"], r["audio"], r.get("error")) for r in rows
    ]
    for posteriors, row in zip(results, rows, strict=True):
        if posteriors.error is not None:
            assert (posteriors.outputs, posteriors.duration_s, posteriors.windows) == ({}, 0.0, ())
            continue
        for task in tasks:
            assert task.decode(posteriors.outputs).to_json() == row["tasks"][task.name]["prediction"]


def test_posteriors_come_block_by_block(fakes, monkeypatch):
    monkeypatch.setattr("soritune.inference.predictor._POSTERIOR_BLOCK", 2)
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    requested = []

    def pairs():
        for index in range(100):
            requested.append(index)
            yield np.full(8000, 0.1 + index / 1000, dtype=np.float32), 16000

    first = list(islice(predictor.posteriors(pairs()), 3))
    assert [posteriors.id for posteriors in first] == ["0", "1", "2"]
    assert len(requested) == 4


def test_posteriors_of_manifest_rows_have_utterance_and_groups(fakes, clip, tmp_path):
    clip("a.wav", 3.0)
    row = Utterance(
        id="u1", audio="a.wav", duration_s=1.0, start_s=1.5, channel=0, emotion="warm", speaker="s1"
    )
    manifest = write_manifest(tmp_path / "m.parquet", [row], root=tmp_path)
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    (result,) = predictor.posteriors(manifest, groups={"split": "test"})
    assert result.utterance == row
    assert result.groups == {"speaker": "s1", "emotion": "warm", "split": "test"}
    assert (result.start_s, result.channel, result.duration_s) == (1.5, 0, 1.0)


def test_long_files_have_joined_frames_and_utterance_outputs_of_each_window(fakes, clip):
    tasks = [fakes.phoneme_task(), fakes.emotion_task()]
    predictor = Predictor([fakes.member(tasks)], windows=WindowSettings(longest_s=30, window_s=20))
    path = clip("long.wav", 47.3)
    (result,), (row,) = predictor.posteriors(path), predictor.predict(path)
    assert result.num_frames == (int(47.3 * 16000) - 400) // 320 + 1
    assert [(w.start_s, w.end_s) for w in result.windows] == [
        (w["start_s"], w["end_s"]) for w in row["windows"]
    ]
    assert all(set(window.outputs) == {"emotion"} for window in result.windows)


def test_models_that_give_one_output_at_different_rates_are_refused(fakes):
    first, second = (fakes.member([fakes.phoneme_task()], name=name) for name in ("one", "two"))
    second = dataclasses.replace(second, geometry=Geometry((400,), (640,)))
    with pytest.raises(BundleError, match="give 'phoneme' at 50 and at 25 frames per second"):
        Predictor([first, second])


def test_given_decoder_replaces_the_greedy_one(fakes, clip, monkeypatch):
    draw = np.random.default_rng(0).normal(size=(99, 3))
    monkeypatch.setattr(fakes.FakeBackend, "features", lambda self, samples: draw)
    tasks = [fakes.phoneme_task(), fakes.emotion_task()]
    path = clip("a.wav", 2.0)
    greedy, backward = Predictor([fakes.member(tasks)]), Predictor([fakes.member(tasks)], decoder=Backward())
    (plain,), (turned,) = (predictor.predict(path) for predictor in (greedy, backward))
    phones = plain["tasks"]["phoneme"]["prediction"]["phones"]
    assert len(phones) > 2
    assert turned["tasks"]["phoneme"]["prediction"]["phones"] == phones[::-1]
    assert turned["tasks"]["emotion"] == plain["tasks"]["emotion"]


def test_header_names_a_decoder_other_than_the_greedy_one(fakes):
    member = fakes.member([fakes.phoneme_task()])
    assert "decoder" not in make_header(Predictor([member])).content
    given = Backward(BackwardSettings(skip=2))
    assert make_header(Predictor([member], decoder=given)).decoder == {"name": "backward", "skip": 2}


def test_decoder_without_a_ctc_output_is_refused(fakes):
    member = fakes.member([fakes.emotion_task()])
    with pytest.raises(
        TaskError, match="'backward' reads CTC outputs, but the model has no such output .tasks: emotion."
    ):
        Predictor([member], decoder=Backward())
    assert Predictor([member], decoder="greedy").decoder.name == "greedy"


def test_load_reports_a_wrong_decoder_before_it_reads_weights(fakes, tmp_path, monkeypatch):
    bundle = fakes.make_bundle(tmp_path / "bundle", [fakes.phoneme_task()])
    with pytest.raises(UnknownNameError, match="unknown decoder 'gredy'; known: greedy"):
        Predictor.load(bundle.path, decoder="gredy")
    with pytest.raises(TaskError, match="decoder 'greedy': width: unknown key"):
        Predictor.load(bundle.path, decoder={"name": "greedy", "width": 3})
