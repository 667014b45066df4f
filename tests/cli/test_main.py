"""Bad input on the command line: one sentence, an exit code, no traceback, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soritune import __version__
from soritune.corpus.manifest import Manifest

pytestmark = pytest.mark.slow


def soritune(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "from soritune.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200", "HF_HUB_OFFLINE": "1"},
    )


def refused(*arguments: str | Path, cwd: Path | None = None) -> str:
    done = soritune(*arguments, cwd=cwd)
    assert done.returncode == 2, done.stderr[-500:]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_version_and_help_are_printed() -> None:
    assert soritune("--version").stdout.strip() == f"soritune {__version__}"
    shown = soritune("--help").stdout
    for verb in ("run", "prepare", "predict", "evaluate", "recipes", "demo"):
        assert f" {verb} " in shown


def test_recipes_are_listed() -> None:
    names = {row["name"] for row in json.loads(soritune("recipes", "--json").stdout)}
    assert {"emotion-3class", "child-phoneme"} <= names


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rum"], "No such command 'rum'"),
        (["run", "emotion-3clas"], "unknown recipe 'emotion-3clas'; known: bundled-encoder"),
        (["run", "emotion-3class", "train.epoch=3"], "train.epoch: unknown key; did you mean 'epochs'?"),
        (["run", "emotion-3class"], "data.root: missing"),
        (["run", "emotion-3class", "data=nowhere"], "nowhere"),
        (["run", "emotion-3class", "data=."], "error: "),
        (["train", "emotion-3class"], "error: "),
        (["predict", "clip.wav", "--bundle", "."], "error: "),
        (["model-info", "nothing-such"], "unknown recipe 'nothing-such'"),
    ],
)
def test_a_faulty_command_is_refused_with_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    before = set(tmp_path.rglob("*"))
    assert sentence in refused(*arguments, cwd=tmp_path)
    left = {
        path
        for path in set(tmp_path.rglob("*")) - before
        if path.is_file() and path.name != "quarantine.jsonl"
    }
    assert left == set()


def test_an_unwritable_output_is_reported(tones: Manifest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "run"
    sentence = refused("run", "demo", f"data={tones.path}", "data.source=manifest", "-o", place)
    assert "cannot be written to" in sentence


def test_a_hub_name_without_a_network_is_reported(tones: Manifest, tmp_path: Path) -> None:
    source = (f"data={tones.path}", "data.source=manifest", "split.given=null")
    sentence = refused("run", "child-phoneme", *source, "-o", tmp_path / "run")
    assert "facebook/wav2vec2-xls-r-300m" in sentence and "local folder" in sentence
    assert not (tmp_path / "run" / "bundles").exists()


def test_a_folder_without_a_model_is_reported(tones: Manifest, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sentence = refused(
        "run",
        "child-phoneme",
        f"data={tones.path}",
        "data.source=manifest",
        f"model.encoder={tmp_path / 'empty'}",
        "-o",
        tmp_path / "run",
    )
    assert "empty" in sentence


def test_the_log_is_written_to_the_named_file(tmp_path: Path) -> None:
    done = soritune("--log-level", "INFO", "--log-file", tmp_path / "log.txt", "recipes")
    assert done.returncode == 0
    assert (tmp_path / "log.txt").exists()
    refused("--log-file", tmp_path / "none" / "log.txt", "recipes")


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
)
def test_the_spin_count_is_set_unless_the_wait_policy_is(given: dict[str, str], found: str) -> None:
    """Set before torch is loaded, which reads it once, and only where the caller has not decided."""
    code = """
import os, sys
from soritune.cli import main
main.app = lambda **_: print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
main.main()
"""
    left = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=left | given)
    assert done.stdout.split() == [found, "False"], done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [("g2p", "네"), ("recipes", "--json")])
def test_full_output_is_one_sentence(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "soritune", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: the output cannot be written (") and ended.stderr.count("\n") == 1


def test_a_file_that_no_verb_checked_is_reported_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "none" / "x.txt"
    code = f"from soritune.cli import main; main.app = lambda **_: open({str(path)!r}); main.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert " ".join(done.stderr.split()) == (
        f"error: {path} cannot be used (there is no such file or folder); check the path, or give another one"
    )
