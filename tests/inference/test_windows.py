import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.inference.windows import WindowSettings, plan_windows, stitch_frames

STEP = 320


@pytest.mark.parametrize("num_samples", [16000 * 45, 16000 * 20 + 1, 16000 * 36 + 123, 16000 * 200 + 7])
def test_kept_stretches_cover_the_file_without_overlap(num_samples):
    plan = plan_windows(num_samples, 16000 * 20, 16000 * 2, STEP)
    assert plan[0].keep_start == 0
    assert plan[-1].keep_stop == num_samples
    for before, after in itertools.pairwise(plan):
        assert before.keep_stop == after.keep_start
        assert before.keep_stop % STEP == after.start % STEP == 0
    for window in plan:
        assert 0 <= window.start <= window.keep_start < window.keep_stop <= window.stop <= num_samples
        assert window.stop - window.start <= 16000 * 20
        # Every inner border has at least the overlap on both sides, less one frame of rounding.
        assert window.keep_start == 0 or window.keep_start - window.start >= 16000 * 2 - STEP
        assert window.keep_stop == num_samples or window.stop - window.keep_stop >= 16000 * 2 - STEP


def test_short_file_is_one_window():
    assert plan_windows(1000, 2000, 100, STEP) == [(0, 1000, 0, 1000)]


def test_last_window_is_as_full_as_the_grid_allows():
    last = plan_windows(16000 * 21, 16000 * 20, 16000 * 2, STEP)[-1]
    assert last.stop - last.start > 16000 * 20 - STEP


def test_stitching_takes_each_frame_once():
    # Frame f of a window holds its number in the file; the stitched frames must count up without a gap.
    num_samples = 16000 * 77 + 251
    plan = plan_windows(num_samples, 16000 * 20, 16000 * 2, STEP)
    parts = [
        window.start // STEP + np.arange((window.stop - window.start - 400) // STEP + 1)[:, None]
        for window in plan
    ]
    whole = stitch_frames(parts, plan, STEP)
    np.testing.assert_array_equal(whole[:, 0], np.arange((num_samples - 400) // STEP + 1))


def test_window_shorter_than_its_overlaps_is_refused():
    with pytest.raises(ValidationError, match="more than twice"):
        WindowSettings(window_s=4, overlap_s=2)


def test_windows_are_no_longer_than_training_clips():
    settings = WindowSettings().limited(15.0)
    assert (settings.longest_s, settings.window_s, settings.overlap_s) == (15.0, 15.0, 2.0)
    assert WindowSettings().limited(None) == WindowSettings()
    assert WindowSettings().limited(60.0) == WindowSettings()
    assert WindowSettings().limited(2.0).overlap_s == pytest.approx(0.4)
