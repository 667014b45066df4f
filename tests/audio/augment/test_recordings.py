"""Folders of recordings: which files are used, and what is known about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.noise_files import NoiseFiles
from soritune.draws import Draws
from soritune.errors import AugmentationError


def sounds(folder: Path) -> Path:
    for name in ("b.wav", "a.flac", "below/c.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.ones(800) * 0.1, 16000)
    (folder / "notes.txt").write_text("not audio", encoding="utf-8")
    return folder


def test_files_are_sorted_and_equally_likely(tmp_path: Path) -> None:
    member = NoiseFiles(folder=str(sounds(tmp_path / "cafe")), licence="CC BY 4.0")
    assert member.files() == ("a.flac", "b.wav", "below/c.wav")
    drawn = member.draw(Draws(0, 0, 0).for_rows("noise_files", np.arange(3000)))["file"]
    counts = [int((drawn == name).sum()) for name in member.files()]
    assert sum(counts) == 3000
    assert max(abs(count - 1000) for count in counts) <= 2.576 * np.sqrt(3000 * 2 / 9) * 1.2


def test_origin_names_folder_files_and_licence(tmp_path: Path) -> None:
    folder = sounds(tmp_path / "cafe")
    chain = Chain({"noise_files": NoiseFiles(folder=str(folder), licence="CC BY 4.0")})
    assert chain.origins() == [
        {"augmentation": "noise_files", "folder": "cafe", "files": 3, "licence": "CC BY 4.0"}
    ]
    assert Chain.of({"noise": {}}).origins() == []


def test_missing_or_empty_folder_is_refused_before_training(tmp_path: Path) -> None:
    missing = Chain({"noise_files": NoiseFiles(folder=str(tmp_path / "no"))})
    with pytest.raises(
        AugmentationError, match=r"augment\.noise_files: the folder of recordings .*no cannot be used"
    ):
        missing.check_usable()
    (tmp_path / "empty").mkdir()
    with pytest.raises(AugmentationError, match="empty holds no audio file"):
        Chain({"noise_files": NoiseFiles(folder=str(tmp_path / "empty"))}).check_usable()
    with pytest.raises(ValidationError, match="folder"):
        NoiseFiles()


def test_broken_recording_is_refused_before_training(tmp_path: Path) -> None:
    folder = sounds(tmp_path / "cafe")
    Chain({"noise_files": NoiseFiles(folder=str(folder))}).check_usable()
    other = sounds(tmp_path / "street")
    (other / "d.wav").write_text("a download that failed", encoding="utf-8")
    with pytest.raises(
        AugmentationError, match=r"augment\.noise_files: a recording .*d\.wav: is not audio.*street"
    ):
        Chain({"noise_files": NoiseFiles(folder=str(other))}).check_usable()
