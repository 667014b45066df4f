"""`soritune sources`: which corpus layouts can be read, and the rows that one reads from a corpus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.table import Table

from soritune.cli.given_options import refuse_idle
from soritune.cli.manifest_options import (
    ConstantOption,
    FieldOption,
    PrefixOption,
    SettingsOption,
    label_fields,
)
from soritune.cli.source_options import source_settings
from soritune.cli.terminal import AsJson, escape, print_json, print_markup
from soritune.cli.terminal import output as terminal
from soritune.errors import ManifestError
from soritune.terminal_text import SafeConsole, counted

if TYPE_CHECKING:
    from soritune.corpus.preview import Preview
    from soritune.corpus.utterance import Utterance

app = typer.Typer(invoke_without_command=True, no_args_is_help=False)
_CELL = 32


@app.callback()
def sources(context: typer.Context, as_json: AsJson = False) -> None:
    """List the corpus layouts that `prepare` reads; `sources preview` shows what one reads from a corpus."""
    if context.invoked_subcommand is not None:
        name = context.invoked_subcommand
        refuse_idle(context, {"as_json": f"before `{name}`; write it after `{name}`"})
        return
    from soritune.corpus.sources.source import Source
    from soritune.registry import members

    known = members("soritune.corpus.sources", "SOURCE", lambda value: isinstance(value, Source))
    descriptions = {name: source.description for name, source in known.items()}
    if as_json:
        print_json({"sources": [{"name": name, "description": text} for name, text in descriptions.items()]})
        return
    table = Table("source", "reads")
    table.columns[0].no_wrap = True
    for name, text in descriptions.items():
        table.add_row(name, escape(text))
    console = terminal()
    console.print(table)
    console.print(
        "Try one: soritune sources preview SOURCE ROOT, with `auto` to have it chosen", highlight=False
    )


@app.command("preview")
def preview(
    source: Annotated[
        str, typer.Argument(help="Layout of the corpus; `soritune sources` lists them, `auto` chooses.")
    ],
    paths: Annotated[list[Path], typer.Argument(help="The corpus: a folder, or one or several files.")],
    field: FieldOption = None,
    constant: ConstantOption = None,
    settings: SettingsOption = None,
    prefix: PrefixOption = False,
    config_from: Annotated[
        str | None, typer.Option(help="Start from the data settings of a recipe (name or YAML file).")
    ] = None,
    limit: Annotated[int, typer.Option(help="Rows to show.", min=1)] = 10,
    limit_scan: Annotated[
        int | None,
        typer.Option(help="Stop after this number of things; 0 looks at the whole corpus.", min=0),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the first rows a source reads from a corpus, the corpus's other fields, and what cannot be used.

    Writes nothing. Ends with 1 when a field you mapped never gets a value, with 2 when nothing can be used. Fields that
    a recipe maps for other publishers are only reported.
    """
    from soritune.corpus.preview import ENOUGH
    from soritune.corpus.preview import preview as run
    from soritune.corpus.source_choice import AUTO, choose, run_command, source_of

    if source == AUTO and config_from is not None:
        raise ManifestError("'auto' chooses the source; with --config-from name that of the recipe")
    if source == "synthetic":
        raise ManifestError("the source 'synthetic' makes its corpus; there is nothing to preview")
    given: dict[str, Any] = {}
    if source == AUTO:
        source = source_of(paths[0])
        root, config = source_settings(source, paths, settings, field, constant, prefix)
        choice = choose(root, config, label_fields())
        given = _found(choice.config, config)
        if not as_json:
            print_markup(escape(choice.text))
    elif config_from:
        given = _recipe_settings(config_from, source)
    root, config = source_settings(source, paths, settings, field, constant, prefix, start=given)
    result = run(source, root, config, limit=limit, scan=ENOUGH if limit_scan is None else limit_scan)
    if as_json:
        print_json(_as_json(result))
    elif result.fault is None or result.looked_at or result.survey is not None:
        _show(result, _of_recipe(given, config))
        if result.speaker_columns is not None:
            print_markup(f"[yellow]{escape(_without_speaker(result.speaker_columns))}[/yellow]")
        if result.utterances or result.suggestions:
            print_markup(f"to train on it: {escape(run_command(source, root, config, result))}")
    if result.fault is not None:
        raise ManifestError(result.fault)
    if not result.utterances:
        raise ManifestError("nothing in it can be used; the reasons are above", path=root)
    if result.audio_faults and not result.durations_s:
        reason = next(iter(result.audio_faults.values()))
        raise ManifestError(
            f"not one of the first {result.audio_checked:,} recordings can be used; the first: {reason}",
            path=root,
        )
    if result.never_filled.keys() - _of_recipe(given, config):
        raise typer.Exit(1)


def _without_speaker(columns: Sequence[str]) -> str:
    """That no speaker was found, and the fields that could be one."""
    names = ", ".join(f"'{name}'" for name in columns)
    which = (
        f"values are repeated in {names}: if one of them is the speaker, map it with --field speaker=COLUMN"
        if columns
        else "map the field that has it with --field speaker=COLUMN"
    )
    return f"no field with the speaker was found, and without speakers nothing is split by speaker; {which}"


def _found(chosen: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The settings that were found, without those that the options of this call give."""
    found = {name: value for name, value in chosen.items() if name not in options}
    mapped = options.get("fields", {})
    fields = {name: column for name, column in chosen.get("fields", {}).items() if name not in mapped}
    return {**found, **({"fields": fields} if fields else {})}


def _recipe_settings(recipe: str, source: str) -> dict[str, Any]:
    from soritune.recipe import load_recipe

    data = load_recipe(recipe).data
    if data.source != source:
        raise ManifestError(f"the recipe {recipe} reads with the source '{data.source}', not '{source}'")
    return dict(data.config)


def _of_recipe(given: dict[str, Any], config: dict[str, Any]) -> set[str]:
    """Fields that are mapped by the recipe, not by the options of this call."""

    def mapped(settings: dict[str, Any]) -> set[tuple[str, str]]:
        extra = {**{text: text for text in settings.get("keep") or ()}, **(settings.get("extra") or {})}
        fields = settings.get("fields") or {}
        return {*fields.items(), *((f"extra.{name}", field) for name, field in extra.items())}

    return {name for name, _ in mapped(given) & mapped(config)}


def _show(result: Preview, of_recipe: set[str]) -> None:
    if result.rows:
        _show_rows(result)
    scope = "the whole corpus" if result.whole else "not the whole corpus; --limit-scan 0 looks at all of it"
    print_markup(
        f"{counted(result.utterances, 'utterance')} among {counted(result.looked_at, 'thing')} looked at ({scope})"
    )
    partly = {name: result.utterances - n for name, n in result.values.items() if n < result.utterances}
    if partly:
        print_markup(
            "without a value: " + ", ".join(f"{escape(name)} in {n:,}" for name, n in partly.items())
        )
    _show_reasons(result)
    _show_audio_faults(result)
    if result.other_genders:
        words = ", ".join(f"{escape(word)} in {n:,}" for word, n in list(result.other_genders.items())[:10])
        print_markup(
            f"[yellow]gender is neither f nor m[/yellow]: {words}; give their meaning with --set "
            f"{escape('values={gender: {WORD: f}}')}"
        )
    _show_fields(result)
    for name, origin in result.never_filled.items():
        style = "yellow" if name in of_recipe else "bold red"
        print_markup(
            f"[{style}]{escape(name)} got no value in any row[/{style}]: it is read from {escape(origin)}"
        )
    if result.advice:
        print_markup(f"perhaps: {escape(result.advice)}")


def _show_reasons(result: Preview) -> None:
    """Rejected, skipped and noted things, by kind, the commonest first."""
    from soritune.corpus.idle_settings import KIND

    for title, tallies in (
        ("rejected", result.rejected),
        ("skipped", result.skipped),
        ("noted", result.notes),
    ):
        for tally in sorted(tallies.values(), key=lambda tally: -tally.count):
            if any(tally.kind == f"{KIND}:{_setting_of(name)}" for name in result.never_filled):
                continue  # shown below, with what the field is read from
            example = escape(tally.example)
            if title == "rejected":
                text = example if tally.count == 1 else f"such as {example}"
            else:
                text = f"{escape(tally.reason)}{f', such as {example}' if example else ''}"
            print_markup(f"[yellow]{tally.count:,} {title}[/yellow]: {text}")


def _setting_of(field: str) -> str:
    return field if field.startswith("extra.") else f"fields.{field}"


def _show_audio_faults(result: Preview) -> None:
    if not result.audio_faults:
        return
    name, reason = next(iter(result.audio_faults.items()))
    print_markup(
        f"[yellow]{len(result.audio_faults):,} of the first {result.audio_checked:,} recordings cannot be used"
        f"[/yellow], the first is {escape(name)}: {escape(reason)}"
    )
    if result.path_settings:
        options = " or ".join(f"--set {name}=…" for name in result.path_settings)
        print_markup(
            f"[bold red]not one of them was found[/bold red]; state where the paths begin with {options}"
        )


def _show_rows(result: Preview) -> None:
    console = terminal()
    columns = ["id", "audio", *(name for name in _fields_of(result.rows) if name not in ("id", "audio"))]
    constant = {
        name: _cell(values[0])
        for name in columns
        if name in ("source", "language", "text_source")
        and len(set(values := [getattr(row, name) for row in result.rows])) == 1
    }
    columns = [name for name in columns if name not in constant]
    headings = [*columns[:2], "seconds", *columns[2:]]
    lines = []
    for row in result.rows:
        cells = [_cell(row.extra if name == "extra" else getattr(row, name)) for name in columns]
        length = result.durations_s.get(row.id)
        seconds = result.audio_faults.get(row.id, "") if length is None else f"{length:.2f}"
        lines.append([escape(cell) for cell in (*cells[:2], seconds, *cells[2:])])
    needed = sum(max(map(cell_len, column)) + 3 for column in zip(headings, *lines, strict=True)) + 1
    if console.is_terminal and needed > console.width:
        _show_blocks(headings, lines)
    else:
        table = Table(*headings)
        for line in lines:
            table.add_row(*line)
        SafeConsole(width=max(needed, console.width)).print(table)
    if constant:
        console.print(
            "all of them: " + ", ".join(f"{k} {escape(v)}" for k, v in constant.items()), highlight=False
        )


def _show_blocks(headings: list[str], lines: list[list[str]]) -> None:
    """The rows one below the other, for a terminal that is too narrow for a table."""
    console = terminal()
    for line in lines:
        grid = Table.grid(padding=(0, 2))
        for heading, cell in zip(headings, line, strict=True):
            if cell:
                grid.add_row(f"[bold]{heading}[/bold]", cell)
        console.print(grid)
        console.rule(style="dim")


def _show_fields(result: Preview) -> None:
    if result.survey is None:
        return
    table = Table("the corpus's field", "becomes", "example")
    for name, value in result.survey.examples.items():
        table.add_row(escape(name), escape(result.survey.used.get(name, "–")), escape(_cell(value)))
    terminal().print(table)
    if result.unmapped:
        print_markup(
            f"{len(result.unmapped)} of its fields are not read (–); the first {result.survey.looked_at} rows were "
            "searched"
        )


def _fields_of(rows: list[Utterance]) -> list[str]:
    from soritune.corpus.utterance import FIELDS

    return [
        name
        for name in FIELDS
        if name != "duration_s" and any(getattr(row, name) not in (None, "", {}) for row in rows)
    ]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        text = " ".join(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


def _as_json(result: Preview) -> dict[str, Any]:
    import dataclasses

    rows = []
    for row in result.rows:
        values = {key: value for key, value in dataclasses.asdict(row).items() if value not in (None, {})}
        values["duration_s"] = result.durations_s.get(row.id)
        rows.append(
            {**values, **({"fault": result.audio_faults[row.id]} if row.id in result.audio_faults else {})}
        )
    survey = result.survey
    return {
        "rows": rows,
        "utterances": result.utterances,
        "looked_at": result.looked_at,
        "whole": result.whole,
        "values": result.values,
        "rejected": [dataclasses.asdict(tally) for tally in result.rejected.values()],
        "skipped": [dataclasses.asdict(tally) for tally in result.skipped.values()],
        "notes": [dataclasses.asdict(tally) for tally in result.notes.values()],
        "other_genders": result.other_genders,
        "audio": {"checked": result.audio_checked, "faults": len(result.audio_faults)},
        "fields": []
        if survey is None
        else [
            {"field": name, "becomes": survey.used.get(name), "example": value}
            for name, value in survey.examples.items()
        ],
        "never_filled": result.never_filled,
        "suggestions": result.suggestions,
        "suggested_root": result.suggested_root,
        "speaker_columns": result.speaker_columns,
        "fault": result.fault,
    }
