"""Options of a cluster: refused where they cannot act, and checked before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from soritune.cli.main import app


def soritune(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


VERBS = {
    "prepare": ("prepare", "manifest", "rows.jsonl", "--out", "out"),
    "check": ("check", "rows.jsonl", "--out", "out"),
    "pack": ("pack", "rows.jsonl", "--output", "out"),
    "predict": ("predict", "a.wav", "--output", "out.jsonl"),
    "transcribe": ("transcribe", "a.wav", "--output", "out.jsonl", "--model", "m"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_options_of_a_cluster_without_one_are_refused(verb: str) -> None:
    for option in (("--actors", "2"), ("--ray-address", "auto")):
        error = soritune(*VERBS[verb], *option).exception
        assert str(error) == f"{option[0]} has no effect without --engine ray; leave it out"


@pytest.mark.parametrize("verb", VERBS)
def test_address_is_checked_first(verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    error = soritune(*VERBS[verb], "--engine", "ray", "--ray-address", "nowhere").exception
    assert str(error).startswith(
        "--ray-address expects HOST:PORT, such as 10.0.0.1:6379, or auto, got 'nowhere'"
    )
    monkeypatch.setenv("RAY_ADDRESS", "ray://there:10001")
    assert "got 'ray://there:10001'" in str(soritune(*VERBS[verb], "--engine", "ray").exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["check", "pack"])
def test_workers_are_those_of_this_machine(verb: str) -> None:
    error = soritune(*VERBS[verb], "--engine", "ray", "--workers", "2").exception
    assert str(error) == (
        "--workers has no effect with --engine ray, where --actors limits the jobs at a time; leave it out"
    )


def test_what_a_cluster_cannot_do_is_refused(tmp_path: Path) -> None:
    error = soritune(*VERBS["check"], "--engine", "ray", "--shard", "1/2").exception
    assert str(error) == "--shard has no effect with --engine ray, which divides the work; leave it out"
    assert str(soritune("check", "rows.jsonl", "--engine", "ray").exception).startswith(
        "--engine ray needs --out,"
    )
    (tmp_path / "a.wav").touch()
    error = soritune("predict", str(tmp_path / "a.wav"), "--engine", "ray").exception
    assert str(error) == "--engine ray needs --output FILE.jsonl, beside which all machines write their parts"


@pytest.mark.parametrize("verb", ["predict", "transcribe"])
def test_gpus_are_left_to_ray(verb: str) -> None:
    ray = (*VERBS[verb], "--engine", "ray")
    error = soritune(*ray, "--device", "cuda:1").exception
    assert (
        str(error) == "--device cuda:1 names a GPU, and Ray chooses the GPU of an actor; give --device cuda"
    )
    error = soritune(*ray, "--device", "cpu", "--gpus-per-actor", "1").exception
    assert str(error) == "--gpus-per-actor has no effect with --device cpu; leave it out"
    for gpus in ("1.5", "0", "-1"):
        error = soritune(*ray, "--gpus-per-actor", gpus).exception
        assert str(error).startswith("--gpus-per-actor expects a share below 1 or a whole number, got ")
