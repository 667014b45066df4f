from __future__ import annotations

import pytest
import torch
import transformers

from soritune.models.adoption import Adopted, adopt, adopt_inputs
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.heads import UtteranceHead
from soritune.models.inputs.input import make_input
from soritune.models.saving import save_bundle
from soritune.models.starting_point import StartingPoint, StoredHead
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.testing import FAMILIES, class_output, ctc_output

THEIRS = ("ㄱ", "ㄴ", "|", "[PAD]", "ㅏ", "<unk>", "ㅓ")
OURS = ("[PAD]", "[UNK]", "|", "ㅏ", "ㅓ", "ㄱ", "ㄴ")
PLAIN = {"preprocessing": {"sample_rate_hz": 16000, "normalize": True}, "tasks": []}


def head_of(spec: OutputSpec, seed: int, width: int = 4) -> UtteranceHead:
    """A head per utterance with weights from `seed`."""
    head = UtteranceHead(spec, width, 2, 0.0, 3, "mean")
    head.initialise(seed)
    return head


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


def test_head_that_reads_other_inputs_is_not_adopted() -> None:
    """Its columns have other meanings, even where their number is the same."""
    stored = StoredHead(class_output(inputs=("age",)), head_of(class_output(), seed=1).state_dict())
    head = head_of(class_output(), seed=2)
    assert adopt(head, stored) is None
    same = StoredHead(class_output(), stored.weights)
    assert adopt(head, same) == Adopted("kept, all 3 labels", is_whole=True)
    assert torch.equal(head.classifier.weight, stored.weights["classifier.weight"])


def test_head_of_another_width_is_not_adopted() -> None:
    stored = StoredHead(class_output(), head_of(class_output(), seed=1, width=5).state_dict())
    assert adopt(head_of(class_output(), seed=2), stored) is None
    assert adopt(head_of(class_output(), seed=2), StoredHead(class_output(), {})) is None


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ({"kind": "gru", "width": 16, "layers": 2}, {}),
        ({"kind": "gru", "width": 16, "layers": 2}, {"kind": "gru", "width": 16, "layers": 1}),
        ({"kind": "convolution", "width": 16, "layers": 1}, {}),
    ],
)
def test_head_with_other_layers_below_its_rows_is_not_adopted(stored, new, checkpoint, tmp_path) -> None:
    """The states of the toy have 16 channels too, so that every weight of the new head would fit."""
    save_bundle(build(checkpoint(), ctc_output(head=stored)), tmp_path / "one", **PLAIN)
    head_like_it = build("x", ctc_output(head={**stored, "dropout": 0.4}), init_from=str(tmp_path / "one"))
    assert not head_like_it.load_report.new_parts
    other = build("x", ctc_output(head=new), init_from=str(tmp_path / "one"))
    assert other.load_report.new_parts == ("head phoneme",)


def test_rows_of_kept_labels_are_copied_and_other_rows_are_not() -> None:
    """Rows of a, b, c; b and a are kept in the order b, x, a."""
    stored = StoredHead(class_output(labels=("a", "b", "c")), head_of(class_output(), seed=1).state_dict())
    spec = class_output(labels=("b", "x", "a"))
    head = head_of(spec, seed=2)
    before = head.classifier.weight.detach().clone()
    assert adopt(head, stored) == Adopted("kept for 2 of 3 labels; new: x", is_whole=False)
    rows = stored.weights["classifier.weight"]
    assert torch.equal(head.classifier.weight, torch.stack([rows[1], before[1], rows[0]]))
    assert torch.equal(head.projector.weight, stored.weights["projector.weight"])


def test_a_head_that_reads_another_layer_is_kept_and_reported() -> None:
    stored = StoredHead(class_output(layer=1), head_of(class_output(layer=1), seed=1).state_dict())
    adopted = adopt(head_of(class_output(layer="last"), seed=2), stored)
    assert adopted is not None
    assert adopted.text == "kept, all 3 labels; it was trained on layer 1 and reads layer last"
    same = adopt(head_of(class_output(layer=1), seed=2), stored)
    assert same is not None and same.text == "kept, all 3 labels"


def test_inputs_are_adopted_by_name_and_changed_options_are_reported() -> None:
    age = InputSpec("age", "age", "age", "number", options={"mean": 10.0})
    pitch = InputSpec("pitch", "pitch", "pitch", "frame_numbers", options={"width": 2})
    stored = {"age": {"absent": torch.tensor([7.0])}, "pitch": {"absent": torch.tensor([1.0])}}
    start = StartingPoint(
        {}, None, "x", inputs=stored, input_specs=(InputSpec("age", "age", "age", "number"),)
    )
    modules = torch.nn.ModuleDict({"age": make_input(age), "pitch": make_input(pitch)})
    adopt_inputs(start, modules)
    assert modules["age"].absent.tolist() == [7.0]
    assert start.messages == [
        "input age: kept, but its options were {} and are {'mean': 10.0}",
        "input pitch: new weights",
    ]
    assert start.report.new_parts == ("input pitch",)
    assert not start.report.is_complete
