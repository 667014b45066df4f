from __future__ import annotations

import pytest

from soritune import processes
from soritune.errors import TrainingError

VARIABLES = (
    *("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"),
    *("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK"),
    *("ACCELERATE_MIXED_PRECISION", "MASTER_PORT"),
)


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_process_without_launcher_is_the_only_one() -> None:
    assert (processes.count(), processes.rank(), processes.is_main()) == (1, 0, True)


@pytest.mark.parametrize(
    ("size", "rank"),
    [
        ("WORLD_SIZE", "RANK"),  # torchrun, accelerate
        ("PMI_SIZE", "PMI_RANK"),  # MPICH, Intel MPI
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),  # Open MPI
        ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),  # MVAPICH2
    ],
)
def test_count_and_rank_are_read_from_each_launcher(
    monkeypatch: pytest.MonkeyPatch, size: str, rank: str
) -> None:
    monkeypatch.setenv(size, "4")
    monkeypatch.setenv(rank, "3")
    assert (processes.count(), processes.rank(), processes.is_main()) == (4, 3, False)
    monkeypatch.setenv(rank, "0")
    assert processes.is_main()


def test_torchrun_takes_precedence_over_mpirun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "8")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert processes.count() == 2


@pytest.mark.parametrize("value", ["", "two", "1.5"])
def test_variable_that_is_not_a_number_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("RANK", value)
    with pytest.raises(
        TrainingError, match=f"the environment variable RANK is '{value}', which is not a number"
    ):
        processes.rank()


def test_single_process_of_accelerate_launch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """`accelerate launch --cpu --num_processes 2` sets these two variables and no count."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(TrainingError, match="replace --cpu by --multi_gpu"):
        processes.refuse_single_process_launch()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"MASTER_PORT": "29500"},
        {"ACCELERATE_MIXED_PRECISION": "no"},  # accelerate launch of one process
        {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_PORT": "29500", "WORLD_SIZE": "2"},
        {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_PORT": "29500", "PMI_SIZE": "1"},
    ],
)
def test_complete_launch_is_accepted(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    processes.refuse_single_process_launch()
