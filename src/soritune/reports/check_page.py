"""The summary of a check as one HTML file: histograms, reasons, and the worst recordings to listen to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from soritune.reports.histograms import histogram_figure
from soritune.reports.numbers import hours_text, percent
from soritune.reports.players import Players
from soritune.reports.templates import page_environment, resource
from soritune.terminal_text import counted
from soritune.whole_file import write_text

PLAYERS = 60
"""Recordings in a page: about 5 MB."""


def write_check_page(path: Path, summary: Mapping[str, Any], title: str, root: Path | None) -> Path:
    """Writes the page.

    Args:
        path: of the file.
        summary: the content of check.json.
        title: of the page.
        root: where the rows' audio paths start; None leaves the players out.

    Raises:
        OutputError: it cannot be written.
    """
    players = Players(root, PLAYERS)
    measures = [_measure(measure, players) for measure in summary["measures"]]
    copies = summary["copies"] or {"groups": 0, "utterances": 0, "largest": []}
    contents = [
        *([("reasons", "Left out")] if summary["reasons"] else []),
        *((measure["id"], measure["title"]) for measure in measures),
        *([("copies", "Copies")] if copies["groups"] else []),
        *([("overlap", "Splits")] if summary["overlap"] is not None else []),
    ]
    total = summary["utterances"] + summary["quarantined"]
    text = (
        page_environment()
        .get_template("check_page.html.j2")
        .render(
            title=title,
            css=Markup(resource("report.css")),  # noqa: S704  (our own file)
            lead=f"{counted(total, 'utterance')} checked, {counted(summary['utterances'], 'utterance')} can be used.",
            contents=contents,
            tiles=[
                ("can be used", f"{summary['utterances']:,}"),
                ("speech", hours_text(summary["hours"])),
                ("left out", f"{summary['quarantined']:,}"),
                ("same audio", f"{copies['utterances']:,}"),
            ],
            banners=[
                *(
                    f"{counted(measure['suspicious'], 'utterance')}: {measure['remark']}"
                    for measure in summary["measures"]
                    if measure["suspicious"]
                ),
                *(f"{counted(count, 'utterance')}: {remark}" for remark, count in summary["notes"].items()),
            ],
            sample=_sample(summary["speech_sample"], summary["utterances"]),
            reasons=summary["reasons"],
            measures=measures,
            copies={**copies, "largest": [_group(group, players) for group in copies["largest"]]},
            overlap=_overlap(summary["overlap"]),
        )
    )
    return write_text(path, text)


def _sample(sample: Mapping[str, Any], total: int) -> str:
    if not sample["detector"]:
        return "Speech was not searched."
    if sample["utterances"] >= total:
        return f"Speech was searched in all utterances, by {sample['detector']}."
    return (
        f"Speech was searched in a sample of {sample['utterances']:,} of {total:,} utterances, drawn by their number, "
        f"by {sample['detector']}; everything else was measured in all of them."
    )


def _measure(measure: Mapping[str, Any], players: Players) -> dict[str, Any]:
    scale = 100.0 if measure["unit"] == "%" else 1.0
    below, above = (None if measure[side] is None else scale * measure[side] for side in ("below", "above"))
    percentiles = measure["percentiles"]
    middle = ", ".join(
        f"{name} {_number(percentiles[key], measure['unit'])}"
        for name, key in (("1 %", "1"), ("median", "50"), ("99 %", "99"))
    )
    limits = " or ".join(
        f"{word} {_number(measure[side], measure['unit'])}"
        for side, word in (("below", "below"), ("above", "above"))
        if measure[side] is not None
    )
    suspicious = "None" if not measure["suspicious"] else f"{measure['suspicious']:,}"
    return {
        "id": measure["name"],
        "title": measure["title"],
        "note": f"{counted(measure['utterances'], 'utterance')}: {middle}. {suspicious} {limits}.",
        "figure": histogram_figure(
            [scale * edge for edge in measure["histogram"]["edges"]],
            measure["histogram"]["counts"],
            below=below,
            above=above,
            unit=measure["unit"],
        ),
        "rows": [
            _row(row, players, value=_number(row["value"], measure["unit"])) for row in measure["worst"]
        ],
    }


def _group(group: Mapping[str, Any], players: Players) -> dict[str, Any]:
    """A group of copies; its first recording is played, since all are the same."""
    first, *others = group["rows"]
    rows = [_row(first, players), *(_row(row, None) for row in others)]
    return {"utterances": group["utterances"], "rows": rows}


def _row(row: Mapping[str, Any], players: Players | None, *, value: str = "") -> dict[str, Any]:
    request = {**row, "groups": {"pcm": row["pcm"]}}
    player = None if players is None else players.player(request)
    return {**row, "value": value, "player": player}


def _overlap(
    overlap: Mapping[str, Mapping[str, float]] | None,
) -> Sequence[tuple[str, list[tuple[str, str]]]]:
    names = {
        "val": "val, shared with train",
        "test": "test, shared with train",
        "val-test": "test, shared with val",
    }
    return [
        (names.get(split, split), [(kind, percent(share)) for kind, share in shares.items()])
        for split, shares in (overlap or {}).items()
    ]


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.3g} %"
    return f"{value:.3g}" if not unit else f"{value:,.0f} {unit}" if unit == "Hz" else f"{value:.1f} {unit}"
