"""Random erasing of a span of the waveform (after Zhong et al. 2020, "Random erasing data augmentation")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.audio.channels import Float32Array
from soritune.draws import RowDraws


class RandomErase(Augmentation):
    """Replaces a span of an utterance. `feature_erase` is the same for a rectangle of the encoder's features.

    Times and length are kept. A span may cover a phone: with CTC, keep spans short.
    """

    share: Annotated[tuple[float, float], within(0.0, 1.0)] = (0.02, 0.2)
    """Range of the share of the utterance that is erased, all values equally likely."""
    fill: Literal["silence", "noise"] = "silence"
    """What replaces the span: zeros, or white noise with the power of the utterance."""

    def draw(self, rng: RowDraws) -> Parameters:
        """`share`, `start` (where the span begins, as a share of the places where it fits)."""
        return {"share": rng.between("share", self.share), "start": rng.uniform("start")}

    def apply(
        self,
        samples: Float32Array,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> Float32Array:
        """Erases the span drawn of (samples,)."""
        size = round(float(parameters["share"]) * len(samples))
        start = round(float(parameters["start"]) * (len(samples) - size))
        erased = samples.copy()
        if self.fill == "silence":
            erased[start : start + size] = 0.0
        else:
            level = np.float32(np.std(samples)) if len(samples) else np.float32(0.0)
            erased[start : start + size] = level * generator.standard_normal(size, dtype=np.float32)
        return erased


AUGMENTATION = RandomErase
