import pytest

from soritune.reports.timeline import (
    LINE_S,
    NO_LABEL,
    Track,
    by_recording,
    clock,
    label_colours,
    segments_table,
    shares_table,
    timeline_lines,
)

COLOURS = {"calm": "#111111", "tense": "#222222"}


def segment(start, end, label="calm", confidence=0.8):
    return {"start_s": start, "end_s": end, "label": label, "confidence": confidence, "windows": 1}


def track(*segments, name="a", channel=None, duration=60.0, start=0.0):
    return Track(name, "a.wav", channel, start, duration, segments)


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [(0, 0, "0:00"), (125, 0, "2:05"), (3725.4, 0, "1:02:05"), (59.96, 1, "1:00.0"), (7.25, 2, "0:07.25")],
)
def test_times_are_read_as_on_a_clock(seconds, digits, text):
    assert clock(seconds, digits=digits) == text


def test_bars_are_where_the_segments_are():
    (line,) = timeline_lines([track(segment(15, 30), segment(45, 60, None, 0.4))], COLOURS)
    assert [(bar["left"], bar["width"], bar["colour"]) for bar in line["tracks"][0]["bars"]] == [
        (25.0, 25.0, "#111111"),
        (75.0, 25.0, NO_LABEL),
    ]
    assert line["tracks"][0]["bars"][0]["title"] == "0:15.0–0:30.0 calm 80.0 %"
    assert "(uncertain)" in line["tracks"][0]["bars"][1]["title"]
    assert [(tick["left"], tick["text"]) for tick in line["ticks"]][:3] == [
        (0.0, "0:00"),
        (8.333, "0:05"),
        (16.667, "0:10"),
    ]


def test_hour_has_four_lines_and_a_segment_over_their_border_is_in_both():
    lines = timeline_lines([track(segment(890, 920, "tense"), duration=3600.0)], COLOURS)
    assert len(lines) == 3600 / LINE_S == 4
    first, second = (line["tracks"][0]["bars"] for line in lines[:2])
    assert (first[0]["left"], first[0]["width"]) == (pytest.approx(98.889), pytest.approx(1.111))
    assert (second[0]["left"], second[0]["width"]) == (0.0, pytest.approx(2.222))
    assert first[0]["title"] == second[0]["title"] == "14:50.0–15:20.0 tense 80.0 %"
    assert [line["ticks"][0]["text"] for line in lines] == ["0:00", "15:00", "30:00", "45:00"]


def test_channels_of_a_file_are_one_recording():
    left, right = track(name="a#left", channel=0), track(name="a#right", channel=1)
    later = track(name="b", start=60.0)
    assert by_recording([left, right, later]) == [[left, right], [later]]
    (line,) = timeline_lines([left, right], COLOURS)
    assert [each["name"] for each in line["tracks"]] == ["left", "right"]


def test_shares_are_of_the_time_with_labels():
    table = shares_table([track(segment(0, 30), segment(30, 40, None), channel=1)], ["calm", "tense"])
    cells = [[cell["text"] for cell in row["cells"]] for row in table["rows"]]
    assert cells == [
        ["right", "calm", "0:30", "75.0 %"],
        ["right", "uncertain", "0:10", "25.0 %"],
    ]


def test_too_little_speech_is_in_no_share_and_has_no_bar():
    little = segment(40, 50, None) | {"uncertain": True, "reason": "little-speech", "confidence": None}
    made = track(segment(0, 30), little, channel=0)
    cells = [[cell["text"] for cell in row["cells"]] for row in shares_table([made], ["calm"])["rows"]]
    assert cells == [["left", "calm", "0:30", "100.0 %"], ["left", "too little speech", "0:10", ""]]
    (line,) = timeline_lines([made], COLOURS)
    assert len(line["tracks"][0]["bars"]) == len(segments_table([made])["rows"]) == 1


def test_channels_have_the_names_that_are_given():
    names = ("상담사", "고객")
    tracks = [Track("a", "a.wav", channel, 0.0, 60.0, (), names) for channel in (0, 1, 2)]
    assert [each.channel_name for each in tracks] == ["상담사", "고객", "2"]


def test_late_times_are_marked_because_a_narrow_page_has_no_room_for_them():
    (line,) = timeline_lines([track(duration=60.0)], COLOURS)
    assert [tick["text"] for tick in line["ticks"] if tick["is_late"]] == ["0:50", "0:55"]


def test_segments_of_all_channels_are_in_the_order_of_their_times():
    table = segments_table([track(segment(5, 6), channel=0), track(segment(2, 3, "tense"), channel=1)])
    assert [[cell["text"] for cell in row["cells"]][:4] for row in table["rows"]] == [
        ["right", "0:02.0", "0:03.0", "tense"],
        ["left", "0:05.0", "0:06.0", "calm"],
    ]


def test_every_label_has_a_colour_of_its_own():
    colours = label_colours([f"l{k}" for k in range(20)])
    assert len(set(colours.values())) == 20
