from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from soritune.corpus.manifest import Manifest
from soritune.errors import TrainingError
from soritune.training.batches.batch import Batch
from soritune.training.batches.config import BatchSettings
from soritune.training.out_of_memory import explain_out_of_memory, is_out_of_memory, smaller_batches

CARD_FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError(CARD_FULL), True),
        (MemoryError(), True),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried"
            ),
            True,
        ),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("The size of tensor a (3) must match"), False),
        (ValueError("out of memory"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_out_of_memory_is_distinguished_from_other_errors(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def batch_of(rows: list[int], samples: int) -> Batch:
    return Batch({"waveform": torch.zeros(len(rows), samples)}, {}, np.array(rows), seed=0)


def test_largest_micro_batch_is_described(tones: Manifest) -> None:
    """6 rows of 2 s at 16 kHz are 12 padded seconds; the other batch has 3 rows of 3 s, which are 9."""
    batches = [batch_of([0, 1, 2], 48_000), batch_of([3, 4, 5, 6, 7, 8], 32_000)]
    with (
        pytest.raises(TrainingError) as caught,
        explain_out_of_memory("training", batches, tones, 16_000, advice="do this"),
    ):
        raise torch.OutOfMemoryError(CARD_FULL)
    ids = tones.ids
    assert str(caught.value) == (
        f"training ran out of memory at a batch of 6 utterances ({', '.join(ids[3:7])} and 2 more), the longest of "
        "2.0 s, 12 padded seconds in all; do this"
    )


def test_batch_of_one_utterance_gets_other_advice(tones: Manifest) -> None:
    with (
        pytest.raises(
            TrainingError, match="it is one utterance: set preprocessing.max_duration_s lower"
        ) as caught,
        explain_out_of_memory("evaluation", [batch_of([0], 16_000)], tones, 16_000, advice="do this"),
    ):
        raise MemoryError
    assert str(caught.value).startswith("evaluation ran out of memory at a batch of 1 utterances (")
    assert "do this" not in str(caught.value)


def test_other_errors_are_not_changed(tones: Manifest, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="^shapes differ$"),
        explain_out_of_memory("training", [batch_of([0], 16_000)], tones, 16_000, advice=""),
    ):
        raise RuntimeError("shapes differ")


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"padded_seconds": 6.5}, "batches.padded_seconds, now 6.5"),
        ({"batch_size": 4}, "batches.batch_size, now 4"),
    ],
)
def test_advice_names_the_setting_in_use(settings: dict[str, float], setting: str) -> None:
    advice = smaller_batches(BatchSettings.model_validate(settings))
    assert advice == f"lower {setting}; the option --find-batch finds the largest that fits"
