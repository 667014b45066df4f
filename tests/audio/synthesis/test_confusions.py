"""The possible errors at a phone, worked by hand, and that no accent pronounces one of them anyway."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.synthesis.confusions import DIFFICULTY, GAP, family, possible_errors
from soritune.audio.synthesis.phonemes import draw_accent, in_phonemes
from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.sentences import draw_text
from soritune.korean.phones import PHONES, WORD_BOUNDARY


def errors(phones: str, index: int, kind: str) -> set[str]:
    """The phones perceived for `phones[index]` by errors of a kind, the label of the last step."""
    steps = [steps for _, steps in possible_errors(phones.split(), index)]
    return {" ".join(step[1] for step in error) for error in steps if error[-1][2] == kind}


@pytest.mark.parametrize(
    ("phones", "index", "perceived"),
    [
        ("D A L", 0, {"DD", "Th"}),  # the three series of stops
        ("DD A L", 0, {"D", "Th"}),
        ("Th A L", 0, {"D", "DD"}),
        ("J A", 0, {"JJ", "CHh"}),
        ("S A L", 0, {"SS"}),
        ("SS A L", 0, {"S"}),
        ("EO", 0, {"O", "A"}),
        ("O", 0, {"EO", "U"}),
        ("EU", 0, {"U", "EO"}),
        ("U", 0, {"EU", "O"}),
        ("E", 0, {"A"}),
        ("N A R A", 2, {"L", "N"}),
        ("N A R A", 0, {"R"}),
        ("S A N", 2, {"NG", "M"}),  # codas
        ("S A NG", 2, {"N", "M"}),
        ("B A k", 2, {"t", "p"}),
        ("M A", 0, set()),
    ],
)
def test_substitutions_by_hand(phones: str, index: int, perceived: set[str]) -> None:
    assert errors(phones, index, "S") == perceived


def test_deletions_by_hand() -> None:
    """한국 [한국]: ㅎ and both codas; 실라: one of ㄹㄹ, and no other error there."""
    assert [errors("H A N G U k", index, "D") for index in range(6)] == [
        {GAP},
        set(),
        {GAP},
        set(),
        set(),
        {GAP},
    ]
    assert errors("S I L L A", 2, "D") == {GAP}
    assert errors("S I L L A", 2, "S") == errors("S I L L A", 2, "I") == set()


def test_insertions_by_hand() -> None:
    """밥 as 바브 or 바프, 물 as 므르, 김 as 기므 or 기무; not before ㅎ, which would be linked."""
    assert errors("B A p", 2, "I") == {"B EU", "Ph EU"}
    assert errors("M U L", 2, "I") == {"R EU"}
    assert errors("G I M", 2, "I") == {"M EU", "M U"}
    assert errors("B A p | H A", 2, "I") == {"B EU", "Ph EU"}
    assert errors("G A M H A", 2, "I") == set()


def test_errors_that_would_be_ui_are_impossible() -> None:
    """ㅡ ㅣ is a pronunciation of ㅢ: ㅜ before ㅣ may not become ㅡ, and a phone between ㅡ and ㅣ may not
    be deleted."""
    assert "EU" not in errors("U I", 0, "S")
    assert "EU" not in errors("U H I", 0, "S")
    assert "I" not in errors("EU uI", 1, "S") | errors("EU euI", 1, "S")
    assert "I" in errors("iE uI", 1, "S")
    assert errors("EU H I", 1, "D") == errors("EU NG I", 1, "D") == set()
    assert errors("EU H A", 1, "D") == {GAP}


def test_liquid_after_a_pause_is_not_replaced_by_l() -> None:
    assert errors("R A", 0, "S") == errors("A | R A", 2, "S") == {"N"}


def test_boundary_has_no_errors_and_no_family() -> None:
    assert possible_errors(["A", WORD_BOUNDARY, "A"], 1) == []
    assert family(["A", WORD_BOUNDARY, "A"], 1) == ""


@pytest.mark.parametrize(
    ("phones", "families"),
    [
        ("G A S I p", ["series", "open vowel", "sibilant", "open vowel", "coda"]),
        ("R EU N A M iEO", ["liquid", "vowel", "nasal", "open vowel", "nasal", "glide"]),
        ("H O k", ["h", "vowel", "coda"]),
    ],
)
def test_families_by_hand(phones: str, families: list[str]) -> None:
    phrase = phones.split()
    assert [family(phrase, index) for index in range(len(phrase))] == families


def test_every_phone_has_a_family_with_a_difficulty() -> None:
    assert {family([phone, "A"], 0) for phone in PHONES} | {"coda"} == set(DIFFICULTY)


def as_spoken(phrase: object, seed: int) -> str:
    """The phonemes of a phrase in a drawn accent, without stress and boundaries."""
    rng = np.random.default_rng(seed)
    text = in_phonemes([phrase], draw_accent(rng), rng)  # type: ignore[list-item]
    return text.replace("'", "").replace("|", " ").replace("  ", " ").replace("_ ", "")


@pytest.mark.slow
def test_no_error_is_spoken_as_a_correct_phone_in_any_accent() -> None:
    for index in range(40):
        rng = np.random.default_rng([0, index])
        for phrase in draw_reading(draw_text(rng, "train")[0], rng, 0.1, 0.7).phrases:
            for position in range(len(phrase)):
                near = phrase[max(0, position - 3) : position + 4]
                center = min(position, 3)
                correct = {as_spoken(near, seed) for seed in range(8)}
                for _, steps in possible_errors(near, center):
                    perceived = [symbol for _, symbol, _ in steps if symbol != GAP]
                    changed = [*near[:center], *perceived, *near[center + 1 :]]
                    wrong = {as_spoken(changed, seed) for seed in range(8)}
                    assert not correct & wrong, (near, center, steps)
