from __future__ import annotations

import pytest

from soritune.bundles.licences import Licence, forbidden_by, licences_of

BOTH = ("commercial use", "derivatives")


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("CC BY 4.0", ()),
        ("cc-by-sa-4.0", ()),
        ("CC0", ()),
        ("MIT", ()),
        ("synthetic speech, free to use; speechocean762, CC BY 4.0", ()),
        ("Apache-2.0, no warranty", ()),
        ("CC BY-NC 4.0", ("commercial use",)),
        ("cc-by-nc-sa-4.0", ("commercial use",)),
        ("cc_by_nc_nd_4.0", BOTH),
        ("CC BY-NC-ND 4.0", BOTH),
        ("speechocean762, CC BY 4.0; KSS, CC BY-NC-SA 4.0", ("commercial use",)),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives", BOTH),
        ("non-commercial research", ("commercial use",)),
        ("for research use only", ("commercial use",)),
        ("CC BY-ND 4.0", ("derivatives",)),
        ("저작자표시-비영리-변경금지 2.0", BOTH),
        ("비상업적 이용", ("commercial use",)),
        ("연구용", ("commercial use",)),
        ("incident and candid speech of Indiana", ()),
    ],
)
def test_what_a_licence_forbids(text: str, forbidden: tuple[str, ...]) -> None:
    assert forbidden_by(text) == forbidden


def test_licences_of_corpus_recordings_and_every_start() -> None:
    card = {
        "licence": " CC BY 4.0 ",
        "data": {
            "sources": ["a", "b"],
            "recordings": [{"folder": "cafe", "licence": None}, {"folder": "halls", "licence": "CC0"}],
        },
        "start": {"name": "second", "licence": "MIT", "start": {"name": "first"}},
    }
    assert licences_of(card) == (
        Licence("corpus (a, b)", "CC BY 4.0"),
        Licence("recordings in cafe", None),
        Licence("recordings in halls", "CC0"),
        Licence("start second", "MIT"),
        Licence("start first", None),
    )


@pytest.mark.parametrize("licence", [None, "", "  ", 3])
def test_missing_licence_has_no_text(licence: object) -> None:
    assert licences_of({"licence": licence}) == (Licence("corpus", None),)
