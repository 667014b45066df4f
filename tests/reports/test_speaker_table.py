from soritune.inference.predictions import read_predictions
from soritune.reports.score import pairs_of, score_predictions
from soritune.reports.speaker_table import speaker_table


def judged(fakes, folder, name, clips):
    """Scores and pairs of one task of phones."""
    path = fakes.write_rows(folder / f"{name}.jsonl", [fakes.phoneme_task()], fakes.phoneme_rows(clips))
    return score_predictions(path, resamples=20).tasks["phoneme"], pairs_of(read_predictions(path), "phoneme")


def test_speakers_have_rates_before_and_after_and_their_difference_worst_first(fakes, tmp_path):
    before, before_pairs = judged(
        fakes, tmp_path, "before", {"kim": [("A B", "B A")] * 12, "lee": [("A B D A", "A B D A")] * 3}
    )
    after, pairs = judged(
        fakes, tmp_path, "after", {"kim": [("A B", "A B")] * 12, "lee": [("A B D A", "A B B A")] * 3}
    )
    table = speaker_table(fakes.phoneme_task(), after, pairs, before, before_pairs)
    assert [column["title"] for column in table["columns"]] == [
        "speaker",
        "clips",
        "before fine-tuning",
        "after",
        "difference",
    ]
    shown = [[cell["text"] for cell in row["cells"]] for row in table["rows"]]
    assert shown == [
        ["lee", "3", "0.0 %", "25.0 %", "+25.0"],
        ["kim", "12", "100.0 %", "0.0 %", "-100.0"],
    ]
    few, many = (row["cells"][-1]["small"] for row in table["rows"])
    assert few.endswith(", unreliable") and "unreliable" not in many


def test_without_scores_before_there_is_one_rate(fakes, tmp_path):
    after, pairs = judged(fakes, tmp_path, "after", {"kim": [("A B", "A D")]})
    table = speaker_table(fakes.phoneme_task(), after, pairs)
    assert [column["title"] for column in table["columns"]] == ["speaker", "clips", "per"]
    assert [cell["text"] for cell in table["rows"][0]["cells"]] == ["kim", "1", "50.0 %"]
