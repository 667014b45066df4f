"""Patterns of annotation in transcripts: noises and gestures in brackets, speakers, times, CHAT, double transcriptions.

`transcript.py` finds and removes what these patterns match.
"""

from __future__ import annotations

import re

NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
"""Full-width signs, digits and letters, one to one."""

REMARK = (
    r"(?:background )?(?:laugh(?:s|ing|ter)?|cough(?:s|ing)?|sigh(?:s|ing)?|breath(?:s|ing|e)?|inhales?|exhales?|"
    r"noises?|music|applause|clap(?:s|ping)?|cry(?:ing)?|sob(?:s|bing)?|sing(?:s|ing)?|silence|pause|clearing|"
    r"clear(?:s|ing)? throat|sniff(?:s|ing)?|sneez(?:e|es|ing)|yawn(?:s|ing)?|lip ?smack|click|beep)"
    r"|(?:헛?웃음|웃는다|웃으며|웃으면서|헛?기침|한숨|박수|잡음|소음|숨|침묵|묵음|무음|울음|울먹이며|"
    r"흐느낌|노래|음악|하품|정적|"
    r"재채기|효과음|배경음|배경음악|겹침|"
    r"(?:웃음|울음|기침|숨|박수|한숨|콧|발|벨|문) ?소리|고개를? ?끄덕임?)"
    r"|[笑泣涙咳]|爆笑|苦笑|拍手|音[楽樂]|雜音|雑音|沈[默黙]"
)
"""What a speaker or a room does besides speaking."""
ANY_REMARK = re.compile(rf"{REMARK}|[가-힣 ]*소리", re.IGNORECASE)
"""What round, square, curly and angle brackets hold if it is not spoken."""
HIDDEN_NAME = re.compile(
    r"(?:unk|unknown|inaudible|unintelligible|xx*|name|person|address|phone|tel|affiliation|이름|성명|주소|"
    r"전화번호|개인정보|비식별화?|불명|불명확|불분명|안 ?들림|청취 ?불[가능]|"
    r"알아들을 수 없음|알 ?수 ?없음|들리지 않음)[ _-]?\d*",
    re.IGNORECASE,
)

FIELD_AFTER = re.compile(r"[을를]? ?(?:칸|란(?![가-힣])|항목|쓰|적[으는어]|입력|기입|기재)")
"""After a hidden name it shows the name of a field of a form: <이름> 칸, [이름]을 쓰세요."""
FIELD_BEFORE = re.compile(r"(?<![가-힣])(?:이름|성명|주소|연락처|전화|번호) ?$")
"""Before a hidden name in round brackets it shows the same: 이름(성명)."""
NUMBERS_LISTED = re.compile(r"(?:[-+]?\d+(?:\.\d+)?|[A-Za-z])(?: ?, ?(?:[-+]?\d+(?:\.\d+)?|[A-Za-z]))+")
"""An interval or a set: [0, 1], {1, 2, 3}."""
PLUS_NAMES = frozenset(
    (
        *("구글", "디즈니", "애플", "비타민", "파라마운트", "갤럭시"),
        *("네이버", "카카오", "쿠팡", "멤버십", "프리미엄"),
    )
)
"""Names that a plus sign belongs to: 구글+."""

REMARK_IN_SIGNS = re.compile(
    rf"(?<![가-힣])(?:【\s*(?:{REMARK})\s*】|〔\s*(?:{REMARK})\s*〕|〖\s*(?:{REMARK})\s*〗|〘\s*(?:{REMARK})\s*〙|⟨\s*(?:{REMARK})\s*⟩|〈\s*(?:{REMARK})\s*〉"
    rf"|《\s*(?:{REMARK})\s*》|「\s*(?:{REMARK})\s*」|『\s*(?:{REMARK})\s*』)(?![가-힣])"
    rf"|(?<!\S)(?P<sign>[=#~^%/_])(?:{REMARK})(?P=sign)?(?!\S)",
    re.IGNORECASE,
)
"""Noises in East Asian brackets or behind a sign. 《삼국유사》 and 「네」라고 are text."""
CODED = re.compile(r"\((?P<code>[A-Z]{2,3}):\s*(?:FILL)?(?P<words>[^()]*)\)")
"""(SP:FILL어), (FP:음): fillers, which are spoken; (NO:), (SN: 기침) and others are not."""
SPOKEN_CODES = ("SP", "FP")

_CLOCK = r"\d{1,2}:[0-5]\d(?::[0-5]\d)?(?:[.,]\d{1,3})?"
_LONG_CLOCK = r"(?:\d{1,2}:[0-5]\d:[0-5]\d(?:[.,]\d{1,3})?|\d{1,2}:[0-5]\d[.,]\d{1,3}|0\d:[0-5]\d)"
_TIMETABLE = (
    "출발|도착|시작|종료|마감|개막|방송|회의|기상|취침|기차|열차|버스|비행기|예정"
    "|현재|경|쯤|까지|부터|이후|이전|정각|기록|신기록|만에|우승|완주|통과|골인|차이|차로|앞서|뒤져|뒤진"
)
TIME = re.compile(
    rf"(?:^\d+\s*\n)?{_CLOCK}\s*-->(?:\s*{_CLOCK})?"
    rf"|[\[<]\s*{_CLOCK}(?:\s*[-~–]\s*{_CLOCK})?\s*[\]>]"
    rf"|^\s*\(\s*{_CLOCK}(?:\s*[-~–]\s*{_CLOCK})?\s*\)(?=\s*\S)"
    rf"|^\s*{_LONG_CLOCK}(?:\s*[-~–]\s*{_LONG_CLOCK})?(?=\s+[^\s~–:-])(?!\s+(?:{_TIMETABLE}))"
    r"|\x15\d+_\d+\x15"
)
"""Times of a recording: subtitles, in square brackets, or before a text. 3:00 회의 and (15:00) in a text are text."""

_ROLE = (
    "화자|발화자|발언자|참가자|참여자|진행자|사회자|상담원|상담사|상담자|내담자|고객|환자|의사|간호사|교사|선생님?|강사|학생|아동|아이"
    "|엄마|아빠|어머니|아버지|할머니|할아버지|남자|여자|남성|여성|남|여|기자|앵커|아나운서|리포터|손님|점원|직원|면접관|면접자|지원자"
    "|인터뷰어|인터뷰이|조사자|제보자|피험자|발표자|내레이션|나레이션|위원장|의장|위원|판사|검사|변호사|증인|피고인"
)
# Codes that name a speaker wherever they stand before a colon; other short codes (TV, KBS, K) only in several turns.
_LETTERS = "A|B|M|F|Q|MC|DJ|SP|SPK|PAR|INV|INT|CHI|MOT|FAT|EXP|TCH|STU|CUS|AGT"
_NUMBERED = rf"(?:[A-HMNPQSTW]|{_LETTERS}) ?\d{{1,3}}"
_NAMED = (
    r"(?i:speaker|spkr?|interviewe[re]|teacher|student|child|mother|father|host|guest|doctor|patient|customer|agent"
    r"|male|female|participant)[ _-]?(?:[A-Za-z]|\d{1,3})?"
)
_ROLE_NAME = rf"(?:{_ROLE}) ?(?:[A-Z]|\d{{1,2}})?"
_KNOWN = rf"(?:{_ROLE_NAME}|{_NAMED}|{_NUMBERED}|{_LETTERS})"
_CODE = r"(?!(?:TEL|FAX|URL|ID|PS|NB|VS):)[A-Z]{1,3}\d{0,3}"
# Not a ratio, a choice, a number of people or a telephone: A:B, A : B의 비, 남: 북 = 1:1, 환자: 3명, M: 010-1234.
_AFTER_LABEL = (
    r"(?![ \t]*[A-Z](?![A-Za-z]))(?!\d)(?![ \t]*[가-힣] ?(?:[=:]|비율))(?![ \t]*\d+ ?(?:명|%)(?:[,.]|$))"
    r"(?![ \t]*\d{2,4}-\d)(?=[ \t]*[^\s:])"
)
SPEAKER = re.compile(
    rf"(?:^|(?<=\s)){_KNOWN}[ \t]*:{_AFTER_LABEL}"
    rf"|^\s*[(<]\s*(?:(?![남여]\s*[)>]\s*(?:\d|화장실)){_ROLE_NAME}|{_NUMBERED}|{_NAMED}(?<=\d))\s*[)>](?=\s*\S)",
    re.MULTILINE,
)
"""The name of a speaker at the start of a turn: 화자1:, A:, M1 :, (상담원)."""
TURN = re.compile(
    rf"(?:^\s*|(?<=[.?!…~])\s+)(?:{_CODE}|{_KNOWN})[ \t]*:{_AFTER_LABEL}(?=[ \t]*(?!\d)\S)", re.MULTILINE
)
"""A short code at the start of a text or of a sentence: a speaker if a text has several."""

CHAT = re.compile(
    r"(?m:^\s*\*[A-Z]{2,3}\d{0,2}:)"
    r"|(?m:^%[a-z]{3}:.*$)"
    r"|&\*[A-Z]{2,3}:[\w가-힣]*|&[{}][ln]=[\w가-힣:]+"
    r"|&=[\w가-힣]+(?::[\w가-힣]+)*"
    r"|&[-+~](?P<filler>[\w가-힣]+)"
    r"|<(?P<scope>[^<>\[\]]*)>(?=\s*\[(?:/{1,3}\]|[?!<>*=:+%-]))"
    r"|\[[<>]\d?\]"
    r"|(?<!\S)\((?:\.{1,3}|…|\d{0,2}\.\d{0,2})\)(?!\S)"
    r'|(?<!\S)\+(?:\.\.[.?]|//?[.?]|!\?|"/?\.?|[,<^])(?=\s|$|[가-힣])'
    r"|(?<=[가-힣])@[a-z](?::[a-z]+)?(?![\w.])"
)
"""CHAT (CHILDES): *CHI:, &=laughs, &-어, <갔어> [//], (.), (1.5), +..., 멍멍@o. `xxx` is a hidden word."""

_WORDS = r"[^()\[\]{}<>]*"
DOUBLE = re.compile(
    rf"(?:(?<!\S)/)?(?:\(\((?P<a1>{_WORDS})\)\)\s*/\s*\(\((?P<b1>{_WORDS})\)\)"
    r"|\((?P<a2>[^()]*)\)\s*/\s*\((?P<b2>[^()]*)\)"
    rf"|\[(?P<a3>{_WORDS})\]\s*/\s*\[(?P<b3>{_WORDS})\]|\{{(?P<a4>{_WORDS})\}}\s*/\s*\{{(?P<b4>{_WORDS})\}})"
    r"|\((?P<a5>[^()가-힣]*[0-9A-Za-z%][^()]*)\)\((?P<b5>[가-힣 ]{2,})\)"
    r"|\[(?P<a6>[^\[\]가-힣]*[0-9A-Za-z%][^\[\]]*)\]\[(?P<b6>[가-힣 ]{2,})\]"
    r"|<(?P<a8>[^<>가-힣]*[0-9A-Za-z%][^<>/]*)>/<(?P<b8>[가-힣 ]+)>"
    r"|\{(?P<a7>[^{}가-힣]*[0-9A-Za-z%][^{}]*)\}\{(?P<b7>[가-힣 ]{2,})\}"
)
"""(A)/(B), ((A))/((B)), [A]/[B], {A}/{B}, and without a slash if A has digits or Latin letters and B is Hangul."""

_SURNAMES = "".join(
    (
        "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구",
        "민진지엄채원천방공현함변염여추도소석선설마길",
    )
)
_MASKED_THING = "(?= ?(?:씨|님|학교|회사|병원|은행|전자|아파트|(?:군|양|동|시|구)(?![가-힣])))"
HIDDEN = re.compile(
    r"(?<![A-Za-z0-9])&[가-힣A-Za-z_-]+\d*&|&[가-힣A-Za-z_-]+\d+&|#[^\s#]+#|(?<![\w.])@[가-힣A-Za-z0-9_]+"
    r"|\*{2,}|#{2,}|(?<=[가-힣])\*(?=[가-힣])|[○●◯◎□■△▲◇◆※]{2,}"
    r"|(?<=[가-힣])(?<!동그라미)(?<!네모)(?<!정답)[○●◯◎□■〇](?=[가-힣\s]|$)"
    r"|(?<=[가-힣])[※△▲◇◆](?=[가-힣])|(?<![一-龥〇])〇{2,}(?![一-龥〇])"
    r"|(?<![A-Za-z])(?:O{2,}|X{3,}(?! ?(?:사이즈|라지)))(?![A-Za-z])|(?<=[\d-])[xX]{2,}(?![A-Za-z])"
    r"|(?<=[가-힣])X{2,}(?![A-Za-z])"
    rf"|(?<![A-Za-z])(?:XX|xx|oo|○|◯|〇){_MASKED_THING}|(?<![ㄱ-ㅣ])(?:ㅇㅇ|ㅁㅁ){_MASKED_THING}"
    rf"|(?<=(?<![가-힣])[{_SURNAMES}])[Xx](?=[가-힣](?![가-힣])|[가-힣] ?(?:씨|님))"
    r"|(?<!\S)(?:xxx?|yyy|www)(?=\s|$|[.,?!](?!\w))(?! ?[=+])"
)
"""Marks in place of words that are spoken: masked names and numbers, and words that were not understood (xxx)."""
