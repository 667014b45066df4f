"""Transcriptions in the form of OpenAI: json, text, verbose_json, srt and vtt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from soritune.inference.recognition.recogniser import RecognisedText
from soritune.serving.answers import AS_WORDS, Answer

Format = Literal["json", "text", "verbose_json", "srt", "vtt"]
PAUSE_S, LONGEST_S = 0.8, 6.0
"""A subtitle ends before a pause, and when it has lasted this long."""


class Word(NamedTuple):
    """A word with its times in seconds."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """A text with the times of its words."""

    model: str
    text: str
    kind: str
    """as_pronounced, phones or words."""
    words: tuple[Word, ...]
    duration_s: float
    language: str = "ko"

    @classmethod
    def of_answer(cls, answer: Answer) -> Transcript:
        """The transcript of a model of phones."""
        text, kind = answer.text
        words = tuple(Word(*word) for word in answer.words)
        return cls(answer.model, text, kind, words, answer.duration_s)

    @classmethod
    def of_words(cls, model: str, language: str, recognised: RecognisedText) -> Transcript:
        """The transcript of a recogniser of words."""
        words = tuple(Word(each.word, each.start_s, each.end_s, each.confidence) for each in recognised.words)
        return cls(model, recognised.text, AS_WORDS, words, recognised.duration_s, language)

    def segments(self) -> list[tuple[Word, ...]]:
        """The words of each subtitle."""
        segments: list[tuple[Word, ...]] = []
        part: list[Word] = []
        for word in self.words:
            if part and (word.start - part[-1].end >= PAUSE_S or word.end - part[0].start > LONGEST_S):
                segments.append(tuple(part))
                part = []
            part.append(word)
        return [*segments, tuple(part)] if part else segments

    def to_json(self) -> dict[str, Any]:
        """`{"text", "text_kind", "model"}`."""
        return {"text": self.text, "text_kind": self.kind, "model": self.model}

    def verbose_json(self, granularities: Sequence[str] = ("segment",)) -> dict[str, Any]:
        """Also the duration, and the segments, words or both."""
        content: dict[str, Any] = {
            "task": "transcribe",
            "language": self.language,
            "duration": round(self.duration_s, 4),
            **self.to_json(),
        }
        if "word" in granularities:
            content["words"] = [
                {
                    "word": word.word,
                    "start": round(word.start, 3),
                    "end": round(word.end, 3),
                    "confidence": round(word.confidence, 4),
                }
                for word in self.words
            ]
        if "segment" in granularities:
            content["segments"] = [
                {
                    "id": index,
                    "start": round(part[0].start, 3),
                    "end": round(part[-1].end, 3),
                    "text": _joined(part),
                }
                for index, part in enumerate(self.segments())
            ]
        return content

    def srt(self) -> str:
        """SubRip: numbered blocks with a comma before the milliseconds."""
        return "\n".join(
            f"{number}\n{_time(part[0].start, ',')} --> {_time(part[-1].end, ',')}\n{_joined(part)}\n"
            for number, part in enumerate(self.segments(), 1)
        )

    def vtt(self) -> str:
        """WebVTT: a header, and blocks with a full stop before the milliseconds."""
        blocks = (
            f"{_time(part[0].start, '.')} --> {_time(part[-1].end, '.')}\n{_joined(part)}\n"
            for part in self.segments()
        )
        return "\n".join(("WEBVTT\n", *blocks))


def _joined(part: Sequence[Word]) -> str:
    return " ".join(word.word.strip() for word in part)


def _time(seconds: float, mark: str) -> str:
    """HH:MM:SS,mmm."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"
