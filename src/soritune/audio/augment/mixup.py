"""MixUp: utterances and their labels are averaged in pairs (Zhang et al. 2018)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from soritune.audio.augment.mixing import MixableBatch, Mixing, partners
from soritune.audio.channels import Float32Array


class MixUp(Mixing):
    """Adds another utterance of the micro-batch: share x + (1 - share) y, for the samples and the targets alike.

    The length of an utterance is kept: a longer partner is cut, a shorter one ends earlier.
    """

    alpha: float = Field(0.2, gt=0, le=100)
    """Of the distribution of the share, Beta(alpha, alpha): small values leave one of the two nearly unchanged. The
    larger share belongs to the utterance itself."""

    def mix(self, batch: MixableBatch, rng: np.random.Generator) -> MixableBatch:
        """Every utterance with a partner that has the same outputs; a share is drawn for each."""
        partner = partners(batch, rng)
        drawn = rng.beta(self.alpha, self.alpha, len(partner))
        share = np.maximum(drawn, 1 - drawn).astype(np.float32)[:, None]
        inside = np.arange(batch.waveform.shape[1]) < batch.num_samples[:, None]
        waveform: Float32Array = share * batch.waveform + (1 - share) * batch.waveform[partner]
        return MixableBatch(
            np.where(inside, waveform, np.float32(0)),
            batch.num_samples,
            {name: share * target + (1 - share) * target[partner] for name, target in batch.targets.items()},
        )


AUGMENTATION = MixUp
