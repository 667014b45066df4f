"""A page to listen to augmentations: one example of each, with waveform and mel bands before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from soritune.audio.channels import Float32Array
from soritune.audio.spectrum import log_mel
from soritune.reports.figure_files import Palette, save_figure
from soritune.whole_file import write_text

PAGE = "index.html"
RANGE_DB = 80.0
"""Levels this far below the loudest one of both pictures are drawn as the lowest."""


@dataclass(frozen=True, slots=True)
class Example:
    """One augmentation of a clip."""

    name: str
    """Key of the augmentation."""
    description: str
    """What it does, in a sentence."""
    drawn: Mapping[str, str]
    """The values drawn, by name."""
    picture: str
    """File name of the picture."""
    audio: str | None = None
    """File name of the sound; None where only the encoder's features change."""


def write_page(
    folder: Path, title: str, original: str, examples: Sequence[Example], left_out: Mapping[str, str]
) -> Path:
    """Writes the page beside its sounds and pictures.

    Args:
        folder: of the page.
        title: of the page.
        original: file name of the unchanged clip.
        examples: in their order on the page.
        left_out: why an augmentation has no example, by its key.

    Raises:
        OutputError: it cannot be written.
    """
    resources = files("soritune.reports")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(
        resources.joinpath("listening_page.html.j2").read_text(encoding="utf-8")
    )
    css = resources.joinpath("report.css").read_text(encoding="utf-8")
    text = template.render(title=title, css=css, original=original, examples=examples, left_out=left_out)
    return write_text(folder / PAGE, text)


def save_picture(
    path: Path,
    before: Float32Array,
    after: Float32Array,
    sample_rate_hz: int,
    hidden: NDArray[np.bool_] | None = None,
) -> Path:
    """Draws waveform and mel bands, before on the left and after on the right.

    Args:
        path: of the `.svg` or `.png` file.
        before, after: (samples,) of any lengths.
        sample_rate_hz: of both.
        hidden: (frames of 20 ms, mel bands), True where features are hidden after the augmentation, or None.

    Raises:
        OutputError: it cannot be written.
    """
    return save_figure(path, partial(_draw, before, after, sample_rate_hz, hidden))


def _draw(
    before: Float32Array,
    after: Float32Array,
    sample_rate_hz: int,
    hidden: NDArray[np.bool_] | None,
    palette: Palette,
) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.patch.set_facecolor(palette.surface)
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(1, 2))
    levels = [log_mel(samples, sample_rate_hz) for samples in (before, after)]
    highest = float(max(level.max() for level in levels))
    loudest = max(float(np.abs(samples).max(initial=0.0)) for samples in (before, after)) or 1.0
    longest = max(len(before), len(after)) / sample_rate_hz
    for column, (samples, level, title) in enumerate(
        zip((before, after), levels, ("before", "after"), strict=True)
    ):
        wave, mel = axes[0, column], axes[1, column]
        _draw_envelope(wave, samples, sample_rate_hz, palette)
        wave.set(title=title, ylim=(-loudest, loudest), xlim=(0, longest))
        shown = np.maximum(level, highest - RANGE_DB)
        if column == 1 and hidden is not None:
            frames = min(len(shown), len(hidden))
            shown[:frames][hidden[:frames]] = highest - RANGE_DB
        extent = (0, len(level) * 0.02, 0, shown.shape[1])
        mel.imshow(
            shown.T,
            origin="lower",
            aspect="auto",
            extent=extent,
            vmin=highest - RANGE_DB,
            vmax=highest,
            cmap="magma",
        )
        mel.set(xlabel="seconds", xlim=(0, longest))
        for axis in (wave, mel):
            axis.tick_params(colors=palette.muted, labelsize=8)
    axes[1, 0].set_ylabel("mel band")
    return figure


def _draw_envelope(axis: Axes, samples: Float32Array, sample_rate_hz: int, palette: Palette) -> None:
    """The lowest and highest sample of each of at most 1,000 parts: what a line through all samples would look like."""
    size = max(1, -(-len(samples) // 1000))
    parts = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    times = np.arange(len(parts)) * size / sample_rate_hz
    axis.fill_between(
        times, parts.min(axis=1), parts.max(axis=1), color=palette.accent, step="post", linewidth=0.3
    )
