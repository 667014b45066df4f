import pytest

from soritune.inference.segments import label_seconds, owned_windows, segments_in, segments_of, windows_of


def window(start, end, label=None, confidence=0.8, **marks):
    prediction = {"task": "emotion", "label": label, "confidence": confidence}
    prediction |= {name: True for name in ("uncertain",) if marks.get(name)}
    tasks = {} if label is None else {"emotion": prediction}
    return {
        "start_s": start,
        "end_s": end,
        "tasks": tasks,
        **({"no_speech": True} if marks.get("no_speech") else {}),
    }


def test_overlap_is_shared_half_and_half():
    """0–5, 2.5–7.5 and 4–9 s: borders at 3.75 and 5.75 s."""
    spans = [(0.0, 5.0), (2.5, 7.5), (4.0, 9.0)]
    owned = owned_windows([window(*span, "calm") for span in spans])
    assert [(each.start_s, each.end_s) for each in owned] == [(0.0, 3.75), (3.75, 5.75), (5.75, 9.0)]


def test_neighbours_with_one_label_are_a_segment_with_its_mean_confidence():
    windows = [
        window(0.0, 5.0, "calm", 0.9),
        window(2.5, 7.5, "calm", 0.6),
        window(5.0, 10.0, "tense", 0.7),
        window(7.5, 12.5, "calm", 0.5),
    ]
    assert segments_of(windows, "emotion") == [
        {"start_s": 0.0, "end_s": 6.25, "label": "calm", "confidence": 0.75, "windows": 2},
        {"start_s": 6.25, "end_s": 8.75, "label": "tense", "confidence": 0.7, "windows": 1},
        {"start_s": 8.75, "end_s": 12.5, "label": "calm", "confidence": 0.5, "windows": 1},
    ]


def test_uncertain_windows_have_segments_without_label_and_silence_ends_one():
    windows = [
        window(0, 2, "calm"),
        window(2, 4, "calm", 0.4, uncertain=True),
        window(4, 6, "tense", 0.5, uncertain=True),
        window(6, 8, "calm"),
        window(8, 10, no_speech=True),
        window(10, 12, "calm"),
        window(12, 14, "tense", no_speech=True),  # as long files without windows for labels have it
    ]
    segments = segments_of(windows, "emotion")
    assert [(s["start_s"], s["end_s"], s["label"], s.get("uncertain", False)) for s in segments] == [
        (0, 2, "calm", False),
        (2, 6, None, True),
        (6, 8, "calm", False),
        (10, 12, "calm", False),
    ]
    assert segments[1]["confidence"] == pytest.approx(0.45)
    assert label_seconds(segments) == {"calm": 6, None: 4}


def test_row_that_was_not_cut_is_a_single_window():
    prediction = {"task": "emotion", "label": "warm", "confidence": 0.7, "probabilities": {"warm": 0.7}}
    row = {"id": "a", "audio": "a.wav", "duration_s": 3.5, "tasks": {"emotion": {"prediction": prediction}}}
    assert windows_of(row) == [{"start_s": 0.0, "end_s": 3.5, "tasks": {"emotion": prediction}}]
    (segment,) = segments_in(row, "emotion")
    assert (segment["end_s"], segment["label"]) == (3.5, "warm")
    assert segments_in(row | {"no_speech": True}, "emotion") == []


def test_windows_count_and_not_segments_that_disagree_with_them():
    row = {"windows": [window(0, 2, "calm")], "segments": {"emotion": [{"label": "tense"}]}}
    assert segments_in(row, "emotion")[0]["label"] == "calm"
