"""A synthetic corpus depends only on its settings, can be interrupted anywhere, and its parts share no voice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.corpus.synthetic.pausing import VOICES

from soritune.audio.waveform import read_audio, read_header
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.corpus.synthetic.factory import FORMAT, synthesize
from soritune.corpus.synthetic.settings import SynthesisSettings
from soritune.corpus.synthetic.voice_work import make_voice, read_rows, rows_file
from soritune.errors import OutputError
from soritune.tasks.mispronunciation import MispronunciationConfig, MispronunciationTask

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
LIMIT_S = 240.0
"""A process that takes longer hangs."""
SMALL = {"utterances_per_voice": 3, "hours": 0.005, "seed": 4}


def make_corpus(root: Path, workers: int = 1, **settings: object) -> Manifest:
    return synthesize(root, SynthesisSettings(**{**SMALL, **settings}), workers=workers)  # type: ignore[arg-type]


@contextmanager
def paused_synthesis(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in its own group that makes a corpus and waits at its second voice (`pausing.py`)."""
    options = ["--hours", "0.2", "--seed", "4", "--workers", "2", "--set", "utterances_per_voice=3"]
    running = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("pausing.py")), "synthesize", str(root), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    began = time.monotonic()
    try:
        while not root.with_suffix(".waiting").exists():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() - began < LIMIT_S
            time.sleep(0.05)
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "synthesis.json")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_corpus_depends_only_on_the_seed_with_any_workers_and_interruptions(tmp_path: Path) -> None:
    alone = make_corpus(tmp_path / "a", test_hours=0.002)
    assert alone.hours >= 0.007
    make_corpus(tmp_path / "b", workers=2, test_hours=0.002)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    make_corpus(tmp_path / "c", hours=0.002, test_hours=0.002)  # less at first, then the rest
    make_corpus(tmp_path / "c", test_hours=0.002)
    assert contents(tmp_path / "a") == contents(tmp_path / "c")
    other = make_corpus(tmp_path / "d", seed=5)
    assert not {u.text for u in alone} & {u.text for u in other}
    assert not set(alone.ids) & set(other.ids)


def test_seed_gives_the_same_speech_as_in_earlier_versions(tmp_path: Path) -> None:
    """Interrupted corpora are resumed by later versions. If this hash changes, `FORMAT` must change."""
    settings, drawn = SynthesisSettings(seed=4, utterances_per_voice=3), []
    for part in ("train", "test"):
        make_voice(tmp_path, settings, part, 1)
        drawn += [[u.text, u.phones, u.script_id, u.extra] for u in read_rows(rows_file(tmp_path, part, 1))]
    assert drawn[0][0] == "슐븽뒤찍퐘 뾈 쑨욕뎡"
    digest = hashlib.sha256(json.dumps(drawn, sort_keys=True).encode()).hexdigest()
    assert (FORMAT, digest[:16]) == (2, "19c5814958294191")
    assert set(settings.identity()) == {
        *(
            "seed",
            "utterances_per_voice",
            "syllables",
            "most_syllables",
            "pauses",
            "linked",
            "voices",
            "recording",
        )
    }


@pytest.mark.slow
def test_mispronunciations_change_only_the_phones(tmp_path: Path) -> None:
    settings = {"rate": 0.25, "fluent": 0.0}
    without = make_corpus(tmp_path / "a", hours=0.001)
    changed = make_corpus(tmp_path / "b", hours=0.001, mispronunciations=settings)
    task = MispronunciationTask(
        MispronunciationConfig(labels="correct-substituted-deleted-inserted", inventory="korean")
    )
    differing = 0
    for right, wrong in zip(without, changed, strict=True):
        assert (wrong.text, wrong.speaker, wrong.extra["variant"]) == (
            right.text,
            right.speaker,
            right.extra["variant"],
        )
        assert [p for p in wrong.canonical if p != "sil"] == [p for p in right.phones if p != "|"]
        reference = task.reference(wrong)
        assert reference is not None and reference["phones"] == [p for p in wrong.phones if p != "|"]
        assert wrong.phones.count("|") == right.phones.count("|")
        assert all(target is not None for target in task.targets(wrong).values())
        differing += wrong.perceived != wrong.canonical
        assert right.canonical is None and right.error_labels is None
    assert differing
    with pytest.raises(OutputError, match="made with another mispronunciations"):
        make_corpus(tmp_path / "a", mispronunciations=settings)


@pytest.mark.slow
def test_styles_are_equally_frequent_and_change_no_word(tmp_path: Path) -> None:
    without = make_corpus(tmp_path / "a", hours=0.004)
    changed = make_corpus(tmp_path / "b", hours=0.004, styles=["Anxious", "Kind", "Dry"])
    assert {u.emotion for u in without} == {None}
    styles = Counter((u.speaker, u.emotion) for u in changed)
    assert set(styles.values()) == {1} and len(styles) == 3 * len({u.speaker for u in changed})
    texts = {u.id: u.text for u in without}
    assert all(texts.get(u.id, u.text) == u.text for u in changed)
    with pytest.raises(ValidationError, match="unknown style 'Angry'; known: Anxious, Kind, Dry"):
        SynthesisSettings(styles=["Angry"])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers in /proc")
def test_worker_ended_by_the_system_is_reported_and_finished_voices_kept(tmp_path: Path) -> None:
    with paused_synthesis(tmp_path / "a") as running:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        (tmp_path / "a.continue").touch()
        _, errors = running.communicate(timeout=LIMIT_S)
    finished = tmp_path / "a" / "voices" / "train"
    assert running.returncode == 2
    assert "a process that makes speech was ended from outside" in errors
    assert "finished voices are kept and the same command resumes" in errors
    assert "Traceback" not in errors and len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "a" / "manifest.parquet").exists()
    kept = {path: path.stat().st_mtime_ns for path in finished.glob("*.jsonl")}
    assert len(kept) >= VOICES
    make_corpus(tmp_path / "a", hours=0.01)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items() if path.exists())


@pytest.mark.slow
def test_parts_share_no_voice_variant_or_sentence(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path, hours=0.01, val_hours=0.01, test_hours=0.01)
    splits = load_splits(tmp_path / "splits.parquet")
    for field in (lambda u: u.speaker, lambda u: u.extra["variant"], lambda u: u.script):
        train, val, test = (
            {field(manifest.utterance(int(row))) for row in splits.indices(manifest, name)}
            for name in ("train", "val", "test")
        )
        assert train and val and test
        assert not (train & val or train & test or val & test)


def test_rows_agree_with_their_files(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path)
    for utterance in manifest:
        header = read_header(tmp_path / utterance.audio)
        assert (header.sample_rate_hz, header.num_channels) == (16000, 1)
        assert header.duration_s == pytest.approx(utterance.duration_s)
        assert utterance.source == "synthetic"
        assert utterance.extra["synthetic"] is True
        assert utterance.phones
        waveform = read_audio(tmp_path / utterance.audio)
        assert abs(waveform).max() == pytest.approx(10 ** (utterance.extra["peak_db"] / 20), rel=0.01)


def test_corpus_of_other_settings_is_refused(tmp_path: Path) -> None:
    make_corpus(tmp_path / "a", hours=0.001)
    with pytest.raises(OutputError, match="made with another seed"):
        make_corpus(tmp_path / "a", seed=5)
    with pytest.raises(OutputError, match=r"recording\.telephone"):
        make_corpus(tmp_path / "a", recording={"telephone": 0.5})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no synthetic corpus"):
        make_corpus(tmp_path / "b")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["mine.txt"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_run_is_resumed(tmp_path: Path, signal_number: signal.Signals) -> None:
    with paused_synthesis(tmp_path / "a") as running:
        os.killpg(running.pid, signal_number)
        running.communicate(timeout=LIMIT_S)
    assert running.returncode == (130 if signal_number == signal.SIGINT else -9)
    assert not (tmp_path / "a" / "manifest.parquet").exists()
    finished = tmp_path / "a" / "voices" / "train"
    kept = {path: path.stat().st_mtime_ns for path in finished.glob("*.jsonl")}
    assert len(kept) >= VOICES
    make_corpus(tmp_path / "a", hours=0.05)
    make_corpus(tmp_path / "b", hours=0.05)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    assert json.loads((tmp_path / "a" / "synthesis.json").read_text())["settings"]["seed"] == 4
