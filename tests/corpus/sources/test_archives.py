"""Corpora that are still in the archives in which they were downloaded have the rows of the unpacked ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.corpus.layouts.archived import archive
from tests.corpus.layouts.prepared import Result, read, tone
from tests.corpus.layouts.text_grids import text_grid

from soritune.corpus.manifest import load_manifest
from soritune.corpus.packed.pack import pack
from soritune.corpus.preview import preview

Pack = Callable[[Path], None]


def same(loose: Result, archived: Result) -> None:
    """Rows differ by the path of their audio alone."""
    assert len(loose.rows) > 1
    assert archived.rows.keys() == loose.rows.keys()
    for name, row in loose.rows.items():
        other = archived.rows[name]
        assert replace(other, audio="", source="") == replace(row, audio="", source="")
        path = archived.root / other.audio
        assert any(part.endswith((".zip", ".tar")) for part in path.parts) and not path.exists()
    assert {kind for kind, _ in archived.rejected.values()} == {kind for kind, _ in loose.rejected.values()}


def checksums(prepared: Path) -> dict[str, int]:
    """Id → checksum of the recording as `pack` stores it."""
    pack(load_manifest(prepared / "manifest.parquet"), prepared / "packed", workers=1)
    with (prepared / "packed" / "shards" / "shard-00000.arrow").open("rb") as stream:
        rows = pa.ipc.open_stream(stream).read_all().select(["id", "checksum"]).to_pylist()
    return {row["id"]: row["checksum"] for row in rows}


def json_corpus(root: Path) -> dict[str, Any]:
    for part in ("1.Training", "2.Validation"):
        for child in ("아이1", "아이2"):
            for number in range(2):
                tone(root / part / "01.원천데이터" / "TS1" / child / f"{child}_{number}.wav", 0.5)
                label = root / part / "02.라벨링데이터" / "TL1" / child / f"{child}_{number}.json"
                label.parent.mkdir(parents=True, exist_ok=True)
                content = {
                    "발화정보": {"stt": f"안녕 {number}"},
                    "녹음자정보": {"id": child, "age": "만 7세"},
                }
                label.write_bytes(json.dumps(content, ensure_ascii=False).encode("cp949"))
    (root / "1.Training" / "02.라벨링데이터" / "TL1" / "혼자.json").write_text("{}")
    return {"fields": {"text": "발화정보.stt", "speaker": "녹음자정보.id", "age": "녹음자정보.age"}}


def each_folder(*names: str) -> Pack:
    def pack_all(root: Path) -> None:
        for folder in sorted(root.rglob("*")):
            if folder.name in names:
                archive(folder)

    return pack_all


@pytest.mark.parametrize(
    "pack_up",
    [
        each_folder("TS1", "TL1"),
        each_folder("TS1"),
        each_folder("TL1"),
        each_folder("1.Training", "2.Validation"),
    ],
    ids=["both trees", "recordings", "labels", "splits"],
)
def test_labels_and_recordings_in_parallel_archives(pack_up: Pack, tmp_path: Path) -> None:
    settings = json_corpus(tmp_path / "말뭉치")
    loose = read("json-pairs", tmp_path / "말뭉치", tmp_path / "loose", **settings)
    assert len(loose.rows) == 8
    assert {row.extra["split"] for row in loose.rows.values()} == {"train", "val"}
    pack_up(tmp_path / "말뭉치")
    assert list((tmp_path / "말뭉치").rglob("*.zip"))
    archived = read("json-pairs", tmp_path / "말뭉치", tmp_path / "archived", **settings)
    assert archived.rows.keys() == loose.rows.keys()
    for name, row in loose.rows.items():
        assert replace(archived.rows[name], audio="") == replace(row, audio="")
    assert {kind for kind, _ in archived.rejected.values()} == {"recording-missing"}


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_a_whole_corpus_in_one_archive_is_prepared_previewed_and_packed(suffix: str, tmp_path: Path) -> None:
    settings = json_corpus(tmp_path / "말뭉치")
    loose = read("json-pairs", tmp_path / "말뭉치", tmp_path / "loose", **settings)
    before = checksums(tmp_path / "loose")
    root = archive(tmp_path / "말뭉치", suffix=suffix)
    assert len(preview("json-pairs", root, settings).rows) == 8
    archived = read("json-pairs", root, tmp_path / "archived", **settings)
    assert archived.rows.keys() == loose.rows.keys()
    assert checksums(tmp_path / "archived") == before
    assert len(before) == 8


def test_persons_in_archives_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    for person in ("F2001", "M2002"):
        for number in (21, 31):
            tone(root / person / "wav_48000" / f"{person}_{number:06d}.wav", 0.5, 48000)
        (root / person / "script.txt").write_bytes("000021\t첫째 문장\n000031\t둘째 문장\n".encode("cp949"))
    settings = {"labels": {"Anxious": [[21, 30]], "Kind": [[31, 40]]}}
    loose = read("speaker-folders", root, tmp_path / "loose", **settings)
    for person in ("F2001", "M2002"):
        archive(root / person)
    archived = read("speaker-folders", root, tmp_path / "archived", **settings)
    same(loose, archived)
    assert {row.speaker for row in archived.rows.values()} == {"F2001", "M2002"}
    assert archived.rows["F2001/wav_48000/F2001_000021"].text == "첫째 문장"


@pytest.mark.parametrize("lists", [True, False], ids=["lists", "texts beside"])
def test_ksponspeech_as_downloaded(lists: bool, tmp_path: Path) -> None:
    root = tmp_path / "KsponSpeech"
    samples = (3000 * np.sin(np.arange(16000) / 20)).astype("<i2").tobytes()
    lines = []
    for number in (1, 2):
        file = root / "KsponSpeech_01" / "KsponSpeech_0001" / f"KsponSpeech_00000{number}.pcm"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(samples)
        file.with_suffix(".txt").write_bytes(f"o/ 그래 {number}".encode("cp949"))
        lines.append(f"{file.relative_to(root)} :: o/ 그래 {number}\n")
    if lists:
        (root / "KsponSpeech_scripts").mkdir()
        (root / "KsponSpeech_scripts" / "train.trn").write_text("".join(lines), encoding="utf-8")
    loose = read("ksponspeech", root, tmp_path / "loose")
    archive(root / "KsponSpeech_01", top=True)
    if lists:
        archive(root / "KsponSpeech_scripts", top=True)
    archived = read("ksponspeech", root, tmp_path / "archived")
    same(loose, archived)


def test_text_grids_in_archives(tmp_path: Path) -> None:
    pytest.importorskip("praatio", reason="the extra 'textgrid' is not installed")
    seoul = tmp_path / "seoul"
    tone(seoul / "sound" / "s01m16f1.flac", 4.0, 22050)
    (seoul / "label").mkdir()
    grid = text_grid({"utt.ortho.": [(0.0, 0.5, "제 이름은"), (0.5, 1.5, "네"), (1.5, 4.0, "<SIL>")]})
    (seoul / "label" / "s01m16f1.TextGrid").write_text(grid, encoding="utf-16")
    arctic = tmp_path / "arctic"
    for stem in ("a1", "a2"):
        tone(arctic / "HKK" / "wav" / f"{stem}.wav", 1.0)
        for folder in ("transcript", "annotation"):
            (arctic / "HKK" / folder).mkdir(exist_ok=True)
        (arctic / "HKK" / "transcript" / f"{stem}.txt").write_text("Sleeping", encoding="utf-8")
        text = text_grid({"phones": [(0.0, 0.5, "S"), (0.5, 1.0, "L,sil,d")]})
        (arctic / "HKK" / "annotation" / f"{stem}.TextGrid").write_text(text, encoding="utf-8")
    loose = [
        read(name, root, tmp_path / name) for name, root in (("seoul-corpus", seoul), ("l2-arctic", arctic))
    ]
    root = archive(seoul)
    same(loose[0], read("seoul-corpus", root, tmp_path / "archived seoul"))
    for top in (False, True):
        copy = tmp_path / f"arctic {top}"
        shutil.copytree(arctic, copy)
        archive(copy / "HKK", top=top)
        archived = read("l2-arctic", copy, tmp_path / f"archived arctic {top}")
        same(loose[1], archived)
        assert archived.rows["HKK-a1"].speaker == "HKK"
