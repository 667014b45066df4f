from __future__ import annotations

import numpy as np

from soritune.tasks.phones.phone_errors import confusion_counts, phone_name, phones_of_pair
from soritune.tasks.results import Pair, Prediction


def pair(reference: list[str] | None, hypothesis: list[str]) -> Pair:
    return Pair("a", {"phones": reference}, Prediction("phoneme", {"phones": hypothesis}))


def test_phones_of_a_pair_are_without_word_boundaries() -> None:
    assert phones_of_pair(pair(["G", "|", "A"], ["|", "G"])) == (["G", "A"], ["G"])
    assert phones_of_pair(pair(None, ["G"])) is None
    assert phones_of_pair(Pair("a", {"label": "x"}, Prediction("emotion", {"label": "x"}))) is None


def test_confusions_worked_by_hand() -> None:
    """G A N against G O: A → O, N is not recognised; then D against D B: B is inserted."""
    index = {symbol: number for number, symbol in enumerate(["G", "A", "N", "O", "D", "B"])}
    counts = confusion_counts(["G", "A", "N"], ["G", "O"], index) + confusion_counts(["D"], ["D", "B"], index)
    wanted = np.zeros((7, 7))
    wanted[0, 0] = wanted[4, 4] = wanted[1, 3] = wanted[2, 6] = wanted[6, 5] = 1
    np.testing.assert_array_equal(counts, wanted)


def test_names_of_phones() -> None:
    assert [phone_name(symbol) for symbol in ("L", "oE", "AH", "mine")] == [
        "-ㄹ L",
        "ㅙㅚㅞ oE",
        "AH [ʌ]",
        "mine",
    ]
