"""The augmentations of a run in the order of its recipe, for planning, checks, the batch search and collation alike.

Augmentations of the waveform are applied first, then mixing of the batch, then masks.
Next: `training/batches/plan.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from soritune.audio.augment.augmentation import Augmentation, Parameters
from soritune.audio.augment.masks import Masking, Masks
from soritune.audio.augment.mixing import MixableBatch, Mixing, checked, mixed_where
from soritune.audio.augment.selection import Selection
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
    same values. The members of a choice (`selection.py`) have the key of the choice before their own:
    `one_of.among.noise`.

    Attributes:
        waveform: members that change the samples of an utterance.
        mixing: members that change the arrays of a micro-batch.
        masking: members that hide features of an utterance.
        selections: choices among members.

    Raises:
        AugmentationError: a value that is not an augmentation.
    """

    def __init__(self, members: Mapping[str, Member]) -> None:
        self.selections = {key: member for key, member in members.items() if isinstance(member, Selection)}
        every: dict[str, Member] = {}
        self._choice_of: dict[str, tuple[str, int]] = {}
        for key, member in members.items():
            if isinstance(member, Selection):
                for column, (name, choice) in enumerate(member.choices.items()):
                    every[f"{key}.{name}"] = choice
                    self._choice_of[f"{key}.{name}"] = (key, column)
            elif isinstance(member, Augmentation | Mixing | Masking):
                every[key] = member
            else:
                raise AugmentationError(
                    f"augment.{key} is {member!r}, which is not an augmentation; {ACCEPTED}"
                )
        self.waveform = {key: member for key, member in every.items() if isinstance(member, Augmentation)}
        self.mixing = {key: member for key, member in every.items() if isinstance(member, Mixing)}
        self.masking = {key: member for key, member in every.items() if isinstance(member, Masking)}

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
        if not isinstance(source, Member):
            raise AugmentationError(f"{source!r} is not an augmentation; {ACCEPTED}")
        usual = [key for key, kind in kinds().items() if kind is type(source)]
        return cls({usual[0] if usual else type(source).__name__: source})

    @property
    def fastest(self) -> float:
        """The largest factor by which an utterance can be shortened."""
        return self._extreme(max)

    @property
    def slowest(self) -> float:
        """The smallest factor by which an utterance can be shortened; below 1 it becomes longer."""
        return self._extreme(min)

    def _extreme(self, extreme: Callable[[list[float]], float]) -> float:
        """The product of the extreme factors of all members that can change the same utterance."""
        factors = [
            extreme(_speeds(member)) for key, member in self.waveform.items() if key not in self._choice_of
        ]
        for name, selection in self.selections.items():
            # The members that are not chosen leave the length as it is, which is a factor of 1.
            inside = sorted(
                (
                    extreme([member.fastest, member.slowest, 1.0])
                    for key, member in self.waveform.items()
                    if self._choice_of.get(key, ("",))[0] == name
                ),
                key=lambda factor: abs(math.log(factor)),
            )
            factors += (
                inside[len(inside) - selection.at_most :] if selection.at_most < len(inside) else inside
            )
        return math.prod(factors)

    @property
    def changes_length(self) -> bool:
        """Whether an utterance can become longer or shorter."""
        return self.fastest != 1.0 or self.slowest != 1.0

    def check_usable(self) -> None:
        """Looks for files and libraries that the members need.

        Raises:
            AugmentationError: one is missing; the message names the key.
        """
        for key, member in self.waveform.items():
            try:
                member.check_usable()
            except AugmentationError as error:
                raise AugmentationError(f"augment.{key}: {error}") from None

    def origins(self) -> list[dict[str, Any]]:
        """The folders of recordings that the members use: `augmentation`, `folder`, `files`, `licence` of each."""
        origins = ((key, member.origin()) for key, member in self.waveform.items())
        return [{"augmentation": key, **origin} for key, origin in origins if origin is not None]

    def chosen(self, visits: NDArray[np.int64], draws: Draws) -> dict[str, NDArray[np.bool_]]:
        """Which rows the members of choices change, by key.

        Args:
            visits: as in `speed_factors`.
            draws: of the epoch.

        Returns:
            (rows,) for each key that belongs to a choice.
        """
        tables = {
            name: selection.chosen(draws.for_rows(name, visits))
            for name, selection in self.selections.items()
        }
        return {key: tables[name][:, column] for key, (name, column) in self._choice_of.items()}

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
        if not self.changes_length:
            return factors
        chosen = self.chosen(visits, draws)
        for key, member in self.waveform.items():
            if (member.fastest, member.slowest) != (1.0, 1.0):
                rng = draws.for_rows(key, visits)
                occurs = chosen[key] if key in chosen else rng.occurs(member.probability)
                if occurs.any():
                    factors *= np.where(occurs, _drawn_factors(key, member, member.draw(rng), len(rng)), 1.0)
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
        visits = np.array([visit], dtype=np.int64)
        for key, parameters in self.drawn(visit, draws).items():
            member, rng = self.waveform[key], draws.for_rows(key, visits)
            row = {name: values[0] for name, values in parameters.items()}
            changed = member.apply(samples, sample_rate_hz, row, rng.generator(0, "apply"))
            factor = _drawn_factors(key, member, parameters, 1)[0]
            samples = _as_promised(key, changed, len(samples) / factor)
        return samples

    def drawn(self, visit: int, draws: Draws) -> dict[str, Parameters]:
        """The members that change the samples of one utterance, in their order, with their parameters.

        Args:
            visit: as in `speed_factors`.
            draws: of the epoch.

        Returns:
            Arrays of one row by name, for the key of each member.
        """
        visits = np.array([visit], dtype=np.int64)
        chosen = self.chosen(visits, draws)
        parameters = {}
        for key, member in self.waveform.items():
            rng = draws.for_rows(key, visits)
            if (chosen[key] if key in chosen else rng.occurs(member.probability))[0]:
                parameters[key] = member.draw(rng)
        return parameters

    def mix(
        self, batch: MixableBatch, draws: Draws, micro_batch: int, visits: NDArray[np.int64] | None = None
    ) -> MixableBatch:
        """Mixes the utterances of a micro-batch with one another.

        Args:
            batch: its arrays.
            draws: of the epoch.
            micro_batch: index in the epoch.
            visits: (batch,) as in `speed_factors`; by default the numbers from 0.

        Raises:
            AugmentationError: a member returns other shapes, or values that are not finite.
        """
        visits = np.arange(len(batch.num_samples)) if visits is None else visits
        chosen = self.chosen(visits, draws)
        for key, member in self.mixing.items():
            rng = draws.generator(key, micro_batch)
            if key in chosen:
                if chosen[key].any():
                    mixed = checked(key, batch, member.mix(batch, rng))
                    batch = mixed_where(chosen[key], batch, mixed)
            elif rng.random() < member.probability:
                batch = checked(key, batch, member.mix(batch, rng))
        return batch

    def masks(
        self, visits: NDArray[np.int64], frames: NDArray[np.int64], hidden_size: int, draws: Draws
    ) -> Masks | None:
        """The masks of each utterance of a micro-batch.

        Args:
            visits: (batch,) as in `speed_factors`.
            frames: (batch,) encoder frames of each.
            hidden_size: channels of the encoder.
            draws: of the epoch.

        Returns:
            None if the chain has no masks or the batch no rows.
        """
        if not self.masking or len(visits) == 0:
            return None
        time = np.zeros((len(visits), int(frames.max())), dtype=bool)
        feature = np.zeros((len(visits), hidden_size), dtype=bool)
        corners: list[list[NDArray[np.int64]]] = [[] for _ in visits]
        chosen = self.chosen(visits, draws)
        for key, member in self.masking.items():
            for row, visit in enumerate(visits):
                rng = draws.generator(key, int(visit))
                occurs = rng.random() < member.probability
                if chosen[key][row] if key in chosen else occurs:
                    member.mask(rng, time[row, : frames[row]], feature[row])
                    corners[row].extend(member.rectangles(rng, int(frames[row]), hidden_size))
        rectangles = np.zeros((len(visits), max(map(len, corners)), 4), dtype=np.int64)
        for row, given in enumerate(corners):
            rectangles[row, : len(given)] = np.reshape(given, (-1, 4))
        return Masks(time, feature, rectangles)


def _speeds(member: Augmentation) -> list[float]:
    """The bounds of a member's speed factors, and 1 if some utterances are left unchanged."""
    drawn = [member.fastest, member.slowest] if member.probability > 0 else []
    return drawn if member.probability == 1 else [*drawn, 1.0]


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
