"""Texts: tens of thousands of them, each in one part, with particles by hand and every phone among them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.sentences import draw_text, part_of_text, with_particle
from soritune.korean.phones import PHONES


def texts(part: str, count: int, seed: int = 0) -> list[str]:
    return [draw_text(np.random.default_rng([seed, index]), part)[0] for index in range(count)]  # type: ignore[arg-type]


@pytest.mark.slow
def test_there_are_tens_of_thousands_of_texts_and_they_depend_only_on_the_generator() -> None:
    drawn = texts("train", 3000)
    assert len(set(drawn)) > 2900  # short texts sometimes repeat
    assert drawn == texts("train", 3000)
    # Chapman's estimate of the number of texts, from the number of texts in both of two draws.
    second = texts("train", 3000, seed=1)
    repeated = len(set(drawn) & set(second))
    assert len(set(drawn)) * len(set(second)) / (repeated + 1) > 50_000


@pytest.mark.slow
def test_text_is_in_one_part_whatever_the_seed() -> None:
    drawn = {part: set(texts(part, 400, seed)) for seed, part in enumerate(("train", "val", "test"))}
    assert not drawn["train"] & drawn["test"]
    assert not drawn["train"] & drawn["val"]
    assert not drawn["val"] & drawn["test"]
    shares = Counter(part_of_text(str(number)) for number in range(20000))
    assert shares["train"] / 20000 == pytest.approx(0.9, abs=0.01)
    assert shares["val"] == pytest.approx(shares["test"], rel=0.1)
    assert part_of_text("나무를  봐요") == part_of_text("나무를 봐요")


@pytest.mark.slow
def test_running_text_contains_every_phone() -> None:
    counts: Counter[str] = Counter()
    for index in range(1500):
        rng = np.random.default_rng([4, index])
        counts.update(draw_reading(draw_text(rng, "train", 0.0)[0], rng, 0.05, 0.7).phones)
    assert set(PHONES) <= set(counts)
    assert min(counts[phone] for phone in PHONES) >= 20


@pytest.mark.parametrize(
    ("text", "part"), [("오빠", "test"), ("친구", "val"), ("공원", "train"), ("나무를 봐요", "train")]
)
def test_part_depends_on_two_bytes_of_the_sha256(text: str, part: str) -> None:
    """By `sha256sum` the texts begin with 14e1, 1202, 1af8 and 2d93. A first byte below 1a (26 of 256) is for
    an evaluation; a second byte that is odd is for test."""
    assert part_of_text(text) == part


@pytest.mark.parametrize(
    ("word", "forms", "expected"),
    [
        ("책", ("을", "를"), "책을"),
        ("나무", ("을", "를"), "나무를"),
        ("물", ("으로", "로"), "물로"),
        ("집", ("으로", "로"), "집으로"),
        ("물", ("과", "와"), "물과"),
    ],
)
def test_particles_by_hand(word: str, forms: tuple[str, str], expected: str) -> None:
    assert with_particle(word, *forms) == expected


def test_kinds_without_syllable_strings_have_their_shares() -> None:
    """0.5, 0.1, 0.12 and 0.03 of 0.75; three standard errors of 2000 draws are below 0.034."""
    kinds = Counter(draw_text(np.random.default_rng([5, index]), "train", 0.0)[1] for index in range(2000))
    shares = {kind: count / 2000 for kind, count in kinds.items()}
    expected = {"sentence": 2 / 3, "numbers": 0.1333, "words": 0.16, "phrase": 0.04}
    assert shares == pytest.approx(expected, abs=0.034)
    assert draw_text(np.random.default_rng(0), "val", 1.0)[1] == "syllables"
