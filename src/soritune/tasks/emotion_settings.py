"""Settings of the task `emotion`."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import field_validator

from soritune.tasks.inputs.text_encoder import TextSettings
from soritune.tasks.label_names import LabelNames


class EmotionConfig(LabelNames):
    """Settings of the task `emotion`."""

    class_weights: Literal["none", "balanced"] | tuple[float, ...] = "none"
    """"balanced": rows / (classes × rows of the class), from the training split, where a row counts for each class with
    its share of the ratings; or one weight per class."""
    metric: Literal["wa", "ua", "macro_f1"] = "ua"
    """The rate by which models are chosen; the mean recall does not reward a frequent class."""
    text: TextSettings | None = None
    """The text of an utterance as a second input; None uses the audio alone."""
    rated_target: Literal["soft", "majority"] | None = None
    """What several ratings of a row become: "soft", the share of the ratings of each class; "majority", the class with
    the most ratings. None reads the column `emotion` alone. Rows without ratings have the label in that column."""
    ratings: tuple[str, ...] = ("ratings",)
    """Column with all ratings of a row, or several columns, one for each rater."""
    ties: Literal["no_label", "leave_out", "emotion"] = "no_label"
    """The label of a row whose ratings have no majority: no label; none, on purpose (with "majority", the row does not
    count as lost); or the label in the column `emotion`, if it is one of the tied classes."""

    def idle_settings(self) -> dict[str, str]:
        """See `TaskConfig.idle_settings`."""
        idle = {}
        if self.text is not None and self.text.tune != "lora":
            idle["text.lora"] = "unless tasks.emotion.text.tune=lora"
        if self.text is not None and self.text.fusion == "text_only":
            why = "with tasks.emotion.text.fusion=text_only"
            idle |= dict.fromkeys(("text.dropout", "text.text_weight"), why)
        if self.rated_target is None:
            why = "unless tasks.emotion.rated_target is set to soft or majority"
            idle |= dict.fromkeys(("ratings", "ties"), why)
        elif self.rated_target == "soft" and self.ties == "leave_out":
            idle["ties"] = "with tasks.emotion.rated_target=soft, which trains on tied rows too"
        return idle

    @field_validator("ratings", mode="before")
    @classmethod
    def _one_or_several(cls, columns: Any) -> Any:
        return (columns,) if isinstance(columns, str) else columns

    @field_validator("ratings")
    @classmethod
    def _named_once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if not columns or not all(columns) or len(set(columns)) != len(columns):
            raise ValueError(f"ratings must name one column or several different ones, got {list(columns)}")
        return columns

    @field_validator("class_weights")
    @classmethod
    def _sound(cls, weights: Any) -> Any:
        if isinstance(weights, tuple) and (not all(0 <= w < math.inf for w in weights) or sum(weights) == 0):
            raise ValueError("class weights must be finite, none below zero, and not all zero")
        return weights
