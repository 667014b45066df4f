"""The sources on corpora with all usual faults (`tests/corpus/layouts`).

The layouts were written from the descriptions of the corpora, without sight of the sources.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.layouts import child_json, emotion_csv, emotion_folders, emotion_script, l2_json
from tests.corpus.layouts.expected import Expected, compare

from soritune.corpus.manifest import load_manifest
from soritune.corpus.prepare import load_source, prepare
from soritune.corpus.reading.outcomes import Note, Skipped
from soritune.errors import ManifestError

RANGES = {"Anxious": [[21, 30]], "Kind": [[31, 40]], "Dry": [[91, 100]]}
SOURCES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "folders": (emotion_folders, "speaker-folders", {"labels": RANGES}),
    "script": (emotion_script, "speaker-folders", {"labels": RANGES | {"Others": [[51, 60]]}}),
    "csv": (emotion_csv, "csv", {"required": ["emotion"]}),
    "json": (child_json, "json-pairs", {}),
    "l2": (l2_json, "l2-json", {}),
}
CASES = [(kind, name) for kind, (module, _, _) in SOURCES.items() for name in module.BUILDS]


@dataclass
class Read:
    """Result of a source for a layout."""

    expected: Expected
    rows: list[dict[str, Any]] = field(default_factory=list)
    quarantined: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason) of all that was quarantined."""
    counted: list[Skipped | Note] = field(default_factory=list)


def read(tmp_path: Path, kind: str, name: str, **settings: Any) -> Read:
    """Builds a layout and prepares it."""
    module, source, config = SOURCES[kind]
    root = tmp_path / "corpus"
    root.mkdir()
    build: Callable[[Path], Expected] = module.BUILDS[name]
    result = Read(build(root))
    config = {**config, **settings}
    if result.expected.mapping:
        config["fields"] = result.expected.mapping
    made = prepare(source, root, config, tmp_path / "out")
    result.quarantined = [(unicodedata.normalize("NFC", row.audio), row.reason) for row in made.quarantined]
    for utterance in load_manifest(tmp_path / "out" / "manifest.parquet"):
        row = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(utterance).items()
        }
        # A manifest keeps the spelling that opens the file; the layouts have the composed one.
        assert (root / utterance.audio).is_file()
        audio = unicodedata.normalize("NFC", utterance.audio)
        assert result.expected.on_disk.get(audio, audio) in (utterance.audio, audio)
        result.rows.append({**row, "audio": audio, "split": utterance.extra.get("split")})
    member = load_source(source)
    outcomes = member.read(root, member.Config.model_validate(config))
    result.counted = [outcome for outcome in outcomes if isinstance(outcome, (Skipped, Note))]
    return result


def lines_of(reason: str) -> set[int]:
    """Line numbers in a reason, with all numbers of a range."""
    lines: set[int] = set()
    for low, high in re.findall(r"(?<![\w.])(\d+)(?:-(\d+))?(?![\w.])", reason):
        lines |= set(range(int(low), int(high or low) + 1))
    return lines


def is_reported(path: str, read: Read) -> bool:
    """Whether quarantine has a path, or a line of a file; or the path is an example of what was skipped."""
    file, _, line = path.partition(":") if re.search(r"\.\w+:\d+$", path) else (path, "", "")
    written = file.replace("\\", "/")  # paths are reported with "/" between folders
    for audio, reason in read.quarantined:
        if line and audio == file and int(line) in lines_of(reason):
            return True
        if not line and (audio == written or audio.endswith("/" + written.removeprefix("../"))):
            return True
    return path in [outcome.example for outcome in read.counted]


@pytest.mark.parametrize(("kind", "name"), [case for case in CASES if case != ("l2", "broken")])
def test_rows_and_rejections_are_those_of_the_layout(kind: str, name: str, tmp_path: Path) -> None:
    # Nothing is required for l2-json: the layout keeps rows with missing fields, which the tasks refuse.
    settings = {"required": []} if kind == "l2" else {}
    result = read(tmp_path, kind, name, **settings)
    assert compare(result.expected, result.rows) == []
    assert [path for path in result.expected.rejected if not is_reported(path, result)] == []
    outside = [outcome.count for outcome in result.counted if outcome.kind == "number-outside"]
    assert sum(outside) == result.expected.unused


def test_l2_rows_without_a_required_field_are_rejected(tmp_path: Path) -> None:
    result = read(tmp_path, "l2", "two_letters")
    missing = [key for key, why in result.expected.unlearnable.items() if why in ("missing", "empty")]
    assert len(missing) == 6
    assert [key for key in missing if not is_reported(key, result)] == []
    others = dataclasses.replace(
        result.expected, rows=[row for row in result.expected.rows if row["audio"] not in missing]
    )
    assert compare(others, result.rows) == []


def test_broken_l2_file_is_refused(tmp_path: Path) -> None:
    # The layout would ignore the file; a model would then be trained without a validation set.
    with pytest.raises(ManifestError, match=r"val_data\.json: is not JSON"):
        read(tmp_path, "l2", "broken")
    assert not (tmp_path / "out" / "manifest.parquet").exists()


def test_script_of_a_speaker_is_not_used_for_another(tmp_path: Path) -> None:
    result = read(tmp_path, "script", "scripts")
    assert not [row for row in result.rows if row["text"] == "다른 사람의 줄"]
    reasons = dict(result.quarantined)
    assert "neither UTF-8" in reasons["F0010/script.txt"]
    assert "F0012_000021|안녕하세요" in reasons["F0012/script.txt"]
