"""What `soritune assess` prints, in Korean or English: the lines of an answer, of a table's columns, and of the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

Language = Literal["ko", "en"]
Line = tuple[str, str | None]
"""A line and its style."""
WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "ok": "ok",
        "not-heard": "{letter} not heard",
        "word-not-heard": "the word was not heard",
        "unclear": "{letter} unclear",
        "final": "final {letter}",
        "inserted": "inserted {letter}",
        "variant": "as {word}",
        "not-assessable": "not assessable ({outcome}): {reason}",
        "more": "{count} more in {file}",
        "assessed": "{assessed} of {total} recordings assessed",
        "none": "not assessed:",
        "answers": "{total} answers in {file}",
        "pages": " and {count} pages of learners",
        "columns": "{file}: columns {used}",
        "ignored": "; not used: {names}",
        "no-speaker": "no row has a speaker, so there is one page for all; name the column with --field speaker=NAME",
        "notice": "not validated on learners of Korean; no corpus of them was available",
    },
    "ko": {
        "ok": "맞음",
        "not-heard": "{letter} 들리지 않음",
        "word-not-heard": "낱말이 들리지 않음",
        "unclear": "{letter} 불분명",
        "final": "받침 {letter}",
        "inserted": "{letter} 덧붙음",
        "variant": "{word}(으)로 읽음",
        "not-assessable": "평가하지 못함({outcome}): {reason}",
        "more": "나머지 {count}개는 {file}에 있습니다",
        "assessed": "녹음 {total}개 가운데 {assessed}개를 평가했습니다",
        "none": "평가하지 못한 녹음:",
        "answers": "답 {total}개: {file}",
        "pages": ", 학습자 페이지 {count}개",
        "columns": "{file}: 읽은 열 {used}",
        "ignored": "; 쓰지 않은 열: {names}",
        "no-speaker": "화자가 적힌 줄이 없어 모두 한 페이지에 담습니다. --field speaker=열이름 으로 화자의 열을 "
        "알려 주십시오",
        "notice": "한국어 학습자의 음성으로 검증하지 않았습니다. 쓸 수 있는 학습자 코퍼스가 없었습니다",
    },
}


def answer_lines(answer: Mapping[str, Any], language: Language) -> Iterator[Line]:
    """The words of an answer with their errors, and what to practise first; or why it has no words."""
    words = WORDS[language]
    yield answer["id"], "bold"
    for warning in answer["warnings"]:
        yield f"  {warning[language]}", "yellow"
    if not answer["assessable"]:
        yield f"  {_refusal(answer, language)}", "yellow"
        return
    for word in answer["words"]:
        phones = [phone for syllable in word["syllables"] for phone in syllable["phones"]]
        if word["kind"] == "not-heard":
            faults = [words["word-not-heard"]]
        else:
            faults = [_fault(phone, words) for phone in phones if phone["kind"] != "correct"]
        if word["variant"] is not None:
            faults.append(words["variant"].format(word=word["variant"]["word"]))
        text = word["text"] or " ".join(phone["letter"] for phone in phones)
        yield (
            f"  {word['start_s']:8.3f} {word['end_s']:8.3f}  {text}  {'; '.join(faults) or words['ok']}",
            None,
        )
    for insertion in answer["insertions"]:
        yield (
            f"  {insertion['at_s']:8.3f}           {words['inserted'].format(letter=insertion['letter'])}",
            None,
        )
    if answer["advice"] is not None:
        yield f"  {answer['advice'][language]}", None


def closing_lines(total: int, refused: Sequence[Mapping[str, Any]], language: Language) -> Iterator[Line]:
    """How many recordings were assessed, and why others were not; nothing for a single one."""
    if total < 2:
        return
    words = WORDS[language]
    yield words["assessed"].format(assessed=total - len(refused), total=total), None
    if refused:
        yield words["none"], "yellow"
        for answer in refused:
            yield f"  {answer['id']}: {_refusal(answer, language)}", "yellow"


def columns_line(file: str, fields: Mapping[str, str], ignored: Sequence[str], language: Language) -> str:
    """Which columns of a table are read into which fields, and which are not used.

    Args:
        file: name of the table.
        fields: column → field.
        ignored: the other columns.
        language: of the line.
    """
    words = WORDS[language]
    used = ", ".join(f"{column} → {field}" for column, field in fields.items())
    return words["columns"].format(file=file, used=used) + (
        words["ignored"].format(names=", ".join(ignored)) if ignored else ""
    )


def _refusal(answer: Mapping[str, Any], language: Language) -> str:
    reason = answer["reason_text"][language]
    return WORDS[language]["not-assessable"].format(outcome=answer["outcome"], reason=reason)


def _fault(phone: Mapping[str, Any], words: Mapping[str, str]) -> str:
    letter, recognised = phone["letter"], phone["recognised_letter"]
    if letter == recognised:  # ㄹ between vowels and at the end of a syllable
        letter, recognised = f"{letter} [{phone['ipa']}]", f"{recognised} [{_ipa(phone['recognised'])}]"
    if phone["position"] == "coda":
        letter = words["final"].format(letter=letter)
    if phone["kind"] == "deletion":
        return words["not-heard"].format(letter=letter)
    return (
        words["unclear"].format(letter=letter) if phone["kind"] == "unclear" else f"{letter} → {recognised}"
    )


def _ipa(symbol: str) -> str:
    from soritune.korean import KOREAN

    return next((phone.ipa for phone in KOREAN.phones if phone.symbol == symbol), symbol)
