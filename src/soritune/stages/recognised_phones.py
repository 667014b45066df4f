"""Recognised text through the Korean G2P, as predictions of phones: a baseline for phone models, without training.

The file is scored, reported and compared like that of a model. Next: `reports/score.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soritune.bundles.versions import versions
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, SorituneError
from soritune.inference.clips import Clip
from soritune.inference.header import FROM_TEXT, SCHEMA, Header
from soritune.inference.predictions import Row, write_predictions
from soritune.inference.recognition.recogniser import RecognisedText, Recogniser
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask
from soritune.tasks.results import Prediction

Result = tuple[Clip, RecognisedText | AudioError]


def write_recognised_phones(
    path: Path, results: Iterable[Result], recogniser: Recogniser, data: Mapping[str, Any] | None = None
) -> tuple[int, int]:
    """Writes a predictions file with the phones of recognised texts; returns the rows that were predicted and failed.

    Clips without words have no phones. None is left out for its confidence: a score of the better clips alone would be
    too good.

    Args:
        path: the file.
        results: the clips and their texts.
        recogniser: that made the texts.
        data: what the header states about the rows, as `select_rows` gives it.

    Raises:
        OutputError: the path cannot be written to.
    """
    task = PhonemeTask(PhonemeConfig())
    record = recogniser.record()
    bundle = {"name": f"{recogniser.name}: recognised text through the G2P", "sha256": record.get("sha256")}
    known = dict(data or {})
    header = Header(
        {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "recogniser": record,
            FROM_TEXT: True,
            "bundle": bundle,
            "bundles": [bundle],
            "tasks": [{"name": task.name, "config": task.config.model_dump(mode="json")}],
            "data": known,
            "synthetic": bool(known.get("synthetic")),
            "versions": versions(),
        }
    )
    return write_predictions(path, header, _rows(task, results, recogniser.language))


def _rows(task: PhonemeTask, results: Iterable[Result], language: str) -> Iterator[Row]:
    for clip, text in results:
        row: Row = {"id": clip.id, "audio": clip.audio}
        if isinstance(text, AudioError):
            yield {**row, "error": text.reason}
            continue
        try:
            reference = None if clip.utterance is None else task.reference(clip.utterance)
            prediction = phones_of_text(task, text.text, text.confidence, language)
        except SorituneError as error:
            yield {**row, "error": str(error)}
            continue
        row |= {"duration_s": round(text.duration_s, 4), "groups": dict(clip.groups)}
        row["tasks"] = {task.name: {"prediction": prediction.to_json(), "reference": reference}}
        places = {"start_s": clip.start_s, "channel": clip.channel}
        row |= {name: value for name, value in places.items() if value is not None}
        yield {**row, **text.fields()}


def phones_of_text(task: PhonemeTask, text: str, confidence: float | None, language: str) -> Prediction:
    """The phones of a recognised text; none for a text that is not Korean."""
    row = Utterance(id="", audio="", duration_s=0.0, text=text, language=language)
    phones = task.phones_of(row) or []
    return task.prediction_of(phones, confidence)
