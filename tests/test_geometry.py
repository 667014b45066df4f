from __future__ import annotations

import numpy as np

from soritune.geometry import frames_of

BASE_KERNEL, BASE_STRIDE = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)


def test_frames_of_known_lengths() -> None:
    # wav2vec2-base: 400 samples see one frame, 20 ms apart; one second has 49.
    lengths = [0, 399, 400, 719, 720, 16000, 160000]
    expected = [0, 0, 1, 1, 2, 49, 499]
    assert [frames_of(n, BASE_KERNEL, BASE_STRIDE) for n in lengths] == expected
    assert frames_of(np.array(lengths), BASE_KERNEL, BASE_STRIDE).tolist() == expected
    assert isinstance(frames_of(16000, BASE_KERNEL, BASE_STRIDE), int)
