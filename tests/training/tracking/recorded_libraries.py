"""Stand-ins of wandb and trackio with the signatures that these document; they record their calls.

wandb 0.31.0: https://docs.wandb.ai/ref/python/init, trackio 0.43.0: https://huggingface.co/docs/trackio/api. Arguments
that neither library documents raise a TypeError, as they do there.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest


class WandbRun:
    def __init__(self, calls: list[tuple[str, dict[str, Any]]], run_id: str, offline: bool) -> None:
        self.calls, self.id, self.offline = calls, run_id, offline
        self.url = None if offline else f"https://wandb.example/{run_id}"
        self.dir = "somewhere"

    def log(self, data: dict[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        self.calls.append(("log", {"data": data, "step": step}))

    def finish(self, exit_code: int | None = None) -> None:
        self.calls.append(("finish", {"exit_code": exit_code}))


class RecordedWandb(ModuleType):
    def __init__(self) -> None:
        super().__init__("wandb")
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def init(
        self,
        entity: Any = None,
        project: Any = None,
        dir: Any = None,
        id: Any = None,
        name: Any = None,
        notes: Any = None,
        tags: Any = None,
        config: Any = None,
        config_exclude_keys: Any = None,
        config_include_keys: Any = None,
        allow_val_change: Any = None,
        group: Any = None,
        job_type: Any = None,
        mode: Any = None,
        force: Any = None,
        reinit: Any = None,
        resume: Any = None,
        resume_from: Any = None,
        fork_from: Any = None,
        save_code: Any = None,
        tensorboard: Any = None,
        sync_tensorboard: Any = None,
        monitor_gym: Any = None,
        settings: Any = None,
    ) -> WandbRun:
        given = {key: value for key, value in locals().items() if key != "self" and value is not None}
        self.calls.append(("init", given))
        return WandbRun(self.calls, id, mode == "offline")


class TrackioRun:
    def __init__(self, calls: list[tuple[str, dict[str, Any]]], name: str) -> None:
        self.calls, self.name = calls, name

    def log(self, metrics: dict[str, Any], step: int | None = None) -> None:
        self.calls.append(("log", {"data": metrics, "step": step}))


class RecordedTrackio(ModuleType):
    def __init__(self) -> None:
        super().__init__("trackio")
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def init(
        self,
        project: str,
        name: Any = None,
        group: Any = None,
        space_id: Any = None,
        server_url: Any = None,
        dataset_id: Any = None,
        bucket_id: Any = None,
        config: Any = None,
        resume: str = "never",
        settings: Any = None,
        private: Any = None,
        embed: bool = True,
        auto_log_gpu: Any = None,
        gpu_log_interval: float = 10.0,
        auto_log_cpu: Any = None,
        cpu_log_interval: float = 10.0,
        webhook_url: Any = None,
        webhook_min_level: Any = None,
    ) -> TrackioRun:
        sys.stdout.write("* Created new run\n")  # as trackio does
        given = {
            "project": project,
            "name": name,
            "group": group,
            "space_id": space_id,
            "config": config,
            "resume": resume,
            "private": private,
            "embed": embed,
        }
        self.calls.append(("init", given))
        return TrackioRun(self.calls, name)

    def finish(self) -> None:
        self.calls.append(("finish", {}))


Library = RecordedWandb | RecordedTrackio


def installed(monkeypatch: pytest.MonkeyPatch, library: Library) -> Library:
    """Puts a stand-in in the place of its library."""
    monkeypatch.setitem(sys.modules, library.__name__, library)
    return library


def named(library: Library, function: str) -> list[dict[str, Any]]:
    """The arguments of every call of a function."""
    return [arguments for name, arguments in library.calls if name == function]
