import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.korean.conftest import misses, read_rows

from soritune.errors import TextError
from soritune.korean import KOREAN, explain, hangul_to_phones, phones_to_hangul, pronounce
from soritune.korean.g2p import Pronouncer

HERE = Path(__file__).parent
CORE = Pronouncer("none")
HANGUL_TEXT = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3) | st.just(" "), max_size=40)


def test_every_shared_example_is_right_without_kiwi(core, shared_data):
    rows = read_rows(shared_data / "korean_g2p" / "examples.tsv")
    assert len(rows) > 500
    assert misses(core, rows) == []


@pytest.mark.slow  # loads the analyser
def test_every_shared_example_is_right_with_kiwi(kiwi, shared_data):
    rows = read_rows(shared_data / "korean_g2p" / "examples.tsv")
    assert misses(kiwi, rows) == []


BLIND_SETS = [f"blind_{ordinal}.tsv" for ordinal in ("first", "second", "third", "fourth", "fifth", "sixth")]


@pytest.mark.slow
@pytest.mark.parametrize("name", BLIND_SETS)
@pytest.mark.parametrize("tagger", ["core", "kiwi"])
def test_fewer_than_3_percent_of_a_blind_set_are_wrong(name, tagger, request):
    rows = read_rows(HERE / name)
    wrong = misses(request.getfixturevalue(tagger), rows)
    assert len(wrong) / len(rows) < 0.03, wrong


@pytest.mark.slow
@pytest.mark.parametrize("tagger", ["core", "kiwi"])
def test_numbers_and_signs_of_the_seventh_blind_set_are_right(tagger, request):
    rows = read_rows(HERE / "blind_seventh.tsv")
    wrong = misses(request.getfixturevalue(tagger), rows)
    assert len(rows) > 400
    assert len(wrong) / len(rows) < 0.01, wrong


CASES = [
    *("G01_ordinal_counter", "G02_ratio_and_dae", "G03_number_of_a_thing", "G05_dates_with_a_dot"),
    *("G06_folded_signs", "G07_units", "G09_words", "G10_invisible_signs"),
]


def test_every_shared_case_of_pronunciation_has_a_test(shared_cases):
    assert sorted(folder.name for folder in shared_cases.glob("G*_*")) == CASES


@pytest.mark.parametrize("tagger", ["core", pytest.param("kiwi", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_shared_case_of_numbers_and_signs_is_right(case, tagger, request, shared_cases):
    pronouncer = request.getfixturevalue(tagger)
    lines = (shared_cases / case / "wanted.tsv").read_text(encoding="utf-8").splitlines()
    texts = (shared_cases / case / "lines.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines if line] == [text for text in texts if text]
    for text, accepted in (line.split("\t") for line in lines if line):
        forms = [form.replace(" ", "") for form in accepted.split("/")]
        if text == "10⁶":  # the principal form has 의 as ㅢ; the case lists the accepted ㅔ
            assert {form.replace(" ", "") for form in pronouncer.variants(text)}.intersection(forms)
        elif text == "100km/h":  # the case gives the amount and leaves the wording of "an hour" open
            assert pronouncer.pronounce(text) == "시속 백킬로미터"
        else:
            assert pronouncer.pronounce(text).replace(" ", "") in forms, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("제8장", "제팔장"),
        ("제3권", "제삼권"),
        ("3개국", "삼개국"),  # 삼 is not the stem of 삼다
        ("3대", "세대"),
        ("3기 신도시", "삼기 신도시"),
        ("1등", "일뜽"),
        ("5점", "오점"),  # not the noun 오점 [오쩜]
        ("57번길", "오십칠번낄"),
        ("5막 1장", "오막 일장"),
        ("120km", "배기십킬로미터"),
        ("172cm", "백칠씨비센티미터"),
    ],
)
def test_numeral_in_digits_is_not_part_of_a_compound(core, text, expected):
    assert core.pronounce(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("올겨울", "올껴울"),
        ("보물섬", "보물썸"),
        ("학여울", "항녀울"),
        ("감염병", "가몀뼝"),
        ("119에 신고", "이릴구에 신고"),
        ("신발을 신고", "신바를 신꼬"),
    ],
)
def test_listed_word_has_its_dictionary_pronunciation(core, text, expected):
    assert core.pronounce(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("국민", "궁민"),
        ("학교", "학꾜"),
        ("손을 잡고", "소늘 잡꼬"),
        ("나는 부자가 되고 싶어하는", "나는 부자가 되고 시퍼하는"),
        ("외양간으로", "외양까느로"),
        ("갔습니다", "갇씀니다"),
        ("백리", "뱅니"),
        ("닭과", "닥꽈"),
        ("맑게", "말께"),
    ],
)
def test_worked_example_has_the_standard_pronunciation(core, text, expected):
    assert core.pronounce(text) == expected


def test_phonemize_gives_the_phones_of_worked_examples(core):
    assert core.phonemize("외양간으로") == ["oE", "iA", "NG", "GG", "A", "N", "EU", "R", "O"]
    assert core.phonemize("갔습니다") == ["G", "A", "t", "SS", "EU", "M", "N", "I", "D", "A"]
    assert core.phonemize("밭 아래") == ["B", "A", "|", "D", "A", "R", "E"]


@pytest.mark.parametrize(
    ("text", "phrase", "word"),
    [
        ("할 수 있다", "할 쑤 읻따", "할 쑤 읻따"),
        ("밭 아래", "바 다래", "받 아래"),
        ("밥 먹는다", "밤 멍는다", "밥 멍는다"),
        ("갈 사람", "갈 싸람", "갈 사람"),
        ("옷 입다", "온 닙따", "옫 입따"),
        ("꽃 한 송이", "꼬 탄 송이", "꼳 한 송이"),
    ],
)
def test_boundary_setting_decides_joints_over_spaces(core, text, phrase, word):
    assert core.pronounce(text) == phrase
    assert core.pronounce(text, "word") == word


def test_punctuation_is_a_pause(core):
    assert core.pronounce("밭, 아래") == "받 아래"


@pytest.mark.slow
def test_kiwi_decides_between_homographs(kiwi):
    assert kiwi.pronounce("그는 사건을 신고했다").endswith("신고핻따")
    assert kiwi.pronounce("눈을 감지 마세요") == "누늘 감찌 마세요"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("눈을 감지 않았다", "누늘 감찌 아낟따"),
        ("신발을 신기 전에", "신바를 신끼 저네"),
        ("양말을 신기다", "양마를 신기다"),
    ],
)
def test_next_word_decides_whether_a_word_is_a_stem(core, text, expected):
    assert core.pronounce(text) == expected


@pytest.mark.slow
def test_unambiguous_ending_stays_tense_with_kiwi(kiwi):
    assert kiwi.pronounce("들을수록") == "드를쑤록"


def test_variants_start_with_the_principal_form(core):
    assert core.variants("깃발") == ["기빨", "긷빨"]
    accepted = core.variants("강의의")
    assert accepted[0] == "강의의"
    assert {"강의에", "강이의", "강이에"} <= set(accepted)
    assert core.variants("맛있다") == ["마싣따", "마딛따"]
    assert set(core.variants("되어")) == {"되어", "되여"}
    assert core.variants("") == [""]
    assert len(core.variants("주의의 의의 " * 20, limit=10)) == 10


@given(HANGUL_TEXT)
@settings(max_examples=60, deadline=None)
def test_principal_form_is_the_first_variant(text):
    assert CORE.variants(text)[0] == CORE.pronounce(text)


def test_explain_gives_article_and_position(core):
    changes = core.explain("국물이, 밭 아래")
    assert [(c.article, c.start, c.end, c.before, c.after) for c in changes] == [
        ("18", 0, 2, "국물", "궁무"),
        ("13", 1, 3, "물이", "무리"),
        ("15", 5, 8, "밭 아", "바 다"),
    ]


@pytest.mark.parametrize(
    ("text", "article"),
    [
        *[("희망", "5"), ("닭", "11"), ("좋다", "12"), ("디귿이", "16"), ("같이", "17"), ("신라", "20")],
        *[("신다", "24"), ("넓다", "25"), ("갈등", "26"), ("할게", "27"), ("눈동자", "28")],
        *[("솜이불", "29"), ("냇가", "30")],
    ],
)
def test_explain_reports_the_article(core, text, article):
    assert article in {change.article for change in core.explain(text)}


@given(HANGUL_TEXT)
@settings(max_examples=200, deadline=None)
def test_phones_of_any_hangul_are_known_and_convert_back(text):
    pronounced = CORE.pronounce(text)
    phones = hangul_to_phones(pronounced)
    assert KOREAN.unknown(phones) == []
    assert hangul_to_phones(phones_to_hangul(phones)) == phones
    assert len(pronounced.replace(" ", "")) == len(text.replace(" ", ""))


@pytest.mark.slow
@given(st.text(max_size=60), st.sampled_from(["phrase", "word"]))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_known_phones(text, boundary):
    assert KOREAN.unknown(CORE.phonemize(text, boundary)) == []
    assert CORE.explain(text, boundary) is not None


ODD = ["ㄱㄴㄷ ㅏㅑ", "ㅋㅋㅋ", "😀👍", "漢字 混用", "한国어 mixed テスト", "\u1100\u1161\u11a8", "ᄀᆞ"]


@pytest.mark.parametrize("text", ODD)
def test_other_scripts_are_converted_without_error(core, text):
    assert KOREAN.unknown(core.phonemize(text)) == []


def test_decomposed_text_has_the_same_pronunciation(core):
    assert core.pronounce(unicodedata.normalize("NFD", "국물이 값있다")) == core.pronounce("국물이 값있다")


# Repetition changes a result only if an article applies again: ㅢ that linking has moved behind a consonant
# (문의 → 무늬 → 무니), and results that spell another word (앉아 → 안자, as if from 안다).
NOT_STABLE = {"문의": ("무늬", "무니"), "협의": ("혀븨", "혀비"), "앉아": ("안자", "안짜")}


def test_pronouncing_twice_changes_few_words(core):
    words = [
        text for name in ("blind_first.tsv", "blind_second.tsv") for text, _, _ in read_rows(HERE / name)
    ]
    changed = [word for word in words if core.pronounce(core.pronounce(word)) != core.pronounce(word)]
    assert len(changed) / len(words) < 0.02
    for word, (once, twice) in NOT_STABLE.items():
        assert (core.pronounce(word), core.pronounce(once)) == (once, twice)


@pytest.mark.slow
def test_a_million_characters_are_converted(core):
    text = "나는 어머니의 손을 잡고 외양간으로 갔습니다 2024년 😀 " * 31000
    assert len(text) > 1_000_000
    spoken = core.pronounce(text)
    assert spoken.startswith("나는 어머니의 소늘 잡꼬 외양까느로 갇씀니다")
    assert len(core.pronounce("값" * 100_000)) == 100_000


def test_transcripts_have_no_unknown_symbol(core, shared_data):
    texts = [
        json.loads(line)["text"]
        for corpus in ("pansori_tedxkr", "ko_speech_selvas")
        for line in (shared_data / corpus / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(texts) > 600
    for text in texts:
        phones = core.phonemize(text)
        assert phones, text
        assert KOREAN.unknown(phones) == [], text


def test_unknown_setting_is_refused(core):
    with pytest.raises(TextError, match="unknown boundary 'line'"):
        pronounce("가", "line")  # type: ignore[arg-type]
    with pytest.raises(TextError, match="unknown tagger 'mecab'"):
        explain("가", tagger="mecab")  # type: ignore[arg-type]


def test_import_loads_only_the_standard_library():
    code = "import sys, soritune.korean; print(*{'torch', 'numpy', 'kiwipiepy'}.intersection(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.split() == []
