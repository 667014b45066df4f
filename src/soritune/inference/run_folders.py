"""Which bundle is meant: a bundle folder itself, or a run folder with several under `bundles/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soritune.bundle import is_bundle, load_bundle
from soritune.errors import BundleError, UnknownNameError


def is_run(path: Path | str) -> bool:
    """True for a folder that training wrote: it has `bundles/`."""
    folder = Path(path)
    return folder.is_dir() and not is_bundle(folder) and (folder / "bundles").is_dir()


def bundle_names(run: Path | str) -> list[str]:
    """Names of the bundles of a run, sorted."""
    return sorted(folder.name for folder in (Path(run) / "bundles").iterdir() if is_bundle(folder))


def choose_bundle(path: Path | str, checkpoint: str | None = None) -> Path:
    """The bundle folder to use.

    A bundle folder is itself. In a run folder it is `bundles/<checkpoint>`; without a name, the best by a
    task's primary metric where there is one such bundle, else `best_loss`, else `last`.

    Raises:
        BundleError: neither a bundle nor a run, or a run without bundles.
        UnknownNameError: the run has no bundle of that name.
    """
    folder = Path(path)
    if is_bundle(folder):
        if checkpoint not in (None, "best"):
            raise BundleError(
                f"{folder} is a single bundle; --checkpoint chooses among the bundles of a run folder"
            )
        return folder
    if not is_run(folder):
        there = (
            "is no model: it has neither soritune.json nor bundles/" if folder.exists() else "is not there"
        )
        raise BundleError(f"{folder} {there}; give a bundle folder or a run folder")
    names = bundle_names(folder)
    if not names:
        raise BundleError(f"{folder} has no finished bundle under bundles/; training did not get that far")
    if checkpoint not in (None, "best"):
        if checkpoint not in names:
            raise UnknownNameError("checkpoint", str(checkpoint), ["best", *names])
        return folder / "bundles" / str(checkpoint)
    first = load_bundle(folder / "bundles" / names[0]).tasks[0]
    preferred = [f"best_{first.name}_{first.primary_metric.name}", "best_loss", "last", names[0]]
    return folder / "bundles" / next(name for name in preferred if name in names)


def read_card(bundle: Path | str) -> dict[str, Any]:
    """The card of a bundle.

    Raises:
        BundleError: no bundle there.
    """
    return dict(load_bundle(bundle).card)
