"""Settings of the task `mispronunciation`."""

from __future__ import annotations

from soritune.tasks.mispronunciation_settings import L2_ARPABET, MispronunciationConfig


def test_inventories_have_their_phones() -> None:
    assert MispronunciationConfig(labels="correct-incorrect").phones == L2_ARPABET
    assert len(L2_ARPABET) == 40 and L2_ARPABET[-1] == "err"
    assert MispronunciationConfig(labels="correct-incorrect", inventory=("a", "b")).phones == ("a", "b")


def test_operating_point_without_thresholds_is_idle() -> None:
    plain = MispronunciationConfig(labels="correct-incorrect")
    assert "operating_point" in plain.idle_settings()
    chosen = MispronunciationConfig.model_validate(
        {"labels": "correct-incorrect", "thresholds": {"segment": {"best_f1": 0.3}}}
    )
    assert "operating_point" not in chosen.idle_settings()
