"""Codes for speakers, scripts and strata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soritune.corpus.manifest import write_manifest
from soritune.corpus.splitting.grouping import Groups, scripts_of, speakers_of, strata_of, sums_by
from soritune.corpus.utterance import Utterance
from soritune.errors import SplitError


def utterance(index: int, **known: object) -> Utterance:
    return Utterance(id=str(index), audio="a", duration_s=3600.0, **known)  # type: ignore[arg-type]


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
            st.none() | st.sampled_from(["", "p1"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_scripts_are_those_of_the_utterance(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, str | None]]
) -> None:
    manifest = write_manifest(
        tmp_path_factory.mktemp("s") / "m.parquet",
        [utterance(i, text=text, script_id=script) for i, (text, script) in enumerate(rows)],
        root=".",
    )
    groups = scripts_of(manifest)
    named = [None if code < 0 else groups.names[code] for code in groups.codes]
    # A text of spaces alone is not a script here.
    assert named == [None if u.script == "" and u.script_id is None else u.script for u in manifest]


def test_codes_do_not_depend_on_row_order(tmp_path: Path) -> None:
    rows = [utterance(i, speaker=name) for i, name in enumerate(["나", "가", None, "나"])]
    forward = speakers_of(write_manifest(tmp_path / "a.parquet", rows, root="."))
    assert forward.names == ("가", "나")
    assert forward.codes.tolist() == [1, 0, -1, 1]
    backward = speakers_of(write_manifest(tmp_path / "b.parquet", rows[::-1], root="."))
    assert backward.names == forward.names and backward.codes.tolist() == [1, -1, 0, 1]


def test_many_numbers_become_quintiles_and_few_stay_values(tmp_path: Path) -> None:
    rows = [utterance(i, snr_db=float(i), age=float(4 + i % 9)) for i in range(100)]
    manifest = write_manifest(tmp_path / "a.parquet", rows, root=".")
    snr, age = strata_of(manifest, ["snr_db", "age"])
    assert np.bincount(snr.codes).tolist() == [20, 20, 20, 20, 20]
    assert len(age) == 9
    with pytest.raises(SplitError, match="cannot stratify by 'emotion': no utterance has it"):
        strata_of(manifest, ["emotion"])


def test_sums_are_those_worked_by_hand() -> None:
    strata = [Groups(np.array([0, 1, -1, 1]), ("x", "y"))]
    sums = sums_by(np.array([0, 0, 1, -1]), 2, strata, np.array([1.0, 2.0, 4.0, 8.0]))
    assert sums.tolist() == [[3.0, 1.0, 2.0], [4.0, 0.0, 0.0]]
