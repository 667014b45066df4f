from __future__ import annotations

import torch

from soritune.models.spec_augment import apply_masks


def test_masks_write_the_embedding_and_zeros() -> None:
    hidden = torch.ones(1, 3, 4)
    time = torch.tensor([[False, True, False]])
    feature = torch.tensor([[True, False, False, False]])
    masked = apply_masks(hidden, time, feature, torch.tensor([5.0, 6.0, 7.0, 8.0]))
    assert masked.tolist() == [[[0, 1, 1, 1], [0, 6, 7, 8], [0, 1, 1, 1]]]
    assert apply_masks(hidden, time, None, None).tolist() == [[[1] * 4, [0] * 4, [1] * 4]]
    assert apply_masks(hidden, None, None, None) is hidden


def test_rectangles_are_zero_in_their_row_and_empty_ones_hide_nothing() -> None:
    hidden = torch.ones(2, 3, 4)
    rectangles = torch.tensor([[[0, 2, 1, 3], [2, 3, 0, 1]], [[1, 3, 3, 4], [0, 0, 0, 0]]])
    masked = apply_masks(hidden, None, None, None, rectangles)
    assert masked.tolist() == [
        [[1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 1]],
        [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 0]],
    ]
    assert hidden.eq(1).all()


def test_input_is_left_unchanged() -> None:
    hidden = torch.ones(1, 3, 4)
    apply_masks(hidden, torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 4, dtype=torch.bool), None)
    assert hidden.eq(1).all()


def test_masks_change_the_logits_and_transformers_masking_is_off(build, waves) -> None:
    model = build(dropout=0.0)
    assert model.encoder.config.mask_time_prob > 0  # as saved in config.json, which stays so
    wave, lengths = waves
    model.train()
    plain = model(wave, lengths).logits["phoneme"]
    assert torch.equal(model(wave, lengths).logits["phoneme"], plain)
    time = torch.zeros(3, plain.shape[1], dtype=torch.bool)
    time[0, 5:9] = True
    masked = model(wave, lengths, time_mask=time).logits["phoneme"]
    assert not torch.allclose(masked[0], plain[0])
    assert torch.equal(masked[1:], plain[1:])
    feature = torch.zeros(3, model.hidden_size, dtype=torch.bool)
    feature[1, :4] = True
    masked = model(wave, lengths, feature_mask=feature).logits["phoneme"]
    assert not torch.allclose(masked[1], plain[1])
    assert torch.equal(masked[0], plain[0])


def test_masked_frames_do_not_depend_on_the_audio(build) -> None:
    model = build(dropout=0.0).eval()
    frames = model.geometry.num_frames(4000)
    everything = torch.ones(1, frames, dtype=torch.bool)
    length = torch.tensor([4000])
    first, second = (
        model(torch.randn(1, 4000), length, time_mask=everything).logits["phoneme"] for _ in range(2)
    )
    assert torch.equal(first, second)
