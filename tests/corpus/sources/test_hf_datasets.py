"""Data sets that `datasets` 5.2.0 wrote (`tests/corpus/layouts/hf_saved_5_2`), and tables made by pyarrow alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from tests.corpus.layouts.prepared import read, tone

from soritune.audio.waveform import read_audio
from soritune.corpus.preview import preview
from soritune.errors import ManifestError

SAVED = Path(__file__).parent.parent / "layouts" / "hf_saved_5_2"
AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder of `save_to_disk`: splits train (a WAV with a path, a FLAC without) and validation (the FLAC)."""
    shutil.copytree(SAVED, tmp_path / "corpus")
    return tmp_path / "corpus"


def table(file: Path, features: dict[str, Any] | None = None, **columns: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    made = pa.table(columns)
    if features is not None:
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(made, file)
    return file


def paths(*names: str | None) -> pa.Array:
    return pa.array([{"bytes": None, "path": name} for name in names], AUDIO)


def test_saved_splits_are_read_and_embedded_recordings_written(saved: Path, tmp_path: Path) -> None:
    result = read("hf-datasets", saved, tmp_path / "out", audio_folder="audio")
    first, second, third = result.rows.values()
    assert (first.id, first.text, first.speaker, first.emotion) == ("train-0000000", "안녕", "s0", "기쁨")
    assert (first.audio, first.extra) == (
        "audio/train-0000000-가_0.wav",
        {"extra_column": [1, 2], "split": "train"},
    )
    assert (second.audio, second.emotion) == ("audio/train-0000001.flac", "화남")
    assert (third.id, third.extra["split"], third.text) == ("validation-0000000", "val", "네")
    assert soundfile.info(saved / second.audio).frames == 800
    before = {file: file.stat().st_mtime_ns for file in (saved / "audio").iterdir()}
    read("hf-datasets", saved, tmp_path / "again", audio_folder="audio")
    assert {file: file.stat().st_mtime_ns for file in (saved / "audio").iterdir()} == before
    (saved / first.audio).write_bytes(b"RIFF of another recording")
    assert read("hf-datasets", saved, tmp_path / "out", audio_folder="audio").rejected == {}


def test_parquet_of_the_library_gives_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(SAVED.with_suffix(".parquet"), tmp_path / "data" / "train-00000-of-00001.parquet")
    settings = {"audio_folder": str(tmp_path / "elsewhere")}
    rows = read("hf-datasets", tmp_path / "data", tmp_path / "out", **settings).rows
    assert [(row.text, row.emotion, row.extra["split"]) for row in rows.values()] == [
        ("안녕", "기쁨", "train"),
        ("네", "화남", "train"),
    ]
    assert rows["train-0000000"].audio == str(tmp_path / "elsewhere" / "train-0000000-가_0.wav")


def test_embedded_recordings_without_a_folder_are_rejected(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="3 rejected; such as .*audio_folder=FOLDER"):
        read("hf-datasets", saved, tmp_path / "out")
    seen = preview("hf-datasets", saved, {})
    assert seen.rejected["audio-embedded"].count == 3
    assert seen.survey is not None and seen.survey.used["client_id"] == "speaker"
    assert not (saved / "audio").exists()


def test_paths_columns_and_faulty_rows(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    for name in ("a", "b"):
        tone(root / f"{name}.wav", 2.0)
    table(
        root / "test.parquet",
        audio=paths("a.wav", "b.wav", "/home/them/c.wav", None),
        id=["u1", "u2", "u3", "u4"],
        transcription=["네", "아니요", "어", "음"],
        age=["7세", "8", "old", "9"],
        begin=[0.5, None, None, None],
        end=[1.0, None, None, None],
    )
    fields = {"start_s": "begin", "end_s": "end"}
    result = read("hf-datasets", root, tmp_path / "out", fields=fields, drop_prefix="/home/them")
    assert (result.rows["u1"].start_s, result.rows["u1"].duration_s, result.rows["u1"].age) == (0.5, 0.5, 7.0)
    assert (result.rows["u2"].text, result.rows["u2"].start_s) == ("아니요", None)
    assert result.rejected["u3"][0] == "audio-missing"
    assert result.rejected["test-0000003"] == ("audio-unnamed", "test.parquet row 3: has no recording")


def test_audio_folder_without_embedded_recordings_is_noted(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    table(tmp_path / "train.parquet", audio=paths("a.wav"))
    result = read("hf-datasets", tmp_path, tmp_path / "out", audio_folder="audio")
    assert list(result.notes) == ["audio_folder is not used, because no recording is inside a table"]


def test_names_of_labels_come_from_the_features(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    features = {"clip": {"_type": "Audio"}, "mood": {"_type": "ClassLabel", "names": ["기쁨", "화남"]}}
    table(tmp_path / "train.parquet", features, clip=paths("a.wav", "a.wav"), mood=[1, -1], path=["x", "x"])
    result = read("hf-datasets", tmp_path, tmp_path / "out", fields={"emotion": "mood"})
    assert [row.emotion for row in result.rows.values()] == ["화남", None]  # -1 is a missing label


def test_splits_can_be_chosen(saved: Path, tmp_path: Path) -> None:
    rows = read("hf-datasets", saved, tmp_path / "out", audio_folder="audio", splits=["validation"]).rows
    assert list(rows) == ["validation-0000000"]
    with pytest.raises(ManifestError, match="has no split 'test'; there are: train, validation"):
        read("hf-datasets", saved, tmp_path / "out", splits=["test"])


def test_damaged_and_missing_files_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no column 'mood' .*there are: audio, sentence"):
        read("hf-datasets", saved, tmp_path / "out", fields={"emotion": "mood"})
    arrow = saved / "train" / "data-00000-of-00001.arrow"
    arrow.write_bytes(b"not arrow at all")
    with pytest.raises(ManifestError, match=r"data-00000-of-00001\.arrow: cannot be read"):
        read("hf-datasets", saved, tmp_path / "out")
    arrow.unlink()
    with pytest.raises(ManifestError, match=r"is named in state\.json and does not exist"):
        read("hf-datasets", saved, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="holds no data set of Hugging Face"):
        read("hf-datasets", tmp_path / "empty", tmp_path / "out")


@pytest.mark.parametrize("kind", [".parquet", ".arrow"])
def test_samples_in_the_table_are_written_as_recordings(kind: str, tmp_path: Path) -> None:
    """Rows as `datasets` decodes them, stored again: mono, stereo, one without samples and one without a rate."""
    rng = np.random.default_rng(0)
    mono, stereo = rng.normal(0, 0.1, 8000).astype(np.float32), rng.normal(0, 0.1, (2, 4000))
    for name, array in {"mono": [mono, [], None], "stereo": [stereo.tolist()]}.items():
        rates = [16000, 16000, None][: len(array)]
        audio = pa.StructArray.from_arrays(
            [pa.array(["/old/가.mp3", None, None][: len(array)]), pa.array(array), pa.array(rates)],
            ["path", "array", "sampling_rate"],
        )
        rows = pa.table({"audio": audio, "text": ["네", "아니요", "어"][: len(array)]})
        folder = tmp_path / name
        folder.mkdir()
        if kind == ".parquet":
            pq.write_table(rows, folder / "train.parquet")
        else:
            with pa.ipc.new_stream(str(folder / "data-00000.arrow"), rows.schema) as writer:
                writer.write_table(rows)
            (folder / "state.json").write_text('{"_data_files": [{"filename": "data-00000.arrow"}]}')
    seen = read("hf-datasets", tmp_path / "mono", tmp_path / "out", audio_folder="audio")
    (row,) = seen.rows.values()
    assert (row.text, row.sample_rate_hz, row.duration_s) == ("네", 16000, 0.5)
    assert np.array_equal(read_audio(seen.root / row.audio), mono)
    assert sorted(kind for kind, _ in seen.rejected.values()) == ["audio-unnamed", "audio-unnamed"]
    seen = read("hf-datasets", tmp_path / "stereo", tmp_path / "out", audio_folder="audio")
    (row,) = seen.rows.values()
    assert np.array_equal(read_audio(seen.root / row.audio, channel=1), stereo[1].astype(np.float32))
