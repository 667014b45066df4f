"""The answer of an assessment as JSON: text → word → syllable → phone, or why the recording cannot be assessed.

What is not known is null, never an invented number: there are no overall scores, because no reference was available
from which they could be learnt.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
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
from soritune.assessment.reductions import reduction_titles
from soritune.assessment.relatedness import Relatedness, relatedness
from soritune.assessment.thresholds import Thresholds
from soritune.assessment.timing import DIGITS, FrameTimes, Interval, Tiers
from soritune.assessment.variants import Variants
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
    """The recording cannot be assessed."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason


def assess(
    request: Request,
    recording: Recording,
    output: PhoneOutput,
    thresholds: Thresholds,
    *,
    variants: Variants | None = None,
) -> dict[str, Any]:
    """The answer for one recording, without the model's name (`inference/assessor.py` adds it).

    Raises:
        TaskError: phones that the model does not have, or more than `limited` allows.
        Stopped: `limited` says so.
    """
    facts = _facts(request, recording, thresholds)
    relation: Relatedness | None = None
    try:
        _check_recording(recording, thresholds)
        expected = _expected(request, recording, output, thresholds)
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
            raise _Refused("too-short", str(error)) from error
    except _Refused as refusal:
        return facts | {"assessable": False, "outcome": refusal.outcome, "reason": refusal.reason}
    judged, insertions = verdicts(
        expected, output.log_probabilities, output.labels, output.blank, path, thresholds, variants
    )
    tiers = expected.tiers(path, output.frames)
    return facts | {
        "assessable": True,
        "outcome": "assessed",
        "words": _word_parts(expected, judged, tiers),
        "insertions": [_insertion(each, tiers) for each in insertions],
        "counts": _counts(judged, insertions),
        "fluency": fluency(tiers, len(expected.syllables)),
        "scores": None,
        "advice": first_advice(expected, judged),
    }


def unreadable(request: Request, recording: Recording, thresholds: Thresholds, reason: str) -> dict[str, Any]:
    """The answer for a recording that could not be read."""
    return _facts(request, recording, thresholds) | {
        "assessable": False,
        "outcome": "unreadable-audio",
        "reason": reason if reason.startswith(("the ", "it ")) else f"the recording {reason}",
    }


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
        "recording": audio,
        "warnings": _warnings(recording),
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
        raise _Refused(
            "no-speech",
            f"the recording has {recording.speech_s:.2f} s of speech; {thresholds.least_speech_s} s are needed, speak "
            "after the recording has begun",
        )
    if quality is None:
        return
    if quality.level_dbfs < thresholds.least_level_dbfs:
        raise _Refused(
            "too-quiet",
            f"the recording is {-quality.level_dbfs:.0f} dB below full scale, and at most "
            f"{-thresholds.least_level_dbfs:.0f} dB can be assessed; speak louder or nearer to the microphone",
        )
    if quality.clipped_share > thresholds.most_clipped_share:
        raise _Refused(
            "clipped",
            f"{100 * quality.clipped_share:.1f} % of the samples are at full scale; lower the gain of the microphone",
        )


def _expected(
    request: Request, recording: Recording, output: PhoneOutput, thresholds: Thresholds
) -> Expected:
    """
    Raises:
        _Refused: no text, one that cannot be read, or too little time for it.
        TaskError: phones that the model does not have, or more than may be assessed.
    """
    if request.phones is not None:
        return expected_of_phones(request.phones, output.labels, output.blank)
    if not request.text or not request.text.strip():
        raise _Refused("no-text", "the recording has no text; give what the speaker was asked to say")
    try:
        return expected_of_text(
            request.text,
            output.log_probabilities,
            output.labels,
            output.blank,
            lambda num_phones: _check_length(num_phones, recording, thresholds),
        )
    except TaskError as error:
        if error.kind == TOO_SHORT:
            raise _Refused("too-short", str(error)) from error
        if error.kind == UNREADABLE_TEXT:
            raise _Refused("text-not-readable", str(error)) from error
        raise
    except TextError as error:
        raise _Refused("text-not-readable", str(error)) from error


def _check_length(num_phones: int, recording: Recording, thresholds: Thresholds) -> None:
    """
    Raises:
        _Refused: no speaker is so fast.
    """
    if num_phones > thresholds.most_phones_per_s * recording.duration_s:
        raise _Refused(
            "too-short",
            f"the text has {num_phones} phones and the recording {recording.duration_s:.2f} s, which is less "
            f"than {thresholds.most_phones_per_s:g} phones per second need; it is too short for this text",
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
        raise _Refused(
            "other-language",
            f"the language of the recording is {language[0]} (probability {language[1]:.2f}), and the text is Korean",
        )


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
            "the recording does not fit the text better than other texts of its length "
            f"(margin {relation.margin:.2f}, at least {thresholds.least_margin}; deviation {relation.deviation:.1f}, "
            f"at least {thresholds.least_deviation}); check that the right text was read",
        )


def _word_parts(expected: Expected, judged: Sequence[PhoneVerdict], tiers: Tiers) -> list[dict[str, Any]]:
    """Words with their syllables and these with their phones."""
    words: list[dict[str, Any]] = []
    last: tuple[int | None, int | None] = (None, None)
    for number, (phone, verdict, times) in enumerate(zip(expected.phones, judged, tiers.phones, strict=True)):
        if phone.word != last[0] or not words:
            index = phone.word
            words.append(
                {
                    "text": None if index is None else (expected.written or expected.words)[index],
                    "spoken": None if index is None else expected.words[index],
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


def _insertion(insertion: Insertion, tiers: Tiers) -> dict[str, Any]:
    at = (
        tiers.phones[insertion.before].start_s
        if insertion.before < len(tiers.phones)
        else tiers.phones[-1].end_s
    )
    return {
        "before": insertion.before,
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
