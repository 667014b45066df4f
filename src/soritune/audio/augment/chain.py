"""The augmentations of a run in the order of its recipe, for planning, checks, the batch search and collation alike.

Augmentations of the waveform are applied first, then mixing of the batch, then masks.
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
from soritune.audio.channels import Float32Array
from soritune.draws import Draws
from soritune.errors import AugmentationError
from soritune.settings import faults_of

ACCEPTED = 'give an instance such as SpeedPerturbation(), or settings such as {"speed": {"probability": 0.5}}'
"""End of error messages: what is accepted."""


class Chain:
    """Augmentations by key, in the order in which they are applied.

    The random numbers of a member depend on its key, so that the same member under the same key draws the
    same values.

    Attributes:
        waveform: members that change the samples of an utterance.
        mixing: members that change the arrays of a micro-batch.
        masking: members that hide features of an utterance.

    Raises:
        AugmentationError: a value that is not an augmentation.
    """

    def __init__(self, members: Mapping[str, Member]) -> None:
        for key, member in members.items():
            if not isinstance(member, Augmentation | Mixing | Masking):
                raise AugmentationError(
                    f"augment.{key} is {member!r}, which is not an augmentation; {ACCEPTED}"
                )
        self.waveform = {key: member for key, member in members.items() if isinstance(member, Augmentation)}
        self.mixing = {key: member for key, member in members.items() if isinstance(member, Mixing)}
        self.masking = {key: member for key, member in members.items() if isinstance(member, Masking)}

    @classmethod
    def of(cls, source: Chain | AugmentSettings | Member | Mapping[str, Any]) -> Chain:
        """The chain of the settings of a recipe, or of one augmentation under its usual key.

        Args:
            source: a chain, settings, a mapping of keys such as {"speed": {"probability": 0.5}}, or one augmentation.

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
        """The largest factor by which an utterance can be shortened."""
        return math.prod(max(_speeds(member)) for member in self.waveform.values())

    @property
    def slowest(self) -> float:
        """The smallest factor by which an utterance can be shortened; below 1 it becomes longer."""
        return math.prod(min(_speeds(member)) for member in self.waveform.values())

    @property
    def changes_length(self) -> bool:
        """Whether an utterance can become longer or shorter."""
        return any(_changes_length(member) for member in self.waveform.values())

    def speed_factors(self, visits: NDArray[np.int64], draws: Draws) -> NDArray[np.float64]:
        """The factor by which the duration of each row is divided in this epoch.

        Args:
            visits: (rows,) indices of manifest rows. The second visit to a row is its index plus the number
                of rows of the manifest, and so forth.
            draws: of the epoch.

        Returns:
            (rows,)

        Raises:
            AugmentationError: a member draws a factor outside its own bounds.
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
            AugmentationError: a member breaks its contract: it draws a factor outside its own bounds, or
                returns another length, NaN, or samples that are not float32 in one dimension.
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
            AugmentationError: a member returns other shapes, or values that are not finite.
        """
        for key, member in self.mixing.items():
            rng = draws.generator(key, micro_batch)
            if rng.random() < member.probability:
                batch = checked(key, batch, member.mix(batch, rng))
        return batch

    def masks(
        self, visits: NDArray[np.int64], frames: NDArray[np.int64], hidden_size: int, draws: Draws
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
        """The masks of each utterance of a micro-batch, True where frames and channels are hidden.

        Args:
            visits: (batch,) as in `speed_factors`.
            frames: (batch,) encoder frames of each.
            hidden_size: channels of the encoder.
            draws: of the epoch.

        Returns:
            (batch, frames) and (batch, hidden) bool; None if the chain has no masks or the batch no rows.
        """
        if not self.masking or len(visits) == 0:
            return None
        time = np.zeros((len(visits), int(frames.max())), dtype=bool)
        feature = np.zeros((len(visits), hidden_size), dtype=bool)
        for key, member in self.masking.items():
            for row, visit in enumerate(visits):
                rng = draws.generator(key, int(visit))
                if rng.random() < member.probability:
                    member.mask(rng, time[row, : frames[row]], feature[row])
        return time, feature


def _speeds(member: Augmentation) -> list[float]:
    """The bounds of a member's speed factors, and 1 if some utterances are left unchanged."""
    drawn = [member.fastest, member.slowest] if member.probability > 0 else []
    return drawn if member.probability == 1 else [*drawn, 1.0]


def _changes_length(member: Augmentation) -> bool:
    return any(speed != 1.0 for speed in _speeds(member))


def _drawn_factors(key: str, member: Augmentation, parameters: Parameters, rows: int) -> NDArray[np.float64]:
    """(rows,) the speed factors drawn, checked against the bounds of the member."""
    factors = np.broadcast_to(np.asarray(member.speed_factor(parameters), np.float64), rows)
    outside = ~((factors >= member.slowest) & (factors <= member.fastest))
    if outside.any():
        raise AugmentationError(
            f"augment.{key} drew a speed factor of {factors[outside][0]:g}, but its slowest and fastest are "
            f"{member.slowest:g} and {member.fastest:g}"
        )
    return factors


def _as_promised(key: str, samples: Float32Array, length: float) -> Float32Array:
    """The samples, checked against the contract: type, length and finite values."""
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        kind = (
            f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        )
        raise AugmentationError(f"augment.{key} returned {kind}; it must return float32 in one dimension")
    if abs(len(samples) - length) > 1:
        raise AugmentationError(
            f"augment.{key} returned {len(samples)} samples; by its speed_factor they should be {length:.1f}"
        )
    if not np.isfinite(samples).all():
        raise AugmentationError(f"augment.{key} returned samples that are NaN or infinite")
    return samples
