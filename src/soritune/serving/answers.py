"""What a model found in a clip as JSON: the predictions of `soritune predict`, with the times of phones.

Next: `serving/transcriptions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soritune.errors import TextError
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.json_values import without_nan
from soritune.inference.predictions import Row
from soritune.korean.phones import WORD_BOUNDARY, phones_to_hangul
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.labels import SPECIAL_TOKENS
from soritune.tasks.specs import OutputSpec

PHONES, EMOTION = "phoneme", ("emotion", "emotion-multilabel")
"""The task of `/v1/phonemes` and those of `/v1/emotion`; other tasks are in the answers of the other routes."""
AS_PRONOUNCED, AS_PHONES, AS_WORDS = "as_pronounced", "phones", "words"
"""Kinds of text: Hangul as it is pronounced, phones with spaces, or words as a recogniser writes them."""
BLANK_OPTION = "blank"
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Symbol:
    """A decoded symbol of an output with frames, such as a phone."""

    symbol: str
    start_s: float
    end_s: float
    confidence: float

    def moved(self, seconds: float) -> Symbol:
        """The same, later."""
        return Symbol(self.symbol, self.start_s + seconds, self.end_s + seconds, self.confidence)

    def to_json(self) -> dict[str, Any]:
        """Times and the probability to four decimals."""
        return {
            "symbol": self.symbol,
            "start_s": round(self.start_s, DIGITS),
            "end_s": round(self.end_s, DIGITS),
            "confidence": round(self.confidence, DIGITS),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model found in one clip."""

    model: str
    row: Row
    """As in a predictions file, with the tasks that are served here."""
    symbols: Mapping[str, tuple[Symbol, ...]]
    """Of each CTC output."""

    @property
    def duration_s(self) -> float:
        """Of the clip."""
        return float(self.row["duration_s"])

    def prediction(self, task: str) -> Mapping[str, Any] | None:
        """The prediction of a task as JSON; None if the model does not have the task."""
        answer = self.row["tasks"].get(task)
        return None if answer is None else answer["prediction"]

    @property
    def has_emotion(self) -> bool:
        """Whether it has a label for `/v1/emotion`; a model that reads a text gives no label without it."""
        return any(name in EMOTION for name in self.row["tasks"])

    def to_json(self) -> dict[str, Any]:
        """All tasks."""
        return _finite(
            {
                **self._head(),
                "tasks": {name: answer["prediction"] for name, answer in self.row["tasks"].items()},
                "symbols": {
                    name: [symbol.to_json() for symbol in symbols] for name, symbols in self.symbols.items()
                },
                **self._windows(),
            }
        )

    def phones_json(self) -> dict[str, Any]:
        """The answer of `/v1/phonemes`."""
        prediction = self.prediction(PHONES) or {}
        text, kind = self.text
        return _finite(
            {
                **self._head(),
                **{key: value for key, value in prediction.items() if key != "task"},
                "text": text,
                "text_kind": kind,
                "times": [symbol.to_json() for symbol in self.symbols.get(PHONES, ())],
            }
        )

    def emotion_json(self) -> dict[str, Any]:
        """The answer of `/v1/emotion`."""
        name = next(name for name in EMOTION if name in self.row["tasks"])
        prediction = self.prediction(name) or {}
        return _finite({**self._head(), **prediction, **self._windows()})

    @property
    def text(self) -> tuple[str, str]:
        """The transcript, and which kind of text it is."""
        prediction = self.prediction(PHONES) or {}
        if "hangul" in prediction:
            return str(prediction["hangul"]), AS_PRONOUNCED
        return " ".join(prediction.get("phones", ())), AS_PHONES

    @property
    def words(self) -> list[tuple[str, float, float, float]]:
        """The words of the phones: text, start and end in seconds, mean confidence."""
        words: list[tuple[str, float, float, float]] = []
        part: list[Symbol] = []
        for symbol in (*self.symbols.get(PHONES, ()), Symbol(WORD_BOUNDARY, 0, 0, 0)):
            if symbol.symbol != WORD_BOUNDARY:
                part.append(symbol)
            elif part:
                confidence = sum(each.confidence for each in part) / len(part)
                words.append((self._spelt(part), part[0].start_s, part[-1].end_s, confidence))
                part = []
        return words

    def _spelt(self, part: Sequence[Symbol]) -> str:
        phones = [symbol.symbol for symbol in part]
        if self.text[1] == AS_PRONOUNCED:
            try:
                return phones_to_hangul(phones)
            except TextError:
                pass
        return " ".join(phones)

    def _head(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "duration_s": self.row["duration_s"],
            **({"channel": self.row["channel"]} if "channel" in self.row else {}),
            "speech": not self.row.get("no_speech", False),
        }

    def _windows(self) -> dict[str, Any]:
        return {name: self.row[name] for name in ("windows", "segments") if name in self.row}


def symbols_of(posteriors: Posteriors, spec: OutputSpec, decoder: Decoder) -> tuple[Symbol, ...]:
    """The symbols of a CTC output with their times, without special tokens."""
    decoded = decoder.decode(
        posteriors.outputs[spec.name], spec.labels, int(spec.options[BLANK_OPTION])
    ).without(SPECIAL_TOKENS)
    rate, end = posteriors.frame_rates_hz[spec.name], posteriors.duration_s
    return tuple(
        Symbol(symbol, min(first / rate, end), min((last + 1) / rate, end), float(np.exp(score)))
        for symbol, first, last, score in zip(
            decoded.symbols,
            decoded.first_frames.tolist(),
            decoded.last_frames.tolist(),
            decoded.log_probabilities.tolist(),
            strict=True,
        )
    )


def _finite(content: dict[str, Any]) -> dict[str, Any]:
    """JSON without nan, which JSON does not have."""
    result: dict[str, Any] = without_nan(content)
    return result
