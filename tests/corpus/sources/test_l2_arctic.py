"""L2-ARCTIC written from the description in its README: annotations as CPL,PPL,kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.corpus.layouts.prepared import read, tone
from tests.corpus.layouts.text_grids import short_text_grid, text_grid

from soritune.errors import ManifestError

SLEEPING = ["sil", "S", "L,sil,d", "IY1", "sil,AH0,a", "P", "IH0,IY0,s", "NG,N*,s", "", "sp"]
"""sleeping as "s iy ah p iy n", with silence around it."""


def intervals(labels: list[str]) -> list[tuple[float, float, str]]:
    return [(n / 10, (n + 1) / 10, label) for n, label in enumerate(labels)]


def speaker(root: Path, name: str, stem: str, labels: list[str] | None, *, short: bool = False) -> None:
    tone(root / name / "wav" / f"{stem}.wav")
    for folder in ("transcript", "annotation", "textgrid"):
        (root / name / folder).mkdir(parents=True, exist_ok=True)
    (root / name / "transcript" / f"{stem}.txt").write_text("Sleeping \n", encoding="utf-8")
    if labels is not None:
        write = short_text_grid if short else text_grid
        text = write({"words": [(0.0, 1.0, "sleeping")], "phones": intervals(labels)})
        (root / name / "annotation" / f"{stem}.TextGrid").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("short", [False, True])
def test_annotation_becomes_aligned_sequences(short: bool, tmp_path: Path) -> None:
    speaker(tmp_path / "corpus", "HKK", "arctic_a0001", SLEEPING, short=short)
    row = read("l2-arctic", tmp_path / "corpus", tmp_path / "out").rows["HKK-arctic_a0001"]
    assert row.canonical == ("sil", "s", "l", "iy", "sil", "p", "ih", "ng", "sil", "sil")
    assert row.perceived == ("sil", "s", "sil", "iy", "ah", "p", "iy", "n", "sil", "sil")
    assert row.error_labels == ("C", "C", "D", "C", "I", "C", "S", "S", "C", "C")
    # Without the deletion's silence, and with the last two silences as one.
    assert row.phones == ("sil", "s", "iy", "ah", "p", "iy", "n", "sil")
    assert (row.text, row.script_id, row.speaker, row.gender, row.first_language, row.language) == (
        "Sleeping",
        "arctic_a0001",
        "HKK",
        "m",
        "ko",
        "en",
    )
    assert row.audio == "HKK/wav/arctic_a0001.wav"


def test_faulty_annotations_are_rejected_with_the_place(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    speaker(root, "ABA", "arctic_a0001", ["S"])
    speaker(root, "ABA", "arctic_a0002", ["S", "L,R"])
    speaker(root, "ABA", "arctic_a0003", ["S", "L,R,x"])
    speaker(root, "ABA", "arctic_a0004", ["sil,sil,a"])
    speaker(root, "ABA", "arctic_a0005", ["S"])
    (root / "ABA" / "annotation" / "arctic_a0005.TextGrid").write_text("File type", encoding="utf-8")
    speaker(root, "ABA", "arctic_a0006", ["S"])
    other = text_grid({"words": intervals(["see"])})
    (root / "ABA" / "annotation" / "arctic_a0006.TextGrid").write_text(other, encoding="utf-8")
    (root / "ABA" / "annotation" / "arctic_a0007.TextGrid").write_text(other, encoding="utf-8")
    speaker(root, "ABA", "arctic_a0008", None)
    result = read("l2-arctic", root, tmp_path / "out")
    assert set(result.rows) == {"ABA-arctic_a0001"}
    kinds = {name[-1]: kind for name, (kind, _) in result.rejected.items()}
    assert kinds == {
        "2": "phone-label",
        "3": "phone-label",
        "4": "phone-label",
        "5": "textgrid-damaged",
        "6": "textgrid-tier",
        "7": "recording-missing",
    }
    assert result.rejected["ABA-arctic_a0002"][1].startswith(
        "ABA/annotation/arctic_a0002.TextGrid: 0.100 to 0.200 s: 'L,R' is neither a phone nor"
    )
    assert "has no interval tier 'phones'; there are: words" in result.rejected["ABA-arctic_a0006"][1]
    assert sum(result.skipped.values()) == 1
    more = read("l2-arctic", root, tmp_path / "out", unannotated=True)
    assert (
        more.rows["ABA-arctic_a0008"].canonical is None and more.rows["ABA-arctic_a0008"].text == "Sleeping"
    )


def test_unannotated_without_such_recordings_is_noted(tmp_path: Path) -> None:
    speaker(tmp_path / "c", "HKK", "arctic_a0001", ["S"])
    assert read("l2-arctic", tmp_path / "c", tmp_path / "out").notes == {}
    notes = read("l2-arctic", tmp_path / "c", tmp_path / "out", unannotated=True).notes
    assert list(notes) == ["unannotated has no effect, because every recording has an annotation"]


def test_folder_without_speakers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="holds no folder with annotation and wav of one speaker"):
        read("l2-arctic", tmp_path, tmp_path / "out")
