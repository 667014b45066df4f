"""A pretrained model on disk or on the hub: its config.json and its weights, under their stored names.

Torch is imported only where weights are read.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soritune.bundles.card import ADAPTER_FILE, INT8_FILE, file_sha256
from soritune.bundles.int8_weights import from_int8
from soritune.bundles.notice import NOTICE_FILES
from soritune.bundles.packaged import resolve_model_folder
from soritune.bundles.read import is_bundle, load_bundle
from soritune.errors import ModelError, OutsideFolderError, reason_of
from soritune.hub import folder_of_hub, weights_among
from soritune.inside_folder import path_inside
from soritune.models.config import ModelConfig
from soritune.models.encoders.encoder import family_of, model_type_of, with_front
from soritune.strict_json import read_json

if TYPE_CHECKING:
    from torch import Tensor

HUB_FILES = (
    "config.json",
    "vocab.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    *NOTICE_FILES,
)


@dataclass(frozen=True)
class PretrainedModel:
    """A model folder as transformers saves it; full bundles are such folders too."""

    source: str
    """Hub name or folder, as the caller gave it."""
    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json.

        Raises:
            ModelError: unreadable, or of an unsupported family.
        """
        file = self.folder / "config.json"
        try:
            config = read_json(file)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{file} cannot be read ({reason_of(error)}); a model folder needs its config.json"
            ) from error
        model_type = model_type_of(config) if isinstance(config, dict) else None
        family_of(model_type, self.source)
        return {**config, "model_type": model_type}

    @cached_property
    def weight_files(self) -> tuple[Path, ...]:
        """Files of the weights, in one or several shards; safetensors are preferred to pytorch_model.bin.

        A bundle whose weights are stored as int8 has them in a file of its own.

        Raises:
            ModelError: an index of shards that cannot be read, or files of the index are missing.
        """
        for name in ("model.safetensors", "pytorch_model.bin", INT8_FILE):
            if (self.folder / name).is_file():
                return (self.folder / name,)
            index = self.folder / f"{name}.index.json"
            if index.is_file():
                return self._shards(index)
        return ()

    def _shards(self, index: Path) -> tuple[Path, ...]:
        try:
            names = set(read_json(index)["weight_map"].values())
            # In the cache of the hub every file is a link to another folder.
            files = tuple(path_inside(self.folder, name, links=True) for name in sorted(names))
        except OutsideFolderError as error:
            raise ModelError(f"{index}: {error}; weights must be in its folder") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{index} cannot be read as an index of weights ({error!r}); copy it again"
            ) from error
        missing = [file.name for file in files if not file.is_file()]
        if missing or not files:
            raise ModelError(
                f"{self.folder} lacks {len(missing)} of the {len(files)} weight files that {index.name} names"
                f"{f', first {missing[0]}' if missing else ''}; copy the whole folder"
            )
        return files

    @cached_property
    def sha256(self) -> str:
        """Checksum of the weights: of the file, or of the shards' checksums in order."""
        sums = [file_sha256(file) for file in self.weight_files]
        if len(sums) == 1:
            return sums[0]
        return hashlib.sha256("".join(sums).encode()).hexdigest()

    def weights(self) -> dict[str, Tensor]:
        """Weights by their stored names, float32 on the CPU. Pickles run no code (`weights_only`).

        Raises:
            ModelError: no weights file, or a damaged one.
        """
        if not self.weight_files:
            raise ModelError(
                f"{self.folder} holds no weights: neither model.safetensors nor pytorch_model.bin; "
                "give a folder with one of them"
            )
        import torch

        weights: dict[str, Tensor] = {}
        for file in self.weight_files:
            try:
                if file.name == INT8_FILE:
                    from safetensors.numpy import load_file as load_arrays

                    stored = from_int8(load_arrays(str(file)))
                    weights.update({name: torch.from_numpy(value) for name, value in stored.items()})
                elif file.suffix == ".safetensors":
                    from safetensors.torch import load_file

                    weights.update(load_file(str(file)))
                else:
                    weights.update(torch.load(file, map_location="cpu", weights_only=True))
            except pickle.UnpicklingError as error:
                # torch's own message advises to switch the protection off.
                raise ModelError(
                    f"{file} cannot be read: it is damaged, or holds more than weights and could run any program; give "
                    "a model.safetensors instead"
                ) from error
            except Exception as error:
                reason = reason_of(error)
                raise ModelError(f"{file} cannot be read ({reason}); it is damaged or incomplete") from error
        for name, value in weights.items():
            if not isinstance(value, torch.Tensor):
                raise ModelError(
                    f"{self.weight_files[0]} holds '{name}', which is not a weight; give the file that "
                    "`save_pretrained` writes, a plain mapping of names to weights"
                )
        return {
            name: value.float() if value.is_floating_point() else value for name, value in weights.items()
        }


def open_pretrained(source: str | Path, *, ask_hub: bool = True) -> PretrainedModel:
    """Finds a model by name or folder: in the package, then on disk, then in the hub's cache, then on the hub.

    Args:
        source: the name or folder.
        ask_hub: whether the hub may be searched. A name in a file is not a request of the user.

    Raises:
        ModelError: a folder without a model, or a name that is neither a folder nor a reachable model of the hub.
    """
    folder = resolve_model_folder(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            content = "an adapter alone" if (folder / ADAPTER_FILE).is_file() else "no model"
            raise ModelError(
                f"{folder} holds {content}: it has no config.json; give a folder saved by transformers"
            )
        return PretrainedModel(str(source), folder)
    name = str(source)
    if name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name:
        raise ModelError(f"{name} is not a folder here, nor a hub name (those look like 'owner/model')")
    return PretrainedModel(name, _from_hub(name, ask_hub=ask_hub))


def architecture_of(config: ModelConfig) -> dict[str, Any]:
    """The config.json of the encoder that `build_model` would build, without reading weights.

    Raises:
        ModelError, BundleError: it cannot be found.
    """
    source = config.starts_from
    if source is None:
        return described_architecture(config)
    return with_front(_stored_architecture(source), config.front, source)


def described_architecture(config: ModelConfig) -> dict[str, Any]:
    """The recipe's own `model.architecture`, or that of its encoder: for counting and for random weights.

    Raises:
        ModelError, BundleError: neither exists.
    """
    plain = dict(config.architecture) if config.architecture else _stored_architecture(config.encoder)
    return with_front(plain, config.front)


def _stored_architecture(source: str) -> dict[str, Any]:
    return load_bundle(source).architecture if is_bundle(source) else open_pretrained(source).config


def _from_hub(name: str, *, ask_hub: bool) -> Path:
    """The model's folder in the local hub cache; downloads it if necessary and allowed."""

    def is_complete(folder: Path) -> bool:
        return bool(PretrainedModel(name, folder).weight_files) and (folder / "config.json").is_file()

    return folder_of_hub(name, wanted=_files_of_model, is_complete=is_complete, ask_hub=ask_hub)


def _files_of_model(files: Sequence[str]) -> list[str]:
    return [*HUB_FILES, *weights_among(files)]
