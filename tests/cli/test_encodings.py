"""Standard output in other encodings than UTF-8, and ids with escape sequences: a finished command ends with 0."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import yaml
from tests.conftest import write_tones

from soritune.corpus.manifest import write_manifest
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow
ENCODINGS = ["utf-8", "cp949", "euc_kr", "latin-1", "ascii"]
HOSTILE = "\x1b[2J\x9b31m\u202e 똠 – é😀"
"""An escape sequence in two forms, a mark that reorders text, and characters that CP949, EUC-KR or Latin-1 lack."""
VERBS = """
import contextlib, json, sys
from soritune.cli.main import main
for line in open("verbs.json", encoding="utf-8"):
    words = json.loads(line)
    sys.argv = ["soritune", *words]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, (words, end.code)
"""


def run_verbs(folder: Path, encoding: str, verbs: list[list[str]]) -> tuple[str, str]:
    """Runs verbs one after the other in one process; returns what they print."""
    (folder / "verbs.json").write_text("\n".join(map(json.dumps, verbs)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", VERBS],
        cwd=folder,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "300", "HF_HUB_OFFLINE": "1"},
    )
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert done.returncode == 0, out[-2000:] + err[-2000:]
    assert "Traceback" not in err and "Logging error" not in err, err
    assert not set(out + err) & {"\x1b", "\x9b", "\u202e"}
    return out, err


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A manifest of tones whose ids, speakers, texts and one file name are hostile, and a toy recipe."""
    rows = write_tones(tmp_path, speakers=5, per_style=1)
    audio = f"{HOSTILE}.flac"
    os.rename(tmp_path / rows[0].audio, tmp_path / audio)
    lines = [
        {
            "id": row.id + HOSTILE,
            "audio": audio if row is rows[0] else row.audio,
            "speaker": f"{row.speaker}{HOSTILE}",
            "emotion": row.emotion,
            "text": row.text,
            "gender": row.gender,
        }
        for row in rows
    ]
    lines.append({"id": f"missing{HOSTILE}", "audio": f"none{HOSTILE}.flac", "speaker": "s0"})
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / "m.jsonl").write_text(text, encoding="utf-8")
    recipe = {
        "name": "toy",
        "data": {"source": "manifest", "root": "m.jsonl"},
        "split": {"by": ["speaker"], "ratios": {"train": 0.6, "val": 0.2, "test": 0.2}},
        "tasks": {"emotion": {"labels": ["Anxious", "Kind", "Dry"]}},
        "model": {"encoder": "none", "random_weights": True, "architecture": tiny_config(norm="layer")},
        "batches": {"padded_seconds": 6.0, "num_workers": 0},
        "evaluate": {"resamples": 100},
        "train": {"learning_rate": 1e-3, "device": "cpu", "threads": 1, "max_steps": 2},
    }
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_corpus_verbs_end_in_every_encoding(corpus: Path, encoding: str) -> None:
    verbs = [
        ["--help"],
        ["prepare", "--help"],
        ["sources", "preview", "manifest", "m.jsonl"],
        ["prepare", "manifest", "m.jsonl", "--out", "out"],
        ["check", "out/manifest.parquet", "--out", "out"],
        ["split", "out/checked.parquet", "--out", "out/splits.parquet", "--by", "speaker"],
        ["recipes"],
        ["g2p", "닭 – 똠방각하", "--explain"],
        ["model-info", "demo"],
    ]
    out, _ = run_verbs(corpus, encoding, verbs)
    assert "\\x1b[2J" in out


@pytest.mark.parametrize("encoding", ["cp949", "ascii"])
def test_training_and_evaluation_end_in_every_encoding(corpus: Path, encoding: str) -> None:
    verbs = [
        ["--log-level", "DEBUG", "--log-file", "log.txt", "run", "toy.yaml", "-o", "run"],
        ["score", "run/predictions/test.jsonl"],
        ["compare", "run", "run"],
        ["predict", "--manifest", "run/checked.parquet", "-b", "run", "--output", "p.jsonl"],
    ]
    out, _ = run_verbs(corpus, encoding, verbs)
    assert "\\x1b[2J" in out
    for file in ("log.txt", "run/report.txt", "run/train.log"):
        assert not set((corpus / file).read_text(encoding="utf-8")) & {"\x1b", "\x9b", "\u202e"}
    assert "\\x1b[2J" in (corpus / "log.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_on_standard_output_is_whole_in_every_encoding(corpus: Path, encoding: str) -> None:
    verb = ["sources", "preview", "manifest", "m.jsonl", "--json"]
    out, _ = run_verbs(corpus, encoding, [verb])
    assert json.loads(out)["rows"][0]["id"] == f"s0_Anxious_0{HOSTILE}"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such file names")
def test_file_name_that_is_not_text_is_one_failed_row(tmp_path: Path) -> None:
    """Names in CP949, as archives of other systems leave them; libsndfile cannot open them."""
    folder = tmp_path / "clips"
    folder.mkdir()
    rows = write_tones(folder, speakers=1, per_style=1)
    data, rate = soundfile.read(folder / rows[0].audio)
    name = os.path.join(os.fsencode(folder), "가나.wav".encode("cp949"))
    with open(name, "wb") as stream:
        soundfile.write(stream, data, rate, format="WAV")
    done = subprocess.run(
        [sys.executable, "-m", "soritune", "predict", "clips", "--output", "p.jsonl"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    read = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()[1:]]
    (failed,) = [row for row in read if "error" in row]
    assert "cannot hold; rename it" in failed["error"]
    assert os.fsencode(failed["audio"]).endswith("가나.wav".encode("cp949"))
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=folder)
    assert len(manifest) == 3
