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
        "주몽 《삼국유사》, 「네」라고 했다, 『한중록』을 읽고 〈소리〉 전시회에",
        "《한숨》을 들었다",
        "비율은 1:1, 3:0으로 이겼다",
        "A:B 비율, A : B의 비, A:3",
        "3:00 회의, 07:05 출발",
        "07:05 출발",
        "오후 세 시(15:00)에 만나",
        "가격: 천 원, 시간: 세 시",
        "TEL: 공이",
        "www.naver.com에 가서",
        "二〇二四년 一〇〇호",
        "환율(1.5)이 올랐다",
        "(3.1절) 행사와 (TV)만",
        "그래(응)와 (주)(사)한국",
        "ㅇㅇ 그래 ㅋㅋ",
        "ABX 검사, 에어X드론, O형",
        "디스크 & 파일, 키 = 값, 3 < 5",
        "@ 앞에서 만나, a@b.com",
        "해시태그 #여행",
        "K: 칼륨, T: 온도",
        "TV: 삼성 PC: 엘지",
        "KBS: 9시 뉴스",
        "CEO: 김철수",
        "C: drive",
        "M: 010-1234-5678",
        "남: 북 = 1:1",
        "여: 남 비율",
        "환자: 3명, 의사: 2명",
        "(A)형과 (B)형",
        "(A) 다음 중 맞는 것은?",
        "(남) 32세, <남> 화장실",
        "<남> 화장실",
        "18세+ 관람, 구글+ 서비스",
        "3세+",
        "*주의* 하세요",
        "XXX 사이즈",
        "이름(성명) 기입, 주소 (전화번호) 기재",
        "<이름> 칸, [이름]을 쓰세요",
        "동그라미○를 치세요",
        "10:30:00 기록으로 우승했다",
        "1:02.5 기록",
        "[0, 1] 구간과 [a, b] 구간, {1, 2, 3} 집합",
        "배열 arr[0]의 값",
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


@pytest.mark.parametrize(
    ("raw", "kind", "cleaned"),
    [
        ("*CHI: 엄마 물 줘", "chat", "엄마 물 줘"),
        ("네 &=laughs 맞아요", "chat", "네 맞아요"),
        ("&-어 그게 &+무 물", "chat", "어 그게 무 물"),
        ("<갔어> [//] 갔다 왔어", "chat", "갔어 갔다 왔어"),
        ("(.) 네 (1.5) 그래 (..)", "chat", "네 그래"),
        ("그래서 +...", "chat", "그래서"),
        ("그 xxx 했어 yyy", "hidden", "그 했어"),
        ("www", "hidden", ""),
        ("화자1: 안녕", "speaker", "안녕"),
        ("A: 네 B: 아니요", "speaker", "네 아니요"),
        ("M1 : 그래", "speaker", "그래"),
        ("SP: 그래", "speaker", "그래"),
        ("K: 안녕. L: 네, 안녕하세요.", "speaker", "안녕. 네, 안녕하세요."),
        ("KIM: 어디 가?\nLEE: 집에.\nKIM: 그래.", "speaker", "어디 가? 집에. 그래."),
        ("(P1) 네", "speaker", "네"),
        ("상담원: 3시에 뵐게요", "speaker", "3시에 뵐게요"),
        ("화자2：네", "speaker", "네"),
        ("Speaker 1: 네", "speaker", "네"),
        ("(고객) 네", "speaker", "네"),
        ("00:01:23.500 --> 00:01:25.000 네", "time", "네"),
        ("00:01:23 네", "time", "네"),
        ("[00:12] 화자1: 네", "time", "네"),
        ("00:01:23.500 --> 네", "time", "네"),
        ("&*CHI:응 네 &{l=웃음 네 &}l=웃음", "chat", "네 네"),
        ("1\n00:00:01,000 --> 00:00:02,000\n네", "time", "네"),
        ("（웃음） 네", "tag", "네"),
        ("［웃음］ 네 【박수】", "tag", "네"),
        ("〔기침〕 네 〈웃음〉 응 《한숨》", "tag", "네 응"),
        ("(笑) 네", "tag", "네"),
        ("=웃음= 네 #noise", "tag", "네"),
        ("(SP:FILL어) 그게 (NO:)", "tag", "어 그게"),
        ("(SN: 기침) 네", "tag", "네"),
        ("ｂ／ 네 ｌ／", "sound", "네"),
        ("김〇〇 씨", "hidden", "김 씨"),
        ("김＊수 씨", "hidden", "김 수 씨"),
        ("이X호 씨", "hidden", "이 호 씨"),
        ("박◯◯ 씨와 □□동", "hidden", "박 씨와 동"),
        ("０１０－ＸＸＸＸ－1234", "hidden", "010- -1234"),
        ("홍△동과 김◎◎", "hidden", "홍 동과 김"),
        ("⟨웃음⟩ 네", "tag", "네"),
    ],
)
def test_notation_of_other_corpora_is_found_and_removed(raw, kind, cleaned):
    assert {mark.kind for mark in find_marks(raw)} - {"tag", "speaker"} <= {kind}
    assert kind in {mark.kind for mark in find_marks(raw)}
    assert clean_transcript(raw) == cleaned
    assert find_marks(cleaned) == []
    assert clean_transcript(raw, notation="plain") == raw
    if kind != "sound":
        assert clean_transcript(raw, notation="tags") == cleaned


def test_marks_are_quoted_as_they_are_written():
    assert [mark.text for mark in find_marks("（웃음） ｂ／ 네")] == ["（웃음）", "ｂ／"]


def test_full_width_signs_of_plain_text_stay():
    assert clean_transcript("（주）한국은 １０％") == "（주）한국은 １０％"


def test_fillers_of_chat_and_codes_follow_the_setting():
    assert clean_transcript("&-어 그게 (FP:음) 네", keep_fillers=False) == "그게 네"


@pytest.mark.parametrize(
    "text",
    ["(3시)/(세 시)", "[3시]/[세 시]", "{3시}/{세 시}", "((3시))/((세 시))", "(3시)(세 시)", "{3시}{세 시}",
     "[3시][세 시]", "<3시>/<세 시>", "/(3시)/(세 시)"],
)  # fmt: skip
def test_double_transcription_has_one_of_its_sides(text):
    assert [mark.kind for mark in find_marks(text)] == ["double"]
    assert clean_transcript(f"{text}에") == "세 시에"
    assert clean_transcript(f"{text}에", side="spelling") == "3시에"
    assert clean_transcript(f"{text}에", notation="ksponspeech") == "세 시에"
    assert clean_transcript(f"{text}에", notation="tags") == f"{text}에"


def test_two_noises_are_not_a_double_transcription():
    assert clean_transcript("[laugh] [웃음] 네 (noise)(기침)") == "네"


def test_unclear_words_that_are_written_are_not_hidden():
    assert not hides_words("((그래)) 네 [noise] b/ 그+")


def test_notation_with_the_fewest_marks_is_named():
    assert notation_for({"double", "sound"}) == "ksponspeech"
    assert notation_for({"tag", "entity"}) == "tags"
    assert notation_for({"speaker", "time", "chat"}) == "tags"
    assert notation_for({"tag", "word"}) == "aihub"


@pytest.mark.parametrize("text", ["18세+ 관람", "구글+ 서비스", "*주의* 하세요"])
def test_spoken_plus_and_emphasis_are_kept_by_every_notation(text):
    assert clean_transcript(text, notation="ksponspeech") == text
    assert clean_transcript(text, keep_fillers=False) == text


def test_plus_after_a_broken_off_word_is_removed():
    assert clean_transcript("그+ 구글+ 그래+") == "그 구글+ 그래"
