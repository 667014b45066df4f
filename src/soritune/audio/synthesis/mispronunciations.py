"""Mispronunciations of a synthetic voice, with the label of every phone. Next: `audio/synthesis/phonemes.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from soritune.audio.synthesis.confusions import DIFFICULTY, GAP, Step, family, possible_errors
from soritune.audio.synthesis.reading import in_one_sequence
from soritune.korean.phones import WORD_BOUNDARY, phones_to_hangul
from soritune.settings import Settings

_FAMILIES = tuple(DIFFICULTY)
_HABITS = 0.7
"""How much voices differ in the families that they find difficult: standard deviation of the logarithm."""
_FLUENT = 0.05
"""Error rate of fluent voices, as a share of the mean."""


class MispronunciationSettings(Settings):
    """The number and the kinds of mispronunciations."""

    rate: float = Field(0.0, ge=0, le=0.3)
    """Errors per canonical phone, averaged over voices; with 0 the corpus has no columns of mispronunciations."""
    fluent: float = Field(0.25, ge=0, le=0.9)
    """Share of voices that make hardly any errors; the rates of the others are between 0 and twice their mean."""
    deletions: float = Field(0.25, ge=0, le=1)
    """Share of deletions among the errors at phones that can be left out (codas, ㅎ)."""
    insertions: float = Field(0.15, ge=0, le=1)
    """Share of vowel insertions among the errors at codas. A stop or ㄹ becomes an onset then, which is a
    second error."""

    @model_validator(mode="after")
    def _possible(self) -> MispronunciationSettings:
        if self.deletions + self.insertions > 1:
            raise ValueError("deletions and insertions are shares and may not be more than 1 together")
        if self.mean_of_learners > 0.4:
            raise ValueError(
                f"with rate={self.rate:g} and fluent={self.fluent:g} the other voices would pronounce "
                f"{self.mean_of_learners:.0%} of the phones wrong; the limit is 40 %: lower rate or fluent"
            )
        return self

    @property
    def mean_of_learners(self) -> float:
        """Mean rate of the voices that are not fluent."""
        return self.rate * (1 - _FLUENT * self.fluent) / (1 - self.fluent)


@dataclass(frozen=True, slots=True)
class Learner:
    """How well a voice pronounces."""

    rate: float
    """Errors per phone."""
    habits: tuple[float, ...]
    """Factor of the difficulty of each family of phones, in the order of `DIFFICULTY`."""


@dataclass(frozen=True, slots=True)
class Pronounced:
    """The pronunciation of a text, with its errors."""

    phrases: tuple[tuple[str, ...], ...]
    """The phones pronounced, with `|` between words."""
    steps: tuple[Step, ...]
    """The alignment of the canonical and the perceived phones, without `|`."""

    @property
    def canonical(self) -> tuple[str, ...]:
        """The phones of the correct pronunciation, `sil` at insertions."""
        return tuple(canonical for canonical, _, _ in self.steps)

    @property
    def perceived(self) -> tuple[str, ...]:
        """The phones pronounced, `sil` at deletions; as long as `canonical`."""
        return tuple(perceived for _, perceived, _ in self.steps)

    @property
    def labels(self) -> tuple[str, ...]:
        """C, S, D or I for each position."""
        return tuple(label for _, _, label in self.steps)

    @property
    def phones(self) -> tuple[str, ...]:
        """The phones pronounced in one sequence, with `|` between words: `perceived` without gaps,
        with boundaries."""
        return in_one_sequence(self.phrases)

    def facts(self, learner: Learner) -> dict[str, Any]:
        """Further facts for a manifest: `said`, the pronunciation in Hangul, and `error_rate` of the voice."""
        pronounced = ", ".join(phones_to_hangul(phrase) for phrase in self.phrases)
        return {"said": pronounced, "error_rate": round(learner.rate, 4)}


def draw_learner(rng: np.random.Generator, settings: MispronunciationSettings) -> Learner:
    """Draws how well a voice pronounces; the mean of the rates over voices is `settings.rate`."""
    fluent, position = rng.random() < settings.fluent, rng.beta(1.5, 1.5)
    rate = settings.rate * _FLUENT if fluent else 2 * settings.mean_of_learners * position
    return Learner(float(rate), tuple(float(f) for f in np.exp(rng.normal(0, _HABITS, len(_FAMILIES)))))


def mispronounce(
    phrases: Sequence[Sequence[str]],
    learner: Learner,
    rng: np.random.Generator,
    settings: MispronunciationSettings,
) -> Pronounced:
    """The pronunciation of phrases by a learner.

    Errors are drawn phone by phone. Their probabilities depend on the phone and on the learner; on average
    their number is the learner's rate times the number of phones.

    Args:
        phrases: phones with `|` between words.
        learner: the rate and the habits.
        rng: a separate generator, so that the text and the voice are the same as without errors.
        settings: the kinds of errors.
    """
    options = [possible_errors(phrase, index) for phrase in phrases for index in range(len(phrase))]
    weights = [_weights(choices, settings) for choices in options]
    families = [family(phrase, index) for phrase in phrases for index in range(len(phrase))]
    difficulty = np.zeros(len(options))
    costs = np.zeros(len(options))
    for number, (choices, shares, kind) in enumerate(zip(options, weights, families, strict=True)):
        if choices and shares.any():
            difficulty[number] = DIFFICULTY[kind] * learner.habits[_FAMILIES.index(kind)]
            costs[number] = np.dot(shares, [_num_errors(steps) for _, steps in choices])
    expected = learner.rate * sum(phone != WORD_BOUNDARY for phrase in phrases for phone in phrase)
    wrong = rng.random(len(options)) < _chances(difficulty, costs, expected)
    pronounced: list[tuple[str, ...]] = []
    steps: list[Step] = []
    number = 0
    for phrase in phrases:
        phones: list[str] = []
        for phone in phrase:
            if phone == WORD_BOUNDARY:
                phones.append(phone)
            else:
                replacement: tuple[Step, ...] = ((phone, phone, "C"),)
                if wrong[number]:
                    choice = int(rng.choice(len(options[number]), p=weights[number]))
                    replacement = options[number][choice][1]
                steps += replacement
                phones += [perceived for _, perceived, _ in replacement if perceived != GAP]
            number += 1
        pronounced.append(tuple(phones))
    return Pronounced(tuple(pronounced), tuple(steps))


def _num_errors(steps: Sequence[Step]) -> int:
    return sum(label != "C" for _, _, label in steps)


def _weights(
    choices: Sequence[tuple[float, tuple[Step, ...]]], settings: MispronunciationSettings
) -> NDArray[np.float64]:
    """(choices,) the probability of each, given that the phone is wrong; all 0 if no error is possible."""
    kinds = [steps[-1][2] for _, steps in choices]
    shares = {"D": settings.deletions, "I": settings.insertions}
    shares["S"] = 1 - settings.deletions - settings.insertions
    totals = {
        kind: sum(w for (w, _), k in zip(choices, kinds, strict=True) if k == kind) for kind in set(kinds)
    }
    chances = np.array([shares[kind] * w / totals[kind] for (w, _), kind in zip(choices, kinds, strict=True)])
    return chances / chances.sum() if chances.sum() > 0 else chances


def _chances(
    difficulty: NDArray[np.float64], costs: NDArray[np.float64], expected: float
) -> NDArray[np.float64]:
    """The probability that each phone is wrong: proportional to its difficulty, at most 1.

    Args:
        difficulty: (phones,) 0 where no error is possible.
        costs: (phones,) mean number of error labels if the phone is wrong.
        expected: number of error labels over all phones.

    Returns:
        (phones,)
    """
    possible = (difficulty > 0) & (costs > 0)
    if expected >= costs[possible].sum():
        return possible.astype(np.float64)
    chances = np.where(possible, difficulty, 0.0)
    chances /= 1e3 * max(chances.max(), 1e-9)  # all below 1 at first
    for _ in range(len(chances)):  # each round distributes what the limit of 1 cut off
        free = chances < 1
        left = expected - float(np.dot(chances[~free], costs[~free]))
        spent = float(np.dot(chances[free], costs[free]))
        chances = np.where(free, np.minimum(chances * left / max(spent, 1e-12), 1), 1.0)
        if np.all((chances < 1) == free):
            break
    return chances
