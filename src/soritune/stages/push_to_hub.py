"""A folder of `soritune export hub` to the Hugging Face hub.

An upload that was interrupted is resumed by the same call: files that the hub has are not sent again. The token is that
of `hf auth login` or HF_TOKEN, never an argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.bundles.published import KEY
from soritune.bundles.read import load_bundle
from soritune.bundles.versions import versions
from soritune.errors import BundleError, OutputError
from soritune.export.hub import ONNX_FOLDER, README, folder_files
from soritune.hub import check_repository_name
from soritune.progress import SILENT, Console


@dataclass(frozen=True, slots=True)
class Push:
    """What was uploaded, or would be."""

    repo: str
    files: dict[str, int]
    """Size in bytes by name."""
    url: str | None = None
    """Address of the commit; None for a dry run."""

    @property
    def num_bytes(self) -> int:
        """Size of all files."""
        return sum(self.files.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"repo": self.repo, "url": self.url, "bytes": self.num_bytes, "files": self.files}


def push_to_hub(
    folder: Path | str,
    repo: str,
    *,
    private: bool = True,
    revision: str | None = None,
    message: str | None = None,
    dry_run: bool = False,
    console: Console = SILENT,
) -> Push:
    """Uploads a folder of `soritune export hub`; the repository is made if it does not exist.

    Args:
        folder: the folder.
        repo: `owner/name` on the hub, or a name below the account of the token.
        private: make a new repository private. False also permits an upload to one that is public.
        revision: a branch, made if it does not exist; None is the main one.
        message: of the commit.
        dry_run: only check the folder and list its files; nothing is sent.
        console: where messages are shown; nothing is shown by default.

    Raises:
        BundleError: not such a folder, a file that differs from its card, or a README.md whose front matter cannot be
            read.
        OutputError: no token, a token that may not write there, an invalid name, a public repository where a private
            one was requested, or a hub that cannot be reached.
    """
    from huggingface_hub import HfApi, get_token

    path = Path(folder)
    bundle = load_bundle(path)
    if KEY not in bundle.card:
        raise BundleError(
            f"{path} is not a folder of `soritune export hub`, which checks licences and writes the card; write one, "
            "read its README.md, and give that folder"
        )
    bundle.check_files()
    if (path / ONNX_FOLDER).is_dir():
        load_bundle(path / ONNX_FOLDER).check_files()
    _check_card(path / README)
    check_repository_name(repo)
    result = Push(repo, {name: file.stat().st_size for name, file in folder_files(path)})
    if dry_run:
        return result
    if get_token() is None:
        raise OutputError(
            "there is no token of the Hugging Face hub on this machine",
            "make one with write access, and give it to `hf auth login` or in HF_TOKEN",
        )
    api = HfApi(library_name="soritune", library_version=versions().get("soritune"))
    with _hub_errors_explained(repo):
        repo_id = api.create_repo(repo_id=repo, repo_type="model", private=private, exist_ok=True).repo_id
        if private and not api.repo_info(repo_id=repo_id, repo_type="model").private:
            raise OutputError(
                f"{repo_id} exists and is public", "permit that with --public, or choose another --repo"
            )
        if revision is not None:
            api.create_branch(repo_id=repo_id, repo_type="model", branch=revision, exist_ok=True)
        console.message(f"uploading {len(result.files)} files, {result.num_bytes:,} bytes, to {repo_id}")
        commit = api.upload_folder(
            repo_id=repo_id,
            repo_type="model",
            folder_path=path,
            revision=revision,
            commit_message=message or f"Upload {bundle.name} with soritune",
            allow_patterns=[_literal(name) for name in result.files],
        )
    return Push(repo_id, result.files, str(commit.commit_url))


def _literal(name: str) -> str:
    """A name as a pattern that matches it alone."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _check_card(readme: Path) -> None:
    """Reads README.md as the hub's library does; a person may have edited it.

    Raises:
        BundleError: it is missing, or its front matter is faulty.
    """
    from huggingface_hub import ModelCard

    try:
        ModelCard(readme.read_text(encoding="utf-8"))
    except Exception as error:  # of YAML, of the library's checks, of the file system
        raise BundleError(
            f"the front matter of {readme} cannot be read ({' '.join(str(error).split())[:200]}); correct it, or "
            "export the folder again"
        ) from error


@contextmanager
def _hub_errors_explained(repo: str) -> Iterator[None]:
    """Errors of the hub as one sentence."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except OutputError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = " ".join((error.server_message or str(error)).split())[:200]
        if status in (401, 403):
            raise OutputError(
                f"the hub refused the token for {repo} (status {status}: {reason})",
                "give one that may write there to `hf auth login` or in HF_TOKEN",
            ) from error
        raise OutputError(
            f"the hub refused the upload to {repo} (status {status}: {reason})", "the same command resumes it"
        ) from error
    except Exception as error:  # of the network, in the classes of several libraries
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise OutputError(
            f"{repo} could not be uploaded ({reason})",
            "the same command resumes it; files that the hub has are not sent again",
        ) from error
