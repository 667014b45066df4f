"""The corpus verbs as typed: what they print, write and refuse."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from soritune.cli import check, corpus
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, OutputError, SplitError, TaskError
from soritune.tasks.emotion import EmotionTask

app = typer.Typer(pretty_exceptions_enable=False)
for verb in (corpus.prepare, check.check, corpus.split, corpus.folds):
    app.command(verb.__name__)(verb)


def soritune(*arguments: object, code: int = 0) -> str:
    """Runs a verb; SorituneErrors come through as in `main`."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def answer(*arguments: object) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(soritune(*arguments, "--json"))
    return content


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine people with six sentences each, as someone else's JSONL."""
    target = tmp_path / "말뭉치 하나"
    rows = []
    for person in range(9):
        for number in range(6):
            name = f"소리/{person} {number}.WAV"
            (target / "소리").mkdir(parents=True, exist_ok=True)
            level = 0.1 + 0.0001 * (6 * person + number)  # no two files are copies
            soundfile.write(
                target / name, (level * np.sin(np.arange(8000))).astype(np.float32), 16000, format="WAV"
            )
            label = ("화남", "기쁨")[number % 2]
            rows.append(
                {
                    "utt": f"{person}_{number}",
                    "audio": name,
                    "duration": 0.5,
                    "who": f"p{person}",
                    "text": f"{person} {number}",
                    "mood": label,
                }
            )
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (target / "manifest.jsonl").write_text(text, encoding="utf-8")
    return target


FIELDS = (
    "--field",
    "id=utt",
    "--field",
    "duration_s=duration",
    "--field",
    "speaker=who",
    "--field",
    "emotion=mood",
)


def test_prepare_check_split_and_folds_write_their_files(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = answer("prepare", "manifest", folder, "-o", out, *FIELDS, "--constant", "language=ko")
    assert (made["utterances"], made["speakers"], made["quarantined"]) == (54, 9, 0)
    assert load_manifest(out / "manifest.parquet").utterance(0).language == "ko"
    english = ("--no-decode", "--task", "phoneme", "--set", "phoneme.language=en")
    sentence = "has no target for the task phoneme; its language is 'ko', wanted is 'en'"
    with pytest.raises(ManifestError, match=sentence):
        soritune("check", out / "manifest.parquet", *english)
    (folder / "소리" / "0 0.WAV").write_bytes(b"")
    checked = answer(
        "check",
        out / "manifest.parquet",
        "-o",
        out,
        "--task",
        "emotion",
        "--set",
        "emotion.labels=[화남, 기쁨]",
    )
    assert checked["quarantined"] == [{"id": "0_0", "reason": "is empty (0 bytes)", "stage": "decode"}]
    assert checked["tables"]["emotion"]["화남"]["utterances"] == 26
    assert len(load_manifest(out / "checked.parquet")) == 53
    split = answer("split", out / "checked.parquet", "-o", out / "splits.parquet", "--stratify", "emotion")
    assert [split["splits"][name]["speakers"] for name in ("train", "val", "test")] == [7, 1, 1]
    assert load_splits(out / "splits.parquet").policy == split["policy"]
    folds = answer("folds", out / "checked.parquet", "-o", out / "folds", "-k", 3)["folds"]
    assert sorted(os.listdir(out / "folds")) == ["fold-1.parquet", "fold-2.parquet", "fold-3.parquet"]
    assert sum(fold["splits"]["test"]["utterances"] for fold in folds) == 53


def test_output_without_json_has_counts_reasons_and_tables(folder: Path, tmp_path: Path) -> None:
    text = soritune("prepare", "manifest", folder / "manifest.jsonl", "-o", tmp_path / "o", *FIELDS)
    assert text.startswith("54 utterances, 0.01 h, 9 speakers → ")
    text = soritune(
        "check",
        tmp_path / "o" / "manifest.parquet",
        "--task",
        "emotion",
        "--set",
        "emotion.labels=[화남,슬픔]",
    )
    assert "27 quarantined" in text
    assert "0_1: emotion '기쁨' is not in the label set" in text
    assert "… and 22 more" in text
    assert not (tmp_path / "quarantine.jsonl").exists()
    text = soritune("split", tmp_path / "o" / "manifest.parquet", "-o", tmp_path / "s.parquet", "--random")
    assert "random split: the same speakers and scripts" in text
    soritune("check", tmp_path / "o" / "manifest.parquet", "--no-decode", "--strict")
    (folder / "소리" / "0 0.WAV").unlink()
    soritune("check", tmp_path / "o" / "manifest.parquet", "--strict", code=1)


def test_an_earlier_quarantine_is_kept(folder: Path, tmp_path: Path) -> None:
    (folder / "소리" / "0 0.WAV").unlink()
    soritune("prepare", "manifest", folder, "-o", tmp_path / "o", *FIELDS)
    (folder / "소리" / "0 1.WAV").unlink()
    soritune("check", tmp_path / "o" / "manifest.parquet", "-o", tmp_path / "o")
    lines = (tmp_path / "o" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(json.loads(line)["id"], json.loads(line)["stage"]) for line in lines] == [
        ("0_0", "prepare"),
        ("0_1", "decode"),
    ]


def test_a_faulty_argument_is_reported_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "o"
    with pytest.raises(ManifestError, match="column 'id' .*--field id="):
        soritune("prepare", "manifest", folder, "-o", out)
    with pytest.raises(ManifestError, match="--field expects NAME=VALUE, got 'id'"):
        soritune("prepare", "manifest", folder, "-o", out, "--field", "id")
    with pytest.raises(ManifestError, match="--field has no meaning for the source 'speaker-folders'"):
        soritune("prepare", "speaker-folders", folder, "-o", out, "--field", "id=utt")
    with pytest.raises(ManifestError, match="takes one folder, got 2 paths"):
        soritune("prepare", "speaker-folders", folder, folder, "-o", out)
    with pytest.raises(ManifestError, match="id '0_0' occurs twice"):
        soritune(
            "prepare", "manifest", folder / "manifest.jsonl", folder / "manifest.jsonl", "-o", out, *FIELDS
        )
    assert not (out / "manifest.parquet").exists()
    soritune("prepare", "manifest", folder, "-o", out, *FIELDS)
    with pytest.raises(TaskError, match="labels"):
        soritune("check", out / "manifest.parquet", "--task", "emotion")
    with pytest.raises(SplitError, match="expects 3 numbers"):
        soritune("split", out / "manifest.parquet", "-o", out / "s.parquet", "--ratios", "0.8,0.2")
    with pytest.raises(SplitError, match="must add to 1"):
        soritune("split", out / "manifest.parquet", "-o", out / "s.parquet", "--ratios", "0.8,0.2,0.2")
    with pytest.raises(SplitError, match="by"):
        soritune("split", out / "manifest.parquet", "-o", out / "s.parquet", "--by", "gender")
    with pytest.raises(SplitError, match="cannot stratify by 'dialect'"):
        soritune("split", out / "manifest.parquet", "-o", out / "s.parquet", "--stratify", "dialect")
    with pytest.raises(OutputError, match="cannot be written"):
        soritune("split", out / "manifest.parquet", "-o", out / "manifest.parquet" / "s.parquet")
    assert sorted(os.listdir(out)) == ["manifest.parquet", "quarantine.jsonl"]


def test_number_ranges_are_read_from_the_command_line(tmp_path: Path) -> None:
    for person in ("F1", "M1", "M2"):
        for number in (1, 2, 9):
            file = tmp_path / "c" / person / "wav_48000" / f"{person}_{number:06d}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, (0.1 * np.sin(np.arange(9600))).astype(np.float32), 48000)
    made = answer(
        "prepare",
        "speaker-folders",
        tmp_path / "c",
        "-o",
        tmp_path / "o",
        "--set",
        "labels={a: [[1, 1]], b: [[2, 5]]}",
    )
    assert (made["utterances"], made["skipped"]) == (6, {"number outside the label ranges": 3})


def test_a_second_check_lists_every_rejection_once(folder: Path, tmp_path: Path) -> None:
    (folder / "소리" / "0 0.WAV").unlink()
    soritune("prepare", "manifest", folder, "-o", tmp_path / "o", *FIELDS, "--strict", code=1)
    (folder / "소리" / "0 1.WAV").unlink()
    for _ in range(2):
        soritune("check", tmp_path / "o" / "manifest.parquet", "-o", tmp_path / "o")
    soritune("check", tmp_path / "o" / "checked.parquet", "-o", tmp_path / "o")
    lines = (tmp_path / "o" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["0_0", "0_1"]


def test_a_check_without_a_usable_row_fails(folder: Path, tmp_path: Path) -> None:
    soritune("prepare", "manifest", folder, "-o", tmp_path / "o", *FIELDS)
    for file in (folder / "소리").iterdir():
        file.unlink()
    with pytest.raises(
        ManifestError, match="none of its 54 utterances can be used; the first: does not exist"
    ):
        soritune("check", tmp_path / "o" / "manifest.parquet", "-o", tmp_path / "o")
    assert sorted(os.listdir(tmp_path / "o")) == ["manifest.parquet", "quarantine.jsonl"]
    assert len((tmp_path / "o" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()) == 54


def test_splits_are_not_written_over_another_kind_of_file(folder: Path, tmp_path: Path) -> None:
    soritune("prepare", "manifest", folder, "-o", tmp_path / "o", *FIELDS)
    with pytest.raises(OutputError, match=r"quarantine.jsonl: splits are written as \.parquet"):
        soritune("split", tmp_path / "o" / "manifest.parquet", "-o", tmp_path / "o" / "quarantine.jsonl")
    assert (tmp_path / "o" / "quarantine.jsonl").read_text() == ""


def test_a_speaker_in_val_and_test_of_a_given_split_is_reported(folder: Path, tmp_path: Path) -> None:
    given = ("--constant", "source=x")
    file = folder / "manifest.jsonl"
    content = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(content):
        row["part"] = "train" if row["who"] not in ("p7", "p8") else ("dev", "eval")[number % 2]
    file.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    soritune("prepare", "manifest", folder, "-o", tmp_path / "o", *FIELDS, *given)
    made = answer(
        "split", tmp_path / "o" / "manifest.parquet", "-o", tmp_path / "s.parquet", "--given", "part"
    )
    assert made["policy"]["overlap"]["val-test"]["speaker"] == 1.0
    assert "100% of the test hours have a speaker that is also in val" in made["policy"]["warnings"]
    file.write_text("".join(json.dumps({**row, "part": "train"}) + "\n" for row in content), encoding="utf-8")
    soritune("prepare", "manifest", folder, "-o", tmp_path / "o", *FIELDS)
    with pytest.raises(SplitError, match="split 'val' came out empty; .*--ratios 1,0,0"):
        soritune(
            "split", tmp_path / "o" / "manifest.parquet", "-o", tmp_path / "s.parquet", "--given", "part"
        )
    soritune("split", tmp_path / "o" / "manifest.parquet", "-o", tmp_path / "s.parquet", "--given", "part",
             "--ratios", "1,0,0")  # fmt: skip


def test_a_field_that_a_task_needs_may_be_in_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmotionTask, "required_fields", ("emotion", "studio"))
    rows = [
        Utterance(id=f"{n}", audio="a.wav", duration_s=1.0, emotion="a", extra=extra)
        for n, extra in enumerate(({"studio": "서울"}, {}))
    ]
    path = tmp_path / "m.parquet"
    write_manifest(path, rows, root=tmp_path)
    checked = answer("check", path, "--no-decode", "--task", "emotion", "--set", "emotion.labels=[a, b]")
    assert [row["reason"] for row in checked["quarantined"]] == [
        "has no studio, which the task emotion needs"
    ]


def test_split_and_folds_work_beside_a_package_with_a_broken_task(
    tmp_path: Path, external_package: Callable[[str, str, str], Path]
) -> None:
    external_package("soritune.tasks", "broken", "import a_module_that_is_not_installed\n\nTASK = None\n")
    external_package("soritune.tasks", "number", "TASK = 5\n")
    manifest = tmp_path / "m.parquet"
    rows = [Utterance(id=str(i), audio="a.wav", duration_s=1.0, speaker=f"p{i}") for i in range(9)]
    write_manifest(manifest, rows, root=tmp_path)
    split = answer("split", manifest, "-o", tmp_path / "s.parquet")
    assert sum(part["speakers"] for part in split["splits"].values()) == 9
    soritune("folds", manifest, "-o", tmp_path / "folds", "--folds", "3")
    assert len(list((tmp_path / "folds").iterdir())) == 3
