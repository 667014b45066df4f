from __future__ import annotations

import pytest
import torch
import transformers

from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.testing import FAMILIES, class_output, ctc_output

THEIRS = ("ㄱ", "ㄴ", "|", "[PAD]", "ㅏ", "<unk>", "ㅓ")


OURS = ("[PAD]", "[UNK]", "|", "ㅏ", "ㅓ", "ㄱ", "ㄴ")


PLAIN = {"preprocessing": {"sample_rate_hz": 16000, "normalize": True}, "tasks": []}


def build(encoder: object, *outputs: object, **config: object):  # type: ignore[no-untyped-def]
    return build_model(ModelConfig(encoder=str(encoder), **config), outputs, seed=0).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_ctc_head_is_reordered_to_the_recipes_labels(kind, norm, checkpoint, waves) -> None:
    folder = checkpoint(kind, norm, head="ctc", vocabulary=THEIRS)
    theirs = transformers.AutoModelForCTC.from_pretrained(folder).eval()
    model = build(folder, ctc_output(labels=OURS))
    wave, lengths = waves
    with torch.no_grad():
        expected = theirs(wave[:1]).logits
    logits = model(wave[:1], lengths[:1]).logits["phoneme"]
    columns = [THEIRS.index({"[UNK]": "<unk>"}.get(label, label)) for label in OURS]
    assert torch.allclose(logits, expected[..., columns], atol=1e-5)
    assert model.load_report.is_complete
    assert "head phoneme: kept, all 7 labels (reordered)" in str(model.load_report)


def test_same_label_order_is_not_reported_as_reordered(checkpoint) -> None:
    folder = checkpoint(head="ctc", vocabulary=THEIRS)
    model = build(folder, ctc_output(labels=THEIRS, options={"blank": 3}))
    assert str(model.load_report).endswith("head phoneme: kept, all 7 labels")


def test_new_symbols_have_new_rows_and_known_symbols_keep_theirs(checkpoint) -> None:
    folder = checkpoint(head="ctc", vocabulary=THEIRS)
    theirs = transformers.AutoModelForCTC.from_pretrained(folder).lm_head
    labels = ("[PAD]", "ㄲ", "ㅏ", "ㄴ")
    model = build(folder, ctc_output(labels=labels))
    head = model.heads["phoneme"].linear
    for row, label in enumerate(labels):
        if label == "ㄲ":
            assert not any(torch.equal(head.weight[row], stored) for stored in theirs.weight)
            assert head.bias[row] == 0
        else:
            assert torch.equal(head.weight[row], theirs.weight[THEIRS.index(label)])
            assert torch.equal(head.bias[row], theirs.bias[THEIRS.index(label)])
    assert "kept for 3 of 4 labels; new: ㄲ" in str(model.load_report)


def test_blank_is_matched_by_its_role_and_never_as_a_symbol(checkpoint) -> None:
    folder = checkpoint(head="ctc", vocabulary=THEIRS)
    theirs = transformers.AutoModelForCTC.from_pretrained(folder).lm_head
    head = (
        build(folder, ctc_output(labels=("ㄱ", "epsilon", "[PAD]"), options={"blank": 1}))
        .heads["phoneme"]
        .linear
    )
    assert torch.equal(head.weight[1], theirs.weight[3])
    assert not torch.equal(head.weight[2], theirs.weight[3])


def test_head_without_matching_symbols_is_new(checkpoint) -> None:
    folder = checkpoint(head="ctc", vocabulary=("[PAD]", "[UNK]", "|", "A", "B", "C", "D"))
    model = build(folder, ctc_output(labels=OURS))
    assert not model.load_report.is_complete
    assert str(model.load_report).endswith("new: head phoneme")


def test_stored_head_of_another_objective_is_ignored(checkpoint) -> None:
    folder = checkpoint(head="ctc", vocabulary=THEIRS)
    assert str(build(folder, class_output()).load_report).endswith("new: head emotion")


def test_classification_head_is_kept_for_labels_in_any_order(checkpoint, waves) -> None:
    folder = checkpoint("hubert", "layer", head="classification", labels=("sad", "glad", "calm"))
    theirs = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    wave, lengths = waves
    model = build(folder, class_output(labels=("calm", "sad", "glad")))
    with torch.no_grad():
        expected = theirs(wave[:1]).logits[:, [2, 0, 1]]
    assert torch.allclose(model(wave[:1], lengths[:1]).logits["emotion"], expected, atol=1e-5)
    fewer = build(folder, class_output(labels=("calm", "sad")))
    assert torch.allclose(fewer(wave[:1], lengths[:1]).logits["emotion"], expected[:, :2], atol=1e-5)
    assert str(fewer.load_report).endswith("head emotion: kept, all 2 labels of its 3")
    more = build(folder, class_output(labels=("calm", "angry", "sad")))
    logits = more(wave[:1], lengths[:1]).logits["emotion"]
    assert torch.allclose(logits[:, [0, 2]], expected[:, :2], atol=1e-5)
    assert "kept for 2 of 3 labels; new: angry" in str(more.load_report)
    assert not more.load_report.is_complete
    none = build(folder, class_output(labels=("angry", "bored")))
    assert str(none.load_report).endswith("new: head emotion")


def test_heads_of_a_bundle_are_kept_by_name_and_others_are_new(checkpoint, waves, tmp_path) -> None:
    first = build(checkpoint(), ctc_output(), class_output())
    save_bundle(first, tmp_path / "one", **PLAIN)
    config = {"init_from": str(tmp_path / "one")}
    second = build(
        "not/read", class_output(), class_output("age", labels=("a", "b", "c")), ctc_output(), **config
    )
    assert str(second.load_report).endswith(
        "head emotion: kept, all 3 labels; head phoneme: kept, all 12 labels; new: head age"
    )
    for name in ("phoneme", "emotion"):
        assert torch.equal(second(*waves).logits[name], first(*waves).logits[name])


def test_training_on_a_bundle_with_a_new_label_keeps_the_old_rows(checkpoint, tmp_path) -> None:
    first = build(checkpoint(), ctc_output(labels=OURS))
    save_bundle(first, tmp_path / "one", **PLAIN)
    second = build("x", ctc_output(labels=(*OURS, "ㄲ")), init_from=str(tmp_path / "one"))
    assert torch.equal(second.heads["phoneme"].linear.weight[:7], first.heads["phoneme"].linear.weight)
