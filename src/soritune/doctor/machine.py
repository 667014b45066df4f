"""The machine: processor, memory, disks, threads, and the devices that PyTorch and ONNX Runtime find."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from soritune.host_memory import GB, available_gb, total_gb

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOMP_SPINCOUNT")
"""Variables of the environment that decide how many threads compute, and how long these wait for work."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that PyTorch can use."""

    name: str
    total_gb: float
    free_gb: float
    compute_capability: str
    """Version of its instructions, such as "9.0"."""
    bf16: bool
    """Whether it computes in bfloat16."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder that soritune or its libraries write to."""

    purpose: str
    path: str
    free_gb: float
    total_gb: float


@dataclass(frozen=True, slots=True)
class Devices:
    """What computes beside the processor."""

    gpus: tuple[Gpu, ...] = ()
    cuda: str | None = None
    """Version of CUDA that PyTorch was built for; None for a build without."""
    torch_threads: int | None = None
    """Threads that PyTorch computes with; None without PyTorch."""
    onnx_providers: tuple[str, ...] = ()
    """Execution providers of ONNX Runtime; none without it."""
    problems: tuple[str, ...] = ()
    """Libraries that are installed and cannot be used, in sentences."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about this machine and this process."""

    system: str
    python: str
    processor: str
    cores: int
    """As the system counts them: a core with two threads counts twice."""
    usable_cores: int
    """Those that this process may use."""
    memory_gb: float
    free_memory_gb: float
    disks: tuple[Disk, ...]
    threads: dict[str, str] = field(default_factory=dict)
    """`THREAD_VARIABLES` that are set."""


def describe_machine() -> Machine:
    """Facts that need no library with devices."""
    cores = os.cpu_count() or 1
    return Machine(
        system=platform.platform(),
        python=platform.python_version(),
        processor=_processor(),
        cores=cores,
        usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores,
        memory_gb=round(total_gb(), 1),
        free_memory_gb=round(available_gb(), 1),
        disks=tuple(_disk(purpose, path) for purpose, path in _folders().items()),
        threads={name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
    )


def find_devices() -> Devices:
    """Devices, by importing PyTorch and ONNX Runtime where these are installed."""
    gpus: tuple[Gpu, ...] = ()
    cuda, threads = None, None
    problems = []
    try:
        gpus, cuda, threads = _torch_devices()
    except ModuleNotFoundError:
        pass
    except Exception as error:  # a library that cannot be loaded, or a driver that does not fit
        problems.append(f"PyTorch is installed and finds no devices ({_reason(error)})")
    providers: tuple[str, ...] = ()
    try:
        import onnxruntime

        providers = tuple(onnxruntime.get_available_providers())
    except ModuleNotFoundError:
        pass
    except Exception as error:
        problems.append(f"ONNX Runtime is installed and cannot be loaded ({_reason(error)})")
    return Devices(gpus, cuda, threads, providers, tuple(problems))


def _torch_devices() -> tuple[tuple[Gpu, ...], str | None, int]:
    import torch

    gpus = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        facts = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        capability = f"{facts.major}.{facts.minor}"
        gpus.append(
            Gpu(facts.name, round(total / GB, 1), round(free / GB, 1), capability, bf16=facts.major >= 8)
        )
    return tuple(gpus), torch.version.cuda, torch.get_num_threads()


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _processor() -> str:
    """Name of the processor; its architecture where the system gives no name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _folders() -> dict[str, Path]:
    from huggingface_hub.constants import HF_HUB_CACHE

    return {"current folder": Path.cwd(), "cache of the hub": Path(HF_HUB_CACHE)}


def _disk(purpose: str, path: Path) -> Disk:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    usage = shutil.disk_usage(existing)
    return Disk(purpose, str(path), round(usage.free / GB, 1), round(usage.total / GB, 1))
