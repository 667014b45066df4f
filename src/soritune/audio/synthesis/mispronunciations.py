"""Mispronunciations put into what a synthetic voice says, with the label of every phone. Next: `voice_work.py`."""

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
"""How far voices differ in what they find hard: deviation of the logarithm."""
_FLUENT = 0.05
"""Rate of the fluent voices against the mean."""


class MispronunciationSettings(Settings):
    """How many mispronunciations there are, and of which kind."""

    rate: float = Field(0.0, ge=0, le=0.3)
    """Errors per canonical phone, in the mean over voices; 0 for none, and no such columns."""
    fluent: float = Field(0.25, ge=0, le=0.9)
    """Share of voices that make hardly any; the rate of the others lies between 0 and twice their mean."""
    deletions: float = Field(0.25, ge=0, le=1)
    """Of the errors at phones that can be left out (codas, ㅎ), the share that are."""
    insertions: float = Field(0.15, ge=0, le=1)
    """Of the errors at codas, the share that put a vowel after it; a stop or ㄹ becomes an onset, an error more."""

    @model_validator(mode="after")
    def _possible(self) -> MispronunciationSettings:
        if self.deletions + self.insertions > 1:
            raise ValueError("deletions and insertions are shares and may not be more than 1 together")
        if self.mean_of_learners > 0.4:
            raise ValueError(
                f"with fluent={self.fluent:g} the other voices would have to say {self.mean_of_learners:.0%} wrong; "
                "at most 40 % can be asked for: take a lower rate or fewer fluent voices"
            )
        return self

    @property
    def mean_of_learners(self) -> float:
        """Mean rate of the voices that are not fluent."""
        return self.rate * (1 - _FLUENT * self.fluent) / (1 - self.fluent)


@dataclass(frozen=True, slots=True)
class Learner:
    """How well one voice pronounces."""

    rate: float
    """Its errors per phone."""
    habits: tuple[float, ...]
    """Factors of `_FAMILIES`."""


@dataclass(frozen=True, slots=True)
class Pronounced:
    """What is said of what should be said."""

    phrases: tuple[tuple[str, ...], ...]
    """What is said, `|` between words."""
    steps: tuple[Step, ...]
    """The same against what should be said, position by position, without `|`."""

    @property
    def canonical(self) -> tuple[str, ...]:
        """What should be said, `sil` at insertions."""
        return tuple(canonical for canonical, _, _ in self.steps)

    @property
    def perceived(self) -> tuple[str, ...]:
        """What is said, `sil` at deletions; as long as `canonical`."""
        return tuple(perceived for _, perceived, _ in self.steps)

    @property
    def labels(self) -> tuple[str, ...]:
        """C, S, D or I for each position."""
        return tuple(label for _, _, label in self.steps)

    @property
    def phones(self) -> tuple[str, ...]:
        """All that is said in one sequence, `|` between words: `perceived` without gaps, with boundaries."""
        return in_one_sequence(self.phrases)

    def facts(self, learner: Learner) -> dict[str, Any]:
        """What else there is to know: what is said, in Hangul, and how often this voice is wrong."""
        said = ", ".join(phones_to_hangul(phrase) for phrase in self.phrases)
        return {"said": said, "error_rate": round(learner.rate, 4)}


def draw_learner(rng: np.random.Generator, settings: MispronunciationSettings) -> Learner:
    """How well a voice pronounces; the mean of the rates over voices is `settings.rate`."""
    fluent, place = rng.random() < settings.fluent, rng.beta(1.5, 1.5)
    rate = settings.rate * _FLUENT if fluent else 2 * settings.mean_of_learners * place
    return Learner(float(rate), tuple(float(f) for f in np.exp(rng.normal(0, _HABITS, len(_FAMILIES)))))


def mispronounce(
    phrases: Sequence[Sequence[str]],
    learner: Learner,
    rng: np.random.Generator,
    settings: MispronunciationSettings,
) -> Pronounced:
    """What a learner makes of phrases.

    Errors are drawn phone by phone; how likely each is depends on the phone and the learner, and all of them together
    are as many as the learner's rate asks for, in the mean.

    Args:
        phrases: phones with `|` between words.
        learner: whose errors.
        rng: a generator of its own: text and voice stay as they are without errors.
        settings: which kinds of errors.
    """
    options = [possible_errors(phrase, place) for phrase in phrases for place in range(len(phrase))]
    weights = [_weights(choices, settings) for choices in options]
    families = [family(phrase, place) for phrase in phrases for place in range(len(phrase))]
    difficulty = np.zeros(len(options))
    costs = np.zeros(len(options))
    for number, (choices, shares, kind) in enumerate(zip(options, weights, families, strict=True)):
        if choices and shares.any():
            difficulty[number] = DIFFICULTY[kind] * learner.habits[_FAMILIES.index(kind)]
            costs[number] = np.dot(shares, [_num_errors(steps) for _, steps in choices])
    asked = learner.rate * sum(phone != WORD_BOUNDARY for phrase in phrases for phone in phrase)
    wrong = rng.random(len(options)) < _chances(difficulty, costs, asked)
    said: list[tuple[str, ...]] = []
    steps: list[Step] = []
    number = 0
    for phrase in phrases:
        spoken: list[str] = []
        for phone in phrase:
            if phone == WORD_BOUNDARY:
                spoken.append(phone)
            else:
                taken: tuple[Step, ...] = ((phone, phone, "C"),)
                if wrong[number]:
                    taken = options[number][int(rng.choice(len(options[number]), p=weights[number]))][1]
                steps += taken
                spoken += [heard for _, heard, _ in taken if heard != GAP]
            number += 1
        said.append(tuple(spoken))
    return Pronounced(tuple(said), tuple(steps))


def _num_errors(steps: Sequence[Step]) -> int:
    return sum(label != "C" for _, _, label in steps)


def _weights(
    choices: Sequence[tuple[float, tuple[Step, ...]]], settings: MispronunciationSettings
) -> NDArray[np.float64]:
    """(choices,) the chance of each where there is an error; all 0 where none is possible."""
    kinds = [steps[-1][2] for _, steps in choices]
    shares = {"D": settings.deletions, "I": settings.insertions}
    shares["S"] = 1 - settings.deletions - settings.insertions
    totals = {
        kind: sum(w for (w, _), k in zip(choices, kinds, strict=True) if k == kind) for kind in set(kinds)
    }
    found = np.array([shares[kind] * w / totals[kind] for (w, _), kind in zip(choices, kinds, strict=True)])
    return found / found.sum() if found.sum() > 0 else found


def _chances(
    difficulty: NDArray[np.float64], costs: NDArray[np.float64], asked: float
) -> NDArray[np.float64]:
    """(phones,) chances in proportion to the difficulty, none above 1, that cost `asked` labels together."""
    possible = (difficulty > 0) & (costs > 0)
    if asked >= costs[possible].sum():
        return possible.astype(np.float64)
    chances = np.where(possible, difficulty, 0.0)
    chances /= 1e3 * max(chances.max(), 1e-9)  # all below 1 at first
    for _ in range(len(chances)):  # each round fills up what the limit of 1 took away
        free = chances < 1
        left = asked - float(np.dot(chances[~free], costs[~free]))
        spent = float(np.dot(chances[free], costs[free]))
        chances = np.where(free, np.minimum(chances * left / max(spent, 1e-12), 1), 1.0)
        if np.all((chances < 1) == free):
            break
    return chances
