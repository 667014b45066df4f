"""Models that come with the package, by name: `soritune/ko-base`, `soritune/tiny-ko`."""

from __future__ import annotations

from pathlib import Path

from soritune.bundles.card import CARD_FILE
from soritune.errors import BundleError

PACKAGED = "soritune/"
"""First part of the name of every model that comes with the package."""
PACKAGED_FOLDER = Path(__file__).parent.parent / "pretrained"


def packaged_models() -> list[str]:
    """Names of the models that come with the package, as `soritune/tiny-ko`."""
    return sorted(PACKAGED + card.parent.name for card in PACKAGED_FOLDER.glob(f"*/{CARD_FILE}"))


def packaged_name(path: Path | str) -> str | None:
    """The name of the packaged model whose folder this is, as `soritune/tiny-ko`, or None."""
    folder = Path(path).resolve()
    if folder.parent != PACKAGED_FOLDER.resolve():
        return None
    return PACKAGED + folder.name


def resolve_model_folder(source: Path | str) -> Path:
    """The folder of a model: inside the package for a name like `soritune/tiny-ko`, else the path itself.

    Such a name is never looked up on a hub. `./soritune/tiny-ko` and a `Path` to an existing folder are paths.

    Raises:
        BundleError: there is neither a packaged model with this name nor such a folder.
    """
    text = source if isinstance(source, str) else source.as_posix()
    if not _is_packaged_name(text):
        path = Path(text)
        # Path drops the leading ./, and the rest would be read as the name of a packaged model the next time.
        return path.absolute() if _is_packaged_name(path.as_posix()) else path
    if isinstance(source, Path) and source.exists():
        return source.absolute()
    if text in packaged_models():
        return PACKAGED_FOLDER / text.removeprefix(PACKAGED)
    if Path(text).exists():
        return Path(text).absolute()
    names = ", ".join(packaged_models()) or "none in this installation"
    raise BundleError(
        f"'{text}' is neither a model of this package nor a folder here; the package has: {names}"
    )


def _is_packaged_name(text: str) -> bool:
    return text.startswith(PACKAGED) and text.count("/") == 1 and text != PACKAGED
