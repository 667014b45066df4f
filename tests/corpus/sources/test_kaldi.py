"""Data folders written from Kaldi's description of "data preparation", with its usual faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.corpus.layouts.prepared import read, tone

from soritune.errors import ManifestError


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("wav_scp", "wav.scp")).write_text(text, encoding="utf-8")
    return folder


def test_recordings_without_segments_are_utterances(tmp_path: Path) -> None:
    tone(tmp_path / "corpus" / "wav" / "가 1.wav")
    tone(tmp_path / "corpus" / "wav" / "b.wav", 2.0)
    write(
        tmp_path / "corpus",
        wav_scp="s1-a wav/가 1.wav\ns2-b  \t wav/b.wav\n",
        text="s1-a 안녕  하세요\ns2-b 네\n",
        utt2spk="s1-a s1\ns2-b s2\n",
        spk2gender="s1 f\ns2 m\n",
        spk2age="s1 7\ns2 만 8세\n",
        utt2emo="s2-b 기쁨\n",
        utt2dialect="s1-a 서울\n",
        spk2utt="s1 s1-a\ns2 s2-b\n",
        utt2dur="s1-a 9.0\ns2-b 9.0\n",
    )
    result = read("kaldi", tmp_path / "corpus", tmp_path / "out")
    first, second = result.rows["s1-a"], result.rows["s2-b"]
    assert (first.audio, first.speaker, first.text, first.gender, first.age) == (
        "wav/가 1.wav",
        "s1",
        "안녕  하세요",
        "f",
        7.0,
    )
    assert (second.emotion, second.age, second.duration_s, second.start_s) == ("기쁨", 8.0, 2.0, None)
    assert first.extra == {"dialect": "서울"} and first.language == "ko" and first.text_source == "gold"
    assert result.rejected == {}


def test_segments_are_stretches_of_recordings_with_channels(tmp_path: Path) -> None:
    tone(tmp_path / "corpus" / "call.wav", 4.0, 8000, channels=2)
    tone(tmp_path / "corpus" / "rest.wav")
    write(
        tmp_path / "corpus",
        wav_scp="call-1 call.wav\ncall-2 call.wav\nrest rest.wav\n",
        segments="a call-1 0.5 1.5\nb call-2 2 -1\nc call-1 1.0 0.5\nd nowhere 0 1\ne call-1 0\n",
        reco2file_and_channel="call-1 call A\ncall-2 call B\n",
        text="a 네\nb 아니요\nf 누구\n",
        utt2spk="a A\nb B\nc A\n",
    )
    result = read("kaldi", tmp_path / "corpus", tmp_path / "out")
    a, b = result.rows["a"], result.rows["b"]
    assert set(result.rows) == {"a", "b"}
    assert (a.start_s, a.duration_s, a.channel, a.speaker) == (0.5, 1.0, 0, "A")
    assert (b.start_s, b.duration_s, b.channel, b.text) == (2.0, 2.0, 1, "아니요")  # -1: to the end
    assert (
        result.rejected["c"][0] == "field-value:duration_s" and "segments line 3" in result.rejected["c"][1]
    )
    assert result.rejected["d"] == (
        "recording-missing",
        "segments line 4: the recording 'nowhere' is not in wav.scp",
    )
    assert result.rejected["e"][0] == "segment-format" and "segments line 5" in result.rejected["e"][1]
    assert result.rejected["f"] == ("recording-missing", "text line 3: has no recording")
    assert result.notes["recording in wav.scp without a segment (not read)"] == 1


def test_commands_and_archives_are_rejected_and_never_run(tmp_path: Path) -> None:
    tone(tmp_path / "corpus" / "a.wav")
    write(
        tmp_path / "corpus",
        wav_scp=(
            f"a a.wav\nb touch {tmp_path}/ran; cat a.wav |\nc dump/raw.ark:1234\nd\na a.wav\ne missing.wav\n"
        ),
        utt2spk="a s\n",
    )
    result = read("kaldi", tmp_path / "corpus", tmp_path / "out")
    assert set(result.rows) == {"a"} and not (tmp_path / "ran").exists()
    kind, reason = result.rejected["b"]
    assert kind == "audio-command" and reason.startswith("wav.scp line 2: is a command (")
    assert "commands of a data folder are never run" in reason
    assert result.rejected["c"][0] == "audio-archive"
    assert result.rejected["d"][0] == "audio-unnamed"
    assert result.rejected["a"] == (
        "key-repeated",
        "wav.scp line 5: 'a' is already on line 1; the first line counts",
    )
    assert result.rejected["e"][0] == "audio-missing"


def test_folder_of_commands_alone_is_refused_in_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "corpus", wav_scp="a sph2pipe -f wav a.sph |\nb sph2pipe -f wav b.sph |\n")
    with pytest.raises(ManifestError, match="nothing in it can be used .*2 rejected; such as .*is a command"):
        read("kaldi", tmp_path / "corpus", tmp_path / "out")


def test_folders_of_a_recipe_give_the_split_and_paths_from_above(tmp_path: Path) -> None:
    """ESPnet: data/train/wav.scp with paths relative to the recipe's folder."""
    for name in ("train", "dev", "test_other"):
        tone(tmp_path / "asr1" / "downloads" / f"{name}.flac")
        write(
            tmp_path / "asr1" / "data" / name,
            wav_scp=f"{name}-1 downloads/{name}.flac\n",
            utt2spk=f"{name}-1 {name}\n",
            text=f"{name}-1 네\n",
        )
    for root in (tmp_path / "asr1", tmp_path / "asr1" / "data"):
        result = read("kaldi", root, tmp_path / "out")
        assert {row.extra["split"] for row in result.rows.values()} == {"train", "val", "test"}
        assert len(result.rows) == 3
    only = read("kaldi", tmp_path / "asr1", tmp_path / "out", folders=["data/dev"], audio_root=".")
    assert set(only.rows) == {"dev-1"}


def test_utterance_without_a_text_is_kept_and_noted(tmp_path: Path) -> None:
    tone(tmp_path / "corpus" / "a.wav")
    tone(tmp_path / "corpus" / "b.wav")
    write(tmp_path / "corpus", wav_scp="a a.wav\nb b.wav\n", text="a 네\n", utt2spk="a s\nb s\n")
    result = read("kaldi", tmp_path / "corpus", tmp_path / "out")
    assert result.rows["b"].text is None and sum(result.notes.values()) == 1
    required = read("kaldi", tmp_path / "corpus", tmp_path / "out", required=["text"])
    assert set(required.rows) == {"a"} and required.rejected["b"][0] == "field-missing:text"


def test_folder_without_wav_scp_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no wav\.scp, nor does a folder in it"):
        read("kaldi", tmp_path, tmp_path / "out")
    with pytest.raises(ManifestError, match=r"holds no wav\.scp"):
        read("kaldi", tmp_path, tmp_path / "out", folders=["data/train"])
