import hashlib

import pytest

from soritune.corpus.lists import make_manifest
from soritune.errors import SplitError, TaskError
from soritune.stages.enrolment import checked_clips, split_enrolment


@pytest.fixture
def rows():
    """Six clips of each of three speakers."""
    paths = [f"{speaker}{index}.wav" for index in range(6) for speaker in "abc"]
    return make_manifest(paths, speakers=[path[0] for path in paths])


def test_clips_with_the_smallest_hashes_of_each_speaker_are_enrolled(rows):
    enrolled, left = split_enrolment(rows, 2)
    ids = rows.column("id").to_pylist()
    for speaker in "abc":
        own = [row.id for row in rows.utterances() if row.speaker == speaker]
        expected = set(sorted(own, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:2])
        assert {row.id for row in enrolled.utterances() if row.speaker == speaker} == expected
    assert sorted([*enrolled.column("id").to_pylist(), *left.column("id").to_pylist()]) == sorted(ids)
    assert (len(enrolled), len(left)) == (6, 12)


def test_order_of_the_rows_has_no_effect(rows):
    enrolled, _ = split_enrolment(rows, 2)
    turned, _ = split_enrolment(rows.select(list(range(17, -1, -1))), 2)
    assert set(turned.column("id").to_pylist()) == set(enrolled.column("id").to_pylist())


def test_speaker_without_a_clip_to_judge_and_row_without_a_speaker_are_reported(rows):
    with pytest.raises(
        SplitError, match=r"speaker 'a' has 6 clips, and 6 are for enrolment.*3 of 3 speakers"
    ):
        split_enrolment(rows, 6)
    with pytest.raises(SplitError, match="has no speaker"):
        split_enrolment(make_manifest(["x.wav", "y.wav"]), 2)


def test_one_clip_is_too_few():
    assert checked_clips(None) is None
    assert checked_clips(2) == 2
    with pytest.raises(TaskError, match="1 enrolment clips per speaker are too few"):
        checked_clips(1)
