"""Normalisation per speaker: features of a model are moved by statistics of clips of that speaker (enrolment clips).

Labels of the clips are not used. Figures with and without it are of different tests and are never compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.bundles.speaker_norm import FeatureStatistics, TrainingFeatures
from soritune.errors import BundleError, TaskError
from soritune.inference.backends.backend import PoolingBackend
from soritune.inference.ensemble import Member

LEAST_CLIPS = 2
"""Of a speaker: one clip has no deviation."""
ANYONE = None
"""Key of the statistics that are used for every clip."""
Features = dict[str, NDArray[np.float32]]
"""Output name to pooled features, (clips, channels)."""


@dataclass(frozen=True, slots=True)
class SpeakerNorm:
    """One model's statistics of the enrolment clips, by speaker and output."""

    training: TrainingFeatures
    by_speaker: Mapping[str | None, Mapping[str, FeatureStatistics]]

    def mapped(self, name: str, features: NDArray[np.float32], speaker: str | None) -> NDArray[np.float32]:
        """The features (channels,) of a clip as if its speaker were an average one of the training."""
        statistics = self.by_speaker.get(speaker) or self.by_speaker[ANYONE]
        return statistics[name].mapped(features, self.training.outputs[name])

    def knows(self, speaker: str | None) -> bool:
        """Whether clips of a speaker can be normalised."""
        return speaker in self.by_speaker or ANYONE in self.by_speaker


def training_features(member: Member) -> TrainingFeatures:
    """A model's statistics of its training.

    Raises:
        BundleError: the card lacks them, or the backend gives no features.
    """
    if member.training_features is None:
        raise BundleError(
            f"'{member.name}' has no statistics for normalisation per speaker; `soritune calibrate RUN --speaker-norm` "
            "computes them from the training rows of its run"
        )
    if not isinstance(member.backend, PoolingBackend):
        raise BundleError(
            f"the backend of '{member.name}' gives no features, which normalisation per speaker needs"
        )
    return member.training_features


def speaker_norm(member: Member, features: Sequence[Features], speakers: Sequence[str | None]) -> SpeakerNorm:
    """The statistics of a model from the features of the enrolment clips.

    Args:
        member: the model.
        features: of each clip, (pieces, channels) per output.
        speakers: of each clip; None for all of them stands for one speaker, whose statistics are used for every clip.

    Raises:
        TaskError: a speaker with fewer than two clips.
    """
    positions: dict[str | None, list[int]] = defaultdict(list)
    for index, speaker in enumerate(speakers):
        positions[speaker].append(index)
    few = [speaker for speaker, inside in positions.items() if len(inside) < LEAST_CLIPS]
    if few or not positions:
        who = "the speaker" if not positions or few[0] is None else f"speaker '{few[0]}'"
        raise TaskError(
            f"{who} has fewer than {LEAST_CLIPS} enrolment clips that can be read; normalisation per speaker needs "
            f"{LEAST_CLIPS} or more"
        )
    training = training_features(member)
    by_speaker = {
        speaker: {
            name: FeatureStatistics.of(np.concatenate([features[index][name] for index in inside]))
            for name in training.outputs
        }
        for speaker, inside in positions.items()
    }
    return SpeakerNorm(training, by_speaker)


def norm_record(speakers: Sequence[str | None]) -> dict[str, Any]:
    """What a predictions file states about the enrolment clips: speakers, and the least and most clips of one."""
    counts: dict[str | None, int] = defaultdict(int)
    for speaker in speakers:
        counts[speaker] += 1
    return {"speakers": len(counts), "clips": [min(counts.values()), max(counts.values())]}
