from __future__ import annotations

import pytest
import torch

from soritune.errors import ModelError
from soritune.models.heads import FrameHead, Head, HeadSettings, UtteranceHead, reading_order
from soritune.tasks.specs import OutputSpec
from soritune.testing import class_output, ctc_output

SETTINGS = HeadSettings(
    width=4, num_layers=2, dropout=0.3, utterance_dropout=0.2, projector_size=3, pooling="mean"
)


def test_output_comes_after_the_one_it_reads() -> None:
    a, b, c = class_output("a", reads="b"), class_output("b", reads="c"), ctc_output("c")
    assert reading_order([a, b, c]) == ("c", "b", "a")
    with pytest.raises(ModelError, match="output 'a' reads 'missing', which is not an output of this model"):
        reading_order([class_output("a", reads="missing")])
    with pytest.raises(ModelError, match="output 'a' reads 'b', which is part of a ring"):
        reading_order([class_output("a", reads="b"), class_output("b", reads="a")])


def test_state_of_a_layer_is_chosen_by_the_output() -> None:
    last = torch.full((1, 1, 4), 9.0)
    states = {layer: torch.full((1, 1, 4), float(layer)) for layer in range(3)}
    assert FrameHead.of(ctc_output(), SETTINGS).state(last, states) is last
    assert FrameHead.of(ctc_output(layer=1), SETTINGS).state(last, states) is states[1]
    assert FrameHead.of(ctc_output(layer="0"), SETTINGS).state(last, states) is states[0]


def test_weighted_state_is_the_softmax_weighted_sum() -> None:
    """Weights ln 1, ln 2, ln 5 over states 0, 1, 2: (0 · 1 + 1 · 2 + 2 · 5) / 8 = 1.5."""
    head = FrameHead.of(ctc_output(layer="weighted"), SETTINGS)
    states = {layer: torch.full((1, 1, 4), float(layer)) for layer in range(3)}
    assert torch.allclose(head.state(states[2], states), torch.tensor(1.0))
    with torch.no_grad():
        head.layer_weights.copy_(torch.tensor([1.0, 2.0, 5.0]).log())
    assert torch.allclose(head.state(states[2], states), torch.tensor(1.5))


def identity(head: UtteranceHead) -> UtteranceHead:
    """The head in evaluation mode with a projector and a classifier that copy the first three channels."""
    with torch.no_grad():
        head.projector.weight.copy_(torch.eye(3, 4))
        head.classifier.weight.copy_(torch.eye(3))
        head.projector.bias.zero_()
        head.classifier.bias.zero_()
    return head.eval()


STATE = torch.tensor([[[1.0, 2.0, 3.0, 0.0], [3.0, 4.0, 5.0, 0.0], [99.0, 99.0, 99.0, 99.0]]])
VALID = torch.tensor([[True, True, False]])


def test_mean_pooling_averages_the_valid_frames() -> None:
    head = identity(UtteranceHead.of(class_output(), SETTINGS))
    assert head(STATE, VALID).tolist() == [[2.0, 3.0, 4.0]]


def test_attentive_pooling_weights_the_valid_frames_by_their_score() -> None:
    """Scores of tanh(1) and tanh(3) of the first channel; the weights are their softmax."""
    head = identity(UtteranceHead(class_output(), 4, 2, 0.0, 3, "attentive"))
    assert head.attention is not None
    with torch.no_grad():
        head.attention.weight.copy_(torch.tensor([[1.0, 0.0, 0.0]]))
    first, second = torch.softmax(torch.tanh(torch.tensor([1.0, 3.0])), 0)
    expected = first * STATE[:, 0, :3] + second * STATE[:, 1, :3]
    assert torch.allclose(head(STATE, VALID), expected, atol=1e-6)


def test_settings_reach_the_head_of_each_kind() -> None:
    frame, utterance = FrameHead.of(ctc_output(), SETTINGS), UtteranceHead.of(class_output(), SETTINGS)
    assert (frame.dropout.p, utterance.dropout.p) == (0.3, 0.2)
    assert frame.last_linear() is frame.linear
    assert utterance.last_linear() is utterance.classifier
    assert (utterance.projector.in_features, utterance.projector.out_features) == (4, 3)
    assert utterance.attention is None


@pytest.mark.parametrize("kind", [FrameHead, UtteranceHead])
def test_new_weights_depend_only_on_the_seed(kind: type[Head]) -> None:
    spec = OutputSpec("x", tuple(map(str, range(500))), "utterance", "cross_entropy")
    settings = HeadSettings(200, 2, 0.0, 0.0, 300, "mean")
    heads = [kind.of(spec, settings) for _ in range(3)]
    before = torch.random.get_rng_state()
    for head, seed in zip(heads, (3, 3, 4), strict=True):
        head.initialise(seed)
    assert torch.equal(torch.random.get_rng_state(), before)
    first, same, other = (head.last_linear() for head in heads)
    assert torch.equal(first.weight, same.weight)
    assert not torch.equal(first.weight, other.weight)
    # 100,000 or more draws: the standard deviation is within 1 % of transformers' 0.02.
    assert first.weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert not first.bias.any()
