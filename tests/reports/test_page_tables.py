import pytest

from soritune.reports.page_tables import beside_before, group_table, rates_table, shown_table
from soritune.reports.score import score_predictions
from soritune.tasks.results import Table


def test_table_of_rates_has_the_baseline_and_marks_the_primary_rate(fakes, twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl", resamples=50)
    table = rates_table(fakes.emotion_task(), scores.tasks["emotion"], scores.header)
    assert [column["title"] for column in table["columns"]] == [
        "rate",
        "value",
        "95 % interval",
        "baseline: majority",
    ]
    (primary,) = [row for row in table["rows"] if row["primary"]]
    assert primary["cells"][0]["text"] == "ua"
    assert primary["cells"][3]["text"] == "33.3 %"


def test_rate_of_few_speakers_is_marked_unreliable(fakes, tmp_path):
    path = fakes.write_rows(
        tmp_path / "p.jsonl", [fakes.emotion_task()], fakes.prediction_rows({"a": 6, "b": 3})
    )
    scores = score_predictions(path, resamples=20)
    table = rates_table(fakes.emotion_task(), scores.tasks["emotion"], scores.header)
    assert {row["cells"][2]["small"] for row in table["rows"]} == {"unreliable, 2 speakers"}


def test_table_of_groups_has_a_row_per_value_and_further_rates(fakes, twelve):
    scores = score_predictions(twelve / "predictions" / "test.jsonl", resamples=50).tasks["emotion"]
    table = group_table(fakes.emotion_task(), "gender", scores.groups["gender"], scores)
    titles = [column["title"] for column in table["columns"]]
    assert titles == ["gender", "clips", "speakers", "ua", "95 % interval", "wa", "macro_f1"]
    women, men = ([cell["text"] for cell in row["cells"]] for row in table["rows"])
    # Odd speakers are F and have 1+3+5+6+6+6 of 36 right, even speakers 0+2+4+6+6+6.
    assert (women[:3], women[5]) == (["F", "36", "6"], "75.0 %")
    assert (men[:3], men[5]) == (["M", "36", "6"], "66.7 %")
    assert table["note"] == ""


def test_table_of_many_groups_is_cut_and_states_it(fakes, twelve, monkeypatch):
    monkeypatch.setattr("soritune.reports.page_tables.GROUPS_SHOWN", 3)
    scores = score_predictions(twelve / "predictions" / "test.jsonl", group_by=("age",), resamples=0)
    emotion = scores.tasks["emotion"]
    table = group_table(fakes.emotion_task(), "age", emotion.groups["age"], emotion)
    assert len(table["rows"]) == 3
    assert table["note"] == "1 more groups are in scores.json."


def test_columns_are_shares_numbers_or_text():
    table = Table("T", ("name", "share", "count"), (("a", 0.5, 3), ("b", float("nan"), 12)), note="n")
    shown = shown_table(table)
    assert [column["numeric"] for column in shown["columns"]] == [False, True, True]
    cells = [[(cell["text"], cell["share"]) for cell in row["cells"]] for row in shown["rows"]]
    assert cells == [
        [("a", None), ("50.0 %", 50.0), ("3", None)],
        [("b", None), ("–", None), ("12", None)],
    ]
    assert (shown["title"], shown["note"], shown["rest"]) == ("T", "n", None)


@pytest.mark.parametrize(("count", "expected"), [(16, (16, 0)), (17, (12, 5))])
def test_long_tables_fold_unless_few_rows_are_left(count, expected):
    shown = shown_table(Table("T", ("number",), tuple((k,) for k in range(count))))
    assert (len(shown["rows"]), len(shown["rest"]["rows"]) if shown["rest"] else 0) == expected


def test_compared_columns_of_the_model_before_stand_in_front_of_its_own():
    columns = ("phone", "occurrences", "share")
    after = Table("Phones", columns, (("B", 4, 0.5), ("A", 2, 0.0)), compared=("share",))
    before = Table("Phones", columns, (("A", 2, 1.0),), compared=("share",))
    shown = beside_before(after, before)
    assert shown.columns == ("phone", "occurrences", "share, before fine-tuning", "share")
    assert shown.rows[1] == ("A", 2, 1.0, 0.0)
    assert [cell["text"] for cell in shown_table(shown)["rows"][0]["cells"]] == ["B", "4", "–", "50.0 %"]
    assert beside_before(after, None) is after
