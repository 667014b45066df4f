"""The Seoul Corpus written from its description: sound and label folders, tiers `utt.ortho.` and `utt.prono.`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.corpus.layouts.prepared import read, tone
from tests.corpus.layouts.text_grids import text_grid

from soritune.errors import ManifestError

ORTHO = [
    (0.0, 0.5, "<SIL>"),
    (0.5, 1.5, "제 이름은 <LAUGH-그래서> 네"),
    (1.5, 2.0, "<IVER>"),
    (2.0, 2.5, "<PRIVATE.INFO> 입니다"),
    (2.5, 3.0, "아 <VOCNOISE> 열여섯 살<SIL>"),
    (3.0, 3.5, "<WHAT>"),
    (3.5, 4.0, ""),
]
PRONO = [(0.0, 2.5, "<SIL>"), (2.5, 4.0, "열려서 쌀")]


def corpus(root: Path, name: str = "s01m16f1") -> Path:
    tone(root / "sound" / f"{name}.flac", 4.0, 22050)
    (root / "label").mkdir(exist_ok=True)
    text = text_grid({"phoneme": [(0.0, 4.0, "aa")], "utt.prono.": PRONO, "utt.ortho.": ORTHO})
    (root / "label" / f"{name}.TextGrid").write_text(text, encoding="utf-16")
    return root


def test_intervals_with_words_are_utterances(tmp_path: Path) -> None:
    result = read("seoul-corpus", corpus(tmp_path / "corpus"), tmp_path / "out")
    first, second = result.rows.values()
    assert (first.id, first.text, first.start_s, first.duration_s) == (
        "s01m16f1-0.500",
        "제 이름은 그래서 네",
        0.5,
        1.0,
    )
    assert (first.speaker, first.gender, first.age, first.language) == ("s01", "m", 16.0, "ko")
    assert first.extra == {"interviewer": "f", "part": 1, "transcript": "제 이름은 <LAUGH-그래서> 네"}
    assert (second.text, second.start_s, second.sample_rate_hz) == ("아 열여섯 살", 2.5, 22050)
    assert result.skipped == {"interval without words": 1, "interval of the interviewer": 1}
    assert result.rejected == {
        "s01m16f1-2.000": (
            "transcript-hidden",
            "label/s01m16f1.TextGrid, 2.000 to 2.500 s: its text hides words that may be spoken: "
            "'<PRIVATE.INFO> 입니다'",
        ),
        "s01m16f1-3.000": (
            "transcript-tag",
            "label/s01m16f1.TextGrid, 3.000 to 3.500 s: '<WHAT>' is not a tag of this corpus",
        ),
    }


def test_tier_can_be_chosen_with_and_without_its_dot(tmp_path: Path) -> None:
    for tier in ("utt.prono.", "utt.prono"):
        result = read("seoul-corpus", corpus(tmp_path / "corpus"), tmp_path / "out", tier=tier)
        assert [row.text for row in result.rows.values()] == ["열려서 쌀"]


def test_files_without_partner_and_other_names_are_rejected(tmp_path: Path) -> None:
    root = corpus(tmp_path / "corpus")
    tone(root / "sound" / "s02f17m1.flac")
    (root / "label" / "s03f17m1.TextGrid").write_text("", encoding="utf-8")
    corpus(root, "interview")
    result = read("seoul-corpus", root, tmp_path / "out")
    kinds = {name: kind for name, (kind, _) in result.rejected.items() if "-" not in name}
    assert kinds == {"s02f17m1": "label-missing", "s03f17m1": "recording-missing", "interview": "name-format"}


def test_folder_without_textgrids_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="holds no TextGrid"):
        read("seoul-corpus", tmp_path, tmp_path / "out")
