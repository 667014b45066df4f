"""Running out of memory, as one sentence that names the micro-batch and the setting to lower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from accelerate.utils.memory import should_reduce_batch_size

from soritune.corpus.manifest import Manifest
from soritune.errors import TrainingError
from soritune.training.batches.batch import Batch
from soritune.training.batches.config import BatchSettings

FOR_ONE_UTTERANCE = (
    "set preprocessing.max_duration_s lower, model.gradient_checkpointing=true or train.precision=bf16"
)
"""What helps if a single utterance does not fit."""
NAMED_UTTERANCES = 4


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception reports that there is no more memory, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # Torch's CPU allocator, cuBLAS and cuDNN raise a plain RuntimeError: its text is all there is to go by, here and
    # in accelerate's `should_reduce_batch_size`.
    text = str(error)
    failed = "out of memory" in text or "CUBLAS_STATUS_ALLOC_FAILED" in text
    return isinstance(error, Exception) and (
        (isinstance(error, RuntimeError) and failed) or bool(should_reduce_batch_size(error))
    )


def smaller_batches(settings: BatchSettings) -> str:
    """Advice to lower the size of training batches."""
    size = (
        f"batches.padded_seconds, now {settings.padded_seconds:g}"
        if settings.batch_size is None
        else f"batches.batch_size, now {settings.batch_size}"
    )
    return f"lower {size}; the option --find-batch finds the largest that fits"


@contextmanager
def explain_out_of_memory(
    activity: str, batches: Sequence[Batch], manifest: Manifest, sample_rate_hz: int, *, advice: str
) -> Iterator[None]:
    """Turns running out of memory into one sentence.

    Args:
        activity: what the block does with the batches: "training" or "evaluation".
        batches: the micro-batches of the block; the largest of them is named.
        manifest: where the names of utterances are.
        sample_rate_hz: of the waveforms.
        advice: what to do about a batch of several utterances.

    Raises:
        TrainingError: out of memory.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        batch = max(batches, key=lambda each: each.padded_samples)
        if len(batch.rows) <= 1:
            advice = f"it is one utterance: {FOR_ONE_UTTERANCE}"
        described = _described(batch, manifest, sample_rate_hz)
        raise TrainingError(f"{activity} ran out of memory at {described}; {advice}") from error


def _described(batch: Batch, manifest: Manifest, sample_rate_hz: int) -> str:
    ids = manifest.column("id")
    names = ", ".join(str(ids[int(row)].as_py()) for row in batch.rows[:NAMED_UTTERANCES])
    more = len(batch.rows) - NAMED_UTTERANCES
    names += f" and {more} more" if more > 0 else ""
    longest_s, padded_s = batch.longest_samples / sample_rate_hz, batch.padded_samples / sample_rate_hz
    return (
        f"a batch of {len(batch.rows)} utterances ({names}), the longest of {longest_s:.1f} s, {padded_s:.0f} padded "
        "seconds in all"
    )
