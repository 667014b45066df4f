"""The segment head: which frames it pools, what it knows of a phone, and that padding changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from soritune.errors import ModelError
from soritune.models.heads import HeadSettings
from soritune.models.segment_head import IMPOSSIBLE, LEAST_MASS, SegmentHead
from soritune.tasks.specs import OutputSpec

SYMBOLS, STATES, LABELS = 5, 6, ("[PAD]", "C", "S", "D")


def head(**settings: object) -> SegmentHead:
    spec = OutputSpec(
        "segment",
        LABELS,
        "frame",
        "phone_slots",
        reads="phoneme",
        inputs=("canonical",),
        options={"blank": 0, "symbols": SYMBOLS},
        head={"width": 8, "embedding": 4, "layers": 1, "dropout": 0.0, **settings},
    )
    made = SegmentHead.of(spec, HeadSettings(STATES + SYMBOLS + 1, 2, 0.0, 0.0, 8, "mean"))
    made.initialise(3)
    return made.eval()


def scores_of(path: str) -> Tensor:
    """(frames, symbols) log-probabilities with one symbol per frame: 0 is the blank."""
    labels = torch.tensor([int(sign) for sign in path])
    shares = torch.full((len(labels), SYMBOLS), 0.01)
    shares[torch.arange(len(labels)), labels] = 1 - 0.01 * (SYMBOLS - 1)
    return shares.log()


def state_of(path: str, phones: str, seed: int = 0, length: int | None = None) -> tuple[Tensor, Tensor]:
    """What the head reads of one clip, padded to `length` frames."""
    frames = len(path)
    states = torch.randn(frames, STATES, generator=torch.Generator().manual_seed(seed))
    ids = torch.zeros(frames, 1)
    ids[: len(phones), 0] = torch.tensor([float(sign) for sign in phones])
    state = torch.cat([states, scores_of(path), ids], dim=1)
    padded = torch.full((length or frames, state.shape[1]), 7.0)
    padded[:, -1] = 0
    padded[:frames] = state
    return padded[None], (torch.arange(length or frames) < frames)[None]


def test_frames_of_a_phone_reach_to_the_middle_of_the_blanks() -> None:
    made = head(reach_frames=10)
    state, valid = state_of("0110002000", "12")
    ids = state[..., -1].long()
    shares, exists = made.spans(state[..., STATES:-1], ids, valid)
    # 1 ends with frame 2, 2 begins with frame 6: the border is in front of frame (3 + 6) // 2 = 4.
    assert shares[0, 0].tolist() == pytest.approx([0.25] * 4 + [0] * 6)
    assert shares[0, 1].tolist() == pytest.approx([0] * 4 + [1 / 6] * 6)
    assert exists[0].tolist() == [True, True] + [False] * 8
    near, _ = head(reach_frames=1).spans(state[..., STATES:-1], ids, valid)
    assert near[0, 0].nonzero().flatten().tolist() == [0, 1, 2, 3]
    assert near[0, 1].nonzero().flatten().tolist() == [5, 6, 7]


def test_goodness_is_the_mass_of_each_symbol_in_the_frames_of_the_phone() -> None:
    made = head(reach_frames=0)
    state, valid = state_of("0110032000", "12")
    scores, ids = state[..., STATES:-1], state[..., -1].long()
    shares, _ = made.spans(scores, ids, valid)
    vector, expected, frames = made.goodness(scores, ids, shares)
    mass = np.exp(scores[0].numpy())[1:3].sum(axis=0) + LEAST_MASS  # frames 1 and 2 are phone 1
    np.testing.assert_allclose(vector[0, 0].numpy(), np.log(mass) - np.log(mass[1]), atol=1e-5)
    assert expected[0, 0].item() == pytest.approx(np.log(mass[1]), abs=1e-5)
    assert frames[0, 0].item() == pytest.approx(np.log(3))
    assert vector[0, 0, 1].item() == 0.0


def test_row_has_the_same_logits_alone_and_padded_in_a_batch() -> None:
    made = head()
    first, second = state_of("0110200", "12", 1), state_of("03004004100", "341", 2)
    padded = [state_of("0110200", "12", 1, length=11), second]
    together = made(torch.cat([state for state, _ in padded]), torch.cat([valid for _, valid in padded]))
    for index, (state, valid) in enumerate((first, second)):
        alone = made(state, valid)
        torch.testing.assert_close(together[index, : alone.shape[1]], alone[0], atol=1e-5, rtol=1e-4)


def test_frames_behind_the_last_phone_are_no_phone() -> None:
    logits = head()(*state_of("0110200", "12"))[0]
    chosen = logits.softmax(dim=-1)
    assert (chosen[:2, 0] < 1e-6).all() and (chosen[2:, 0] > 1 - 1e-6).all()
    assert (logits[:2, 0] == IMPOSSIBLE).all()


@pytest.mark.parametrize("phones", ["", "1111"])
def test_clip_without_phones_or_without_room_for_them_has_none(phones: str) -> None:
    # Four equal phones need a blank between each two of them: seven frames, and there are six.
    logits = head()(*state_of("011020", phones))[0]
    assert (logits.argmax(dim=-1) == 0).all()


def test_gradient_reaches_states_and_weights_but_not_the_phone_output() -> None:
    made = head()
    state, valid = state_of("0110200", "12")
    state.requires_grad_()
    made(state, valid)[0, :2, 1:].square().sum().backward()
    assert state.grad is not None
    assert state.grad[..., :STATES].any() and not state.grad[..., STATES:].any()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in made.parameters())


def test_head_without_phones_or_states_is_refused() -> None:
    spec = OutputSpec("segment", LABELS, "frame", "phone_slots", options={"blank": 0, "symbols": SYMBOLS})
    with pytest.raises(ModelError, match="needs the states of the encoder"):
        SegmentHead.of(spec, HeadSettings(12, 2, 0.0, 0.0, 8, "mean"))
    faulty = OutputSpec(
        "segment", LABELS, "frame", "phone_slots", reads="x", options={"symbols": 5}, head={"width": 0}
    )
    with pytest.raises(ModelError, match="has a fault"):
        SegmentHead.of(faulty, HeadSettings(12, 2, 0.0, 0.0, 8, "mean"))
