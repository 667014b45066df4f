"""From a corpus to a manifest: lengths from headers, unusable rows in quarantine, no partial files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.manifest import load_manifest
from soritune.corpus.prepare import load_source, prepare, source_config
from soritune.errors import ManifestError, OutputError, UnknownNameError

DATA = Path(os.environ.get("SORITUNE_DATA") or Path(__file__).parents[3] / "shared" / "data")


def sound(path: Path, seconds: float = 0.5, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.ones(round(seconds * rate), np.float32), rate)


def write_rows(path: Path, *records: dict[str, object]) -> Path:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_lengths_and_rates_come_from_the_headers(tmp_path: Path) -> None:
    sound(tmp_path / "가 나.wav", 0.5, 48000)
    file = write_rows(
        tmp_path / "m.jsonl",
        {"id": "a", "audio": "가 나.wav", "duration_s": 9.0},
        {"id": "b", "audio": "가 나.wav", "start_s": 0.2},
        {"id": "c", "audio": "가 나.wav", "start_s": 0.1, "duration_s": 0.2},
    )
    made = prepare("manifest", file, {}, tmp_path / "out")
    assert made.manifest.durations_s == pytest.approx([0.5, 0.3, 0.2])
    assert made.manifest.column("sample_rate_hz").to_pylist() == [48000] * 3
    assert made.manifest.column("source").to_pylist() == [tmp_path.name] * 3
    assert (tmp_path / "out" / "quarantine.jsonl").read_text() == ""
    assert (
        load_manifest(tmp_path / "out" / "manifest.parquet").audio_path(made.manifest.utterance(0)).is_file()
    )


def test_bad_rows_and_files_are_quarantined_by_kind(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "e.wav").touch()
    file = write_rows(
        tmp_path / "m.jsonl",
        {"id": "good", "audio": "a.wav", "duration_s": 0.5},
        {"id": "gone", "audio": "gone.wav", "duration_s": 0.5},
        {"id": "empty", "audio": "e.wav", "duration_s": 0.5},
        {"id": "none", "audio": None, "duration_s": 0.5},
        {"id": "old", "audio": "a.wav", "age": "seven"},
        {"id": "late", "audio": "a.wav", "start_s": 3.0},
        {"id": "long", "audio": "a.wav", "start_s": 0.1, "duration_s": 3.0},
        {"id": "ch", "audio": "a.wav", "channel": 4},
    )
    made = prepare("manifest", file, {}, tmp_path / "out")
    assert made.manifest.ids == ["good"]
    quarantined = [
        json.loads(line)
        for line in (tmp_path / "out" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert {row["id"]: row["kind"] for row in quarantined} == {
        "gone": "audio-missing",
        "empty": "audio-empty",
        "none": "field-missing:audio",
        "old": "field-type:age",
        "late": "stretch-begins-late",
        "long": "stretch-ends-late",
        "ch": "channel-missing",
    }
    reasons = {row["id"]: row["reason"] for row in quarantined}
    assert reasons["old"] == "m.jsonl line 5: field 'age' must be a finite number, got 'seven'"
    assert reasons["late"] == "lasts 0.500 s, but the utterance begins at 3.0 s"
    assert {row["stage"] for row in quarantined} == {"prepare"}


def test_several_manifests_are_joined(tmp_path: Path) -> None:
    for name in ("하나", "둘"):
        sound(tmp_path / name / "audio" / "x.wav")
        write_rows(tmp_path / name / "manifest.jsonl", {"id": "x", "audio": "audio/x.wav", "duration": 0.5})
    files = [str(tmp_path / name / "manifest.jsonl") for name in ("하나", "둘")]
    settings = {"files": files, "fields": {"duration_s": "duration"}}
    with pytest.raises(ManifestError, match="id 'x' occurs twice.*--prefix"):
        prepare("manifest", tmp_path, settings, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.parquet").exists()
    made = prepare("manifest", tmp_path, {**settings, "prefix": True}, tmp_path / "out")
    assert made.manifest.ids == ["하나-x", "둘-x"]
    assert made.manifest.column("source").to_pylist() == ["하나", "둘"]
    assert made.manifest.root == tmp_path
    assert all(made.manifest.audio_path(u).is_file() for u in made.manifest)


def test_corpus_without_a_usable_row_is_refused(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "m.jsonl", {"id": "a", "audio": "gone.wav"})
    with pytest.raises(
        ManifestError, match=r"nothing in it can be used \(1 rejected; gone.wav: does not exist\)"
    ):
        prepare("manifest", file, {}, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["quarantine.jsonl"]


def test_failing_source_keeps_reasons_and_deletes_an_older_manifest(tmp_path: Path) -> None:
    for name in "abc":
        sound(tmp_path / "c" / f"{name}.wav")
        (tmp_path / "c" / f"{name}.json").write_text('{"text": "네"}', encoding="utf-8")
    prepare("json-pairs", tmp_path / "c", {}, tmp_path / "out")
    assert len(load_manifest(tmp_path / "out" / "manifest.parquet")) == 3
    for name in "abc":
        (tmp_path / "c" / f"{name}.json").write_text('{"text": "네",}', encoding="utf-8")
    with pytest.raises(
        ManifestError, match=r"none of its 3 labels.*3 rejected; such as a.wav: a.json: is not JSON"
    ):
        prepare("json-pairs", tmp_path / "c", {}, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["quarantine.jsonl"]
    lines = (tmp_path / "out" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["a", "b", "c"]


def test_manifest_that_is_its_own_source_is_kept(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    prepare("manifest", write_rows(tmp_path / "m.jsonl", {"id": "a", "audio": "a.wav"}), {}, tmp_path)
    (tmp_path / "a.wav").unlink()
    with pytest.raises(ManifestError, match="nothing in it can be used"):
        prepare("manifest", tmp_path / "manifest.parquet", {}, tmp_path)
    assert (tmp_path / "manifest.parquet").is_file()


def test_folder_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / os.fsdecode("가".encode("cp949"))
    sound(tmp_path / "c" / "a.wav")
    for root, out in ((strange, tmp_path / "out"), (tmp_path / "c", strange)):
        with pytest.raises(ManifestError, match="가: its name on disk is not UTF-8") as caught:
            prepare("speaker-folders", root, {}, out)
        str(caught.value).encode("utf-8")


def test_very_long_values_are_cut_in_quarantine(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    (tmp_path / "l.csv").write_text(f"path,label\na.wav,x\n{'가' * 100_000}.wav,x\n", encoding="utf-8")
    made = prepare("csv", tmp_path, {}, tmp_path / "out")
    assert len(made.manifest) == 1 and (tmp_path / "out" / "quarantine.jsonl").stat().st_size < 5000


def test_unknown_source_setting_and_unusable_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'speaker-folders'"):
        prepare("speaker-folder", tmp_path, {}, tmp_path / "out")
    with pytest.raises(ManifestError, match="pattrn: unknown key; did you mean 'pattern'"):
        source_config("speaker-folders", {"pattrn": "x"})
    with pytest.raises(ManifestError, match="does not exist"):
        prepare("manifest", tmp_path / "gone.jsonl", {}, tmp_path / "out")
    with pytest.raises(ManifestError, match="holds no manifest"):
        prepare("manifest", tmp_path, {}, tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        prepare("manifest", tmp_path, {}, tmp_path / "file" / "out")
    assert load_source("manifest").description


@pytest.mark.skipif(not (DATA / "ko_speech_selvas").is_dir(), reason="SORITUNE_DATA has no ko_speech_selvas")
def test_two_real_corpora_have_their_stated_lengths(tmp_path: Path) -> None:
    files = [
        str((DATA / name / "manifest.jsonl").resolve()) for name in ("ko_speech_selvas", "pansori_tedxkr")
    ]
    made = prepare("manifest", DATA, {"files": files, "fields": {"duration_s": "duration"}}, tmp_path)
    assert (len(made.manifest), made.quarantined) == (132 + 543, [])
    stated = [
        json.loads(line)["duration"]
        for file in files
        for line in Path(file).read_text(encoding="utf-8").splitlines()
    ]
    assert made.manifest.durations_s == pytest.approx(stated, abs=0.002)


def test_unknown_nested_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ManifestError, match=r"recording\.romm: unknown key; did you mean 'room'"):
        source_config("synthetic", {"recording": {"romm": 1}})


def test_segments_without_a_start_are_a_warning(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(48000), 16000)
    lines = [
        f'{{"id": "{n}", "audio": "a.wav", "duration": 1.0, "offset": {n}, "speaker": "nan"}}\n'
        for n in range(2)
    ]
    (tmp_path / "m.jsonl").write_text("".join(lines), encoding="utf-8")
    made = prepare("manifest", tmp_path / "m.jsonl", {"fields": {"duration_s": "duration"}}, tmp_path / "out")
    assert made.manifest.durations_s.tolist() == [3.0, 3.0]
    differing, missing = sorted(made.warnings, key=lambda text: "speaker" in text)
    assert "in 2 of 2 rows" in differing and "start_s=offset" in differing
    assert missing.startswith("speaker is 'nan' in 2 rows")
