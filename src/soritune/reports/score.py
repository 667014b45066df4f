"""predictions.jsonl to scores.json: every rate with an interval over speakers, also by group and by speaker.

Counts of utterances add, so a group is a sum and a bootstrap is a weighted sum. Per-speaker counts stay in
scores.json: `compare` pairs models by them without the audio or the models. Next: `reports/report.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from soritune.bundles.calibration import BundleCalibration
from soritune.bundles.versions import versions
from soritune.errors import ManifestError, SorituneError
from soritune.inference.predictions import Predictions, read_predictions
from soritune.metrics.bootstrap import Interval, paired_difference, speaker_intervals
from soritune.metrics.calibration import Calibration, calibration, without_temperature
from soritune.reports.baselines import baselines
from soritune.reports.confidence_scores import CertainScores, CoverageScores, Uncalibrated
from soritune.reports.grouping import UNKNOWN, Grouping, grouping
from soritune.reports.score_warnings import absent_groups, unlabelled, warnings_of
from soritune.reports.scores import GroupScores, Scores, SpeakerRate, SpeakerScores, TaskScores
from soritune.tasks.inputs.input import origin_fields
from soritune.tasks.results import Counts, Pair, Prediction, add_counts
from soritune.tasks.task import Task

_TOLERANCE = 0.02
"""By which rounded probabilities may miss a sum of 1."""
SPEAKERS_WITH_INTERVALS = 200
"""With more speakers than this, single speakers get a value without an interval."""
GROUPS_WITH_ALL_DRAWS = 20
"""Scripts or sessions can be thousands of groups. With more groups than this, coarser intervals are enough."""
FEWER_DRAWS = 200
DEFAULT_GROUPS = ("gender",)
"""Fields that rates are given for unless others are requested."""
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)
"""Shares of validation clips that keep their label, for which rates are given."""


def score_predictions(
    path: Path | str, *, group_by: Sequence[str] | None = None, resamples: int = 1000, seed: int = 0
) -> Scores:
    """Scores a predictions file.

    Args:
        path: predictions.jsonl with references (made from a manifest).
        group_by: fields of the rows' groups that rates are also given for: gender, age, source, snr_db, …; single
            speakers are always given. None groups by `DEFAULT_GROUPS`, as far as rows have them; fields that are
            requested and that no row has are reported.
        resamples: bootstrap draws of speakers.
        seed: of the draws.

    Raises:
        ManifestError: no such file, every clip failed, or no row of any task has a reference.
    """
    predictions = read_predictions(path)
    tasks: dict[str, TaskScores] = {}
    requested = group_by or ()
    group_by = tuple(
        dict.fromkeys(
            [*(DEFAULT_GROUPS if group_by is None else group_by), *origin_fields(predictions.tasks)]
        )
    )
    of_tasks: list[str] = []
    for task in predictions.tasks:
        pairs = pairs_of(predictions, task.name)
        if pairs:
            counted = CountedPairs.of(task, pairs, resamples, seed, path)
            scores = counted.scores(group_by, num_unlabelled=len(predictions.good) - len(pairs))
            tasks[task.name] = replace(
                scores,
                certain=_certain(predictions, counted),
                uncalibrated=_uncalibrated(predictions, counted),
                coverages=_coverages(predictions, counted),
            )
            of_tasks += task.score_warnings(pairs)
    if not tasks and predictions.failed and not predictions.good:
        first = predictions.failed[0]
        raise ManifestError(
            f"has no prediction to score: all {len(predictions.failed)} clips failed, first {first['id']}: "
            f"{first['error']}",
            path=path,
        )
    if not tasks:
        raise ManifestError(
            "has no row with a reference, so there is nothing to score; predict a manifest", path=path
        )
    speakers = {row["groups"].get("speaker") for row in predictions.good} - {None}
    missing = {name: scores.num_unlabelled for name, scores in tasks.items()}
    warnings = [
        *of_tasks,
        *warnings_of(predictions, len(speakers)),
        *unlabelled(missing, len(predictions.good)),
        *absent_groups(predictions, requested),
    ]
    return Scores(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        predictions=Path(path).name,
        synthetic=predictions.header.synthetic,
        num_utterances=len(predictions.good),
        num_failed=len(predictions.failed),
        num_speakers=len(speakers),
        hours=_hours(row["duration_s"] for row in predictions.good),
        resamples=resamples,
        seed=seed,
        warnings=tuple(warnings),
        tasks=tasks,
        header=predictions.header,
        versions=versions(),
    )


def pairs_of(predictions: Predictions, task: str) -> list[Pair]:
    """The rows that have a reference for `task`, as pairs."""
    pairs = []
    for row in predictions.good:
        answer = row["tasks"].get(task)
        if answer is not None and answer.get("reference") is not None:
            pairs.append(
                Pair(
                    id=row["id"],
                    reference=answer["reference"],
                    prediction=Prediction.from_json(answer["prediction"]),
                    groups=row.get("groups", {}),
                    duration_s=row["duration_s"],
                    audio=row["audio"],
                )
            )
    return pairs


def _counted(task: Task, pair: Pair, path: Path | str | None) -> Counts:
    fields = pair.prediction.fields
    probabilities = (fields.get("probabilities") or {}).values()
    # A model without finite outputs has no probabilities.
    total = 1.0 if None in probabilities else sum(probabilities, start=0.0)
    if task.single_label and probabilities and abs(total - 1) > _TOLERANCE:
        fault = f"the probabilities of {task.name} add to {total:.4g}, not to 1"
        raise ManifestError(f"row '{pair.id}': {fault}", path=path)
    try:
        return task.count(pair)
    except (SorituneError, KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ManifestError(
            f"row '{pair.id}': its prediction or reference is not one of the task {task.name} ({fault})",
            path=path,
        ) from error


def has_single_labels(task: Task, pairs: Sequence[Pair]) -> bool:
    """Whether every pair is a label with a confidence and a reference label. A file that was not written here may lack
    the confidence."""
    return task.single_label and all("confidence" in pair.prediction.fields for pair in pairs)


@dataclass(frozen=True, slots=True)
class CountedPairs:
    """One task's pairs with the counts and the speaker of each, and how intervals are drawn."""

    task: Task
    pairs: Sequence[Pair]
    counts: Sequence[Counts]
    speakers: Grouping
    by_speaker: Mapping[str, Counts]
    """The counts summed per speaker."""
    resamples: int
    seed: int

    @classmethod
    def of(
        cls, task: Task, pairs: Sequence[Pair], resamples: int, seed: int, path: Path | str | None = None
    ) -> CountedPairs:
        """Counts the pairs.

        Raises:
            ManifestError: a prediction or reference of the file `path` is not one of the task.
        """
        counts = [_counted(task, pair, path) for pair in pairs]
        speakers = grouping([_speaker(pair) for pair in pairs])
        return cls(task, pairs, counts, speakers, _sums(counts, speakers.names), resamples, seed)

    def scores(self, group_by: Sequence[str], *, num_unlabelled: int) -> TaskScores:
        """Rates over all speakers, by group and by speaker, beside the baselines."""
        return TaskScores(
            primary_metric=self.task.primary_metric,
            num_utterances=len(self.pairs),
            num_speakers=len(set(self.speakers.ordered) - {UNKNOWN}),
            hours=_hours(pair.duration_s for pair in self.pairs),
            rates=self.over_all(),
            groups={
                field: self._groups(field)
                for field in dict.fromkeys(group_by)
                if field != "speaker" and any(field in pair.groups for pair in self.pairs)
            },
            baselines=baselines(self.task, self.pairs, self.differences),
            calibration=_calibration(self.task, self.pairs),
            speakers=self._speakers(),
            num_unlabelled=num_unlabelled,
        )

    def over_all(self) -> dict[str, Interval]:
        """Rates over all speakers."""
        return self._intervals(self.by_speaker, self.resamples)

    def _intervals(self, summed: Mapping[str, Counts], resamples: int) -> dict[str, Interval]:
        """Rates over the speakers of `summed`."""
        return speaker_intervals(
            list(summed.values()),
            self.task.rates,
            resamples=resamples,
            seed=self.seed,
            contributes_fn=self.task.contributes,
        )

    def differences(self, guessed: Sequence[Counts]) -> Mapping[str, Interval]:
        """The model's rates minus a baseline's, whose counts are in the order of the pairs."""
        baseline = _sums(guessed, self.speakers.names)
        return paired_difference(
            [baseline[name] for name in self.by_speaker],
            list(self.by_speaker.values()),
            self.task.rates,
            resamples=self.resamples,
            seed=self.seed,
            contributes_fn=self.task.contributes,
        )

    def positions(self, field: str) -> dict[str, list[int]]:
        """The positions of the pairs with each value of a field of their groups."""
        return _positions(grouping([pair.groups.get(field) for pair in self.pairs]))

    def _groups(self, field: str) -> dict[str, GroupScores]:
        positions = self.positions(field)
        is_coarse = len(positions) > GROUPS_WITH_ALL_DRAWS
        draws = min(self.resamples, FEWER_DRAWS) if is_coarse else self.resamples
        groups = {}
        for name, inside in positions.items():
            counts = _sums([self.counts[i] for i in inside], [self.speakers.names[i] for i in inside])
            groups[name] = GroupScores(
                num_utterances=len(inside),
                num_speakers=len(set(counts) - {UNKNOWN}),
                hours=_hours(self.pairs[i].duration_s for i in inside),
                rates=self._intervals(counts, draws),
            )
        return groups

    def _speakers(self) -> dict[str, SpeakerScores]:
        """Per speaker: counts, and rates with an interval over that speaker's own utterances."""
        draws = FEWER_DRAWS if len(self.speakers.ordered) <= SPEAKERS_WITH_INTERVALS else 0
        speakers = {}
        for name, inside in _positions(self.speakers).items():
            counts = [self.counts[i] for i in inside]
            rates = speaker_intervals(counts, self.task.rates, resamples=draws, seed=self.seed)
            speakers[name] = SpeakerScores(
                num_utterances=len(inside),
                hours=_hours(self.pairs[i].duration_s for i in inside),
                rates={
                    rate: SpeakerRate(range_.value, range_.low, range_.high) for rate, range_ in rates.items()
                },
                counts=add_counts(counts),
            )
        return speakers


def _certain(predictions: Predictions, all_pairs: CountedPairs) -> CertainScores | None:
    """Rates over the clips that hold speech and have a certain label; None if no label counts as uncertain."""
    task, header = all_pairs.task, predictions.header
    threshold = header.threshold(task.name)
    if threshold is None or not task.single_label:
        return None
    silent = _silent(predictions)
    pairs = [
        pair
        for pair in all_pairs.pairs
        if pair.id not in silent and not pair.prediction.fields.get("uncertain")
    ]
    share, rates = _over(pairs, all_pairs)
    return CertainScores(threshold, len(pairs), share, rates, header.coverage)


def _coverages(predictions: Predictions, all_pairs: CountedPairs) -> tuple[CoverageScores, ...]:
    """Rates over the clips that hold speech and keep their label, at several coverages of the validation clips; empty
    unless the predictions are those of a single model with thresholds."""
    task, calibration = all_pairs.task, _calibration_of_model(predictions)
    if calibration is None or not has_single_labels(task, all_pairs.pairs):
        return ()
    silent = _silent(predictions)
    rows = []
    for coverage in COVERAGES:
        threshold = calibration.threshold(task.name, coverage)
        if threshold is None:
            return ()
        pairs = [
            pair
            for pair in all_pairs.pairs
            if pair.id not in silent and (pair.prediction.fields["confidence"] or 0.0) >= threshold
        ]
        rows.append(CoverageScores(coverage, threshold, len(pairs), *_over(pairs, all_pairs)))
    return tuple(rows)


def _over(pairs: Sequence[Pair], all_pairs: CountedPairs) -> tuple[float, dict[str, Interval]]:
    """The share that some of the pairs are, and the rates over them; none without pairs."""
    if not pairs:
        return 0.0, {}
    counted = CountedPairs.of(all_pairs.task, pairs, all_pairs.resamples, all_pairs.seed)
    return len(pairs) / len(all_pairs.pairs), counted.over_all()


def _silent(predictions: Predictions) -> set[str]:
    """Ids of the clips without speech."""
    return {row["id"] for row in predictions.good if row.get("no_speech")}


def _calibration_of_model(predictions: Predictions) -> BundleCalibration | None:
    """The calibration of the model, if there is one model."""
    models = predictions.header.models
    return models[0].calibration if len(models) == 1 else None


def _uncalibrated(predictions: Predictions, all_pairs: CountedPairs) -> Uncalibrated | None:
    """The calibration of the probabilities without the model's temperature, which is exactly undone; None if each is
    the mean over windows that had the temperature before, of which it cannot be."""
    task, fitted = all_pairs.task, _calibration_of_model(predictions)
    if predictions.header.label_windows is not None:
        return None
    output = None if fitted is None else fitted.outputs.get(task.outputs[0].name)
    if output is None or not has_single_labels(task, all_pairs.pairs):
        return None
    pairs = _judged_with_confidence(all_pairs.pairs)
    if not pairs or not all("probabilities" in pair.prediction.fields for pair in pairs):
        return None
    stated = [list(pair.prediction.fields["probabilities"].values()) for pair in pairs]
    before = without_temperature(stated, output.temperature).max(axis=1)
    return Uncalibrated(
        output.temperature, calibration(before, _is_right(pairs)), output.rows, output.speakers
    )


def _speaker(pair: Pair) -> str | None:
    speaker = pair.groups.get("speaker")
    return None if speaker is None else str(speaker)


def _positions(values: Grouping) -> dict[str, list[int]]:
    """Per group, in order, the positions of its values."""
    positions: dict[str, list[int]] = {name: [] for name in values.ordered}
    for index, name in enumerate(values.names):
        positions[name].append(index)
    return positions


def _calibration(task: Task, pairs: Sequence[Pair]) -> Calibration | None:
    """Expected calibration error, for predictions of a label with a confidence; else None."""
    if not has_single_labels(task, pairs):
        return None
    sure = _judged_with_confidence(pairs)
    if not sure:
        return None
    confidence = [float(pair.prediction.fields["confidence"]) for pair in sure]
    return calibration(confidence, _is_right(sure))


def _judged_with_confidence(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with a confidence and a reference label. A model whose outputs are not finite has no confidence; a row
    on whose label raters disagree has no label."""
    return [
        pair
        for pair in pairs
        if pair.prediction.fields.get("confidence") is not None and pair.reference["label"] is not None
    ]


def _is_right(pairs: Sequence[Pair]) -> list[bool]:
    """Whether the label of each pair is the reference label."""
    return [pair.prediction.fields["label"] == pair.reference["label"] for pair in pairs]


def _sums(counts: Sequence[Counts], names: Sequence[str]) -> dict[str, Counts]:
    """Counts summed per name."""
    sums: dict[str, Counts] = {}
    for utterance, name in zip(counts, names, strict=True):
        if name not in sums:
            sums[name] = {key: np.array(value, dtype=np.float64) for key, value in utterance.items()}
            continue
        for key, value in utterance.items():
            sums[name][key] += value
    return sums


def _hours(durations: Iterable[float]) -> float:
    return math.fsum(durations) / 3600
