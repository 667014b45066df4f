"""What is kept of predicted rows for the tables of `predict`."""

from __future__ import annotations

from typing import Any

from soritune.cli.kept_rows import KeptRows, added
from soritune.cli.prediction_tables import SHOWN


def row(number: int, **more: Any) -> dict[str, Any]:
    answer = {"emotion": {"prediction": {"label": "calm", "confidence": 0.5}}}
    return {"id": str(number), "windows": [1, 2], "tasks": answer, **more}


def test_first_rows_and_all_failures_are_kept_without_windows() -> None:
    kept = KeptRows(keep_all=False, single_label_tasks=frozenset({"emotion"}))
    rows = [
        *map(row, range(SHOWN + 5)),
        {"id": "bad", "audio": "bad.wav", "error": "is empty"},
        row(999, no_speech=True),
    ]
    assert list(kept.watch(rows)) == rows
    assert [each["id"] for each in kept.rows] == [*map(str, range(SHOWN)), "bad"]
    assert not any("windows" in each for each in kept.rows)
    assert (kept.predicted, kept.failed, kept.without_speech) == (SHOWN + 6, 1, 1)
    assert len(kept.labels["emotion"]) == SHOWN + 6


def test_every_row_is_kept_whole_on_request() -> None:
    kept = KeptRows(keep_all=True, single_label_tasks=frozenset())
    rows = [row(number) for number in range(SHOWN + 5)]
    list(kept.watch(rows))
    assert kept.rows == rows


def test_rows_are_added_to_a_file_as_they_pass() -> None:
    seen: list[Any] = []
    assert list(added([row(1)], seen.append)) == [row(1)] == seen
    assert list(added([row(1)], None)) == [row(1)]
