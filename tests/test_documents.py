"""The documents agree with the tree: rooms, ids of the feature table, the two READMEs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "soritune"
IDS = (
    [f"E3.{n}" for n in range(1, 11)]
    + [f"E4.{n}" for n in range(1, 12)]
    + [f"CP.{n}" for n in range(1, 13)]
    + [f"CF.{n}" for n in range(1, 5)]
    + [f"L2.{n}" for n in range(1, 7)]
)


def rooms() -> list[str]:
    folders = [path for path in SOURCE.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    files = [path for path in SOURCE.glob("*.py") if path.name != "__init__.py"]
    return sorted(
        path.relative_to(SOURCE).as_posix() + ("/" if path.is_dir() else "") for path in folders + files
    )


def test_every_room_is_in_the_file_tree() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert [room for room in rooms() if room.rstrip("/").rsplit("/", 1)[-1] not in text] == []


def test_every_feature_has_a_row_with_a_status() -> None:
    text = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    rows = {match[1]: match[0] for match in re.finditer(r"^\| *([A-Z0-9]+\.\d+) *\|.*$", text, re.MULTILINE)}
    assert [name for name in IDS if name not in rows] == []
    assert [name for name in IDS if not re.search(r"\| *(works|partly|not yet)\b", rows[name])] == []


def blocks(document: str) -> list[str]:
    """Commands and code of a document, comments and placeholders aside."""
    text = (ROOT / document).read_text(encoding="utf-8")
    lines = [line.split("#")[0].rstrip() for line in text.splitlines() if line.startswith("    ")]
    return [line for line in lines if line.lstrip().startswith(("make", "soritune", ".", "pip"))]


def test_both_readmes_give_the_same_commands() -> None:
    assert blocks("README.md") == blocks("README.ko.md")


def test_local_links_lead_somewhere() -> None:
    broken = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        broken += [
            f"{document.name}: {target}" for target in targets if not (document.parent / target).exists()
        ]
    assert broken == []


def test_no_placeholder_is_left() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    assert [path.name for path in documents if "<!-- NUMBER" in path.read_text(encoding="utf-8")] == []
