"""States of clips on disk, in files of safetensors that are written whole: what is there is complete.

The name of a tensor is the clip's key and its number of samples. Next: `training/batches/state_keys.py`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from soritune.errors import TrainingError, reason_of
from soritune.whole_file import write_bytes

SUFFIX = ".safetensors"
NAME_BYTES = 12
_NAME = re.compile(rf"[0-9a-f]{{{2 * NAME_BYTES}}}{re.escape(SUFFIX)}")


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """The encoder's states of one clip."""

    num_samples: int
    """Samples of the clip, after augmentation."""
    states: NDArray[np.float16]
    """(frames, states, hidden); at least one frame."""


class StateStore:
    """States of clips in a folder, by key.

    Args:
        folder: made when states are written.

    Attributes:
        num_damaged: files that could not be read and were removed; their clips are encoded again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.num_damaged = 0
        self._place: dict[str, tuple[Path, str]] = {}
        self._listed: set[Path] = set()
        self._open: dict[Path, Any] = {}
        self.refresh()

    def refresh(self) -> None:
        """Lists the files that were written since the last call, by any process.

        Raises:
            TrainingError: a file may not be read.
        """
        for file in self._files():
            if file in self._listed:
                continue
            try:
                with safe_open(file, "numpy") as content:
                    names = list(content.keys())
            except SafetensorError:
                file.unlink(missing_ok=True)
                self.num_damaged += 1
                continue
            except FileNotFoundError:
                continue  # another run has removed it as damaged
            except OSError as error:
                raise TrainingError(
                    f"{file} cannot be read ({reason_of(error)}); make it readable, or name another folder with "
                    "batches.encoder_states.folder"
                ) from error
            self._listed.add(file)
            self._place.update((name.partition(":")[0], (file, name)) for name in names)

    def __contains__(self, key: str) -> bool:
        return key in self._place

    def __len__(self) -> int:
        return len(self._place)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    @property
    def num_bytes(self) -> int:
        """Size of the folder's files."""
        sizes = 0
        for file in self._files():
            with suppress(FileNotFoundError):  # another run has removed it as damaged
                sizes += file.stat().st_size
        return sizes

    def _files(self) -> list[Path]:
        """The files of states: no other files of the folder, and none that another process is writing."""
        return sorted(file for file in self.folder.glob(f"*{SUFFIX}") if _NAME.fullmatch(file.name))

    def get(self, key: str) -> EncodedClip | None:
        """The states of a clip; None if it is not stored.

        Raises:
            TrainingError: the file was removed or damaged after it had been listed.
        """
        place = self._place.get(key)
        if place is None:
            return None
        file, name = place
        try:
            if file not in self._open:
                self._open[file] = safe_open(file, "numpy")
            states = self._open[file].get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise TrainingError(
                f"{file} cannot be read any more ({reason_of(error)}); resume the run, and its clips are encoded again"
            ) from error
        return EncodedClip(int(name.partition(":")[2]), states)

    def put(self, clips: Mapping[str, EncodedClip]) -> None:
        """Writes clips into one new file.

        Raises:
            OutputError: the file cannot be written.
        """
        if not clips:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        named = {
            f"{key}:{clip.num_samples}": np.ascontiguousarray(clip.states) for key, clip in clips.items()
        }
        digest = hashlib.blake2b("".join(sorted(named)).encode(), digest_size=NAME_BYTES).hexdigest()
        file = write_bytes(self.folder / f"{digest}{SUFFIX}", save(named))
        self._listed.add(file)
        self._place.update((name.partition(":")[0], (file, name)) for name in named)
