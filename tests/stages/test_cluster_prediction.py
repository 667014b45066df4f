"""Predictions in parts: joined in order, resumed, and made again where something has changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.stages.here_engine import HereEngine

from soritune.inference.clips import Clip
from soritune.stages.cluster_prediction import ClusterPrediction, parts_folder, remove_parts


class Toy:
    """A predictor whose rows have the numbers of their clips."""

    enrolled: Any = None

    def enrol(self, items: Any) -> None:
        self.enrolled = items

    def predict_clips(self, clips: Iterable[Clip]) -> Iterator[dict[str, Any]]:
        for clip in clips:
            number = int(clip.id)
            row = {
                "id": clip.id,
                "share": float("nan") if number == 3 else number / 3,
                "enrolled": self.enrolled,
            }
            yield {"id": clip.id, "error": "가"} if number == 5 else row


def clips(count: int = 11) -> list[Clip]:
    return [
        Clip(id=str(number), audio=f"{number}.wav", path=Path(f"{number}.wav")) for number in range(count)
    ]


def rows(
    output: Path, given: list[Clip], engine: HereEngine, settings: object = "s", **more: Any
) -> tuple[list[dict[str, Any]], list[int]]:
    reported: list[int] = []
    cluster = ClusterPrediction(engine, Toy, rows_per_part=4, **more)  # type: ignore[arg-type]
    return list(cluster.rows(iter(given), output, settings, reported.append)), reported


def test_rows_come_in_order_with_all_digits(tmp_path: Path) -> None:
    engine = HereEngine()
    made, reported = rows(tmp_path / "out.jsonl", clips(), engine)
    expected = list(Toy().predict_clips(clips()))
    expected[3]["share"] = None
    assert made == expected
    assert reported == [4, 4, 3]
    assert sorted(file.name for file in (tmp_path / "out.jsonl.parts").iterdir()) == [
        f"part-00000{number}.jsonl" for number in range(3)
    ]
    remove_parts(tmp_path / "out.jsonl")
    assert not parts_folder(tmp_path / "out.jsonl").exists()


def test_interrupted_command_resumes_at_the_first_missing_part(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        rows(tmp_path / "out.jsonl", clips(), HereEngine(ends_after=2))
    engine = HereEngine()
    made, reported = rows(tmp_path / "out.jsonl", clips(), engine)
    assert engine.done == [3]
    assert [row["id"] for row in made] == [str(number) for number in range(11)]
    assert sorted(reported) == [3, 4, 4]


def test_parts_of_other_clips_or_settings_are_made_again(tmp_path: Path) -> None:
    rows(tmp_path / "out.jsonl", clips(), HereEngine())
    changed = clips()
    changed[6] = replace(changed[6], groups={"speaker": "가"})
    for given, settings, more, done in (
        (clips(), "s", {}, []),
        (changed, "s", {}, [4]),
        (changed, "t", {}, [4, 4, 3]),
        (changed, "t", {"enrolled": ["a.wav"]}, [4, 4, 3]),
        (changed, "t", {"enrolled": ["a.wav"]}, []),
        (clips(4), "t", {"enrolled": ["b.wav"]}, [4]),
    ):
        engine = HereEngine()
        made, _ = rows(tmp_path / "out.jsonl", given, engine, settings, **more)
        assert engine.done == done
        assert [row["id"] for row in made] == [clip.id for clip in given]
        assert json.loads(json.dumps(made[0]["enrolled"])) == more.get("enrolled")
