from __future__ import annotations

import ast
from pathlib import Path

import soritune
from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.bundles.packaged import packaged_models
from soritune.recipe import load_recipe
from soritune.stages.predict import default_model

SOURCE = Path(soritune.__file__).parent


def test_it_is_in_the_package() -> None:
    assert default_model() == DEFAULT_MODEL
    assert DEFAULT_MODEL in packaged_models()


def test_recipes_that_need_no_download_start_from_a_model_of_the_package() -> None:
    for name in ("quickstart", "demo"):
        assert load_recipe(name, ["data=x"]).model.encoder in packaged_models()


def test_no_other_file_of_python_decides_which_it_is() -> None:
    """Docstrings name models of the package as examples; every other text is the constant."""
    naming = []
    for file in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
        docstrings = {id(value) for value in statements if isinstance(value, ast.Constant)}
        naming += [
            file.relative_to(SOURCE).as_posix()
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and any(name in node.value for name in packaged_models())
        ]
    assert naming == ["bundles/default_model.py"]
