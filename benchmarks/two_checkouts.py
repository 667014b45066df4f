"""Compares two checkouts of soritune: does the second one give the same figures, bit for bit, at the same speed?

    python benchmarks/two_checkouts.py BEFORE AFTER [--only PART …] [--keep FOLDER | --reuse FOLDER] [--output JSON]

For refactorings. Each checkout runs in processes of its own with its `src` on PYTHONPATH, by `python -m soritune`, so
internals may differ. One thread, no GPU, the same inputs at the same paths. Parts:

    predictions   `evaluate` and `predict` of the packaged model on ko_speech_selvas: predictions and scores
    gradients     a toy training of three steps a phase for every recipe and every family of encoders: gradients
                  (recorded by a hook of torch's optimizers), train.jsonl, weights of bundles, predictions, scores
    bundles       bundles that BEFORE wrote, and its packaged model, opened by AFTER: predictions equal to those of
                  BEFORE, and trainings that start from them
    same-figures  same_figures.py, which lies beside this program: its printed figures and the rates of its runs
    speed         training steps (start-up excluded), `predict` on many clips and on one, in turns; wall and CPU time.
                  Run it on a quiet machine

$SORITUNE_DATA (or --data) is the folder with the real corpora. With --keep the inputs and what was captured of BEFORE
stay in a folder; with --reuse they are taken from there, and only AFTER is run (not for `speed`).

Prints what was compared, how many values, how many differ and the first difference. Exit code 1 if any value differs
or AFTER is slower, 2 if nothing can be said: a command of BEFORE fails, or a source changes meanwhile.
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
"""Differences of a row that the JSON has."""


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
    """How many values were compared, and a sentence for each that differs; equal means equal as JSON text."""
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
    """A row for each case and each thing captured of it."""
    rows = []
    for case in dict.fromkeys((*before, *after)):
        sides = before.get(case, {}), after.get(case, {})
        # What only the second one has comes first: a failed command explains the rest.
        for what in dict.fromkeys((*(what for what in sides[1] if what not in sides[0]), *sides[0])):
            before_values, after_values = (side.get(what, {}) for side in sides)
            count, lines = differences(before_values, after_values, leave_out, what)
            if not before_values and not after_values:
                lines = ["nothing was captured"]  # such a row proves nothing
            rows.append(Row(part, case, what, count, len(lines), lines[:SHOWN]))
    return rows


class Program:
    """Captures both checkouts as the options say."""

    def __init__(self, asked: argparse.Namespace, kept: Path, work: Path) -> None:
        self.asked, self.kept, self.work = asked, kept, work
        self.inputs = kept / "inputs"
        self.sides = {name: self.side(name, "start").describe() for name in ("before", "after")}
        self.captures: dict[str, Capture] = {}
        """Part → what was captured of the first checkout."""

    def side(self, name: str, part: str) -> Checkout:
        """A checkout with the folder of its runs for a part."""
        folder, runs = (self.asked.before, self.kept) if name == "before" else (self.asked.after, self.work)
        bundles = self.kept / "before" / "gradients"
        return Checkout(name, folder.resolve(), runs / name / part, (bundles,))

    def refuse_changes(self) -> None:
        """Raises FailedError where the source of a checkout is no longer what it was at the start."""
        for name, earlier in self.sides.items():
            if self.side(name, "start").describe() != earlier:
                raise FailedError(
                    f"{earlier['folder']} was changed while it ran; compare a checkout that is still"
                )

    def prepare(self) -> None:
        """Makes the inputs, or takes those that were kept."""
        settings = {"data": self.asked.data and str(self.asked.data), "clips": self.asked.clips}
        file = self.inputs / "settings.json"
        if not file.exists():
            if self.asked.reuse is not None:
                raise FailedError(f"{self.kept} holds no inputs; run once with --keep {self.kept}")
            if self.inputs.exists():
                raise FailedError(f"{self.inputs} is not complete; remove it, or choose another folder")
            make_inputs(self.inputs, self.asked.data, self.asked.clips)
            file.write_text(json.dumps(settings), encoding="utf-8")
        elif (made := json.loads(file.read_text(encoding="utf-8"))) != settings:
            raise FailedError(
                f"{self.kept} was made with {made}, not {settings}; give the same --data and --clips"
            )

    @cached_property
    def names(self) -> list[str]:
        """The toy trainings to run; all recipes of the first checkout must be among those that exist."""
        printed = self.side("before", "start").soritune("recipes", "--json")
        missing = {row["name"] for row in json.loads(printed)}
        missing -= {training.recipe for training in TRAININGS.values()}
        if missing:
            listed = ", ".join(sorted(missing))
            raise FailedError(f"no toy training has the recipe {listed}; add one to two_checkouts_inputs.py")
        return self.asked.cases or list(TRAININGS)

    def cases(self, part: str, side: Checkout) -> Cases:
        """What a part runs of a checkout."""
        if part == "predictions":
            return prediction_cases(side, self.inputs)
        if part == "gradients":
            return training_cases(side, self.inputs, self.names)
        if part == "bundles":
            self.captured("gradients")  # which writes the bundles
            return bundle_cases(side, self.inputs, self.side("before", "gradients"), self.names)
        return figure_cases(side, self.asked.data, self.asked.figures)

    def captured(self, part: str) -> Capture:
        """What a part captures of the first checkout; with --reuse what was captured earlier."""
        if part not in self.captures:
            side = self.side("before", part)
            cases = self.cases(part, side)
            earlier = self.earlier(part, cases)
            if isinstance(earlier, str) and self.asked.reuse is not None:
                raise FailedError(f"{earlier}; capture it with --keep {self.kept}")
            if isinstance(earlier, str) or (self.asked.reuse is None and part in self.asked.only):
                shutil.rmtree(side.runs, ignore_errors=True)
                earlier = run_cases(side, part, cases, stop=True)
                content = {"checkout": self.sides["before"], "capture": earlier}
                self.file(part).write_text(
                    json.dumps(content, ensure_ascii=False, indent=0), encoding="utf-8"
                )
            self.captures[part] = earlier
        return self.captures[part]

    def file(self, part: str) -> Path:
        """Where the capture of the first checkout is kept."""
        return self.kept / f"{part}.json"

    def earlier(self, part: str, cases: Cases) -> Capture | str:
        """The capture that was kept, or why there is none to use."""
        if not self.file(part).exists():
            return f"{self.kept} has no capture of '{part}'"
        kept = json.loads(self.file(part).read_text(encoding="utf-8"))
        if kept["checkout"]["source"] != self.sides["before"]["source"]:
            return f"{self.file(part)} is of another source: {kept['checkout']}, not {self.sides['before']}"
        if missing := [case for case in cases if case not in kept["capture"]]:
            return f"{self.file(part)} lacks {', '.join(missing)}"
        return {case: kept["capture"][case] for case in cases}

    def compare(self, part: str) -> list[Row]:
        """Captures a part of both checkouts and compares it."""
        before, side = self.captured(part), self.side("after", part)
        if side.runs.exists():
            raise FailedError(f"{side.runs} exists; choose another --work")
        after = run_cases(side, part, self.cases(part, side), stop=False)
        return compare(part, before, after, self.asked.leave_out)

    def speed(self) -> list[dict[str, Any]]:
        """Times both checkouts."""
        asked = self.asked
        return measure_speed(
            self.side("before", "speed"),
            self.side("after", "speed"),
            asked.data,
            self.work / "timed",
            runs=asked.runs,
            steps=asked.steps,
            clips=asked.predict_clips,
            threads=asked.threads,
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
        "--cases", nargs="+", choices=TRAININGS, metavar="CASE", help="only these toy trainings"
    )
    parser.add_argument("--figures", choices=("phones", "emotion"), help="only this part of same_figures.py")
    parser.add_argument(
        "--data", type=Path, default=Path(data) if data else None, help="folder of the real corpora"
    )
    parser.add_argument("--clips", type=int, help="of the real corpus; all by default")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--keep", type=Path, help="folder for the inputs and what is captured of BEFORE")
    kept.add_argument("--reuse", type=Path, help="such a folder; BEFORE is not run again")
    parser.add_argument(
        "--work", type=Path, help="folder for the runs of AFTER; removed at the end by default"
    )
    parser.add_argument(
        "--leave-out", nargs="+", default=[], metavar="PATTERN",
        help="values not to compare, e.g. 'scores.json:warnings.*' (shell patterns of TABLE:PATH)",
    )  # fmt: skip
    group = parser.add_argument_group("speed")
    group.add_argument("--runs", type=int, default=7, help="of each checkout")
    group.add_argument("--steps", type=int, default=40, help="of a training")
    group.add_argument("--predict-clips", type=int, default=500)
    group.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--output", type=Path, help="the results as JSON")
    asked = parser.parse_args()
    if asked.data is None and set(asked.only) & set(REAL):
        parser.error(f"{', '.join(REAL)} need real speech: set SORITUNE_DATA or give --data")
    for name in ("data", "keep", "reuse", "work"):
        if (path := getattr(asked, name)) is not None:
            setattr(asked, name, path.resolve())
    return asked


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


def main() -> int:
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="two-checkouts-") as name:
        work = asked.work or Path(name)
        kept = asked.keep or asked.reuse or Path(name) / "kept"
        try:
            program = Program(asked, kept, work)
            parts = [part for part in PARTS if part in asked.only]
            if parts != ["speed"]:
                program.prepare()
            rows = [row for part in parts if part != "speed" for row in program.compare(part)]
            speeds = program.speed() if "speed" in parts else []
            program.refuse_changes()
        except FailedError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    show(rows, speeds, asked.leave_out)
    values, differing = sum(row.values for row in rows), sum(row.differing for row in rows)
    slower = [f"{table['what']} ({table['clock']})" for table in speeds if table["verdict"] == "slower"]
    if rows:
        print(f"\n{values:,} values compared, {differing:,} differ")
    if slower:
        print(f"slower: {', '.join(slower)}")
    if asked.output is not None:
        result = {
            **program.sides,
            "parts": parts,
            "left_out": {**LEFT_OUT, "paths": asked.leave_out},
            "values": values,
            "differing": differing,
            "rows": [vars(row) for row in rows],
            "speed": speeds,
        }
        asked.output.write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
    return 1 if differing or slower else 0


if __name__ == "__main__":
    sys.exit(main())
