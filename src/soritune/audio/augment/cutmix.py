"""CutMix: a span of an utterance is replaced by the same span of another one (after Yun et al. 2019, "CutMix")."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from soritune.audio.augment.mixing import MixableBatch, Mixing, partners


class CutMix(Mixing):
    """Puts a span of another utterance of the micro-batch into each; targets are averaged by the shares of samples.

    The length of an utterance is kept.
    """

    alpha: float = Field(1.0, gt=0, le=100)
    """Of the distribution of the share that is replaced, Beta(alpha, alpha); 1 makes all shares equally likely."""

    def mix(self, batch: MixableBatch, rng: np.random.Generator) -> MixableBatch:
        """Every utterance with a partner that has the same outputs; a span is drawn for each, inside both of them."""
        partner = partners(batch, rng)
        replaced = rng.beta(self.alpha, self.alpha, len(partner))
        places = rng.random(len(partner))
        waveform = batch.waveform.copy()
        kept = np.ones((len(partner), 1), np.float32)
        for row, other in enumerate(partner):
            size = int(batch.num_samples[row])
            common = min(size, int(batch.num_samples[other]))
            length = min(round(float(replaced[row]) * size), common)
            start = round(float(places[row]) * (common - length))
            waveform[row, start : start + length] = batch.waveform[other, start : start + length]
            kept[row] = 1 - length / max(size, 1)
        return MixableBatch(
            waveform,
            batch.num_samples,
            {name: kept * target + (1 - kept) * target[partner] for name, target in batch.targets.items()},
        )


AUGMENTATION = CutMix
