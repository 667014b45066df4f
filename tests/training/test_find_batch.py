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
def test_doubling_and_bisection_find_the_largest_number(room_for: int, most: int) -> None:
    tried: list[int] = []

    def fits(number: int) -> bool:
        tried.append(number)
        return number <= room_for

    good, bad = largest_that_fits(fits, most)
    assert good == min(room_for, most)
    assert bad == (None if room_for >= most else room_for + 1)
    assert max(tried) <= max(2 * room_for, 1)  # never much more than fits
    assert len(tried) == len(set(tried)) <= 2 * (most.bit_length() + 1)


def limit_memory(run: TrainingRun, padded_s: float) -> list[tuple[int, int]]:
    """Makes the run's model raise the error of a full GPU above `padded_s`; returns the shapes of its batches."""
    shapes: list[tuple[int, int]] = []
    forward = run.model.forward

    def limited(waveform: torch.Tensor, *rest: Any, **more: Any) -> Any:
        shapes.append((waveform.shape[0], waveform.shape[1]))
        if waveform.numel() / 16000 > padded_s:
            raise torch.OutOfMemoryError(CARD_FULL)
        return forward(waveform, *rest, **more)

    run.model.forward = limited  # type: ignore[method-assign]
    return shapes


@pytest.mark.slow
def test_budget_is_the_largest_multiple_of_the_longest_clip(make_run: MakeRun) -> None:
    run = make_run()
    durations = run.manifest.durations_s[run.train_rows]
    longest = float(durations.max())
    shapes = limit_memory(run, 10.0)
    result = find_batch(run)
    fitting = int(10.0 / longest)
    assert result.fitted_s == pytest.approx(fitting * longest)
    assert result.failed_s == pytest.approx((fitting + 1) * longest)
    assert longest <= result.padded_seconds <= 0.9 * result.fitted_s
    assert result.setting == f"batches.padded_seconds={result.padded_seconds:g}"
    assert result.longest_id == run.manifest.ids[int(run.train_rows[int(durations.argmax())])]
    assert {samples for _, samples in shapes} == {round(longest * 16000)}
    assert not run.folder.exists()
    assert run.model.training
    assert all(parameter.grad is None for parameter in run.model.parameters())


@pytest.mark.slow
def test_longest_clip_is_at_the_slowest_speed_and_a_fixed_batch_size_is_unset(make_run: MakeRun) -> None:
    run = make_run(
        augment={"speed": {"factors": [0.8, 1.0, 1.25], "probability": 0.5}, "spec_augment": {}},
        batches={"padded_seconds": None, "batch_size": 4},
    )
    longest = float(run.manifest.durations_s[run.train_rows].max())
    limit_memory(run, 7.0)
    result = find_batch(run)
    assert result.longest_s == pytest.approx(longest / 0.8)
    assert result.setting.endswith(" batches.batch_size=null")


@pytest.mark.slow
def test_whole_split_may_fit_and_a_single_clip_may_not(make_run: MakeRun) -> None:
    result = find_batch(make_run("all"))
    assert result.failed_s is None
    assert result.fitted_s == pytest.approx(30 * result.longest_s)
    assert "the whole training split fits" in str(result)
    run = make_run("none")
    limit_memory(run, 0.1)
    with pytest.raises(
        TrainingError, match=r"one utterance of 1\.\d s \(s\d_.*\) alone does not fit"
    ) as caught:
        find_batch(run)
    assert "preprocessing.max_duration_s" in str(caught.value)


@pytest.mark.slow
def test_batch_that_is_not_expected_to_fit_is_not_tried_on_the_host(
    make_run: MakeRun, monkeypatch: Any
) -> None:
    """0.5 GB for the process and 0.2 GB per utterance: 7 of them fit in 2 GB."""
    now = {"utterances": 0}
    run = make_run()
    forward = run.model.forward

    def counted(waveform: torch.Tensor, *rest: Any, **more: Any) -> Any:
        now["utterances"] = waveform.shape[0]
        return forward(waveform, *rest, **more)

    run.model.forward = counted  # type: ignore[method-assign]
    monkeypatch.setattr(memory_gauge, "resident_gb", lambda: 0.5)
    monkeypatch.setattr(memory_gauge, "peak_gb", lambda: 0.5 + 0.2 * now["utterances"])
    lines: list[str] = []
    result = find_batch(run, memory_gb=2.0, progress=lines.append)
    assert result.fitted_s == pytest.approx(7 * result.longest_s)
    assert result.peak_gb == pytest.approx(1.9)
    assert now["utterances"] == 7  # 8 were never tried
    assert len(lines) == 6  # 1, 2, 4, 8 (not tried), 6, 7


@pytest.mark.slow
def test_out_of_memory_in_training_names_batch_and_setting(make_run: MakeRun) -> None:
    run = make_run()
    limit_memory(run, 3.0)
    with pytest.raises(TrainingError) as caught:
        train(run)
    text = str(caught.value)
    assert "training ran out of memory at a batch of" in text
    assert "lower batches.padded_seconds, now 6; the option --find-batch finds" in text
    assert "\n" not in text
    ids = text.split("utterances (")[1].split(")")[0].replace(" and ", ", ").split(", ")
    assert set(ids[:2]) <= set(run.manifest.ids)
    assert "padded seconds in all" in text
    assert "ran out of memory" in (run.folder / "train.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_out_of_memory_in_evaluation_names_its_own_setting(make_run: MakeRun) -> None:
    run = make_run(batches={"padded_seconds": 1.6, "evaluation_padded_seconds": 30.0})
    limit_memory(run, 2.0)
    with pytest.raises(TrainingError, match=r"lower batches\.evaluation_padded_seconds, now 30$"):
        train(run)


@pytest.mark.slow
def test_other_errors_are_raised_unchanged(make_run: MakeRun, monkeypatch: Any) -> None:
    run = make_run()

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(run.model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(run)
    with pytest.raises(RuntimeError, match="shapes differ"):
        find_batch(run)


@pytest.mark.slow
def test_command_prints_the_setting_and_writes_nothing(
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
    printed = json.loads(done.stdout)
    assert printed["setting"].startswith(f"batches.padded_seconds={printed['padded_seconds']:g}")
    assert printed["limit_gb"] > printed["peak_gb"] > 0
    assert list(tmp_path.iterdir()) == []
