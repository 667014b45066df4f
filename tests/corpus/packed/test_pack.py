"""A packed corpus reads as the loose one, and packing can be interrupted anywhere."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.preprocessing import Preprocessing
from soritune.audio.waveform import read_audio
from soritune.corpus.audio_hashes import audio_hashes, stored_audio_hashes
from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.packed.pack import Packed, pack
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError, OutputError
from soritune.stages.check import check_rows


def corpus(folder: Path, count: int = 24, seconds: float = 0.3) -> Manifest:
    """Short 16-bit clips at 16 kHz of noise, so that no two are alike."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(count):
        file = folder / "소리" / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, rng.integers(-9000, 9000, round(seconds * 16000), dtype=np.int16), 16000)
        rows.append(
            Utterance(
                id=f"{number}", audio=f"소리/{number}.wav", duration_s=seconds, speaker=f"s{number % 4}"
            )
        )
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a packed folder by its path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def read(manifest: Manifest, row: Utterance, rate: int = 16000) -> np.ndarray:
    return Preprocessing(sample_rate_hz=rate).read(
        manifest.audio_path(row), row.start_s, row.duration_s, row.channel, row.pcm
    )


def test_16_bit_sources_at_16_khz_come_back_sample_for_sample(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mono, stereo = (rng.integers(-32768, 32768, shape, dtype=np.int16) for shape in (64000, (64000, 2)))
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, mono, 16000, subtype="PCM_16")
    soundfile.write(tmp_path / "two.wav", stereo, 16000)
    mono.astype("<i2").tofile(tmp_path / "a.pcm")
    rows = [
        Utterance(id="wav", audio="a.wav", duration_s=4.0, text="가나"),
        Utterance(id="flac", audio="a.flac", duration_s=4.0, emotion="기쁨"),
        Utterance(id="pcm", audio="a.pcm", duration_s=4.0, extra={"pcm": "s16le:16000", "room": "큰 방"}),
        Utterance(id="right", audio="two.wav", duration_s=4.0, channel=1),
        Utterance(id="part", audio="a.wav", duration_s=1.23456, start_s=0.77777),
        Utterance(id="part of left", audio="two.wav", duration_s=0.5, start_s=3.5, channel=0, speaker="나"),
    ]
    loose = write_manifest(tmp_path / "manifest.parquet", rows, root=tmp_path)
    packed = pack(loose, tmp_path / "packed", rows_per_shard=4, workers=1).manifest
    for before, after in zip(loose, packed, strict=True):
        assert np.array_equal(read(loose, before), read(packed, after)), before.id
        # Everything else about the row is unchanged, so that plans, splits and scores are.
        assert replace(after, audio="", sample_rate_hz=None) == replace(
            before,
            audio="",
            start_s=None,
            channel=None,
            extra={name: value for name, value in before.extra.items() if name != "pcm"},
        )
    assert [row.audio for row in packed] == [
        *(f"shards/shard-00000.arrow/{row}.flac" for row in range(4)),
        *(f"shards/shard-00001.arrow/{row}.flac" for row in range(2)),
    ]


def test_other_sources_come_back_rounded_to_16_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    soundfile.write(tmp_path / "48.wav", rng.normal(0, 0.1, (96000, 2)), 48000, subtype="PCM_24")
    soundfile.write(tmp_path / "float.wav", rng.normal(0, 0.1, 16000), 16000, subtype="FLOAT")
    rows = [
        Utterance(id="a", audio="48.wav", duration_s=2.0),
        Utterance(id="b", audio="48.wav", duration_s=1.0, start_s=0.5, channel=1),
        Utterance(id="c", audio="float.wav", duration_s=1.0),
    ]
    loose = write_manifest(tmp_path / "manifest.jsonl", rows, root=tmp_path)
    packed = pack(loose, tmp_path / "packed", workers=1).manifest
    for before, after in zip(loose, packed, strict=True):
        exact, stored = read(loose, before), read(packed, after)
        assert np.array_equal(stored, np.rint(exact * 32768) / 32768)
        assert 0 < np.abs(stored - exact).max() <= 2.0**-16  # half a step of 16 bits


def test_the_number_of_processes_changes_no_byte(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in")
    for workers in (1, 2):
        reported: list[tuple[int, int]] = []
        packed = pack(
            loose,
            tmp_path / str(workers),
            rows_per_shard=5,
            workers=workers,
            progress=lambda done, total, to=reported: to.append((done, total)),  # type: ignore[misc]
        )
        assert packed.num_shards == packed.num_new == 5
        assert reported[0] == (0, 24)
        assert reported[-1] == (24, 24)
        assert len(packed.manifest) == 24
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_second_run_does_nothing(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in")
    first = pack(loose, tmp_path / "out", rows_per_shard=5, workers=1)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*")}
    second = pack(loose, tmp_path / "out", rows_per_shard=5, workers=1)
    after = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*")}
    assert before == after
    assert (second.num_new, second.num_bytes, second.seconds) == (0, first.num_bytes, first.seconds)
    assert second.manifest.hash == first.manifest.hash


def test_missing_shard_alone_is_packed_again(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in")
    pack(loose, tmp_path / "out", rows_per_shard=5, workers=1)
    whole = content(tmp_path / "out")
    (tmp_path / "out" / "shards" / "shard-00002.arrow").unlink()
    assert pack(loose, tmp_path / "out", rows_per_shard=5, workers=1).num_new == 1
    assert content(tmp_path / "out") == whole


def test_damaged_shard_is_named_by_its_checksum_and_packed_again(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in")
    packed = pack(loose, tmp_path / "out", rows_per_shard=5, workers=1)
    whole = content(tmp_path / "out")
    shard = tmp_path / "out" / "shards" / "shard-00001.arrow"
    raw = bytearray(shard.read_bytes())
    raw[raw.index(b"fLaC") + 1000] ^= 1  # in the first recording of the shard
    shard.write_bytes(raw)
    row = packed.manifest.utterance(5)
    with pytest.raises(AudioError, match=r"shard-00001\.arrow/0\.flac: is damaged: .* checksum [0-9a-f]{8}"):
        read(packed.manifest, row)
    assert len(read(packed.manifest, packed.manifest.utterance(6))) == 4800
    assert pack(loose, tmp_path / "out", rows_per_shard=5, workers=1).num_new == 0  # the size is unchanged
    again = pack(loose, tmp_path / "out", rows_per_shard=5, workers=1, verify=True)
    assert again.num_new == 1
    assert len(again.damaged) == 1
    assert "shard-00001.arrow is damaged: its sha256 is" in again.damaged[0]
    assert content(tmp_path / "out") == whole
    assert np.array_equal(read(again.manifest, row), read(loose, loose.utterance(5)))


def test_corrupt_and_vanished_files_are_set_aside_and_retried(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in", count=200, seconds=0.1)
    vanished, corrupt = (tmp_path / "in" / "소리" / f"{number}.wav" for number in (30, 170))
    kept = {file: file.read_bytes() for file in (vanished, corrupt)}
    vanished.unlink()
    corrupt.write_bytes(b"RIFF" + bytes(500))
    packed = pack(loose, tmp_path / "out", rows_per_shard=50, workers=1)
    assert len(packed.manifest) == 198
    assert packed.num_left_out == 2
    assert [
        (row.id, row.stage, row.kind) for row in read_quarantine(tmp_path / "out" / "quarantine.jsonl")
    ] == [
        ("30", "pack", "audio-missing"),
        ("170", "pack", "audio-damaged"),
    ]
    for row in packed.manifest:
        assert np.array_equal(
            read(packed.manifest, row), read_audio(tmp_path / "in" / "소리" / f"{row.id}.wav")
        )
    for file, bytes_ in kept.items():
        file.write_bytes(bytes_)
    assert pack(loose, tmp_path / "out", rows_per_shard=50, workers=1).num_new == 0
    whole = pack(loose, tmp_path / "out", rows_per_shard=50, workers=1, retry=True)
    assert (whole.num_new, len(whole.manifest), whole.num_left_out) == (2, 200, 0)
    pack(loose, tmp_path / "anew", rows_per_shard=50, workers=1)
    assert content(tmp_path / "out") == content(tmp_path / "anew")


def test_corpus_of_which_nothing_can_be_read_is_refused_and_tried_again(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in")
    (tmp_path / "in" / "소리").rename(tmp_path / "in" / "unmounted")
    with pytest.raises(ManifestError, match=r"none of its 24 rows could be packed; .*: does not exist"):
        pack(loose, tmp_path / "out", workers=1)
    (tmp_path / "in" / "unmounted").rename(tmp_path / "in" / "소리")
    assert len(pack(loose, tmp_path / "out", workers=1).manifest) == 24


def test_folder_of_another_corpus_is_refused(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in")
    pack(loose, tmp_path / "out", workers=1)
    with pytest.raises(OutputError, match="packed with another rows per shard"):
        pack(loose, tmp_path / "out", workers=1, rows_per_shard=7)
    with pytest.raises(OutputError, match="packed with another manifest hash"):
        pack(loose.select(np.arange(3)), tmp_path / "out", workers=1)
    (tmp_path / "out" / "pack.json").write_text("{")
    with pytest.raises(OutputError, match=r"pack\.json cannot be read"):
        pack(loose, tmp_path / "out", workers=1)


def test_hashes_of_check_stay_those_of_the_samples(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in")
    (tmp_path / "in" / "소리" / "3.wav").unlink()
    checked = check_rows(loose, tmp_path / "checked", []).clean
    clean = load_manifest(tmp_path / "checked" / "checked.parquet", root=tmp_path / "in")
    assert len(checked) == 23
    packed = pack(clean, tmp_path / "out", workers=1).manifest
    stored = stored_audio_hashes(packed)
    assert stored is not None
    (tmp_path / "out" / "audio_hashes.parquet").unlink()
    computed = audio_hashes(packed)
    assert computed is not None
    assert np.array_equal(stored.hashes, computed.hashes)
    assert (stored.hashes != 0).all()


_PACK = """
import sys
from pathlib import Path
from soritune.corpus.manifest import load_manifest
from soritune.corpus.packed.pack import pack
pack(load_manifest(sys.argv[1]), sys.argv[2], rows_per_shard=10, workers=2)
"""


def start(manifest: Path, output: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _PACK, str(manifest), str(output)])


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("moments", [4, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.skipif(sys.platform != "linux", reason="kills processes")
def test_killed_at_random_moments_it_resumes_to_the_same_bytes(tmp_path: Path, moments: int) -> None:
    loose = corpus(tmp_path / "in", count=400, seconds=2.0)
    began = time.monotonic()
    assert start(tmp_path / "in" / "manifest.parquet", tmp_path / "whole").wait(timeout=120) == 0
    lasts_s = time.monotonic() - began
    whole = content(tmp_path / "whole")
    rng = random.Random(5)
    kills, output = 0, tmp_path / "killed"
    finished: dict[str, int] = {}
    while kills < moments:
        process = start(tmp_path / "in" / "manifest.parquet", output)
        try:
            assert process.wait(timeout=rng.uniform(0.1, 0.9) * lasts_s) == 0
            # It ended before the moment came: what it left is whole, and the next one begins anew.
            assert content(output) == whole
            output = tmp_path / f"killed-{kills}"
            finished = {}
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            # A shard with a marker is finished, and the next run leaves it alone.
            shards = output / "shards"
            now = (
                {file.name: file.stat().st_mtime_ns for file in shards.glob("shard-*.json")}
                if shards.exists()
                else {}
            )
            assert all(now[name] == changed for name, changed in finished.items())
            finished = now
    assert start(tmp_path / "in" / "manifest.parquet", output).wait(timeout=120) == 0
    time.sleep(1.0)  # writers of a killed run end by themselves
    last: Packed = pack(loose, output, rows_per_shard=10, workers=1)
    assert last.num_new == 0
    assert content(output) == whole


def test_parts_of_files_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    loose = corpus(tmp_path / "in")
    parts = [tmp_path / "out" / name for name in (".manifest.0123abcd.parquet", ".pack.89abcdef.json")]
    parts[0].parent.mkdir()
    for part in parts:
        part.touch()
    pack(loose, tmp_path / "out", workers=1)
    assert not any(part.exists() for part in parts)
