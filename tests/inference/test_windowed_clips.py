"""Labels by window through the predictor, with a model whose label is the pitch of what it hears."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from soritune.errors import TaskError
from soritune.inference.predictor import Predictor

LEFT = [("calm", 10), ("tense", 10), (None, 5), ("calm", 5)]
RIGHT = [(None, 10), ("warm", 20)]


@pytest.fixture
def call(fakes):
    """Half a minute of stereo: two people with different pitches."""
    return np.stack([fakes.tones_in_turn(*LEFT), fakes.tones_in_turn(*RIGHT)], axis=1)


def predictor(fakes, **options):
    settings = {"vad": "energy", "window_s": 5.0, "hop_s": 2.5, **options}
    return Predictor([fakes.pitch_member()], **settings)


def labels_of(row):
    return [window["tasks"].get("emotion", {}).get("label") for window in row["windows"]]


def test_each_channel_is_a_clip_with_the_labels_of_its_speaker(fakes, call):
    left, right = predictor(fakes, hop_s=5).predict({"id": "call", "audio": (call, 16000), "channel": "each"})
    assert (left["id"], left["channel"], right["id"], right["channel"]) == ("call#left", 0, "call#right", 1)
    assert labels_of(left) == ["calm", "calm", "tense", "tense", None, "calm"]
    assert labels_of(right) == [None, None, "warm", "warm", "warm", "warm"]
    assert [(w["start_s"], w["end_s"]) for w in left["windows"]] == [(k, k + 5) for k in range(0, 30, 5)]
    assert [window.get("no_speech", False) for window in left["windows"]] == [False] * 4 + [True, False]
    assert [(s["start_s"], s["end_s"], s["label"]) for s in left["segments"]["emotion"]] == [
        (0, 10, "calm"),
        (10, 20, "tense"),
        (25, 30, "calm"),
    ]
    # The clip's own label is the mean over the 25 s with speech: calm 15 s of 0.8 and 10 s of 0.1.
    probabilities = left["tasks"]["emotion"]["prediction"]["probabilities"]
    assert probabilities["calm"] == pytest.approx((15 * 0.8 + 10 * 0.1) / 25, abs=1e-5)


def test_each_window_gets_what_it_gets_as_a_clip_of_its_own(fakes, call):
    """Also of a model that hears more than the pitch, and whatever is around the window."""
    left = np.ascontiguousarray(call[: 16000 * 29 + 123, 0])
    member = fakes.member([fakes.emotion_task()])
    (row,) = Predictor([member], vad="off", window_s=4, hop_s=3).predict((left, 16000))
    starts = [*range(0, 25, 3), 25 + 123 / 16000]
    assert [window["start_s"] for window in row["windows"]] == pytest.approx(starts, abs=1e-6)
    assert row["windows"][-1]["end_s"] == round(29 + 123 / 16000, 6)
    for window in row["windows"]:
        start, end = round(window["start_s"] * 16000), round(window["end_s"] * 16000)
        (alone,) = Predictor([member], vad="off").predict((left[start:end], 16000))
        assert window["tasks"]["emotion"] == alone["tasks"]["emotion"]["prediction"]


def test_file_gives_what_its_samples_give(fakes, call, tmp_path):
    soundfile.write(tmp_path / "call.wav", call, 16000, subtype="FLOAT")
    from_file = list(predictor(fakes).predict({"audio": tmp_path / "call.wav", "channel": "each"}))
    from_samples = list(predictor(fakes).predict({"audio": (call, 16000), "channel": "each"}))
    for row, same in zip(from_file, from_samples, strict=True):
        assert row["windows"] == same["windows"] and row["segments"] == same["segments"]
    assert [row["id"] for row in from_file] == [
        f"{tmp_path / 'call.wav'}#{name}" for name in ("left", "right")
    ]


def test_names_of_channels_are_numbers(fakes, call):
    for channel, number in (("left", 0), ("right", 1), (1, 1)):
        (row,) = predictor(fakes).predict({"audio": (call, 16000), "channel": channel})
        assert (row["id"], row["channel"]) == ("0", number)


def test_recording_with_one_channel(fakes, clip):
    path = clip("a.wav", 6.0)
    (row,) = predictor(fakes).predict({"audio": path, "channel": "each"})
    assert row["id"] == str(path) and "channel" not in row
    (row,) = predictor(fakes).predict({"audio": path, "channel": "right"})
    assert row["error"] == "has 1 channel, so channel 1 (from 0) does not exist"


def test_more_channels_have_numbers(fakes, call, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.hstack([call, call[:, :1]]), 16000)
    rows = list(predictor(fakes).predict({"id": "a", "audio": tmp_path / "a.wav", "channel": "each"}))
    assert [row["id"] for row in rows] == ["a#left", "a#right", "a#2"]


def test_windows_without_speech_are_not_run_and_a_silent_clip_has_no_label(fakes, call):
    made = predictor(fakes, hop_s=5)
    list(made.predict((np.ascontiguousarray(call[:, 0]), 16000)))
    assert made.members[0].backend.lengths == [80000] * 5
    (row,) = made.predict((np.zeros(16000 * 12, np.float32), 16000))
    assert row["no_speech"] and row["segments"] == {"emotion": []} and labels_of(row) == [None] * 3
    assert made.members[0].backend.lengths == [80000] * 6  # one, for the row's prediction
    unmarked = predictor(fakes, hop_s=5, vad="off")
    (row,) = unmarked.predict((np.ascontiguousarray(call[:, 0]), 16000))
    assert None not in labels_of(row) and "no_speech" not in row["windows"][4]


def test_short_files_are_batched_and_keep_their_order(fakes, clip, tmp_path):
    files = [clip(f"{k}.wav", 1.0 + k, seed=k) for k in range(4)]
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    rows = list(predictor(fakes, vad="off").predict([*files[:2], tmp_path / "bad.wav", *files[2:]]))
    assert [row.get("duration_s") for row in rows] == [1.0, 2.0, None, 3.0, 4.0]
    assert "error" in rows[2] and all(len(row["windows"]) == 1 for row in rows if "windows" in row)


def test_recording_shorter_than_the_model_takes_is_an_error(fakes):
    (row,) = predictor(fakes).predict((np.zeros(800, np.float32), 16000))
    assert row["error"] == "lasts 0.050 s; at least 0.1 s are needed"


def test_labels_below_the_minimum_are_uncertain(fakes, call):
    (row,) = predictor(fakes, min_confidence=0.9).predict({"audio": (call, 16000), "channel": 0})
    spoken = [window for window in row["windows"] if not window.get("no_speech")]
    assert all(window["tasks"]["emotion"]["uncertain"] for window in spoken)
    assert {segment["label"] for segment in row["segments"]["emotion"]} == {None}


def test_outputs_with_frames_are_those_without_windows(fakes, clip):
    tasks = [fakes.emotion_task(), fakes.phoneme_task()]
    files = [clip("long.wav", 45.0), clip("short.wav", 3.0, seed=1)]
    plain = list(Predictor([fakes.member(tasks)], vad="off").posteriors(files))
    cut = list(Predictor([fakes.member(tasks)], vad="off", window_s=5).posteriors(files))
    for before, after in zip(plain, cut, strict=True):
        np.testing.assert_array_equal(before.outputs["phoneme"], after.outputs["phoneme"])
        assert before.num_frames == after.num_frames
        assert all(list(window.outputs) == ["emotion"] for window in after.windows)
    assert [len(after.windows) for after in cut] == [9, 1]


def test_two_models_are_averaged_window_by_window(fakes, clip):
    members = [fakes.member([fakes.emotion_task()], seed=seed) for seed in (0, 1)]
    path = clip("a.wav", 9.0)
    rows = [
        next(iter(Predictor(each, vad="off", window_s=3).predict(path)))
        for each in (members, members[:1], members[1:])
    ]
    for both, first, second in zip(*(row["windows"] for row in rows), strict=True):
        mean, one, two = (each["tasks"]["emotion"]["probabilities"]["calm"] for each in (both, first, second))
        assert mean == pytest.approx((one + two) / 2, abs=1e-5)


def test_models_that_no_window_suits_are_refused(fakes):
    with pytest.raises(TaskError, match=r"window_s has no effect: the results of the model \(phoneme\)"):
        Predictor([fakes.member([fakes.phoneme_task()])], window_s=5)
    with pytest.raises(TaskError, match=r"window_s is 20; the model was trained on 15 s or less"):
        Predictor([fakes.pitch_member(max_duration_s=15)], window_s=20)
    with pytest.raises(TaskError, match=r"window_s is 0.05; the model takes 0.1 s or more"):
        Predictor([fakes.pitch_member()], window_s=0.05)


def test_window_may_be_longer_than_files_that_are_not_cut(fakes):
    samples = fakes.tones_in_turn(("calm", 50), ("warm", 50))
    made = predictor(fakes, window_s=50, hop_s=50)
    (row,) = made.predict((samples, 16000))
    assert labels_of(row) == ["calm", "warm"]
    assert made.members[0].backend.lengths == [800_000, 800_000]


MEASURE = """
import resource, sys
sys.path.insert(0, {root!r})
from tests.inference import fake_models as fakes
from soritune.inference.predictor import Predictor
made = Predictor([fakes.pitch_member()], vad="energy", window_s=30, hop_s=30)
rows = list(made.predict({{"audio": {path!r}, "channel": "each"}}))
assert [len(row["windows"]) for row in rows] == [{windows}] * 2, [len(row["windows"]) for row in rows]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_hour_of_stereo_takes_no_more_memory_than_four_minutes(fakes, tmp_path, pytestconfig):
    """An hour at 16 kHz is 230 MB per channel as float32; less than a tenth of that may be added."""
    turn = np.stack(
        [fakes.tones_in_turn(("calm", 20), (None, 10)), fakes.tones_in_turn((None, 20), ("warm", 10))], 1
    )
    peaks = []
    for turns in (8, 120):
        path = tmp_path / f"{turns}.wav"
        with soundfile.SoundFile(path, "w", 16000, 2, "PCM_16") as sound:
            for _ in range(turns):
                sound.write(turn)
        program = MEASURE.format(root=str(pytestconfig.rootpath), path=str(path), windows=turns)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 23_000


def test_window_with_little_speech_has_no_label_and_no_weight(fakes):
    """5 s of calm, 0.5 s of tense in a window of its own, and silence."""
    samples = fakes.tones_in_turn(("calm", 5), (None, 4.5), ("tense", 0.5), (None, 5))
    (row,) = predictor(fakes, hop_s=5).predict((samples, 16000))
    assert labels_of(row) == ["calm", None, None]
    assert [(w.get("reason"), w.get("no_speech", False)) for w in row["windows"]] == [
        (None, False),
        ("little-speech", False),
        (None, True),
    ]
    speech = [window["speech_s"] for window in row["windows"]]
    assert 4 < speech[0] <= 5 and 0 < speech[1] <= 0.6 and speech[2] == 0
    assert [s["label"] for s in row["segments"]["emotion"]] == ["calm", None]
    prediction = row["tasks"]["emotion"]["prediction"]
    assert (
        prediction["probabilities"]["calm"] == pytest.approx(0.8, abs=1e-5) and "uncertain" not in prediction
    )
    (every,) = predictor(fakes, hop_s=5, min_speech_s=0).predict((samples, 16000))
    assert labels_of(every)[1] is not None


def test_recording_with_little_speech_alone_has_an_uncertain_label(fakes):
    samples = fakes.tones_in_turn((None, 7), ("warm", 0.5), (None, 7.5))
    (row,) = predictor(fakes, hop_s=5).predict((samples, 16000))
    prediction = row["tasks"]["emotion"]["prediction"]
    assert (prediction["uncertain"], prediction["reason"]) == (True, "little-speech")
    assert "no_speech" not in row and labels_of(row) == [None] * 3
    assert predictor(fakes).distribution([row]).uncertain == 1


def test_recording_shorter_than_a_window_needs_the_same_share_of_speech(fakes):
    (row,) = predictor(fakes).predict((fakes.tones_in_turn(("warm", 0.8)), 16000))
    assert labels_of(row) == ["warm"]


def test_progress_counts_recordings_and_not_their_channels(fakes, call):
    done = []
    list(predictor(fakes).predict({"audio": (call, 16000), "channel": "each"}, progress=done.append))
    assert sum(done) == pytest.approx(1)
