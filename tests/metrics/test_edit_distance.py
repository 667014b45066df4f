import itertools
import math
import random

import pytest

from soritune.metrics.edit_distance import (
    align,
    character_counts,
    edit_counts,
    error_rate,
    phone_counts,
    phone_words,
    word_counts,
    word_phone_counts,
)


def symbols(text):
    return text.split()


def plain_distance(reference, hypothesis):
    """The least number of edits by the table of Wagner and Fischer."""
    line = list(range(len(hypothesis) + 1))
    for row, expected in enumerate(reference, 1):
        previous, line = line, [row]
        for column, actual in enumerate(hypothesis, 1):
            line.append(min(previous[column - 1] + (expected != actual), previous[column] + 1, line[-1] + 1))
    return line[-1]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("a b c", "a b c", (0, 0, 0, 3)),
        ("a b c", "a x c", (1, 0, 0, 3)),
        ("a b c", "a c", (0, 1, 0, 3)),
        ("a b c", "a b x c", (0, 0, 1, 3)),
        ("a b c", "", (0, 3, 0, 3)),
        ("", "a b", (0, 0, 2, 0)),
        ("", "", (0, 0, 0, 0)),
    ],
)
def test_counts_of_unambiguous_pairs(reference, hypothesis, expected):
    assert edit_counts(reference.split(), hypothesis.split()) == expected


def test_symbols_longer_than_one_character_are_one_symbol():
    assert edit_counts(["GG", "A"], ["G", "A"]) == (1, 0, 0, 2)
    assert edit_counts(["iA"], ["A"]) == (1, 0, 0, 1)


def test_counts_of_random_pairs_equal_alignment_and_least_distance():
    draw = random.Random(0)
    for _ in range(300):
        reference = draw.choices(["A", "EO", "GG", "|"], k=draw.randrange(9))
        hypothesis = draw.choices(["A", "EO", "GG", "|"], k=draw.randrange(9))
        result = align(reference, hypothesis)
        substitutions, deletions, insertions, length = edit_counts(reference, hypothesis)
        assert (result.substitutions, result.deletions, result.insertions) == (
            substitutions,
            deletions,
            insertions,
        )
        assert result.edits == plain_distance(reference, hypothesis)
        assert result.reference_length == length == len(reference)
        assert deletions - insertions == len(reference) - len(hypothesis)
        first, second = result.rows()
        assert [symbol for symbol in first if symbol is not None] == reference
        assert [symbol for symbol in second if symbol is not None] == hypothesis
        for step in result.ops:
            assert (step.operation == "equal") == (step.reference == step.hypothesis)


def test_distance_of_every_short_pair_is_least():
    words = [list(word) for size in range(4) for word in itertools.product("ab", repeat=size)]
    for reference, hypothesis in itertools.product(words, words):
        assert sum(edit_counts(reference, hypothesis)[:3]) == plain_distance(reference, hypothesis)


def test_phone_counts_ignore_boundaries():
    assert phone_counts(symbols("N A | G A"), symbols("N A G | A")) == (0, 0, 0, 4)
    assert phone_counts(["|"], ["|", "|"]) == (0, 0, 0, 0)


def test_word_phone_counts_compare_whole_words():
    reference, hypothesis = symbols("N A | G A | D A"), symbols("N A | G O | D A | M")
    assert word_phone_counts(reference, hypothesis) == (1, 0, 1, 3)
    assert phone_words(symbols("| N A | | G |")) == ["N A", "G"]


def test_counts_of_orthographic_text():
    assert word_counts("나는 밥을 먹는다", "나는 밥 먹는다") == (1, 0, 0, 3)
    assert character_counts("나는 밥을", "나는밥") == (0, 1, 0, 4)


def test_error_rate_is_a_corpus_rate_and_nan_without_reference():
    assert error_rate(3, 12) == 0.25
    assert error_rate(5, 2) == 2.5
    assert math.isnan(error_rate(2, 0))
