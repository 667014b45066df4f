import json
import xml.etree.ElementTree as ElementTree

import pytest

from soritune.errors import ManifestError
from soritune.reports.history import history_rates, plot_history

EVALUATION = {
    "event": "evaluate",
    "step": 2,
    "val/loss": 1.2,
    "val/loss/emotion": 1.2,
    "val/emotion/wa": 0.4,
    "val/emotion/ua": 0.5,
    "val/emotion/macro_f1": 0.3,
    "val/emotion/micro_f1": 0.4,
    "val/age/mae": 3.0,
}
STEP = {"event": "step", "step": 1, "loss": 2.0, "lr/default": 1e-5}


def test_accuracy_and_f1_are_drawn_after_the_primary_rate():
    assert history_rates([EVALUATION]) == ["emotion/ua", "emotion/wa", "emotion/macro_f1", "age/mae"]
    assert history_rates([EVALUATION], ["emotion/macro_f1"])[0] == "emotion/macro_f1"
    assert history_rates([STEP], ["emotion/ua"]) == ["emotion/ua"]


def test_history_of_an_unfinished_run_is_drawn(tmp_path):
    lines = [json.dumps(event) for event in (STEP, EVALUATION)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + '\n{"event": "ste', encoding="utf-8")
    for run in (tmp_path, tmp_path / "train.jsonl"):
        root = ElementTree.parse(plot_history(run, tmp_path / "h.svg"))
        words = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {"Loss", "train", "validation", "emotion/wa", "emotion/macro_f1"} <= words


def test_run_without_events_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"train\.jsonl: does not exist; give a run folder"):
        plot_history(tmp_path, tmp_path / "h.svg")
    (tmp_path / "train.jsonl").write_text('{"event": "start", "step": 0}\n', encoding="utf-8")
    with pytest.raises(ManifestError, match="no step and no evaluation yet"):
        plot_history(tmp_path, tmp_path / "h.svg")
    assert not (tmp_path / "h.svg").exists()
