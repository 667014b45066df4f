"""Texts of a recogniser on disk: an interrupted call loses the clip in work, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised

from soritune.errors import OutputError
from soritune.inference.clips import Clip
from soritune.stages.recognition_log import RecognitionLog

SETTINGS = ToyRecogniser().record()


def clip(name: str = "a", **fields: Any) -> Clip:
    return Clip(**{"id": name, "audio": f"{name}.wav", "path": Path(f"/corpus/{name}.wav"), **fields})


def test_texts_are_kept_for_the_same_stretch_of_the_same_file(tmp_path: Path) -> None:
    file = tmp_path / "폴더" / "log.jsonl"
    with RecognitionLog(file, SETTINGS, resume=False) as log:
        log.add(clip(start_s=0.1 + 0.2, duration_s=1.5, channel=1), recognised("가 나", 0.7))
        log.add(clip("파일 \udcb0"), recognised("다"))  # a name that is not text
    with RecognitionLog(file, SETTINGS, resume=True) as log:
        assert log.get(clip(start_s=0.1 + 0.2, duration_s=1.5, channel=1)) == recognised("가 나", 0.7)
        assert log.get(clip("파일 \udcb0")) == recognised("다")
        # The length in the header of a whole file is not part of what it is.
        assert log.get(clip("파일 \udcb0", duration_s=3.0)) == recognised("다")
        others = [{"start_s": 0.3, "duration_s": 1.6}, {"channel": 0}, {"path": Path("/other/a.wav")}]
        assert [log.get(clip(**{"start_s": 0.3, "duration_s": 1.5, **other})) for other in others] == [
            None
        ] * 3


def test_a_file_that_was_recorded_again_is_recognised_again(tmp_path: Path) -> None:
    audio, file = tmp_path / "a.wav", tmp_path / "log.jsonl"
    audio.write_bytes(b"first take")
    with RecognitionLog(file, SETTINGS, resume=False) as log:
        log.add(clip(path=audio), recognised("가"))
    with RecognitionLog(file, SETTINGS, resume=True) as log:
        assert log.get(clip(path=audio)) == recognised("가")
        audio.write_bytes(b"another take")
        assert log.get(clip(path=audio)) is None
        log.add(clip(path=audio), recognised("나"))
    with RecognitionLog(file, SETTINGS, resume=True) as log:
        assert log.get(clip(path=audio)) == recognised("나")


def test_a_name_or_text_with_a_line_separator_is_read_again(tmp_path: Path) -> None:
    """Unicode has more ends of lines than the file: U+2028, U+0085."""
    file, name = tmp_path / "log.jsonl", "a\u2028b"
    with RecognitionLog(file, SETTINGS, resume=False) as log:
        log.add(clip(name), recognised("가\x85나"))
    with RecognitionLog(file, SETTINGS, resume=True) as log:
        assert log.get(clip(name)) == recognised("가\x85나")


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_was_not_finished_is_recognised_again(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "log.jsonl"
    with RecognitionLog(file, SETTINGS, resume=False) as log:
        log.add(clip("a"), recognised("가"))
        log.add(clip("b"), recognised("나"))
    file.write_bytes(file.read_bytes()[:-cut])
    with RecognitionLog(file, SETTINGS, resume=True) as log:
        assert (log.get(clip("a")), log.get(clip("b"))) == (recognised("가"), None)
        log.add(clip("b"), recognised("다"))
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [row.get("text") for row in rows] == [None, "가", "다"]


def test_a_file_that_was_cut_in_its_first_line_is_begun_again(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text('{"schema": "soritune.rec')
    with RecognitionLog(file, SETTINGS, resume=True) as log:
        log.add(clip("a"), recognised("가"))
    with RecognitionLog(file, SETTINGS, resume=True) as log:
        assert log.get(clip("a")) == recognised("가")


def test_texts_of_an_earlier_call_are_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    with RecognitionLog(file, SETTINGS, resume=False) as log:
        log.add(clip(), recognised("가"))
    before = file.read_bytes()
    with pytest.raises(OutputError, match="repeat the command with --resume to keep them"):
        RecognitionLog(file, SETTINGS, resume=False)
    with pytest.raises(OutputError, match="of a recogniser with another beam_size, sha256; give the same"):
        RecognitionLog(file, {**SETTINGS, "beam_size": 5, "sha256": "def"}, resume=True)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content", ["no JSON\n", '{"id": "a"}\n', '{"schema": "soritune.recognised/1"}\n{}\n', "[]\n"]
)
def test_another_file_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(content)
    with pytest.raises(OutputError, match=r"is not a file of recognised texts \(.*; move it away"):
        RecognitionLog(file, SETTINGS, resume=True)
    assert file.read_text() == content


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        RecognitionLog(tmp_path / "file" / "log.jsonl", SETTINGS, resume=False)
