from __future__ import annotations

import unicodedata

import pytest

from soritune.tasks.label_names import LabelNames, compose

NAMES = LabelNames.model_validate({"labels": ["기쁨", 2], "rename": {"happy": "기쁨"}, "leave_out": ["중립"]})


def test_labels_are_spelt_as_the_settings_spell_them() -> None:
    apart = unicodedata.normalize("NFD", " 기쁨")
    assert [NAMES.spelling(written) for written in (apart, "2.0", 2, "3.0")] == ["기쁨", "2", "2", "3"]
    assert compose(True) is True


def test_classes_follow_from_rename_and_leave_out() -> None:
    assert [NAMES.class_of(label) for label in ("happy", "중립", "other")] == ["기쁨", None, "other"]
    assert NAMES.names == {"기쁨", "2", "happy", "중립"}


def test_notes_name_the_settings_of_the_task() -> None:
    assert NAMES.leave_out_notes(["happy"], "emotion") == [
        "tasks.emotion.leave_out has 중립, which no utterance is labelled"
    ]
    assert NAMES.leave_out_advice(["happy", "sad"], "emotion") == (
        "leave rows out on purpose with tasks.emotion.leave_out=[중립, sad]"
    )
    assert NAMES.leave_out_advice(["happy", "중립"], "emotion") == ""
    assert NAMES.label_notes(["2"], "emotion-multilabel") == [
        "no utterance at all is labelled 기쁨, which tasks.emotion-multilabel.labels contains",
        "tasks.emotion-multilabel.rename has happy, which no usable utterance is labelled",
    ]


def test_a_single_label_is_refused() -> None:
    with pytest.raises(ValueError, match="two distinct names"):
        LabelNames(labels=("기쁨",))
