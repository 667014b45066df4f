"""The page at `/` in headless Chromium."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from tests.serving.browser import Browser, chromium
from tests.serving.conftest import Connect
from tests.serving.test_server import Process

from soritune.audio.synthesis.espeak import Synthesizer
from soritune.corpus.manifest import Manifest
from soritune.korean.g2p import Pronouncer
from soritune.korean.phones import KOREAN
from soritune.metrics.edit_distance import edit_counts
from soritune.serving.app import PAGE

SENTENCES = (
    "안녕하세요 오늘은 날씨가 좋습니다",
    "우리는 내일 아침에 바다로 갑니다",
    "친구가 도서관에서 책을 읽고 있습니다",
    "저녁에는 가족과 함께 밥을 먹었습니다",
)
PHONES = (
    "JSON.stringify([...document.querySelectorAll('#phones li')]"
    ".map((each) => each.querySelector('button')?.dataset.symbol ?? '|'))"
)
READY = "document.getElementById('status').textContent.match(/Ready|준비/) !== null"
DONE = "document.getElementById('status').textContent.includes('phones in')"


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sentences with pauses, at 48 kHz as a sound card gives them."""
    synthesizer = Synthesizer()
    voice = "language ko\n" + synthesizer.description(synthesizer.voices()[0])
    parts = [np.zeros(24_000)]
    for sentence in SENTENCES:
        sound = synthesizer.speak_as(voice, sentence, phonemes=False)
        parts += [soxr.resample(sound.samples, sound.sample_rate_hz, 48_000), np.zeros(12_000)]
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    soundfile.write(path, 0.8 * np.concatenate(parts), 48_000, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("server") / "log", "soritune/tiny-ko", "--vad", "energy")
    yield process
    process.stop()


@pytest.fixture
def browser(server: Process, speech: Path, tmp_path: Path) -> Iterator[Browser]:
    """A browser with the page; its microphone plays the sentences once."""
    with Browser(
        tmp_path / "browser",
        "--lang=en-US",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={speech}%noloop",
    ) as opened:
        opened.open(f"{server.url}/")
        opened.wait(READY)
        yield opened
        assert opened.complaints == []


def rate(phones: list[str]) -> float:
    """Phone error rate of the sentences in percent, without word boundaries."""
    g2p = Pronouncer()
    expected = [phone for text in SENTENCES for phone in g2p.phonemize(text) if phone != "|"]
    *edits, length = edit_counts(expected, [phone for phone in phones if phone != "|"])
    return 100 * sum(edits) / length


@pytest.mark.slow(seconds=25)
def test_file_and_microphone_give_the_same_phones(browser: Browser, speech: Path, server: Process) -> None:
    browser.choose_file("#file", speech)
    browser.wait(DONE)
    of_file = json.loads(browser.value(PHONES))
    assert rate(of_file) < 30
    assert browser.value("document.getElementById('hangul').textContent").startswith("안녕")
    shown = "[...document.querySelectorAll('#phones b')].map((each) => each.textContent).join('')"
    assert re.fullmatch("[ㄱ-ㅣ]+", browser.value(shown))
    assert browser.value("document.getElementById('details').open") is True
    starts = json.loads(
        browser.value(
            "JSON.stringify([...document.querySelectorAll('#phones button')].map((each) => +each.dataset.start))"
        )
    )
    seconds = soundfile.info(speech).duration
    assert starts == sorted(starts)
    assert 0.4 < starts[0] < 1.2
    assert seconds - 1.5 < starts[-1] < seconds
    ink = "document.getElementById('canvas').getContext('2d').getImageData(0, 0, 800, 100).data.some((each) => each)"
    assert browser.value(ink)

    browser.press("r")
    browser.wait("document.getElementById('record').getAttribute('aria-pressed') === 'true'")
    browser.wait(
        f"parseFloat(document.getElementById('status').textContent.match(/[0-9.]+/)?.[0]) > {seconds}"
    )
    assert browser.value("document.querySelectorAll('#phones button').length") > 5  # partial results
    browser.press("r")
    browser.wait(DONE)
    of_microphone = json.loads(browser.value(PHONES))
    assert abs(rate(of_microphone) - rate(of_file)) <= 2, (rate(of_file), rate(of_microphone))
    folder = os.environ.get("SORITUNE_SCREENSHOTS")
    if folder:
        for name, width, dark in (("desktop", 1100, False), ("phone", 360, False), ("dark", 360, True)):
            browser.resize(width, 800, dark=dark)
            browser.value("new Promise((done) => setTimeout(done, 300))")
            browser.picture(Path(folder) / f"page-{name}.png")


@pytest.mark.slow(seconds=8)
def test_text_to_read_is_assessed_in_both_languages(browser: Browser, unseen: Manifest, speech: Path) -> None:
    """A clip with its own text has words with phones, and one with another text has the reason; within 360 pixels."""
    row = next(unseen.utterances())
    browser.value(f"document.getElementById('text').value = {json.dumps(row.text)}")
    browser.choose_file("#file", unseen.audio_path(row))
    browser.wait("document.querySelectorAll('#assessed .word').length > 0")
    assert browser.value("document.querySelectorAll('#assessed .word span').length") > 10
    assert (
        browser.value("document.getElementById('details').open") is False
    )  # what was recognised without the text
    assert "was assessed" in browser.value("document.getElementById('status').textContent")
    assert "no recordings of learners" in browser.value("document.getElementById('assessment').textContent")
    folder = os.environ.get("SORITUNE_SCREENSHOTS")
    for language, width in (("en", 1100), ("en", 360), ("ko", 360)):
        if browser.value("document.documentElement.lang") != language:
            browser.press("l")
        browser.resize(width, 800)
        assert browser.value("document.documentElement.scrollWidth") <= width
        if folder:
            browser.value("new Promise((done) => setTimeout(done, 300))")
            browser.picture(Path(folder) / f"assessment-{language}-{width}.png")
    assert "검증하지 못한" in browser.value("document.getElementById('assessment').textContent")
    browser.choose_file("#file", speech)
    browser.wait("document.querySelector('#assessed .note') !== null")
    assert browser.value("document.querySelector('#assessed .note').textContent").startswith(
        "평가하지 못했습니다: "
    )
    browser.value("document.getElementById('text').value = ''")
    browser.choose_file("#file", speech)
    browser.wait("document.getElementById('status').textContent.includes('찾았습니다')")
    assert browser.value("document.getElementById('assessment').hidden") is True


@pytest.mark.slow(seconds=12)
def test_page_states_which_of_several_models_assessed(
    toy: dict[str, Path], unseen: Manifest, tmp_path: Path
) -> None:
    """The chosen model has no thresholds: another one assesses, in both languages by name."""
    process = Process(
        tmp_path / "log", f"toy={toy['onnx-runtime']}", "ko=soritune/tiny-ko", "--vad", "energy"
    )
    row = next(unseen.utterances())
    shown = "document.getElementById('assessor').textContent"
    try:
        with Browser(tmp_path / "browser", "--lang=en-US") as browser:
            browser.open(f"{process.url}/")
            browser.wait(READY)
            browser.value(f"document.getElementById('text').value = {json.dumps(row.text)}")
            for chosen, stated in (
                ("toy", "Assessed by the model ko: the chosen model toy does not assess a text."),
                ("ko", "Assessed by the model ko."),
            ):
                browser.value(f"document.getElementById('model').value = '{chosen}'")
                browser.choose_file("#file", unseen.audio_path(row))
                browser.wait(f"{shown} === {json.dumps(stated)}")
                browser.wait("!document.getElementById('assessment').hidden")
            browser.press("l")
            assert browser.value(shown) == "평가한 모델: ko"
            assert browser.complaints == []
    finally:
        process.stop()


@pytest.mark.slow(seconds=6)
def test_keyboard_languages_and_narrow_window(browser: Browser, speech: Path) -> None:
    assert browser.value("document.documentElement.lang") == "en"
    browser.press("l")
    assert browser.value("document.documentElement.lang") == "ko"
    assert browser.value("document.getElementById('record-text').textContent") == "녹음"
    browser.choose_file("#file", speech)
    browser.wait("document.querySelectorAll('#phones button').length > 0")
    browser.value("document.querySelector('#phones button').focus()")
    browser.press("ArrowRight")
    index = "[...document.querySelectorAll('#phones button')].indexOf(document.activeElement)"
    assert browser.value(index) == 1
    browser.press("End")
    assert browser.value(f"{index} === document.querySelectorAll('#phones button').length - 1")
    assert browser.value("document.querySelectorAll('#phones button[tabindex=\"0\"]').length") == 1
    for width in (360, 1100):
        browser.resize(width, 800)
        assert browser.value("document.documentElement.scrollWidth") <= width
        wide = "[...document.querySelectorAll('button, p, canvas')].filter((each) => each.offsetParent)"
        assert browser.value(f"{wide}.every((each) => each.getBoundingClientRect().right <= innerWidth)")


@pytest.mark.slow(seconds=4)
def test_faulty_file_is_an_alert_in_words(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_bytes(b"no audio at all")
    browser.choose_file("#file", tmp_path / "notes.wav")
    browser.wait("!document.getElementById('error').hidden")
    assert len(browser.value("document.getElementById('error').textContent")) > 20
    assert browser.value("document.getElementById('open').disabled") is False


@pytest.mark.slow(seconds=6)
@pytest.mark.parametrize("enabled", [True, False])
def test_emotion_is_shown_only_where_it_is_enabled(
    toy: dict[str, Path], clip: Path, tmp_path: Path, enabled: bool
) -> None:
    options = ["--enable-emotion"] if enabled else []
    process = Process(tmp_path / "log", f"toy={toy['onnx-runtime']}", "--vad", "energy", *options)
    try:
        with Browser(tmp_path / "browser", "--lang=ko-KR") as browser:
            browser.open(f"{process.url}/")
            browser.wait(READY)
            browser.choose_file("#file", clip)
            browser.wait("/s of audio|초에서/.test(document.getElementById('status').textContent)")
            assert browser.value("document.getElementById('emotion').hidden") is not enabled
            labels = browser.value(
                "[...document.querySelectorAll('#probabilities dt')].map((each) => each.textContent)"
            )
            assert sorted(labels) == (["기쁨", "화남"] if enabled else [])
            assert browser.complaints == []
    finally:
        process.stop()


def test_missing_browser_fails_in_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="chromium is not installed"):
        chromium()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        chromium()


def keys_of(language: str) -> set[str]:
    text = (PAGE / "texts.js").read_text(encoding="utf-8")
    block = text.split(f"  {language}: {{\n")[1].split("\n  },")[0]
    return set(re.findall(r'^    "?([\w-]+)"?: ', block, re.MULTILINE))


def test_both_languages_have_every_text() -> None:
    assert keys_of("en") == keys_of("ko")
    html, script = ((PAGE / name).read_text(encoding="utf-8") for name in ("index.html", "page.js"))
    used = set(re.findall(r'data-text="([\w-]+)"', html)) | set(
        re.findall(r'(?:say|report)\("([\w-]+)"', script)
    )
    assert used <= keys_of("en")
    assert len(used) > 15


def test_letters_of_the_page_are_those_of_the_inventory() -> None:
    text = (PAGE / "texts.js").read_text(encoding="utf-8")
    block = text.split("export const letters = {")[1].split("};")[0]
    shown = dict(re.findall(r'(\w+): "(.)"', block))
    assert shown.keys() == set(KOREAN.symbols)
    assert all(shown[phone.symbol] in phone.letters for phone in KOREAN.phones)


def test_page_loads_nothing_from_elsewhere(connect: Connect) -> None:
    response = connect().get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    for path in sorted(PAGE.iterdir()):
        assert not re.search(r"https?://|@import|//cdn", path.read_text(encoding="utf-8")), path
        assert connect().get(f"/{path.name}").status_code == 200
    for name in re.findall(r'(?:src|href)="([^":]+)"', response.text):
        assert (PAGE / name).is_file()
