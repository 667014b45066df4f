from __future__ import annotations

import numpy as np
import pytest

from soritune.errors import UnknownNameError
from soritune.tasks.objectives.objective import check_output, objective_of, same_kind, same_meaning
from soritune.tasks.specs import OutputSpec
from soritune.testing import class_output, ctc_output


def test_unknown_objective_is_refused_with_the_known_names() -> None:
    for name in ("cros_entropy", "cross-entropy"):  # names have underscores, as cards write them
        spec = OutputSpec("x", ("a", "b"), "utterance", name)
        with pytest.raises(UnknownNameError, match="did you mean 'cross_entropy'") as caught:
            check_output(spec)
        assert {"ctc", "cross_entropy", "multi_label", "regression", "kl_divergence"} <= set(
            caught.value.known
        )
    with pytest.raises(UnknownNameError, match="unknown objective 'dense'"):  # a file that is not a member
        objective_of(OutputSpec("x", ("a", "b"), "utterance", "dense"))


def test_outputs_of_one_kind_have_one_objective_and_one_resolution() -> None:
    frames = OutputSpec("x", ("a", "b"), "frame", "cross_entropy")
    assert same_kind(class_output("a"), class_output("b"))
    assert not same_kind(class_output(), ctc_output())
    assert not same_kind(class_output(), frames)
    assert same_meaning(class_output("a"), class_output("b"))
    assert not same_meaning(class_output(), ctc_output())
    assert not same_meaning(class_output(), frames)


def test_empty_output_is_uniform_or_has_no_frames() -> None:
    np.testing.assert_allclose(objective_of(class_output()).empty_output(class_output()), np.log([1 / 3] * 3))
    events = OutputSpec("x", ("a", "b"), "utterance", "multi_label")
    np.testing.assert_allclose(objective_of(events).empty_output(events), np.log([0.5, 0.5]))
    assert objective_of(ctc_output()).empty_output(ctc_output()).shape == (0, 12)


def test_choices_and_mixable_outputs_by_objective() -> None:
    specs = [
        OutputSpec("x", ("a", "b"), resolution, name)  # type: ignore[arg-type]
        for name in ("ctc", "cross_entropy", "multi_label", "regression", "kl_divergence")
        for resolution in ("frame", "utterance")
    ]
    per_utterance = [spec for spec in specs if not spec.per_frame]
    chosen = [spec for spec in specs if objective_of(spec).is_choice(spec)]
    assert chosen == [spec for spec in per_utterance if spec.objective in ("cross_entropy", "kl_divergence")]
    mixed = [spec for spec in specs if objective_of(spec).is_mixable(spec)]
    assert mixed == [spec for spec in per_utterance if spec.objective not in ("ctc", "regression")]
