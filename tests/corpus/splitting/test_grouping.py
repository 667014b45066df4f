"""Codes for speakers, scripts and strata."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soritune.corpus.manifest import write_manifest
from soritune.corpus.splitting.grouping import (
    Groups,
    identity_warnings,
    scripts_of,
    speakers_of,
    strata_of,
    sums_by,
)
from soritune.corpus.utterance import Utterance
from soritune.errors import SplitError
from soritune.identities import FILLERS


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
    codes = scripts_of(manifest).codes
    # A text of spaces alone is not a script here.
    known = [u.script is not None and (u.script_id is not None or u.script != "") for u in manifest]
    assert (codes >= 0).tolist() == known
    for first, one in zip(codes, manifest, strict=True):
        for second, other in zip(codes, manifest, strict=True):
            if first >= 0 and one.script == other.script:
                assert first == second


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


def test_one_speaker_in_many_spellings_is_one_group(tmp_path: Path) -> None:
    spellings = ["김 서연", unicodedata.normalize("NFD", "김 서연"), " 김 서연", "김  서연", "김\u200b 서연"]
    rows = [utterance(i, speaker=name) for i, name in enumerate([*spellings, "박", "\u200b", None])]
    groups = speakers_of(write_manifest(tmp_path / "a.parquet", rows, root="."))
    assert sorted(groups.names) == ["김 서연", "박"]
    codes = groups.codes.tolist()
    assert len(set(codes[:5])) == 1 and codes[5] not in (codes[0], -1) and codes[6:] == [-1, -1]
    assert [sorted(names) for names in groups.joined] == [sorted(spellings)]


SAME_SENTENCES = [
    ("안녕하세요, 반갑습니다!", "안녕 하세요 반갑습니다"),
    ("“네”라고 했다…", '"네" 라고 했다.'),
    ("Hello there.", "hello there"),
    ("가\u200b나", "가나"),
    ("정말~ 좋다^^", "정말 좋다"),
    ("1,000 원", "1000원"),
    ("1,234,567원과 1,000원", "1234567원과 1000원"),
    ("- 안녕", "안녕"),
    ("가-나", "가나"),
    *((f"가{sign}나", "가나") for sign in (*FILLERS, "\u00ad", "\u200d", "\ufe0f", "\U000e0101", "\ufeff")),
    ("「가」·나", "가 나"),
]
OTHER_SENTENCES = [
    ("3.5 배", "35배"),
    ("1 10", "11 0"),
    ("1 2 3", "1 23"),
    ("가 나", "가 너"),
    ("3+4", "34"),
    ("?", "!"),
    ("C 언어", "C# 언어"),
    ("-5도", "5도"),
    ("오늘은 -5도", "오늘은 5도"),
    ("3,5", "35"),
    ("1,2등", "12등"),
    ("1,000,000원", "1,000원"),
]


@pytest.mark.parametrize(("first", "second"), SAME_SENTENCES)
def test_a_sentence_is_one_script_in_any_punctuation(tmp_path: Path, first: str, second: str) -> None:
    rows = [utterance(i, text=text) for i, text in enumerate([first, second, "다른 문장"])]
    groups = scripts_of(write_manifest(tmp_path / "a.parquet", rows, root="."))
    assert groups.codes[0] == groups.codes[1] != groups.codes[2]
    assert len(groups) == 2 and len(groups.joined) == 1


def test_a_sentence_in_another_unicode_form_is_one_text(tmp_path: Path) -> None:
    rows = [utterance(0, text="가나다"), utterance(1, text=unicodedata.normalize("NFD", "가나다"))]
    assert len(scripts_of(write_manifest(tmp_path / "a.parquet", rows, root="."))) == 1


@pytest.mark.parametrize(("first", "second"), OTHER_SENTENCES)
def test_other_sentences_stay_apart(tmp_path: Path, first: str, second: str) -> None:
    rows = [utterance(i, text=text) for i, text in enumerate([first, second])]
    groups = scripts_of(write_manifest(tmp_path / "a.parquet", rows, root="."))
    assert len(groups) == 2 and not groups.joined


def test_ids_of_scripts_keep_their_punctuation(tmp_path: Path) -> None:
    given = ["1-2", "12", "1-2 ", "", "가", unicodedata.normalize("NFD", "가")]
    rows = [utterance(i, script_id=name, text="한 문장") for i, name in enumerate(given)]
    codes = scripts_of(write_manifest(tmp_path / "a.parquet", rows, root=".")).codes.tolist()
    assert codes[0] == codes[2] and codes[4] == codes[5]
    assert len(set(codes)) == 4 and -1 not in codes


def test_codes_of_texts_in_one_spelling_are_those_of_the_sorted_texts(tmp_path: Path) -> None:
    texts = ["나.", "가", "-", "다 라", "나 나", "나.", "ㄱ"]
    groups = scripts_of(
        write_manifest(tmp_path / "a.parquet", [utterance(i, text=t) for i, t in enumerate(texts)], root=".")
    )
    assert list(groups.names) == sorted(set(texts))
    assert [groups.names[code] for code in groups.codes] == texts


def test_lookalike_speakers_are_noted_but_stay_apart(tmp_path: Path) -> None:
    rows = [utterance(i, speaker=name) for i, name in enumerate(["S01", "s1", "2", "02", "s10"])]
    groups = speakers_of(write_manifest(tmp_path / "a.parquet", rows, root="."))
    assert len(groups) == 5
    (warning,) = identity_warnings(groups)
    assert "'S01' and 's1'" in warning and "'02' and '2'" in warning and "s10" not in warning
