from __future__ import annotations

import pytest

from soritune.tasks.emotion_settings import EmotionConfig

LABELS = ("a", "b")


def test_columns_of_ratings_may_be_one_name() -> None:
    assert EmotionConfig.model_validate({"labels": LABELS, "ratings": "votes"}).ratings == ("votes",)
    with pytest.raises(ValueError, match="one column or several different ones"):
        EmotionConfig(labels=LABELS, ratings=("votes", "votes"))


def test_settings_of_ratings_have_no_effect_without_a_target() -> None:
    assert {"ratings", "ties"} <= set(EmotionConfig(labels=LABELS).idle_settings())
    assert EmotionConfig(labels=LABELS, rated_target="majority", ties="leave_out").idle_settings() == {}
    soft = EmotionConfig(labels=LABELS, rated_target="soft", ties="leave_out")
    assert list(soft.idle_settings()) == ["ties"]
