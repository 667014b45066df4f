from __future__ import annotations

import numpy as np
from tests.assessment.made_output import FIRST, spoken

from soritune.assessment.confusable import CLUSTERS, allowed_substitutions, confusable
from soritune.assessment.gop import score_slots
from soritune.korean import KOREAN


def test_clusters_are_of_phones_and_symmetric() -> None:
    assert {phone for cluster in CLUSTERS for phone in cluster} <= set(KOREAN.symbols)
    for phone in KOREAN.symbols:
        assert all(phone in confusable(other) for other in confusable(phone))
    assert confusable("H") == {"H"}
    assert confusable("AH") == {"AH"}


def test_restriction_hides_what_is_not_confusable_and_keeps_what_is() -> None:
    expected = ["G", "A", "N", "A", "D", "A"]
    ids = [FIRST.index(phone) for phone in expected]
    candidates = [FIRST.index(phone) for phone in KOREAN.symbols]
    allowed = allowed_substitutions(expected, FIRST)
    for spoken_phone, is_found in (("GG", True), ("S", False)):
        scores = score_slots(spoken([spoken_phone, *expected[1:]]), ids, 0, candidates)
        restricted = scores.probabilities(allowed)[0]
        assert bool(restricted[FIRST.index(spoken_phone)] > 0.9) == is_found
        assert scores.probabilities()[0][FIRST.index(spoken_phone)] > 0.9
        assert (scores.goodness(ids, allowed) >= scores.goodness(ids) - 1e-12).all()
    assert np.flatnonzero(allowed[0]).tolist() == sorted(FIRST.index(phone) for phone in ("G", "GG", "Kh"))
