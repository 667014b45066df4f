"""A model on disk or on the hub: its config.json and its weights, under the names they have there.

Torch is imported only where weights are read."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soritune.bundles.card import ADAPTER_FILE, file_sha256
from soritune.bundles.packaged import resolve_model_folder
from soritune.bundles.read import is_bundle, load_bundle
from soritune.errors import ModelError
from soritune.models.config import ModelConfig
from soritune.models.encoders.encoder import family_of, model_type_of

if TYPE_CHECKING:
    from torch import Tensor

HUB_TIMEOUT_S = 10.0
"""How long one question to the hub may take before it counts as out of reach."""
HUB_FILES = (
    "config.json",
    "vocab.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "tokenizer_config.json",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A model folder on disk, soritune's or anyone's."""

    source: str
    """As it was asked for: hub name or folder."""
    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json.

        Raises:
            ModelError: unreadable, or of a family soritune does not take.
        """
        file = self.folder / "config.json"
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ModelError(
                f"{file} cannot be read ({error}); a model folder needs its config.json"
            ) from error
        model_type = model_type_of(config) if isinstance(config, dict) else None
        family_of(model_type, self.source)
        return {**config, "model_type": model_type}

    @cached_property
    def weight_files(self) -> tuple[Path, ...]:
        """Files holding the weights, safetensors before pytorch_model.bin, one or several shards.

        Raises:
            ModelError: an index of shards that cannot be read, or that names files which are not there.
        """
        for name in ("model.safetensors", "pytorch_model.bin"):
            if (self.folder / name).is_file():
                return (self.folder / name,)
            index = self.folder / f"{name}.index.json"
            if index.is_file():
                return self._shards(index)
        return ()

    def _shards(self, index: Path) -> tuple[Path, ...]:
        try:
            named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            files = tuple(self.folder / shard for shard in sorted(named))
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
        """Weights by the file's names, float32 on the CPU. Pickle runs no code (`weights_only`).

        Raises:
            ModelError: no weights file, or a damaged one.
        """
        if not self.weight_files:
            raise ModelError(
                f"{self.folder} holds no weights: neither model.safetensors nor pytorch_model.bin; "
                "give a folder with one of them"
            )
        import torch

        found: dict[str, Tensor] = {}
        for file in self.weight_files:
            try:
                if file.suffix == ".safetensors":
                    from safetensors.torch import load_file

                    found.update(load_file(str(file)))
                else:
                    found.update(torch.load(file, map_location="cpu", weights_only=True))
            except Exception as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ModelError(f"{file} cannot be read ({reason}); it is damaged or incomplete") from error
        odd = next((name for name, value in found.items() if not isinstance(value, torch.Tensor)), None)
        if odd is not None:
            raise ModelError(
                f"{self.weight_files[0]} holds '{odd}', which is no weight; give the file that `save_pretrained` "
                "writes, a plain mapping of names to weights"
            )
        return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def open_checkpoint(source: str | Path) -> Checkpoint:
    """Finds a model by name or folder: those of the package and folders first, then the hub's cache, then the hub.

    Raises:
        ModelError: a folder that holds no model, or a name that is neither a folder nor to be reached.
    """
    folder = resolve_model_folder(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            what = "an adapter alone" if (folder / ADAPTER_FILE).is_file() else "no model"
            raise ModelError(
                f"{folder} holds {what}: it has no config.json; give a folder saved by transformers"
            )
        return Checkpoint(str(source), folder)
    name = str(source)
    if name.startswith((".", "/", "~")) or name.count("/") != 1 or "\\" in name:
        raise ModelError(f"{name} is no folder here, and no hub name either (those look like 'owner/model')")
    return Checkpoint(name, _from_hub(name))


def architecture_of(config: ModelConfig) -> dict[str, Any]:
    """The config.json of the encoder that `build_model` would build, without reading weights.

    Raises:
        ModelError, BundleError: it cannot be found.
    """
    source = config.starts_from
    return described_architecture(config) if source is None else _stored_architecture(source)


def described_architecture(config: ModelConfig) -> dict[str, Any]:
    """The recipe's own `model.architecture`, or that of its encoder: for counting and for random weights.

    Raises:
        ModelError, BundleError: there is neither.
    """
    return dict(config.architecture) if config.architecture else _stored_architecture(config.encoder)


def _stored_architecture(source: str) -> dict[str, Any]:
    return load_bundle(source).architecture if is_bundle(source) else open_checkpoint(source).config


def _from_hub(name: str) -> Path:
    """Folder in the local hub cache; fills it if it must."""
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        cached = Path(huggingface_hub.snapshot_download(name, local_files_only=True))
        if Checkpoint(name, cached).weight_files and (cached / "config.json").is_file():
            return cached
    except HFValidationError as error:
        raise ModelError(f"'{name}' is no folder here and no valid hub name; give a local folder") from error
    except Exception as error:
        logger.debug("%s is not in the hub cache: %s", name, error)
    try:
        # One cheap question first: the downloader itself tries again for minutes.
        found = huggingface_hub.HfApi().model_info(name, timeout=HUB_TIMEOUT_S).siblings or []
        files = [file.rfilename for file in found]
        safe = [file for file in files if file.startswith("model") and ".safetensors" in file]
        wanted = [*HUB_FILES, *(safe or [file for file in files if file.startswith("pytorch_model")])]
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=wanted))
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"the hub has no model '{name}' (or it needs a login), and there is no such folder here; check "
            "the name or give a local folder"
        ) from error
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{name} could not be reached on the hub ({reason}); give a local folder") from error
