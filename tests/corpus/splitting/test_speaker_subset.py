"""Subsets of whole speakers on corpora small enough to count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.speaker_subset import make_subsets
from soritune.corpus.utterance import Utterance
from soritune.errors import SplitError


def corpus(folder: Path, speakers: dict[str, tuple[float, dict[str, Any]]], rows: int = 2) -> Manifest:
    """Speaker → hours and fields; each speaker has equally long rows."""
    utterances = [
        Utterance(
            id=f"{name}-{row}",
            audio=f"{name}-{row}.wav",
            duration_s=hours * 3600 / rows,
            speaker=name,
            **fields,
        )
        for name, (hours, fields) in speakers.items()
        for row in range(rows)
    ]
    return write_manifest(folder / "manifest.jsonl", utterances, root=folder)


def speakers_in(manifest: Manifest, rows: np.ndarray) -> list[str]:
    return sorted(set(manifest.select(rows).column("speaker").to_pylist()))


def test_subset_is_the_only_balanced_one(tmp_path: Path) -> None:
    """Two hours of four, half female as in the corpus: of the pairs only f with m, and ages 7 and 9 only a with d."""
    manifest = corpus(
        tmp_path,
        {
            "a": (1.0, {"gender": "f", "age": 7.0}),
            "b": (1.0, {"gender": "f", "age": 9.0}),
            "c": (1.0, {"gender": "m", "age": 7.0}),
            "d": (1.0, {"gender": "m", "age": 9.0}),
        },
    )
    (subset,) = make_subsets(manifest, 2.0, stratify=["gender", "age"])
    assert speakers_in(manifest, subset.rows) in (["a", "d"], ["b", "c"])
    assert subset.distances == {"gender": 0.0, "age": 0.0}
    assert (subset.hours, subset.speakers, len(subset.rows)) == (2.0, 2, 4)


def test_distance_is_the_share_of_hours_with_another_value(tmp_path: Path) -> None:
    """The corpus is 3/4 female; one hour of a woman alone is 1/4 away from it."""
    manifest = corpus(
        tmp_path, {name: (1.0, {"gender": "m" if name == "d" else "f"}) for name in ("a", "b", "c", "d")}
    )
    (subset,) = make_subsets(manifest, 1.0, stratify=["gender"])
    assert speakers_in(manifest, subset.rows) != ["d"]
    assert subset.distances == {"gender": pytest.approx(0.25)}


def test_rows_without_a_value_are_a_value(tmp_path: Path) -> None:
    """Half of the hours have no SNR, so half of the subset has none."""
    speakers = {f"s{n}": (1.0, {"snr_db": 20.0} if n % 2 else {}) for n in range(8)}
    manifest = corpus(tmp_path, speakers)
    (subset,) = make_subsets(manifest, 4.0, stratify=["snr_db"])
    known = manifest.select(subset.rows).column("snr_db")
    assert known.null_count == 4 and subset.distances == {"snr_db": 0.0}


def test_numbers_are_compared_by_quintiles(tmp_path: Path) -> None:
    """Twenty speakers of 1 to 20 dB: each quintile has four of them, so a fifth of the hours takes one of each."""
    manifest = corpus(tmp_path, {f"s{n:02d}": (1.0, {"snr_db": float(n)}) for n in range(1, 21)})
    (subset,) = make_subsets(manifest, 5.0, stratify=["snr_db"])
    values = sorted(set(manifest.select(subset.rows).column("snr_db").to_pylist()))
    # Quantiles of 1…20 at 0.2, 0.4, 0.6 and 0.8 are 4.8, 8.6, 12.4 and 16.2.
    assert [int(np.searchsorted([4.8, 8.6, 12.4, 16.2], value)) for value in values] == [0, 1, 2, 3, 4]


def test_shares_are_nested_and_speakers_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    speakers = {
        f"s{n}": (float(rng.uniform(0.2, 0.6)), {"age": float(rng.integers(5, 9)), "gender": "fm"[n % 2]})
        for n in range(120)
    }
    manifest = corpus(tmp_path, speakers, rows=3)
    subsets = make_subsets(manifest, 20.0, stratify=["age", "gender"], shares=[0.3, 0.1, 1.0])
    assert [subset.share for subset in subsets] == [0.1, 0.3, 1.0]
    for subset in subsets:
        assert 20 * subset.share <= subset.hours <= 1.05 * 20 * subset.share
        assert len(subset.rows) == 3 * subset.speakers == 3 * len(speakers_in(manifest, subset.rows))
        assert subset.hours == pytest.approx(manifest.select(subset.rows).hours)
    smallest, middle, whole = (set(subset.rows) for subset in subsets)
    assert smallest < middle < whole


def test_subset_depends_only_on_the_seed(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, {f"s{n}": (0.5, {}) for n in range(60)})
    first, again, different = (make_subsets(manifest, 10.0, seed=seed)[0].rows.tolist() for seed in (1, 1, 2))
    assert first == again != different


def test_spellings_of_one_speaker_stay_together(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, {"가": (1.0, {}), "가 ": (1.0, {}), "나": (1.0, {})})
    (subset,) = make_subsets(manifest, 2.0)
    assert subset.speakers == 1 and len(subset.rows) == 4


@pytest.mark.parametrize(
    ("hours", "shares", "reason"),
    [
        (9.0, [1.0], r"^9 h cannot be taken: the speakers have 8 h in all$"),
        (4.0, [1.0], r"1 speaker has more than that \(the longest 5 h\), .* the others have only 3 h"),
        (
            2.5,
            [1.0],
            r"no set of whole speakers with 2.5 to 2.625 h was found among 4, the nearest has [23] h",
        ),
        (5.0, [0.1], r"the share of 10 % \(0.5 h\) cannot be taken: .* there are no others"),
        (0.0, [1.0], "must be above 0, got 0"),
        (float("nan"), [1.0], "must be above 0, got nan"),
        (2.0, [0.0], "a share must be above 0 %"),
    ],
)
def test_impossible_request_is_refused_with_the_reason(
    hours: float, shares: list[float], reason: str, tmp_path: Path
) -> None:
    manifest = corpus(tmp_path, {"a": (5.0, {}), "b": (1.0, {}), "c": (1.0, {}), "d": (1.0, {})})
    with pytest.raises(SplitError, match=reason):
        make_subsets(manifest, hours, shares=shares)


def test_share_that_the_chosen_speakers_cannot_give_is_refused(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, {name: (1.0, {}) for name in ("a", "b", "c")})
    with pytest.raises(SplitError, match=r"the share of 75 % \(1.5 h\) .* among 2 of the next larger share"):
        make_subsets(manifest, 2.0, shares=[0.75])


def test_rows_without_speaker_are_never_taken_and_are_counted(tmp_path: Path) -> None:
    rows = [
        Utterance(id="a", audio="a.wav", duration_s=3600.0, speaker="a"),
        Utterance(id="b", audio="b.wav", duration_s=7200.0),
    ]
    manifest = write_manifest(tmp_path / "manifest.jsonl", rows, root=tmp_path)
    (subset,) = make_subsets(manifest, 1.0)
    assert subset.rows.tolist() == [0]
    with pytest.raises(SplitError, match="the speakers have 1 h in all and 2 h without a speaker"):
        make_subsets(manifest, 2.0)
    with pytest.raises(SplitError, match="no utterance has one; map it when preparing"):
        make_subsets(manifest.select([1]), 1.0)


def test_unknown_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="cannot stratify by 'colour'"):
        make_subsets(corpus(tmp_path, {"a": (1.0, {})}), 1.0, stratify=["colour"])
