import pytest

from soritune.errors import TaskError
from soritune.reports.phone_notation import PhoneTexts, check_notation
from soritune.tasks.mispronunciation import MispronunciationConfig, MispronunciationTask
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask
from soritune.tasks.results import Alignment, Section, Table

KOREAN = PhonemeTask(PhonemeConfig())
ENGLISH = PhonemeTask(PhonemeConfig(inventory="arpabet", source="phones"))
SECTION = Section(
    "Phones",
    tables=(
        Table("T", ("phone", "label"), (("G", "G"), ("k", "I"), ("(inserted)", "A")), phones=("phone",)),
    ),
    alignments=(
        Alignment("u", ("G", "A", None), ("GG", None, "k")),
        Alignment("labels", ("C", "I"), ("C", "I"), is_of_phones=False),
    ),
)


def test_only_phones_are_written_in_the_notation() -> None:
    written = PhoneTexts.of(KOREAN, None).written(SECTION)
    assert written.tables[0].rows == (("ㄱ", "G"), ("-ㄱ", "I"), ("(inserted)", "A"))
    assert written.alignments[0].reference == ("ㄱ", "ㅏ", None)
    assert written.alignments[0].hypothesis == ("ㄲ", None, "-ㄱ")
    assert written.alignments[1] == SECTION.alignments[1]


def test_codes_change_nothing() -> None:
    assert PhoneTexts.of(KOREAN, "codes").written(SECTION) is SECTION


def test_ipa_is_written_for_both_inventories() -> None:
    assert PhoneTexts.of(KOREAN, "ipa").written(SECTION).alignments[0].hypothesis == ("k͈", None, "k̚")
    english = PhoneTexts.of(ENGLISH, "ipa")
    assert (english.texts["TH"], english.texts["th"]) == ("θ", "θ")


def test_default_is_jamo_for_korean_and_codes_for_others() -> None:
    assert PhoneTexts.of(KOREAN, None).notation == "jamo"
    assert PhoneTexts.of(ENGLISH, None).notation == "codes"
    learners = MispronunciationTask(MispronunciationConfig(inventory="korean", labels="correct-incorrect"))
    assert PhoneTexts.of(learners, None).notation == "jamo"


def test_legend_has_every_phone_with_code_and_ipa() -> None:
    legend = PhoneTexts.of(KOREAN, None).legend()
    assert len(legend) == 40
    assert {"shown": "ㅔ", "code": "E", "ipa": "e", "letters": "ㅐㅔ"} in legend
    assert {"shown": "-ㅇ", "code": "NG", "ipa": "ŋ", "letters": ""} in legend


def test_notation_that_no_task_has_is_refused() -> None:
    check_notation([ENGLISH, KOREAN], "jamo")
    check_notation([ENGLISH], "ipa")
    with pytest.raises(TaskError, match=r"phones as jamo were requested, but no task .* \(tasks: phoneme\)"):
        check_notation([ENGLISH], "jamo")
