from __future__ import annotations

from soritune.tasks.text_labels import labels_by_text


def test_label_of_a_text_is_looked_up_at_other_speakers() -> None:
    rows = [("가", "a", "glad"), ("가", "b", "glad"), ("가", "c", "sad"), ("나", "a", "sad")]
    found = labels_by_text(rows)
    # a: others glad, sad: a tie, the first by name; b the same; c: others are both glad. 나 has one speaker.
    assert (found.num_rows, found.num_right, found.commonest) == (3, 2, 2)


def test_texts_in_one_style_give_labels_away() -> None:
    styled = [(text, f"s{s}", text[:1]) for s in range(6) for text in ("a1", "a2", "b1", "b2")]
    assert labels_by_text(styled).gives_labels_away
    assert labels_by_text(styled).share == 1.0


def test_speakers_with_neutral_texts_do_not_hide_the_others() -> None:
    labels = ("a", "b", "c", "d")
    styled = [
        (f"{label}{number}", f"s{s}", label) for s in range(6) for label in labels for number in range(5)
    ]
    neutral = [(f"n{number}", f"t{s}", label) for s in range(3) for label in labels for number in range(5)]
    found = labels_by_text(styled + neutral)
    assert found.num_right == 120 + 15 and 0.7 < found.share < 0.8
    assert found.gives_labels_away
    assert not labels_by_text([("1", f"s{s}", "a") for s in range(30)]).gives_labels_away


def test_texts_in_every_style_give_nothing_away() -> None:
    neutral = [(text, f"s{s}", label) for s in range(6) for text in ("1", "2") for label in ("a", "b")]
    assert labels_by_text(neutral).num_rows == 24
    assert not labels_by_text(neutral).gives_labels_away


def test_one_frequent_label_gives_nothing_away() -> None:
    rows = [("1", f"s{s}", "a") for s in range(29)] + [("1", "s29", "b")]
    assert labels_by_text(rows).share > 0.9
    assert not labels_by_text(rows).gives_labels_away


def test_spaces_do_not_make_another_text() -> None:
    assert labels_by_text([("a  b", "s", "x"), (" a b", "t", "x")]).num_rows == 2


def test_own_rows_of_a_speaker_are_not_looked_up() -> None:
    assert labels_by_text([("a", "s", "x"), ("a", "s", "x")]).num_rows == 0
    assert labels_by_text([("a", None, "x"), ("a", None, "x")]).num_rows == 2
