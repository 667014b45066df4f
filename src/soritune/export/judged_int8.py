"""What int8 costs: the rates of a model on the rows of a manifest, with float32 and with int8 weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.corpus.manifest import Manifest
from soritune.inference.origin import make_header
from soritune.inference.predictions import write_predictions
from soritune.inference.predictor import Predictor
from soritune.progress import Console
from soritune.reports.compare import compare
from soritune.reports.score import score_predictions


@dataclass(frozen=True, slots=True)
class Cost:
    """The primary rate of one task."""

    task: str
    rate: str
    float32: float
    int8: float
    loss: float
    """How much worse int8 is, in hundredths of the rate: points, if the rate is a share. Below zero if it is better."""
    interval: tuple[float, float]
    """95 % of `loss`, paired over speakers."""
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for the card."""
        return {
            "task": self.task,
            "rate": self.rate,
            "float32": self.float32,
            "int8": self.int8,
            "loss_points": self.loss,
            "interval": list(self.interval),
            "rows": self.rows,
        }

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.task}/{self.rate}: float32 {self.float32:.4f}, int8 {self.int8:.4f}, loss {self.loss:+.2f} points "
            f"[{low:+.2f}, {high:+.2f}] on {self.rows} rows"
        )


def costs(float32: Path, int8: Path, rows: Manifest, work: Path, console: Console) -> Sequence[Cost]:
    """Predicts and scores the rows with both folders.

    Args:
        float32, int8: ONNX folders of one model.
        rows: with references.
        work: a folder for the predictions and scores.
        console: where progress bars are shown.

    Raises:
        ManifestError: no row has a reference.
    """
    files = []
    for name, folder in (("float32", float32), ("int8", int8)):
        predictor = Predictor.load(folder, vad="off")
        predictions = work / f"{name}.jsonl"
        with console.bar(name, len(rows)) as bar:
            write_predictions(
                predictions, make_header(predictor), predictor.predict(rows, progress=bar.advance)
            )
        files.append(score_predictions(predictions, group_by=()).save(work / f"{name}.json"))
    result = []
    for task in compare(files).tasks:
        before, after = task.rates[task.primary]
        difference = task.differences[1]
        if before is None or after is None:
            continue
        sign = -100 if task.higher_is_better else 100
        loss = sign * (after.value - before.value)
        ends = (loss, loss)
        if difference is not None and task.primary in difference:
            gap = difference[task.primary]
            low, high = sorted((sign * gap.low, sign * gap.high))
            ends = (low, high)
        result.append(Cost(task.name, task.primary, before.value, after.value, loss, ends, len(rows)))
    return result
