from __future__ import annotations

from pathlib import Path

import pytest

from soritune.errors import OutputError, OutsideFolderError
from soritune.training.log import Meter, RunLog, read_events
from soritune.training.tracking.tensorboard import TensorBoard


def test_events_are_written_and_read_back(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.event("step", step=1, loss=0.5)
        log.message("한국어")
    assert [(e["event"], e["step"], e["loss"]) for e in read_events(tmp_path)] == [("step", 1, 0.5)]
    text = (tmp_path / "train.log").read_text(encoding="utf-8")
    assert "step=1 loss=0.5" in text and "한국어" in text


def test_resumed_log_is_cut_at_the_checkpoint(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.event("step", step=1)
        kept = log.lengths()
        log.event("step", step=2)
    with RunLog(tmp_path, keep=kept) as log:
        log.event("step", step=2, again=1)
    assert [e["step"] for e in read_events(tmp_path)] == [1, 2]
    assert read_events(tmp_path)[1]["again"] == 1


def test_unfinished_line_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"event": "step", "step": 1}\n{"event": "st', encoding="utf-8")
    assert [e["step"] for e in read_events(tmp_path)] == [1]


def test_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written to"):
        RunLog(tmp_path / "file")


def test_meter_is_a_ratio_of_sums() -> None:
    meter = Meter()
    for _ in range(50):
        meter.add(audio_s=10.0, waited_s=0.5, took_s=2.0)
    assert meter.audio_s_per_s == pytest.approx(5.0)
    assert meter.wait_share == pytest.approx(0.25)
    assert meter.steps_per_s == pytest.approx(0.5)


def test_tensorboard_files_are_written_on_request(tmp_path: Path) -> None:
    with RunLog(tmp_path, trackers=[TensorBoard()]) as log:
        log.event("step", step=1, loss=0.5)
    assert list((tmp_path / "tensorboard").glob("events.*"))


@pytest.mark.parametrize("name", ["train.jsonl", "train.log", "quarantine.jsonl"])
@pytest.mark.parametrize("keep", [None, {}])
def test_log_that_is_a_link_out_of_the_run_is_refused(
    name: str, keep: dict[str, int] | None, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(victim)
    with pytest.raises(OutsideFolderError, match="leads out of"):
        RunLog(tmp_path / "run", keep=keep)
    assert victim.read_text() == "precious"
