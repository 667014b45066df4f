import pytest
from tests.inference.recognition.toy_recogniser import recognised

from soritune.errors import SorituneError
from soritune.inference.recognition.acceptance import checked_min_confidence, why_set_aside
from soritune.inference.recognition.recogniser import RecognisedText


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        (recognised("가 나", 0.6), None, ""),
        (recognised("가 나", 0.59), "asr-low-confidence", "is 0.59, below 0.6"),
        (recognised(""), "asr-no-words", "no words"),
        (RecognisedText("...", (), 1.0), "asr-no-words", "no words"),
        (recognised("가 나", 0.99, no_speech=0.61), "asr-no-speech", "is 0.61, above 0.6"),
        (recognised("가 나", 0.99, no_speech=0.6), None, ""),
        (recognised("네 네 네", 0.99, compression=2.5), "asr-repetition", "is 2.50, above 2.4"),
        (recognised("네 네 네", 0.99, compression=2.4), None, ""),
    ],
)
def test_a_text_is_set_aside_with_its_reason_and_the_value(text, kind, part):
    fault = why_set_aside(text, 0.6)
    assert (fault and fault.kind) == kind
    assert fault is None or part in fault.reason


def test_the_threshold_can_be_any_share():
    assert why_set_aside(recognised("가", 0.1), 0.0) is None
    assert why_set_aside(recognised("가", 0.999), 1.0) is not None
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(SorituneError, match="must be from 0 to 1"):
            checked_min_confidence(value)
