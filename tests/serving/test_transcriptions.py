from __future__ import annotations

from soritune.inference.recognition.recogniser import RecognisedText
from soritune.inference.recognition.recogniser import Word as Recognised
from soritune.serving.answers import Answer, Symbol
from soritune.serving.transcriptions import Transcript, Word


def transcript(*words: Word) -> Transcript:
    return Transcript("m", " ".join(word.word for word in words), "words", words, 3700.0)


def test_subtitles_end_at_pauses_and_when_they_are_long() -> None:
    words = transcript(
        Word("a", 0.0, 0.5, 1),
        Word("b", 1.2, 1.5, 1),  # 0.7 s later: the same subtitle
        Word("c", 2.4, 3.0, 1),  # 0.9 s later: a new one
        Word("d", 3.5, 8.5, 1),  # would last 6.2 s
    )
    assert [[word.word for word in part] for part in words.segments()] == [["a", "b"], ["c"], ["d"]]
    assert transcript().segments() == []


def test_srt_and_vtt_are_as_their_formats_are_published() -> None:
    words = transcript(Word("가", 0.1234, 0.5, 1), Word("나", 3661.5, 3662.0, 1))
    assert words.srt() == ("1\n00:00:00,123 --> 00:00:00,500\n가\n\n2\n01:01:01,500 --> 01:01:02,000\n나\n")
    assert words.vtt() == (
        "WEBVTT\n\n00:00:00.123 --> 00:00:00.500\n가\n\n01:01:01.500 --> 01:01:02.000\n나\n"
    )


def test_verbose_json_has_the_requested_parts() -> None:
    words = transcript(Word("가", 0.1, 0.5, 0.9))
    assert words.verbose_json(["word"])["words"] == [
        {"word": "가", "start": 0.1, "end": 0.5, "confidence": 0.9}
    ]
    assert "segments" not in words.verbose_json(["word"])
    content = words.verbose_json()
    assert content["segments"] == [{"id": 0, "start": 0.1, "end": 0.5, "text": "가"}]
    assert (content["duration"], content["language"], content["text_kind"]) == (3700.0, "ko", "words")


def test_phones_become_words_with_times_and_the_text_they_join_to() -> None:
    phones = ["H", "A", "N", "|", "G", "U", "k"]
    symbols = tuple(Symbol(phone, n, n + 0.5, 0.5) for n, phone in enumerate(phones))
    row = {
        "duration_s": 8.0,
        "tasks": {"phoneme": {"prediction": {"phones": phones, "confidence": 0.5, "hangul": "한 국"}}},
    }
    made = Transcript.of_answer(Answer("m", row, {"phoneme": symbols}))
    assert [tuple(word) for word in made.words] == [("한", 0, 2.5, 0.5), ("국", 4, 6.5, 0.5)]
    assert (made.text, made.kind) == ("한 국", "as_pronounced")


def test_recognised_words_are_kept() -> None:
    recognised = RecognisedText("국물이", (Recognised("국물이", 0.2, 0.9, 0.8),), 1.5)
    made = Transcript.of_words("r", "ko", recognised)
    assert (made.text, made.kind, made.words) == ("국물이", "words", (Word("국물이", 0.2, 0.9, 0.8),))
