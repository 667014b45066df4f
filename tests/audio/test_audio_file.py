"""A file on disk and the same bytes in memory open alike."""

from __future__ import annotations

from pathlib import Path

import soundfile

from soritune.audio.audio_file import AudioFile


def test_bytes_open_as_the_file_that_has_them(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, [0.0, 0.5, -0.5], 16000)
    loose, contained = AudioFile.of(path), AudioFile(Path("b.zip/a.wav"), path.read_bytes())
    assert AudioFile.of(contained) is contained
    with loose.open() as one, contained.open(buffering=0) as other:
        assert one.read() == other.read()
    assert soundfile.read(loose.source)[0].tolist() == soundfile.read(contained.source)[0].tolist()
