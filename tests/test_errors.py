from __future__ import annotations

import pickle

import pytest

from soritune.errors import (
    AudioError,
    ManifestError,
    MissingAudioError,
    OutputError,
    RecipeError,
    SorituneError,
    TaskError,
    TaskSettingsError,
    UnknownNameError,
    nearest,
)


def test_message_states_location_and_faults() -> None:
    assert str(ManifestError("bad row", path="m.jsonl", line=3)) == "m.jsonl, line 3: bad row"
    assert str(RecipeError("r", ["a: missing"])) == "r: a: missing"
    assert str(RecipeError("r", ["a", "b"])) == "r has 2 faults:\n  a\n  b"
    assert str(UnknownNameError("task", "emotoin", ["phoneme", "emotion"])) == (
        "unknown task 'emotoin'; known: emotion, phoneme; did you mean 'emotion'?"
    )


def test_audio_error_is_restored_from_pickle() -> None:
    error = pickle.loads(pickle.dumps(AudioError("a.wav", "is empty", "audio-empty")))
    assert (error.path, error.reason, error.kind) == ("a.wav", "is empty", "audio-empty")
    assert str(error) == "a.wav: is empty"


def test_nearest_is_none_if_no_name_is_close() -> None:
    assert nearest("batch_sise", ["batch_size", "order"]) == "batch_size"
    assert nearest("zzz", ["batch_size"]) is None


def test_output_errors_have_problem_and_advice_apart() -> None:
    error = pickle.loads(pickle.dumps(OutputError("x cannot be written", "make room")))
    assert (error.problem, error.advice) == ("x cannot be written", "make room")
    assert str(error) == "x cannot be written; make room"
    assert str(OutputError("x is a file; it is kept")) == OutputError("x is a file; it is kept").problem


@pytest.mark.parametrize(
    "error",
    [
        RecipeError("mine.yaml", ["a: missing", "b: unknown key"]),
        UnknownNameError("task", "emotoin", ["emotion", "phoneme"]),
        TaskSettingsError("emotion", ["labels: missing"]),
        OutputError("x cannot be written", "make room"),
        ManifestError("has no id", path="m.jsonl", line=3, field="id"),
        MissingAudioError("a.wav"),
        TaskError("the label is unknown", "label-unknown"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_is_restored_from_pickle(error: SorituneError) -> None:
    restored = pickle.loads(pickle.dumps(error))
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert vars(restored) == vars(error)
