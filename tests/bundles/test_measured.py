from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.bundles.toy_bundle import write

from soritune.bundles.measured import Measured, measured_from_json, measured_text
from soritune.bundles.read import load_bundle
from soritune.errors import BundleError
from soritune.tasks.task import make_task

READ = {"set": "read", "rate": "phoneme/per", "value": 0.0962, "interval": [0.08, 0.1149], "speakers": 10}


def test_entries_of_one_rate_are_on_one_line() -> None:
    entries = measured_from_json(
        [READ, {"set": "talks", "rate": "phoneme/per", "value": 0.15, "speakers": 1}]
    )
    assert entries[0] == Measured("read", "phoneme/per", 0.0962, (0.08, 0.1149), 10)
    text = measured_text(entries, [make_task("phoneme", {"language": "ko"})])
    assert text == "phone error rate 9.6 % [8.0, 11.5] (read, 10 speakers), 15.0 % (talks, 1 speaker)"


def test_rates_that_no_task_describes_keep_their_names() -> None:
    entries = measured_from_json([READ, {"set": "x", "rate": "other/score", "value": 1.5}])
    assert (
        measured_text(entries, [])
        == "phoneme/per 9.6 % [8.0, 11.5] (read, 10 speakers); other/score 150.0 % (x)"
    )


def test_numbers_that_are_not_shares_are_not_in_percent() -> None:
    task = make_task("emotion", {"labels": ["a", "b"]})
    rate = next(name for name, description in task.rate_descriptions.items() if not description.is_share)
    entry = Measured("x", f"emotion/{rate}", 0.25, (0.2, 0.3))
    assert measured_text([entry], [task]).endswith(" 0.2500 [0.2000, 0.3000] (x)")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rate": "per"}, "each entry has a set and a rate such as 'phoneme/per'"),
        ({"set": 3}, "each entry has a set"),
        ({"value": "low"}, "the values of phoneme/per are not finite numbers"),
        ({"value": float("nan")}, "not finite numbers"),
        ({"value": True}, "not finite numbers"),
        ({"value": 10**400}, "too large to convert"),
        ({"interval": [0.2, 0.3]}, "the interval of phoneme/per does not hold its value"),
        ({"interval": [0.2]}, "index out of range"),
        ({"interval": 0.2}, "not subscriptable"),
        ({"speakers": 0}, "the number of speakers of phoneme/per is 0"),
        ({"speaker": 3}, "unexpected keyword argument 'speaker'"),
    ],
)
def test_faulty_entries_are_reported(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
        measured_from_json([{**READ, **change}])
    if change.get("value") == change.get("value"):  # JSON has no NaN
        bundle = write(tmp_path / "b", measured=[{**READ, **change}])
        with pytest.raises(
            BundleError, match=rf"'measured' is faulty \(.*{sentence}.*\); copy the bundle again"
        ):
            _ = bundle.measured


@pytest.mark.parametrize("content", [{"set": "x"}, "low", 3, [3]])
def test_other_content_than_a_list_of_entries_is_reported(content: Any) -> None:
    with pytest.raises(ValueError, match="not a list|no attribute"):
        measured_from_json(content)


def test_cards_without_it_have_none(tmp_path: Path) -> None:
    assert write(tmp_path / "b").measured == ()


def test_the_model_of_the_package_has_its_published_rates() -> None:
    bundle = load_bundle("soritune/tiny-ko")
    table = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert len(bundle.measured) == 2
    for entry in bundle.measured:
        assert entry.interval is not None
        low, high = entry.interval
        published = f"{100 * entry.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}] | {entry.speakers} |"
        assert f"| real Korean, `ko_speech_selvas` | {published}" in table or (
            f"| real Korean, `pansori_tedxkr` | {published}" in table
        )
