import json

import numpy as np
import pytest
from tests.bundles import toy_bundle

from soritune.bundles.read import load_bundle
from soritune.bundles.speaker_norm import FeatureStatistics, TrainingFeatures
from soritune.errors import BundleError


def test_features_are_moved_to_the_training_worked_by_hand():
    """Clips 1 and 3 have mean 2 and deviation 1; the training has mean 10 and deviation 4: 3 becomes 14."""
    speaker = FeatureStatistics.of([[1.0], [3.0]])
    training = FeatureStatistics(np.array([10.0]), np.array([4.0]))
    assert (speaker.mean.tolist(), speaker.std.tolist()) == ([2.0], [1.0])
    moved = speaker.mapped(np.array([[1.0], [2.0], [3.0]], np.float32), training)
    assert moved.tolist() == [[6.0], [10.0], [14.0]]
    assert moved.dtype == np.float32


def test_moved_enrolment_clips_have_the_statistics_of_the_training():
    draw = np.random.default_rng(0)
    features, training = draw.normal(3, 2, (40, 5)), FeatureStatistics.of(draw.normal(-1, 0.5, (90, 5)))
    moved = FeatureStatistics.of(FeatureStatistics.of(features).mapped(features, training))
    np.testing.assert_allclose(moved.mean, training.mean, atol=1e-5)
    np.testing.assert_allclose(moved.std, training.std, atol=1e-5)


def test_equal_enrolment_clips_stretch_features_tenfold_at_most():
    training = FeatureStatistics(np.array([0.0, 0.0]), np.array([2.0, 0.0]))
    speaker = FeatureStatistics.of([[1.0, 1.0], [1.0, 1.0]])
    moved = speaker.mapped(np.array([1.5, 1.5], np.float32), training)
    assert moved.tolist() == [5.0, 5.0]


def test_a_card_keeps_the_statistics(tmp_path):
    fitted = TrainingFeatures(9, 3, {"emotion": FeatureStatistics.of([[1.0, 2.0], [2.0, 4.0]])})
    toy_bundle.write(tmp_path / "toy", speaker_norm=fitted.to_json())
    read = load_bundle(tmp_path / "toy").training_features
    assert (read.rows, read.speakers) == (9, 3)
    np.testing.assert_array_equal(read.outputs["emotion"].mean, [1.5, 3.0])
    np.testing.assert_array_equal(read.outputs["emotion"].std, [0.5, 1.0])
    toy_bundle.write(tmp_path / "old")
    assert load_bundle(tmp_path / "old").training_features is None


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ({"mean": [1.0], "std": [1.0, 2.0]}, "of one length"),
        ({"mean": [1.0], "std": [-1.0]}, "are not finite numbers"),
        ({"mean": [1.0]}, "'std' is missing"),
        (None, "NoneType"),
    ],
)
def test_faulty_statistics_are_reported(tmp_path, part, fault):
    content = json.loads(json.dumps({"rows": 1, "speakers": 1, "outputs": {"emotion": part}}))
    toy_bundle.write(tmp_path / "toy", speaker_norm=content)
    with pytest.raises(BundleError, match=f"'speaker_norm' is faulty .*{fault}"):
        _ = load_bundle(tmp_path / "toy").training_features
