"""The names of a run's files are in `run_folder.py` alone, and in the files that own a format."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.test_layers import SOURCE, files, parsed

from soritune.run_folder import RunFolder

RUN = RunFolder(Path("run"))
FILES = {
    path.name
    for path in (
        RUN.recipe,
        RUN.given_rows,
        RUN.manifest,
        RUN.checked,
        RUN.splits,
        RUN.quarantine,
        RUN.events,
        RUN.text_log,
        RUN.tracking,
        RUN.scores(),
        RUN.report(),
        RUN.text_report(),
        RUN.crossval,
    )
}
FOLDERS = {
    RUN.tensorboard.name,
    RUN.checkpoints.name,
    RUN.bundles.name,
    RUN.predictions().parent.name,
    RUN.evaluation("x").path.parent.name,
}
ALLOWED = {
    "run_folder.py": FILES | FOLDERS,
    # A prepared corpus may be anywhere; a run has the same files.
    "corpus/file_names.py": {"manifest.parquet", "checked.parquet", "splits.parquet", "quarantine.jsonl"},
    "corpus/sources/speechocean762.py": {"scores.json"},  # the file that this corpus calls so
}


def names_in_paths(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Literal file names, and what is joined to a path by `/` or `joinpath`; of f-strings the literal parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in FILES:
            yield node.lineno, node.value
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = node.args if node.func.attr in ("joinpath", "with_name") else []
        for part in parts:
            if isinstance(part, ast.Constant) and part.value in FOLDERS:
                yield part.lineno, part.value
            if isinstance(part, ast.JoinedStr):
                literal = "".join(
                    value.value
                    for value in part.values
                    if isinstance(value, ast.Constant) and isinstance(value.value, str)
                )
                if literal in FILES | FOLDERS:
                    yield part.lineno, literal


@pytest.mark.parametrize(
    "code",
    [
        'folder / "bundles"',
        'folder / "bundles" / name',
        'folder.joinpath("checkpoints")',
        'path = "scores.json"',
        'folder / f"report{suffix}.html"',
        'log.with_name("predictions")',
    ],
)
def test_the_search_finds_names_in_paths(code: str) -> None:
    assert len(list(names_in_paths(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code", ['{"bundles": 1}', 'raise Error("look at splits.parquet")', 'a / "predictions.jsonl"']
)
def test_the_search_ignores_keys_messages_and_other_names(code: str) -> None:
    assert list(names_in_paths(ast.parse(code))) == []


def test_files_of_a_run_are_named_in_one_place() -> None:
    faults = []
    for path in files():
        relative = path.relative_to(SOURCE).as_posix()
        allowed = ALLOWED.get(relative, set())
        faults += [
            f"{relative}:{line} {name}" for line, name in names_in_paths(parsed(path)) if name not in allowed
        ]
    assert not faults, "\n".join(faults)
