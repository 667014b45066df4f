import pytest

from soritune.korean.morphology import analyse, particle_starts


@pytest.mark.parametrize(
    ("word", "stems"),
    [
        ("신고", {0}),
        ("신도", set()),
        ("감기", set()),
        ("감기다", set()),
        ("줄넘기", {1}),
        ("더듬지", {1}),
        ("굶기다", set()),
        ("삶고", {0}),
        ("삶과", set()),
        ("참고서", set()),
    ],
)
def test_stem_boundaries_are_found(word, stems):
    assert analyse(word).stems == stems


@pytest.mark.parametrize(
    ("word", "future"),
    [("할", True), ("먹을", True), ("책을", False), ("물", False), ("있을", True), ("서울", False)],
)
def test_adnominal_ending_is_recognised(word, future):
    assert analyse(word).ends_in_future is future


def test_ending_l_inside_a_word_is_found():
    assert analyse("할게요").futures == {0}
    assert analyse("알게").futures == set()
    assert analyse("달걀").futures == set()


def test_particles_and_genitive_are_found():
    assert 2 in particle_starts("학교에서")
    assert analyse("어머니의").genitives == {3}
    assert analyse("주의").genitives == set()
