"""Settings of the task `mispronunciation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from soritune.korean.phones import ARPABET, KOREAN
from soritune.metrics.mispronunciation import SILENCE
from soritune.settings import Settings
from soritune.tasks.frame_heads import FrameHeadSettings
from soritune.tasks.labels import BLANK
from soritune.tasks.phones.annotated_phones import Scheme
from soritune.tasks.segment_head import SegmentHeadSettings
from soritune.tasks.task import TaskConfig

UNINTELLIGIBLE = "err"
"""A sound that annotators could not identify; a phone of its own in second-language corpora."""
L2_ARPABET: tuple[str, ...] = (*(phone.lower() for phone in ARPABET.symbols), UNINTELLIGIBLE)
INVENTORIES: dict[str, tuple[str, ...]] = {"arpabet": L2_ARPABET, "korean": KOREAN.symbols}


class ErrorThresholds(Settings):
    """Probabilities of an error from which a phone is called wrong, chosen on validation speakers."""

    best_f1: float | None = Field(None, ge=0)
    """The highest F1."""
    low_rejection: float | None = Field(None, ge=0)
    """The lowest one at which at most 5 % of the correct phones are called wrong."""
    speakers: int | None = Field(None, ge=0)
    """Number of speakers that they were chosen on."""
    phones: int | None = Field(None, ge=0)
    """Number of phones of these speakers."""


class MispronunciationConfig(TaskConfig):
    """Settings of the task `mispronunciation`."""

    task: Literal["phoneme", "error", "both"] = "both"
    """The outputs of the model."""
    labels: Scheme
    """What the letters of `error_labels` mean: C and I (or E) for any error, or C, S, D, and I for an insertion. No
    default: corpora differ."""
    inventory: Literal["korean", "arpabet"] | tuple[str, ...] = "arpabet"
    """The phones: "arpabet" is 39 in lower case without stress and `err`; "korean"; or the symbols themselves."""
    fold: tuple[Literal["case", "stress"], ...] = ()
    """Of the arpabet inventory: read AH as ah ("case"), ah0 as ah ("stress")."""
    language: str | None = None
    """Rows in any other language (manifest field `language`) are ignored; with or without a region (`en`, `en-US`).
    null takes all rows."""
    gap: str = SILENCE
    """Symbol of a gap in the aligned phones and of real silence."""
    phoneme_output: str = Field("phoneme", min_length=1)
    """Name of the phone output; change it if another task's output is called `phoneme` too."""
    phoneme_weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of the phone output's loss in the total."""
    error_weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of the error output's loss in the total."""
    phoneme_layer: int | str | tuple[int, ...] = "last"
    """What the phone head reads: "last", "weighted", the number of a transformer layer, or several numbers."""
    error_layer: int | str | tuple[int, ...] = "last"
    """What the error head reads."""
    phoneme_head: FrameHeadSettings = Field(default_factory=FrameHeadSettings)
    """What is between that and the linear layer of the phones."""
    error_head: FrameHeadSettings = Field(default_factory=FrameHeadSettings)
    """The same of the labels."""
    error_decoding: Literal["greedy", "slots"] = "greedy"
    """How the labels are read: "greedy" gives as many as the output has; "slots" gives exactly one for each phone of a
    known text. With a phone output, a label is sought where its phone is."""
    segment_head: SegmentHeadSettings | None = None
    """A further output that labels each phone of the text from the frames in which it is spoken; null leaves it out."""
    thresholds: Mapping[Literal["slots", "segment"], ErrorThresholds] = Field(default_factory=dict)
    """Probabilities of an error from which a phone is called wrong, as `soritune calibrate` finds them on validation
    speakers. Without them it is 0.5 for the segment head, and the most probable path for slots."""
    operating_point: Literal["best_f1", "low_rejection"] = "best_f1"
    """Which of the thresholds is used."""

    @model_validator(mode="after")
    def _sound(self) -> MispronunciationConfig:
        phones = self.phones
        if len(set(phones)) != len(phones) or not phones:
            raise ValueError(f"inventory must be distinct phones, got {list(phones)}")
        if self.fold and self.inventory != "arpabet":
            raise ValueError(
                "fold is for inventory=arpabet only; in other inventories case and digits distinguish phones"
            )
        reserved = next((symbol for symbol in (self.gap, BLANK, SILENCE) if symbol in phones), None)
        if reserved is not None:
            raise ValueError(f"'{reserved}' is a gap, a silence or the blank and cannot be a phone too")
        if self.segment_head is not None and self.task == "error":
            raise ValueError("segment_head reads the phone output; set task to both or phoneme")
        if self.error_decoding == "slots" and self.task == "phoneme":
            raise ValueError("error_decoding=slots reads the error output; set task to both or error")
        return self

    def idle_settings(self) -> dict[str, str]:
        """Settings of an output that `task` leaves out."""
        parts = {"phoneme": ("error_weight", "error_layer", "error_head"), "both": ()}
        idle = parts.get(self.task, ("phoneme_weight", "phoneme_layer", "phoneme_output", "phoneme_head"))
        return {
            **self.phoneme_head.idle_settings("phoneme_head"),
            **self.error_head.idle_settings("error_head"),
            **({} if self.thresholds else {"operating_point": "without thresholds (soritune calibrate)"}),
            **dict.fromkeys(idle, f"with tasks.mispronunciation.task={self.task}"),
        }

    @property
    def phones(self) -> tuple[str, ...]:
        """The symbols of the inventory."""
        return INVENTORIES[self.inventory] if isinstance(self.inventory, str) else self.inventory
