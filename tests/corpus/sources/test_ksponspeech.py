"""KsponSpeech as AI Hub delivers it: `.trn` lists of `path :: text`, or `.pcm` with `.txt` (CP949) beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.corpus.layouts.prepared import read, tone

from soritune.errors import ManifestError


def pcm(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((3000 * np.sin(np.arange(int(16000 * seconds)) / 20)).astype("<i2").tobytes())


FIRST = "KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001"
SECOND = "KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000002"
CLEAN = "KsponSpeech_eval/eval_clean/KsponSpeech_E00001"


def test_lists_pair_texts_and_recordings(tmp_path: Path) -> None:
    root = tmp_path / "한국어 음성"
    for name in (FIRST, SECOND, CLEAN):
        pcm(root / f"{name}.pcm", 1.5)
    scripts = root / "KsponSpeech_scripts"
    scripts.mkdir()
    (scripts / "train.trn").write_text(
        f"{FIRST}.pcm :: o/ 근데 (70%)/(칠십 퍼센트)가 커피라고 하더라고.\n"
        f"{SECOND}.pcm :: b/ n/\n"
        "\n"
        "KsponSpeech_01/no text here\n"
        f"{SECOND.replace('02', '03')}.pcm :: 없는 파일\n"
        f"{FIRST}.pcm :: 다른 글\n",
        encoding="utf-8",
    )
    (scripts / "eval_clean.trn").write_text(f"{CLEAN}.pcm :: 그+ 그래\n", encoding="utf-8")
    result = read("ksponspeech", root, tmp_path / "out")
    row = result.rows["KsponSpeech_000001"]
    assert row.text == "근데 칠십 퍼센트가 커피라고 하더라고."
    assert row.extra["transcript"] == "o/ 근데 (70%)/(칠십 퍼센트)가 커피라고 하더라고."
    assert (row.duration_s, row.sample_rate_hz, row.audio) == (1.5, 16000, f"{FIRST}.pcm")
    assert (row.extra["split"], row.extra["part"], row.speaker) == ("train", "train", None)
    clean = result.rows["KsponSpeech_E00001"]
    assert (clean.extra["split"], clean.extra["part"], clean.text) == ("test", "eval_clean", "그 그래")
    assert set(result.rows) == {"KsponSpeech_000001", "KsponSpeech_E00001"}
    assert result.rejected["KsponSpeech_000002"][0] == "field-missing:text"
    assert result.rejected["KsponSpeech_01/no text here"] == (
        "line-format",
        "train.trn line 4: expected PATH :: TEXT, got 'KsponSpeech_01/no text here'",
    )
    assert result.rejected["KsponSpeech_000003"][0] == "audio-missing"
    assert result.rejected["KsponSpeech_000001"][0] == "values-differ"


def test_spelling_of_double_transcriptions_can_be_chosen(tmp_path: Path) -> None:
    pcm(tmp_path / "a.pcm")
    (tmp_path / "train.trn").write_text("a.pcm :: (70%)/(칠십 퍼센트)\n", encoding="utf-8")
    result = read("ksponspeech", tmp_path, tmp_path / "out", transcript_side="spelling", files=["train.trn"])
    assert result.rows["a"].text == "70%"


def test_recordings_without_lists_are_paired_with_their_text(tmp_path: Path) -> None:
    for name, text in ((FIRST, "아/ 몬 소리야"), (SECOND, None)):
        pcm(tmp_path / f"{name}.pcm")
        if text is not None:
            (tmp_path / f"{name}.txt").write_bytes(f"{text}\n".encode("cp949"))
    (tmp_path / f"{SECOND.replace('02', '09')}.txt").write_bytes("혼자".encode("cp949"))
    (tmp_path / "readme.txt").write_text("about", encoding="utf-8")
    result = read("ksponspeech", tmp_path, tmp_path / "out")
    assert result.rows["KsponSpeech_000001"].text == "아 몬 소리야"
    assert result.rejected == {
        "KsponSpeech_000002": ("text-missing", "has no KsponSpeech_000002.txt beside it"),
        f"{SECOND.replace('02', '09')}.txt": ("recording-missing", "has no recording of its name"),
    }


def test_defaults_without_effect_are_not_noted_and_given_settings_are(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    (tmp_path / "train.trn").write_text("a.wav :: 네\n", encoding="utf-8")
    assert read("ksponspeech", tmp_path, tmp_path / "out").notes == {}
    given = read("ksponspeech", tmp_path, tmp_path / "out", pcm="s16le:8000", transcript="ksponspeech")
    assert len(given.notes) == 2


def test_folder_without_lists_and_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no \.trn list and no \.pcm recording"):
        read("ksponspeech", tmp_path, tmp_path / "out")
