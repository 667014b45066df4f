"""The answer of an assessment as JSON: text → word → syllable → phone, or why the recording cannot be assessed.

What is not known is null, never an invented number: there are no overall scores, because no reference was available
from which they could be learnt.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from soritune.assessment.advice import first_advice, letter_of
from soritune.assessment.alignment import TOO_SHORT, LogProbabilities, viterbi
from soritune.assessment.expected import (
    UNREADABLE_TEXT,
    Expected,
    ExpectedPhone,
    expected_of_phones,
    expected_of_text,
)
from soritune.assessment.missing_words import missing_words
from soritune.assessment.reasons import reason_text, text_warnings
from soritune.assessment.reductions import reduction_titles
from soritune.assessment.relatedness import Relatedness, relatedness
from soritune.assessment.thresholds import Thresholds
from soritune.assessment.timing import DIGITS, FrameTimes, Interval, Tiers
from soritune.assessment.variants import AcceptedVariants
from soritune.assessment.verdicts import (
    ERRORS,
    SAME_LETTER,
    TWO_PARTS,
    Insertion,
    PhoneVerdict,
    verdicts,
)
from soritune.audio.quality import Quality
from soritune.errors import TaskError, TextError
from soritune.korean import KOREAN
from soritune.korean.hangul import CODA, ONSET, VOWEL, join
from soritune.korean.layout import ARTICLE_TITLES

SCHEMA = "soritune.assessment/1"
LEAST_PAUSE_S = 0.2
"""Shorter gaps between phones are not called pauses."""
STANDARD = {"ko": "표준 발음법이 허용하는 발음", "en": "accepted by the Standard Pronunciation"}
LOSSY = {
    "ko": "{codec} 파일은 압축하면서 소리가 조금 바뀌어서 결과가 달라질 수 있어요. WAV나 FLAC로 녹음하면 더 정확해요.",
    "en": "This file is {codec}, which changes the sound a little, so that some verdicts may differ. Record as WAV or "
    "FLAC where you can.",
}
"""The warning about a lossy file."""
SOUND = {
    SAME_LETTER: {
        "ko": "같은 글자의 첫소리나 받침으로 들림",
        "en": "heard as the same letter, as an onset or a final",
    },
    TWO_PARTS: {"ko": "두 모음으로 나누어 들림", "en": "heard as its two vowels, one after the other"},
}
"""Reasons of the kind `sound`."""
_IPA = {phone.symbol: phone.ipa for phone in KOREAN.phones}
Outcome = Literal[
    "assessed",
    "unreadable-audio",
    "no-text",
    "text-not-readable",
    "no-speech",
    "too-quiet",
    "clipped",
    "too-short",
    "other-language",
    "unrelated-speech",
]
"""Why a recording was or was not assessed. Programs decide by this code, people read the reason."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is known of a recording beside the model's output."""

    id: str
    audio: str
    duration_s: float
    quality: Quality | None = None
    speech_s: float | None = None
    """Seconds of speech; None if it was not looked for."""
    language: tuple[str, float] | None = None
    """Code and probability of the language that a recogniser detected."""
    lossy_codec: str | None = None
    """Of a file whose coding changed the sound, such as MP3."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the speaker was asked to say; one of the two."""

    text: str | None = None
    phones: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class PhoneOutput:
    """The model's output for a recording."""

    log_probabilities: LogProbabilities
    """(frames, labels)."""
    labels: Sequence[str]
    blank: int
    frames: FrameTimes


class _Refused(Exception):  # noqa: N818  (an outcome, not an error)
    """The recording cannot be assessed.

    Args:
        outcome: the code.
        key: of the reason; None is that of the outcome.
        facts: what the reason states.
    """

    def __init__(self, outcome: Outcome, key: str | None = None, **facts: Any) -> None:
        super().__init__(outcome)
        self.outcome, self.reason = outcome, reason_text(key or outcome, **facts)


def assess(
    request: Request,
    recording: Recording,
    output: PhoneOutput,
    thresholds: Thresholds,
    *,
    variants: AcceptedVariants | None = None,
) -> dict[str, Any]:
    """The answer for one recording, without the model's name (`inference/assessor.py` adds it).

    Raises:
        TaskError: phones that the model does not have, or more than `limited` allows.
        Stopped: `limited` asked for it.
    """
    facts = _facts(request, recording, thresholds)
    relation: Relatedness | None = None
    try:
        _check_recording(recording, thresholds)
        variants = variants or AcceptedVariants()
        expected = _expected(request, recording, output, thresholds, variants)
        _check_length(len(expected.phones), recording, thresholds)
        relation = relatedness(expected, output.log_probabilities, output.labels, output.blank)
        facts["relatedness"] = None if relation is None else _rounded(relation._asdict())
        _check_language(recording, expected, thresholds)
        _check_related(relation, thresholds)
        try:
            path = viterbi(output.log_probabilities, expected.ids(output.labels), output.blank)
        except TaskError as error:
            if error.kind != TOO_SHORT:
                raise
            raise _Refused("too-short", "too-few-frames", fault=str(error)) from error
    except _Refused as refusal:
        return facts | _not_assessed(refusal.outcome, refusal.reason)
    shown = output.log_probabilities, output.labels, output.blank
    missing, path = missing_words(expected, *shown, path, thresholds)
    heard = expected.without(missing)
    of_heard, insertions = verdicts(heard, *shown, path, thresholds, variants.phones)
    tiers = heard.tiers(path, output.frames)
    judged, times = _with_missing(expected, missing, of_heard, tiers)
    not_heard = _not_heard(expected, judged)
    numbers = [number for number, phone in enumerate(expected.phones) if phone.word not in missing]
    return facts | {
        "assessable": True,
        "outcome": "assessed",
        "words": _word_parts(expected, judged, times, not_heard),
        "insertions": [_insertion(each, tiers, [*numbers, len(judged)]) for each in insertions],
        "counts": _counts(judged, insertions)
        | {"words": len(_words_of(expected)), "words_not_heard": len(not_heard)},
        "fluency": fluency(tiers, len({phone.syllable for phone in heard.phones} - {None})),
        "scores": None,
        "advice": first_advice(expected, judged, not_heard),
    }


def _with_missing(
    expected: Expected, missing: Collection[int], of_heard: Sequence[PhoneVerdict], tiers: Tiers
) -> tuple[list[PhoneVerdict], list[Interval]]:
    """A verdict and the times of every phone: those of a missing word are deletions without length."""
    judged: list[PhoneVerdict] = []
    times: list[Interval] = []
    known = iter(zip(of_heard, tiers.phones, strict=True))
    for phone in expected.phones:
        if phone.word in missing:
            at = times[-1].end_s if times else tiers.phones[0].start_s
            judged.append(PhoneVerdict("deletion", None, 0.0, ((None, 1.0),)))
            times.append(Interval(phone.symbol, at, at))
        else:
            verdict, interval = next(known)
            judged.append(verdict)
            times.append(interval)
    return judged, times


def _words_of(expected: Expected) -> dict[int, list[int]]:
    """The numbers of the phones of each word."""
    words: dict[int, list[int]] = {}
    for number, phone in enumerate(expected.phones):
        if phone.word is not None:
            words.setdefault(phone.word, []).append(number)
    return words


def _not_heard(expected: Expected, judged: Sequence[PhoneVerdict]) -> list[int]:
    """The words of which no phone was heard."""
    return [
        word
        for word, numbers in _words_of(expected).items()
        if all(judged[number].kind == "deletion" for number in numbers)
    ]


def _not_assessed(outcome: Outcome, reason: dict[str, str]) -> dict[str, Any]:
    return {"assessable": False, "outcome": outcome, "reason": reason["en"], "reason_text": reason}


def unreadable(request: Request, recording: Recording, thresholds: Thresholds, reason: str) -> dict[str, Any]:
    """The answer for a recording that could not be read."""
    fault = reason if reason.startswith(("the ", "it ")) else f"the recording {reason}"
    return _facts(request, recording, thresholds) | _not_assessed(
        "unreadable-audio", reason_text("unreadable-audio", fault=fault)
    )


def _facts(request: Request, recording: Recording, thresholds: Thresholds) -> dict[str, Any]:
    """What every answer has; the parts of an assessment are null until there is one."""
    quality = recording.quality
    audio: dict[str, Any] = {
        "duration_s": round(recording.duration_s, 4),
        "level_dbfs": None if quality is None else round(quality.level_dbfs, 1),
        "snr_db": None if quality is None or quality.snr_db != quality.snr_db else round(quality.snr_db, 1),
        "clipped_share": None if quality is None else round(quality.clipped_share, 5),
        "speech_s": None if recording.speech_s is None else round(recording.speech_s, 3),
        "lossy_codec": recording.lossy_codec,
    }
    language = recording.language
    return {
        "schema": SCHEMA,
        "id": recording.id,
        "audio": recording.audio,
        "text": request.text,
        "assessable": False,
        "outcome": None,
        "reason": None,
        "reason_text": None,
        "warnings": [
            *text_warnings(None if request.phones is not None else request.text),
            *_warnings(recording),
        ],
        "recording": audio,
        "language": None if language is None else {"code": language[0], "probability": round(language[1], 4)},
        "relatedness": None,
        "words": None,
        "insertions": None,
        "counts": None,
        "fluency": None,
        "scores": None,
        "advice": None,
        "thresholds": thresholds.to_json(),
    }


def _warnings(recording: Recording) -> list[dict[str, str]]:
    """What may change a verdict, with `code`, `ko` and `en`."""
    if recording.lossy_codec is None:
        return []
    texts = {language: text.format(codec=recording.lossy_codec) for language, text in LOSSY.items()}
    return [{"code": "lossy-audio"} | texts]


def _check_recording(recording: Recording, thresholds: Thresholds) -> None:
    """
    Raises:
        _Refused: silence, a low level or clipping.
    """
    quality = recording.quality
    if recording.speech_s is not None and recording.speech_s < thresholds.least_speech_s:
        raise _Refused("no-speech", speech_s=f"{recording.speech_s:.2f}", least_s=thresholds.least_speech_s)
    if quality is None:
        return
    if quality.level_dbfs < thresholds.least_level_dbfs:
        raise _Refused(
            "too-quiet",
            below_db=f"{-quality.level_dbfs:.0f}",
            most_db=f"{-thresholds.least_level_dbfs:.0f}",
        )
    if quality.clipped_share > thresholds.most_clipped_share:
        raise _Refused("clipped", percent=f"{100 * quality.clipped_share:.1f}")


def _expected(
    request: Request,
    recording: Recording,
    output: PhoneOutput,
    thresholds: Thresholds,
    variants: AcceptedVariants,
) -> Expected:
    """
    Raises:
        _Refused: no text, one that cannot be read, or too little time for it.
        TaskError: phones that the model does not have, or more than may be assessed.
    """
    if request.phones is not None:
        return expected_of_phones(request.phones, output.labels, output.blank)
    if not request.text or not request.text.strip():
        raise _Refused("no-text")
    try:
        return expected_of_text(
            request.text,
            output.log_probabilities,
            output.labels,
            output.blank,
            lambda num_phones: _check_length(num_phones, recording, thresholds),
            variants.words,
        )
    except TaskError as error:
        if error.kind == TOO_SHORT:
            raise _Refused("too-short", "too-few-frames", fault=str(error)) from error
        if error.kind == UNREADABLE_TEXT:
            raise _Refused("text-not-readable", fault=str(error), text=request.text[:40]) from error
        raise
    except TextError as error:
        raise _Refused("text-not-readable", fault=str(error), text=request.text[:40]) from error


def _check_length(num_phones: int, recording: Recording, thresholds: Thresholds) -> None:
    """
    Raises:
        _Refused: no speaker is so fast.
    """
    if num_phones > thresholds.most_phones_per_s * recording.duration_s:
        raise _Refused(
            "too-short",
            phones=num_phones,
            duration_s=f"{recording.duration_s:.2f}",
            most=f"{thresholds.most_phones_per_s:g}",
        )


def _check_language(recording: Recording, expected: Expected, thresholds: Thresholds) -> None:
    """A list of phones states no language: one that is not of Korean phones alone is compared with none.

    Raises:
        _Refused: Korean is expected, and another language was spoken.
    """
    language = recording.language
    if language is None or any(phone.symbol not in KOREAN.symbols for phone in expected.phones):
        return
    if language[0] != "ko" and language[1] >= thresholds.least_language_probability:
        raise _Refused("other-language", code=language[0], probability=f"{language[1]:.2f}")


def _check_related(relation: Relatedness | None, thresholds: Thresholds) -> None:
    """
    Raises:
        _Refused: another text was spoken.
    """
    if relation is None:
        return
    if relation.margin < thresholds.least_margin or relation.deviation < thresholds.least_deviation:
        raise _Refused(
            "unrelated-speech",
            margin=f"{relation.margin:.2f}",
            least_margin=thresholds.least_margin,
            deviation=f"{relation.deviation:.1f}",
            least_deviation=thresholds.least_deviation,
        )


def _word_parts(
    expected: Expected,
    judged: Sequence[PhoneVerdict],
    intervals: Sequence[Interval],
    not_heard: Collection[int],
) -> list[dict[str, Any]]:
    """Words with their syllables and these with their phones."""
    words: list[dict[str, Any]] = []
    last: tuple[int | None, int | None] = (None, None)
    for number, (phone, verdict, times) in enumerate(zip(expected.phones, judged, intervals, strict=True)):
        if phone.word != last[0] or not words:
            index = phone.word
            variant = None if index is None else expected.variants.get(index)
            words.append(
                {
                    "text": None if index is None else (expected.written or expected.words)[index],
                    "spoken": None if index is None else expected.words[index],
                    "kind": "not-heard" if index in not_heard else "heard",
                    "variant": None if variant is None else variant._asdict(),
                    "pronounced": None,
                    "start_s": times.start_s,
                    "end_s": times.end_s,
                    "errors": 0,
                    "syllables": [],
                }
            )
        word = words[-1]
        if (phone.word, phone.syllable) != last or phone.syllable is None:
            text = None if phone.syllable is None else expected.syllables[phone.syllable]
            word["syllables"].append(
                {
                    "text": text,
                    "pronounced": None,
                    "start_s": times.start_s,
                    "end_s": times.end_s,
                    "phones": [],
                }
            )
        last = (phone.word, phone.syllable)
        syllable = word["syllables"][-1]
        syllable["phones"].append(_phone(number, phone, verdict, times))
        syllable["end_s"] = word["end_s"] = times.end_s
        word["errors"] += verdict.kind in ERRORS
    for word in words:
        for syllable in word["syllables"]:
            syllable["pronounced"] = _pronounced(syllable["phones"])
        parts = [syllable["pronounced"] for syllable in word["syllables"]]
        word["pronounced"] = None if None in parts else "".join(parts)
    return words


def _pronounced(phones: Sequence[Mapping[str, Any]]) -> str | None:
    """The syllable that phones are, in their own letters (일 of 일찍 일어나지 is 기); None without places in it."""
    letters = {phone["position"]: phone["letter"] for phone in phones}
    vowel = VOWEL.get(letters.get("vowel", ""))
    onset, coda = ONSET.get(letters.get("onset", "ㅇ")), CODA.get(letters.get("coda", ""))
    if vowel is None or onset is None or coda is None or len(letters) != len(phones):
        return None
    return join(onset, vowel, coda)


def _phone(number: int, phone: ExpectedPhone, verdict: PhoneVerdict, times: Interval) -> dict[str, Any]:
    return {
        "index": number,
        "expected": phone.symbol,
        "letter": phone.letter or letter_of(phone.symbol),
        "ipa": phone.ipa,
        "position": phone.position,
        "kind": verdict.kind,
        "recognised": verdict.recognised,
        "recognised_letter": None if verdict.recognised is None else letter_of(verdict.recognised),
        "probability": round(verdict.probability, 6),
        "candidates": [
            {
                "phone": symbol,
                "letter": None if symbol is None else letter_of(symbol),
                "probability": round(p, 6),
            }
            for symbol, p in verdict.candidates
        ],
        "accepted": verdict.accepted,
        "accepted_kind": verdict.accepted_kind,
        "accepted_reason": _accepted_reason(verdict),
        "rules": [
            {"article": article, "title": ARTICLE_TITLES.get(article, "listed word")}
            for article in phone.articles
        ],
        "start_s": times.start_s,
        "end_s": times.end_s,
    }


def _accepted_reason(verdict: PhoneVerdict) -> dict[str, str] | None:
    """Why another phone than the expected one is not an error, in Korean and English; None where it was not."""
    if verdict.accepted is None:
        return None
    if verdict.accepted_kind == "standard":
        return STANDARD
    if verdict.accepted_kind == "sound":
        return SOUND[verdict.accepted]
    if verdict.accepted_kind == "native":
        return dict(reduction_titles()[verdict.accepted])
    return {"ko": verdict.accepted, "en": verdict.accepted}


def _insertion(insertion: Insertion, tiers: Tiers, numbers: Sequence[int]) -> dict[str, Any]:
    """An insertion; `numbers` are those of the phones that were heard, and the count of all."""
    at = (
        tiers.phones[insertion.before].start_s
        if insertion.before < len(tiers.phones)
        else tiers.phones[-1].end_s
    )
    return {
        "before": numbers[insertion.before],
        "recognised": insertion.recognised,
        "letter": letter_of(insertion.recognised),
        "ipa": _IPA.get(insertion.recognised),
        "log_ratio": round(insertion.log_ratio, 3),
        "at_s": at,
    }


def _counts(judged: Sequence[PhoneVerdict], insertions: Sequence[Insertion]) -> dict[str, int]:
    counts = {"phones": len(judged)} | dict.fromkeys(("correct", "substitution", "deletion", "unclear"), 0)
    for verdict in judged:
        counts[verdict.kind] += 1
    return counts | {"insertion": len(insertions)}


def fluency(tiers: Tiers, num_syllables: int) -> dict[str, Any]:
    """Pauses and rates.

    Returns:
        `pauses`: start and end in seconds; `speech_rate`: syllables per second from the first phone to the last one;
        `articulation_rate`: the same without the pauses. Rates are null for phones without syllables.
    """
    phones = tiers.phones
    pauses = [
        [before.end_s, after.start_s]
        for before, after in itertools.pairwise(phones)
        if after.start_s - before.end_s > 0
    ]
    # A gap of the alignment leaves out what the phones beside it keep.
    total = phones[-1].end_s - phones[0].start_s
    speaking = total - sum(end - start for start, end in pauses)
    known = num_syllables > 0 and speaking > 0
    return {
        "pauses": [pause for pause in pauses if pause[1] - pause[0] >= LEAST_PAUSE_S],
        "speech_rate": round(num_syllables / total, 3) if known else None,
        "articulation_rate": round(num_syllables / speaking, 3) if known else None,
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in values.items()}
