"""A bundle in the format of another program: the folder appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soritune.bundles.read import load_bundle
from soritune.errors import MissingLibraryError, OutputError, RecipeError, reason_of
from soritune.export.exporter import PACKAGE, Exported, Exporter
from soritune.extras import install_command, listed
from soritune.progress import SILENT, Console
from soritune.registry import load_member
from soritune.run_folder import choose_bundle
from soritune.settings import faults_of


@dataclass(frozen=True, slots=True)
class Export:
    """The result of `export`."""

    folder: Path
    """The folder that was made."""
    exported: Exported
    """What the exporter measured."""


def export(
    format: str,
    source: Path | str,
    output: Path | str,
    settings: Mapping[str, Any] | None = None,
    *,
    checkpoint: str | None = None,
    console: Console = SILENT,
) -> Export:
    """Writes a bundle in the format of another program.

    Args:
        format: name of an exporter, such as "onnx" (`export/`).
        source: bundle folder, run folder, of which the best bundle is taken, or the name of a model of the package.
        output: the folder to make; it must not exist, or be empty.
        settings: fields of the exporter's settings.
        checkpoint: another bundle of the run folder, such as "last".
        console: where progress and warnings are shown; nothing is shown by default.

    Raises:
        UnknownNameError: no such format or checkpoint.
        MissingLibraryError: the format needs a library that is not installed.
        RecipeError: a setting that the format does not have, or a wrong value.
        BundleError: no model there, or one that cannot be exported so.
        OutputError: the folder cannot be written, or has files.
    """
    try:
        exporter: Exporter = load_member(PACKAGE, "EXPORTER", format, "format")
    except MissingLibraryError as error:
        # The extra of the module alone, such as that of torch, is not enough.
        extra = "export"
        raise MissingLibraryError(
            f"export {format} needs {listed(error.modules)}, which is not installed: {install_command(extra)}",
            [extra],
            error.modules,
        ) from error
    try:
        chosen = exporter.settings.model_validate(dict(settings or {}))
    except ValidationError as error:
        raise RecipeError(f"export {format}", faults_of(error, exporter.settings)) from error
    bundle = load_bundle(choose_bundle(source, checkpoint))
    target = Path(output).absolute()
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise OutputError(f"{target} exists", "name a folder that does not exist, or an empty one")
    building = target.with_name(f".{target.name[:64]}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        building.mkdir(parents=True)
        exported = exporter.write(bundle, building, chosen, console)
        os.replace(building, target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written ({reason_of(error)})", "choose another place"
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Export(target, exported)
