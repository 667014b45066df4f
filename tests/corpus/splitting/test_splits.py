"""Splits that do not leak, keep their ratios, and refuse what cannot be split."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.splits import (
    SplitSettings,
    load_splits,
    make_splits,
    refuse_without_speakers,
)
from soritune.corpus.utterance import Utterance
from soritune.errors import OutputError, SplitError

DATA = Path(os.environ.get("SORITUNE_DATA") or Path(__file__).parents[3] / "shared" / "data")


def corpus(
    folder: Path, speakers: int = 20, each: int = 30, texts: str = "own", seed: int = 0, **known: object
) -> Manifest:
    """`texts`: "own" (all different), "shared" (every speaker reads the same), "none"."""
    rng = np.random.default_rng(seed)
    rows = []
    for speaker in range(speakers):
        for number in range(each):
            text = {"own": f"문장 {speaker} {number}", "shared": f"문장 {number}", "none": None}[texts]
            rows.append(
                Utterance(
                    id=f"s{speaker}_{number}",
                    audio="a.wav",
                    duration_s=float(rng.uniform(1, 8)),
                    speaker=f"s{speaker}",
                    text=text,
                    emotion=("화남", "기쁨", "슬픔")[number % 3],
                    gender="fm"[speaker % 3 == 0],
                    age=float(5 + speaker % 4),
                    **known,  # type: ignore[arg-type]
                )
            )
    return write_manifest(folder / f"{texts}{speakers}.parquet", rows, root=folder)


def sets(manifest: Manifest, splits: object, field: str) -> dict[str, set[object]]:
    return {
        name: {getattr(u, field) for u in manifest.utterances(splits.indices(manifest, name))}  # type: ignore[attr-defined]
        for name in ("train", "val", "test")
    }


def disjoint(groups: dict[str, set[object]]) -> bool:
    return sum(len(group) for group in groups.values()) == len(set().union(*groups.values()))


def test_texts_of_one_speaker_each_lose_no_row(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    splits = make_splits(manifest)
    assert disjoint(sets(manifest, splits, "speaker"))
    assert disjoint(sets(manifest, splits, "script"))
    assert splits.policy["dropped"] == {"utterances": 0, "hours": 0.0}
    assert splits.policy["overlap"] == {
        "val": {"speaker": 0.0, "script": 0.0},
        "test": {"speaker": 0.0, "script": 0.0},
        "val-test": {"speaker": 0.0, "script": 0.0},
    }
    assert splits.policy["manifest_hash"] == manifest.hash
    summary = splits.summary(manifest)
    total = sum(row["hours"] for row in summary.values())
    assert total == pytest.approx(manifest.hours)
    assert [summary[name]["speakers"] for name in ("train", "val", "test")] == [16, 2, 2]
    for name, share in SplitSettings().ratios.items():
        assert summary[name]["hours"] / total == pytest.approx(share, abs=0.01)


def test_shared_texts_are_separated_by_leaving_rows_out(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, speakers=20, each=30, texts="shared")
    splits = make_splits(manifest, SplitSettings(stratify=("emotion",)))
    assert disjoint(sets(manifest, splits, "speaker"))
    assert disjoint(sets(manifest, splits, "script"))
    # 24 of 30 sentences × 16 of 20 speakers, and 3 × 2 twice: 396 of 600 utterances are kept.
    assert len(splits.ids("unused")) == splits.policy["dropped"]["utterances"] == pytest.approx(204, abs=12)
    counts = splits.summary(manifest, ["emotion", "first_language"])["test"]["labels"]
    assert counts == {"emotion": {"기쁨": 2, "슬픔": 2, "화남": 2}}  # no row has a first language
    assert "labels" not in splits.summary(manifest)["test"]
    assert any("are unused" in warning for warning in splits.policy["warnings"])
    by_speaker = make_splits(manifest, SplitSettings(by=("speaker",)))
    assert by_speaker.policy["overlap"]["test"] == {"speaker": 0.0, "script": 1.0}
    assert "100% of the test hours have a script that is also in train" in by_speaker.policy["warnings"]


def test_split_by_script_shares_no_script(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, texts="shared")
    splits = make_splits(manifest, SplitSettings(by=("script",)))
    assert disjoint(sets(manifest, splits, "script"))
    assert not splits.ids("unused")


def test_without_texts_the_split_is_by_speaker_with_a_warning(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, texts="none")
    splits = make_splits(manifest)
    assert disjoint(sets(manifest, splits, "speaker"))
    assert splits.policy["warnings"] == ["no utterance has a text or script_id: split by speaker only"]
    with pytest.raises(SplitError, match="use by=speaker"):
        make_splits(manifest, SplitSettings(by=("script",)))


def test_rows_without_a_speaker_are_unused_and_without_a_script_kept(tmp_path: Path) -> None:
    rows = [
        Utterance(
            id=str(i),
            audio="a",
            duration_s=1.0,
            speaker=None if i < 3 else f"s{i % 9}",
            text=None if i < 6 else f"t{i}",
        )
        for i in range(60)
    ]
    splits = make_splits(write_manifest(tmp_path / "m.parquet", rows, root="."))
    assert set(splits.ids("unused")) == {"0", "1", "2"}
    assert splits.policy["warnings"][:2] == [
        "3 utterances without a speaker are unused",
        "6 utterances have no script: placed by speaker only",
    ]


def test_random_split_is_recorded_with_a_warning(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    splits = make_splits(manifest, SplitSettings(by=("random",)))
    assert not disjoint(sets(manifest, splits, "speaker"))
    assert splits.policy["by"] == ["random"]
    assert "scores are too good" in splits.policy["warnings"][0]
    hours = {name: row["hours"] / manifest.hours for name, row in splits.summary(manifest).items()}
    assert hours == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.01)
    with pytest.raises(ValidationError, match="random alone"):
        SplitSettings(by=("speaker", "random"))


def test_stratified_is_better_than_the_best_of_a_thousand_draws(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, speakers=60, each=20)
    splits = make_splits(manifest, SplitSettings(by=("speaker",), stratify=("gender", "age")))
    speakers = np.array(manifest.column("speaker").to_pylist())
    hours = {name: manifest.durations_s[speakers == name].sum() for name in sorted(set(speakers))}
    traits = {u.speaker: (u.gender, u.age) for u in manifest}
    total = sum(hours.values())

    def badness(part: dict[str, str]) -> float:
        worst = 0.0
        for name, share in SplitSettings().ratios.items():
            in_part = [s for s in hours if part[s] == name]
            got = sum(hours[s] for s in in_part)
            worst = max(worst, abs(got / total / share - 1))
            for index in (0, 1):
                for value in {trait[index] for trait in traits.values()}:
                    expected = sum(h for s, h in hours.items() if traits[s][index] == value) / total
                    worst = max(
                        worst,
                        abs(
                            sum(hours[s] for s in in_part if traits[s][index] == value) / max(got, 1e-9)
                            - expected
                        ),
                    )
        return worst

    ours = {u.speaker: splits.assignment[u.id] for u in manifest}
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(1000):
        order = rng.permutation(sorted(hours))
        edges = np.searchsorted(np.cumsum([hours[s] for s in order]) / total, [0.8, 0.9])
        part = {
            name: ("train", "val", "test")[int((place >= edges).sum())] for place, name in enumerate(order)
        }
        draws.append(badness(part))
    assert badness(ours) < min(draws)
    assert badness(ours) < 0.1


def test_given_split_is_taken_over(tmp_path: Path) -> None:
    rows = [
        Utterance(id=str(i), audio="a", duration_s=1, speaker="s", extra={"part": part} if part else {})
        for i, part in enumerate(["1.Training", "2.Validation", "3.Test", "train", None])
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=".")
    splits = make_splits(manifest, SplitSettings(given="part"))
    assert splits.assignment == {"0": "train", "1": "val", "2": "test", "3": "train", "4": "unused"}
    assert "100% of the test hours have a speaker that is also in train" in splits.policy["warnings"]
    with pytest.raises(SplitError, match="taken from 'fold', but no utterance has it; set split.given=null"):
        make_splits(manifest, SplitSettings(given="fold"))
    with pytest.raises(
        SplitError, match="'train' came out empty; column 'part' has train in no row; set split.given=null"
    ):
        make_splits(manifest.select([1, 2]), SplitSettings(given="part"))
    rows[0] = Utterance(id="0", audio="a", duration_s=1, extra={"part": "extra"})
    with pytest.raises(SplitError, match="holds 'extra', which is not one of"):
        make_splits(write_manifest(tmp_path / "n.parquet", rows, root="."), SplitSettings(given="part"))
    part = make_splits(
        manifest.select([0, 2]), SplitSettings(given="part", ratios={"train": 0.5, "val": 0.0, "test": 0.5})
    )
    assert part.ids("val") == []
    with pytest.raises(SplitError, match="'val' came out empty; set ratios.val=0"):
        make_splits(manifest.select([0, 2]), SplitSettings(given="part"))


def test_too_few_speakers_are_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(
        SplitError, match=r"2 speakers cannot fill 3 splits.*val: 0.*soritune crossval.*split\.by=\[random\]"
    ):
        make_splits(corpus(tmp_path, speakers=2))
    with pytest.raises(SplitError, match="1 speaker cannot"):
        make_splits(corpus(tmp_path, speakers=1))
    two = make_splits(corpus(tmp_path, speakers=2), SplitSettings(ratios={"train": 0.8, "test": 0.2}))
    assert not two.ids("val")
    assert (
        make_splits(corpus(tmp_path, speakers=3)).summary(corpus(tmp_path, speakers=3))["test"]["speakers"]
        == 1
    )
    with pytest.raises(SplitError, match="no utterances"):
        make_splits(corpus(tmp_path).select([]))
    nameless = write_manifest(tmp_path / "n.parquet", [Utterance(id="a", audio="a", duration_s=1)], root=".")
    with pytest.raises(SplitError, match="--field speaker=NAME"):
        make_splits(nameless)
    one_text = write_manifest(
        tmp_path / "o.parquet",
        [Utterance(id=f"{i}", audio="a", duration_s=1, speaker=f"{i}", text="같은 말") for i in range(9)],
        root=".",
    )
    with pytest.raises(SplitError, match="came out empty; use by=speaker"):
        make_splits(one_text)


def test_faulty_settings_are_refused() -> None:
    for bad in (
        {"by": ()},
        {"ratios": {"train": 0.5}},
        {"ratios": {"train": 0.9, "dev": 0.1}},
        {"ratios": {"test": 1.0}},
    ):
        with pytest.raises(ValidationError):
            SplitSettings(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([0.5, 0.34, 0.16], "{train: 0.5, val: 0.34, test: 0.16}"),
        ([0.8, 0.2], "{train: 0.8, val: 0.1, test: 0.1}"),
        ("80/10/10", "{train: 0.8, val: 0.1, test: 0.1}"),
    ],
)
def test_ratios_without_names_are_refused_with_the_names(given: object, shown: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SplitSettings(ratios=given)  # type: ignore[arg-type]
    assert f"must give train, val and test by name, such as 'split.ratios={shown}'" in str(refused.value)


def test_a_manifest_without_speakers_is_refused_only_if_it_is_split_by_speaker(tmp_path: Path) -> None:
    rows = [
        Utterance(id=f"u{n}", audio="a.wav", duration_s=1.0, speaker=None if n else "\u200b")
        for n in range(4)
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    with pytest.raises(SplitError, match="no utterance has one; map it"):
        refuse_without_speakers(manifest, SplitSettings(by=("speaker",)))
    for other in (SplitSettings(by=("random",)), SplitSettings(given="part")):
        refuse_without_speakers(manifest, other)


def test_ratios_that_do_not_add_to_one_are_refused_with_ratios_that_do() -> None:
    with pytest.raises(
        ValidationError, match=r"split\.ratios=\{train: 0\.9, val: 0, test: 0\.1\}' \(--ratios 0\.9,0,0\.1\)"
    ):
        SplitSettings(ratios={"train": 0.8, "val": 0, "test": 0.1})
    with pytest.raises(ValidationError, match=r"--ratios 0\.8,0\.1,0\.1"):
        SplitSettings(ratios={"val": 0.5, "test": 0.6})


@pytest.mark.parametrize(
    ("text", "by"), [("random", ("random",)), ("speaker, script", ("speaker", "script"))]
)
def test_one_text_stands_for_a_list(text: str, by: tuple[str, ...]) -> None:
    settings = SplitSettings(by=text, stratify="emotion")  # type: ignore[arg-type]
    assert (settings.by, settings.stratify) == (by, ("emotion",))


def test_splits_are_saved_and_refused_for_another_manifest(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    splits = make_splits(manifest, SplitSettings(seed=4))
    splits.save(tmp_path / "x" / "splits.parquet")
    loaded = load_splits(tmp_path / "x" / "splits.parquet")
    assert loaded.assignment == splits.assignment
    assert loaded.policy == splits.policy
    assert os.listdir(tmp_path / "x") == ["splits.parquet"]
    fewer = manifest.select(np.arange(0, len(manifest), 3))  # rows lost to a check
    assert {u.id for u in fewer.utterances(loaded.indices(fewer, "test"))} <= set(splits.ids("test"))
    stranger = write_manifest(tmp_path / "s.parquet", [Utterance(id="?", audio="a", duration_s=1)], root=".")
    with pytest.raises(SplitError, match="made for another manifest"):
        loaded.indices(stranger, "train")
    with pytest.raises(SplitError, match="unknown split 'dev'"):
        loaded.ids("dev")
    with pytest.raises(SplitError, match="does not exist"):
        load_splits(tmp_path / "gone.parquet")
    with pytest.raises(SplitError, match="is not a splits file of this version"):
        load_splits(tmp_path / "s.parquet")
    with pytest.raises(OutputError, match="cannot be written"):
        splits.save(tmp_path / "s.parquet" / "x.parquet")


def test_row_order_does_not_matter_and_the_seed_does(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, speakers=30)
    shuffled = manifest.select(np.random.default_rng(0).permutation(len(manifest)))
    assert make_splits(manifest).assignment == make_splits(shuffled).assignment
    tests = {frozenset(make_splits(manifest, SplitSettings(seed=seed)).ids("test")) for seed in range(4)}
    assert len(tests) > 1


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 12), st.floats(0.5, 20)), min_size=3, max_size=40),
    st.integers(0, 3),
)
def test_split_never_leaks(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, float]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("leak")
    utterances = [
        Utterance(id=str(i), audio="a", duration_s=length, speaker=f"s{speaker}", text=f"t{text}")
        for i, (speaker, text, length) in enumerate(rows)
    ]
    manifest = write_manifest(folder / "m.parquet", utterances, root=folder)
    try:
        splits = make_splits(manifest, SplitSettings(seed=seed))
    except SplitError:
        return
    assert disjoint(sets(manifest, splits, "speaker"))
    assert disjoint(sets(manifest, splits, "script"))
    assert sum(len(splits.ids(name)) for name in ("train", "val", "test", "unused")) == len(rows)


@pytest.mark.skipif(
    not (DATA / "ko_emotion_selvas").is_dir(), reason="SORITUNE_DATA has no ko_emotion_selvas"
)
def test_real_corpus_with_shared_sentences_is_split() -> None:
    manifest = load_manifest(DATA / "ko_emotion_selvas" / "manifest.jsonl", fields={"duration_s": "duration"})
    splits = make_splits(manifest, SplitSettings(stratify=("emotion",)))
    assert disjoint(sets(manifest, splits, "speaker"))
    assert disjoint(sets(manifest, splits, "script"))
    summary = splits.summary(manifest, ["emotion"])
    assert [summary[name]["speakers"] for name in ("train", "val", "test")] == [7, 1, 1]
    assert all(min(summary[name]["labels"]["emotion"].values()) > 0 for name in ("train", "val", "test"))


def test_missing_labels_are_warned_of_for_the_given_fields(tmp_path: Path) -> None:
    rows = [
        Utterance(
            id=f"{n}",
            audio="a.wav",
            duration_s=1.0,
            speaker=f"s{n}",
            age=float(n < 3),
            extra={"split": ("train", "test")[n > 2], "dialect": "서울" if n < 4 else "제주"},
        )
        for n in range(6)
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    settings = SplitSettings(given="split", ratios={"train": 0.5, "val": 0.0, "test": 0.5})

    def warned(*fields: str) -> list[str]:
        return make_splits(manifest, settings, label_fields=fields).policy["warnings"]

    assert warned() == warned("emotion") == []
    assert warned("dialect") == ["train has no utterance labelled 제주"]
    assert warned("dialect", "age") == [
        "train has no utterance labelled 제주 (dialect)",
        "train has no utterance labelled 0 (age)",
        "test has no utterance labelled 1 (age)",
    ]


def test_stratum_without_values_is_left_out_with_a_warning(tmp_path: Path):
    rows = [Utterance(id=f"{n}", audio="a.wav", duration_s=1.0, speaker=f"s{n % 5}") for n in range(20)]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    splits = make_splits(manifest, SplitSettings(by=("speaker",), stratify=("age", "duration_s")))
    assert any("not stratified by age" in warning for warning in splits.policy["warnings"])
    with pytest.raises(SplitError, match="cannot stratify by 'ages'"):
        make_splits(manifest, SplitSettings(by=("speaker",), stratify=("ages",)))


def test_negative_seed_and_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        SplitSettings(seed=-1)
    with pytest.raises(
        SplitError, match=r"gone\.parquet does not exist; make it with `soritune split`"
    ) as raised:
        load_splits(tmp_path / "gone.parquet")
    assert "\n" not in str(raised.value)


def test_people_written_in_several_ways_are_in_one_split(tmp_path: Path) -> None:
    """Three people as six ids, 24 rows; with and without punctuation, each sentence is read by all of them."""
    names = [
        "김서연",
        unicodedata.normalize("NFD", "김서연"),
        "박 민준",
        "박  민준\u200b",
        "이도윤",
        " 이도윤",
    ]
    people = [0, 0, 1, 1, 2, 2]
    rows = [
        Utterance(id=f"{index}_{n}", audio="a", duration_s=2.0, speaker=name, text=f"{index} 번째 글 {n}")
        for index, name in enumerate(names)
        for n in range(4)
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    for seed in range(5):
        splits = make_splits(manifest, SplitSettings(seed=seed))
        parts = [{people[int(name[0])] for name in splits.ids(part)} for part in ("train", "val", "test")]
        assert [len(part) for part in parts] == [1, 1, 1] and len(set.union(*parts)) == 3
        assert splits.policy["joined"] == {"speakers": 3, "scripts": 0}
        assert any(
            "count as one speaker" in text and "(3 in all)" in text for text in splits.policy["warnings"]
        )
        assert {splits.summary(manifest)[part]["speakers"] for part in ("train", "val", "test")} == {1}


def test_a_sentence_with_and_without_punctuation_is_in_one_split(tmp_path: Path) -> None:
    def written(speaker: int, number: int) -> str:
        return (
            f"문장, {'가나다라마바사아자차'[number]}."
            if speaker % 2
            else f"문장 {'가나다라마바사아자차'[number]}"
        )

    rows = [
        Utterance(id=f"{s}_{n}", audio="a", duration_s=2.0, speaker=f"p{s}", text=written(s, n))
        for s in range(8)
        for n in range(10)
    ]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    splits = make_splits(manifest)
    parts = [{name.split("_")[1] for name in splits.ids(part)} for part in ("train", "val", "test")]
    assert all(parts) and sum(map(len, parts)) == len(set.union(*parts))
    assert splits.policy["joined"] == {"speakers": 0, "scripts": 10}
