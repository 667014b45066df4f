"""The page of augmentations: its sounds and pictures, and text as text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from soritune.reports.listening_page import Example, save_picture, write_page

RATE = 16000
TONE = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)).astype(np.float32)


def test_page_has_a_player_and_a_picture_per_example_and_reasons_for_the_others(tmp_path: Path) -> None:
    examples = [
        Example("gain", "Louder <b>", {"factor": "1.4"}, "gain.png", "gain.wav"),
        Example("spec_augment", "Masks", {}, "spec_augment.png"),
    ]
    page = write_page(tmp_path, "a & b #1.wav", "original.wav", examples, {"noise_files": "needs recordings"})
    text = page.read_text(encoding="utf-8")
    assert re.findall(r'<audio controls src="([^"]+)"', text) == ["original.wav", "gain.wav"]
    assert re.findall(r'<img src="([^"]+)"', text) == ["gain.png", "spec_augment.png"]
    assert "a &amp; b #1.wav" in text and "Louder &lt;b&gt;" in text and "<b>" not in text
    assert "needs recordings" in text and "1.4" in text
    assert "http" not in text


def test_hidden_features_are_dark_in_the_picture_after_only(tmp_path: Path) -> None:
    hidden = np.zeros((50, 80), dtype=bool)
    hidden[:25] = True
    plain = imread(save_picture(tmp_path / "plain.png", TONE, TONE, RATE))
    masked = imread(save_picture(tmp_path / "masked.png", TONE, TONE, RATE, hidden))
    assert plain.shape == masked.shape
    columns = np.flatnonzero((plain != masked).any(axis=(0, 2)))
    width = plain.shape[1]
    # The left half of the picture on the right, whose axes span about half of the figure.
    assert columns.min() > 0.5 * width and columns.max() < 0.8 * width


def test_clips_of_other_lengths_and_silence_are_drawn(tmp_path: Path) -> None:
    for name, after in (
        ("longer", np.tile(TONE, 2)),
        ("shorter", TONE[:100]),
        ("silent", np.zeros_like(TONE)),
    ):
        assert save_picture(tmp_path / f"{name}.png", TONE, after, RATE).stat().st_size > 5000
