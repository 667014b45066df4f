"""Folders of models on the Hugging Face hub: found in its cache, or downloaded; names of repositories."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from soritune.errors import ModelError, OutputError, reason_of

HUB_TIMEOUT_S = 10.0
"""Time limit of one request to the hub."""

logger = logging.getLogger(__name__)


def folder_of_hub(
    name: str,
    *,
    wanted: Callable[[Sequence[str]], list[str]],
    is_complete: Callable[[Path], bool],
    ask_hub: bool = True,
) -> Path:
    """The folder of a model in the local cache of the hub; it is downloaded if necessary and allowed.

    Args:
        name: on the hub, as `owner/model`.
        wanted: from the model's files on the hub to those that are downloaded, as patterns.
        is_complete: whether a folder of the cache has all that is needed.
        ask_hub: whether the hub may be searched. A name in a file is not a request of the user.

    Raises:
        ModelError: not a valid name, or neither in the cache nor reachable.
    """
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        cached = Path(huggingface_hub.snapshot_download(name, local_files_only=True))
        if is_complete(cached):
            return cached
    except HFValidationError as error:
        raise ModelError(
            f"'{name}' is not a folder here, nor a valid hub name; give a local folder"
        ) from error
    except Exception as error:
        logger.debug("%s is not in the hub cache: %s", name, error)
    if not ask_hub:
        raise ModelError(f"'{name}' is neither a folder here nor in the hub's cache")
    try:
        # One cheap request first: the downloader itself retries for minutes.
        siblings = huggingface_hub.HfApi().model_info(name, timeout=HUB_TIMEOUT_S).siblings or []
        patterns = wanted([file.rfilename for file in siblings])
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"the hub has no model '{name}' (or it needs a login), and no such folder exists here; check "
            "the name or give a local folder"
        ) from error
    except Exception as error:
        reason = reason_of(error)
        raise ModelError(f"{name} could not be reached on the hub ({reason}); give a local folder") from error


def weights_among(files: Sequence[str]) -> list[str]:
    """The files with the weights of a model: safetensors, or without them those of PyTorch."""
    safetensors = [file for file in files if file.startswith("model") and ".safetensors" in file]
    return safetensors or [file for file in files if file.startswith("pytorch_model")]


def check_repository_name(name: str) -> None:
    """Checks the name of a repository, `owner/name`, or a name below one's own account.

    Raises:
        OutputError: it is not one.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        reason = " ".join(str(error).split())
        raise OutputError(
            f"'{name}' is not a name on the hub ({reason})", "give --repo OWNER/NAME"
        ) from error
