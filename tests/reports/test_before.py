from dataclasses import replace

import pytest

from soritune.inference.header import Header
from soritune.reports.before import NEW_HEAD_NOTE, NOT_JUDGED_NOTE, before_note, scores_before, with_before
from soritune.reports.overview import rate_tiles
from soritune.reports.page_tables import rates_table
from soritune.reports.score import score_predictions
from soritune.reports.scores import Scores, load_scores
from soritune.reports.text_report import text_report

SPEAKERS = [f"s{k:02d}" for k in range(12)]


@pytest.fixture
def judged(fakes, tmp_path):
    """Scores of four phones a clip: two of them wrong before fine-tuning, one of them after it."""

    def scores(name: str, pair: tuple[str, str], *, speakers=SPEAKERS, **bundle) -> Scores:
        rows = fakes.phoneme_rows({speaker: [pair] * 2 for speaker in speakers})
        data = {"split": "test", "manifest_hash": "same"}
        path = fakes.write_rows(tmp_path / f"{name}.jsonl", [fakes.phoneme_task()], rows, data=data)
        made = score_predictions(path, resamples=50)
        header = {**made.header.to_json(), "bundle": {"training": {"step": 5}, **bundle}}
        return replace(made, header=Header(header))

    return scores


def test_scores_have_both_rates_and_their_paired_difference(fakes, judged, tmp_path):
    path = judged("before", ("A B D A", "A D B A")).save(tmp_path / "scores-start.json")
    after = judged("after", ("A B D A", "A B B A"))
    scores = with_before(after, path).tasks["phoneme"]
    assert scores.before.rates["per"].value == 0.5
    assert scores.rates["per"].value == 0.25
    assert scores.before.differences["per"].value == -0.25
    note = before_note(fakes.phoneme_task(), scores, after.header)
    assert note == "per: 25.0 points below the model before fine-tuning [25.0, 25.0], paired over speakers."


def test_both_rates_are_on_page_terminal_and_in_the_file(fakes, judged, tmp_path):
    path = judged("before", ("A B D A", "A D B A")).save(tmp_path / "scores-start.json")
    scores = with_before(judged("after", ("A B D A", "A B B A")), path)
    assert (
        load_scores(scores.save(tmp_path / "scores.json")).tasks["phoneme"].before
        == scores.tasks["phoneme"].before
    )
    (tile,) = rate_tiles(scores)
    assert tile["number"] == "25.0 %" and "before fine-tuning 50.0 %" in tile["note"]
    table = rates_table(fakes.phoneme_task(), scores.tasks["phoneme"], scores.header)
    assert [column["title"] for column in table["columns"]][1:3] == ["before fine-tuning", "after"]
    assert [cell["text"] for cell in table["rows"][0]["cells"]][1:3] == ["50.0 %", "25.0 %"]
    line = next(line for line in text_report(scores).splitlines() if "(per)" in line)
    assert line.split("(per)")[1].split()[:4] == ["50.0", "%", "25.0", "%"]


def test_new_head_is_stated_and_has_nothing_before(fakes, judged, tmp_path):
    path = judged("before", ("A B", "B A")).save(tmp_path / "scores-start.json")
    after = judged("after", ("A B", "A B"), training={"step": 5, "new_parts": ["head phoneme"]})
    scores = with_before(after, path)
    assert scores.tasks["phoneme"].before is None
    assert before_note(fakes.phoneme_task(), scores.tasks["phoneme"], scores.header) == NEW_HEAD_NOTE
    assert NEW_HEAD_NOTE in text_report(scores)


def test_scores_of_other_clips_are_ignored(fakes, judged, tmp_path):
    path = judged("before", ("A B", "B A"), speakers=SPEAKERS[:5]).save(tmp_path / "scores-start.json")
    after = judged("after", ("A B", "A B"))
    assert with_before(after, path) is after
    assert with_before(after, tmp_path / "none.json") is after
    assert with_before(after, None) is after
    assert before_note(fakes.phoneme_task(), after.tasks["phoneme"], after.header) == NOT_JUDGED_NOTE


def test_model_that_was_not_fine_tuned_has_no_note(fakes, judged):
    start = judged("start", ("A B", "A B"), training={"step": 0})
    assert before_note(fakes.phoneme_task(), start.tasks["phoneme"], start.header) is None
    unknown = judged("unknown", ("A B", "A B"), training={})
    assert before_note(fakes.phoneme_task(), unknown.tasks["phoneme"], unknown.header) is None


def test_scores_before_are_found_in_the_run_of_the_predictions(fakes, judged, tmp_path):
    predictions = tmp_path / "run" / "predictions" / "test.jsonl"
    after = judged("after", ("A B D A", "A B B A"), folder="best")
    assert scores_before(predictions, after) is None
    start = judged("start", ("A B D A", "A D B A"), folder="start")
    written = start.save(tmp_path / "run" / "scores-start.json")
    judged("other", ("A B", "B A"), speakers=SPEAKERS[:5], folder="start").save(
        tmp_path / "run" / "scores-val-start.json"
    )
    (tmp_path / "run" / "scores-without-text-start.json").write_text("{", encoding="utf-8")
    assert scores_before(predictions, after) == written
    assert scores_before(predictions, start) is None


def test_scores_before_of_another_decoder_are_no_comparison(judged, tmp_path):
    start = judged("start", ("A B D A", "A D B A"), folder="start")
    header = {**start.header.to_json(), "decoder": {"name": "beam", "settings": {}}}
    replace(start, header=Header(header)).save(tmp_path / "run" / "scores-start.json")
    after = judged("after", ("A B D A", "A B B A"), folder="best")
    assert scores_before(tmp_path / "run" / "predictions" / "test.jsonl", after) is None
