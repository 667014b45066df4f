"""The segment head: a label for each phone of a text, from the frames in which the phone is spoken.

It reads, side by side, the encoder's states, the log-probabilities of a CTC output over phones, and the ids of the
text's phones (`models/inputs/phones.py`). The phones are aligned with the log-probabilities (Viterbi, without a
gradient). What is known of a phone is then

- the encoder's states, projected and averaged over its frames;
- its GOP vector: for each symbol the logarithm of its mass in these frames, less that of the expected phone;
- the mass of the expected phone, and the number of frames;
- an embedding of the expected phone.

Shapes: batch, frames, phones (of the text), symbols (of the CTC output), width, labels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from soritune.assessment.alignment import frames_needed, viterbi
from soritune.assessment.slots import territories
from soritune.errors import ModelError
from soritune.models.heads import Head, HeadSettings, initialise_uniformly
from soritune.settings import first_fault
from soritune.tasks.segment_head import SegmentHeadSettings
from soritune.tasks.specs import OutputSpec

LEAST_MASS = 1e-4
"""Added to the mass of a symbol before its logarithm is taken."""
IMPOSSIBLE = -30.0
"""Logit of "no phone" for a phone, and of any other label behind the last phone."""


class SegmentHead(Head):
    """Pooled frames, GOP vector and embedding of each phone; convolutions over the phones; a linear layer."""

    def __init__(self, spec: OutputSpec, width: int, num_layers: int, settings: SegmentHeadSettings) -> None:
        super().__init__(spec, num_layers)
        self.symbols = int(spec.options.get("symbols", 0))
        self.blank = int(spec.options.get("blank", 0))
        self.states = width - self.symbols - 1
        if self.symbols < 2 or self.states < 1 or spec.reads is None:
            raise ModelError(
                f"output '{spec.name}' needs the states of the encoder, a CTC output of at least 2 symbols, "
                f"and the phones of the text; it has {width} channels and {self.symbols} symbols"
            )
        self.reach = settings.reach_frames
        self.norm = nn.LayerNorm(self.states)
        self.projection = nn.Linear(self.states, settings.width)
        self.embedding = nn.Embedding(self.symbols, settings.embedding)
        self.joined = nn.Linear(settings.width + settings.embedding + self.symbols + 2, settings.width)
        self.norms = nn.ModuleList(nn.LayerNorm(settings.width) for _ in range(settings.layers))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(settings.width, settings.width, 3, padding="same") for _ in range(settings.layers)
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.linear = nn.Linear(settings.width, len(spec.labels))

    @classmethod
    def of(cls, spec: OutputSpec, settings: HeadSettings) -> SegmentHead:
        """A head for `spec`.

        Raises:
            ModelError: `spec.head` has a fault, or the output reads something else than the head needs.
        """
        try:
            chosen = SegmentHeadSettings.model_validate(dict(spec.head))
        except ValueError as error:
            raise ModelError(
                f"the head of output '{spec.name}' has a fault ({first_fault(error)})"
            ) from error
        return cls(spec, settings.width, settings.num_layers, chosen)

    def forward(self, state: Tensor, valid: Tensor) -> Tensor:
        """(batch, frames, width) and (batch, frames) bool to (batch, frames, labels): label of phone i in frame i."""
        states, scores, ids = torch.split(state, [self.states, self.symbols, 1], dim=-1)
        # The alignment and the GOP vector do not train the phone output.
        scores = scores.detach().float()
        ids = ids[..., 0].detach().round().long().clamp(0, self.symbols - 1)
        shares, is_phone = self.spans(scores, ids, valid)
        hidden = nn.functional.gelu(self.projection(self.dropout(self.norm(states))))
        pooled = torch.bmm(shares.to(hidden.dtype), hidden)
        known = torch.cat([pooled, self.embedding(ids), *self.goodness(scores, ids, shares)], dim=-1)
        slots = nn.functional.gelu(self.joined(self.dropout(known)))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            inside = norm(slots).masked_fill(~is_phone[..., None], 0.0)
            changed = convolution(inside.transpose(1, 2)).transpose(1, 2)
            slots = slots + self.dropout(nn.functional.gelu(changed))
        logits = self.linear(self.dropout(slots))
        without_phone = torch.arange(logits.shape[-1], device=logits.device) == self.blank
        none = torch.where(without_phone, 0.0, IMPOSSIBLE).to(logits.dtype)
        logits = logits.masked_fill(without_phone, IMPOSSIBLE)
        return torch.where(is_phone[..., None], logits, none)

    def spans(self, scores: Tensor, ids: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Which frames are pooled for each phone.

        Args:
            scores: (batch, frames, symbols) log-probabilities.
            ids: (batch, frames) phone i in frame i, 0 behind the last one.
            valid: (batch, frames) bool.

        Returns:
            (batch, phones, frames) the weight of each frame for a phone, with as many phones as frames; and
            (batch, phones) bool, which of them exist. A row with too few frames for its phones is like one without.
        """
        batch, frames = ids.shape
        shares = np.zeros((batch, frames, frames), dtype=np.float32)
        given, phones = scores.cpu().numpy(), ids.cpu().numpy()
        lengths = valid.sum(dim=1).cpu().numpy()
        exists = np.zeros((batch, frames), dtype=bool)
        for row in range(batch):
            length = int(lengths[row])
            sequence = phones[row][phones[row] > 0]
            if not len(sequence) or frames_needed(sequence) > length:
                continue
            path = viterbi(given[row, :length], sequence, blank=0)
            for slot, (start, stop) in enumerate(territories(path, length, self.reach)):
                shares[row, slot, start:stop] = 1.0 / (stop - start)
            exists[row, : len(sequence)] = True
        device = scores.device
        return torch.from_numpy(shares).to(device), torch.from_numpy(exists).to(device)

    def goodness(self, scores: Tensor, ids: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The GOP vector (batch, phones, symbols), the log-mass of the expected phone and the logarithm of the number
        of frames, (batch, phones, 1) each."""
        frames = (shares > 0).sum(dim=2, keepdim=True)
        mass = torch.bmm(shares, scores.exp()) * frames
        logs = torch.log(mass + LEAST_MASS)
        expected = logs.gather(2, ids[..., None])
        return logs - expected, expected, torch.log1p(frames.to(logs.dtype))

    def last_linear(self) -> nn.Linear:
        """The linear layer with a row per label."""
        return self.linear

    def initialise(self, seed: int) -> None:
        """New weights, as `initialise_uniformly` draws them."""
        initialise_uniformly(self, seed)
