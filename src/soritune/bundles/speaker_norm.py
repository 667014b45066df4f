"""What the card of a bundle has for normalisation per speaker: mean and deviation of pooled features in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

KEY = "speaker_norm"
"""The key of the card."""
STRONGEST = 10.0
"""Features are stretched by at most this factor: the deviation of a few clips may be close to zero."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureStatistics:
    """Mean and standard deviation of each channel of an output's pooled features, (channels,)."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def of(cls, features: ArrayLike) -> FeatureStatistics:
        """Those of (clips, channels); the deviation is that of the clips themselves (divided by their number)."""
        values = np.asarray(features, dtype=np.float64)
        return cls(values.mean(axis=0), values.std(axis=0))

    def mapped(self, features: NDArray[np.floating], training: FeatureStatistics) -> NDArray[np.float32]:
        """Features (…, channels) of the speaker whose statistics these are, moved to those of the training:
        (x - mean) / std · training.std + training.mean."""
        floor = np.where(training.std > 0, training.std, 1.0) / STRONGEST
        scale = np.where(training.std > 0, training.std, 1.0) / np.maximum(self.std, floor)
        moved: NDArray[np.float32] = ((features - self.mean) * scale + training.mean).astype(np.float32)
        return moved


@dataclass(frozen=True, slots=True, eq=False)
class TrainingFeatures:
    """The card's `speaker_norm`."""

    rows: int
    """Training clips that the statistics are of."""
    speakers: int
    outputs: Mapping[str, FeatureStatistics]

    def to_json(self) -> dict[str, Any]:
        """Plain values, in the precision of the features."""
        outputs = {
            name: {
                part: [float(f"{v:.7g}") for v in values.tolist()]
                for part, values in (("mean", each.mean), ("std", each.std))
            }
            for name, each in self.outputs.items()
        }
        return {"rows": self.rows, "speakers": self.speakers, "outputs": outputs}

    @classmethod
    def from_json(cls, content: Any) -> TrainingFeatures:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: a missing key, or a value that cannot be one.
        """
        try:
            outputs = {
                name: FeatureStatistics(np.asarray(part["mean"], float), np.asarray(part["std"], float))
                for name, part in content["outputs"].items()
            }
            read = cls(int(content["rows"]), int(content["speakers"]), outputs)
        except KeyError as error:
            raise ValueError(f"{error} is missing") from error
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error
        for name, part in outputs.items():
            finite = np.isfinite(part.mean).all() and np.isfinite(part.std).all() and (part.std >= 0).all()
            if part.mean.ndim != 1 or part.mean.shape != part.std.shape or not finite:
                raise ValueError(f"mean and deviation of '{name}' are not finite numbers of one length")
        return read
