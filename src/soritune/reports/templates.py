"""The templates of pages, and the parts that all of them can use: tables, timelines. Next: `reports/report.py`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from markupsafe import Markup

PARTS = {"table": "part", "timeline": "lines", "swatches": "colours"}
"""Parts that pages share: the function's and the template's name, and what the template calls its value."""


class Untranslated:
    """Texts as they are: `_` of pages in one language."""

    def __call__(self, text: str) -> str:
        """The text."""
        return text

    cell = __call__


def page_environment(words: Callable[[str], str] | None = None) -> Environment:
    """Templates with a function for each part; text is escaped.

    Args:
        words: what the templates call `_`: a text in the language of the page (`reports/words.py`).
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(resource), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    environment.globals["_"] = words or Untranslated()
    for name, argument in PARTS.items():
        environment.globals[name] = _part(environment.get_template(f"{name}.html.j2"), argument)
    return environment


def _part(template: Template, argument: str) -> Callable[[Any], Markup]:
    """A function that renders a part of a page."""
    from markupsafe import Markup

    return lambda value: Markup(template.render({argument: value}))  # noqa: S704  (escaped inside)


def resource(name: str) -> str:
    """The text of a file of this folder."""
    return files("soritune.reports").joinpath(name).read_text(encoding="utf-8")
