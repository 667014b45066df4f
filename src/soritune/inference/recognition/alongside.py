"""Predictions with the recognised text of each clip beside them. Next: `inference/predictor.py`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from soritune.errors import AudioError
from soritune.inference.clips import Clip, Item, Rows, clips_of
from soritune.inference.predictions import Row
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import RecognisedText, Recogniser, recognise_clip


def predict_with_text(
    predictor: Predictor,
    recogniser: Recogniser,
    items: Iterable[Item] | Rows,
    *,
    groups: Mapping[str, Any] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Row]:
    """The rows of `Predictor.predict`, with the fields of `RecognisedText.fields`.

    An input of the model that reads the text of a clip gets the recognised one if the row or request has no text; a
    text that is given is never replaced. A text is not a prompt: tasks that compare speech with a prompt do not get it.

    Args:
        predictor: the models.
        recogniser: makes text from speech.
        items: as for `Predictor.predict`.
        groups: as for `Predictor.predict`.
        progress: called with how many more clips are recognised.

    Raises:
        AudioError: a folder without audio files, or an item of another type.
    """
    return predict_clips_with_text(predictor, recogniser, clips_of(items, groups), progress=progress)


def predict_clips_with_text(
    predictor: Predictor,
    recogniser: Recogniser,
    clips: Iterable[Clip],
    *,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Row]:
    """As `predict_with_text`, for clips made elsewhere."""
    waiting: deque[RecognisedText | None] = deque()

    def recognised() -> Iterator[Clip]:
        for clip in clips:
            try:
                text = recognise_clip(recogniser, clip)
            except AudioError:  # the predictor reports it
                text = None
            waiting.append(text)
            if progress is not None:
                progress(clip.share)
            yield clip if text is None else replace(clip, recognised=text.text)

    for row in predictor.predict_clips(recognised()):
        text = waiting.popleft()
        yield row if text is None or "error" in row else {**row, **text.fields()}
