from soritune.korean.phones import ARPABET, KOREAN, phones_to_hangul
from soritune.tasks.notation import written_phones


def test_korean_phones_are_apart_in_every_notation() -> None:
    phones = written_phones("korean")
    assert [phone.code for phone in phones] == list(KOREAN.symbols)
    for field in ("code", "jamo", "ipa"):
        assert len({getattr(phone, field) for phone in phones}) == 40


def test_jamo_is_the_letter_of_the_rebuilt_hangul() -> None:
    """A single consonant is written as its letter by the conversion to Hangul too."""
    jamo = {phone.code: phone.jamo for phone in written_phones("korean")}
    for symbol in ("G", "GG", "CHh", "H", "M"):
        assert phones_to_hangul([symbol]) == jamo[symbol]
    assert [jamo[symbol] for symbol in ("k", "t", "p", "NG", "L")] == ["-ㄱ", "-ㄷ", "-ㅂ", "-ㅇ", "-ㄹ"]
    assert [jamo[symbol] for symbol in ("E", "iE", "oE", "oA")] == ["ㅔ", "ㅖ", "ㅞ", "ㅘ"]


def test_english_phones_have_ipa_and_no_letters() -> None:
    phones = written_phones("arpabet")
    assert [phone.code for phone in phones] == list(ARPABET.symbols)
    assert {phone.jamo for phone in phones} == {""}
    assert next(phone.ipa for phone in phones if phone.code == "TH") == "θ"


def test_symbols_of_the_user_have_no_notation() -> None:
    assert written_phones(("a", "b")) == ()
