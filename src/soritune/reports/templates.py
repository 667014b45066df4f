"""The templates of pages, and what all of them can use: tables and timelines. Next: `reports/report.py`."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup


def page_environment() -> Environment:
    """Templates with the functions `table(part)` and `timeline(lines)`; text is escaped."""
    environment = Environment(
        loader=FunctionLoader(resource), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    table = environment.get_template("table.html.j2")
    environment.globals["table"] = lambda part: Markup(table.render(part=part))  # noqa: S704  (escaped inside)
    strips = environment.get_template("timeline.html.j2")
    environment.globals["timeline"] = lambda lines: Markup(  # noqa: S704  (escaped inside)
        strips.render(lines=lines)
    )
    return environment


def resource(name: str) -> str:
    """The text of a file of this folder."""
    return files("soritune.reports").joinpath(name).read_text(encoding="utf-8")
