"""A split is called too small for `calibrate` exactly where `calibrate` refuses it, with ratios that are enough."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.stages.toy_recipes import MANIFEST

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.recipe import Recipe, load_recipe
from soritune.stages.calibration_rows import calibration_fault, is_enough

STYLES = ("Anxious", "Kind", "Dry")


def corpus(folder: Path, speakers: int, per_speaker: int = 21) -> Manifest:
    rows = [
        Utterance(
            id=f"s{speaker}-{number}",
            audio="clip.wav",
            duration_s=1.0,
            sample_rate_hz=16000,
            speaker=f"s{speaker}",
            emotion=STYLES[number % 3],
        )
        for speaker in range(speakers)
        for number in range(per_speaker)
    ]
    return load_manifest(write_manifest(folder / "corpus.parquet", rows, root=folder).path)


def recipe(*overrides: str) -> Recipe:
    by = ["split.by=[speaker]", "split.copies=ignore"]
    return load_recipe("emotion-3class", [*MANIFEST, *by, *overrides])


def fault_of(settings: Recipe, rows: Manifest) -> str | None:
    return calibration_fault(settings, rows, make_splits(rows, settings.split))


def test_six_speakers_leave_one_for_validation_and_the_named_ratios_leave_two(tmp_path: Path) -> None:
    rows = corpus(tmp_path, speakers=6)
    fault = fault_of(recipe(), rows)
    assert fault is not None
    assert "has 21 labelled clips of 1 speaker, so `calibrate` will refuse" in fault
    named = re.search(r"with '(split\.ratios=\{.*\})' it has them$", fault)
    assert named is not None
    larger = recipe(named[1])  # as it is written on the command line
    assert fault_of(larger, rows) is None
    splits = make_splits(rows, larger.split)
    speakers = {rows.utterance(index).speaker for index in splits.indices(rows, "val").tolist()}
    assert len(speakers) == 2
    assert sum(yaml.safe_load(named[1].partition("=")[2]).values()) == pytest.approx(1)


def test_few_clips_of_several_speakers_are_too_few(tmp_path: Path) -> None:
    rows = corpus(tmp_path, speakers=20, per_speaker=3)
    fault = fault_of(recipe(), rows)
    assert fault is not None and "has 6 labelled clips of 2 speakers" in fault
    named = re.search(r"with '(split\.ratios=\{.*\})'", fault)
    assert named is not None and fault_of(recipe(named[1]), rows) is None


def test_three_speakers_cannot_give_two_for_validation(tmp_path: Path) -> None:
    fault = fault_of(recipe(), corpus(tmp_path, speakers=3))
    assert fault is not None and fault.endswith("with 3 speakers no ratios give that")


def test_a_given_split_is_not_told_other_ratios(tmp_path: Path) -> None:
    rows = corpus(tmp_path, speakers=6)
    of_speaker = {f"s{number}": name for number, name in enumerate(["train"] * 4 + ["val", "test"])}
    rows = rows.with_column("split", [of_speaker[speaker] for speaker in rows.column("speaker").to_pylist()])
    fault = fault_of(recipe("split.given=split"), rows)
    assert fault is not None and "ratios" not in fault and "the column 'split'" in fault


def test_enough_clips_no_validation_and_tasks_without_one_label_are_no_fault(tmp_path: Path) -> None:
    rows = corpus(tmp_path, speakers=6)
    assert fault_of(recipe("split.ratios={train: 0.5, val: 0.34, test: 0.16}"), rows) is None
    few = rows
    assert fault_of(recipe("split.ratios={train: 0.8, val: 0, test: 0.2}"), few) is None
    phones = load_recipe("quickstart", ["split.by=[speaker]"])
    splits = make_splits(few, SplitSettings(by=("speaker",), copies="ignore"))
    assert calibration_fault(phones, few, splits) is None


@pytest.mark.parametrize(
    ("clips", "speakers", "enough"),
    [(20, 2, True), (19, 2, False), (500, 1, False), (20, None, True), (19, None, False)],
)
def test_twenty_clips_of_two_speakers_are_enough(clips: int, speakers: int | None, enough: bool) -> None:
    assert is_enough(clips, speakers) is enough
