"""Writing a bundle: the folder appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save_file

from soritune.bundles.card import (
    CARD_FILE,
    INT8,
    SCHEMA,
    WEIGHTS_FORMAT,
    Bundle,
    file_sha256,
    weights_file,
)
from soritune.bundles.int8_weights import to_int8
from soritune.bundles.notice import notice_section
from soritune.bundles.read import is_bundle, load_bundle
from soritune.bundles.versions import versions
from soritune.errors import OutputError, reason_of
from soritune.whole_file import whole_file


def write_bundle(
    path: Path | str,
    *,
    weights: Mapping[str, NDArray[Any]],
    card: Mapping[str, Any],
    json_files: Mapping[str, Any],
    text_files: Mapping[str, str] | None = None,
    readme: str | None = None,
) -> Bundle:
    """Writes a bundle folder: everything into a temporary folder beside it, then one rename. Replaces an old bundle.

    Args:
        path: the folder to make.
        weights: name in the safetensors file to weights; they become int8 if the card's `weights_format` is that.
        card: content of `soritune.json`; `schema`, `created`, `version`, `versions` and `files` are added.
        json_files: other JSON files by name (config.json, adapter_config.json, vocab.json …).
        text_files: further files, by their path in the bundle.
        readme: text of README.md; None writes a few lines about the card.

    Raises:
        OutputError: the folder cannot be written.
        ValueError: weights that cannot be stored as int8.
    """
    target = Path(path).absolute()
    building = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        building.mkdir(parents=True)
        stored = to_int8(weights) if card.get(WEIGHTS_FORMAT) == INT8 else weights
        arrays = {name: np.ascontiguousarray(value) for name, value in stored.items()}
        # transformers refuses a safetensors file without the name of the library that it was written for.
        save_file(arrays, str(building / weights_file(card)), {"format": "pt"})
        for name, content in json_files.items():
            _write_json(building / name, content)
        for name, text in (text_files or {}).items():
            (building / name).parent.mkdir(parents=True, exist_ok=True)
            (building / name).write_text(text, encoding="utf-8")
        write_card(building, card, name=target.name, readme=readme)
        _swap(building, target)
    except (OSError, SafetensorError) as error:
        # safetensors reports a full disk with its own exception, which is not an OSError.
        reason = reason_of(error)
        raise OutputError(f"{target} cannot be written ({reason})", "choose another place") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return load_bundle(target)


def write_card(folder: Path, card: Mapping[str, Any], *, name: str, readme: str | None = None) -> None:
    """Writes README.md and the card into a folder with the other files; arguments as for `write_bundle`."""
    full = _complete(card, name=name)
    (folder / "README.md").write_text(readme or _short_readme(full), encoding="utf-8")
    full["files"] = {
        file.relative_to(folder).as_posix(): file_sha256(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in ("README.md", CARD_FILE)
    }
    _write_json(folder / CARD_FILE, full)


def update_card(path: Path | str, **fields: Any) -> Bundle:
    """Changes fields of a bundle's card at once or not at all: a name, metrics, a licence that is known only later."""
    bundle = load_bundle(path)
    with whole_file(bundle.path / CARD_FILE) as part:
        _write_json(part, {**bundle.card, **fields})
    return load_bundle(path)


def _complete(card: Mapping[str, Any], name: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    installed = versions()
    head = {
        "schema": SCHEMA,
        "kind": "full",
        "name": name,
        "version": installed.get("soritune", "0"),
        "created": now,
    }
    return {**head, "versions": installed, **{key: value for key, value in card.items() if value is not None}}


def _short_readme(card: Mapping[str, Any]) -> str:
    tasks = ", ".join(task["name"] for task in card.get("tasks", [])) or "none"
    base = f"\nNeeds its base: {card['base']['source']}\n" if card.get("base") else ""
    notice = notice_section(card)
    return (
        f"# {card['name']}\n\nA soritune bundle ({card['kind']}). Tasks: {tasks}.\n{base}\n"
        f"    soritune predict --bundle . clip.wav\n" + (f"\n{notice}\n" if notice else "")
    )


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=True)
    path.write_text(text + "\n", encoding="utf-8")


def _swap(building: Path, target: Path) -> None:
    """Replaces `target` by `building`. A reader sees the old folder, for an instant no folder, or the new one."""
    if target.is_file():
        raise OutputError(f"{target} is a file", "a bundle needs a folder")
    if not target.exists():
        os.replace(building, target)
        return
    if not is_bundle(target) and any(target.iterdir()):
        raise OutputError(
            f"{target} exists and is not a bundle", "it is left unchanged, choose another place"
        )
    old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
    os.replace(target, old)
    try:
        os.replace(building, target)
    except BaseException:  # not even an interrupt may leave the folder without a bundle
        if not target.exists():
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
