import pytest

from soritune.korean.transcript import clean_transcript, find_marks, hides_words, notation_for


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("b/ 어제 (7시)/(일곱 시)에 n/", "어제 일곱 시에"),
        ("o/ 그+ 그게/ 뭐* 있잖아 l/", "그 그게 뭐 있잖아"),
        ("<noise> 안녕 [웃음] @이름1 반가워", "안녕 반가워"),
        ("1/2 컵", "1/2 컵"),
        ("o/ 아/ 그+ 그래서 (70%)/(칠십 퍼센트) 정도 b/", "아 그 그래서 칠십 퍼센트 정도"),
        ("b/n/ 그래b/ 아", "그래 아"),
        ("그래&nbsp;요 &lt;noise&gt; &amp;quot;네&amp;quot;", '그래 요 "네"'),
        ("(laughing) 네 (웃음소리) 응 *한숨*", "네 응"),
        ("안<b>녕</b> {laughing} ((그래)) ((xx))", "안녕 그래"),
        ("값\u200b이", "값이"),
    ],
)
def test_annotation_is_removed(raw, cleaned):
    assert clean_transcript(raw) == cleaned


def test_side_and_fillers_follow_the_settings():
    assert clean_transcript("(TV)/(티비)를 봐", side="spelling") == "TV를 봐"
    assert clean_transcript("음/ 그+ 가자", keep_fillers=False) == "가자"


def test_each_notation_removes_its_own_marks():
    raw = "b/ 그+ [noise] (2)/(이)"
    assert clean_transcript(raw, notation="ksponspeech") == "그 [noise] 이"
    assert clean_transcript(raw, notation="tags") == "b/ 그+ (2)/(이)"
    assert clean_transcript(raw, notation="plain") == raw


@pytest.mark.parametrize(
    "text",
    [
        "영화 <기생충>을 봤다",
        "1+1은 2, 3 + 4는 7, 2*3",
        "C++ 언어와 C# 언어",
        "A/S 센터에서 O/X 퀴즈, N/A",
        "R&D 예산, 원/달러 환율, 시속 60km/h, 1/2 컵",
        "(주)한국의 a@b.com 주소, (TV)만",
        "(x) 더하기 y는 5 < 7",
        "XX세기와 II부",
        "그는 왔고 - 나는 갔다",
    ],
)
def test_plain_text_has_no_marks_and_stays_as_it_is(text):
    assert find_marks(text) == []
    assert clean_transcript(text) == text


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("b/ n/", ["b/", "n/"]),
        ("(TV)/(티비) 보고 있었어/ l/", ["(TV)/(티비)", "l/", "있었어/"]),
        ("[noise] 네 (웃음)", ["[noise]", "(웃음)"]),
        ("그래&nbsp;요", ["&nbsp;"]),
        ("음/ 뭐*, 그+", ["음/", "뭐*", "그+"]),
    ],
)
def test_marks_are_found_and_quoted(text, marks):
    assert [mark.text for mark in find_marks(text)] == marks


@pytest.mark.parametrize(
    "text",
    ["&name1& 고객님", "고객&company-name2&님", "010-****-1234", "010-xxxx-1234", "김**님", "김○○ 씨", "김*수",
     "OO씨", "#이름# 씨", "@이름1 씨", "((xx)) 네", "<unk> 네", "[PERSON] 씨", "(이름)은"],
)  # fmt: skip
def test_masked_words_are_hidden_words(text):
    assert hides_words(text)


def test_unclear_words_that_are_written_are_not_hidden():
    assert not hides_words("((그래)) 네 [noise] b/ 그+")


def test_notation_with_the_fewest_marks_is_named():
    assert notation_for({"double", "sound"}) == "ksponspeech"
    assert notation_for({"tag", "entity"}) == "tags"
    assert notation_for({"tag", "word"}) == "aihub"
