from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import transformers

from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.losses.loss import loss_sum
from soritune.testing import FAMILIES, class_output, ctc_output


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_weighted_layer_sum_is_transformers_own(kind, norm, checkpoint, waves, tmp_path) -> None:
    source = transformers.AutoConfig.from_pretrained(checkpoint(kind, norm))
    source.use_weighted_layer_sum, source.num_labels = True, 3
    torch.manual_seed(5)
    theirs = transformers.AutoModelForAudioClassification.from_config(source).eval()
    torch.nn.init.normal_(theirs.layer_weights)
    theirs.save_pretrained(tmp_path)
    labels = tuple(f"LABEL_{i}" for i in range(3))
    spec = class_output(labels=labels, layer="weighted")
    ours = build_model(ModelConfig(encoder=str(tmp_path)), (spec,), seed=0).eval()
    assert ours.load_report.is_complete
    wave, lengths = waves
    with torch.no_grad():
        logits = ours(wave, lengths).logits["emotion"]
        for row, samples in enumerate(lengths.tolist()):
            expected = theirs(wave[row : row + 1, :samples]).logits[0]
            assert torch.allclose(logits[row], expected, atol=1e-5)
    assert logits.std() > 1e-3


def test_heads_read_the_layer_of_their_output(checkpoint, build, waves) -> None:
    wave, lengths = waves
    theirs = transformers.AutoModel.from_pretrained(checkpoint("wav2vec2", "layer", 3)).eval()
    outputs = (*(ctc_output(f"at{layer}", layer=layer) for layer in (0, 1, 3)), ctc_output("end"))
    model = build("wav2vec2", "layer", 3, outputs).eval()
    with torch.no_grad():
        hidden = theirs(wave[:1], output_hidden_states=True)
        logits = model(wave[:1], lengths[:1]).logits
        for layer in (0, 1, 3):
            expected = model.heads[f"at{layer}"].linear(hidden.hidden_states[layer])
            assert torch.allclose(logits[f"at{layer}"], expected, atol=1e-5)
        assert torch.allclose(logits["end"], model.heads["end"].linear(hidden.last_hidden_state), atol=1e-5)
    assert not torch.allclose(logits["at3"], logits["end"], atol=1e-3)


def test_dropped_layer_has_the_state_below_it(build, waves) -> None:
    wave, lengths = waves
    freeze = {"feature_encoder": False}
    model = build(
        layers=4, outputs=(class_output(layer="weighted"),), layerdrop=0.9, dropout=0.0, freeze=freeze
    ).train()
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        _, states, _ = model.encode(wave, lengths)
        assert sorted(states) == [0, 1, 2, 3, 4]
        seen.add(sum(torch.equal(states[n], states[n - 1]) for n in range(1, 5)))
    assert max(seen) >= 3


def test_head_reads_another_output(build, waves) -> None:
    wave, lengths = waves
    outputs = (class_output("judge", reads="phoneme"), ctc_output(), class_output("age", reads="judge"))
    model = build(outputs=outputs).eval()
    assert model.heads["judge"].projector.in_features == 16 + 12
    output = model(wave, lengths)
    assert list(output.logits) == ["judge", "phoneme", "age"]
    output.logits["judge"].sum().backward()
    assert model.heads["phoneme"].linear.weight.grad.any()
    padded = model(torch.nn.functional.pad(wave, (0, 5000)), lengths)
    for name in ("judge", "age"):
        assert torch.allclose(padded.logits[name], output.logits[name], atol=1e-5)


def test_attentive_pooling_ignores_padding(build, waves) -> None:
    wave, lengths = waves
    model = build(outputs=(class_output(),), pooling="attentive").eval()
    together = model(wave, lengths).logits["emotion"]
    alone = model(wave[2:, :3200], lengths[2:]).logits["emotion"]
    assert torch.allclose(together[2:], alone, atol=1e-5)


def test_frames_agree_with_transformers_for_every_kind_of_number(build) -> None:
    model = build("wav2vec2", "group")
    lengths = [340, 659, 660, 661, 5000, 16000]
    theirs = transformers.AutoModel.from_config(model.encoder.config)
    expected = [int(theirs._get_feat_extract_output_lengths(n)) for n in lengths]
    geometry = model.geometry
    assert [geometry.num_frames(n) for n in lengths] == expected
    assert geometry.num_frames(np.array(lengths)).tolist() == expected
    assert geometry.num_frames(torch.tensor(lengths)).tolist() == expected
    assert [geometry.num_frames(n) for n in (0, 1, 339)] == [0, 0, 0]
    assert geometry.least_samples == 340
    assert geometry.frame_rate_hz == 50.0


def test_clips_below_one_frame_give_finite_logits_and_no_frames(build) -> None:
    model = build("wav2vec2", "group", outputs=(ctc_output(), class_output())).eval()
    output = model(torch.randn(2, 300), torch.tensor([300, 0]))
    assert output.num_frames.tolist() == [0, 0]
    assert all(logits.isfinite().all() for logits in output.logits.values())


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_gradients_of_a_padded_batch_are_those_of_its_clips_alone(kind, norm, build, waves) -> None:
    wave, lengths = waves
    outputs = (ctc_output(), class_output(layer="weighted"))
    targets = {"phoneme": torch.tensor([[1, 2], [3, 3], [4, 5]]), "emotion": torch.tensor([0, 1, 2])}
    model = build(kind, norm, 2, outputs, dropout=0.0, freeze={"feature_encoder": False}).train()

    def gradients(groups: list[list[int]]) -> dict[str, torch.Tensor]:
        model.zero_grad()
        for rows in groups:
            n = lengths[rows]
            output = model(wave[rows, : int(n.max())], n)
            losses = [
                loss_sum(
                    spec, output.logits[spec.name], output.num_frames, targets[spec.name][rows], n * 0 + 2
                ).total
                for spec in outputs
            ]
            sum(losses).backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    together, alone = gradients([[0, 1, 2]]), gradients([[0], [1], [2]])
    assert len(together) == len(alone) > 40
    for name, gradient in together.items():
        scale = alone[name].abs().max()
        assert (gradient - alone[name]).abs().max() <= 1e-4 * scale + 1e-5, name


def test_deep_copy_shares_no_states_with_the_original(build, waves) -> None:
    wave, lengths = waves
    model = build(outputs=(class_output(layer="weighted"),)).eval()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in twin.encoder.parameters():
            parameter.mul_(1.5)
    assert not torch.allclose(
        twin(wave, lengths).logits["emotion"], model(wave, lengths).logits["emotion"], atol=1e-4
    )
    assert not model.encoder.encoder.layers[0]._forward_hooks


def test_autocast_logits_correlate_with_float32_logits(build, waves) -> None:
    wave, lengths = waves
    for kind in ("wav2vec2", "wavlm"):
        model = build(kind, "group", outputs=(ctc_output(), class_output(layer="weighted"))).eval()
        full = model(wave, lengths).logits
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(wave, lengths).logits
        for name, logits in full.items():
            values = torch.stack([half[name][:1].float().flatten(), logits[:1].flatten()])
            assert torch.corrcoef(values)[0, 1] > 0.97
