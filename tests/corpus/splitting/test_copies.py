"""The same recording under another id, path or speaker never trains and tests one model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits, SplitSettings, load_splits, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import SplitError

Hashes = NDArray[np.uint64]


def corpus(folder: Path, speakers: int = 6, each: int = 4, copied: bool = True) -> tuple[Manifest, Hashes]:
    """Rows of different sentences; the first row of s0, s2, … has the audio of the last row of s1, s3, …"""
    rows, hashes = [], []
    for s in range(speakers):
        for n in range(each):
            part = "test" if s == 0 else "val" if s == 1 else "train"
            rows.append(
                Utterance(
                    id=f"s{s}_{n}",
                    audio="a.wav",
                    duration_s=1.0,
                    speaker=f"s{s}",
                    text=f"문장 {s} 번째 {n}",
                    extra={"part": part},
                )
            )
            is_copy = copied and n == 0 and s % 2 == 0
            hashes.append((s + 1) * each + each if is_copy else s * each + n + 1)
    return write_manifest(folder / "m.parquet", rows, root=folder), np.array(hashes, dtype=np.uint64)


def with_seed(settings: SplitSettings, seed: int) -> SplitSettings:
    return settings.model_copy(update={"seed": seed})


def leaks(manifest: Manifest, splits: Splits, hashes: Hashes) -> int:
    """Recordings in two splits, counted without the code that separates them."""
    of_split = [set(hashes[splits.indices(manifest, name)].tolist()) for name in ("train", "val", "test")]
    return sum(len(part) for part in of_split) - len(set().union(*of_split))


@pytest.mark.parametrize("by", [("speaker", "script"), ("speaker",), ("script",), ("random",)])
def test_no_recording_is_in_two_splits(tmp_path: Path, by: tuple[str, ...]) -> None:
    manifest, hashes = corpus(tmp_path)
    settings = SplitSettings(by=by, ratios={"train": 0.4, "val": 0.3, "test": 0.3})  # type: ignore[arg-type]
    leaking = [leaks(manifest, make_splits(manifest, with_seed(settings, seed)), hashes) for seed in range(9)]
    assert max(leaking) > 0  # without hashes nothing is compared
    for seed in range(9):
        splits = make_splits(manifest, with_seed(settings, seed), audio_hashes=hashes)
        assert leaks(manifest, splits, hashes) == 0
        if "speaker" in by:
            parts = [{int(name[1]) // 2 for name in splits.ids(part)} for part in ("train", "val", "test")]
            assert sum(map(len, parts)) == len(set.union(*parts)) == 3 and not splits.ids("unused")
        assert any(text.startswith("3 recordings occur in 6 rows") for text in splits.policy["warnings"])
    assert splits.policy["copies"] == "apart"
    assert all(shares["recording"] == 0 for shares in splits.policy["overlap"].values())
    assert len(splits.ids("unused")) == 0 or by != ("random",)


def test_recordings_under_several_speakers_are_reported(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path)
    splits = make_splits(manifest, audio_hashes=hashes)
    (report,) = [text for text in splits.policy["warnings"] if "under several speakers" in text]
    assert "(3 in all), such as 's0' and 's1', who are kept in one split" in report
    splits = make_splits(manifest, SplitSettings(by=("script",)), audio_hashes=hashes)
    assert any("count as different people" in text for text in splits.policy["warnings"])


def test_a_corpus_without_copies_is_split_as_without_hashes(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path, copied=False)
    plain, compared = make_splits(manifest), make_splits(manifest, audio_hashes=hashes)
    assert compared.assignment == plain.assignment
    assert compared.policy["warnings"] == plain.policy["warnings"]


def test_unknown_audio_is_no_copy(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path)
    compared = make_splits(manifest, audio_hashes=np.zeros_like(hashes))
    assert compared.assignment == make_splits(manifest).assignment


def test_a_given_split_with_a_recording_in_two_parts_is_refused_until_allowed(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path)
    with pytest.raises(SplitError, match=r"1 of 24 rows .*column 'part'.*split\.copies=allow"):
        make_splits(manifest, SplitSettings(given="part"), audio_hashes=hashes)
    splits = make_splits(manifest, SplitSettings(given="part", copies="allow"), audio_hashes=hashes)
    splits.save(tmp_path / "s.parquet")
    policy = load_splits(tmp_path / "s.parquet").policy
    assert policy["copies"] == "allow"
    assert policy["overlap"]["test"]["recording"] == 0
    assert policy["overlap"]["val-test"]["recording"] == 0.25  # s0_0 has the audio of s1_3
    assert "25% of the test hours have a recording that is also in val" in policy["warnings"]


def test_a_given_split_whose_copies_are_in_one_part_is_taken_over(tmp_path: Path) -> None:
    manifest, _ = corpus(tmp_path)
    hashes = np.arange(1, 25, dtype=np.uint64)
    hashes[1] = hashes[0]
    splits = make_splits(manifest, SplitSettings(given="part"), audio_hashes=hashes)
    assert not splits.ids("unused")
    assert any(
        "1 recording occurs in 2 rows, such as 's0_0' and 's0_1'" in w for w in splits.policy["warnings"]
    )


def test_audio_is_not_compared_on_request(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path)
    splits = make_splits(manifest, SplitSettings(given="part", copies="ignore"), audio_hashes=hashes)
    assert splits.policy["copies"] == "ignore"
    assert "recording" not in splits.policy["overlap"]["test"]


def test_too_few_people_because_of_copies_are_reported_as_that(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path, copied=False)
    hashes[4::4] = hashes[3:-4:4]  # each speaker's first clip is the last one of the speaker before
    with pytest.raises(SplitError, match="6 speakers share recordings and count as 1 .*: .*copies=allow"):
        make_splits(manifest, audio_hashes=hashes)


def test_a_split_of_copies_alone_is_reported_as_that(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path, speakers=3)
    with pytest.raises(SplitError, match="same audio as rows of another split"):
        make_splits(manifest, SplitSettings(by=("script",)), audio_hashes=np.ones_like(hashes))


@pytest.mark.parametrize("group_by", [("speaker",), ("speaker", "script")])
def test_folds_test_every_row_once_and_never_train_on_its_copy(
    tmp_path: Path, group_by: tuple[str, ...]
) -> None:
    manifest, hashes = corpus(tmp_path)
    folds = make_folds(manifest, group_by=group_by, audio_hashes=hashes)
    assert sorted(name for splits in folds for name in splits.ids("test")) == sorted(manifest.ids)
    assert all(leaks(manifest, splits, hashes) == 0 for splits in folds)
    assert all(splits.policy["copies"] == "apart" for splits in folds)
    assert len(folds) == 3 and folds[0].policy["fold"]["test_speakers"] == ["s0", "s1"]
    allowed = make_folds(manifest, group_by=group_by, audio_hashes=hashes, copies="allow")
    assert any(leaks(manifest, splits, hashes) for splits in allowed)


def test_copies_of_rows_without_a_split_change_nothing(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path, copied=False)
    rows = [replace(row, speaker=None) if row.speaker == "s5" else row for row in manifest]
    partly = write_manifest(tmp_path / "n.parquet", rows, root=tmp_path)
    hashes[-1] = hashes[0]
    splits = make_splits(partly, SplitSettings(by=("speaker",)), audio_hashes=hashes)
    assert set(splits.ids("unused")) == {f"s5_{n}" for n in range(4)}


def with_placeholder(folder: Path, speakers: int, sharing: int) -> tuple[Manifest, Hashes]:
    """A corpus without copies, in which the first row of some speakers has one recording."""
    manifest, hashes = corpus(folder, speakers, copied=False)
    hashes[: 4 * sharing : 4] = 9999
    return manifest, hashes


def test_a_recording_of_more_than_three_speakers_joins_none_and_is_unused(tmp_path: Path) -> None:
    manifest, hashes = with_placeholder(tmp_path, 6, 6)
    splits = make_splits(manifest, SplitSettings(by=("speaker",)), audio_hashes=hashes)
    assert splits.ids("unused") == [f"s{s}_0" for s in range(6)]
    assert [name for name in ("train", "val", "test") if not splits.ids(name)] == []
    warning = splits.policy["warnings"][0]
    assert warning.startswith(
        "1 recording is listed under more than 3 speakers, such as that of 's0_0'; the 6 rows are"
    )
    assert not any("same audio" in text or "several speakers" in text for text in splits.policy["warnings"])
    made = make_folds(manifest, folds=3, audio_hashes=hashes)
    for fold in made:
        assert {f"s{s}_0" for s in range(6)} <= set(fold.ids("unused"))
    assert sum(len(fold.ids("test")) for fold in made) == 18


def test_three_speakers_with_one_recording_are_one_person(tmp_path: Path) -> None:
    manifest, hashes = with_placeholder(tmp_path, 6, 3)
    splits = make_splits(manifest, SplitSettings(by=("speaker",)), audio_hashes=hashes)
    assert splits.ids("unused") == [] and len({splits.assignment[f"s{s}_1"] for s in range(3)}) == 1
    manifest, hashes = with_placeholder(tmp_path, 3, 3)
    with pytest.raises(
        SplitError, match=r"3 speakers share recordings and count as 1 \('s0_0' and 's1_0' have the"
    ):
        make_splits(manifest, SplitSettings(by=("speaker",)), audio_hashes=hashes)


def test_a_given_split_keeps_a_recording_of_many_speakers_in_one_part(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path, 8, copied=False)
    hashes[8::4] = 9999  # the speakers of train
    splits = make_splits(manifest, SplitSettings(given="part"), audio_hashes=hashes)
    assert splits.ids("unused") == [] and len(splits.ids("train")) == 24


def test_a_corpus_of_one_recording_is_reported_as_that(tmp_path: Path) -> None:
    manifest, hashes = corpus(tmp_path)
    with pytest.raises(SplitError, match=r"came out empty; 1 recording is listed under more than 3 speakers"):
        make_splits(manifest, SplitSettings(by=("speaker",)), audio_hashes=np.ones_like(hashes))
