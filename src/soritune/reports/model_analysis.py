"""Everything that is reported about one judged model, as one JSON: rates, groups with their gaps, phones.

Next: `reports/comparison_page.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.inference.json_values import without_nan
from soritune.inference.predictions import Predictions, read_predictions
from soritune.reports.group_gaps import FieldGroups, field_groups
from soritune.reports.phone_analysis import PhoneAnalysis
from soritune.reports.report import predictions_of
from soritune.reports.score import CountedPairs, pairs_of
from soritune.reports.scores import Scores, TaskScores, load_scores
from soritune.run_folder import RunFolder
from soritune.tasks.results import Pair
from soritune.tasks.task import Task

SCHEMA = "soritune.analysis/1"


@dataclass(frozen=True, slots=True)
class TaskAnalysis:
    """One task of a model."""

    task: Task
    scores: TaskScores
    pairs: Sequence[Pair]
    fields: tuple[FieldGroups, ...]
    phones: PhoneAnalysis | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        metric = self.scores.primary_metric
        return {
            "primary_metric": {"name": metric.name, "higher_is_better": metric.higher_is_better},
            "num_utterances": self.scores.num_utterances,
            "num_speakers": self.scores.num_speakers,
            "hours": self.scores.hours,
            "rates": {name: interval.to_json() for name, interval in self.scores.rates.items()},
            "fields": {each.field: each.to_json() for each in self.fields},
            "phones": None if self.phones is None else self.phones.to_json(),
        }


@dataclass(frozen=True, slots=True)
class ModelAnalysis:
    """A model that was judged."""

    name: str
    path: str
    scores: Scores
    predictions: Predictions
    tasks: dict[str, TaskAnalysis]

    @classmethod
    def of(cls, name: str, path: Path | str, *, resamples: int = 1000, seed: int = 0) -> ModelAnalysis:
        """Analyses a scores file and its predictions.

        Args:
            name: of the model.
            path: scores.json or a folder with one; the predictions are beside it or below it.
            resamples: draws of speakers.
            seed: of the draws.

        Raises:
            ManifestError: scores or predictions are missing or damaged.
        """
        scores = load_scores(path)
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        predictions = read_predictions(predictions_of(RunFolder(folder), scores))
        tasks = {}
        for task_name, task_scores in scores.tasks.items():
            task = predictions.header.tasks_by_name[task_name]
            pairs = pairs_of(predictions, task_name)
            counted = CountedPairs.of(task, pairs, resamples, seed, folder)
            inventory = getattr(task, "phones", ())
            tasks[task_name] = TaskAnalysis(
                task,
                task_scores,
                pairs,
                tuple(field_groups(counted)),
                PhoneAnalysis.of(pairs, inventory, resamples=resamples, seed=seed),
            )
        return cls(name, str(path), scores, predictions, tasks)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what cannot be computed is null."""
        model = self.scores.header.model
        content: dict[str, Any] = without_nan(
            {
                "schema": SCHEMA,
                "name": self.name,
                "path": self.path,
                "model": {"name": model.name, "folder": model.folder, "sha256": model.sha256},
                "synthetic": self.scores.synthetic,
                "warnings": list(self.scores.warnings),
                "tasks": {name: task.to_json() for name, task in self.tasks.items()},
            }
        )
        return content
