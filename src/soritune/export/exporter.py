"""The contract of an exporter: a bundle in, the files of another program out. Next: `stages/export.py`.

A file in this folder binds `EXPORTER` to an object that fulfils `Exporter`; its name is that of the format
(`soritune export NAME`). Other packages join through the entry-point group `soritune.export`. `stages/export.py` makes
the empty folder that an exporter writes into, and renames it when the exporter returns; after an error it is removed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from soritune.bundles.card import Bundle
from soritune.geometry import Geometry
from soritune.progress import Console
from soritune.settings import Settings

PACKAGE = "soritune.export"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an exporter wrote."""

    facts: dict[str, Any] = field(default_factory=dict)
    """Plain JSON: the figures that were measured, the names of files; `soritune export --json` prints it."""
    lines: tuple[str, ...] = ()
    """The same for people, printed below the name of the folder."""


class Exporter(Protocol):
    """One format.

    The command line has one function per format in `cli/export.py`, whose options are fields of `settings`. From
    Python, `stages/export.py: export` takes them as a mapping, which also serves exporters of other packages.
    """

    @property
    def settings(self) -> type[Settings]:
        """What a user may choose."""
        ...

    def write(self, bundle: Bundle, folder: Path, settings: Any, console: Console) -> Exported:
        """Writes the files of the format.

        Args:
            bundle: the model, of any kind: full, adapter, int8, or itself an ONNX folder.
            folder: an empty folder. Its name is not that of the result.
            settings: an object of `self.settings`.
            console: for progress and warnings.

        Raises:
            SorituneError: the bundle cannot be exported so, a library is missing, or what was written does not give
                the results of the bundle. Nothing is left behind.
        """
        ...


def longest_clip(geometry: Geometry) -> str:
    """A sentence for the page of an export whose graph takes no longer clip; empty if it takes any."""
    if math.isinf(geometry.longest_samples):
        return ""
    seconds = geometry.longest_samples / geometry.sample_rate_hz
    return f"\nThe graph takes clips up to {seconds:.1f} s; cut longer ones.\n"
