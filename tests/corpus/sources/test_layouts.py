"""The sources on corpora with everything wrong that such corpora have (`tests/corpus/layouts`).

The layouts were written from the corpora's descriptions, without sight of the sources.
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
from soritune.corpus.reading.items import Note, Skipped
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
    """What a source made of a layout."""

    expected: Expected
    rows: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason) of all that was quarantined."""
    skipped: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


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
    result.told = [(unicodedata.normalize("NFC", row.audio), row.reason) for row in made.quarantined]
    result.skipped = made.skipped
    for utterance in load_manifest(tmp_path / "out" / "manifest.parquet"):
        row = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(utterance).items()
        }
        # A manifest keeps the spelling that opens the file; the layouts ask for the composed one.
        assert (root / utterance.audio).is_file()
        audio = unicodedata.normalize("NFC", utterance.audio)
        assert result.expected.on_disk.get(audio, audio) in (utterance.audio, audio)
        result.rows.append({**row, "audio": audio, "split": utterance.extra.get("split")})
    one = load_source(source)
    found = one.read(root, one.Config.model_validate(config))
    result.examples = [item.example for item in found if isinstance(item, (Skipped, Note))]
    return result


def lines_of(reason: str) -> set[int]:
    """Line numbers a reason tells, ranges spelt out."""
    found: set[int] = set()
    for low, high in re.findall(r"(?<![\w.])(\d+)(?:-(\d+))?(?![\w.])", reason):
        found |= set(range(int(low), int(high or low) + 1))
    return found


def is_told(path: str, read: Read) -> bool:
    """Whether quarantine names a path, or a line of a file; or a skipped file is the example of its reason."""
    file, _, line = path.partition(":") if re.search(r"\.\w+:\d+$", path) else (path, "", "")
    written = file.replace("\\", "/")  # paths are told with "/" between folders
    for audio, reason in read.told:
        if line and audio == file and int(line) in lines_of(reason):
            return True
        if not line and (audio == written or audio.endswith("/" + written.removeprefix("../"))):
            return True
    return path in read.examples


@pytest.mark.parametrize(("kind", "name"), [case for case in CASES if case != ("l2", "broken")])
def test_rows_and_reasons(kind: str, name: str, tmp_path: Path) -> None:
    # For l2-json with nothing required: the layout keeps rows whose fields are missing, as the tasks refuse them.
    settings = {"required": []} if kind == "l2" else {}
    result = read(tmp_path, kind, name, **settings)
    assert compare(result.expected, result.rows) == []
    assert [path for path in result.expected.rejected if not is_told(path, result)] == []
    kept = sum(count for reason, count in result.skipped.items() if reason.startswith("number outside"))
    assert kept == result.expected.unused


def test_l2_rows_without_a_needed_field_are_told_at_once(tmp_path: Path) -> None:
    result = read(tmp_path, "l2", "two_letters")
    missing = [key for key, why in result.expected.unlearnable.items() if why in ("missing", "empty")]
    assert len(missing) == 6
    assert [key for key in missing if not is_told(key, result)] == []
    others = dataclasses.replace(
        result.expected, rows=[row for row in result.expected.rows if row["audio"] not in missing]
    )
    assert compare(others, result.rows) == []


def test_a_broken_l2_file_ends_the_work_and_is_named(tmp_path: Path) -> None:
    # The layout would read on; a corpus without its validation set would then be trained on unnoticed.
    with pytest.raises(ManifestError, match=r"val_data\.json: is no JSON"):
        read(tmp_path, "l2", "broken")
    assert not (tmp_path / "out" / "manifest.parquet").exists()


def test_one_speaker_s_script_never_speaks_for_another(tmp_path: Path) -> None:
    result = read(tmp_path, "script", "scripts")
    assert not [row for row in result.rows if row["text"] == "다른 사람의 줄"]
    reasons = dict(result.told)
    assert "neither UTF-8" in reasons["F0010/script.txt"]
    assert "F0012_000021|안녕하세요" in reasons["F0012/script.txt"]
