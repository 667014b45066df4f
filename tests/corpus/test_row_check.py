"""One part of a manifest is checked the same anywhere, and counts what its texts hold."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.row_check import (
    SCHEMA,
    CheckSettings,
    MadeBy,
    PartJob,
    RowFault,
    add_counts,
    check_part,
    letters_per_s,
)
from soritune.corpus.transcripts import MarkCount
from soritune.corpus.unread_text import UnreadCount
from soritune.corpus.utterance import Utterance


def shorter_than(letters: int) -> Callable[[Utterance], RowFault | None]:
    def problem(utterance: Utterance) -> RowFault | None:
        return RowFault("is long", "long") if len(utterance.text or "") >= letters else None

    return problem


def part(folder: Path, settings: CheckSettings) -> PartJob:
    """Half a second of noise, a file that is missing, a text that is too long, and an emoji."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(8000) + 0.02
    soundfile.write(folder / "a.wav", samples, 16000)
    row = Utterance(id="a", audio="a.wav", duration_s=0.5, text="가나 다!", speaker="s")
    rows = [
        row,
        replace(row, id="b", audio="b.wav"),
        replace(row, id="c", text="가나다라마바사 아자차카"),
        replace(row, id="d", text="좋아👍 b/"),
    ]
    return PartJob(0, folder, rows, settings)


def test_part_has_a_row_for_each_utterance(tmp_path: Path) -> None:
    settings = CheckSettings(problems=(MadeBy(shorter_than, 10),), measures=True)
    table = check_part(part(tmp_path, settings), threads=2)
    assert table.schema.equals(SCHEMA)
    assert table.column("kind").to_pylist() == [None, "audio-missing", "long", None]
    assert table.column("stage").to_pylist() == [None, "decode", "check", None]
    assert table.column("letters_per_s").to_pylist()[0] == 6.0  # 3 syllables in half a second
    assert table.column("dc_offset").to_pylist()[0] == pytest.approx(0.02, abs=2e-3)
    assert np.isnan(table.column("dc_offset").to_numpy()[1:3]).all()
    assert np.isnan(table.column("speech_share").to_numpy()).all()  # speech is not searched
    marks, unread = MarkCount(), UnreadCount()
    for _ in range(2):
        add_counts(table, marks, unread)
    assert (marks.texts, marks.marked, marks.marks["b/"]) == (8, 2, 2)
    assert (unread.texts, unread.affected, unread.characters["👍"]) == (4, 2, 2)
    assert unread.first == "좋아👍 b/"


def test_sent_part_gives_the_same_table(tmp_path: Path) -> None:
    settings = CheckSettings(problems=(MadeBy(shorter_than, 10),), vad="energy", vad_share=1.0)
    job = part(tmp_path, settings)
    sent, here = check_part(pickle.loads(pickle.dumps(job))), check_part(job)
    assert str(sent.to_pylist()) == str(here.to_pylist())  # nan is written alike
    assert sent.schema.equals(here.schema, check_metadata=True)
    assert not np.isnan(check_part(job).column("speech_share").to_numpy()[0])


def test_sample_depends_on_the_number_of_the_row_alone() -> None:
    settings = CheckSettings(vad="energy", vad_share=0.2)
    drawn = settings.is_sampled(np.arange(10_000))
    assert 1850 < drawn.sum() < 2150  # 2,000 with a standard deviation of 40
    assert np.array_equal(settings.is_sampled(np.arange(4000, 5000)), drawn[4000:5000])
    assert not replace(settings, vad="off").is_sampled(np.arange(10_000)).any()
    assert replace(settings, vad_share=1.0).is_sampled(np.arange(10_000)).all()


@pytest.mark.parametrize(("text", "rate"), [("안녕, 3번!", 2.0), ("ab c", 1.5), ("…", None), (None, None)])
def test_letters_per_second_count_no_punctuation(text: str | None, rate: float | None) -> None:
    measured = letters_per_s(Utterance(id="a", audio="a", duration_s=2.0, text=text))
    assert measured == rate if rate is not None else np.isnan(measured)
