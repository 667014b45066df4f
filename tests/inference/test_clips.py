import unicodedata
from pathlib import Path

import numpy as np
import pytest

from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.inference.clips import clips_of, clips_of_paths, clips_of_rows, clips_of_samples


def test_files_have_their_duration_and_unreadable_files_zero(clip, tmp_path):
    good, gone = clips_of_paths([clip("a.wav", 1.5), tmp_path / "gone.wav"])
    assert good.duration_s == pytest.approx(1.5)
    assert (gone.duration_s, gone.id) == (0.0, str(tmp_path / "gone.wav"))


def test_clips_of_samples_are_numbered():
    clips = list(clips_of_samples([(np.zeros(8000), 16000), (np.zeros((48000, 2)), 48000)]))
    assert [(clip.id, clip.duration_s) for clip in clips] == [("0", 0.5), ("1", 1.0)]


def test_rows_of_hugging_face_datasets_are_samples():
    audio = {"path": None, "array": np.zeros(8000), "sampling_rate": 16000}
    row = {"id": "u", "audio": audio, "text": "네"}
    alone, of_list, of_row = (next(iter(clips_of(given, None))) for given in (audio, [audio], [row]))
    for clip in (alone, of_list, of_row):
        assert (len(clip.samples[0]), clip.samples[1], clip.duration_s, clip.fault) == (
            8000,
            16000,
            0.5,
            None,
        )
    assert (of_row.id, of_row.request) == ("u", {"text": "네"})
    (wrong,) = clips_of([{"array": np.zeros(8000), "sampling_rate": "fast"}], None)
    assert "fast" in wrong.fault


def test_clips_of_rows_have_path_stretch_channel_and_groups(tmp_path):
    row = Utterance(id="u", audio="x.wav", duration_s=2.0, start_s=1.0, channel=1, text="가  나", snr_db=12.0)
    manifest = write_manifest(tmp_path / "m.jsonl", [row], root=tmp_path)
    (clip,) = clips_of_rows(manifest, {"split": "val"})
    assert (clip.path, clip.start_s, clip.duration_s, clip.channel) == (tmp_path / "x.wav", 1.0, 2.0, 1)
    assert clip.groups == {"script": "가 나", "snr_db": 12.0, "split": "val"}


def test_short_values_of_extra_are_groups_and_texts_are_not(tmp_path):
    extra = {"script_type": "plain-to-emotional", "text_script": "가" * 60, "round": 2}
    row = Utterance(id="u", audio="x.wav", duration_s=2.0, speaker="s", extra=extra)
    (clip,) = clips_of_rows(write_manifest(tmp_path / "m.jsonl", [row], root=tmp_path))
    assert clip.groups == {"speaker": "s", "script_type": "plain-to-emotional", "round": 2}


def test_requests_with_samples_take_a_channel_and_bad_values_are_faults():
    samples = (np.zeros((1600, 2), np.float32), 16000)
    requests = [
        {"audio": samples, "channel": 1},
        {"audio": samples, "channel": "1"},
        {"audio": "a.wav", "channel": True},
        {"audio": "a.pcm", "pcm": 16000},
        {"audio": ([[0.1], [0.1, 0.2]], 16000)},
    ]
    clips = list(clips_of(requests, None))
    assert clips[0].channel == 1 and clips[0].request == {} and clips[0].fault is None
    parts = ["channel is '1'", "channel is True", "pcm must be ENCODING:RATE", "array of numbers"]
    assert all(part in str(clip.fault) for part, clip in zip(parts, clips[1:], strict=True))


def test_folder_may_be_named_in_another_composition_of_hangul(clip, tmp_path):
    folder = tmp_path / unicodedata.normalize("NFD", "녹음")
    folder.mkdir()
    Path(clip("a.wav", 1.0)).rename(folder / "a.wav")
    (match,) = clips_of(str(tmp_path / unicodedata.normalize("NFC", "녹음")), None)
    assert match.path == folder / "a.wav"


def test_each_channel_is_a_clip_and_what_cannot_be_split_is_one():
    stereo, mono = (np.zeros((1600, 2), np.float32), 16000), (np.zeros(1600, np.float32), 16000)
    requests = [
        {"audio": stereo, "channel": "each", "id": "call", "text": "가"},
        {"audio": mono, "channel": "each"},
        {"audio": stereo, "channel": "right"},
        {"audio": "gone.wav", "channel": "each"},
        {"audio": stereo, "channel": "both"},
    ]
    clips = list(clips_of(requests, None))
    assert [(clip.id, clip.channel) for clip in clips] == [
        ("call#left", 0),
        ("call#right", 1),
        ("1", None),
        ("2", 1),
        ("gone.wav", None),
        ("4", None),
    ]
    assert clips[0].request == clips[1].request == {"text": "가"}
    assert (
        clips[5].fault
        == "the request's channel is 'both'; it is a whole number, from 0, or left, right or each"
    )
