"""Encodes the clips of a phase whose states are not stored yet. Next: `training/phase_start.py`."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from soritune.audio.augment.chain import Chain
from soritune.errors import AudioError, TrainingError
from soritune.models.model import SpeechModel
from soritune.progress import Console
from soritune.run_folder import RunFolder
from soritune.training.batches.batch import Batch
from soritune.training.batches.collate import Collator
from soritune.training.batches.loader import load_batches
from soritune.training.batches.plan import plan_evaluation
from soritune.training.batches.state_keys import KeyedRows, RowKeys, encoder_digest
from soritune.training.batches.state_store import EncodedClip, StateStore
from soritune.training.phases import Phase
from soritune.training.process_group import ProcessGroup
from soritune.training.run import TrainingRun

logger = logging.getLogger(__name__)

FILE_BYTES = 64_000_000
"""Size of a file from which it is written and another one begun: what an interruption loses."""


class _Missing(NamedTuple):
    """A clip without states."""

    row: int
    copy: int | None
    """Its augmented version; None without augmentation."""


class EncoderStates:
    """The states that the heads of a run read, for all rows of one phase.

    Args:
        run: with `batches.encoder_states`, and a model whose encoder is frozen and has its weights.
        phase: gives the augmentations.
        accelerator: where clips are encoded.
        group: the processes of the run; each encodes its share.
        console: where progress is shown.

    Attributes:
        train, plain: the stored states of visits of training, and of rows without augmentation.
        copies: augmented versions of each row.
    """

    def __init__(
        self,
        run: TrainingRun,
        phase: Phase,
        *,
        accelerator: Accelerator,
        group: ProcessGroup,
        console: Console,
    ) -> None:
        settings = run.batches.encoder_states
        assert settings is not None
        self.run, self.phase, self.settings = run, phase, settings
        self.accelerator, self.group, self.console = accelerator, group, console
        chain = Chain.of(phase.augment)
        self.augments = bool(chain.waveform or chain.masking)
        self.copies = settings.copies if self.augments else 1
        self.store = StateStore(Path(settings.folder or RunFolder(run.folder).encoder_states))
        self.keys = RowKeys(
            run.manifest,
            digest_of(run.model, str(accelerator.mixed_precision)),
            run.preprocessing,
            phase.augment,
            seed=run.settings.seed,
            phase=phase.index,
            copies=self.copies,
        )
        shape = (run.model.num_kept_states, run.model.hidden_size)
        self.train = KeyedRows(self.store, self.keys, augmented=True, shape=shape)
        self.plain = KeyedRows(self.store, self.keys, augmented=False, shape=shape)

    def fill(
        self,
        train_rows: NDArray[np.int64],
        plain_rows: NDArray[np.int64],
        durations_s: NDArray[np.float64],
        is_stopped: Callable[[], bool],
    ) -> bool:
        """Encodes the clips whose states are not stored yet; each process encodes its share.

        Args:
            train_rows: rows that are trained on.
            plain_rows: rows that are evaluated.
            durations_s: of all rows of the manifest, after cropping.
            is_stopped: whether to stop; what is encoded then is kept.

        Returns:
            Whether all clips have states; False if a process was stopped.

        Raises:
            TrainingError: the states take more than `max_gigabytes`, or more than the disk has.
        """
        fault: BaseException | None = None
        stopped = False
        try:
            missing = self._missing(train_rows, plain_rows)
            self._refuse_large(missing, durations_s)
            stopped = self._encode(missing, durations_s, is_stopped)
        except BaseException as error:
            fault = error
        (num_stopped,) = self.group.agree(fault, [float(stopped)], patient=True)
        self.store.refresh()
        if self.store.num_damaged:
            logger.warning(
                "%d files in %s were damaged and are removed; their clips were encoded again",
                self.store.num_damaged,
                self.store.folder,
            )
        return num_stopped == 0

    def _missing(self, train_rows: NDArray[np.int64], plain_rows: NDArray[np.int64]) -> list[_Missing]:
        """Clips without states, each once."""
        copies = range(self.copies) if self.augments else (None,)
        wanted = [_Missing(row, copy) for copy in copies for row in train_rows.tolist()]
        wanted += [_Missing(row, None) for row in plain_rows.tolist()]
        missing: dict[str, _Missing] = {}
        for clip in wanted:
            try:
                key = self._key(clip)
            except AudioError:
                continue  # training reports the row
            if key not in self.store:
                missing.setdefault(key, clip)
        return list(missing.values())

    def _key(self, clip: _Missing) -> str:
        return self.keys.plain(clip.row) if clip.copy is None else self.keys.copy(clip.row, clip.copy)

    def _refuse_large(self, missing: Sequence[_Missing], durations_s: NDArray[np.float64]) -> None:
        """Raises:
        TrainingError: the states take more than `max_gigabytes`, or more than the disk has.
        """
        model = self.run.model
        seconds = float(durations_s[[clip.row for clip in missing]].sum()) if missing else 0.0
        per_second = model.geometry.frame_rate_hz * model.num_kept_states * model.hidden_size * 2
        needed_gb = seconds * per_second / 1e9
        stored_gb = self.store.num_bytes / 1e9
        ways = (
            "raise batches.encoder_states.max_gigabytes, lower batches.encoder_states.copies, or leave "
            "batches.encoder_states out (null), which encodes each clip in every epoch"
        )
        if needed_gb + stored_gb > self.settings.max_gigabytes:
            raise TrainingError(
                f"the encoder's states of {seconds / 3600:.1f} h take {needed_gb:.1f} GB beside {stored_gb:.1f} GB in "
                f"{self.store.folder}, and batches.encoder_states.max_gigabytes is "
                f"{self.settings.max_gigabytes:g}; {ways}"
            )
        existing = next(
            path
            for path in (self.store.folder.absolute(), *self.store.folder.absolute().parents)
            if path.exists()
        )
        free_gb = shutil.disk_usage(existing).free / 1e9
        if needed_gb > free_gb:
            raise TrainingError(
                f"the encoder's states of {seconds / 3600:.1f} h take {needed_gb:.1f} GB, and the disk of "
                f"{self.store.folder} has {free_gb:.1f} GB; name another folder with batches.encoder_states.folder, "
                f"or {ways}"
            )

    def _encode(
        self, missing: Sequence[_Missing], durations_s: NDArray[np.float64], is_stopped: Callable[[], bool]
    ) -> bool:
        """Encodes this process's share of the clips; returns whether it was stopped before its end."""
        missing = [clip for clip in missing if self._is_of_this_process(clip)]
        if not missing:
            return False
        model = self.run.model
        model.to(self.accelerator.device)
        was_training = model.training
        model.eval()
        done = len(self.store)
        try:
            with self.console.bar("encode", total=len(missing)) as bar:
                for copy in sorted(
                    {clip.copy for clip in missing}, key=lambda number: (number is None, number)
                ):
                    rows = np.array([clip.row for clip in missing if clip.copy == copy], dtype=np.int64)
                    for num_encoded in self._encode_copy(copy, rows, durations_s[rows]):
                        bar.advance(num_encoded)
                        if is_stopped():
                            return True
        finally:
            model.train(was_training)
        logger.info("encoded %d clips into %s", len(self.store) - done, self.store.folder)
        return False

    def _is_of_this_process(self, clip: _Missing) -> bool:
        """Whether this process encodes a clip: by its key, and not by its place among the missing clips, because those
        differ between the processes if another run fills the folder meanwhile."""
        accelerator = self.accelerator
        return bool(int(self._key(clip), 16) % accelerator.num_processes == accelerator.process_index)

    def _encode_copy(
        self, copy: int | None, rows: NDArray[np.int64], durations_s: NDArray[np.float64]
    ) -> Iterator[int]:
        """Encodes one version of some rows; yields the number of clips of each batch, and writes files on the way."""
        run = self.run
        collator = Collator(
            run.manifest,
            (),
            run.preprocessing,
            num_frames=run.model.geometry.num_frames,
            hidden_size=run.model.hidden_size,
            augment=None if copy is None else self.phase.augment,
        )
        plan = plan_evaluation(rows, durations_s, padded_seconds=run.batches.evaluation_padded_seconds)
        indices = range(plan.num_micro_batches)
        batches = load_batches(
            plan, collator, self.keys.draws(copy or 0), list(indices), num_workers=run.batches.num_workers
        )
        waiting: dict[str, EncodedClip] = {}
        size = 0
        try:
            for batch in batches:
                for row, clip in self._encoded(batch):
                    waiting[self._key(_Missing(row, copy))] = clip
                    size += clip.states.nbytes
                if size >= FILE_BYTES:
                    self.store.put(waiting)
                    waiting, size = {}, 0
                yield len(batch.rows)
        finally:
            # Also when it is stopped: what is encoded is kept.
            self.store.put(waiting)

    @torch.no_grad()
    def _encoded(self, batch: Batch) -> Iterator[tuple[int, EncodedClip]]:
        """The rows of a batch that could be read, and their states.

        Raises:
            TrainingError: a state is beyond the range of half precision.
        """
        model = self.run.model
        with self.accelerator.autocast():
            packed, num_frames = model.kept_states(**batch.to(self.accelerator.device).inputs)
        states = packed.to(torch.float16).cpu()
        if not bool(torch.isfinite(states).all()):
            raise TrainingError(
                "a state of this encoder is not a number of half precision (at most 65,504), in which states are kept; "
                "leave batches.encoder_states out (null), or read another layer (tasks.….layer)"
            )
        samples = batch.inputs["num_samples"].tolist()
        for index, row in enumerate(batch.rows.tolist()):
            if row not in batch.unread:
                frames = max(int(num_frames[index]), 1)
                yield row, EncodedClip(int(samples[index]), states[index, :frames].numpy())


def digest_of(model: SpeechModel, precision: str = "no") -> str:
    """The digest of the model's encoder and of the states that its heads read.

    Args:
        model: with its weights.
        precision: in which the states are computed, as accelerate names it.
    """
    weights = {
        name: value.detach().cpu().float().numpy() for name, value in model.encoder.state_dict().items()
    }
    return encoder_digest(
        weights,
        model.encoder_settings,
        [*model.state_names, precision, json.dumps(model.geometry.to_json())],
    )
