"""A drawing as inline SVG for the report's page, or as a file of its own.

For the page matplotlib draws with stand-in colours; they become CSS variables afterwards, so one figure serves light
and dark pages, and Hangul is drawn by the browser's fonts, whichever fonts this machine has. A file gets real
colours: `.svg` keeps its text as text, and for `.png` a font of this machine that has the letters is searched.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from soritune.errors import OutputError
from soritune.whole_file import write_bytes

DOTS_PER_INCH = 200
"""Of PNG files."""


class Palette(NamedTuple):
    """The colours of a drawing, called as in report.css."""

    ink: str
    muted: str
    line: str
    accent: str
    second: str
    surface: str


PAGE = Palette("#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f", "#101112")
"""Stand-ins for the page's CSS variables."""
PAPER = Palette("#1d2129", "#6a7280", "#e4e2dc", "#1f6f8b", "#c2703d", "#ffffff")
"""The page's light colours."""
Drawing = Callable[[Palette], Figure]


def inline_svg(figure: Figure) -> str:
    """A figure drawn in `PAGE` colours as an inline `<svg>` that takes colours and fonts from the page."""
    figure.patch.set_alpha(0)
    for axis in figure.axes:
        axis.patch.set_alpha(0)
    text = _svg_of(figure)
    head, rest = text.split(">", 1)
    width = re.search(r'viewBox="0 0 ([\d.]+)', head)
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    # Text may be wider in the browser's font than estimated here, hence the visible overflow.
    size = f"{width[1] if width else 600}pt"
    style = f"--width:{size};width:{size};max-width:100%;height:auto;overflow:visible"
    text = f'{head} style="{style}">{rest}'
    text = re.sub(r"font:\s*(?:\w+ )?([\d.]+px)[^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family:[^;\"]*;?", "", text)
    for variable, stand_in in PAGE._asdict().items():
        text = text.replace(stand_in, f"var(--{variable})")
    return text


class Picture:
    """A drawing that notebooks show; `save` writes it to a file."""

    def __init__(self, draw: Drawing, name: str) -> None:
        self._draw, self._name = draw, name

    def save(self, path: Path | str) -> Path:
        """Writes a `.svg` or `.png` file; errors as for `save_figure`."""
        return save_figure(path, self._draw)

    def _repr_svg_(self) -> str:
        """Called by notebooks."""
        style = '<svg style="max-width:100%;height:auto" '
        return _svg_of(self._draw(PAPER)).replace("<svg ", style, 1)

    def __repr__(self) -> str:
        return f"Picture of {self._name}; .save('FILE.svg') writes it"


def save_figure(path: Path | str, draw: Drawing) -> Path:
    """Draws on white and writes a `.svg` or `.png` file, at once or not at all.

    Raises:
        OutputError: another suffix, a path that cannot be written to, or letters that no font of this machine has
            (for PNG only).
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix == ".svg":
        head = '<?xml version="1.0" encoding="utf-8"?>\n'
        return write_bytes(target, (head + _svg_of(draw(PAPER)) + "\n").encode())
    if suffix == ".png":
        return write_bytes(target, _png_of(target, draw))
    raise OutputError(f"{target}: figures are written as .svg or .png, not as '{target.suffix}'")


def _svg_of(figure: Figure) -> str:
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "soritune"}), warnings.catch_warnings():
        # Widths of letters that this machine's fonts lack are estimated; the reader's program has the letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    text = buffer.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def _png_of(target: Path, draw: Drawing) -> bytes:
    picture, missing = _picture(draw, [])
    if missing:
        family = font_with(missing)
        if family is not None:
            picture, missing = _picture(draw, [family])
    if missing:
        letters = "".join(sorted(chr(code) for code in missing))[:10]
        raise OutputError(
            f"{target}: no font of this machine has the letters {letters}; write .svg instead, or install a font such "
            "as fonts-nanum or the extra soritune[hangul-figures]"
        )
    return picture


def _picture(draw: Drawing, families: list[str]) -> tuple[bytes, frozenset[int]]:
    """The drawing as PNG, and the code points for which the fonts have no letter."""
    buffer = io.BytesIO()
    names = ["DejaVu Sans", *families]
    with mpl.rc_context({"font.family": names, "figure.dpi": DOTS_PER_INCH}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing letters, which are returned
        figure = draw(PAPER)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
    known = {code for name in names for code in FT2Font(findfont(name)).get_charmap()}
    letters = {letter for text in figure.findobj(Text) for letter in text.get_text() if letter.isprintable()}
    return buffer.getvalue(), frozenset(map(ord, letters)) - known


@cache
def font_with(codes: frozenset[int]) -> str | None:
    """Family of an installed font that has letters for all these code points; regular weights come first."""
    for path in _bundled_fonts():
        fontManager.addfont(path)
    entries = sorted(
        fontManager.ttflist, key=lambda entry: (entry.style != "normal", entry.weight != 400, entry.name)
    )
    for entry in entries:
        if entry.name.startswith("Last Resort"):  # matplotlib's own, with a box for every letter
            continue
        try:
            known = FT2Font(entry.fname).get_charmap()
        except (OSError, RuntimeError):
            continue
        if all(code in known for code in codes):
            return str(entry.name)
    return None


def _bundled_fonts() -> Iterable[Path]:
    """Fonts of the package koreanize-matplotlib, if installed. Importing it would change matplotlib's settings."""
    spec = find_spec("koreanize_matplotlib")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    return [path for folder in folders for path in Path(folder).glob("fonts/NanumGothic.ttf")]
