from __future__ import annotations

import errno
import os
import pickle
import re
from pathlib import Path

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
    reason_of,
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


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_a_reason_has_no_words_of_the_operating_system(code: int) -> None:
    for error in (
        OSError(code, os.strerror(code), "x"),
        ValueError(f"I/O error: {os.strerror(code)} (os error {code})\nmore"),
        OSError(f"Error writing bytes. Detail: [errno {code}] {os.strerror(code)}"),
    ):
        reason = reason_of(error)
        assert reason and os.strerror(code) not in reason and "rrno" not in reason and "\n" not in reason


def test_reasons_of_what_really_happens(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("가".encode("cp949"))
    cases = {
        tmp_path / "none": "there is no such file or folder",
        tmp_path: "it is a folder, not a file",
        tmp_path / "file" / "x": "a part of its path is a file, not a folder",
        tmp_path / "file": "it is not UTF-8 text, from byte 0",
        tmp_path / ("x" * 300): "the name is too long",
    }
    for path, reason in cases.items():
        with pytest.raises((OSError, UnicodeDecodeError)) as caught:
            path.read_text(encoding="utf-8")
        assert reason_of(caught.value) == reason


def test_other_errors_give_the_first_line_of_their_own_words() -> None:
    assert reason_of(OSError(errno.EIO, "the archive is cut off")) == "the archive is cut off"
    assert reason_of(OSError("no number")) == "no number"
    assert reason_of(ValueError("\n  first \nsecond")) == "first"
    assert reason_of(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_words_of_the_operating_system_are_read_in_one_file_only() -> None:
    source = Path(reason_of.__code__.co_filename).parent
    readers = {
        file.relative_to(source).as_posix()
        for file in source.rglob("*.py")
        if re.search(r"error\.strerror|[\"']strerror[\"']", file.read_text(encoding="utf-8"))
    }
    assert readers == {"errors.py"}
