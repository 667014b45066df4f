"""The files of one data folder; whole corpora are in `tests/corpus/sources/test_kaldi.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from soritune.corpus.reading.kaldi_folder import KaldiRow, read_folder
from soritune.errors import ManifestError


def test_values_of_utterances_come_before_those_of_speakers(tmp_path: Path) -> None:
    for name, text in {
        "wav.scp": "u1 /data/a b.wav\nu2 c.wav\n",
        "utt2spk": "u1 s\nu2 s\n",
        "utt2lang": "u1 ko\n",
        "spk2lang": "s en\n",
        "spk2region": "s 서울 종로\n",
        "utt2num_samples": "u1 16000\n",
        "utt2dur.bak": "u1 1\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    first, second = [item for item in read_folder(tmp_path, "data/train") if isinstance(item, KaldiRow)]
    assert (first.audio, first.given["language"], second.given["language"]) == ("/data/a b.wav", "ko", "en")
    assert first.extra == {"region": "서울 종로"} and first.location == "data/train/wav.scp line 1"


def test_texts_in_cp949_are_read_and_other_bytes_refused(tmp_path: Path) -> None:
    (tmp_path / "wav.scp").write_text("u a.wav\n", encoding="utf-8")
    (tmp_path / "text").write_bytes("u 안녕\n".encode("cp949"))
    (row,) = (item for item in read_folder(tmp_path, "") if isinstance(item, KaldiRow))
    assert row.given["text"] == "안녕"
    (tmp_path / "text").write_bytes(b"u \xff\xff\xff\n")
    with pytest.raises(ManifestError, match="text: is neither UTF-8"):
        list(read_folder(tmp_path, ""))
