from __future__ import annotations

import pytest
import torch

from soritune.errors import ModelError
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.gradient_watch import check_gradients
from soritune.models.heads import HeadSettings
from soritune.models.losses.loss import head_kind
from soritune.models.model import SpeechModel
from soritune.models.sequence_head import BidirectionalGru, ResidualConvolutions, SequenceHead
from soritune.tasks.frame_heads import FrameHeadSettings
from soritune.testing import ctc_output, tiny_config

SETTINGS = HeadSettings(
    width=12, num_layers=2, dropout=0.0, utterance_dropout=0.0, projector_size=3, pooling="mean"
)
CONVOLUTION = {"kind": "convolution", "width": 8, "layers": 2, "kernel_frames": 3, "dropout": 0.0}
GRU = {"kind": "gru", "width": 8, "layers": 2, "dropout": 0.0}
HEADS = pytest.mark.parametrize("head", [CONVOLUTION, GRU], ids=["convolution", "gru"])


def make(head: dict[str, object], seed: int = 3) -> SequenceHead:
    made = SequenceHead.of(ctc_output(head=head), SETTINGS)
    made.initialise(seed)
    return made.eval()


def build(**output: object) -> SpeechModel:
    config = ModelConfig(encoder="toy", architecture=tiny_config(), random_weights=True, dropout=0.0)
    return build_model(config, [ctc_output(**output)], seed=0)


@HEADS
def test_clip_alone_equals_the_clip_in_a_padded_batch(head: dict[str, object]) -> None:
    sizes = torch.tensor([9, 4, 1])
    state = torch.randn(3, 9, 12, generator=torch.Generator().manual_seed(1))
    valid = torch.arange(9) < sizes[:, None]
    together = make(head)(state, valid)
    for row, size in enumerate(sizes.tolist()):
        alone = make(head)(state[row : row + 1, :size], torch.ones(1, size, dtype=torch.bool))
        assert torch.allclose(together[row, :size], alone[0], atol=1e-6)


@HEADS
def test_a_frame_reads_frames_on_both_sides(head: dict[str, object]) -> None:
    state = torch.randn(1, 9, 12, generator=torch.Generator().manual_seed(1), requires_grad=True)
    make(head)(state, torch.ones(1, 9, dtype=torch.bool))[0, 4].sum().backward()
    reached = (state.grad[0].abs().sum(dim=-1) > 0).nonzero()[:, 0].tolist()
    # Two convolutions of three frames reach two frames; a GRU reaches all.
    assert reached == ([2, 3, 4, 5, 6] if head["kind"] == "convolution" else list(range(9)))


def test_gru_equals_the_bidirectional_one_of_torch_on_packed_sequences() -> None:
    gru = BidirectionalGru(FrameHeadSettings.model_validate(GRU)).eval()
    theirs = torch.nn.GRU(8, 4, num_layers=2, bidirectional=True, batch_first=True)
    for layer in range(2):
        for suffix, direction in (("", gru.forwards[layer]), ("_reverse", gru.backwards[layer])):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                weight = getattr(theirs, f"{name}_l{layer}{suffix}")
                weight.data.copy_(getattr(direction, f"{name}_l0"))
    sizes = torch.tensor([6, 3, 1])
    hidden, valid = torch.randn(3, 6, 8), torch.arange(6) < sizes[:, None]
    packed = torch.nn.utils.rnn.pack_padded_sequence(hidden, sizes, batch_first=True)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)
    assert torch.allclose(gru(hidden, valid)[valid], expected[valid], atol=1e-6)


def test_convolution_adds_a_hand_worked_change() -> None:
    """One channel pair, kernel [1, 1, 1] on the first channel: norm of (a, b) with a > b is (1, -1)."""
    layer = ResidualConvolutions(
        FrameHeadSettings(kind="convolution", width=2, layers=1, kernel_frames=3, dropout=0.0)
    ).eval()
    with torch.no_grad():
        layer.convolutions[0].weight.zero_()
        layer.convolutions[0].weight[0, 0] = 1.0
        layer.convolutions[0].bias.zero_()
    hidden = torch.tensor([[[6.0, 2.0], [5.0, 1.0], [4.0, 0.0]]])
    gelu = torch.nn.functional.gelu(torch.tensor([2.0, 3.0, 2.0]))
    changed = layer(hidden, torch.ones(1, 3, dtype=torch.bool))
    assert torch.allclose(changed[0, :, 0], hidden[0, :, 0] + gelu, atol=1e-4)
    assert torch.equal(changed[0, :, 1], hidden[0, :, 1])


@HEADS
def test_weights_depend_on_the_seed_alone_and_all_are_drawn(head: dict[str, object]) -> None:
    first, again, other = make(head), make(head), make(head, seed=4)
    for name, weight in first.named_parameters():
        assert torch.equal(weight, again.state_dict()[name])
        assert (
            ".norms." in f".{name}"
            or name.startswith("norm.")
            or not torch.equal(weight, other.state_dict()[name])
        )


@HEADS
def test_model_trains_every_weight_of_the_head(head: dict[str, object]) -> None:
    model = build(layer=(1, 2), head=head).train()
    assert model.heads["phoneme"].norm.normalized_shape == (32,)  # type: ignore[union-attr]
    model(torch.randn(2, 8000), torch.tensor([8000, 5000])).logits["phoneme"].square().sum().backward()
    assert not check_gradients(model)


def test_joined_layers_are_the_states_side_by_side() -> None:
    model = build(layer=(2, 0)).eval()
    wave, sizes = torch.randn(1, 8000), torch.tensor([8000])
    with torch.no_grad():
        _, states, _ = model.encode(wave, sizes)
        joined = torch.cat([states[2], states[0]], dim=-1)
        expected = model.heads["phoneme"].linear(joined)  # type: ignore[union-attr, operator]
        assert torch.allclose(model(wave, sizes).logits["phoneme"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "words"),
    [((1, 1), "name each once"), ((1, 7), "the encoder has layers 0 … 2"), ((1,), "a list of 1 layers")],
)
def test_layers_that_cannot_be_joined_are_refused(layer: tuple[int, ...], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        build(layer=layer)


def test_head_with_a_fault_in_a_card_is_refused() -> None:
    with pytest.raises(ModelError, match="the head of output 'phoneme' has a fault.*kind"):
        build(head={"kind": "lstm"})


def test_transformers_has_no_such_head() -> None:
    assert head_kind(ctc_output(), "mean") == "ctc"
    assert head_kind(ctc_output(head=GRU), "mean") is None
