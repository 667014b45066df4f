"""Failing inputs of users, kept outside the repository: recordings, by `predict` and by `prepare`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.corpus.prepare import prepare
from soritune.errors import ManifestError

pytestmark = pytest.mark.slow


def predicted(*arguments: str | Path) -> tuple[int, dict[str, dict[str, object]]]:
    """The exit status of `predict` with the packaged model, and its rows by the name of their file."""
    options = ["predict", *map(str, arguments), "--bundle", "soritune/tiny-ko", "--json"]
    result = CliRunner().invoke(app, options)
    rows = json.loads(result.stdout)["predictions"]
    return result.exit_code, {Path(row["audio"]).name: row for row in rows}


def test_streamed_wav_is_read_to_its_end(shared_cases: Path) -> None:
    status, rows = predicted(shared_cases / "A01_wav_length_zero" / "stream_zero.wav")
    assert (status, rows["stream_zero.wav"]["duration_s"]) == (0, 1.0)


def test_headerless_pcm_is_refused_and_read_as_stated(shared_cases: Path, tmp_path: Path) -> None:
    folder = shared_cases / "A02_headerless_pcm"
    status, rows = predicted(folder)
    assert status == 1 and len(rows) == 2
    assert all("is headerless PCM: no header states" in str(row["error"]) for row in rows.values())
    status, rows = predicted(folder, "--pcm", "s16le:16000")
    assert status == 0 and {row["duration_s"] for row in rows.values()} == {2.0}
    table = tmp_path / "list.csv"
    table.write_text("file_path,speaker\n" + "".join(f"{folder / name},a\n" for name in sorted(rows)))
    with pytest.raises(ManifestError, match="headerless PCM"):
        prepare("csv", table, {}, tmp_path / "out")
    manifest = prepare("csv", table, {"pcm": "s16le:16000"}, tmp_path / "out").manifest
    assert manifest.durations_s.tolist() == [2.0, 2.0]


def test_antiphase_channels_are_reported_with_the_setting(shared_cases: Path) -> None:
    file = shared_cases / "A04_antiphase_stereo" / "antiphase.wav"
    status, rows = predicted(file)
    assert status == 1 and "cancel each other in their mean; set channel" in str(rows[file.name]["error"])
    status, rows = predicted(file, "--channel", "0")
    assert status == 0 and "error" not in rows[file.name]


def test_git_lfs_pointer_is_named(shared_cases: Path, tmp_path: Path) -> None:
    file = shared_cases / "A06_lfs_pointer" / "clip.flac"
    status, rows = predicted(file)
    assert status == 1 and rows[file.name]["error"] == "is a Git LFS pointer, not audio; run: git lfs pull"
    (tmp_path / "list.csv").write_text(f"file_path,speaker\n{file},a\n")
    with pytest.raises(ManifestError, match="is a Git LFS pointer"):
        prepare("csv", tmp_path / "list.csv", {}, tmp_path / "out")
