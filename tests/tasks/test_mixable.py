from __future__ import annotations

from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.mixable import unmixable_parts
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask
from soritune.tasks.specs import InputSpec

EMOTION = EmotionTask(EmotionConfig(labels=("a", "b")))


class WithAge(EmotionTask):
    """The emotion task with an input beside the waveform."""

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return (InputSpec("age", "age", "age", "number"),)


def test_classes_of_utterances_can_be_mixed() -> None:
    assert unmixable_parts([EMOTION]) == []
    assert unmixable_parts([]) == []


def test_sequences_and_inputs_cannot_be_mixed() -> None:
    parts = unmixable_parts([WithAge(EMOTION.config), PhonemeTask(PhonemeConfig())])
    assert parts == [
        "the output 'phoneme' is trained by ctc per frame, whose targets cannot be mixed",
        "the input 'age' of a row cannot be mixed with another row's",
    ]
