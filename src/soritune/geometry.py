"""How many encoder frames a number of samples gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

Samples = TypeVar("Samples")


def frames_of(num_samples: Samples, conv_kernel: Sequence[int], conv_stride: Sequence[int]) -> Samples:
    """Encoder frames of a number of samples: floor((n - kernel) / stride) + 1 per convolution, never below
    zero.

    Takes an int, a NumPy array or a tensor of integers and gives the same kind back.

    >>> frames_of(16000, (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
    49
    """
    n: Any = num_samples
    for kernel, stride in zip(conv_kernel, conv_stride, strict=True):
        n = (n - kernel) // stride + 1
        n = n * (n > 0)
    return n  # type: ignore[no-any-return]
