"""The settings of batches in a recipe. Torch-free."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from soritune.settings import Settings


class EncoderStateSettings(Settings):
    """An encoder that is not trained is computed once: its states are kept on disk, and heads are trained on them."""

    copies: int = Field(4, ge=1, le=100)
    """Augmented versions of each row, which take turns over the epochs; without augmentations there is one."""
    max_gigabytes: float = Field(20.0, gt=0)
    """Most disk space that the states may take; more is refused before anything is computed."""
    folder: str | None = None
    """Where they are kept; null is the run's folder, and for `crossval` that of all folds. Runs of the same encoder and
    audio share a folder: equal clips are encoded once."""


class BatchSettings(Settings):
    """How utterances become micro-batches and micro-batches become steps."""

    batch_size: int | None = Field(None, ge=1)
    """Utterances in a micro-batch; give this or `padded_seconds`."""
    padded_seconds: float | None = Field(None, gt=0)
    """Budget of a micro-batch: utterances × longest of them, in seconds."""
    micro_batches_per_step: int = Field(1, ge=1)
    """Micro-batches behind one optimizer step, over all processes: accumulation × number of processes."""
    source_weights: dict[str, float] = Field(default_factory=dict)
    """How often an epoch visits a row, by the row's field `source`; a source that is not named has 1. In a manifest of
    several corpora, 3 visits each row of a small corpus three times per epoch, and 0.25 each row of a large one once in
    four epochs."""
    order: Literal["random", "ascending", "descending", "shard_window"] = "random"
    """Order of the micro-batches of an epoch by duration; utterances of similar duration always share one.
    "shard_window" is for packed corpora on slow disks: the shards are shuffled, and so are the utterances of
    `window_shards` of them at a time."""
    window_shards: int = Field(8, ge=1)
    """Shards that are read at the same time with order=shard_window; more of them mix the corpus better."""
    first_epoch_ascending: bool = False
    """Shortest first in the first epoch only: CTC learns sooner from random weights."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of the target mass that is spread evenly: over all labels of a cross-entropy output, over yes and no of
    each label of a multi-label output."""
    num_workers: int | None = Field(None, ge=0)
    """Loader processes. None uses the cores that training leaves free (at most 8), 0 loads in the training process."""
    evaluation_padded_seconds: float = Field(120.0, gt=0)
    """Budget of a micro-batch in evaluation."""
    encoder_states: EncoderStateSettings | None = None
    """Keep the states of a frozen encoder on disk; null computes them in every epoch."""

    @field_validator("source_weights")
    @classmethod
    def _weights_count(cls, value: dict[str, float]) -> dict[str, float]:
        invalid = next((name for name, weight in value.items() if not 0 <= weight < 1000), None)
        if invalid is not None:
            raise ValueError(f"{invalid} is {value[invalid]}; a weight is a number from 0 to 1000")
        return value

    @model_validator(mode="after")
    def _one_order(self) -> BatchSettings:
        if self.order == "shard_window" and self.first_epoch_ascending:
            raise ValueError(
                "first_epoch_ascending reads all shards in turn, against order=shard_window; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _one_size(self) -> BatchSettings:
        if (self.batch_size is None) == (self.padded_seconds is None):
            raise ValueError("give either batch_size or padded_seconds, and set the other to null")
        return self
