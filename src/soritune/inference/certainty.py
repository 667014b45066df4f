"""Which labels are uncertain: by a stated probability, or by the stated share of validation clips that keep theirs."""

from __future__ import annotations

from collections.abc import Sequence

from soritune.bundles.calibration import whole_percent
from soritune.errors import BundleError, TaskError
from soritune.inference.ensemble import Member
from soritune.tasks.task import Task


def checked_confidence(minimum: float | None, tasks: Sequence[Task] | None = None) -> float | None:
    """The lowest probability of a label that is not uncertain.

    Raises:
        TaskError: it is not a probability, or none of the `tasks` gives one label.
    """
    if minimum is not None and not 0 <= minimum <= 1:
        raise TaskError(f"the minimum confidence is {minimum}; it is a probability, from 0 to 1")
    if minimum is not None and tasks is not None and not any(task.single_label for task in tasks):
        names = ", ".join(task.name for task in tasks)
        raise TaskError(
            f"a minimum confidence has no effect: no task of the model gives one label ({names}); leave it out"
        )
    return minimum


def checked_coverage(coverage: float | None, minimum: float | None = None) -> float | None:
    """The share of validation clips that keep their label.

    Raises:
        TaskError: not a whole percentage, or beside a minimum confidence.
    """
    if coverage is None:
        return None
    if minimum is not None:
        raise TaskError(
            "a coverage and a minimum confidence are two ways to choose the uncertain labels; give one of them"
        )
    try:
        whole_percent(coverage)
    except ValueError as error:
        raise TaskError(str(error)) from None
    return coverage


def thresholds_of(
    members: Sequence[Member], tasks: Sequence[Task], minimum: float | None, coverage: float | None
) -> dict[str, float]:
    """The least probability of a certain label, by task; empty if no label is uncertain.

    Args:
        members: the models.
        tasks: what they predict together.
        minimum: the lowest probability of a certain label, for all tasks.
        coverage: instead of it, the share of validation clips that keep their label.

    Raises:
        TaskError: faulty numbers, or no task that gives one label.
        BundleError: a coverage for several models, or for one without thresholds.
    """
    checked_confidence(minimum, tasks)
    checked_coverage(coverage, minimum)
    single = [task for task in tasks if task.single_label]
    if minimum is not None:
        return {task.name: minimum for task in single}
    if coverage is None:
        return {}
    if not single:
        names = ", ".join(task.name for task in tasks)
        raise TaskError(
            f"a coverage has no effect: no task of the model gives one label ({names}); leave it out"
        )
    if len(members) > 1:
        raise BundleError(
            "a coverage is known for each model alone, not for the average of several; predict with one model, or give "
            "a minimum confidence"
        )
    calibration = members[0].calibration
    thresholds = {
        task.name: threshold
        for task in single
        if calibration is not None and (threshold := calibration.threshold(task.name, coverage)) is not None
    }
    if len(thresholds) < len(single):
        raise BundleError(
            f"'{members[0].name}' has no thresholds of coverage; `soritune calibrate RUN` fits them on the validation "
            "rows of its run, or give a minimum confidence"
        )
    return thresholds
