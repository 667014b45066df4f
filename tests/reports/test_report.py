import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from tests.serving.browser import Browser

from soritune.errors import ManifestError, TaskError
from soritune.reports.before import scores_before, with_before
from soritune.reports.history import read_events
from soritune.reports.report import write_report
from soritune.reports.score import score_predictions

pytestmark = pytest.mark.slow

VOID = {"meta", "br", "img", "input", "hr", "link"}


class Page(HTMLParser):
    """Collects attributes and text, and checks that every tag is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page_of(folder, **options):
    html = write_report(folder, **options).read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    assert page.open == []
    return html, page


@pytest.fixture
def run(fakes, tmp_path):
    """Predictions of two tasks with Hangul labels, clips on disk, and a training log."""
    labels = ("불안", "친절", "건조")
    emotion, phoneme = fakes.emotion_task(labels), fakes.phoneme_task()
    rows = fakes.prediction_rows({f"s{k:02d}": 3 + k % 4 for k in range(11)}, labels=labels)
    spoken = fakes.phoneme_rows({f"s{k:02d}": [("A B | D", "A D | D")] * 6 for k in range(11)})
    for row, other in zip(rows, spoken, strict=True):
        row["tasks"] |= other["tasks"]
        row["tasks"]["phoneme"]["reference"]["text"] = "안녕 <b>하세요</b>"
        tone = np.sin(np.arange(8000) / 16000 * 2 * np.pi * 200).astype(np.float32) * 0.1
        soundfile.write(tmp_path / row["audio"], tone, 16000)
    data = {"split": "test", "policy": {"by": ["speaker"]}, "root": str(tmp_path)}
    fakes.write_rows(tmp_path / "predictions" / "test.jsonl", [emotion, phoneme], rows, data=data)
    events = [{"event": "start", "step": 0, "train_hours": 1.5, "device": "cpu"}]
    events += [{"event": "step", "step": k, "loss": 3 / k, "lr/all": 1e-4} for k in range(1, 20)]
    events += [
        {"event": "evaluate", "step": 10, "val/loss": 1.0, "val/emotion/ua": 0.5, "val/phoneme/per": 0.4}
    ]
    log = "\n".join(json.dumps(event) for event in events)
    (tmp_path / "train.jsonl").write_text(log + '\n{"event": "st', encoding="utf-8")
    score_predictions(tmp_path / "predictions" / "test.jsonl", resamples=50).save(tmp_path / "scores.json")
    return tmp_path


def test_page_is_one_file(run):
    html, page = page_of(run)
    for _, attributes in page.attributes:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:audio/"))
    assert "@import" not in html
    assert "url(http" not in html
    assert "<script" not in html


def test_page_shows_the_numbers_of_the_scores(run):
    _, page = page_of(run)
    text = " ".join(page.text)
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    for task, rate in (("emotion", "ua"), ("phoneme", "per")):
        assert f"{100 * scores['tasks'][task]['rates'][rate]['value']:.1f} %" in text
    assert "always '친절'" in text or "always '불안'" in text
    assert "0.2 h" not in text


def test_figures_have_hangul_as_text_and_the_colours_of_the_page(run):
    html, _ = page_of(run)
    figures = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    # Confusion and calibration; for wide and narrow pages two speaker plots, classes and history.
    assert len(figures) == 2 + 2 * 4
    assert any("불안</text>" in figure for figure in figures)
    assert all("var(--" in figure for figure in figures)
    assert "DejaVu" not in html
    assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", html)


def test_reference_text_is_escaped(run):
    html, _ = page_of(run)
    assert "안녕 &lt;b&gt;하세요&lt;/b&gt;" in html
    assert "<b>하세요" not in html


def test_players_hold_the_clips_and_can_be_left_out(run):
    with_audio, page = page_of(run)
    players = [attributes["src"] for tag, attributes in page.attributes if tag == "audio"]
    assert 0 < len(players) <= 24
    assert all(source.startswith("data:audio/") and len(source) > 500 for source in players)
    without, page = page_of(run, audio=False)
    assert not [tag for tag, _ in page.attributes if tag == "audio"]
    assert len(without) < len(with_audio)


def test_report_of_moved_clips_has_no_players(run):
    _, page = page_of(run, audio_root=run / "elsewhere")
    assert not [tag for tag, _ in page.attributes if tag == "audio"]


def test_alignment_marks_the_wrong_phone(run):
    html, _ = page_of(run)
    assert re.search(r'<span class="sub"><b>B</b><b>D</b></span>', html)
    assert re.search(r'<span class="equal"><b>A</b><b>A</b></span>', html)
    assert "1 error in 3" in html


def test_warnings_are_banners(fakes, tmp_path):
    rows = fakes.prediction_rows({"s1": 6, "s2": 2})
    data = {"policy": {"by": ["random"]}}
    fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows, data=data, synthetic=True)
    score_predictions(tmp_path / "p.jsonl", resamples=50).save(tmp_path / "scores.json")
    html, _ = page_of(tmp_path)
    banners = re.findall(r'<p class="banner.*?</p>', html, flags=re.DOTALL)
    assert [
        any(word in banner for banner in banners) for word in ("synthetic", "Random", "2 known speakers")
    ] == [True] * 3
    assert html.index("Judged on synthetic speech") < html.index('class="tiles"')


def test_provenance_names_recipe_data_and_versions(run):
    html, _ = page_of(run)
    for word in ("fake", "c0ffee", "disjoint by speaker", "MIT", "numpy", "Resolved recipe"):
        assert word in html


def test_same_input_same_figures(run):
    first, second = (page_of(run, audio=False)[0] for _ in range(2))
    assert first == second


def test_recordings_that_were_cut_are_shown_over_time(fakes, tmp_path):
    rows = fakes.prediction_rows({"s00": 3, "s01": 5})
    rows[0] |= {
        "duration_s": 40.0,
        "windows": [
            {
                "start_s": 20.0 * k,
                "end_s": 20.0 * (k + 1),
                "tasks": {"emotion": {"label": label, "confidence": 0.7}},
            }
            for k, label in enumerate(("calm", "tense"))
        ],
    }
    path = fakes.write_rows(
        tmp_path / "predictions" / "test.jsonl", [fakes.emotion_task()], rows, data={"split": "test"}
    )
    score_predictions(path, resamples=50).save(tmp_path / "scores.json")
    html, page = page_of(tmp_path)
    titles = [attributes["title"] for _, attributes in page.attributes if "title" in attributes]
    assert titles == ["0:00.0–0:20.0 calm 70.0 %", "0:20.0–0:40.0 tense 70.0 %"]
    assert "Labels over time" in html and html.count('class="swatches"') == 1


def test_failed_clips_are_listed(twelve):
    score_predictions(twelve / "predictions" / "test.jsonl", resamples=50).save(twelve / "scores.json")
    html, _ = page_of(twelve)
    assert "bad.wav" in html
    assert "1 of 73 clips could not be read" in html
    assert 'id="history"' not in html


def test_missing_scores_and_predictions_are_refused(tmp_path, twelve):
    with pytest.raises(ManifestError, match="soritune score"):
        write_report(tmp_path / "nothing")
    score_predictions(twelve / "predictions" / "test.jsonl", resamples=0).save(
        twelve / "alone" / "scores.json"
    )
    with pytest.raises(ManifestError, match="--predictions"):
        write_report(twelve / "alone")


def test_unfinished_line_of_events_is_left_out(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"event": "step", "step": 1}\n{"event": "st')
    assert read_events(tmp_path / "train.jsonl") == [{"event": "step", "step": 1}]
    assert read_events(tmp_path / "gone.jsonl") == []


def test_page_fits_a_telephone_and_prints_whole(run, tmp_path):
    page = write_report(run)
    with Browser(tmp_path / "browser") as browser:
        browser.resize(360, 800)
        browser.open(page.as_uri())
        assert browser.value("document.documentElement.scrollWidth") == 360
        shown = "getComputedStyle(document.querySelector('figure.{}')).display"
        assert [browser.value(shown.format(kind)) for kind in ("wide", "narrow")] == ["none", "block"]
        # Every cell of a table is inside the page: no column is cut.
        outside = (
            "[...document.querySelectorAll('td')].filter(e => e.getBoundingClientRect().right > 360).length"
        )
        assert browser.value(outside) == 0
        browser.resize(1280, 800)
        assert [browser.value(shown.format(kind)) for kind in ("wide", "narrow")] == ["block", "none"]
        recipe = "document.querySelector('pre').checkVisibility({contentVisibilityAuto: true})"
        assert browser.value(recipe) is False
        browser.call("Emulation.setEmulatedMedia", media="print")
        # The layout is made anew before the visibility is asked for.
        assert browser.value("document.querySelector('pre').getBoundingClientRect().height") > 20
        assert browser.value(recipe) is True
        assert browser.complaints == []


def test_page_is_korean_and_phones_are_codes_on_request(run):
    html, _ = page_of(run, language="ko")
    assert '<html lang="ko">' in html and "음소 오류율" in html
    with pytest.raises(TaskError, match="phones as ipa were requested"):
        page_of(run, phones="ipa")


@pytest.mark.parametrize("has_before", [True, False])
def test_report_of_a_run_has_phones_and_speakers_before_fine_tuning(fakes, tmp_path, has_before):
    for name, hypothesis, bundle in (
        ("test-start", "B A | D", {"folder": "start", "training": {"step": 0}}),
        ("test", "A B | D", {"folder": "best", "training": {"step": 9}}),
    ):
        rows = fakes.phoneme_rows({speaker: [("A B | D", hypothesis)] * 2 for speaker in ("kim", "lee")})
        path = tmp_path / "predictions" / f"{name}.jsonl"
        fakes.write_rows(path, [fakes.phoneme_task()], rows, data={"split": "test", "manifest_hash": "same"})
        header, rest = path.read_text(encoding="utf-8").split("\n", 1)
        header = json.dumps({**json.loads(header), "bundle": {"name": "m", **bundle}})
        path.write_text(f"{header}\n{rest}", encoding="utf-8")
        scores = score_predictions(path, resamples=20)
        if name == "test":
            with_before(scores, scores_before(path, scores)).save(tmp_path / "scores.json")
        else:
            scores.save(tmp_path / "scores-start.json")
    if not has_before:
        path.with_name("test-start.jsonl").unlink()
    html = write_report(tmp_path, audio=False).read_text(encoding="utf-8")
    assert ("share, before fine-tuning" in html) == has_before
    assert ("<td>kim</td>" in html or ">kim<" in html) and "over the speaker&#39;s own clips" in html
    assert ("paired over clips" in html) == has_before
