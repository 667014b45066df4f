from dataclasses import replace
from types import SimpleNamespace
from unicodedata import normalize

import pytest

from soritune.bundles.card import Bundle
from soritune.errors import BundleError
from soritune.inference.ensemble import Member, joint_tasks, label_orders
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.specs import OutputSpec


def test_member_has_the_settings_of_its_bundle(fakes, tmp_path):
    bundle = fakes.make_bundle(tmp_path / "best_loss", [fakes.emotion_task()], max_duration_s=7.0)
    member = Member.of(bundle, backend=None)
    assert member.preprocessing.max_duration_s == 7.0
    assert (member.geometry.samples_per_frame, member.folder) == (320, "best_loss")
    assert list(member.outputs) == ["emotion"]


def test_tasks_are_joined_by_name(fakes):
    members = [
        fakes.member([fakes.emotion_task()]),
        fakes.member([fakes.phoneme_task(), fakes.emotion_task()]),
    ]
    assert [task.name for task in joint_tasks(members)] == ["emotion", "phoneme"]


def test_further_outputs_of_a_later_model_are_kept(fakes):
    def member(**text):
        settings = {"labels": ("calm", "tense"), "text": {"encoder": "owner/model", **text} if text else None}
        return fakes.member([EmotionTask(EmotionConfig.model_validate(settings))])

    plain, both = member(), member(width=8)
    for members in ([plain, both], [both, plain]):
        (task,) = joint_tasks(members)
        assert [spec.name for spec in task.outputs] == ["emotion", "emotion_audio", "emotion_text"]
    audio, text = member(text_weight=0), member(audio_weight=0)
    with pytest.raises(BundleError, match="only some of them have the output 'emotion_text'"):
        joint_tasks([audio, text])


def test_columns_are_reordered_to_the_first_model(fakes):
    first, second = (
        fakes.member([fakes.emotion_task(("a", "b", "c"))]),
        fakes.member([fakes.emotion_task(("c", "a", "b"))]),
    )
    assert label_orders(second, first.outputs) == {"emotion": [1, 2, 0]}
    assert label_orders(first, first.outputs) == {}


def test_different_labels_of_an_output_are_named(fakes):
    members = [fakes.member([fakes.emotion_task(labels)]) for labels in (("a", "b"), ("a", "c"))]
    with pytest.raises(BundleError, match="only in the first: b; only in the second: c"):
        joint_tasks(members)


def test_outputs_with_the_same_name_and_another_objective_are_named(fakes):
    first, second = fakes.member([fakes.emotion_task()]), fakes.member([fakes.emotion_task()])
    events = OutputSpec("emotion", ("calm", "tense", "warm"), "utterance", "multi_label")
    other = SimpleNamespace(name="emotion", outputs=(events,))
    with pytest.raises(BundleError, match="cross_entropy per utterance and multi_label per utterance"):
        joint_tasks([first, replace(second, tasks=(other,))])


def blanks(fakes, labels, blank):
    spec = OutputSpec("phones", labels, "frame", "ctc", options={"blank": blank})
    task = SimpleNamespace(name="phones", outputs=(spec,), inputs=())
    return replace(fakes.member([fakes.phoneme_task()]), tasks=(task,))


def test_ctc_outputs_with_other_blanks_are_not_averaged(fakes):
    first, second = blanks(fakes, ("x", "y", "z"), 0), blanks(fakes, ("x", "y", "z"), 2)
    with pytest.raises(BundleError, match="'phones' has another meaning.*blank 'x' and .*blank 'z'"):
        joint_tasks([first, second])


def test_a_blank_at_another_index_is_the_same_blank(fakes):
    """Columns are reordered by label: z is the blank of both."""
    first, second = blanks(fakes, ("x", "y", "z"), 2), blanks(fakes, ("z", "x", "y"), 0)
    assert [task.name for task in joint_tasks([first, second])] == ["phones"]
    assert label_orders(second, first.outputs) == {"phones": [1, 2, 0]}


def test_card_with_faulty_or_contradicting_parts_is_refused(fakes, tmp_path):
    bundle = fakes.make_bundle(tmp_path / "b", [fakes.emotion_task()])
    outputs = [{**bundle.card["outputs"][0], "labels": ["calm", "tense"]}]
    for changes, words in [
        ({"outputs": outputs}, "not the labels that task settings give 'emotion'"),
        ({"preprocessing": {"sample_rate_hz": "fast"}}, "'preprocessing' is faulty .*sample_rate_hz"),
    ]:
        with pytest.raises(BundleError, match=words):
            Member.of(Bundle(bundle.path, {**bundle.card, **changes}), backend=None)


def test_labels_stored_as_separate_hangul_letters_are_composed(fakes, tmp_path):
    bundle = fakes.make_bundle(tmp_path / "b", [fakes.emotion_task(("불안", "기쁨"))])
    apart = [normalize("NFD", label) for label in ("불안", "기쁨")]
    stored = Bundle(bundle.path, {**bundle.card, "outputs": [{**bundle.card["outputs"][0], "labels": apart}]})
    assert Member.of(stored, backend=None).outputs["emotion"].labels == ("불안", "기쁨")
