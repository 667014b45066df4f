"""Which rows or files a model is run on, and what the predictions file states about them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import Splits
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, BundleError, SplitError
from soritune.inference.predictions import read_predictions
from soritune.inference.predictor import Predictor
from soritune.stages.predict import default_model, find_files, predict_rows, select_rows


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Ten rows, the last one of synthetic speech."""
    rows = [
        Utterance(
            id=f"u{k}",
            audio=f"{k}.wav",
            duration_s=1.0,
            speaker=f"s{k}",
            source="synthetic" if k == 9 else "made",
        )
        for k in range(10)
    ]
    return write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)


def write_splits(manifest: Manifest, path: Path) -> Path:
    """Six rows for training, two for validation, two for test."""
    codes = np.array([0] * 6 + [1] * 2 + [2] * 2, dtype=np.int8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Splits(manifest.column("id").combine_chunks(), codes, {"by": ["speaker"]}).save(path)
    return path


def test_all_rows_are_selected_without_splits(manifest: Manifest, tmp_path: Path) -> None:
    rows, data = select_rows(tmp_path / "m.parquet", None, "test", bundles=[])
    assert len(rows) == 10
    assert data == {
        "manifest_hash": manifest.hash,
        "split": "all",
        "root": str(tmp_path.resolve()),
        "synthetic": True,
    }


def test_a_split_is_selected_with_its_policy(manifest: Manifest, tmp_path: Path) -> None:
    splits = write_splits(manifest, tmp_path / "s.parquet")
    rows, data = select_rows(tmp_path / "m.parquet", splits, "val", bundles=[])
    assert rows.ids == ["u6", "u7"]
    assert (data["split"], data["policy"], data["synthetic"]) == ("val", {"by": ["speaker"]}, False)
    assert data["manifest_hash"] == manifest.hash  # of the whole file


def test_rows_that_a_bundle_was_trained_on_are_counted(
    manifest: Manifest, fakes: ModuleType, tmp_path: Path
) -> None:
    fakes.make_bundle(tmp_path / "run" / "bundles" / "last", [fakes.emotion_task()])
    write_splits(manifest, tmp_path / "run" / "splits.parquet")
    _, data = select_rows(
        tmp_path / "m.parquet", None, "all", bundles=[tmp_path / "run" / "bundles" / "last"]
    )
    assert data["seen"] == {"train": 6, "val": 2}


def test_an_empty_split_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    codes = np.zeros(10, dtype=np.int8)
    Splits(manifest.column("id").combine_chunks(), codes, {}).save(tmp_path / "s.parquet")
    with pytest.raises(SplitError, match=r"the split 'test' of .*m\.parquet has no utterance"):
        select_rows(tmp_path / "m.parquet", tmp_path / "s.parquet", "test", bundles=[])


def test_files_are_kept_and_folders_are_searched(tmp_path: Path) -> None:
    folder = tmp_path / "소리"
    folder.mkdir()
    for name in ("b.wav", "a.FLAC", "notes.txt"):
        (folder / name).write_bytes(b"")
    missing = tmp_path / "missing.wav"
    assert {path.name for path in find_files([folder])} == {"a.FLAC", "b.wav"}
    # A missing file beside an existing one becomes a row with an error, not a refusal.
    assert find_files([missing, folder / "b.wav"]) == [missing, folder / "b.wav"]


def test_paths_without_audio_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"missing\.wav: does not exist"):
        find_files([tmp_path / "missing.wav"])
    with pytest.raises(AudioError, match="holds no audio file"):
        find_files([tmp_path])
    (tmp_path / "m.jsonl").write_text("{}")
    with pytest.raises(AudioError, match=r"is not audio; .*--manifest .*m\.jsonl"):
        find_files([tmp_path / "m.jsonl"])


def test_the_default_model_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_model() == "soritune/ko-base"
    monkeypatch.setattr("soritune.stages.predict.packaged_models", lambda: [])
    with pytest.raises(BundleError, match="no model was given"):
        default_model()


def test_predicted_rows_are_written_and_watched_and_unusable_rows_follow(
    fakes: ModuleType, tmp_path: Path
) -> None:
    predictor = Predictor([fakes.member([fakes.emotion_task()])])
    soundfile.write(tmp_path / "a.wav", np.full(16000, 0.1), 16000)
    watched = []

    def watch(rows):  # type: ignore[no-untyped-def]
        for row in rows:
            watched.append(row["id"])
            yield row

    unusable = [{"id": "bad", "audio": "bad.wav", "error": "is empty"}]
    rows = [Utterance(id="u0", audio="a.wav", duration_s=1.0, speaker="s", emotion="calm")]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    selected, data = select_rows(tmp_path / "m.parquet", None, "all", bundles=[])
    predict_rows(predictor, selected, tmp_path / "p.jsonl", data=data, unusable=unusable, watch=watch)
    predictions = read_predictions(tmp_path / "p.jsonl")
    assert watched == [row["id"] for row in predictions.rows] == ["u0", "bad"]
    assert predictions.rows[0]["groups"]["split"] == "all"
    assert predictions.header.data.manifest_hash == manifest.hash
    watched.clear()
    predict_rows(predictor, selected, None, data=data, watch=watch)
    assert watched == ["u0"]


def test_model_among_the_audio_paths_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "run" / "bundles").mkdir(parents=True)
    for model in (Path("soritune/tiny-ko"), tmp_path / "run"):
        with pytest.raises(AudioError, match="is a model, not audio; give it as --bundle"):
            find_files([tmp_path / "a.wav", model])


def test_folder_without_audio_beside_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match="empty: holds no audio file"):
        find_files([tmp_path / "a.wav", tmp_path / "empty"])
