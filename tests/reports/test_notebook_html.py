from soritune.reports.evaluation import Evaluation
from soritune.reports.notebook_html import notebook_html
from soritune.reports.score import score_predictions


def test_rates_and_warnings_are_shown_and_escaped(fakes, tmp_path):
    rows = fakes.prediction_rows({"s1": 6, "s2": 3})
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    scores = score_predictions(path, resamples=20)
    html = notebook_html(scores, "a<b>.html")
    assert "2 known speakers" in html and "<b>75.0 %</b>" in html
    assert "a&lt;b&gt;.html" in html
    assert Evaluation(scores)._repr_html_() == notebook_html(scores)


def test_result_is_shown_as_its_report_and_still_is_a_dict(fakes, tmp_path):
    path = fakes.write_rows(
        tmp_path / "p.jsonl", [fakes.emotion_task()], fakes.prediction_rows({"s1": 6, "s2": 3})
    )
    evaluation = Evaluation(score_predictions(path, resamples=20), files={"report": "r.html"})
    assert repr(evaluation).startswith("fake, judged on split")
    assert repr(evaluation).endswith("report: r.html")
    assert evaluation["num_utterances"] == 12
    picture = evaluation.show_confusion_matrix()
    assert picture._repr_svg_().startswith("<svg") and "calm" in picture._repr_svg_()
    assert picture.save(tmp_path / "c.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")
    assert "confusion" in repr(picture)
