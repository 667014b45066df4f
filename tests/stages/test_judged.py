"""Which bundle is judged on which rows, and the names of the files that the results go to."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from soritune.bundles.write import update_card
from soritune.corpus.manifest import write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import BundleError, OutputError, SplitError, TaskError
from soritune.stages.judged import JudgedModel, judge_data, judge_manifest, judge_run
from soritune.tasks.decoding.decoder import make_decoder

GREEDY = make_decoder("greedy")


@pytest.fixture
def run(fakes: ModuleType, tmp_path: Path) -> Path:
    """A run with two bundles, whose best is best_emotion_ua, and twelve rows of six speakers."""
    rows = [
        Utterance(id=f"u{k}", audio=f"{k}.wav", duration_s=1.0, speaker=f"s{k % 6}", emotion="calm")
        for k in range(12)
    ]
    folder = tmp_path / "run"
    manifest = write_manifest(folder / "checked.parquet", rows, root=tmp_path)
    make_splits(manifest, SplitSettings(by=("speaker",))).save(folder / "splits.parquet")
    for name in ("best_emotion_ua", "last"):
        fakes.make_bundle(folder / "bundles" / name, [fakes.emotion_task()])
    return folder


def in_folder(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def test_the_own_test_split_goes_into_the_run_and_into_the_card(run: Path) -> None:
    model = JudgedModel.find(run, None)
    judged = judge_run(model, "test", splits=None, output=None, root=None, decoder=GREEDY)
    assert model.bundle.name == "best_emotion_ua"
    assert {key: in_folder(Path(path), run) for key, path in judged.files.to_json().items()} == {
        "predictions": "predictions/test.jsonl",
        "scores": "scores.json",
        "report": "report.html",
        "text": "report.txt",
    }
    assert judged.updates_card
    assert set(judged.rows.ids) < {f"u{k}" for k in range(12)}
    assert judged.data["seen"] == {"train": 0, "val": 0}


def test_the_own_rows_are_synthetic_if_the_recipe_says_so(run: Path) -> None:
    update_card(run / "bundles" / "best_emotion_ua", recipe={"name": "fake", "data": {"synthetic": True}})
    judged = judge_run(
        JudgedModel.find(run, None), "test", splits=None, output=None, root=None, decoder=GREEDY
    )
    assert judged.data["synthetic"] is True
    elsewhere = judge_manifest(
        JudgedModel.find(run, None),
        run / "checked.parquet",
        "all",
        splits=None,
        output=run / "other",
        root=None,
        decoder=GREEDY,
    )
    assert elsewhere.data["synthetic"] is False


@pytest.mark.parametrize(
    ("checkpoint", "split", "names", "updates_card"),
    [
        (None, "val", ("predictions/val.jsonl", "scores-val.json"), False),
        ("last", "test", ("predictions/test-last.jsonl", "scores-last.json"), True),
        ("last", "val", ("predictions/val-last.jsonl", "scores-val-last.json"), False),
        (None, "all", ("predictions/all.jsonl", "scores-all.json"), False),
    ],
)
def test_another_split_or_bundle_is_in_the_names(
    checkpoint: str | None, split: str, names: tuple[str, str], updates_card: bool, run: Path
) -> None:
    judged = judge_run(
        JudgedModel.find(run, checkpoint), split, splits=None, output=None, root=None, decoder=GREEDY
    )
    assert (in_folder(judged.files.predictions, run), in_folder(judged.files.scores, run)) == names
    assert judged.updates_card == updates_card


def test_names_in_another_folder_have_the_split_only(run: Path, tmp_path: Path) -> None:
    judged = judge_run(
        JudgedModel.find(run, "last"), "val", splits=None, output=tmp_path / "out", root=None, decoder=GREEDY
    )
    assert in_folder(judged.files.scores, tmp_path) == "out/scores-val.json"
    assert in_folder(judged.files.predictions, tmp_path) == "out/predictions/val.jsonl"
    assert not judged.updates_card


def test_results_without_an_input_get_a_suffix_and_do_not_enter_the_card(run: Path) -> None:
    model = JudgedModel.find(run, None)
    judged = judge_run(model, "test", splits=None, output=None, root=None, decoder=GREEDY, withhold=("text",))
    assert in_folder(judged.files.predictions, run) == "predictions/test-without-text.jsonl"
    assert in_folder(judged.files.scores, run) == "scores-without-text.json"
    assert not judged.updates_card


def test_the_bundle_and_decoder_that_the_recipe_names_get_no_suffix(run: Path) -> None:
    model = JudgedModel.find(run, "last")
    assert (model.checkpoint_suffix(), model.decoder_suffix(GREEDY)) == ("-last", "")
    update_card(model.bundle, recipe={"evaluate": {"checkpoint": "last", "decoder": {"name": "beam"}}})
    assert (model.checkpoint_suffix(), model.decoder_suffix(GREEDY)) == ("", "-greedy")


def test_a_bundle_is_found_with_its_run(run: Path, fakes: ModuleType, tmp_path: Path) -> None:
    inside = JudgedModel.find(run / "bundles" / "last", None)
    assert inside.run is not None and inside.run.path == run
    fakes.make_bundle(tmp_path / "elsewhere", [fakes.emotion_task()])
    outside = JudgedModel.find(tmp_path / "elsewhere", None)
    assert outside.run is None
    assert (outside.checkpoint_suffix(), outside.label_field()) == ("", "emotion")
    with pytest.raises(BundleError, match="is not part of a run folder"):
        judge_run(outside, "test", splits=None, output=None, root=None, decoder=GREEDY)


def test_a_model_without_classes_has_no_column_for_labels(fakes: ModuleType, tmp_path: Path) -> None:
    fakes.make_bundle(tmp_path / "phones", [fakes.phoneme_task()])
    with pytest.raises(TaskError, match="labels would be left unused"):
        JudgedModel.find(tmp_path / "phones", None).label_field()


def test_another_manifest_is_judged_in_a_folder_with_its_name(run: Path, tmp_path: Path) -> None:
    rows = [Utterance(id="x", audio="x.wav", duration_s=1.0, speaker="s", emotion="calm")]
    manifest = write_manifest(tmp_path / "children.parquet", rows, root=tmp_path).path
    assert manifest is not None
    model = JudgedModel.find(run, "last")
    judged = judge_manifest(model, manifest, "test", splits=None, output=None, root=None, decoder=GREEDY)
    assert in_folder(judged.files.scores, run) == "evaluation/children/scores-last.json"
    assert in_folder(judged.files.predictions, run) == "evaluation/children/predictions/all-last.jsonl"
    with pytest.raises(SplitError, match="'val' of .* is unknown; name its splits file"):
        judge_manifest(model, manifest, "val", splits=None, output=None, root=None, decoder=GREEDY)


def test_rows_in_memory_are_judged_as_lists(run: Path, tmp_path: Path) -> None:
    rows = [Utterance(id="x", audio="x.wav", duration_s=1.0, speaker="s", emotion="calm")]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    judged = judge_data(
        JudgedModel.find(run, None), manifest, source=None, settings=None, output=None, decoder=GREEDY
    )
    assert in_folder(judged.files.report, run) == "evaluation/lists/report.html"
    assert judged.unusable == ()


def test_a_run_is_refused_as_the_folder_of_other_data(run: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="whose own manifest would be replaced"):
        judge_data(
            JudgedModel.find(run, None), tmp_path, source=None, settings=None, output=run, decoder=GREEDY
        )
