"""Compares two checkouts of soritune: does the second one give the same figures, bit for bit, at the same speed?

    python benchmarks/two_checkouts.py BEFORE AFTER [--only PART …] [--keep FOLDER | --reuse FOLDER] [--output JSON]

Checks refactorings. Each checkout runs as `python -m soritune` in separate processes with its `src` on PYTHONPATH, so
internals may differ. Both use one thread, no GPU, and the same inputs at the same paths. Parts:

    predictions   `evaluate` and `predict` of the packaged model on ko_speech_selvas: predictions and scores
    gradients     a toy training of three steps a phase for every recipe and every family of encoders: gradients
                  (recorded by a hook of torch's optimizers), train.jsonl, weights of bundles, predictions, scores
    bundles       bundles written by BEFORE, and its packaged model, opened by AFTER: predictions must equal those of
                  BEFORE, also of trainings that start from them
    same-figures  same_figures.py of this folder: its printed figures and the rates of its runs
    speed         training steps (without start-up), `predict` on many clips and on one, alternating; wall and CPU time.
                  Needs an idle machine

$SORITUNE_DATA (or --data) is the folder with the real corpora. --keep stores the inputs and the captures of BEFORE in a
folder; --reuse reads them from there and runs only AFTER (except for `speed`).

Prints what was compared, the number of values, the number that differ and the first difference. The exit code is 1
if any value differs or AFTER is slower, and 2 if no comparison is possible: a command of BEFORE fails, or a source
changes during the comparison.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from two_checkouts_capture import (
    LEFT_OUT,
    Capture,
    Cases,
    Checkout,
    FailedError,
    Values,
    bundle_cases,
    figure_cases,
    prediction_cases,
    run_cases,
    training_cases,
)
from two_checkouts_inputs import TRAININGS, make_inputs
from two_checkouts_speed import measure_speed

PARTS = ("predictions", "gradients", "bundles", "same-figures", "speed")
REAL = ("predictions", "same-figures", "speed")
"""Parts that need the real corpora."""
SHOWN = 20
"""Number of differences of a row in the JSON."""


@dataclass
class Row:
    """One row of the table."""

    part: str
    case: str
    what: str
    values: int
    differing: int
    differences: list[str]


def differences(before: Values, after: Values, leave_out: list[str], name: str = "") -> tuple[int, list[str]]:
    """The number of compared values, and a line for each that differs; values are compared as JSON text."""
    paths = [
        path
        for path in dict.fromkeys((*before, *after))
        if not any(fnmatch.fnmatch(f"{name}:{path}", pattern) for pattern in leave_out)
    ]
    sides = [
        {path: json.dumps(side[path], ensure_ascii=False) for path in paths if path in side}
        for side in (before, after)
    ]
    lines = [
        f"{path}: {sides[0].get(path, '–')} → {sides[1].get(path, '–')}"
        for path in paths
        if sides[0].get(path) != sides[1].get(path)
    ]
    if lines and sorted(sides[0].values()) == sorted(sides[1].values()):
        lines[0] = f"the same values in another order or under other names; {lines[0]}"
    return len(paths), lines


def compare(part: str, before: Capture, after: Capture, leave_out: list[str]) -> list[Row]:
    """One row for each case and each of its tables."""
    rows = []
    for case in dict.fromkeys((*before, *after)):
        sides = before.get(case, {}), after.get(case, {})
        # Tables of only the second checkout come first, since a failed command explains the rest.
        for what in dict.fromkeys((*(what for what in sides[1] if what not in sides[0]), *sides[0])):
            before_values, after_values = (side.get(what, {}) for side in sides)
            count, lines = differences(before_values, after_values, leave_out, what)
            if not before_values and not after_values:
                lines = ["nothing was captured"]  # an empty row proves nothing
            rows.append(Row(part, case, what, count, len(lines), lines[:SHOWN]))
    return rows


class Program:
    """Captures both checkouts according to the options."""

    def __init__(self, options: argparse.Namespace, kept: Path, work: Path) -> None:
        self.options, self.kept, self.work = options, kept, work
        self.inputs = kept / "inputs"
        self.sides = {name: self.side(name, "start").describe() for name in ("before", "after")}
        self.captures: dict[str, Capture] = {}
        """Part → its capture of the first checkout."""

    def side(self, name: str, part: str) -> Checkout:
        """A checkout with the folder of its runs for a part."""
        folder, runs = (
            (self.options.before, self.kept) if name == "before" else (self.options.after, self.work)
        )
        bundles = self.kept / "before" / "gradients"
        return Checkout(name, folder.resolve(), runs / name / part, (bundles,))

    def refuse_changes(self) -> None:
        """Checks that the sources of both checkouts are unchanged since the start.

        Raises:
            FailedError: a source was changed.
        """
        for name, earlier in self.sides.items():
            if self.side(name, "start").describe() != earlier:
                raise FailedError(
                    f"{earlier['folder']} was changed during the comparison; compare a checkout that does not change"
                )

    def prepare(self) -> None:
        """Creates the inputs, or checks the stored ones."""
        settings = {"data": self.options.data and str(self.options.data), "clips": self.options.clips}
        file = self.inputs / "settings.json"
        if not file.exists():
            if self.options.reuse is not None:
                raise FailedError(f"{self.kept} has no inputs; run once with --keep {self.kept}")
            if self.inputs.exists():
                raise FailedError(f"{self.inputs} is not complete; remove it, or choose another folder")
            make_inputs(self.inputs, self.options.data, self.options.clips)
            file.write_text(json.dumps(settings), encoding="utf-8")
        elif (created := json.loads(file.read_text(encoding="utf-8"))) != settings:
            raise FailedError(
                f"{self.kept} was created with {created}, not {settings}; give the same --data and --clips"
            )

    @cached_property
    def names(self) -> list[str]:
        """The toy trainings to run; every recipe of the first checkout must have one."""
        printed = self.side("before", "start").soritune("recipes", "--json")
        missing = {row["name"] for row in json.loads(printed)}
        missing -= {training.recipe for training in TRAININGS.values()}
        if missing:
            listed = ", ".join(sorted(missing))
            raise FailedError(f"no toy training has the recipe {listed}; add one to two_checkouts_inputs.py")
        return self.options.cases or list(TRAININGS)

    def cases(self, part: str, side: Checkout) -> Cases:
        """The cases of a part for a checkout."""
        if part == "predictions":
            return prediction_cases(side, self.inputs)
        if part == "gradients":
            return training_cases(side, self.inputs, self.names)
        if part == "bundles":
            self.captured("gradients")  # writes the bundles
            return bundle_cases(side, self.inputs, self.side("before", "gradients"), self.names)
        return figure_cases(side, self.options.data, self.options.figures)

    def captured(self, part: str) -> Capture:
        """The capture of a part of the first checkout; with --reuse the stored one."""
        if part not in self.captures:
            side = self.side("before", part)
            cases = self.cases(part, side)
            earlier = self.earlier(part, cases)
            if isinstance(earlier, str) and self.options.reuse is not None:
                raise FailedError(f"{earlier}; capture it with --keep {self.kept}")
            if isinstance(earlier, str) or (self.options.reuse is None and part in self.options.only):
                shutil.rmtree(side.runs, ignore_errors=True)
                earlier = run_cases(side, part, cases, stop=True)
                content = {"checkout": self.sides["before"], "capture": earlier}
                self.file(part).write_text(
                    json.dumps(content, ensure_ascii=False, indent=0), encoding="utf-8"
                )
            self.captures[part] = earlier
        return self.captures[part]

    def file(self, part: str) -> Path:
        """File of the stored capture of the first checkout."""
        return self.kept / f"{part}.json"

    def earlier(self, part: str, cases: Cases) -> Capture | str:
        """The stored capture, or the reason why it cannot be used."""
        if not self.file(part).exists():
            return f"{self.kept} has no capture of '{part}'"
        stored = json.loads(self.file(part).read_text(encoding="utf-8"))
        if stored["checkout"]["source"] != self.sides["before"]["source"]:
            return f"{self.file(part)} is of another source: {stored['checkout']}, not {self.sides['before']}"
        if missing := [case for case in cases if case not in stored["capture"]]:
            return f"{self.file(part)} lacks {', '.join(missing)}"
        return {case: stored["capture"][case] for case in cases}

    def compare(self, part: str) -> list[Row]:
        """Captures a part of both checkouts and compares them."""
        before, side = self.captured(part), self.side("after", part)
        if side.runs.exists():
            raise FailedError(f"{side.runs} exists; choose another --work")
        after = run_cases(side, part, self.cases(part, side), stop=False)
        return compare(part, before, after, self.options.leave_out)

    def speed(self) -> list[dict[str, Any]]:
        """Times both checkouts."""
        options = self.options
        return measure_speed(
            self.side("before", "speed"),
            self.side("after", "speed"),
            options.data,
            self.work / "timed",
            runs=options.runs,
            steps=options.steps,
            clips=options.predict_clips,
            threads=options.threads,
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = os.environ.get("SORITUNE_DATA")
    parser.add_argument("before", type=Path, help="checkout before the change")
    parser.add_argument("after", type=Path, help="checkout after the change")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument(
        "--cases", nargs="+", choices=TRAININGS, metavar="CASE", help="run only these toy trainings"
    )
    parser.add_argument(
        "--figures", choices=("phones", "emotion"), help="run only this part of same_figures.py"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(data) if data else None, help="folder of the real corpora"
    )
    parser.add_argument("--clips", type=int, help="number of clips of the real corpus; default: all")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--keep", type=Path, help="folder for the inputs and the captures of BEFORE")
    kept.add_argument("--reuse", type=Path, help="a folder of --keep; BEFORE is not run again")
    parser.add_argument("--work", type=Path, help="folder for the runs of AFTER; default: a temporary folder")
    parser.add_argument(
        "--leave-out", nargs="+", default=[], metavar="PATTERN",
        help="values not to compare, e.g. 'scores.json:warnings.*' (shell patterns of TABLE:PATH)",
    )  # fmt: skip
    group = parser.add_argument_group("speed")
    group.add_argument("--runs", type=int, default=7, help="runs of each checkout")
    group.add_argument("--steps", type=int, default=40, help="steps of a training")
    group.add_argument("--predict-clips", type=int, default=500)
    group.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--output", type=Path, help="write the results as JSON to this file")
    options = parser.parse_args()
    if options.data is None and set(options.only) & set(REAL):
        parser.error(f"{', '.join(REAL)} need real speech: set SORITUNE_DATA or give --data")
    for name in ("data", "keep", "reuse", "work"):
        if (path := getattr(options, name)) is not None:
            setattr(options, name, path.resolve())
    return options


def show(rows: list[Row], speeds: list[dict[str, Any]], leave_out: list[str]) -> None:
    """Prints the tables: sums over cases, then each row that differs."""
    sums: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        sums.setdefault((row.part, row.what), []).append(row)
    if rows:
        print(f"{'part':14}{'what':36}{'cases':>6}{'values':>9}{'differ':>8}")
    for (part, what), same in sums.items():
        total, differing = sum(row.values for row in same), sum(row.differing for row in same)
        print(f"{part:14}{what:36}{len(same):6}{total:9,}{differing:8,}")
    for row in rows:
        if row.differences:
            print(
                f"\n{row.part}, {row.case}, {row.what}: {row.differing:,} of {row.values:,} differ; the first:"
            )
            print(f"    {row.differences[0][:1500]}")
    for table in speeds:
        print(f"\n{table['what']}, {table['clock']} seconds: {table['verdict']}")
        for name, median in zip(("before", "after"), table["medians"], strict=True):
            values = " ".join(f"{value:.3f}" for value in table[name])
            print(f"  {name:6} median {median:8.3f}   of {values}")
        print(f"  ratio of medians {table['ratio']:.3f}")
    if rows:
        keys = ", ".join(f"{key} ({what})" for key, what in LEFT_OUT.items())
        print(f"\nNot compared: {keys}; the folders of checkouts and runs inside texts")
        if leave_out:
            print(f"Not compared because of --leave-out: {', '.join(leave_out)}")


def save(
    program: Program,
    parts: list[str],
    rows: list[Row],
    speeds: list[dict[str, Any]],
    options: argparse.Namespace,
) -> None:
    """Writes the results of the parts that are done, so that a comparison that ends early leaves them."""
    if options.output is None:
        return
    result = {
        **program.sides,
        "parts": parts,
        "left_out": {**LEFT_OUT, "paths": options.leave_out},
        "values": sum(row.values for row in rows),
        "differing": sum(row.differing for row in rows),
        "rows": [vars(row) for row in rows],
        "speed": speeds,
    }
    options.output.write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="two-checkouts-") as name:
        work = options.work or Path(name)
        kept = options.keep or options.reuse or Path(name) / "kept"
        try:
            program = Program(options, kept, work)
            parts = [part for part in PARTS if part in options.only]
            if parts != ["speed"]:
                program.prepare()
            rows: list[Row] = []
            speeds: list[dict[str, Any]] = []
            for done, part in enumerate(parts, start=1):
                if part == "speed":
                    speeds = program.speed()
                else:
                    rows += program.compare(part)
                save(program, parts[:done], rows, speeds, options)
            program.refuse_changes()
        except FailedError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    show(rows, speeds, options.leave_out)
    values, differing = sum(row.values for row in rows), sum(row.differing for row in rows)
    slower = [f"{table['what']} ({table['clock']})" for table in speeds if table["verdict"] == "slower"]
    if rows:
        print(f"\n{values:,} values compared, {differing:,} differ")
    if slower:
        print(f"slower: {', '.join(slower)}")
    return 1 if differing or slower else 0


if __name__ == "__main__":
    sys.exit(main())
