"""A bundle: one folder that holds a trained model and all that is needed to use it. How it lies on disk is
known here and nowhere else; nothing here imports torch. Next: `models/checkpoint_io.py`.

A full bundle opens with `transformers`, an adapter bundle with `peft`; `soritune.json`, the card, is what soritune
reads: tasks, outputs and labels, preprocessing, and where it all came from.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from soritune.errors import BundleError, OutputError, TaskError, UnknownNameError
from soritune.geometry import Geometry
from soritune.tasks.objectives.objective import check_output
from soritune.tasks.task import InputSpec, OutputSpec, Task, task_kind
from soritune.whole_file import whole_file

SCHEMA, FIRST_SCHEMA = "soritune.bundle/2", "soritune.bundle/1"
"""Of the cards written now, and of older ones, which are converted when they are opened."""
CARD_FILE = "soritune.json"
WEIGHTS_FILE = "model.safetensors"
ADAPTER_FILE = "adapter_model.safetensors"
PACKAGED = "soritune/"
"""Begins the name of a model that comes with the package."""
PACKAGED_FOLDER = Path(__file__).parent / "pretrained"
PACKAGES = ("soritune", "torch", "transformers", "peft", "safetensors", "numpy")
"""Whose versions a card records."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk, opened for reading. `print(bundle)` says what it is."""

    path: Path
    card: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name, the folder's unless the card has one."""
        return str(self.card.get("name") or self.path.name)

    @property
    def is_adapter(self) -> bool:
        """True when it holds adapters and heads only and needs its base."""
        return bool(self.card["kind"] == "adapter")

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """The model's outputs, the primary one first.

        Raises:
            BundleError: the card's `outputs` are faulty, or name an objective that is not installed here.
        """
        try:
            found = tuple(OutputSpec.from_json(output) for output in self.card["outputs"])
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged("outputs", first_fault(error)) from error
        for output in found:
            try:
                check_output(output)
            except UnknownNameError as error:
                raise BundleError(
                    f"{self.path / CARD_FILE}: {error}; install the package that brings this objective"
                ) from error
            except TaskError as error:
                raise self.damaged("outputs", str(error)) from error
        return found

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """What the model reads beside the waveform.

        Raises:
            BundleError: the card's `inputs` are faulty.
        """
        try:
            return tuple(InputSpec.from_json(given) for given in self.card.get("inputs") or ())
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged("inputs", first_fault(error)) from error

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Labels by output name."""
        return {output.name: output.labels for output in self.outputs}

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, rebuilt from their stored settings.

        Raises:
            BundleError: the card's `tasks` are faulty.
            UnknownNameError: a task this version does not have.
        """
        try:
            return tuple(rebuild_task(task["name"], task["config"]) for task in self.card["tasks"])
        except UnknownNameError:
            raise
        except (KeyError, TypeError, ValueError, BundleError, TaskError) as error:
            raise self.damaged("tasks", first_fault(error)) from error

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Settings of what happens to audio before the model (`Preprocessing(**…)`)."""
        return dict(self.card["preprocessing"])

    @property
    def weights_path(self) -> Path:
        """The file with the weights."""
        return self.path / (ADAPTER_FILE if self.is_adapter else WEIGHTS_FILE)

    @property
    def geometry(self) -> Geometry:
        """How samples become frames.

        Raises:
            BundleError: the card does not say.
        """
        try:
            return Geometry.from_json(self.card["encoder"]["geometry"])
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged("encoder", f"geometry: {first_fault(error)}") from error

    @property
    def architecture(self) -> dict[str, Any]:
        """The encoder's config.json.

        Raises:
            BundleError: the card does not hold it.
        """
        try:
            return dict(self.card["encoder"]["config"])
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged("encoder", first_fault(error)) from error

    def damaged(self, key: str, fault: str) -> BundleError:
        """What to raise when the card's `key` cannot be used."""
        return BundleError(f"{self.path / CARD_FILE}: '{key}' is faulty ({fault}); copy the bundle again")

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights by their names in the file.

        Raises:
            BundleError: the file is damaged.
        """
        try:
            return dict(load_file(str(self.weights_path)))
        except Exception as error:
            raise BundleError(
                f"{self.weights_path} cannot be read as safetensors ({error}); copy it again"
            ) from error

    def check_files(self) -> None:
        """Compares every file with the checksum in the card.

        Raises:
            BundleError: a file is missing or differs.
        """
        for name, expected in self.card.get("files", {}).items():
            file = self.path / name
            if not file.is_file():
                raise BundleError(f"{self.path} lacks {name}, which its card lists; copy the whole folder")
            if file_sha256(file) != expected:
                raise BundleError(
                    f"{file} is not the file the card describes (its sha256 differs); copy it again"
                )

    def __str__(self) -> str:
        lines = [f"{self.name} ({self.card['kind']} bundle, {self.card['encoder']['model_type']})"]
        for output in self.outputs:
            shape = "(frames, labels)" if output.per_frame else "(labels,)"
            shown = " ".join(output.labels[:12]) + (" …" if len(output.labels) > 12 else "")
            lines.append(
                f"  {output.name}: {output.objective}, {shape}, {len(output.labels)} labels: {shown}"
            )
        return "\n".join(lines)


def first_fault(error: Exception) -> str:
    """The first thing that is wrong, in a few words on one line."""
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        said = fault["msg"].removeprefix("Value error, ")
        return f"{place}: {said}" if place else said
    if isinstance(error, KeyError):
        return f"no '{error.args[0]}'"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def rebuild_task(name: str, config: Mapping[str, Any]) -> Task:
    """The task `name` with the settings a card or recipe holds.

    Raises:
        BundleError: the settings are faulty.
    """
    kind = task_kind(name)
    try:
        task: Task = kind(kind.Config.model_validate(dict(config)))
    except ValidationError as error:
        raise BundleError(f"settings of task {name}: {first_fault(error)}") from error
    return task


def packaged_models() -> list[str]:
    """Names of the models that come with the package, as `soritune/tiny-ko`."""
    return sorted(PACKAGED + card.parent.name for card in PACKAGED_FOLDER.glob(f"*/{CARD_FILE}"))


def packaged_name(path: Path | str) -> str | None:
    """The name of the model of the package that lies in this folder, as `soritune/tiny-ko`, or None."""
    folder = Path(path).resolve()
    if folder.parent != PACKAGED_FOLDER.resolve():
        return None
    return PACKAGED + folder.name


def located(source: Path | str) -> Path:
    """The folder that is meant: inside the package for a name as `soritune/tiny-ko`, else the path itself.

    Such a name never goes to a hub. `./soritune/tiny-ko` and a `Path` to a folder that is there are paths.

    Raises:
        BundleError: the name of a packaged model that is not there, and no such folder either.
    """
    text = source if isinstance(source, str) else source.as_posix()
    if not _is_packaged_name(text):
        path = Path(text)
        # Path drops the leading ./, and what is left would be the name when somebody writes it down.
        return path.absolute() if _is_packaged_name(path.as_posix()) else path
    if isinstance(source, Path) and source.exists():
        return source.absolute()
    if text in packaged_models():
        return PACKAGED_FOLDER / text.removeprefix(PACKAGED)
    if Path(text).exists():
        return Path(text).absolute()
    there = ", ".join(packaged_models()) or "none in this installation"
    raise BundleError(f"'{text}' is no model of this package and no folder here; the package has: {there}")


def _is_packaged_name(text: str) -> bool:
    return text.startswith(PACKAGED) and text.count("/") == 1 and text != PACKAGED


def is_bundle(path: Path | str) -> bool:
    """True when the folder has a card."""
    return (located(path) / CARD_FILE).is_file()


def load_bundle(path: Path | str) -> Bundle:
    """Opens a bundle by its folder, or by name when it comes with the package; weights are not read yet.

    Raises:
        BundleError: no such folder, no card, a card of another schema, or the weights file is missing.
    """
    folder = located(path)
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder; give the folder of a bundle (it holds {CARD_FILE})")
    if not is_bundle(folder):
        raise BundleError(f"{folder} is no bundle: it has no {CARD_FILE}; give a folder that training wrote")
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"{folder / CARD_FILE} cannot be read ({error}); copy the bundle again") from error
    if isinstance(card, dict) and card.get("schema") == FIRST_SCHEMA:
        card = _converted(card, folder)
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        found = card.get("schema") if isinstance(card, dict) else type(card).__name__
        raise BundleError(f"{folder / CARD_FILE} has schema {found!r}, this version reads {SCHEMA!r}")
    kinds: dict[str, type] = {
        "kind": str, "tasks": list, "outputs": list, "encoder": dict, "preprocessing": dict, "model": dict
    }  # fmt: skip
    missing = [key for key in kinds if key not in card]
    if missing:
        raise BundleError(
            f"{folder / CARD_FILE} lacks {', '.join(missing)}; the card is damaged, copy it again"
        )
    bundle = Bundle(folder, card)
    for key, kind in kinds.items():
        if not isinstance(card[key], kind):
            raise bundle.damaged(key, f"is {card[key]!r}, not a {kind.__name__}")
    if card["kind"] not in ("full", "adapter"):
        raise bundle.damaged("kind", f"is {card['kind']!r}, neither 'full' nor 'adapter'")
    if not bundle.weights_path.is_file():
        raise BundleError(f"{folder} lacks {bundle.weights_path.name}; copy the whole folder")
    return bundle


def _converted(card: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A card of the first schema as one of today's: the geometry was the convolutions' kernels and strides.

    Raises:
        BundleError: they are missing or faulty.
    """
    encoder, preprocessing = card.get("encoder"), card.get("preprocessing")
    if not isinstance(encoder, dict) or not isinstance(preprocessing, dict):
        return {**card, "schema": SCHEMA}  # refused by the checks that follow
    try:
        geometry = Geometry(
            tuple(encoder["conv_kernel"]),
            tuple(encoder["conv_stride"]),
            sample_rate_hz=preprocessing.get("sample_rate_hz", 16000),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Bundle(folder, card).damaged("encoder", first_fault(error)) from error
    dropped = ("conv_kernel", "conv_stride", "frame_rate_hz")
    kept = {key: value for key, value in encoder.items() if key not in dropped}
    return {**card, "schema": SCHEMA, "encoder": {**kept, "geometry": geometry.to_json()}}


def write_bundle(
    path: Path | str,
    *,
    weights: Mapping[str, NDArray[Any]],
    card: Mapping[str, Any],
    json_files: Mapping[str, Any],
    readme: str | None = None,
) -> Bundle:
    """Writes a bundle folder: everything into a temporary folder beside it, then one rename. Replaces an old
    one.

    Args:
        path: the folder to make.
        weights: by the name they get in the safetensors file.
        card: what `soritune.json` says; `schema`, `created`, `version`, `versions` and `files` are filled in.
        json_files: other JSON files by name (config.json, adapter_config.json, vocab.json …).
        readme: text of README.md; a few lines are made when None.

    Raises:
        OutputError: the place cannot be written to.
    """
    target = Path(path).absolute()
    building = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    kind = card.get("kind", "full")
    try:
        building.mkdir(parents=True)
        arrays = {name: np.ascontiguousarray(value) for name, value in weights.items()}
        # transformers refuses a safetensors file that does not say for which library it was written.
        save_file(
            arrays, str(building / (ADAPTER_FILE if kind == "adapter" else WEIGHTS_FILE)), {"format": "pt"}
        )
        for name, content in json_files.items():
            _write_json(building / name, content)
        full = _complete(card, name=target.name)
        (building / "README.md").write_text(readme or _short_readme(full), encoding="utf-8")
        full["files"] = {
            file.name: file_sha256(file) for file in sorted(building.iterdir()) if file.name != "README.md"
        }
        _write_json(building / CARD_FILE, full)
        _swap(building, target)
    except (OSError, SafetensorError) as error:
        # safetensors reports a full disk as an error of its own, which is no OSError.
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{target} cannot be written ({reason}); choose another place") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return load_bundle(target)


def update_card(path: Path | str, **fields: Any) -> Bundle:
    """Changes fields of a bundle's card in place (atomically): a name, metrics, a licence found later."""
    bundle = load_bundle(path)
    with whole_file(bundle.path / CARD_FILE) as part:
        _write_json(part, {**bundle.card, **fields})
    return load_bundle(path)


def read_vocabulary(folder: Path | str) -> tuple[str, ...]:
    """The CTC labels of a checkpoint folder in the order of its logits, from `vocab.json` and, where transformers
    has put the last few elsewhere (as a rule `<s>` and `</s>`), `added_tokens.json` or `tokenizer_config.json`.

    Raises:
        BundleError: no vocab.json, or its ids are not 0 … n-1.
    """
    file = Path(folder) / "vocab.json"
    try:
        vocabulary = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(
            f"{file} cannot be read ({error}); a CTC checkpoint needs it to name its labels"
        ) from error
    if (
        isinstance(vocabulary, dict)
        and all(isinstance(value, dict) for value in vocabulary.values())
        and vocabulary
    ):
        raise BundleError(
            f"{file} holds a vocabulary per language; save the one you want as a flat vocab.json"
        )
    by_id = {index: symbol for symbol, index in vocabulary.items()} if isinstance(vocabulary, dict) else {}
    if sorted(by_id) != list(range(len(by_id))) or not by_id or len(by_id) != len(vocabulary):
        raise BundleError(f"{file} does not number its symbols 0, 1, 2 …; the order of the logits is unknown")
    added = _added_tokens(Path(folder))
    while len(by_id) in added:
        by_id[len(by_id)] = added[len(by_id)]
    return tuple(by_id[index] for index in range(len(by_id)))


def _added_tokens(folder: Path) -> dict[int, str]:
    """Id → symbol of what a tokenizer adds to its vocab.json; nothing where no file says."""
    found: dict[int, str] = {}
    for name in ("tokenizer_config.json", "added_tokens.json"):
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8-sig"))
            if name == "added_tokens.json":
                found |= {int(index): str(symbol) for symbol, index in content.items()}
            else:
                added = content.get("added_tokens_decoder") or {}
                found |= {int(index): str(token["content"]) for index, token in added.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # optional files: without them the vocabulary is what vocab.json says
    return found


def file_sha256(path: Path | str) -> str:
    """sha256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that matter to a model, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _complete(card: Mapping[str, Any], name: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found = versions()
    head = {
        "schema": SCHEMA,
        "kind": "full",
        "name": name,
        "version": found.get("soritune", "0"),
        "created": now,
    }
    return {**head, "versions": found, **{key: value for key, value in card.items() if value is not None}}


def _short_readme(card: Mapping[str, Any]) -> str:
    tasks = ", ".join(task["name"] for task in card.get("tasks", [])) or "none"
    base = f"\nNeeds its base: {card['base']['source']}\n" if card.get("base") else ""
    return (
        f"# {card['name']}\n\nA soritune bundle ({card['kind']}). Tasks: {tasks}.\n{base}\n"
        f"    soritune predict --bundle . clip.wav\n"
    )


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=True)
    path.write_text(text + "\n", encoding="utf-8")


def _swap(building: Path, target: Path) -> None:
    """Puts `building` in the place of `target`. A reader sees the old folder, none for an instant, or the new
    one."""
    if target.is_file():
        raise OutputError(f"{target} is a file; a bundle needs a folder")
    if not target.exists():
        os.replace(building, target)
        return
    if not is_bundle(target) and any(target.iterdir()):
        raise OutputError(f"{target} exists and is no bundle; it is left as it is, choose another place")
    old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
    os.replace(target, old)
    try:
        os.replace(building, target)
    except BaseException:  # an interrupt too must not leave the folder without its bundle
        if not target.exists():
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
