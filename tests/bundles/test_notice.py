from __future__ import annotations

from pathlib import Path

import pytest
from tests.bundles.toy_bundle import write

from soritune.bundles.notice import LONGEST, folder_notice, joined_notices, notice_section
from soritune.errors import BundleError


def test_files_of_a_folder_are_joined(tmp_path: Path) -> None:
    assert folder_notice(tmp_path) is None
    (tmp_path / "NOTICE").write_text("\n", encoding="utf-8")
    assert folder_notice(tmp_path) is None
    (tmp_path / "NOTICE").write_text("Weights by A.\n", encoding="utf-8")
    (tmp_path / "LICENSE.txt").write_text("Permission is granted to all.\n", encoding="utf-8")
    assert folder_notice(tmp_path) == "Permission is granted to all.\n\nWeights by A."


def test_other_encodings_and_long_files_do_not_stop_a_training(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_bytes("© A ".encode("latin-1") + b"x" * (LONGEST + 9))
    notice = folder_notice(tmp_path)
    assert (
        notice is not None and notice.startswith("\N{REPLACEMENT CHARACTER} A xx") and len(notice) == LONGEST
    )


def test_a_notice_inside_another_is_not_repeated() -> None:
    assert joined_notices(["A", None, "A and B", "", " A "]) == "A and B"
    assert joined_notices(["A", "A"]) == "A"
    assert joined_notices([None, ""]) is None


def test_card_and_readme_of_a_bundle_have_it(tmp_path: Path) -> None:
    bundle = write(tmp_path / "b", notice="Copyright (c) A\n")
    assert bundle.notice == "Copyright (c) A\n"
    readme = (bundle.path / "README.md").read_text(encoding="utf-8")
    section = notice_section(bundle.card)
    assert section is not None and section in readme
    assert section.startswith("## Notice\n") and "\n```text\nCopyright (c) A\n```" in section
    plain = write(tmp_path / "plain")
    assert plain.notice is None and notice_section(plain.card) is None
    assert "Notice" not in (plain.path / "README.md").read_text(encoding="utf-8")


def test_a_notice_that_is_not_a_text_is_reported(tmp_path: Path) -> None:
    bundle = write(tmp_path / "b", notice=["A"])
    with pytest.raises(BundleError, match=r"'notice' is faulty \(is \['A'\], not a text\)"):
        _ = bundle.notice


def test_a_notice_with_a_fence_stays_inside_its_own() -> None:
    section = notice_section({"notice": "A\n```\n# not a heading"})
    assert section is not None
    assert section.endswith("\n````text\nA\n```\n# not a heading\n````")
