import importlib.util

import pytest

from soritune.errors import TextError
from soritune.korean import tagger
from soritune.korean.g2p import Pronouncer


def test_missing_analyser_is_refused_only_if_required(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert tagger.load_tagger(required=False) is None
    with pytest.raises(TextError, match="kiwipiepy is not installed"):
        Pronouncer("kiwi")
    assert Pronouncer("auto").pronounce("신을 신고") == "시늘 신꼬"


@pytest.mark.slow
def test_only_doubtful_phrases_are_tagged(kiwi, monkeypatch):
    tagged = []
    retag = kiwi._retag
    monkeypatch.setattr(kiwi, "_retag", lambda phrase, *rest: tagged.append(phrase) or retag(phrase, *rest))
    kiwi.pronounce("학교에 간다")
    assert tagged == []
    kiwi.pronounce("사건을 신고했다")
    assert tagged == ["사건을 신고했다"]
