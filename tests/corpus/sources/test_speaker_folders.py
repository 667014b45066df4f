"""The folder layout of the emotional corpora, and other layouts by pattern."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from soritune.corpus.prepare import prepare
from soritune.corpus.reading.outcomes import Rejected, Skipped
from soritune.corpus.sources.speaker_folders import SOURCE, SpeakerFoldersConfig, read_corpus
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError

LABELS = {"Anxious": [(21, 30)], "Kind": [(31, 40)], "Dry": [(91, 100)]}


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_label_speaker_and_gender_follow_from_the_path(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *(
            f"{person}/wav_48000/{person}_{number:06d}.wav"
            for person in ("F2001", "M2002")
            for number in (20, 21, 30, 31, 95)
        ),
        "F2001/other/F2001_000021.wav",
    )
    outcomes = list(read_corpus(tmp_path, SpeakerFoldersConfig(labels=LABELS)))
    utterances = [item for item in outcomes if isinstance(item, Utterance)]
    assert [(u.speaker, u.gender, u.emotion) for u in utterances] == [
        (person, person[0].lower(), label)
        for person in ("F2001", "M2002")
        for label in ("Anxious", "Anxious", "Kind", "Dry")
    ]
    assert utterances[0].id == "F2001/wav_48000/F2001_000021"
    assert utterances[0].script_id is None
    skipped = [item.kind for item in outcomes if isinstance(item, Skipped)]
    assert sorted(skipped) == ["number-outside"] * 2 + ["path-pattern"]


def test_number_is_the_script_and_gender_is_off_by_settings(tmp_path: Path) -> None:
    touch(tmp_path, "F2001/wav_48000/F2001_000021.WAV")
    config = SpeakerFoldersConfig(
        labels=LABELS, script_from_number=True, gender_from_first_letter=False, name="corpus"
    )
    (utterance,) = read_corpus(tmp_path, config)
    assert isinstance(utterance, Utterance)
    assert (utterance.script_id, utterance.gender, utterance.source) == ("21", None, "corpus")


def test_pattern_reads_labels_from_folders(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "기쁨")
    touch(tmp_path, f"김 하나/{decomposed}/1.wav", "김 하나/화남/1.wav")
    outcomes = list(
        read_corpus(tmp_path, SpeakerFoldersConfig(pattern=r"(?P<speaker>[^/]+)/(?P<emotion>[^/]+)/.+"))
    )
    assert {(u.speaker, u.emotion) for u in outcomes if isinstance(u, Utterance)} == {
        ("김 하나", "기쁨"),
        ("김 하나", "화남"),
    }
    assert all((tmp_path / u.audio).is_file() for u in outcomes if isinstance(u, Utterance))


def test_root_without_fitting_audio_is_refused(tmp_path: Path) -> None:
    for root, reason in [(tmp_path / "gone", "does not exist"), (tmp_path, "holds no audio files")]:
        with pytest.raises(ManifestError, match=reason):
            list(read_corpus(root, SpeakerFoldersConfig()))
    touch(tmp_path, "a.wav")
    with pytest.raises(ManifestError, match="none of 1 audio files fits the pattern .* the first is 'a.wav'"):
        list(read_corpus(tmp_path, SpeakerFoldersConfig()))


def test_faulty_settings_are_refused() -> None:
    for bad, words in [
        ({"labels": {"a": [(1, 5)], "b": [(5, 9)]}}, "number 5 is both"),
        ({"labels": {"a": [(5, 1)]}}, "runs backwards"),
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": "(?P<mood>.)"}, "the group 'mood'; known:"),
    ]:
        with pytest.raises(ValidationError, match=words):
            SpeakerFoldersConfig(**bad)  # type: ignore[arg-type]


def test_corpus_is_prepared(tmp_path: Path) -> None:
    for person in ("F2001", "M2001", "F2002"):
        for number in (21, 31, 91, 1):
            file = tmp_path / "말뭉치" / person / "wav_48000" / f"{person}_{number:06d}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, np.full(24000, 0.1, np.float32), 48000)
    (tmp_path / "말뭉치" / "F2001" / "wav_48000" / "F2001_000022.wav").touch()
    made = prepare("speaker-folders", tmp_path / "말뭉치", {"labels": LABELS}, tmp_path / "out")
    assert len(made.manifest) == 9
    assert made.skipped == {"number outside the label ranges": 3}
    assert [row.kind for row in made.quarantined] == ["audio-empty"]
    assert set(made.manifest.column("sample_rate_hz").to_pylist()) == {48000}
    assert SOURCE.Config is SpeakerFoldersConfig


def test_label_with_rest_gets_all_other_numbers(tmp_path: Path) -> None:
    touch(tmp_path, *(f"F2001/wav_48000/F2001_{number:06d}.wav" for number in (1, 21, 31, 41, 91, 160)))
    config = SpeakerFoldersConfig(labels={**LABELS, "Others": "rest"})
    outcomes = list(read_corpus(tmp_path, config))
    assert [u.emotion for u in outcomes if isinstance(u, Utterance)] == [
        "Others", "Anxious", "Kind", "Others", "Dry", "Others"
    ]  # fmt: skip
    assert len(outcomes) == 6
    with pytest.raises(ValidationError, match="only one label can be the rest"):
        SpeakerFoldersConfig(labels={"a": "rest", "b": "rest"})
    with pytest.raises(ValidationError, match="labels"):
        SpeakerFoldersConfig(labels={"a": "others"})  # type: ignore[dict-item]


def test_text_is_that_of_the_nearest_script(tmp_path: Path) -> None:
    touch(tmp_path, *(f"F{n}/wav_48000/F{n}_{i:06d}.wav" for n in (1, 2) for i in (21, 22)))
    (tmp_path / "script.txt").write_text("21 모두의 글\n22 모두의 다른 글\n", encoding="utf-8")
    (tmp_path / "F1" / "script.txt").write_text("F1_000021\t자기 글\n", encoding="cp949")
    outcomes = list(read_corpus(tmp_path, SpeakerFoldersConfig()))
    texts = {u.id.rsplit("/", 1)[-1]: (u.text, u.text_source) for u in outcomes if isinstance(u, Utterance)}
    assert texts == {
        "F1_000021": ("자기 글", "gold"),
        "F1_000022": ("모두의 다른 글", "gold"),
        "F2_000021": ("모두의 글", "gold"),
        "F2_000022": ("모두의 다른 글", "gold"),
    }
    assert [item for item in outcomes if not isinstance(item, Utterance)] == []
    off = [u for u in read_corpus(tmp_path, SpeakerFoldersConfig(script=None)) if isinstance(u, Utterance)]
    assert {u.text for u in off} == {None}


def test_corpus_in_subfolders_has_unique_ids(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "1차/여/F1/wav_48000/000021.wav",
        "1차/여/F2/wav_48000/000021.wav",
        "1차/여/F2/wav_48000/000021.flac",
    )
    outcomes = [u for u in read_corpus(tmp_path, SpeakerFoldersConfig()) if isinstance(u, Utterance)]
    assert [(u.speaker, u.id) for u in outcomes] == [
        ("F1", "1차/여/F1/wav_48000/000021"),
        ("F2", "1차/여/F2/wav_48000/000021.flac"),
        ("F2", "1차/여/F2/wav_48000/000021.wav"),
    ]
    anchored = SpeakerFoldersConfig(pattern=r"^(?P<speaker>[^/]+)/wav_48000/.*(?P<number>\d+)\.\w+")
    with pytest.raises(ManifestError, match="none of 3 audio files fits"):
        list(read_corpus(tmp_path, anchored))


def test_name_that_is_not_utf8_is_rejected(tmp_path: Path) -> None:
    touch(tmp_path, "F1/wav_48000/F1_000021.wav", os.fsdecode("F1/wav_48000/소리_000022.wav".encode("cp949")))
    outcomes = list(read_corpus(tmp_path, SpeakerFoldersConfig()))
    assert [item.id for item in outcomes if isinstance(item, Utterance)] == ["F1/wav_48000/F1_000021"]
    (rejection,) = [item for item in outcomes if isinstance(item, Rejected)]
    assert (rejection.audio, rejection.kind) == ("F1/wav_48000/소리_000022.wav", "name-not-utf8")


def test_sentences_of_scripts_are_kept_apart_by_the_split(tmp_path: Path) -> None:
    from soritune.corpus.splitting.splits import SplitSettings, make_splits

    for person in range(12):
        folder = tmp_path / "c" / f"F{person}" / "wav_48000"
        folder.mkdir(parents=True)
        for number in range(21, 41):
            soundfile.write(folder / f"F{person}_{number:06d}.wav", np.full(1600, 0.1, np.float32), 16000)
        (folder.parent / "script.txt").write_text(
            "".join(f"{n} 문장 {n}\n" for n in range(21, 41)), encoding="utf-8"
        )
    made = prepare("speaker-folders", tmp_path / "c", {"labels": LABELS}, tmp_path / "out")
    splits = make_splits(made.manifest, SplitSettings(by=("speaker", "script")))
    sides: dict[str, set[str]] = {}
    for utterance in made.manifest:
        side = splits.assignment[utterance.id]
        if side != "unused":
            sides.setdefault(str(utterance.script), set()).add(side)
    assert len(sides) == 20 and all(len(side) == 1 for side in sides.values())


def test_range_outside_a_list_is_refused_with_advice() -> None:
    with pytest.raises(ValidationError, match=r"such as \[\[21, 30\]\] for 21 to 30, got \[21, 30\]"):
        SpeakerFoldersConfig.model_validate({"labels": {"Anxious": [21, 30]}})


def test_second_file_of_equal_composed_name_is_rejected(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        path = tmp_path / "c" / "F1" / "wav_48000" / unicodedata.normalize(form, "가_1.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(800), 16000)
    made = prepare("speaker-folders", tmp_path / "c", {}, tmp_path / "out")
    assert len(made.manifest) == 1 and len(made.quarantined) == 1
    assert "differs only in how its Hangul is put together" in made.quarantined[0].reason
    assert made.manifest.utterance(0).audio != made.quarantined[0].audio
