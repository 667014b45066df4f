"""The documents agree with the tree and with the commands: rooms, ids of the feature table, the two READMEs, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.command_tree import help_texts

from soritune.recipe import load_recipe

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "soritune"
IDS = (
    [f"E3.{n}" for n in range(1, 11)]
    + [f"E4.{n}" for n in range(1, 12)]
    + [f"CP.{n}" for n in range(1, 13)]
    + [f"CF.{n}" for n in range(1, 5)]
    + [f"L2.{n}" for n in range(1, 7)]
)


def tree_of_architecture() -> dict[str, str]:
    """Path below `src/soritune` to its line in the tree of ARCHITECTURE.md."""
    lines = read("ARCHITECTURE.md").split("    src/soritune/\n")[1].split("\n\n")[0].splitlines()
    folders: list[str] = []
    paths = {}
    for line in lines:
        name, _, text = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2 - 3
        del folders[depth:]
        paths["".join(folders) + name] = text.strip()
        if name.endswith("/"):
            folders.append(name)
    return paths


def test_the_tree_of_architecture_names_every_file_with_its_subject() -> None:
    files = {
        path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.name != "__init__.py"
    }
    folders = {
        "".join(f"{part}/" for part in path.parent.relative_to(SOURCE).parts)
        for path in SOURCE.rglob("*.py")
        if path.parent != SOURCE
    }
    tree = tree_of_architecture()
    named = {path for path in tree if not path.startswith("pretrained/")}
    assert named == files | folders, sorted(named ^ (files | folders))
    assert [path for path, text in tree.items() if len(text) < 8] == []


def test_names_in_architecture_exist() -> None:
    """`file.py: name` is a function, class or method of that file; paths without a name exist."""
    text = read("ARCHITECTURE.md").split("## The tree")[0]
    missing = []
    for path, name in re.findall(r"`([\w/]+\.py)(?:: ([\w.]+))?`", text):
        if "NAME" in path or "GROUP" in path:
            continue
        file = ROOT / path if path.startswith("tests/") else SOURCE / path
        known = file.read_text(encoding="utf-8") if file.exists() else None
        if known is None or not all(
            re.search(rf"^\s*(?:def|class) {part}\b", known, re.M)
            for part in filter(None, (name or "").split("."))
        ):
            missing.append(f"{path}: {name}" if name else path)
    assert missing == []


def test_every_feature_has_a_row_with_a_status() -> None:
    text = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    rows = {match[1]: match[0] for match in re.finditer(r"^\| *([A-Z0-9]+\.\d+) *\|.*$", text, re.MULTILINE)}
    assert [name for name in IDS if name not in rows] == []
    assert [name for name in IDS if not re.search(r"\| *(works|partly|not yet)\b", rows[name])] == []


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def blocks(document: str) -> list[str]:
    """Code of a document, line by line, without comments."""
    lines = [line.split("#")[0].rstrip() for line in read(document).splitlines() if line.startswith("    ")]
    return [line for line in lines if line]


def recipes_of(document: str) -> list[str]:
    return [
        text
        for text in re.findall(r"^```yaml\n(.*?)^```", read(document), re.DOTALL | re.M)
        if "name:" in text
    ]


def test_both_readmes_give_the_same_commands_and_recipes() -> None:
    assert blocks("README.md") == blocks("README.ko.md")
    assert recipes_of("README.md") == recipes_of("README.ko.md") != []


def test_both_readmes_have_the_same_sections_and_links() -> None:
    def outline(document: str) -> list[str]:
        return re.findall(r"^#+(?= )", read(document), re.MULTILINE)

    def links(document: str) -> set[str]:
        return set(re.findall(r"\]\(([^)]+)\)", read(document))) - {"README.md", "README.ko.md"}

    assert outline("README.md") == outline("README.ko.md")
    assert links("README.md") == links("README.ko.md")


@pytest.mark.parametrize("document", ["README.md", "README.ko.md"])
def test_a_readme_is_short_and_leaves_the_source_tree_to_architecture(document: str) -> None:
    text = read(document)
    assert len(text.splitlines()) <= 130
    assert "src/" not in text


@pytest.mark.parametrize("document", ["README.md", "docs/quick-start.md", "docs/recipes.md"])
def test_recipes_in_documents_are_valid(document: str, tmp_path: Path) -> None:
    texts = [text for text in recipes_of(document) if text.startswith("name:")]
    assert texts
    for text in texts:
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        load_recipe(str(tmp_path / "recipe.yaml"), ["data=ROOT"])


def test_commands_in_documents_exist() -> None:
    commands = {name for name, _ in help_texts()}
    named = {
        (path.name, match[1])
        for path in documents()
        for match in re.finditer(
            r"^    (?:\S+ )?soritune ([a-z][a-z0-9-]+)", path.read_text(encoding="utf-8"), re.M
        )
    }
    assert {command for _, command in named} >= {"run", "predict", "evaluate", "prepare"}
    assert [name for name in sorted(named) if f"soritune {name[1]}" not in commands] == []


def anchors(text: str) -> set[str]:
    """Anchors of the headings of a document, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_list_of_commands_is_complete_and_leads_to_their_sections() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[`([a-z0-9 -]+)`\]\(#([a-z0-9-]+)\) \|", text, re.MULTILINE)
    assert [name for name, _ in listed] == list(dict.fromkeys(name for name, _ in listed))
    assert {f"soritune {name}" for name, _ in listed} == {name for name, _ in help_texts()} - {"soritune"}
    sections = {title.replace(" ", "-") for title in re.findall(r"^### (.*)$", text, re.MULTILINE)}
    assert {section for _, section in listed} <= sections


def test_local_links_lead_somewhere() -> None:
    broken = []
    for document in documents():
        text = document.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
            path = document.parent / target if target else document
            if not path.exists() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
                broken.append(f"{document.name}: {target}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_lines_of_prose_are_short(path: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in prose.splitlines() if not line.startswith(("|", "    "))]
    longest = 200 if path.name == "decisions.md" else 120  # a decision is one line
    assert [line for line in lines if len(line) > longest] == []


def test_no_placeholder_is_left() -> None:
    assert [path.name for path in documents() if "<!-- NUMBER" in path.read_text(encoding="utf-8")] == []
