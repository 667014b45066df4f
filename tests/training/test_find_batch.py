from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soritune.errors import TrainingError
from soritune.training import memory_gauge
from soritune.training.find_batch import find_batch, largest_that_fits
from soritune.training.loop import train
from soritune.training.run import TrainingRun

MakeRun = Callable[..., TrainingRun]
CARD_FULL = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB"


@given(st.integers(0, 3000), st.integers(1, 2000))
def test_doubling_and_bisection_find_the_edge(room_for: int, most: int) -> None:
    asked: list[int] = []

    def fits(number: int) -> bool:
        asked.append(number)
        return number <= room_for

    good, bad = largest_that_fits(fits, most)
    assert good == min(room_for, most)
    assert bad == (None if room_for >= most else room_for + 1)
    assert max(asked) <= max(2 * room_for, 1)  # never much more than what fits
    assert len(asked) == len(set(asked)) <= 2 * (most.bit_length() + 1)


def limit_memory(run: TrainingRun, padded_s: float) -> list[tuple[int, int]]:
    """The run's model raises as a full card does, above so many padded seconds; gives the shapes it was shown."""
    shown: list[tuple[int, int]] = []
    forward = run.model.forward

    def limited(waveform: torch.Tensor, *rest: Any, **more: Any) -> Any:
        shown.append((waveform.shape[0], waveform.shape[1]))
        if waveform.numel() / 16000 > padded_s:
            raise torch.OutOfMemoryError(CARD_FULL)
        return forward(waveform, *rest, **more)

    run.model.forward = limited  # type: ignore[method-assign]
    return shown


@pytest.mark.slow
def test_the_budget_is_the_largest_multiple_of_the_longest_clip(make_run: MakeRun) -> None:
    run = make_run()
    durations = run.manifest.durations_s[run.train_rows]
    longest = float(durations.max())
    shown = limit_memory(run, 10.0)
    found = find_batch(run)
    fitting = int(10.0 / longest)
    assert found.fitted_s == pytest.approx(fitting * longest)
    assert found.failed_s == pytest.approx((fitting + 1) * longest)
    assert longest <= found.padded_seconds <= 0.9 * found.fitted_s
    assert found.setting == f"batches.padded_seconds={found.padded_seconds:g}"
    assert found.longest_id == run.manifest.ids[int(run.train_rows[int(durations.argmax())])]
    assert {samples for _, samples in shown} == {round(longest * 16000)}
    assert not run.folder.exists()
    assert run.model.training
    assert all(parameter.grad is None for parameter in run.model.parameters())


@pytest.mark.slow
def test_the_slowest_speed_and_a_fixed_batch_size_count(make_run: MakeRun) -> None:
    run = make_run(
        augment={"speed": {"factors": [0.8, 1.0, 1.25], "probability": 0.5}, "spec_augment": {}},
        batches={"padded_seconds": None, "batch_size": 4},
    )
    longest = float(run.manifest.durations_s[run.train_rows].max())
    limit_memory(run, 7.0)
    found = find_batch(run)
    assert found.longest_s == pytest.approx(longest / 0.8)
    assert found.setting.endswith(" batches.batch_size=null")


@pytest.mark.slow
def test_everything_fits_or_nothing(make_run: MakeRun) -> None:
    found = find_batch(make_run("all"))
    assert found.failed_s is None
    assert found.fitted_s == pytest.approx(30 * found.longest_s)
    assert "the whole training split fits" in str(found)
    run = make_run("none")
    limit_memory(run, 0.1)
    with pytest.raises(
        TrainingError, match=r"one utterance of 1\.\d s \(s\d_.*\) alone does not fit"
    ) as caught:
        find_batch(run)
    assert "preprocessing.max_duration_s" in str(caught.value)


@pytest.mark.slow
def test_on_the_host_nothing_is_tried_that_would_not_fit(make_run: MakeRun, monkeypatch: Any) -> None:
    """0.5 GB for the process and 0.2 GB an utterance: 7 of them fit in 2 GB."""
    now = {"utterances": 0}
    run = make_run()
    forward = run.model.forward

    def counted(waveform: torch.Tensor, *rest: Any, **more: Any) -> Any:
        now["utterances"] = waveform.shape[0]
        return forward(waveform, *rest, **more)

    run.model.forward = counted  # type: ignore[method-assign]
    monkeypatch.setattr(memory_gauge, "resident_gb", lambda: 0.5)
    monkeypatch.setattr(memory_gauge, "peak_gb", lambda: 0.5 + 0.2 * now["utterances"])
    told: list[str] = []
    found = find_batch(run, memory_gb=2.0, progress=told.append)
    assert found.fitted_s == pytest.approx(7 * found.longest_s)
    assert found.peak_gb == pytest.approx(1.9)
    assert now["utterances"] == 7  # 8 were never computed
    assert len(told) == 6  # 1, 2, 4, then 8 foreseen, 6, 7


@pytest.mark.slow
def test_running_out_in_training_names_batch_and_setting(make_run: MakeRun) -> None:
    run = make_run()
    limit_memory(run, 3.0)
    with pytest.raises(TrainingError) as caught:
        train(run)
    text = str(caught.value)
    assert "training ran out of memory at a batch of" in text
    assert "lower batches.padded_seconds, now 6; the option --find-batch" in text
    assert "\n" not in text
    named = text.split("utterances (")[1].split(")")[0].replace(" and ", ", ").split(", ")
    assert set(named[:2]) <= set(run.manifest.ids)
    assert "padded seconds in all" in text
    assert "ran out of memory" in (run.folder / "train.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_running_out_in_evaluation_names_its_own_setting(make_run: MakeRun) -> None:
    run = make_run(batches={"padded_seconds": 1.6, "evaluation_padded_seconds": 30.0})
    limit_memory(run, 2.0)
    with pytest.raises(TrainingError, match=r"lower batches\.evaluation_padded_seconds, now 30$"):
        train(run)


@pytest.mark.slow
def test_other_faults_pass_through(make_run: MakeRun, monkeypatch: Any) -> None:
    run = make_run()

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(run.model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(run)
    with pytest.raises(RuntimeError, match="shapes differ"):
        find_batch(run)


@pytest.mark.slow
def test_the_command_prints_the_setting_and_writes_nothing(
    tones: Any, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    from typer.testing import CliRunner

    from soritune.cli.main import app
    from soritune.testing import tiny_config

    monkeypatch.chdir(tmp_path)
    architecture = json.dumps(tiny_config(norm="layer"))
    arguments = [
        *("run", "emotion-3class", f"data={tones.path}", "data.source=manifest", "data.config={}"),
        *("model.encoder=none", "model.random_weights=true", f"model.architecture={architecture}"),
        *("train.device=cpu", "--find-batch", "--json"),
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["setting"].startswith(f"batches.padded_seconds={found['padded_seconds']:g}")
    assert found["limit_gb"] > found["peak_gb"] > 0
    assert list(tmp_path.iterdir()) == []
