from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.assessment.made_output import FIRST, LAST, output_of, read

from soritune.assessment.answer import PhoneOutput, Recording, Request, assess, fluency, unreadable
from soritune.assessment.limits import limited
from soritune.assessment.thresholds import packaged_thresholds
from soritune.assessment.timing import Interval, Tiers
from soritune.assessment.variants import AcceptedVariants, WordVariant
from soritune.audio.quality import Quality
from soritune.errors import TaskError
from soritune.korean import ARPABET, KOREAN, WORD_BOUNDARY

TEXT = "오늘은 날씨가 좋아요."
GOOD = Recording("c1", "clip.wav", 4.0, Quality(30.0, 0.0, -20.0, 0.8), 3.0)
ENGLISH = ("[PAD]", WORD_BOUNDARY, *ARPABET.symbols)
TINY_KO = packaged_thresholds("tiny-ko")
assert TINY_KO is not None
THRESHOLDS = TINY_KO.model_copy(update={"phone_log_probability": -3.0, "insertion_log_ratio": 2.0})


def answer(text: str | None, output: PhoneOutput, recording: Recording = GOOD) -> dict[str, Any]:
    result = assess(Request(text=text), recording, output, THRESHOLDS)
    json.dumps(result, allow_nan=False)
    return result


@pytest.mark.parametrize("labels", [FIRST, LAST])
def test_hierarchy_of_text_words_syllables_and_phones(labels: tuple[str, ...]) -> None:
    result = answer(TEXT, output_of(read(TEXT), labels))
    assert (result["assessable"], result["outcome"], result["reason"]) == (True, "assessed", None)
    assert [word["text"] for word in result["words"]] == ["오늘은", "날씨가", "좋아요."]
    assert [syllable["text"] for syllable in result["words"][2]["syllables"]] == ["좋", "아", "요"]
    phones = [p for word in result["words"] for s in word["syllables"] for p in s["phones"]]
    assert [phone["expected"] for phone in phones] == [symbol for symbol in read(TEXT) if symbol != "|"]
    assert [phone["index"] for phone in phones] == list(range(len(phones)))
    assert all(phone["expected"] in KOREAN.symbols and phone["letter"] and phone["ipa"] for phone in phones)
    assert all(phone["start_s"] < phone["end_s"] for phone in phones)
    assert result["counts"] == {
        "phones": len(phones),
        "correct": len(phones),
        "substitution": 0,
        "deletion": 0,
        "unclear": 0,
        "insertion": 0,
        "words": 3,
        "words_not_heard": 0,
    }
    assert result["scores"] is None
    assert result["advice"] is None
    assert result["thresholds"] == THRESHOLDS.to_json()


def test_rule_concerned_is_named() -> None:
    text = "국물"
    result = assess(
        Request(text=text), GOOD, output_of(read(text)), THRESHOLDS.model_copy(update={"least_margin": -9})
    )
    coda = result["words"][0]["syllables"][0]["phones"][2]
    assert coda["expected"] == "NG"
    assert coda["rules"] == [{"article": "18", "title": "nasalisation"}]


def test_error_has_kind_candidates_and_advice() -> None:
    symbols = ["R" if symbol == "N" and at < 3 else symbol for at, symbol in enumerate(read(TEXT))]
    result = answer(TEXT, output_of(symbols))
    wrong = [
        phone
        for word in result["words"]
        for syllable in word["syllables"]
        for phone in syllable["phones"]
        if phone["kind"] != "correct"
    ]
    assert [(p["expected"], p["kind"], p["recognised"], p["recognised_letter"]) for p in wrong] == [
        ("N", "substitution", "R", "ㄹ")
    ]
    assert wrong[0]["candidates"][0]["phone"] == "R"
    assert sum(candidate["probability"] for candidate in wrong[0]["candidates"]) <= 1.00001
    assert result["words"][0]["errors"] == 1
    assert result["advice"]["phone"] == wrong[0]["index"]


@pytest.mark.parametrize(
    ("recording", "outcome"),
    [
        (replace(GOOD, speech_s=0.05), "no-speech"),
        (replace(GOOD, quality=Quality(30.0, 0.0, -70.0, 0.5)), "too-quiet"),
        (replace(GOOD, quality=Quality(30.0, 0.2, -3.0, 0.5)), "clipped"),
        (replace(GOOD, duration_s=0.5), "too-short"),  # 17 phones
        (replace(GOOD, language=("en", 0.97)), "other-language"),
        (replace(GOOD, language=("en", 0.3)), "assessed"),
        (replace(GOOD, language=("ko", 0.97)), "assessed"),
        (replace(GOOD, quality=None, speech_s=None), "assessed"),
    ],
)
def test_outcome_is_a_code_with_a_reason(recording: Recording, outcome: str) -> None:
    result = answer(TEXT, output_of(read(TEXT)), recording)
    assert result["outcome"] == outcome
    assert result["assessable"] == (outcome == "assessed")
    assert (result["reason"] is None) == (outcome == "assessed")
    assert (result["reason_text"] is None) == (outcome == "assessed")
    if outcome != "assessed":
        assert result["reason_text"]["en"] == result["reason"]
        assert "{" not in result["reason_text"]["ko"] != result["reason"]
    assert (result["words"] is None) == (outcome != "assessed")


def test_language_is_compared_with_korean_alone() -> None:
    """`--phones` of a model of another language states no Korean text."""
    english = replace(GOOD, language=("en", 0.97))
    symbols = ["DH", "AH", "K", "AE", "T", "S", "AE", "T"]
    result = assess(Request(phones=symbols), english, output_of(symbols, ENGLISH), THRESHOLDS)
    assert (result["outcome"], result["counts"]["correct"]) == ("assessed", len(symbols))
    korean = read(TEXT)
    result = assess(Request(phones=korean), english, output_of(korean), THRESHOLDS)
    assert result["outcome"] == "other-language"


def test_unrelated_speech_is_refused() -> None:
    result = answer("어제는 버스를 탔어요", output_of(read(TEXT)))
    assert result["outcome"] == "unrelated-speech"
    assert result["relatedness"]["margin"] < THRESHOLDS.least_margin


@pytest.mark.parametrize(
    ("text", "outcome"),
    [(None, "no-text"), ("  ", "no-text"), ("hello", "text-not-readable"), ("긴 글" * 40, "too-short")],
)
def test_unusable_text_is_an_outcome(text: str | None, outcome: str) -> None:
    assert answer(text, output_of(["A", "B"]))["outcome"] == outcome


def test_no_frames_at_all_is_too_short() -> None:
    output = replace(output_of(["A"]), log_probabilities=np.zeros((0, len(FIRST))))
    assert answer("가", output)["outcome"] == "too-short"


def test_quality_that_is_unknown_is_null() -> None:
    result = answer(
        TEXT, output_of(read(TEXT)), replace(GOOD, quality=Quality(float("nan"), 0.0, -20.0, 0.8))
    )
    assert result["recording"]["snr_db"] is None
    assert result["language"] is None


def test_unreadable_recording() -> None:
    result = unreadable(Request(text=TEXT), GOOD, THRESHOLDS, "does not exist")
    assert (result["outcome"], result["reason"], result["words"]) == (
        "unreadable-audio",
        "the recording does not exist",
        None,
    )
    assert "녹음 파일을 읽을 수 없습니다" in result["reason_text"]["ko"]


def test_sounds_that_moved_are_in_the_syllables_that_name_them() -> None:
    """ㄱ of the second 일찍 is pronounced in the next word, and every syllable names the phones in it."""
    result = answer("일찍 일어나지", output_of(read("일찌 기러나지")))
    assert [word["text"] for word in result["words"]] == ["일찍", "일어나지"]
    assert [word["pronounced"] for word in result["words"]] == ["일찌", "기러나지"]
    for word in result["words"]:
        for syllable in word["syllables"]:
            letters = "".join(phone["letter"] for phone in syllable["phones"])
            assert unicodedata.normalize("NFD", syllable["pronounced"]) == _decomposed(letters)


def _decomposed(letters: str) -> str:
    """Letters as the conjoining letters of one syllable (Unicode, chapter 3.12)."""
    onsets, vowels = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
    codas = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
    at = next(number for number, letter in enumerate(letters) if letter in vowels)
    onset = letters[:at] or "ㅇ"
    parts = [chr(0x1100 + onsets.index(onset)), chr(0x1161 + vowels.index(letters[at]))]
    return "".join(parts + [chr(0x11A8 + codas.index(letter)) for letter in letters[at + 1 :]])


def test_syllables_without_places_are_not_spelt() -> None:
    result = assess(Request(phones=["G", "A"]), GOOD, output_of(["G", "A"]), THRESHOLDS)
    assert result["words"][0]["pronounced"] is None


def test_lossy_file_has_a_warning_in_both_languages() -> None:
    output = output_of(read(TEXT))
    assert answer(TEXT, output)["warnings"] == []
    result = answer(TEXT, output, replace(GOOD, lossy_codec="MP3"))
    assert result["recording"]["lossy_codec"] == "MP3"
    [warning] = result["warnings"]
    assert warning["code"] == "lossy-audio"
    assert all("MP3" in warning[language] for language in ("ko", "en"))


def test_phone_of_the_same_letter_states_why_it_is_right() -> None:
    """길로 with [ɾ] for one of its two [l]."""
    symbols = read("길로")
    at = len(symbols) - 1 - symbols[::-1].index("L")
    result = answer("길로 가세요", output_of([*symbols[:at], "R", *symbols[at + 1 :], "|", *read("가세요")]))
    [phone] = [
        phone
        for word in result["words"]
        for syllable in word["syllables"]
        for phone in syllable["phones"]
        if phone["accepted"]
    ]
    assert (phone["kind"], phone["recognised"], phone["accepted"]) == ("correct", "R", "same-letter")
    assert phone["accepted_kind"] == "sound"
    assert phone["accepted_reason"]["ko"]
    assert phone["accepted_reason"]["en"]


def test_pauses_and_rates_by_hand() -> None:
    # 4 syllables in 2 s, of which 0.5 s are a pause; the gap of 0.1 s is no pause, but no speech either.
    phones = (Interval("A", 1.0, 1.4), Interval("B", 1.5, 2.0), Interval("A", 2.5, 3.0))
    assert fluency(Tiers(phones), 4) == {
        "pauses": [[2.0, 2.5]],
        "speech_rate": 2.0,
        "articulation_rate": round(4 / 1.4, 3),
    }
    assert fluency(Tiers(phones), 0)["speech_rate"] is None


def test_text_that_is_too_long_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soritune.assessment.expected.log_likelihood", None)  # a call would be a TypeError
    result = answer(TEXT, output_of(read(TEXT)), replace(GOOD, duration_s=0.5))
    assert result["outcome"] == "too-short"
    assert "17 phones and the recording 0.50 s" in result["reason"]


def test_only_too_few_frames_are_too_short() -> None:
    """A label that is no phone is an error, and not a fault of the recording."""
    output = output_of(read(TEXT))
    with pytest.raises(TaskError, match="no phone"):
        assess(Request(phones=["N", "[PAD]"]), GOOD, output, THRESHOLDS)
    with limited(10, lambda: False), pytest.raises(TaskError, match="send shorter parts"):
        assess(Request(phones=read(TEXT)), GOOD, output, THRESHOLDS)


def phones_of(word: dict[str, Any]) -> list[dict[str, Any]]:
    return [phone for syllable in word["syllables"] for phone in syllable["phones"]]


@pytest.mark.parametrize("number", range(4))
def test_word_that_was_not_spoken_is_named_and_leaves_its_neighbours_right(number: int) -> None:
    text = "주말에 우리 같이 미술관"
    said = text.split()
    del said[number]
    result = answer(text, output_of(read(" ".join(said))))
    assert [word["kind"] for word in result["words"]] == [
        "not-heard" if at == number else "heard" for at in range(4)
    ]
    for at, word in enumerate(result["words"]):
        assert {phone["kind"] for phone in phones_of(word)} == {"deletion" if at == number else "correct"}
        assert (word["start_s"] == word["end_s"]) == (at == number)
    assert [phone["index"] for word in result["words"] for phone in phones_of(word)] == list(
        range(result["counts"]["phones"])
    )
    assert result["counts"]["deletion"] == len(phones_of(result["words"][number]))
    assert (result["counts"]["words"], result["counts"]["words_not_heard"]) == (4, 1)
    assert result["insertions"] == []
    assert (result["advice"]["id"], result["advice"]["word"]) == ("word-not-heard", number)
    starts = [word["start_s"] for word in result["words"]]
    assert starts == sorted(starts)


def test_insertion_after_a_missing_word_has_its_number_in_the_whole_text() -> None:
    said = read("주말에 우리 미술관")
    said[-1:-1] = ["S", "EU"]
    result = answer("주말에 우리 같이 미술관", output_of(said))
    last = phones_of(result["words"][3])
    assert {insertion["before"] for insertion in result["insertions"]} <= {
        last[-1]["index"],
        last[-1]["index"] + 1,
    }
    assert result["insertions"] != []


def test_word_of_one_phone_that_is_missing_was_not_heard() -> None:
    text = "같이 이 길로"
    result = answer(text, output_of(read("같이 길로")))
    assert [word["kind"] for word in result["words"]] == ["heard", "not-heard", "heard"]


def test_word_variant_is_expected_where_it_was_spoken() -> None:
    variants = AcceptedVariants(words={"네가": (WordVariant("니가", "입말"),)})
    text, said = "어제 네가, 그리고 네가 했어", "어제 니가 그리고 네가 했어"
    output = output_of(read(said))
    plain = answer(text, output)
    assert plain["counts"]["substitution"] == 1
    result = assess(Request(text=text), GOOD, output, THRESHOLDS, variants=variants)
    assert result["counts"]["correct"] == result["counts"]["phones"]
    assert [word["text"] for word in result["words"]] == ["어제", "네가,", "그리고", "네가", "했어"]
    assert [word["spoken"] for word in result["words"]][1] == "니가"
    assert [word["variant"] for word in result["words"]] == [
        None,
        {"word": "니가", "reason": "입말"},
        None,
        None,
        None,
    ]
    other = AcceptedVariants(words={"가": (WordVariant("거", ""),)})
    result = assess(Request(text=text), GOOD, output, THRESHOLDS, variants=other)
    assert result["counts"]["substitution"] == 1, "a part of a word is not the word"


def test_warning_about_latin_letters_is_in_every_answer() -> None:
    result = answer("TV 좋아요", output_of(read("티비 좋아요")))
    assert [warning["code"] for warning in result["warnings"]] == ["latin-letters"]
    assert answer(TEXT, output_of(read(TEXT)))["warnings"] == []
    missing = unreadable(Request(text="TV"), GOOD, THRESHOLDS, "does not exist")
    assert len(missing["warnings"]) == 1
