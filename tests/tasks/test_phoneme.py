from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from soritune.corpus.reading.field_mapping import convert
from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask
from soritune.tasks.results import Pair, Prediction


def row(**fields: object) -> Utterance:
    return Utterance(id="u", audio="a.wav", duration_s=1.0, **fields)  # type: ignore[arg-type]


def pair(reference: str, hypothesis: str) -> Pair:
    return Pair("u", {"phones": reference.split()}, Prediction("phoneme", {"phones": hypothesis.split()}))


def test_korean_vocabulary_has_45_labels_with_the_blank_first() -> None:
    output = PhonemeTask(PhonemeConfig()).outputs[0]
    assert len(output.labels) == len(set(output.labels)) == 45
    assert output.labels[output.options["blank"]] == "[PAD]"


def test_phones_come_from_the_text_or_from_the_row() -> None:
    task = PhonemeTask(PhonemeConfig())
    assert task.phones_of(row(text="한국어")) == ["H", "A", "N", "G", "U", "G", "EO"]
    assert task.phones_of(row(text="한국어", phones=("H", "A"))) == ["H", "A"]
    assert task.phones_of(row()) is None
    assert PhonemeTask(PhonemeConfig(source="perceived")).phones_of(row(text="한국어")) is None


def test_pronounced_text_is_the_text_whose_phones_are_derived() -> None:
    auto, text = PhonemeTask(PhonemeConfig()), PhonemeTask(PhonemeConfig(source="text"))
    assert auto.pronounced_text(row(text="네 👍")) == "네 👍"
    assert auto.pronounced_text(row(text="네", phones=("N", "E"))) is None
    assert text.pronounced_text(row(text="네", phones=("N", "E"))) == "네"
    assert auto.pronounced_text(row(text="Да", language="ru")) is None
    assert PhonemeTask(PhonemeConfig(source="phones")).pronounced_text(row(text="네")) is None


def test_phone_outside_the_inventory_is_refused_by_name() -> None:
    with pytest.raises(TaskError, match="phone 'KH' is not in the label set"):
        PhonemeTask(PhonemeConfig()).targets(row(phones=("KH", "A")))


def test_arpabet_phones_are_not_derived_from_text() -> None:
    with pytest.raises(TaskError, match="give the manifest a phones column"):
        PhonemeTask(PhonemeConfig(inventory="arpabet")).targets(row(text="hello"))


def test_rates_of_a_hand_worked_pair() -> None:
    # phones: S U | B A -> S O | B A NG: one substitution, one insertion over four phones; both of two words differ.
    task = PhonemeTask(PhonemeConfig())
    scores = task.score([pair("S U | B A", "S O | B A NG")])
    assert scores["per"] == pytest.approx(2 / 4)
    assert (scores["per_substitutions"], scores["per_deletions"], scores["per_insertions"]) == (
        0.25,
        0.0,
        0.25,
    )
    assert scores["word_phone_er"] == 1.0
    assert scores["cer_pron"] == 1.0  # 수바 against 소방


def test_word_boundary_is_not_counted_as_a_phone() -> None:
    assert PhonemeTask(PhonemeConfig()).score([pair("S U | B A", "S U B A")])["per"] == 0.0


def test_empty_hypothesis_is_all_deletions_and_empty_reference_is_nan() -> None:
    task = PhonemeTask(PhonemeConfig())
    assert task.score([pair("S U | B A", "")])["per"] == 1.0
    assert np.isnan(task.score([pair("", "")])["per"])


def test_decode_merges_repeats_and_removes_special_tokens_and_outer_boundaries() -> None:
    task = PhonemeTask(PhonemeConfig())
    labels = task.vocabulary
    path = ["|", "|", "S", "[PAD]", "U", "<s>", "|", "[PAD]", "|", "B", "A", "|"]
    table = np.full((len(path), len(labels)), -9.0, dtype=np.float32)
    table[np.arange(len(path)), [labels.index(symbol) for symbol in path]] = 0.0
    fields = task.decode({"phoneme": table}).fields
    assert fields["phones"] == ["S", "U", "|", "B", "A"]
    assert fields["hangul"] == "수 바"
    assert task.decode({"phoneme": np.zeros((0, 45), dtype=np.float32)}).fields["phones"] == []


def test_report_finds_the_weakest_phone() -> None:
    section = PhonemeTask(PhonemeConfig()).report([pair("S U | B A", "S O | B A NG"), pair("B A", "B A")])
    assert section.tables[0].rows[0] == ("U", 1, 1, 1.0, "21 – 100 %")  # Wilson 1927
    assert ("U", "O", 1) in section.tables[1].rows
    assert section.alignments[0].id == "u"


def test_report_states_that_accepted_forms_count_as_errors_where_they_occur() -> None:
    task = PhonemeTask(PhonemeConfig())
    (with_form, *_), (without, *_) = (
        task.report([pair("N A euI", recognised)]).tables for recognised in ("N A E", "N A U")
    )
    assert "as [ㅔ]" in with_form.note and "as [ㅔ]" not in without.note


def test_rows_in_another_language_are_ignored() -> None:
    task = PhonemeTask(PhonemeConfig(language="ko", source="phones"))
    english = row(phones=("dh", "ah"), language="en")
    assert task.targets(english) == {"phoneme": None}
    for language in ("ko", None):
        target = task.targets(row(phones=("G", "A"), language=language))["phoneme"]
        assert target is not None and [task.vocabulary[n] for n in target] == ["G", "A"]


SENTENCE = "she had your dark suit"


@pytest.mark.parametrize(
    ("text", "language", "why"),
    [
        ("안녕", None, None),
        ("안녕", "ko-KR", None),
        ("안녕", "unknown", None),
        ("안녕 she had your suit", "en", None),
        ("\u1112\u1161\u11ab she had your suit", None, None),
        ("ㅋㅋ she had your suit", None, None),
        ("OK", None, None),
        ("123", "ko", None),
        ("100km 50kg, 10 am 3 pm", None, None),
        pytest.param("LG TV, KBS MBC, Wi-Fi", None, None, marks=pytest.mark.slow),  # loads the analyser
        (SENTENCE, None, f"its text '{SENTENCE}' is not Korean"),
        (SENTENCE, "ko", f"its text '{SENTENCE}' is not Korean"),
        ("Ｓｈｅ ｈａｄ ｙｏｕｒ ｓｕｉｔ", None, "its text 'She had your suit' is not Korean"),
        (SENTENCE, "en-US", "its language is 'en-US', wanted is 'ko'"),
        ("123", "en", "its language is 'en', wanted is 'ko'"),
    ],
)
def test_only_korean_text_is_read_as_korean(text: str, language: str | None, why: str | None) -> None:
    task = PhonemeTask(PhonemeConfig())
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, text=text, language=language)
    assert (task.targets(row)["phoneme"] is None) == (why is not None)
    assert (task.reference(row) is None) == (why is not None)
    assert str(task.missing_label_reason(row)).startswith(str(why))


def test_phones_of_a_row_need_no_korean_text() -> None:
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, text=SENTENCE, language="en", phones=("G", "A"))
    task = PhonemeTask(PhonemeConfig())
    assert task.phones_of(row) == ["G", "A"]
    assert task.missing_label_reason(row) is None
    from_text = PhonemeTask(PhonemeConfig(source="text"))
    assert from_text.phones_of(row) is None
    assert "derived from its text" in str(from_text.missing_label_reason(row))
    perceived = PhonemeTask(PhonemeConfig(source="perceived"))
    assert perceived.missing_label_reason(row) is None  # a missing field is reported elsewhere


@pytest.mark.parametrize(
    ("language", "taken"),
    [
        ("ko-KR", True),
        ("kor", True),
        ("Korean", True),
        ("한국어", True),
        ("und", True),
        (None, True),
        ("en", False),
    ],
)
def test_language_is_matched_without_region_and_in_any_spelling(language: str | None, taken: bool) -> None:
    task = PhonemeTask(PhonemeConfig(language="ko"))
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=("G", "A"), language=language)
    assert (task.phones_of(row) is not None) == taken
    assert (task.missing_label_reason(row) is None) == taken


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_accented_phones_match_the_inventory_in_either_spelling(form: str, written: str) -> None:
    inventory = tuple(unicodedata.normalize(form, phone) for phone in ("ã", "ç", "b"))
    task = PhonemeTask(PhonemeConfig(inventory=inventory))
    phones = convert("phones", unicodedata.normalize(written, "ç b ã"))
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=phones)
    assert task.phones_of(row) == [inventory[1], inventory[2], inventory[0]]
    target = task.targets(row)["phoneme"]
    assert target is not None
    assert [task.vocabulary[index] for index in target] == task.phones_of(row)


def test_references_from_recognised_text_are_marked_and_counted() -> None:
    task = PhonemeTask(PhonemeConfig())
    rows = [
        row(text="네", text_source="asr"),
        row(text="네", text_source="gold"),
        row(text="네", text_source="asr", phones=("N", "E")),  # not the text's phones
    ]
    references = [task.reference(utterance) for utterance in rows]
    assert references == [
        {"phones": ["N", "E"], "text": "네", "text_source": "asr"},
        {"phones": ["N", "E"], "text": "네"},
        {"phones": ["N", "E"], "text": "네"},
    ]
    pairs = [Pair("u", reference or {}, Prediction("phoneme", {"phones": []})) for reference in references]
    (warning,) = task.score_warnings(pairs)
    assert warning.startswith("The references of 1 of 3 clips come from recognised text")
    assert task.score_warnings(pairs[1:]) == []
