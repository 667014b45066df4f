"""What `soritune predict` keeps of the rows that it makes: enough for its tables, and no more of a large corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from soritune.cli.prediction_tables import SHOWN

if TYPE_CHECKING:
    from soritune.inference.predictions import Row


@dataclass(slots=True)
class KeptRows:
    """What is kept in memory of the predictions: the first rows, failed rows, and the labels of all rows."""

    keep_all: bool
    single_label_tasks: frozenset[str]
    """Names of the tasks whose predictions are one label."""
    skipped: int = 0
    """First rows that are those of an earlier call, of which nothing is kept."""
    rows: list[Row] = field(default_factory=list)
    labels: dict[str, list[Row]] = field(default_factory=dict)
    """Task to rows with nothing but label and confidence."""
    predicted: int = 0
    failed: int = 0
    without_speech: int = 0
    failed_files: set[str] = field(default_factory=set)
    """Recordings of which a clip failed."""
    single_channel: int = 0
    """Predicted clips that are not of one channel among several."""

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Passes the rows on as they come."""
        stream = iter(rows)
        yield from islice(stream, self.skipped)
        for row in stream:
            has_failed = "error" in row
            if has_failed:
                self.failed_files.add(str(row["audio"]))
            self.failed, self.predicted = self.failed + has_failed, self.predicted + (not has_failed)
            self.without_speech += bool(row.get("no_speech"))
            self.single_channel += not has_failed and "channel" not in row
            if self.keep_all or len(self.rows) < SHOWN or has_failed:
                # Windows of hours are many, and the tables do not show them.
                self.rows.append(row if self.keep_all else {k: v for k, v in row.items() if k != "windows"})
            for name in self.single_label_tasks & row.get("tasks", {}).keys():
                prediction = row["tasks"][name]["prediction"]
                light = {key: prediction.get(key) for key in ("label", "confidence", "uncertain")}
                self.labels.setdefault(name, []).append(
                    {"no_speech": row.get("no_speech"), "tasks": {name: {"prediction": light}}}
                )
            yield row


def added(rows: Iterable[Row], add: Callable[[Row], None] | None) -> Iterator[Row]:
    """Passes the rows on, and adds each to a file."""
    for row in rows:
        if add is not None:
            add(row)
        yield row
