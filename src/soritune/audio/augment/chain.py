"""The augmentations of a run, in the order its recipe gives: one answer for plan, checks, memory search and collation.

What acts on the waveform of an utterance comes first, then what mixes the batch, then masks.
Next: `training/batches/plan.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from soritune.audio.augment.augmentation import Augmentation, Parameters
from soritune.audio.augment.masks import Masking
from soritune.audio.augment.mixing import MixableBatch, Mixing, checked
from soritune.audio.augment.settings import AugmentSettings, Member, kinds
from soritune.audio.waveform import Float32Array
from soritune.draws import Draws
from soritune.errors import AugmentationError
from soritune.settings import faults_of

ACCEPTED = 'give an instance such as SpeedPerturbation(), or settings such as {"speed": {"probability": 0.5}}'
"""Ends errors: what a chain is made of."""


class Chain:
    """Augmentations by key, in the order in which they are applied.

    A key names the random numbers of its member, so the same member under the same key draws the same.

    Attributes:
        waveform: what acts on the samples of an utterance.
        mixing: what acts on the arrays of a micro-batch.
        masking: what hides features of an utterance.

    Raises:
        AugmentationError: a value that is not an augmentation.
    """

    def __init__(self, members: Mapping[str, Member]) -> None:
        for key, member in members.items():
            if not isinstance(member, Augmentation | Mixing | Masking):
                raise AugmentationError(
                    f"augment.{key} is {member!r}, which is not an augmentation; {ACCEPTED}"
                )
        self.waveform = {key: one for key, one in members.items() if isinstance(one, Augmentation)}
        self.mixing = {key: one for key, one in members.items() if isinstance(one, Mixing)}
        self.masking = {key: one for key, one in members.items() if isinstance(one, Masking)}

    @classmethod
    def of(cls, source: Chain | AugmentSettings | Member | Mapping[str, Any]) -> Chain:
        """The chain of a recipe's settings, or of one augmentation under its usual key.

        Args:
            source: a chain; settings, checked or as a mapping of keys such as {"speed": {"probability": 0.5}}; or one
                augmentation.

        Raises:
            AugmentationError: settings with a fault, or an object of another type.
        """
        if isinstance(source, Chain):
            return source
        if isinstance(source, Mapping):
            try:
                source = AugmentSettings.model_validate(source)
            except ValidationError as error:
                faults = "; ".join(faults_of(error, AugmentSettings, "augment"))
                raise AugmentationError(f"the augmentation settings are faulty: {faults}") from None
        if isinstance(source, AugmentSettings):
            return cls(source.members)
        if not isinstance(source, Augmentation | Mixing | Masking):
            raise AugmentationError(f"{source!r} is not an augmentation; {ACCEPTED}")
        usual = [key for key, kind in kinds().items() if kind is type(source)]
        return cls({usual[0] if usual else type(source).__name__: source})

    @property
    def fastest(self) -> float:
        """The largest factor by which any utterance can be shortened."""
        return math.prod(max(_speeds(member)) for member in self.waveform.values())

    @property
    def slowest(self) -> float:
        """The smallest factor by which any utterance can be shortened."""
        return math.prod(min(_speeds(member)) for member in self.waveform.values())

    @property
    def changes_length(self) -> bool:
        """Whether any utterance can come out longer or shorter."""
        return any(_changes_length(member) for member in self.waveform.values())

    def speed_factors(self, visits: NDArray[np.int64], draws: Draws) -> NDArray[np.float64]:
        """How many times shorter each row becomes in this epoch; its duration is divided by it.

        Args:
            visits: (rows,) manifest rows; a further visit to a row is that row plus the manifest's length.
            draws: of the epoch.

        Returns:
            (rows,)

        Raises:
            AugmentationError: a member draws a factor outside of its own bounds.
        """
        factors = np.ones(len(visits))
        for key, member in self.waveform.items():
            if _changes_length(member):
                rng = draws.for_rows(key, visits)
                drawn = _drawn_factors(key, member, member.draw(rng), len(rng))
                factors *= np.where(rng.occurs(member.probability), drawn, 1.0)
        return factors

    def apply(self, samples: Float32Array, sample_rate_hz: int, visit: int, draws: Draws) -> Float32Array:
        """Augments one utterance.

        Args:
            samples: (samples,) mono.
            sample_rate_hz: of the samples.
            visit: as in `speed_factors`.
            draws: of the epoch.

        Returns:
            (samples / speed factor,) float32.

        Raises:
            AugmentationError: a member breaks its contract: another length, a factor outside of its own bounds, NaN, or
                not float32 in one dimension.
        """
        for key, member in self.waveform.items():
            rng = draws.for_rows(key, np.array([visit], dtype=np.int64))
            if rng.occurs(member.probability)[0]:
                parameters = member.draw(rng)
                row = {name: values[0] for name, values in parameters.items()}
                changed = member.apply(samples, sample_rate_hz, row, rng.generator(0, "apply"))
                factor = _drawn_factors(key, member, parameters, 1)[0]
                samples = _as_promised(key, changed, len(samples) / factor)
        return samples

    def mix(self, batch: MixableBatch, draws: Draws, micro_batch: int) -> MixableBatch:
        """Mixes the utterances of a micro-batch with one another.

        Args:
            batch: its arrays.
            draws: of the epoch.
            micro_batch: index in the epoch.

        Raises:
            AugmentationError: a member gives other shapes, or values that are not finite.
        """
        for key, member in self.mixing.items():
            rng = draws.generator(key, micro_batch)
            if rng.random() < member.probability:
                batch = checked(key, batch, member.mix(batch, rng))
        return batch

    def masks(
        self, visits: NDArray[np.int64], frames: NDArray[np.int64], hidden_size: int, draws: Draws
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
        """What is hidden of each utterance of a micro-batch.

        Args:
            visits: (batch,) as in `speed_factors`.
            frames: (batch,) encoder frames of each.
            hidden_size: channels of the encoder.
            draws: of the epoch.

        Returns:
            (batch, frames) and (batch, hidden) bool; None without masks or rows.
        """
        if not self.masking or len(visits) == 0:
            return None
        time = np.zeros((len(visits), int(frames.max())), dtype=bool)
        feature = np.zeros((len(visits), hidden_size), dtype=bool)
        for key, member in self.masking.items():
            for line, visit in enumerate(visits):
                rng = draws.generator(key, int(visit))
                if rng.random() < member.probability:
                    member.mask(rng, time[line, : frames[line]], feature[line])
        return time, feature


def _speeds(member: Augmentation) -> list[float]:
    """The bounds of a member's speed factors, 1 among them where some utterances stay as they are."""
    drawn = [member.fastest, member.slowest] if member.probability > 0 else []
    return drawn if member.probability == 1 else [*drawn, 1.0]


def _changes_length(member: Augmentation) -> bool:
    return any(speed != 1.0 for speed in _speeds(member))


def _drawn_factors(key: str, member: Augmentation, parameters: Parameters, rows: int) -> NDArray[np.float64]:
    """(rows,) the speed factors drawn, if the member's bounds hold for them."""
    factors = np.broadcast_to(np.asarray(member.speed_factor(parameters), np.float64), rows)
    outside = ~((factors >= member.slowest) & (factors <= member.fastest))
    if outside.any():
        raise AugmentationError(
            f"augment.{key} drew a speed factor of {factors[outside][0]:g}, but says that they lie between "
            f"{member.slowest:g} and {member.fastest:g}"
        )
    return factors


def _as_promised(key: str, samples: Float32Array, length: float) -> Float32Array:
    """The samples, if they are what the contract says."""
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        kind = (
            f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        )
        raise AugmentationError(f"augment.{key} gave {kind}; it must give float32 in one dimension")
    if abs(len(samples) - length) > 1:
        raise AugmentationError(
            f"augment.{key} gave {len(samples)} samples where its speed_factor promises {length:.1f}"
        )
    if not np.isfinite(samples).all():
        raise AugmentationError(f"augment.{key} gave samples that are NaN or infinite")
    return samples
