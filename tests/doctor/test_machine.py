from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from soritune.doctor import machine
from soritune.doctor.machine import Gpu, describe_machine, find_devices


def fake_torch(gpus: int) -> SimpleNamespace:
    facts = SimpleNamespace(name="NVIDIA H200", major=9, minor=0)
    cuda = SimpleNamespace(
        is_available=lambda: gpus > 0,
        device_count=lambda: gpus,
        get_device_properties=lambda index: facts,
        mem_get_info=lambda index: (100_000_000_000, 150_000_000_000),
    )
    return SimpleNamespace(cuda=cuda, version=SimpleNamespace(cuda="12.8"), get_num_threads=lambda: 16)


def test_gpus_are_described_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch(2))
    devices = find_devices()
    assert devices.gpus == (Gpu("NVIDIA H200", 150.0, 100.0, "9.0", bf16=True),) * 2
    assert (devices.cuda, devices.torch_threads, devices.problems) == ("12.8", 16, ())


def test_devices_are_empty_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    assert find_devices() == machine.Devices()


def test_driver_that_fails_is_a_problem_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = fake_torch(1)

    def fail(index: int) -> tuple[int, int]:
        raise RuntimeError("CUDA error:\nout of memory")

    torch.cuda.mem_get_info = fail
    monkeypatch.setitem(sys.modules, "torch", torch)
    devices = find_devices()
    assert devices.gpus == ()
    assert devices.problems == (
        "PyTorch is installed and finds no devices (RuntimeError: CUDA error: out of memory)",
    )


def test_runtime_that_cannot_be_loaded_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libgomp.so.1: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    assert find_devices().problems == (
        "ONNX Runtime is installed and cannot be loaded (ImportError: libgomp.so.1: no such file)",
    )


def test_machine_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=5e9, total=9e9))
    facts = describe_machine()
    assert facts.threads["OMP_NUM_THREADS"] == "3"
    assert 1 <= facts.usable_cores <= facts.cores
    assert 0 < facts.free_memory_gb <= facts.memory_gb
    here = facts.disks[0]
    assert (here.purpose, here.path, here.free_gb, here.total_gb) == (
        "current folder",
        str(tmp_path),
        5.0,
        9.0,
    )


def test_free_space_of_a_folder_that_does_not_exist_is_that_of_the_folder_above(tmp_path: Path) -> None:
    assert machine._disk("cache", tmp_path / "a" / "b").total_gb == machine._disk("cache", tmp_path).total_gb
