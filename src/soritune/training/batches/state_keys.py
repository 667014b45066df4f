"""Keys of a clip's states: a digest of everything that the states depend on.

They are the encoder's weights and settings, the preprocessing, the samples, and, with augmentations, these and their
random numbers. Equal clips have equal keys in all runs, so folds and seeds share a folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.recordings import RecordedSounds
from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.audio_hashes import hash_samples, read_row, stored_audio_hashes
from soritune.corpus.manifest import Manifest
from soritune.draws import Draws
from soritune.errors import AudioError
from soritune.training.batches.state_store import EncodedClip, StateStore

VERSION = 1
"""Of the computation; another number makes all stored states void."""
DIGEST_BYTES = 16


class RowKeys:
    """The keys of a manifest's rows.

    Args:
        manifest: the rows.
        encoder: digest of the encoder and of what is kept of it (`encoder_digest`).
        preprocessing: how the samples are read.
        augment: augmentations of training, applied once per copy.
        seed, phase: of the augmentations' random numbers.
        copies: augmented versions of each row; 1 if nothing is augmented.
    """

    def __init__(
        self,
        manifest: Manifest,
        encoder: str,
        preprocessing: Preprocessing,
        augment: AugmentSettings,
        *,
        seed: int,
        phase: int,
        copies: int,
    ) -> None:
        self.manifest, self.copies = manifest, copies
        self._seed, self._phase = seed, phase
        # Digests, because a key is made for every visit of every epoch.
        self._plain = _digest(str(VERSION), encoder, preprocessing.model_dump_json())
        # A list, since the order of augmentations matters.
        members = [item for item in augment.model_dump(mode="json").items() if item[1] is not None]
        changes = json.dumps([members, _recordings(augment)], default=str)
        self._augment = _digest(changes) if members else ""
        stored = stored_audio_hashes(manifest)
        self._hashes: NDArray[np.uint64] | None = None if stored is None else stored.hashes
        self._contents: dict[int, str] = {}

    def plain(self, row: int) -> str:
        """The key of a row without augmentation.

        Raises:
            AudioError: the row has no stored hash and cannot be read.
        """
        return _digest(self._plain, self._content(row))

    def copy(self, row: int, number: int) -> str:
        """The key of augmented version `number` of a row, from 0; without augmentations that of the row itself.

        Raises:
            AudioError: the row has no stored hash and cannot be read.
        """
        if not self._augment:
            return self.plain(row)
        numbers = f"{self._seed}/{self._phase}/{number}/{row}"
        return _digest(self._plain, self._augment, numbers, self._content(row))

    def draws(self, number: int) -> Draws:
        """The random numbers of augmented version `number` of any row."""
        return Draws(self._seed, self._phase, number)

    def copy_of(self, visit: int, epoch: int) -> int:
        """The augmented version that a visit of an epoch gets: versions take turns."""
        return (epoch + visit // len(self.manifest)) % self.copies

    def _content(self, row: int) -> str:
        """Text that stands for the samples of a row."""
        if row not in self._contents:
            value = 0 if self._hashes is None else int(self._hashes[row])
            utterance = self.manifest.utterance(row)
            if value == 0:
                # No stored hash, or sound that does not vary and has no hash: equal to another only with its file.
                value = hash_samples(read_row(self.manifest, utterance)) if self._hashes is None else 0
            place = "" if value else f"{utterance.audio}|{utterance.start_s}|{utterance.channel}"
            self._contents[row] = f"{value:016x}|{utterance.duration_s:.4f}|{place}"
        return self._contents[row]


class KeyedRows:
    """Reads the stored states of a visit.

    Args:
        store: the states.
        keys: of the manifest's rows.
        augmented: whether a visit gets an augmented version.
        shape: states per frame, and channels of a state.
    """

    def __init__(self, store: StateStore, keys: RowKeys, *, augmented: bool, shape: tuple[int, int]) -> None:
        self.store, self.keys, self.augmented, self.shape = store, keys, augmented, shape

    def key(self, visit: int, epoch: int) -> str:
        """The key of a visit in an epoch.

        Raises:
            AudioError: the row cannot be read.
        """
        row = visit % len(self.keys.manifest)
        return (
            self.keys.copy(row, self.keys.copy_of(visit, epoch)) if self.augmented else self.keys.plain(row)
        )

    def __call__(self, visit: int, epoch: int) -> EncodedClip:
        """The states of a visit.

        Raises:
            AudioError: the row could not be read when states were computed.
        """
        clip = self.store.get(self.key(visit, epoch))
        if clip is None:
            utterance = self.keys.manifest.utterance(visit % len(self.keys.manifest))
            raise AudioError(utterance.audio, "could not be read when the encoder's states were computed")
        return clip


def encoder_digest(
    weights: Mapping[str, NDArray[Any]], config: Mapping[str, Any], kept: Sequence[object]
) -> str:
    """A digest of an encoder and of what is kept of its states.

    Args:
        weights: of the encoder by name.
        config: its settings, as JSON.
        kept: the states that are kept, in their order, and their precision.
    """
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(weights[name]).tobytes())
    digest.update(json.dumps([dict(config), list(kept)], sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _recordings(augment: AugmentSettings) -> list[list[Any]]:
    """Name, size and time of change of the files that augmentations take sounds from."""
    files: list[list[Any]] = []
    for member in Chain.of(augment).waveform.values():
        if isinstance(member, RecordedSounds):
            states = ((name, (Path(member.folder) / name).stat()) for name in member.files())
            files += [[name, state.st_size, state.st_mtime_ns] for name, state in states]
    return files


def _digest(*parts: str) -> str:
    return hashlib.blake2b("|".join(parts).encode(), digest_size=DIGEST_BYTES).hexdigest()
