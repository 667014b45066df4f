"""The same corpus as loose files, packed, in archives and behind URLs: every command gets the same samples from it."""

from __future__ import annotations

import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from soritune.corpus.checks import check_manifest
from soritune.corpus.lists import make_manifest, write_list
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.packed.pack import pack
from soritune.corpus.prepare import prepare
from soritune.inference.clips import clips_of
from soritune.inference.predictor import Predictor
from soritune.reports.players import Players
from soritune.stages.evaluate import evaluate

CONTAINERS = ("packed", "zip", "tar", "url")


@pytest.fixture(scope="module")
def corpora(tones: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    """A manifest of the same twelve rows for every container."""
    folder = tmp_path_factory.mktemp("containers")
    rows = list(tones.select(np.arange(12)))
    made = {"loose": write_manifest(folder / "loose.parquet", rows, root=tones.root)}
    made["packed"] = pack(made["loose"], folder / "packed", rows_per_shard=5, workers=1).manifest
    with zipfile.ZipFile(folder / "말뭉치.zip", "w") as archive, tarfile.open(folder / "t.tar", "w") as tar:
        for row in rows:
            archive.write(tones.root / row.audio, f"소리/{row.audio}")
            tar.add(tones.root / row.audio, row.audio)
            with fsspec.open(f"memory://tones/{row.audio}", "wb") as stream:
                stream.write((tones.root / row.audio).read_bytes())
    for name, place in (("zip", "말뭉치.zip/소리/"), ("tar", "t.tar/"), ("url", "memory://tones/")):
        moved = [replace(row, audio=place + row.audio) for row in rows]
        made[name] = write_manifest(folder / f"{name}.parquet", moved, root=folder)
    return made


@pytest.mark.parametrize("container", CONTAINERS)
def test_check_finds_the_same(corpora: dict[str, Manifest], container: str) -> None:
    loose, contained = check_manifest(corpora["loose"]), check_manifest(corpora[container])
    assert len(contained.clean) == 12
    assert contained.levels == pytest.approx(loose.levels, nan_ok=True)
    assert loose.audio_hashes and contained.audio_hashes
    assert np.array_equal(contained.audio_hashes.hashes, loose.audio_hashes.hashes)


@pytest.mark.parametrize("container", CONTAINERS)
def test_players_of_a_report_are_the_same(corpora: dict[str, Manifest], container: str) -> None:
    def players(manifest: Manifest) -> list[str | None]:
        made = Players(manifest.root)
        return [made.player({"audio": row.audio, "duration_s": row.duration_s}) for row in manifest]

    expected = players(corpora["loose"])
    assert all(expected)
    assert players(corpora[container]) == expected


@pytest.mark.slow(seconds=8)
@pytest.mark.parametrize("container", CONTAINERS)
def test_scores_and_predictions_are_the_same(
    corpora: dict[str, Manifest], container: str, tiny_ko: str, tmp_path: Path
) -> None:
    scores, predictions = {}, {}
    for name in ("loose", container):
        made = evaluate(tiny_ko, data=corpora[name], output=tmp_path / name, resamples=50, audio=True)
        scores[name] = made["tasks"]
        (file,) = (tmp_path / name).rglob("predictions/*.jsonl")
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()[1:]]
        predictions[name] = [{key: value for key, value in row.items() if key != "audio"} for row in rows]
    assert len(predictions["loose"]) == 12
    assert predictions[container] == predictions["loose"]
    assert scores[container] == scores["loose"]


@pytest.mark.slow(seconds=4)
def test_predict_takes_an_archive_and_a_url(corpora: dict[str, Manifest], tiny_ko: str) -> None:
    archive = corpora["zip"].root / "말뭉치.zip"
    assert len(list(clips_of(archive, None))) == 12
    name = corpora["loose"].utterance(0).audio
    paths = [corpora["loose"].root / name, archive / "소리" / name, f"memory://tones/{name}"]
    loose, *others = Predictor.load(tiny_ko, device="cpu").predict(paths)
    assert loose.get("error") is None
    for other in others:
        assert {**other, "id": "", "audio": ""} == {**loose, "id": "", "audio": ""}


def test_csv_names_recordings_in_an_archive_and_behind_urls(
    corpora: dict[str, Manifest], tmp_path: Path
) -> None:
    names = [row.audio for row in corpora["loose"]]
    placeholder = "x" * len("첫째".encode("cp949"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names[:3]:
            archive.write(corpora["loose"].root / name, f"{placeholder}/{name}")
    raw = (tmp_path / "a.zip").read_bytes().replace(placeholder.encode(), "첫째".encode("cp949"))
    (tmp_path / "a.zip").write_bytes(raw)
    written = [f"첫째/{names[0]}", f"첫째\\{names[1]}", f"memory://tones/{names[4]}", "첫째/other.flac"]
    (tmp_path / "list.csv").write_text(
        "path,text\n" + "".join(f"{name},가\n" for name in written), encoding="utf-8"
    )
    made = prepare("csv", tmp_path / "list.csv", {"audio_root": "a.zip"}, tmp_path / "out")
    assert [row.audio for row in made.manifest] == [
        f"첫째/{names[0]}",
        f"첫째/{names[1]}",
        f"memory://tones/{names[4]}",
    ]
    assert [(row.audio, row.kind) for row in made.quarantined] == [("첫째/other.flac", "audio-missing")]
    lengths = [corpora["loose"].utterance(row).duration_s for row in (0, 1, 4)]
    assert made.manifest.durations_s.tolist() == pytest.approx(lengths)
    again = load_manifest(tmp_path / "out" / "manifest.parquet")
    assert check_manifest(again).quarantined == []


def test_lists_keep_the_place_of_a_recording(corpora: dict[str, Manifest], tmp_path: Path) -> None:
    for container in CONTAINERS:
        listed = write_list(tmp_path / f"{container}.jsonl", corpora[container])
        made = prepare("manifest", listed, {}, tmp_path / container)
        assert made.manifest.durations_s.tolist() == pytest.approx(corpora["loose"].durations_s.tolist())
        assert check_manifest(made.manifest).quarantined == []


def test_paths_in_python_may_lead_into_containers(corpora: dict[str, Manifest]) -> None:
    for container in CONTAINERS:
        manifest = corpora[container]
        data = make_manifest([manifest.audio_path(row) for row in manifest], emotion=["Kind"] * 12)
        assert data.durations_s.tolist() == pytest.approx(corpora["loose"].durations_s.tolist())
        assert check_manifest(data).quarantined == []


def test_quarantine_names_what_is_damaged(corpora: dict[str, Manifest], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.wav", "a.wav")
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    raw[20_000] ^= 1
    (tmp_path / "a.zip").write_bytes(raw)
    row = replace(corpora["loose"].utterance(0), audio="a.zip/a.wav", duration_s=1.0)
    result = check_manifest(write_manifest(tmp_path / "m.parquet", [row], root=tmp_path))
    assert [each.kind for each in result.quarantined] == ["archive-damaged"]
